//! The dial book: who asked for which connection, and one dial for all who want the same node.
//!
//! It promises one answer per request: ready or failed. It never decides to dial; time-outs of a
//! dial are the driver's, which answers each with `Opened` or `OpenFailed`.
//!
//! Cost: O(dials under way) per request, and those are at most [`DIALS_MAX`].

use std::collections::BTreeMap;

use archipelago_core::footprint::{map_bytes, vec_bytes};
use archipelago_core::{Address, GroupId, NodeId, Peer};
use archipelago_sgroup::DialTarget;

use crate::node::DialId;

/// Dials under way at once, for all groups and on-demand sessions together.
pub(crate) const DIALS_MAX: usize = 512;

/// Who wants a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A group, for this target of its own.
    Group(GroupId, DialTarget),
    /// Traffic outside any group.
    OnDemand(Peer),
    /// An invitation of this node into a group, of a change under this ticket.
    Invite(GroupId, u64, NodeId),
}

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// A node whose key is known.
    Peer(Peer),
    /// Whoever listens there.
    Address(Address),
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Booked {
    /// Dial, and answer with this number.
    New(DialId),
    /// A dial that is under way serves it too.
    Shared,
    /// Too many dials are under way; nothing changed.
    Full,
}

/// The dials under way.
#[derive(Debug, Default)]
pub(crate) struct DialBook {
    next: u32,
    dials: BTreeMap<DialId, Dial>,
    /// Whose dial is up and awaits the peer's Hello.
    waiting: BTreeMap<Peer, Vec<Purpose>>,
}

#[derive(Debug)]
struct Dial {
    whom: Whom,
    purposes: Vec<Purpose>,
}

impl DialBook {
    /// Books a dial to `whom` for `purpose`. Who asks again for the same has given its dial up: all
    /// who wanted that go over to a new one, and what becomes of the old one is no answer.
    pub(crate) fn book(&mut self, whom: Whom, purpose: Purpose) -> Booked {
        let is_full = self.dials.len() >= DIALS_MAX;
        let mut purposes = Vec::new();
        if let Some(dial) = self.wanted(&whom) {
            if !dial.purposes.contains(&purpose) {
                dial.purposes.push(purpose);
                return Booked::Shared;
            }
            if is_full {
                return Booked::Shared;
            }
            purposes = std::mem::take(&mut dial.purposes);
        } else if is_full {
            return Booked::Full;
        } else {
            purposes.push(purpose);
        }
        let id = self.fresh_id();
        self.dials.insert(id, Dial { whom, purposes });
        Booked::New(id)
    }

    /// The dial to `whom` that somebody waits for, or any that is under way.
    fn wanted(&mut self, whom: &Whom) -> Option<&mut Dial> {
        let dials = self.dials.values_mut();
        let same = dials.filter(|dial| dial.whom == *whom);
        same.max_by_key(|dial| dial.purposes.len())
    }

    /// The driver answered: the dial is over, and these wanted it. `None` for a stranger's number.
    pub(crate) fn finish(&mut self, id: DialId) -> Option<(Whom, Vec<Purpose>)> {
        self.dials
            .remove(&id)
            .map(|dial| (dial.whom, dial.purposes))
    }

    /// The connection is up: these wait for the peer's Hello.
    pub(crate) fn wait(&mut self, peer: Peer, purposes: Vec<Purpose>) {
        if !purposes.is_empty() {
            self.waiting.entry(peer).or_default().extend(purposes);
        }
    }

    /// Those who waited for the peer's Hello, which does not come.
    pub(crate) fn take_waiting(&mut self, peer: Peer) -> Vec<Purpose> {
        self.waiting.remove(&peer).unwrap_or_default()
    }

    /// A session with `peer` is ready: all who wanted it, by whatever dial.
    pub(crate) fn take_purposes(&mut self, peer: Peer) -> Vec<Purpose> {
        let mut purposes = self.take_waiting(peer);
        let dials = self.dials.values_mut();
        let same = dials.filter(|dial| dial.whom == Whom::Peer(peer));
        purposes.extend(same.flat_map(|dial| dial.purposes.drain(..)));
        purposes
    }

    /// Whether anything refers to `peer`.
    pub(crate) fn wants(&self, peer: Peer) -> bool {
        let mut dials = self.dials.values();
        self.waiting.contains_key(&peer) || dials.any(|dial| dial.whom == Whom::Peer(peer))
    }

    /// A group was left: it wants no answers.
    pub(crate) fn forget_group(&mut self, group: GroupId) {
        let booked = self.dials.values_mut().map(|dial| &mut dial.purposes);
        for purposes in booked.chain(self.waiting.values_mut()) {
            purposes.retain(|purpose| !matches!(purpose, Purpose::Group(id, _) if *id == group));
        }
    }

    /// What it holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let waiting = self.waiting.values();
        let purposes: usize = waiting.map(vec_bytes).sum();
        map_bytes(&self.dials) + map_bytes(&self.waiting) + purposes
    }

    fn fresh_id(&mut self) -> DialId {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.dials.contains_key(&DialId(self.next)) {
                return DialId(self.next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId([1; 16]);
    const OTHER: GroupId = GroupId([2; 16]);

    fn wants(group: GroupId) -> Purpose {
        Purpose::Group(group, DialTarget::Peer(Peer(1)))
    }

    #[test]
    fn one_dial_serves_all_who_want_the_same_node() {
        let mut book = DialBook::default();
        let whom = Whom::Peer(Peer(1));
        assert_eq!(
            book.book(whom.clone(), wants(GROUP)),
            Booked::New(DialId(1))
        );
        assert_eq!(book.book(whom.clone(), wants(OTHER)), Booked::Shared);
        let purposes = vec![wants(GROUP), wants(OTHER)];
        assert_eq!(book.finish(DialId(1)), Some((whom, purposes)));
        assert_eq!(book.finish(DialId(1)), None);
    }

    #[test]
    fn who_asks_again_gets_a_new_dial_and_hears_of_that_one_only() {
        let mut book = DialBook::default();
        let whom = Whom::Peer(Peer(1));
        for purpose in [wants(GROUP), wants(OTHER)] {
            book.book(whom.clone(), purpose);
        }
        let again = book.book(whom.clone(), wants(GROUP));
        assert_eq!(again, Booked::New(DialId(2)));
        let third = Purpose::OnDemand(Peer(1));
        assert_eq!(book.book(whom.clone(), third), Booked::Shared);
        assert_eq!(book.finish(DialId(1)), Some((whom.clone(), Vec::new())));
        let all = vec![wants(GROUP), wants(OTHER), third];
        assert_eq!(book.finish(DialId(2)), Some((whom, all)));
    }

    #[test]
    fn the_limit_holds_and_refuses_without_a_trace() {
        let mut book = DialBook::default();
        for peer in 0..DIALS_MAX {
            let whom = Whom::Peer(Peer(u32::try_from(peer).unwrap()));
            assert!(matches!(
                book.book(whom, Purpose::OnDemand(Peer(1))),
                Booked::New(_)
            ));
        }
        let one_more = Whom::Peer(Peer(u32::MAX));
        assert_eq!(
            book.book(one_more, Purpose::OnDemand(Peer(1))),
            Booked::Full
        );
        assert_eq!(book.take_purposes(Peer(u32::MAX)), []);
    }

    #[test]
    fn a_group_that_was_left_wants_no_answers() {
        let mut book = DialBook::default();
        book.book(Whom::Peer(Peer(1)), wants(GROUP));
        book.book(Whom::Peer(Peer(1)), Purpose::OnDemand(Peer(1)));
        book.forget_group(GROUP);
        assert_eq!(book.take_purposes(Peer(1)), [Purpose::OnDemand(Peer(1))]);
        assert_eq!(book.take_purposes(Peer(1)), []);
    }
}
