//! Memory fetched ahead, for simulators: each of these has a part of what an input will make the group read
//! fetched, a step after what lies on the way to it. Called for several coming inputs at once, a step at a
//! time, the processor waits for all of their memory together and not for one line after the other.
//! Cost: a dozen instructions; nothing is changed.

use archipelago_core::Peer;
use archipelago_core::ahead::fetch;

use super::Group;

impl Group {
    /// What lies in the group itself.
    pub fn foresee(&self) {
        fetch(&self.due);
        fetch(&self.sync);
        self.detector.foresee();
        self.view.foresee();
        fetch(&self.logs);
    }

    /// What its tables hold for a heartbeat.
    pub fn foresee_beat(&self) {
        self.view.foresee_members();
        self.detector.foresee_watches();
    }

    /// Whom its own timer makes it speak to and look at, as far as it is in tables of its own.
    pub fn foresee_timeout(&self) {
        self.view.foresee_members();
        self.detector.foresee_watches();
        self.detector.foresee_beats();
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
