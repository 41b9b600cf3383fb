//! How a group that became too small joins another of the same parent.
//!
//! ```text
//!  first of the small one's leads ── Seek, in the parent's log ──▶ first of the other one's leads
//!                                 ◀── an invitation into the other group ──
//!  then it is a member of both: it begins a merger, and all of the small group follow through it
//! ```
//! Of two small groups the smaller one seeks, so that they do not seek each other. A group that does
//! not answer is passed over until all were tried.

use archipelago_core::wire::{Intent, RegroupKind, RegroupStage, Seek};
use archipelago_core::{GroupId, NodeId, Time};

use super::change::Change;
use super::course::Course;
use super::sight::{Lent, Sight, seek_key};
use super::{RegroupConfig, RegroupOutput};
use crate::grouping::Wish;

/// A group that this node asks, in the name of its own, to take that in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    parent: GroupId,
    into: GroupId,
    since: Time,
}

impl Course {
    /// Seeks a group that takes this one in, where it is too small and this node speaks for it.
    pub(super) fn seek(
        &mut self,
        sight: &Sight,
        wish: &Wish,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let len = sight.members.len();
        if len >= wish.size_min() || self.envoy(sight) != Some(lent.me) {
            return self.stop_seeking(out);
        }
        let ready_at = self.settled.1.after(config.settle).max(self.rest_until);
        if ready_at > lent.now {
            return self.wake(ready_at);
        }
        if let Some(sought) = self.sought {
            let mut own = sight.own.iter();
            if let Some((_, name)) = own.find(|(group, _)| *group == sought.into) {
                return self.merge_into(name, lent, out);
            }
            let until = sought.since.after(config.rest);
            if until > lent.now {
                return self.wake(until);
            }
            self.tried.insert(sought.into);
            self.stop_seeking(out);
        }
        self.seek_next(sight, wish, config, lent, out);
    }

    fn seek_next(
        &mut self,
        sight: &Sight,
        wish: &Wish,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let len = sight.members.len();
        let fits = |&&(_, group, size): &&(GroupId, GroupId, usize)| {
            let is_its_turn = size >= wish.size_min() || (len, self.group) < (size, group);
            group != self.group
                && size > 0
                && len + size <= wish.size_max()
                && is_its_turn
                && !self.tried.contains(&group)
        };
        let beside = sight.beside.iter().filter(fits);
        let Some(&(parent, into, _)) = beside.min_by_key(|(_, group, size)| (*size, *group)) else {
            self.tried.clear();
            return self.wake_in(config.rest, lent.now);
        };
        let since = lent.now;
        self.sought = Some(Sought {
            parent,
            into,
            since,
        });
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        out.push(RegroupOutput::Write {
            group: parent,
            key: seek_key(&self.group),
            value: Some(Seek { into, size }.to_bytes().into()),
        });
        self.wake_in(config.tick, lent.now);
    }

    fn stop_seeking(&mut self, out: &mut Vec<RegroupOutput>) {
        if let Some(sought) = self.sought.take() {
            out.push(RegroupOutput::Write {
                group: sought.parent,
                key: seek_key(&self.group),
                value: None,
            });
        }
    }

    /// This node was let into the other group.
    fn merge_into(
        &mut self,
        name: &std::sync::Arc<str>,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        self.stop_seeking(out);
        self.tried.clear();
        let intent = Intent {
            generation: self.lineage.generation + 1,
            kind: RegroupKind::Merge,
            stage: RegroupStage::Make,
            other: name.clone(),
        };
        let other = GroupId::new(lent.realm, &intent.other);
        self.begin(Change::new(intent, other, lent.me, lent.now), out);
        self.wake(lent.now);
    }

    /// Lets in who speaks for a smaller group that seeks this one.
    pub(super) fn take_in(
        &mut self,
        sight: &Sight,
        wish: &Wish,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let len = sight.members.len();
        let is_member = |node: &NodeId| sight.members.iter().any(|seen| seen.node == *node);
        let fitting = sight
            .seekers
            .iter()
            .filter(|(_, by, size)| len + size <= wish.size_max() && !is_member(by));
        let Some(&(_, by, _)) = fitting.min_by_key(|(group, _, size)| (*size, *group)) else {
            return;
        };
        if self.envoy(sight) != Some(lent.me) {
            return;
        }
        let at = self.invited_until.max(self.rest_until);
        if at > lent.now {
            return self.wake(at);
        }
        self.invited_until = lent.now.after(config.settle);
        let group = self.group;
        out.push(RegroupOutput::Invite { group, node: by });
        self.wake(self.invited_until);
    }

    /// Who speaks for the group in its parents.
    fn envoy(&self, sight: &Sight) -> Option<NodeId> {
        let leads = |node: &NodeId| {
            let mut leading = sight.members.iter().filter(|seen| seen.leads);
            leading.any(|seen| seen.node == *node)
        };
        self.ranked(sight).into_iter().find(leads)
    }
}
