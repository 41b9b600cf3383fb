//! Memory fetched ahead, for simulators: at very many nodes most of an event's time is waiting for it.

use archipelago_core::wire::SessionId;

use super::Node;

impl Node {
    /// Reads what a message on `session` makes this node read, and says anything of it: called for
    /// several coming messages at once, it has the processor fetch all of their memory together.
    pub fn foresee(&self, session: SessionId) -> u64 {
        let Some(session) = self.sessions.get(session) else {
            return 0;
        };
        let peer = session.peer;
        let state = self.base.peers.get(peer);
        let heard = state.map_or(0, |state| state.last_heard.as_micros());
        let groups = self.groups.values().map(|group| group.foresee(peer));
        groups.fold(heard, u64::max)
    }
}
