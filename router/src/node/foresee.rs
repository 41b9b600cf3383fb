//! Memory fetched ahead, for simulators: at very many nodes most of an event's time is waiting for it.
//!
//! Each step has fetched what lies where the step before it led. Called a step at a time for several coming
//! inputs at once, they have the processor wait for the memory of all of them together. Nothing is changed.

use archipelago_core::Peer;
use archipelago_core::ahead::fetch;
use archipelago_core::wire::SessionId;
use archipelago_sgroup::Group;

use super::Node;

/// An input that is coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// A message on this session.
    Message(SessionId),
    /// The timer.
    Timeout,
}

impl Node {
    /// Steps of [`Node::foresee`], counted from zero.
    pub const FORESIGHT: u32 = 6;

    /// Has a part of what an input makes this node read fetched. Steps beyond the last one do nothing.
    /// Cost: some instructions for each line of memory, and for each of its groups.
    pub fn foresee(&self, coming: Coming, step: u32) {
        match (step, coming) {
            (0, _) => self.foresee_itself(),
            (1, Coming::Message(session)) => {
                self.sessions.foresee(session);
                self.foresee_groups();
            }
            (1, Coming::Timeout) => self.foresee_groups(),
            (2, _) => self.each_group(Group::foresee),
            (3, Coming::Message(session)) => self.foresee_beat(session),
            (3, Coming::Timeout) => self.each_group(Group::foresee_timeout),
            (4, Coming::Timeout) => self.each_group(|group| {
                let peers = group.observers().chain(group.observed());
                peers.for_each(|peer| self.base.peers.foresee(peer));
            }),
            (5, Coming::Timeout) => {
                let told = self.told_by_timeout();
                told.for_each(|session| self.sessions.foresee(session));
            }
            _ => {}
        }
    }

    /// The sessions on which the timer makes this node speak, as far as can be told.
    pub fn told_by_timeout(&self) -> impl Iterator<Item = SessionId> {
        let peers = self.groups.values().flat_map(|group| group.observers());
        peers.filter_map(|peer| self.base.peers.get(peer)?.session)
    }

    /// Each line of the node itself that an input reads.
    fn foresee_itself(&self) {
        fetch(&self.rest);
        fetch(&self.groups);
        fetch(&self.base.peers);
        fetch(&self.base.rng);
        fetch(&self.sessions);
        fetch(&self.detours);
        fetch(&self.boot);
    }

    fn foresee_groups(&self) {
        if let Some(first) = self.groups.keys().next() {
            fetch(first);
        }
    }

    /// What the tables hold of the peer that speaks on a session.
    fn foresee_beat(&self, session: SessionId) {
        if let Some(peer) = self.speaker(session) {
            self.base.peers.foresee(peer);
            self.each_group(Group::foresee_beat);
        }
    }

    fn speaker(&self, session: SessionId) -> Option<Peer> {
        self.sessions.get(session).map(|session| session.peer)
    }

    fn each_group(&self, foresee: impl Fn(&Group)) {
        self.groups.values().for_each(|group| foresee(group));
    }
}
