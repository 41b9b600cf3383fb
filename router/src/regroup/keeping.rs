//! What the keeper of a group does: it begins a change, says when to go on, undoes what takes too
//! long, and ends it. Whoever is first in rank is the keeper, so another one goes on when it dies;
//! two at once, on two sides of a cut, begin and say the same.

use std::collections::BTreeSet;

use archipelago_core::wire::{Intent, Movers, RegroupKind, RegroupStage, Standard};
use archipelago_core::{GroupId, NodeId};

use super::change::Change;
use super::course::Course;
use super::sight::{Heard, Lent, Sight, intent_key, movers_key};
use super::{RegroupConfig, RegroupOutput, Regrouped, below, split};
use crate::grouping::Wish;

impl Course {
    /// Begins what is to be done about the group's size.
    pub(super) fn consider(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let Some(standard) = self.standard().cloned() else {
            return;
        };
        let wish = split::wish(&standard);
        if wish.check().is_err() {
            return;
        }
        if sight.tier == 0 {
            self.seek(sight, &wish, config, lent, out);
            self.take_in(sight, &wish, config, lent, out);
        }
        let is_its_turn = self.change.is_none() && sight.tier < TIER_MAX && is_large(sight, &wish);
        if !is_its_turn || self.keeper(sight, config, lent.now) != Some(lent.me) {
            return;
        }
        let ready_at = self.settled.1.after(config.settle).max(self.rest_until);
        if ready_at > lent.now {
            return self.wake(ready_at);
        }
        let leaving = if sight.tier == 0 {
            let nodes = split::leaving(sight, &standard);
            nodes.iter().map(Movers::short).collect()
        } else {
            below::short(&below::leaving(sight, &standard))
        };
        if leaving.is_empty() {
            return;
        }
        let change = self.split(leaving, sight, lent);
        if sight.parents.is_empty() {
            // Either part needs a way to the other one, and enters its group by what is known then.
            self.raise(&change, sight, out);
            return self.wake_in(config.tick, lent.now);
        }
        self.begin(change, out);
        self.wake(lent.now);
    }

    fn split(&self, leaving: Vec<[u8; 8]>, sight: &Sight, lent: Lent<'_>) -> Change {
        let generation = self.lineage.generation + 1;
        let intent = Intent {
            generation,
            kind: RegroupKind::Split,
            stage: RegroupStage::Make,
            other: split::name_of(&sight.name, self.group, generation),
        };
        let other = GroupId::new(lent.realm, &intent.other);
        let change = Change::new(intent, other, lent.me, lent.now).of_tier(sight.tier);
        change.with_movers(leaving)
    }

    /// A change begins, by this node.
    pub(super) fn begin(&mut self, change: Change, out: &mut Vec<RegroupOutput>) {
        let (kind, other) = (change.intent.kind, change.other);
        self.tell(Regrouped::Began { kind, other }, out);
        self.change = Some(change);
    }

    /// Says what is under way, and how far it is.
    pub(super) fn keep(
        &mut self,
        sight: &Sight,
        heard: &Heard,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let is_keeper = self.keeper(sight, config, lent.now) == Some(lent.me);
        if !is_keeper {
            return self.hand_over(sight, heard, config, lent, out);
        }
        self.wake_in(config.tick, lent.now);
        match self.change.as_ref().map(|change| change.intent.stage) {
            Some(RegroupStage::Make) => self.make(sight, heard, config, lent),
            Some(RegroupStage::Undo) => self.undo(sight, config, lent, out),
            Some(RegroupStage::Break) => self.finish(sight, config, lent, out),
            None => {}
        }
        let Some(change) = &self.change else { return };
        let intent = change.intent.to_bytes().into();
        let movers = change.movers().map(|movers| movers.to_bytes().into());
        self.write(sight, &movers_key(), movers, lent, out);
        self.write(sight, &intent_key(), Some(intent), lent, out);
    }

    /// Who began a change and is not its keeper says so until the keeper does.
    fn hand_over(
        &self,
        sight: &Sight,
        heard: &Heard,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let Some(change) = &self.change else { return };
        let keeper = self.keeper(sight, config, lent.now);
        let mut told = heard.intents.iter();
        let is_told = told.any(|(by, intent)| Some(*by) == keeper && *intent == change.intent);
        if is_told {
            self.write(sight, &intent_key(), None, lent, out);
            self.write(sight, &movers_key(), None, lent, out);
        } else if change.by == lent.me {
            let movers = change.movers().map(|movers| movers.to_bytes().into());
            self.write(sight, &movers_key(), movers, lent, out);
            let intent = change.intent.to_bytes().into();
            self.write(sight, &intent_key(), Some(intent), lent, out);
        }
    }

    /// All that move are to be in both groups for a while.
    fn make(&mut self, sight: &Sight, heard: &Heard, config: &RegroupConfig, lent: Lent<'_>) {
        let is_led_on = self.is_led_on(sight);
        let Some(change) = &mut self.change else {
            return;
        };
        let (group, standard) = (self.group, &self.lineage.standard);
        let generation = change.intent.generation;
        let moving: Vec<NodeId> = change.moving(sight).collect();
        let are_ready = moving
            .iter()
            .all(|&node| heard.ready.contains(&(generation, node)));
        let is_late = change.known_at.after(config.limit) <= lent.now;
        if is_late || moving.is_empty() || is_in_vain(group, change, sight, standard) {
            return change.advance(RegroupStage::Undo, lent.now);
        }
        if !are_ready || !(is_led_on || change.is_merger()) {
            change.ready_since = None;
            return;
        }
        let since = *change.ready_since.get_or_insert(lent.now);
        if since.after(config.overlap) <= lent.now {
            change.advance(RegroupStage::Break, lent.now);
        }
    }

    /// Everybody is to hear of it before it is over.
    fn undo(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let Some(change) = &self.change else { return };
        if change.stage_at.after(config.overlap) > lent.now {
            return;
        }
        let (kind, other) = (change.intent.kind, change.other);
        self.lineage.generation = change.intent.generation;
        self.tell(Regrouped::Undone { kind, other }, out);
        self.end(sight, config, lent, out);
    }

    /// A split is over when none of those who move is left here; a merger ends with the group. What
    /// takes long is ended with who has moved: the others stay.
    fn finish(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let Some(change) = &self.change else { return };
        let is_late = change.stage_at.after(2 * config.limit) <= lent.now;
        let is_over = !change.is_merger() && change.moving(sight).next().is_none();
        if !is_over && !is_late {
            return;
        }
        let (kind, other) = (change.intent.kind, change.other);
        self.lineage.generation = change.intent.generation;
        self.tell(Regrouped::Done { kind, other }, out);
        self.end(sight, config, lent, out);
    }
}

/// The highest tier that a group is split at: its parent's is one more, and no more are to be.
const TIER_MAX: u8 = 16;

/// Whether the group has more members than it should, or a parent more groups below.
fn is_large(sight: &Sight, wish: &Wish) -> bool {
    if sight.tier == 0 {
        return sight.members.len() > wish.size_max();
    }
    let stands = sight.members.iter().flat_map(|seen| &seen.stands);
    let below: BTreeSet<GroupId> = stands.map(|stand| stand.group).collect();
    below.len() > wish.of_parents().size_max()
}

/// Whether a merger has lost its sense, as one may that was begun on one side of a cut: both groups
/// together are too large, or the other one is about to join this one, and is to.
fn is_in_vain(group: GroupId, change: &Change, sight: &Sight, standard: &Standard) -> bool {
    let Some(other) = sight.other.as_ref().filter(|_| change.is_merger()) else {
        return false;
    };
    let own = sight.members.iter().map(|seen| &seen.node);
    let both: BTreeSet<&NodeId> = own.chain(&other.members).collect();
    let gives_way = |stage| stage == RegroupStage::Break || group < change.other;
    both.len() > split::wish(standard).size_max() || other.joins_back.is_some_and(gives_way)
}
