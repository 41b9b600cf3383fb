//! Who was put out of a group, and who was let in again after that.
//!
//! Per node the higher (version, out) wins, so marks merge in any order and members agree. A mark
//! says how long it still holds, and nobody makes that longer by handing it on. A node that is out
//! is refused, whatever start or era it comes with, until a member adds it anew.
//!
//! At the limit nobody else is put out: the caller is told. Marks of those let in again make room.
//! Cost: nothing until somebody is put out; then some 100 bytes for each node concerned.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::{List, Mark};
use archipelago_core::{NodeId, Time};

/// The marks of one group.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<NodeId, Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    version: u32,
    is_out: bool,
    by: NodeId,
    until: Time,
}

/// As many nodes are marked as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Marks {
    /// Who put the node out, if it is out.
    pub(crate) fn out_by(&self, node: &NodeId) -> Option<NodeId> {
        let known = self.0.get(node)?;
        known.is_out.then_some(known.by)
    }

    /// Whether the node was put out and let in again since.
    pub(crate) fn is_let_in(&self, node: &NodeId) -> bool {
        self.0.get(node).is_some_and(|known| !known.is_out)
    }

    /// Marks a node anew, above all that is known of it.
    pub(crate) fn put(
        &mut self,
        node: NodeId,
        is_out: bool,
        by: NodeId,
        until: Time,
    ) -> Result<(), Full> {
        let known = &mut self.0;
        if known.len() >= Mark::COUNT_MAX && !known.contains_key(&node) {
            let back = known.iter().find(|(_, known)| !known.is_out);
            let back = *back.ok_or(Full)?.0;
            known.remove(&back);
        }
        let before = known.get(&node).map_or(0, |known| known.version);
        let mark = Known {
            version: before.saturating_add(1),
            is_out,
            by,
            until,
        };
        known.insert(node, mark);
        Ok(())
    }

    /// Merges a member's word; whether it said something new.
    pub(crate) fn merge(&mut self, mark: &Mark, life_max: Duration, now: Time) -> bool {
        let said = (mark.version, mark.is_out);
        let known = &mut self.0;
        let before = known.get(&mark.node);
        let is_old = before.is_some_and(|known| said <= (known.version, known.is_out));
        let is_room = before.is_some() || known.len() < Mark::COUNT_MAX;
        if is_old || !is_room || mark.left_s == 0 {
            return false;
        }
        let life = Duration::from_secs(mark.left_s.into()).min(life_max);
        let mark_known = Known {
            version: mark.version,
            is_out: mark.is_out,
            by: mark.by,
            until: now.after(life),
        };
        known.insert(mark.node, mark_known);
        true
    }

    /// All of them, for another member; `None` where there are none.
    pub(crate) fn page(&self, now: Time) -> Option<List<Mark, { Mark::COUNT_MAX }>> {
        let marks = self.0.iter().map(|(node, known)| Mark {
            node: *node,
            version: known.version,
            is_out: known.is_out,
            by: known.by,
            left_s: u32::try_from(known.until.since(now).as_secs()).unwrap_or(u32::MAX),
        });
        (!self.0.is_empty()).then(|| List::truncated(marks))
    }

    /// Equal for equal marks; 0 where there are none.
    pub(crate) fn hash(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, (node, known)| {
            let state = (u64::from(known.version) << 1) | u64::from(known.is_out);
            let mixed = (node.prefix() ^ state.wrapping_mul(0x9e37_79b9_7f4a_7c15))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9);
            sum.wrapping_add(mixed ^ (mixed >> 31))
        })
    }

    /// Forgets what has run out; whether anything had.
    pub(crate) fn expire(&mut self, now: Time) -> bool {
        let before = self.0.len();
        self.0.retain(|_, known| known.until > now);
        self.0.len() < before
    }

    /// When the next one runs out.
    pub(crate) fn next_expiry(&self) -> Time {
        let untils = self.0.values().map(|known| known.until);
        untils.min().unwrap_or(Time::NEVER)
    }

    /// What they hold on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        archipelago_core::footprint::map_bytes(&self.0)
    }
}

#[cfg(test)]
mod tests;
