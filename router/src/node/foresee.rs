//! Memory fetched ahead, for simulators: at very many nodes most of an event's time is waiting for it.
//!
//! Each step reads what the step before it found the place of. Called a step at a time for several
//! coming inputs at once, they have the processor wait for the memory of all of them together. Nothing
//! is changed, and what is said of it means nothing.

use archipelago_core::wire::SessionId;
use archipelago_core::{Peer, PeerState};
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

    /// Reads a part of what an input makes this node read, and says anything of it. Steps beyond the
    /// last one read nothing. Cost: a line of memory or a few, for each of its groups.
    pub fn foresee(&self, coming: Coming, step: u32) -> u64 {
        match (step, coming) {
            (0, _) => self.foresee_itself(),
            (1, Coming::Message(session)) => {
                let peer = self.speaker(session);
                peer.map_or(0, |peer| u64::from(peer.0)) ^ self.foresee_groups()
            }
            (1, Coming::Timeout) => self.foresee_groups(),
            (2, _) => self.each_group(Group::foresee),
            (3, Coming::Message(session)) => self.foresee_beat(session),
            (3, Coming::Timeout) => self.each_group(|group| {
                let peers = group.observers().chain(group.observed());
                peers.fold(0, |said, peer| said ^ u64::from(peer.0))
            }),
            (4, Coming::Timeout) => self.each_group(|group| {
                let peers = group.observers().chain(group.observed());
                peers.fold(0, |said, peer| said ^ self.heard(peer))
            }),
            (5, Coming::Timeout) => {
                let peers = self.told_by_timeout();
                peers.fold(0, |said, session| {
                    said ^ self.speaker(session).map_or(0, |peer| u64::from(peer.0))
                })
            }
            _ => 0,
        }
    }

    /// The sessions on which the timer makes this node speak, as far as can be told.
    pub fn told_by_timeout(&self) -> impl Iterator<Item = SessionId> {
        let peers = self.groups.values().flat_map(|group| group.observers());
        peers.filter_map(|peer| self.base.peers.get(peer)?.session)
    }

    /// A word of each line of the node itself that an input reads.
    fn foresee_itself(&self) -> u64 {
        let tables = self.work.len() ^ self.base.peers.len() ^ self.sessions.heap_bytes();
        self.boot.0 ^ u64::from(self.is_at_rest()) ^ tables as u64
    }

    fn foresee_groups(&self) -> u64 {
        let ids = self.groups.keys();
        ids.fold(0, |said, id| said ^ u64::from(id.0[0]))
    }

    /// What the tables hold of the peer that speaks on a session.
    fn foresee_beat(&self, session: SessionId) -> u64 {
        self.speaker(session).map_or(0, |peer| {
            self.heard(peer) ^ self.each_group(|group| group.foresee_beat_of(peer))
        })
    }

    fn speaker(&self, session: SessionId) -> Option<Peer> {
        self.sessions.get(session).map(|session| session.peer)
    }

    fn heard(&self, peer: Peer) -> u64 {
        let heard = |state: &PeerState| state.last_heard.as_micros();
        self.base.peers.get(peer).map_or(0, heard)
    }

    fn each_group(&self, read: impl Fn(&Group) -> u64) -> u64 {
        let groups = self.groups.values();
        groups.fold(0, |said, group| said ^ read(group))
    }
}
