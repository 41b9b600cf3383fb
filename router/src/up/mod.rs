//! The `up` export: groups whose reflectors join a parent group, tier over tier.
//!
//! ```text
//!  charters, what members say in their logs ──► Level ──► election ──► Join, Leave (a parent)
//!                                                 │
//!     up: a GroupRecord of each group below ◄─────┼─────► down: an Uplink with all ancestors,
//!     in the log of the parent                    │       the default route, in the group's log
//!  Atlas (look-ups, forwarding) ◄─────────────────┘
//! ```
//! A reflector tells in the parent's log of its group and of all groups below it; in its group's
//! log it says that it leads to the parent and to what lies above. So a node knows the groups
//! below its own ones and who leads up, and nothing of anything beside them. Nothing from above,
//! and nothing learned by the `full` export, goes up. What is said vanishes with who said it.
//!
//! All is derived anew from what is known (`settle`), at the next timeout after a change, due at
//! once: whatever was missed or came twice, the end is the same. It never knows sessions, never
//! keeps state per node below or per name, and joins a parent only where it is configured to.
//! Source: RFC 4456 section 7 (hierarchies of reflectors); a default route and summaries as
//! between areas of OSPF (RFC 2328 section 3).
//! Cost: O(candidates + groups below) a change; one statement per candidate and one record per
//! group below and teller (two) in memory.

mod config;
pub(crate) mod election;
mod export;
mod formed;
mod level;
mod parents;
mod read;
mod statement;

pub use config::{UpConfig, UpCounters};
pub use formed::FormedTiers;
pub(crate) use read::Atlas;
pub use read::TierInfo;

use std::collections::BTreeSet;
use std::sync::Arc;

use archipelago_core::wire::{Charter, SignedGroupRecord, Uplink};
use archipelago_core::{Context, GroupId, NodeId, Roles, SignedRecord, SmallMap, Time};
use archipelago_sgroup::GroupConfig;
use archipelago_sgroup::log::keys;
use bytes::Bytes;

use crate::Routes;
use level::Level;

/// What the hierarchy asks of its caller.
#[derive(Clone, Debug)]
pub enum UpOutput {
    /// Join a parent; beside its seeds, these members of a common group are in it, or are to join
    /// it too where none of them is.
    Join {
        /// As configured.
        config: Arc<GroupConfig>,
        /// Who is in already, or will be.
        helpers: Vec<NodeId>,
    },
    /// Leave it again.
    Leave(GroupId),
    /// These members of a common group are in this parent, as they say there: if they are not in
    /// its view, it has begun twice.
    Meet(GroupId, Vec<NodeId>),
    /// Write into this node's log in a group; without a value, delete.
    Write {
        /// Which group.
        group: GroupId,
        /// The key.
        key: Bytes,
        /// The value.
        value: Option<Bytes>,
    },
}

/// The caller's buffer; the machine only appends to it.
pub type UpOutputs = Vec<UpOutput>;

/// The machine of one node.
#[derive(Debug)]
pub struct Up {
    config: Arc<UpConfig>,
    record: Arc<SignedRecord>,
    levels: SmallMap<GroupId, Box<Level>>,
    due_at: Option<Time>,
    /// Of the last record that this node signed.
    seq: u64,
    changes: u64,
    counters: UpCounters,
}

impl Up {
    /// In no group yet; `record` is this node's own.
    pub fn new(config: Arc<UpConfig>, record: Arc<SignedRecord>) -> Self {
        Self {
            config,
            record,
            levels: SmallMap::new(),
            due_at: None,
            seq: 0,
            changes: 0,
            counters: UpCounters::default(),
        }
    }

    /// This node's own record changed.
    pub fn handle_record(&mut self, record: Arc<SignedRecord>) {
        self.record = record;
    }

    /// This node enters a group, by its own wish, or by an election that this machine reported; or
    /// one that it is in has another charter. Whether nothing was kept of it before.
    pub fn handle_group(
        &mut self,
        group: GroupId,
        config: &Arc<GroupConfig>,
        charter: &Arc<Charter>,
        now: Time,
    ) -> bool {
        let is_new = !self.levels.contains_key(&group);
        if charter.parents.is_empty() && charter.tier == 0 && is_new {
            return false;
        }
        match self.levels.get_mut(&group) {
            Some(level) => {
                level.config = Arc::clone(config);
                level.charter = Arc::clone(charter);
            }
            None => {
                let level = Level::new(Arc::clone(config), Arc::clone(charter));
                self.levels.insert(group, Box::new(level));
            }
        }
        self.wake(now);
        is_new
    }

    /// This node is up in a group.
    pub fn handle_joined(&mut self, group: GroupId, now: Time) {
        if let Some(level) = self.levels.get_mut(&group) {
            level.is_up = true;
            self.wake(now);
        }
    }

    /// This node left a group.
    pub fn handle_left(&mut self, group: GroupId, now: Time) {
        if self.levels.remove(&group).is_some() {
            self.wake(now);
        }
    }

    /// Members of a group, this node included, that lead up to any of its parents.
    pub(crate) fn leads(&self, group: GroupId, me: NodeId) -> BTreeSet<NodeId> {
        let Some(level) = self.levels.get(&group) else {
            return BTreeSet::new();
        };
        let parents = level.charter.parents.iter();
        let mut leads: BTreeSet<NodeId> = parents.flat_map(|&it| level.joined(it)).collect();
        if level
            .said
            .0
            .parents
            .iter()
            .any(|said| !said.ancestors.is_empty())
        {
            leads.insert(me);
        }
        leads
    }

    /// Other members of a group that lead up to this parent.
    pub(crate) fn leading(&self, group: GroupId, parent: GroupId) -> Vec<NodeId> {
        let level = self.levels.get(&group);
        level.map_or_else(Vec::new, |level| level.joined(parent).collect())
    }

    /// How many members of a group, this node included, lead up to `parent` and from there to all of
    /// `above`.
    pub(crate) fn leading_on(
        &self,
        group: GroupId,
        parent: GroupId,
        above: &[GroupId],
        me: NodeId,
    ) -> usize {
        let Some(level) = self.levels.get(&group) else {
            return 0;
        };
        let own = [(&me, &level.said.0)];
        let others = level.uplinks.iter().map(|(node, uplink)| (node, &**uplink));
        let all = others.chain(own);
        let leading = all.filter(|(_, uplink)| {
            let said = uplink.parents.iter().find(|said| said.group == parent);
            said.is_some_and(|said| {
                let leads_to = |it: &GroupId| said.ancestors.iter().any(|a| a.group == *it);
                !said.ancestors.is_empty() && above.iter().all(leads_to)
            })
        });
        leading.count()
    }

    /// A group took in these, all that it ever did.
    pub(crate) fn handle_taken(&mut self, group: GroupId, taken: Vec<GroupId>, now: Time) {
        if let Some(level) = self.levels.get_mut(&group)
            && level.taken != taken
        {
            level.taken = taken;
            self.wake(now);
        }
    }

    /// The groups of the same tier as `group` that are told of in a parent, and how large they are.
    pub(crate) fn beside(&self, group: GroupId, parent: GroupId) -> Vec<(GroupId, usize)> {
        let tier = self.levels.get(&group).map(|level| level.tier());
        let Some((tier, above)) = tier.zip(self.levels.get(&parent)) else {
            return Vec::new();
        };
        let below = above.groups_below().into_iter();
        let records = below.filter_map(|it| Some((it, above.best(it)?)));
        let records = records.filter(|(it, signed)| *it != group && signed.record.tier == tier);
        let sized = records.map(|(it, signed)| (it, signed.record.size as usize));
        sized.filter(|(_, size)| *size > 0).collect()
    }

    /// Groups beside one of this node's that say, in a parent that this node is in, that they took it
    /// in, or a part of it.
    pub(crate) fn takers(&self, group: GroupId) -> BTreeSet<GroupId> {
        let Some(level) = self.levels.get(&group) else {
            return BTreeSet::new();
        };
        let parents = level.charter.parents.iter();
        let above = parents.filter_map(|parent| self.levels.get(parent));
        above
            .flat_map(|above| above.takers(group, level.tier()))
            .collect()
    }

    /// Whether a group below any of this node's is told of by members of its own.
    pub(crate) fn is_alive(&self, group: GroupId) -> bool {
        let mut records = self.levels.values().filter_map(|level| level.best(group));
        records.any(|signed| signed.record.size > 0)
    }

    /// Something beside what it is told changed: it looks anew.
    pub(crate) fn wake_now(&mut self, now: Time) {
        self.wake(now);
    }

    /// The user wants this node in a group, elected or not. Whether it was in by election only.
    pub fn handle_kept(&mut self, group: GroupId) -> bool {
        let level = self.levels.get_mut(&group);
        level.is_some_and(|level| std::mem::take(&mut level.is_elected))
    }

    /// Whether this node is in a group by election only.
    pub fn is_elected(&self, group: GroupId) -> bool {
        self.levels
            .get(&group)
            .is_some_and(|level| level.is_elected)
    }

    /// A member's log says something else under one of the keys of a hierarchy.
    pub fn handle_told(
        &mut self,
        group: GroupId,
        owner: NodeId,
        key: &[u8],
        value: Option<&Bytes>,
        cx: &mut Context<'_>,
    ) {
        let Some(level) = self.levels.get_mut(&group) else {
            return;
        };
        if key == [keys::UPLINK] {
            let said = value.map(|bytes| Uplink::from_bytes(bytes));
            let said = said.transpose().unwrap_or_else(|_| {
                self.counters.malformed += 1;
                None
            });
            let uplinks = Arc::make_mut(&mut level.uplinks);
            match said {
                Some(uplink) => uplinks.insert(owner, Arc::new(uplink)),
                None => uplinks.remove(&owner),
            };
        } else if let Some(below) = keys::below_group(key) {
            self.on_below(group, (owner, below), value, cx);
        }
        self.wake(cx.now);
    }

    fn on_below(
        &mut self,
        group: GroupId,
        (owner, below): (NodeId, GroupId),
        value: Option<&Bytes>,
        cx: &Context<'_>,
    ) {
        let Some(level) = self.levels.get_mut(&group) else {
            return;
        };
        level.forget_told(owner, below);
        let Some(bytes) = value else { return };
        let is_full = level.records_len() >= self.config.records_max;
        match SignedGroupRecord::from_bytes(bytes) {
            Ok(signed)
                if signed.record.group == below
                    && signed.record.tier < level.tier()
                    && signed.verify(cx.crypto) =>
            {
                if is_full && !level.below.contains_key(&below) {
                    self.counters.full += 1;
                } else {
                    let all = Arc::make_mut(&mut level.below);
                    let tellers = Arc::make_mut(all.entry(below).or_default());
                    tellers.insert(owner, Arc::new(signed));
                }
            }
            _ => self.counters.malformed += 1,
        }
    }

    /// What has come due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(
        &mut self,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut UpOutputs,
    ) {
        if self.due_at.is_some_and(|due_at| due_at <= cx.now) {
            self.due_at = None;
            self.settle(routes, cx, out);
        }
    }

    /// What it holds on the heap, about, its part of what is shared; records and configurations
    /// are shared.
    pub(crate) fn heap_bytes(&self) -> usize {
        let levels = self.levels.values().map(|level| level.heap_bytes());
        self.levels.heap_bytes() + levels.sum::<usize>()
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.due_at.map(|due_at| (due_at, "hierarchy"))
    }

    /// What was counted.
    pub const fn counters(&self) -> UpCounters {
        self.counters
    }

    /// Brings everything that follows from what is known up to date: statements from the top down,
    /// records from the bottom up.
    fn settle(&mut self, routes: &dyn Routes, cx: &mut Context<'_>, out: &mut UpOutputs) {
        self.changes += 1;
        let mut groups: Vec<_> = self.levels.iter().map(|(&id, l)| (l.tier(), id)).collect();
        groups.sort_unstable_by(|a, b| b.cmp(a));
        for &(_, group) in &groups {
            self.state(group, cx, out);
        }
        self.join_and_leave(cx, out);
        // From the bottom up: what is told of a group below is told of further up.
        for &(_, group) in groups.iter().rev() {
            self.tell_above(group, routes, cx, out);
        }
    }

    /// Something is due at `at`, or before.
    fn wake(&mut self, at: Time) {
        self.due_at = Some(self.due_at.map_or(at, |due_at| due_at.min(at)));
    }

    /// Whether this node does anything for others.
    fn is_capable(&self) -> bool {
        self.record.record.roles.contains(Roles::REFLECTOR)
    }
}
