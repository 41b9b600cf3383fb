//! A host's memory fetched ahead; see [`crate::engine::Shard::foresee`].

use archipelago_core::ahead::fetch;
use archipelago_router::{Coming, Node};

use super::Host;

impl Host {
    /// Each line of the host that an event reads.
    pub(crate) fn foresee(&self) {
        fetch(&self.chain);
        fetch(&self.armed);
        fetch(&self.heard);
        fetch(&self.sessions);
        fetch(&self.dirty);
        fetch(&self.claims);
        fetch(&self.ended);
    }

    /// The ends of the sessions on which the input comes, and of those on which the machine's timer
    /// makes it speak, once its own tables are there.
    pub(crate) fn foresee_transport(&self, coming: Coming, step: u32) {
        match (coming, &self.node) {
            (Coming::Message(session), _) if step == 1 => self.sessions.foresee(session),
            (Coming::Timeout, Some(node)) if step == Node::FORESIGHT => {
                let told = node.told_by_timeout();
                told.for_each(|session| self.sessions.foresee(session));
            }
            _ => {}
        }
    }
}
