//! Memory fetched ahead, for simulators: each of these reads a part of what an input will make the group
//! read, and says anything of it. Called for several coming inputs at once, a part at a time, it has the
//! processor wait for all of their memory together and not for one line after the other.
//! Cost: a dozen loads; nothing is changed.

use archipelago_core::Peer;

use super::Group;

impl Group {
    /// What lies in the group itself.
    pub fn foresee(&self) -> u64 {
        self.due.0.as_micros()
            ^ self.detector.foresee()
            ^ self.view.foresee()
            ^ u64::from(self.logs.hash())
    }

    /// What its tables hold for a heartbeat of the peer.
    pub fn foresee_beat_of(&self, peer: Peer) -> u64 {
        let member = self.view.find(peer);
        let boot = member.map_or(0, |member| member.standing.boot.0);
        boot ^ self.detector.next().as_micros()
    }

    /// Whom its own timer makes it speak to.
    pub fn observers(&self) -> impl Iterator<Item = Peer> {
        self.detector.observers()
    }

    /// Whom its own timer makes it look at.
    pub fn observed(&self) -> impl Iterator<Item = Peer> {
        self.detector.observed()
    }
}
