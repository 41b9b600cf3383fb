//! Groups created, added to, reduced and deleted by a member while they run: who was asked, who
//! answered, and what became of each node.
//!
//! ```text
//!  begin ──► asked: one letter or message for each node, all at once
//!        ◄── member up · reply · member left · letter lost · deadline      (each settles one node)
//!  Done  ◄── when the last is settled, with a result for every node
//! ```
//! So a change of n nodes takes the round trips of one. Nothing is locked: two changes at once
//! only send more letters. A change that runs out says so of the nodes that did not answer, which
//! may still follow. It also remembers groups that were deleted, for those who come later.
//!
//! Limits: [`OPS_MAX`] changes at once, beyond it the caller is refused; [`GRAVES_MAX`] deleted
//! groups, beyond it the one that runs out first is forgotten.
//! Cost: O(log n) for each answer; nothing at rest.

mod types;

pub use types::{Ask, ChangeFault, ChangeKind, Changed, NodeChange};

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::Deletion;
use archipelago_core::{GroupId, NodeId, Time};

/// Changes under way at once.
pub(crate) const OPS_MAX: usize = 64;
/// Deleted groups that are remembered.
pub(crate) const GRAVES_MAX: usize = 256;
/// Nodes that forgot a group and were invited again lately.
const RECALLED_MAX: usize = 1_024;
/// From one invitation of a node that forgot a group to the next.
const RECALL_PERIOD: Duration = Duration::from_secs(5);

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangeOutput {
    /// A change is through: what became of each node, by name.
    Done {
        /// Of whoever began it.
        ticket: u64,
        /// In which group.
        group: GroupId,
        /// What it was.
        kind: ChangeKind,
        /// For each node.
        results: Vec<NodeChange>,
    },
}

/// Changes under way, and what is remembered of those that are through.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    ops: BTreeMap<u64, Op>,
    graves: BTreeMap<GroupId, Grave>,
    recalled: BTreeMap<(GroupId, NodeId), Time>,
    /// Groups that this node was invited to and is not up in yet, and until when it tries.
    entered: BTreeMap<GroupId, Time>,
}

#[derive(Debug)]
struct Op {
    group: GroupId,
    kind: ChangeKind,
    due: Time,
    /// Who has not answered, and how it is reached.
    asked: BTreeMap<NodeId, Ask>,
    results: Vec<NodeChange>,
}

#[derive(Clone, Copy, Debug)]
struct Grave {
    deletion: Deletion,
    until: Time,
}

impl Changes {
    /// Whether one more change may begin under `ticket`.
    pub(crate) fn may_begin(&self, ticket: u64) -> bool {
        self.ops.len() < OPS_MAX && !self.ops.contains_key(&ticket)
    }

    /// A change begins; nodes that are settled already have their results in `results`.
    pub(crate) fn begin(
        &mut self,
        (ticket, kind, group): (u64, ChangeKind, GroupId),
        asked: Vec<Ask>,
        results: Vec<NodeChange>,
        due: Time,
        out: &mut Vec<ChangeOutput>,
    ) {
        let asked = asked.into_iter().map(|ask| (ask.node, ask)).collect();
        let op = Op {
            group,
            kind,
            due,
            asked,
            results,
        };
        self.ops.insert(ticket, op);
        self.finish(out);
    }

    /// Who was asked under `ticket` and has not answered, as it was asked.
    pub(crate) fn asked(&self, ticket: u64, node: &NodeId) -> Option<(GroupId, Ask)> {
        let op = self.ops.get(&ticket)?;
        Some((op.group, op.asked.get(node)?.clone()))
    }

    /// Whether a change that is under way asks `node` to be in the group.
    pub(crate) fn asks(&self, group: GroupId, node: &NodeId) -> bool {
        let mut ops = self.ops.values().filter(|op| op.group == group);
        ops.any(|op| op.asked.contains_key(node))
    }

    /// What became of one node under `ticket`.
    pub(crate) fn settle(
        &mut self,
        ticket: u64,
        node: NodeId,
        result: Result<Changed, ChangeFault>,
        out: &mut Vec<ChangeOutput>,
    ) {
        if let Some(op) = self.ops.get_mut(&ticket) {
            op.settle(node, result);
        }
        self.finish(out);
    }

    /// A member is up in a group: whoever waits for it has it.
    pub(crate) fn handle_up(&mut self, group: GroupId, node: NodeId, out: &mut Vec<ChangeOutput>) {
        let adding = |kind| matches!(kind, ChangeKind::Create | ChangeKind::Add);
        self.settle_all(group, node, adding, Ok(Changed::Joined), out);
        self.recalled.remove(&(group, node));
    }

    /// A member is gone from a group.
    pub(crate) fn handle_gone(
        &mut self,
        group: GroupId,
        node: NodeId,
        out: &mut Vec<ChangeOutput>,
    ) {
        let ending = |kind| matches!(kind, ChangeKind::Remove | ChangeKind::Delete);
        self.settle_all(group, node, ending, Ok(Changed::Left), out);
    }

    fn settle_all(
        &mut self,
        group: GroupId,
        node: NodeId,
        is_meant: impl Fn(ChangeKind) -> bool,
        result: Result<Changed, ChangeFault>,
        out: &mut Vec<ChangeOutput>,
    ) {
        if self.ops.is_empty() {
            return;
        }
        for op in self.ops.values_mut() {
            if op.group == group && is_meant(op.kind) {
                op.settle(node, result);
            }
        }
        self.finish(out);
    }

    /// Letters to a node were lost, or there is no way to it: those who wait for its answer know.
    pub(crate) fn handle_lost(
        &mut self,
        node: NodeId,
        fault: ChangeFault,
        out: &mut Vec<ChangeOutput>,
    ) {
        for op in self.ops.values_mut() {
            if matches!(op.kind, ChangeKind::Create | ChangeKind::Add) {
                op.settle(node, Err(fault));
            }
        }
        self.finish(out);
    }

    /// Whether this node waits for the members of a group that it deletes to leave.
    pub(crate) fn is_deleting(&self, group: GroupId) -> bool {
        let mut ops = self.ops.values();
        ops.any(|op| op.group == group && op.kind == ChangeKind::Delete)
    }

    /// This node is in a group no more: what it changed there is over.
    pub(crate) fn handle_left(&mut self, group: GroupId, out: &mut Vec<ChangeOutput>) {
        self.entered.remove(&group);
        for op in self.ops.values_mut().filter(|op| op.group == group) {
            op.run_out(ChangeFault::GroupLeft);
        }
        self.finish(out);
    }

    /// Enters a group by invitation: to be up in it by `until`.
    pub(crate) fn note_entered(&mut self, group: GroupId, until: Time) {
        self.entered.insert(group, until);
    }

    /// This node is up in a group.
    pub(crate) fn handle_joined(&mut self, group: GroupId) {
        self.entered.remove(&group);
    }

    /// Whether to invite anew a node that forgot the group: not again and again.
    pub(crate) fn may_recall(&mut self, group: GroupId, node: NodeId, now: Time) -> bool {
        let key = (group, node);
        self.recalled.retain(|_, until| *until > now);
        if self.recalled.len() >= RECALLED_MAX || self.recalled.contains_key(&key) {
            return false;
        }
        self.recalled.insert(key, now.after(RECALL_PERIOD));
        true
    }

    /// A group is over, up to the epoch that the proof names.
    pub(crate) fn bury(&mut self, group: GroupId, deletion: Deletion, now: Time) {
        let known = self.graves.get(&group);
        if known.is_some_and(|known| known.deletion.epoch >= deletion.epoch) {
            return;
        }
        if self.graves.len() >= GRAVES_MAX && known.is_none() {
            let first = self.graves.iter().min_by_key(|(_, grave)| grave.until);
            if let Some(first) = first.map(|(group, _)| *group) {
                self.graves.remove(&first);
            }
        }
        let until = now.after(Duration::from_secs(deletion.left_s.into()));
        self.graves.insert(group, Grave { deletion, until });
    }

    /// The proof that a group is over, for one that comes later.
    pub(crate) fn grave(&self, group: &GroupId, now: Time) -> Option<Deletion> {
        let grave = self.graves.get(group).filter(|grave| grave.until > now)?;
        let left = grave.until.since(now).as_secs();
        Some(Deletion {
            left_s: u32::try_from(left).unwrap_or(u32::MAX),
            ..grave.deletion
        })
    }

    /// What has run out. Groups that this node was invited to and never came up in are returned.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Time,
        out: &mut Vec<ChangeOutput>,
    ) -> Vec<GroupId> {
        for op in self.ops.values_mut().filter(|op| op.due <= now) {
            op.run_out(ChangeFault::TimedOut);
        }
        self.finish(out);
        self.graves.retain(|_, grave| grave.until > now);
        let late = self.entered.iter().filter(|(_, until)| **until <= now);
        let late: Vec<GroupId> = late.map(|(group, _)| *group).collect();
        self.entered.retain(|_, until| *until > now);
        late
    }

    /// When `handle_timeout` has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let ops = self.ops.values().map(|op| (op.due, "change of a group"));
        let entered = self.entered.values();
        let entered = entered.map(|&until| (until, "an invitation"));
        let graves = self.graves.values();
        let graves = graves.map(|grave| (grave.until, "a deleted group"));
        ops.chain(entered).chain(graves).min()
    }

    /// What its tables hold on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        use archipelago_core::footprint::map_bytes;
        map_bytes(&self.ops)
            + map_bytes(&self.graves)
            + map_bytes(&self.recalled)
            + map_bytes(&self.entered)
    }

    fn finish(&mut self, out: &mut Vec<ChangeOutput>) {
        let is_done = |op: &Op| op.asked.is_empty();
        let done = self.ops.iter().filter(|(_, op)| is_done(op));
        let done: Vec<u64> = done.map(|(ticket, _)| *ticket).collect();
        for ticket in done {
            if let Some(mut op) = self.ops.remove(&ticket) {
                op.results.sort_unstable_by_key(|result| result.node);
                out.push(ChangeOutput::Done {
                    ticket,
                    group: op.group,
                    kind: op.kind,
                    results: op.results,
                });
            }
        }
    }
}

impl Op {
    fn settle(&mut self, node: NodeId, result: Result<Changed, ChangeFault>) {
        if self.asked.remove(&node).is_some() {
            self.results.push(NodeChange { node, result });
        }
    }

    fn run_out(&mut self, fault: ChangeFault) {
        let asked = std::mem::take(&mut self.asked);
        let results = asked.into_keys().map(|node| NodeChange {
            node,
            result: Err(fault),
        });
        self.results.extend(results);
    }
}

#[cfg(test)]
mod tests;
