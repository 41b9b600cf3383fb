//! Where the next worker goes, and which one is better elsewhere.

use std::collections::BTreeMap;

use archipelago_core::{NodeId, Time};

use super::{Spread, State, SuperviseEvent, SuperviseOutput, SuperviseOutputs, Supervisor, Ticket};

impl Supervisor {
    /// Starts what is vacant and due, where there is room.
    pub(super) fn place(&mut self, now: Time, out: &mut SuperviseOutputs) {
        let mut counts = self.counts();
        let slots_len = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        for slot in 0..slots_len {
            let vacant = self.slot(slot).map(|slot| slot.state);
            let Some(State::Vacant { due, is_waiting }) = vacant else {
                continue;
            };
            if due > now {
                continue;
            }
            match self.best(&counts, now) {
                Some(on) => {
                    *counts.entry(on).or_default() += 1;
                    self.ask(slot, on, out);
                }
                None => self.wait(slot, is_waiting, out),
            }
        }
    }

    /// Has one worker move, if nothing else is under way and another node is better for it.
    pub(super) fn rebalance(&mut self, now: Time, out: &mut SuperviseOutputs) {
        let is_settled = self.slots.iter().all(super::Slot::is_settled);
        if !self.config.is_rebalanced || !is_settled {
            return;
        }
        let counts = self.counts();
        let Some(target) = self.best(&counts, now) else {
            return;
        };
        let from = self.misplaced().or_else(|| self.crowded(&counts, target));
        if let Some(slot) = from
            && let Some(found) = self.slot(slot)
        {
            found.drain(slot, out);
        }
    }

    fn ask(&mut self, slot: u32, on: NodeId, out: &mut SuperviseOutputs) {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        let ticket = Ticket(self.last_ticket);
        let Some(found) = self.slot(slot) else { return };
        found.state = State::Starting {
            on,
            ticket,
            is_unsure: false,
        };
        let state = found.moved.as_ref().map(|moved| moved.state.clone());
        out.push(SuperviseOutput::Start {
            slot,
            on,
            ticket,
            state,
        });
    }

    /// No node has room: waits for one that is passed over, or for other nodes.
    fn wait(&mut self, slot: u32, was_waiting: bool, out: &mut SuperviseOutputs) {
        let avoided = self
            .candidates
            .iter()
            .filter_map(|one| self.avoided.get(one));
        let until = avoided.map(|(until, _)| *until).min();
        let until = until.unwrap_or(Time::NEVER);
        let Some(found) = self.slot(slot) else { return };
        found.state = State::Vacant {
            due: until,
            is_waiting: true,
        };
        if !was_waiting {
            let event = SuperviseEvent::NoPlace { slot, until };
            out.push(SuperviseOutput::Event(event));
        }
    }

    /// Workers on each node, with those that may be there.
    fn counts(&self) -> BTreeMap<NodeId, u32> {
        let mut counts = BTreeMap::new();
        for node in self.slots.iter().filter_map(super::Slot::node) {
            *counts.entry(node).or_default() += 1;
        }
        counts
    }

    /// The node for the next worker.
    fn best(&self, counts: &BTreeMap<NodeId, u32>, now: Time) -> Option<NodeId> {
        let count = |node: &NodeId| counts.get(node).copied().unwrap_or(0);
        let is_avoided = |node: &NodeId| self.avoided.get(node).is_some_and(|one| one.0 > now);
        let mut open = self.candidates.iter().copied();
        let has_room = |node: &NodeId| count(node) < self.config.per_node_max && !is_avoided(node);
        match self.config.spread {
            Spread::Packed => open.find(has_room),
            // The first one among equals, which is the best.
            Spread::Even => open.filter(has_room).min_by_key(count),
        }
    }

    /// A worker on a node that is there and qualifies no more.
    fn misplaced(&self) -> Option<u32> {
        self.find(|node| self.alive.contains(&node) && !self.candidates.contains(&node))
    }

    /// A worker on a node that has at least two more than `target`.
    fn crowded(&self, counts: &BTreeMap<NodeId, u32>, target: NodeId) -> Option<u32> {
        if self.config.spread == Spread::Packed {
            return None;
        }
        let least = counts.get(&target).copied().unwrap_or(0);
        let qualifying = counts
            .iter()
            .filter(|(node, _)| self.candidates.contains(node));
        let (most, count) = qualifying.max_by_key(|(_, count)| **count)?;
        let is_uneven = *count >= least.saturating_add(2);
        is_uneven.then(|| self.find(|node| node == *most)).flatten()
    }

    fn find(&self, is_meant: impl Fn(NodeId) -> bool) -> Option<u32> {
        let mut running = (0_u32..).zip(&self.slots).filter_map(|(number, slot)| {
            let pid = slot.running()?;
            is_meant(pid.node).then_some(number)
        });
        running.next()
    }
}
