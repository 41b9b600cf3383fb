//! Groups that keep themselves in size: they split when too large and merge when small, each time
//! making the new before breaking the old.
//!
//! ```text
//!  too large, settled ─▶ Make ── all that move are in both groups, ready ─▶ Break ─▶ they leave, one
//!   (the keeper plans)    │      with all names, and are led up                    by one; heir noted
//!                         └─ not within the limit ─▶ Undo ─▶ they leave the other group again
//! ```
//! Everything that members have to agree on is said in the owner-logs of the group (key `0x0c`):
//! what it is to be and what came of it ([`Lineage`]), the change under way ([`Intent`], `Movers`),
//! and who is ready. So whoever hears late hears it, and when the *keeper* (the first member by
//! rendezvous rank, of those who stay) dies, the next one goes on from what it heard. The new group's
//! name follows from the old group's id and the number of the change: two keepers at once, on two
//! sides of a cut, make one group, whose halves meet as any group's do.
//!
//! It promises: one change of a group at a time, with a rest after each; a member leaves a group only
//! when it is up in the other with all living ones that move, when all that it says in the one all
//! know in the other, and when the other is led up as well as it should be; and a group names its
//! heirs to whoever does not find something there, from before the first leaves.
//! It joins, leaves and writes nothing itself: [`RegroupOutput`] says what is to be done.
//!
//! Cost: nothing at rest; while a change goes on, O(members) each [`tick`](RegroupConfig::tick) at
//! those who move and at the keeper, and three notes of some 100 bytes for each group.
//! Source: make-before-break as in RSVP-TE (RFC 3209, section 2.5); splits and merges of groups as
//! of pages in B-trees, half to three halves full.

mod below;
mod change;
mod config;
mod course;
mod descent;
mod keeping;
mod lineage;
mod merging;
mod moving;
mod sight;
mod split;
mod taking;
pub(crate) mod trail;

#[cfg(test)]
mod tests;

pub(crate) use config::RegroupConfig;
pub use descent::Descent;
pub(crate) use sight::{Lent, Other, Seen, Sight, Ward, read_seek, read_stands};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use archipelago_core::wire::{Above, Lineage, RegroupKind, RegroupStage, Standard};
use archipelago_core::{GroupId, NodeId, Time};
use archipelago_sgroup::Brought;
use bytes::Bytes;

use course::Course;

/// Groups that this node left and whose successor it remembers.
const MOVED_MAX: usize = 64;

/// What a change of groups asks of its caller.
#[derive(Clone, Debug)]
pub(crate) enum RegroupOutput {
    /// Write into this node's log in a group; without a value, delete.
    Write {
        group: GroupId,
        key: Bytes,
        value: Option<Bytes>,
    },
    /// Enter another group beside this one, configured alike: through these members of this one,
    /// or as its beginning.
    Enter {
        group: GroupId,
        other: Arc<str>,
        seeds: Vec<NodeId>,
        /// It begins with those who move.
        is_new: bool,
    },
    /// The other group takes this one in, or goes on beside it: it is to be known there.
    Succeed {
        group: GroupId,
        other: GroupId,
        lineage: Box<Lineage>,
        is_merger: bool,
    },
    /// Let a node of another group into this one.
    Invite { group: GroupId, node: NodeId },
    /// Leave the group: this node is in the other one instead, with all that it says.
    Leave {
        group: GroupId,
        other: GroupId,
        lineage: Box<Lineage>,
        is_merger: bool,
    },
    /// Leave the other group again.
    Withdraw(GroupId),
    /// These are to be the group's parents, of which members know these: their names, through whom.
    Lift {
        group: GroupId,
        epoch: u64,
        parents: Vec<(Arc<str>, Vec<NodeId>)>,
    },
    /// Take these groups for parents.
    Raise {
        group: GroupId,
        above: Above,
        standard: Arc<Standard>,
    },
    /// For those who watch.
    Event { group: GroupId, change: Regrouped },
}

/// What a group that the program keeps in size did, or is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Regrouped {
    /// A change began, by this node, the group's keeper.
    Began {
        /// What.
        kind: RegroupKind,
        /// The group that members move to.
        other: GroupId,
    },
    /// It is over: who moved is in the other group only. Told by the keeper.
    Done {
        /// What.
        kind: RegroupKind,
        /// The group that members moved to.
        other: GroupId,
    },
    /// It was not made in time, and undone: all are in the group as before. Told by the keeper.
    Undone {
        /// What.
        kind: RegroupKind,
        /// The group that is no more.
        other: GroupId,
    },
    /// This node is in another group instead, with all that it said.
    Moved {
        /// In which.
        to: GroupId,
    },
    /// This node was in the group to move there, and is not any more, since the change was undone.
    Withdrawn,
}

/// The machine of one node.
#[derive(Debug, Default)]
pub(crate) struct Regroup {
    config: RegroupConfig,
    courses: BTreeMap<GroupId, Course>,
    /// Groups that this node left, and where it went; the latest last.
    moved: VecDeque<(GroupId, GroupId)>,
    /// What this node said again in the group that it moves to, by the one that it moves from.
    brought: BTreeMap<GroupId, Brought>,
}

impl Regroup {
    /// A group is to be looked at: it was entered with a standard, or a member says something.
    pub(crate) fn stir(&mut self, group: GroupId, now: Time) {
        let course = self.courses.entry(group);
        let course = course.or_insert_with(|| Course::new(group, now));
        course.wake(now);
    }

    /// A member of any group says something of sizes or changes: groups below hear it, too.
    pub(crate) fn stir_all(&mut self, group: GroupId, now: Time) {
        self.stir(group, now);
        self.handle_below(now);
    }

    /// A parent says something else of the groups below it, or one of them has another charter.
    pub(crate) fn handle_below(&mut self, now: Time) {
        for course in self.courses.values_mut() {
            course.wake(now);
        }
    }

    /// Members of a group came or went.
    pub(crate) fn handle_members(&mut self, group: GroupId, now: Time) {
        if let Some(course) = self.courses.get_mut(&group) {
            course.wake(now);
        }
    }

    /// This node left a group.
    pub(crate) fn handle_left(&mut self, group: GroupId) {
        self.courses.remove(&group);
        self.brought.remove(&group);
    }

    /// What was said in another group of what this node says in `group`; to be put back.
    pub(crate) fn take_brought(&mut self, group: GroupId) -> Brought {
        self.brought.remove(&group).unwrap_or_default()
    }

    /// As it is now.
    pub(crate) fn put_brought(&mut self, group: GroupId, brought: Brought) {
        self.brought.insert(group, brought);
    }

    /// This node left a group for another, which goes on with what is known of the first.
    pub(crate) fn handle_moved(
        &mut self,
        (from, to): (GroupId, GroupId),
        lineage: &Lineage,
        is_merger: bool,
        now: Time,
    ) {
        self.moved.retain(|(left, _)| *left != from && *left != to);
        self.moved.push_back((from, to));
        if self.moved.len() > MOVED_MAX {
            self.moved.pop_front();
        }
        self.handle_succeeded((from, to), lineage, is_merger, now);
    }

    /// A group goes on as what another one was, or as a part of it.
    pub(crate) fn handle_succeeded(
        &mut self,
        (from, to): (GroupId, GroupId),
        lineage: &Lineage,
        is_merger: bool,
        now: Time,
    ) {
        self.stir(to, now);
        let fresh_until = now.after(self.config.settle);
        if let Some(course) = self.courses.get_mut(&to) {
            course.inherit(from, lineage, is_merger);
            course.fresh_until = Some(fresh_until).filter(|_| is_merger);
        }
    }

    /// A group is to have these parents.
    pub(crate) fn handle_lifted(&mut self, group: GroupId, above: Above, now: Time) {
        self.stir(group, now);
        if let Some(course) = self.courses.get_mut(&group) {
            let known = course.lineage.above.take();
            course.lineage.above = known.max(Some(above));
        }
    }

    /// The parents that a group was given, if it was given any.
    pub(crate) fn given(&self, group: GroupId) -> Option<&Above> {
        self.courses.get(&group)?.lineage.above.as_ref()
    }

    /// Groups whose time has come.
    pub(crate) fn due(&self, now: Time) -> Vec<GroupId> {
        let due = self.courses.values().filter(|course| course.due <= now);
        due.map(|course| course.group).collect()
    }

    /// The group that members of `group` move to, and whether this node does.
    pub(crate) fn other(&self, group: GroupId, me: NodeId) -> Option<(GroupId, bool)> {
        let change = self.courses.get(&group)?.change.as_ref()?;
        Some((change.other, change.moves(&me)))
    }

    /// How far `other` is in joining `group`, if it does.
    pub(crate) fn joins_back(&self, group: GroupId, other: GroupId) -> Option<RegroupStage> {
        let change = self.courses.get(&other)?.change.as_ref()?;
        let is_back = change.is_merger() && change.other == group;
        is_back.then_some(change.intent.stage)
    }

    /// Does what follows from what is known of a group now.
    pub(crate) fn settle(
        &mut self,
        group: GroupId,
        sight: &Sight,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        if let Some(course) = self.courses.get_mut(&group) {
            course.settle(sight, &self.config, lent, out);
        }
    }

    /// Where to look for what is not found in one of this node's groups.
    pub(crate) fn heirs(&self, group: GroupId) -> Vec<GroupId> {
        let course = self.courses.get(&group);
        course.map_or_else(Vec::new, Course::heirs)
    }

    /// Groups that one of this node's took in.
    pub(crate) fn taken(&self, group: GroupId) -> Vec<GroupId> {
        let course = self.courses.get(&group);
        course.map_or_else(Vec::new, |course| course.lineage.taken.to_vec())
    }

    /// The group of this node that took in `group`, or in which this node is since it left it.
    pub(crate) fn successor(&self, group: GroupId) -> Option<GroupId> {
        let mut moved = self.moved.iter();
        let moved = moved.find(|(left, _)| *left == group).map(|(_, to)| *to);
        moved.or_else(|| self.taker(group).map(|(taker, _)| taker))
    }

    /// The group of this node that took in `group`, and whether it did so just now.
    pub(crate) fn taker(&self, group: GroupId) -> Option<(GroupId, bool)> {
        let mut courses = self.courses.values();
        let took = courses.find(|course| course.lineage.taken.contains(&group));
        took.map(|course| (course.group, course.fresh_until.is_some()))
    }

    /// Whether this node is in `group` to move there, and does not yet.
    pub(crate) fn is_entered(&self, group: GroupId) -> bool {
        let mut changes = self.courses.values().filter_map(|it| it.change.as_ref());
        changes.any(|change| change.other == group && change.is_entered())
    }

    /// What a group is to be, and the parent that it was given.
    pub(crate) fn standard(&self, group: GroupId) -> Option<Arc<Standard>> {
        let course = self.courses.get(&group)?;
        course.standard().cloned().map(Arc::new)
    }

    /// When to look again, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let due = self.courses.values().map(|course| course.due).min()?;
        (due < Time::NEVER).then_some((due, "a group's size"))
    }

    /// What its tables hold on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        archipelago_core::footprint::map_bytes(&self.courses)
    }
}

impl Course {
    /// What was known of a group that this node left for this one.
    fn inherit(&mut self, from: GroupId, said: &Lineage, is_merger: bool) {
        let mut known = Lineage {
            standard: said.standard.clone(),
            // Who takes a group in has parents of its own.
            above: said.above.clone().filter(|_| !is_merger),
            ..Lineage::default()
        };
        if is_merger {
            known.heirs = said.heirs.clone();
            known.taken = said.taken.clone();
            lineage::add(&mut known.taken, from);
            let group = self.group;
            known.heirs = archipelago_core::wire::List::truncated(
                known.heirs.iter().copied().filter(|&it| it != group),
            );
        }
        lineage::merge(&mut self.lineage, &known);
    }
}
