//! Whom this node watches over: the members that chose it as an observer.
//!
//! A member is watched from its first heartbeat, or from its admission or its observer's death when
//! this node is among its observers by the view, until it falls silent, turns out to live and no longer needs it. So
//! views that differ for a moment cause no alarm, and no table of all members' observers is kept.
//! A member with which there is traffic is looked at once more for each report of it.
//!
//! A heartbeat moves its sender's deadline, so that a node at rest wakes for beats and messages only;
//! other signs of life do not, and are found when the deadline comes.
//! Cost: O(1) per heartbeat; O(n) when somebody is admitted or fell silent, O(n²) after deaths.

use archipelago_core::ahead::fetch_at;
use archipelago_core::footprint::vec_bytes;
use archipelago_core::{Peer, Peers, Time};

use super::Cause;
use crate::Timing;
use crate::view::{View, rendezvous};

/// Watches that lie on one line of memory, at most.
const WATCHES_OF_A_LINE: usize = 2;

/// Ordered by slot: four on average, ten or so at most.
#[derive(Debug, Default)]
pub(super) struct Watches(Vec<Watch>);

#[derive(Clone, Copy, Debug)]
struct Watch {
    peer: Peer,
    check: Time,
    cause: Cause,
}

impl Watches {
    /// Watches these, which are ordered by slot, first looking at them at `check`.
    pub(super) fn form(&mut self, peers: Vec<Peer>, check: Time) {
        let cause = Cause::Silent;
        let watch = |peer| Watch { peer, check, cause };
        self.0 = peers.into_iter().map(watch).collect();
    }

    /// Whether this node watches nobody.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this node is an observer of `peer`.
    pub(super) fn observes(&self, peer: Peer) -> bool {
        self.cause(peer) == Some(Cause::Silent)
    }

    /// Why `peer` is watched, if it is.
    pub(super) fn cause(&self, peer: Peer) -> Option<Cause> {
        let watch = self.0.get(self.search(peer).ok()?)?;
        Some(watch.cause)
    }

    /// Watches `peer` as its observer, first looking at it at `check`.
    pub(super) fn add(&mut self, peer: Peer, check: Time) {
        match self.search(peer) {
            Ok(index) => self.0[index].cause = Cause::Silent,
            Err(index) => self.insert(index, peer, check, Cause::Silent),
        }
    }

    /// Looks at `peer` once, at `check`, unless it is watched anyway.
    pub(super) fn add_once(&mut self, peer: Peer, check: Time) {
        if let Err(index) = self.search(peer) {
            self.insert(index, peer, check, Cause::Used);
        }
    }

    pub(super) fn remove(&mut self, peer: Peer) {
        if let Ok(index) = self.search(peer) {
            self.0.remove(index);
        }
        // While a group forms everybody watches everybody, and a few in the end.
        if self.0.capacity() > 16 && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    /// Looks at `peer` again at `check`.
    pub(super) fn postpone(&mut self, peer: Peer, check: Time) {
        if let Ok(index) = self.search(peer) {
            self.0[index].check = check;
        }
    }

    pub(super) fn postpone_all(&mut self, check: Time) {
        for watch in &mut self.0 {
            watch.check = check;
        }
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.0.iter().map(|watch| watch.peer)
    }

    /// Has the table fetched from memory: the beginning of it, and what follows that.
    pub(super) fn foresee(&self) {
        for index in (0..self.0.len()).step_by(WATCHES_OF_A_LINE) {
            fetch_at(&self.0, index);
        }
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.0)
    }

    pub(super) fn next(&self) -> Time {
        let checks = self.0.iter().map(|watch| watch.check);
        checks.min().unwrap_or(Time::NEVER)
    }

    /// One that is due, if any.
    pub(super) fn due(&self, now: Time) -> Option<Peer> {
        let mut due = self.0.iter().filter(|watch| watch.check <= now);
        due.next().map(|watch| watch.peer)
    }

    fn insert(&mut self, index: usize, peer: Peer, check: Time, cause: Cause) {
        self.0.insert(index, Watch { peer, check, cause });
    }

    /// The watch at this place: of whom, when it is due, and why.
    pub(super) fn at(&self, index: usize) -> Option<(Peer, Time, Cause)> {
        let watch = self.0.get(index)?;
        Some((watch.peer, watch.check, watch.cause))
    }

    fn search(&self, peer: Peer) -> Result<usize, usize> {
        self.0.binary_search_by_key(&peer, |watch| watch.peer)
    }
}

/// Whether this node is among the observers that `peer` should choose, by this node's view.
pub(super) fn is_observer(peer: Peer, view: &View, peers: &Peers, timing: &Timing) -> bool {
    let observed = peers.id(peer).prefix();
    let mine = rendezvous(observed, view.me().prefix());
    let better = view
        .present()
        .filter(|member| member.peer != peer && !member.is_suspect)
        .filter(|member| rendezvous(observed, peers.id(member.peer).prefix()) > mine)
        .take(timing.observers)
        .count();
    better < timing.observers
}
