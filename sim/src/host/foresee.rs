//! A host's memory fetched ahead; see [`crate::engine::Shard::foresee`].

use archipelago_core::wire::SessionId;
use archipelago_router::{Coming, Node};

use super::{Host, ProcessState};

impl Host {
    /// A word of each line of the host that an event reads.
    pub(crate) fn foresee(&self) -> u64 {
        let tables = self.dirty.len() ^ self.activities.len() ^ self.letters.len();
        self.chain.value()
            ^ self.deadline.as_micros()
            ^ u64::from(self.counter)
            ^ u64::from(self.state == ProcessState::Running)
            ^ u64::from(self.claims.is_some())
            ^ (tables ^ self.ended.len()) as u64
    }

    /// The ends of the sessions on which the input comes, and of those on which the machine's timer
    /// makes it speak, once its own tables are there.
    pub(crate) fn foresee_transport(&self, coming: Coming, step: u32) -> u64 {
        match (coming, &self.node) {
            (Coming::Message(session), _) if step == 1 => self.last_arrival(session),
            (Coming::Timeout, Some(node)) if step == Node::FORESIGHT => {
                let told = node.told_by_timeout();
                told.fold(0, |said, session| said ^ self.last_arrival(session))
            }
            _ => 0,
        }
    }

    fn last_arrival(&self, session: SessionId) -> u64 {
        let end = self.sessions.get(session);
        end.map_or(0, |end| end.last_arrival.as_micros())
    }
}
