//! The membership of one s-group as this node sees it.
//!
//! A dense table of members in the order of their slots, a hash that does not depend on how the
//! view came about, and the tombstones of those who are gone. [`sync`] repairs what messages lost.
//! The view decides nothing: it merges standings and says what changed.
//!
//! Cost: 32 bytes per run of members that stand alike, O(log runs) per look-up, O(1) per hash update, nothing per message.

mod accept;
mod hash;
mod history;
mod standing;
mod sync;
mod table;

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::ahead::fetch;
use archipelago_core::wire::Life;
use archipelago_core::{NodeId, Peer, Time};

pub(crate) use accept::{Hearsay, judge_hearsay, keep_record};
pub(crate) use hash::rendezvous;
pub(crate) use standing::{HEARSAY_STEP_MAX, Standing};
pub(crate) use sync::{Sync, digest, entry_of, entry_of_standing, lacking_there, own_entry, pages};

use history::History;
use table::Table;

/// Tombstones kept for each living member, and at least in all.
const GRAVES_PER_MEMBER: usize = 4;
const GRAVES_MIN: usize = 64;

/// One member, or the tombstone of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) peer: Peer,
    pub(crate) standing: Standing,
    /// It proved on the present session (or detour) that it belongs to the group.
    pub(crate) is_admitted: bool,
    /// Its `MemberUp` of this tenure was told, and no `MemberDown` yet.
    pub(crate) is_told: bool,
    /// Votes against it are alive.
    pub(crate) is_suspect: bool,
    /// While this node catches up: neither a session nor anybody who hears it.
    pub(crate) is_unreachable: bool,
    /// It lives, but not by a direct session.
    pub(crate) is_path_down: bool,
}

impl Member {
    pub(crate) const fn is_present(&self) -> bool {
        !self.standing.is_ended()
    }

    /// As others see it.
    pub(crate) fn life(&self) -> Life {
        if self.is_suspect && self.standing.life() == Life::Alive {
            Life::Suspect
        } else {
            self.standing.life()
        }
    }
}

/// What a merge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// `None`: the member was unknown.
    pub(crate) before: Option<Standing>,
    pub(crate) after: Standing,
}

/// All members but this node, and how this node stands; laid out as written, what a heartbeat reads
/// first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct View {
    hash: u64,
    /// Of what else the members are to agree on.
    marks_hash: u64,
    history: History,
    members: Table,
    own: Standing,
    present: usize,
    graves: VecDeque<(Time, Peer)>,
    grave_life: Duration,
    me: NodeId,
}

impl View {
    pub(crate) fn new(me: NodeId, own: Standing, grave_life: Duration) -> Self {
        Self {
            me,
            own,
            members: Table::default(),
            present: 0,
            graves: VecDeque::new(),
            grave_life,
            hash: hash::member_hash(me.prefix(), &own),
            marks_hash: 0,
            history: History::default(),
        }
    }

    /// A view of living members, which are ordered by slot; `hash` is of all of them and this node
    /// together, as [`membership`] makes it.
    pub(crate) fn formed(
        me: NodeId,
        own: Standing,
        grave_life: Duration,
        members: &[Member],
        hash: u64,
    ) -> Self {
        Self {
            members: Table::formed(members),
            present: members.len(),
            hash,
            ..Self::new(me, own, grave_life)
        }
    }

    pub(crate) const fn me(&self) -> NodeId {
        self.me
    }

    pub(crate) const fn own(&self) -> Standing {
        self.own
    }

    /// Changes how this node stands: only it decides that.
    pub(crate) fn set_own(&mut self, own: Standing, now: Time) {
        let before = self.hash();
        let prefix = self.me.prefix();
        self.hash = self
            .hash
            .wrapping_sub(contribution(prefix, &self.own))
            .wrapping_add(contribution(prefix, &own));
        self.own = own;
        self.remember(before, now);
    }

    pub(crate) fn find(&self, peer: Peer) -> Option<Member> {
        self.members.find(peer)
    }

    /// Changes what is known of a member beside its standing; `None` if there is none.
    pub(crate) fn change<R>(
        &mut self,
        peer: Peer,
        change: impl FnOnce(&mut Member) -> R,
    ) -> Option<R> {
        let mut member = self.members.find(peer)?;
        let result = change(&mut member);
        self.members.put(&member);
        Some(result)
    }

    /// Members and tombstones, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member> {
        self.members.iter()
    }

    /// Members that neither left nor died, by slot.
    pub(crate) fn present(&self) -> impl Iterator<Item = Member> {
        self.members.iter().filter(Member::is_present)
    }

    /// How many there are, this node not counted.
    pub(crate) const fn present_count(&self) -> usize {
        self.present
    }

    /// Members and tombstones, this node included.
    pub(crate) fn entries_count(&self) -> usize {
        self.members.len() + 1
    }

    /// Equal for equal memberships. Tombstones are left out: they run out at different times.
    pub(crate) const fn hash(&self) -> u32 {
        let hash = self.hash.wrapping_add(self.marks_hash);
        (hash ^ (hash >> 32)) as u32
    }

    /// Who was put out is part of what the members agree on.
    pub(crate) fn set_marks_hash(&mut self, hash: u64, now: Time) {
        let before = self.hash();
        self.marks_hash = hash;
        self.remember(before, now);
    }

    /// Whether `hash` is the view's, or was until at most `age_max` ago.
    pub(crate) fn knows_hash(&mut self, hash: u32, now: Time, age_max: Duration) -> bool {
        self.history.trim(now, age_max);
        hash == self.hash() || self.history.contains(hash)
    }

    /// Merges what is known of `peer`, whose id begins with `prefix`; `None` if nothing is new.
    pub(crate) fn merge(
        &mut self,
        peer: Peer,
        prefix: u64,
        said: Standing,
        now: Time,
    ) -> Option<Change> {
        let hash_before = self.hash();
        let known = self.members.find(peer);
        let before = known.map(|member| member.standing);
        let after = before.map_or(said, |before| before.merge(said));
        if before == Some(after) {
            return None;
        }
        let member = known.unwrap_or_else(|| Member::new(peer, said));
        self.members.put(&Member {
            standing: after,
            ..member
        });
        self.count(before, after, peer, prefix, now);
        self.remember(hash_before, now);
        Some(Change { before, after })
    }

    /// Forgets tombstones that have run out; appends their slots.
    pub(crate) fn expire(&mut self, now: Time, expired: &mut Vec<Peer>) {
        while self.has_expired(now) {
            let Some((_, peer)) = self.graves.pop_front() else {
                return;
            };
            // It may have come back, or died again and be listed a second time.
            let is_listed = self.graves.iter().any(|&(_, other)| other == peer);
            let is_gone = self.find(peer).is_some_and(|member| !member.is_present());
            if is_gone && !is_listed {
                self.members.remove(peer);
                expired.push(peer);
            }
        }
    }

    /// Whether a tombstone has run out, or there are too many.
    pub(crate) fn has_expired(&self, now: Time) -> bool {
        let graves_max = GRAVES_MIN.max(self.present * GRAVES_PER_MEMBER);
        self.graves.len() > graves_max || self.graves.front().is_some_and(|grave| grave.0 <= now)
    }

    /// What the table holds on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let graves = self.graves.capacity() * size_of::<(Time, Peer)>();
        self.members.heap_bytes() + graves + self.history.heap_bytes()
    }

    /// Has each line that a heartbeat reads fetched; see [`crate::Group::foresee`].
    pub(crate) fn foresee(&self) {
        fetch(&self.members);
        fetch(self);
    }

    /// The same for what is known of members.
    pub(crate) fn foresee_members(&self) {
        self.members.foresee();
    }

    /// When the next tombstone runs out.
    pub(crate) fn next_expiry(&self) -> Time {
        self.graves.front().map_or(Time::NEVER, |&(due, _)| due)
    }

    fn count(
        &mut self,
        before: Option<Standing>,
        after: Standing,
        peer: Peer,
        prefix: u64,
        now: Time,
    ) {
        if let Some(before) = before.filter(|before| !before.is_ended()) {
            self.present -= 1;
            self.hash = self.hash.wrapping_sub(contribution(prefix, &before));
        }
        if after.is_ended() {
            self.graves.push_back((now.after(self.grave_life), peer));
        } else {
            self.present += 1;
            self.hash = self.hash.wrapping_add(contribution(prefix, &after));
        }
    }

    fn remember(&mut self, before: u32, now: Time) {
        if before != self.hash() {
            self.history.push(before, now);
        }
    }
}

impl Member {
    /// A member that proved itself and was told of.
    pub(crate) const fn formed(peer: Peer, standing: Standing) -> Self {
        Self {
            is_admitted: true,
            is_told: true,
            ..Self::new(peer, standing)
        }
    }

    const fn new(peer: Peer, standing: Standing) -> Self {
        Self {
            peer,
            standing,
            is_admitted: false,
            is_told: false,
            is_suspect: false,
            is_path_down: false,
            is_unreachable: false,
        }
    }
}

/// The hash of a membership: members by their ids' prefixes and how they stand.
pub(crate) fn membership(members: impl Iterator<Item = (u64, Standing)>) -> u64 {
    members.fold(0, |sum, (prefix, standing)| {
        sum.wrapping_add(contribution(prefix, &standing))
    })
}

fn contribution(prefix: u64, standing: &Standing) -> u64 {
    if standing.is_ended() {
        0
    } else {
        hash::member_hash(prefix, standing)
    }
}

#[cfg(test)]
mod tests;
