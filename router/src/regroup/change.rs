//! One change of a group as one node knows it, and this node's part in it.

use std::collections::BTreeSet;

use archipelago_core::wire::{Intent, Movers, RegroupKind, RegroupStage};
use archipelago_core::{GroupId, NodeId, Time};

use super::sight::{Heard, Seen, Sight};

/// A change that is under way.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) intent: Intent,
    /// The group that members move to.
    pub(super) other: GroupId,
    /// Who said so first, as far as this node knows.
    pub(super) by: NodeId,
    /// Who moves, once that is told; nothing is said of it in a merger, where all do.
    movers: Option<Movers>,
    short: BTreeSet<[u8; 8]>,
    /// Groups below move, and not members.
    of_groups: bool,
    pub(super) known_at: Time,
    /// Since when it is at this stage.
    pub(super) stage_at: Time,
    /// Since when all that move are ready, as its keeper sees it.
    pub(super) ready_since: Option<Time>,
    /// How far this node is, where it moves.
    pub(super) step: Step,
    /// The other group was told that it takes this one in.
    pub(super) is_told: bool,
}

/// How far a node that moves is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It has done nothing, or does not move.
    Here,
    /// It entered the other group.
    Both,
    /// It left the other group again, or never comes to be ready.
    Back,
}

impl Change {
    pub(super) const fn new(intent: Intent, other: GroupId, by: NodeId, now: Time) -> Self {
        Self {
            intent,
            other,
            by,
            movers: None,
            short: BTreeSet::new(),
            of_groups: false,
            known_at: now,
            stage_at: now,
            ready_since: None,
            step: Step::Here,
            is_told: false,
        }
    }

    /// As a change of a group of this tier: where a parent is split, groups below it move.
    pub(super) const fn of_tier(mut self, tier: u8) -> Self {
        self.of_groups = tier > 0;
        self
    }

    /// Who moves, as this node plans it, by their short names.
    pub(super) fn with_movers(mut self, short: Vec<[u8; 8]>) -> Self {
        self.set_movers(Movers {
            generation: self.intent.generation,
            nodes: archipelago_core::wire::List::truncated(short),
        });
        self
    }

    /// Learns who moves, where that is told of this change.
    pub(super) fn learn_movers(&mut self, heard: &Heard) {
        let mut said = heard.movers.iter();
        let generation = self.intent.generation;
        if self.movers.is_none()
            && let Some(movers) = said.find(|movers| movers.generation == generation)
        {
            self.set_movers(movers.clone());
        }
    }

    fn set_movers(&mut self, movers: Movers) {
        self.short = movers.nodes.iter().copied().collect();
        self.movers = Some(movers);
    }

    pub(super) const fn movers(&self) -> Option<&Movers> {
        self.movers.as_ref()
    }

    /// It goes on to a later stage; nothing changes where it is there.
    pub(super) fn advance(&mut self, stage: RegroupStage, now: Time) {
        if stage > self.intent.stage {
            self.intent.stage = stage;
            self.stage_at = now;
        }
    }

    pub(super) const fn is_merger(&self) -> bool {
        matches!(self.intent.kind, RegroupKind::Merge)
    }

    /// Whether a node moves by this change itself.
    pub(super) fn moves(&self, node: &NodeId) -> bool {
        self.is_merger() || (!self.of_groups && self.short.contains(&Movers::short(node)))
    }

    /// Whether a group below gets another parent by it.
    pub(super) fn moves_group(&self, group: &GroupId) -> bool {
        self.of_groups && self.short.contains(&Movers::short_of(group))
    }

    /// Whether a member is to be gone afterwards.
    pub(super) fn parts_with(&self, seen: &Seen) -> bool {
        let mut stands = seen.stands.iter();
        let all_move = stands.all(|stand| self.moves_group(&stand.group));
        self.moves(&seen.node) || (!seen.stands.is_empty() && all_move)
    }

    /// Whether a member has a part in it.
    fn concerns(&self, seen: &Seen) -> bool {
        let mut stands = seen.stands.iter();
        self.moves(&seen.node) || stands.any(|stand| self.moves_group(&stand.group))
    }

    /// This node is in the other group because of it.
    pub(super) fn is_entered(&self) -> bool {
        self.step == Step::Both
    }

    /// Living members that move or are there for a group below that does, and have not moved yet.
    pub(super) fn moving<'a>(&'a self, sight: &'a Sight) -> impl Iterator<Item = NodeId> + 'a {
        let members = sight.members.iter();
        members
            .filter(|seen| self.concerns(seen))
            .map(|seen| seen.node)
    }
}
