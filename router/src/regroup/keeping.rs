//! What the keeper of a group does: it begins a change, says when to go on, undoes what takes too
//! long, and ends it. Whoever is first in rank is the keeper, so another one goes on when it dies;
//! two at once, on two sides of a cut, begin and say the same.

use std::collections::BTreeSet;

use archipelago_core::wire::{Intent, RegroupKind, RegroupStage, Standard};
use archipelago_core::{GroupId, NodeId};

use super::change::Change;
use super::course::Course;
use super::sight::{Heard, Lent, Sight, intent_key, movers_key};
use super::{RegroupConfig, RegroupOutput, Regrouped, split};

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
        if sight.tier == 0 && wish.check().is_ok() {
            self.seek(sight, &wish, config, lent, out);
            self.take_in(sight, &wish, config, lent, out);
        }
        if self.change.is_some() {
            return;
        }
        let is_large = sight.members.len() > wish.size_max();
        let ready_at = self.settled.1.after(config.settle).max(self.rest_until);
        if sight.tier > 0
            || wish.check().is_err()
            || !is_large
            || self.keeper(sight, config, lent.now) != Some(lent.me)
        {
            return;
        }
        if ready_at > lent.now {
            return self.wake(ready_at);
        }
        let leaving = split::leaving(sight, &standard);
        if leaving.is_empty() {
            return;
        }
        let generation = self.lineage.generation + 1;
        let intent = Intent {
            generation,
            kind: RegroupKind::Split,
            stage: RegroupStage::Make,
            other: split::name_of(&sight.name, self.group, generation),
        };
        let other = GroupId::new(lent.realm, &intent.other);
        let staying = sight.members.iter().map(|seen| seen.node);
        let staying = staying.filter(|node| !leaving.contains(node)).take(2);
        let seeds = leaving.iter().copied().take(2).chain(staying).collect();
        self.raise(sight, seeds);
        self.begin(
            Change::new(intent, other, lent.me, lent.now).with_movers(&leaving),
            out,
        );
        self.wake(lent.now);
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
        if !are_ready {
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
