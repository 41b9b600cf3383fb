//! What one group does to itself, as one of its members knows it: what is heard of it, and what
//! everybody does about that.

use std::collections::BTreeSet;
use std::time::Duration;

use archipelago_core::wire::{Lineage, RegroupStage, Standard};
use archipelago_core::{GroupId, NodeId, Time};
use bytes::Bytes;

use super::change::{Change, Step};
use super::merging::Sought;
use super::sight::{Heard, Lent, Sight, intent_key, lineage_key, movers_key, ready_key};
use super::{RegroupConfig, RegroupOutput, Regrouped, lineage};
use crate::up::election::weight;

/// Members that say what became of the group, so that the loss of one or two is none.
const TELLERS: usize = 3;

/// One group that is kept in size.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) group: GroupId,
    pub(super) lineage: Lineage,
    pub(super) change: Option<Change>,
    /// Who is there, and since when.
    pub(super) settled: (Vec<NodeId>, Time),
    pub(super) rest_until: Time,
    pub(super) due: Time,
    /// Where this node seeks room for the group.
    pub(super) sought: Option<Sought>,
    /// Where it sought in vain.
    pub(super) tried: BTreeSet<GroupId>,
    /// Who speaks for another group is not let in before this.
    pub(super) invited_until: Time,
    /// Until then a group that this one took in last may be told of still by who has left it.
    pub(super) fresh_until: Option<Time>,
}

impl Course {
    pub(super) fn new(group: GroupId, now: Time) -> Self {
        Self {
            group,
            lineage: Lineage::default(),
            change: None,
            settled: (Vec::new(), now),
            rest_until: Time::START,
            due: now,
            sought: None,
            tried: BTreeSet::new(),
            invited_until: Time::START,
            fresh_until: None,
        }
    }

    /// Groups in which is sought what is not found in this one.
    pub(super) fn heirs(&self) -> Vec<GroupId> {
        let coming = self.change.iter();
        let coming = coming.filter(|change| change.intent.stage != RegroupStage::Undo);
        let coming = coming.map(|change| change.other);
        let known = self.lineage.heirs.iter().copied();
        let mut heirs: Vec<GroupId> = coming.collect();
        let new: Vec<GroupId> = known.filter(|heir| !heirs.contains(heir)).collect();
        heirs.extend(new);
        heirs
    }

    /// What it is to be; `None` where nobody said so.
    pub(super) fn standard(&self) -> Option<&Standard> {
        Some(&self.lineage.standard).filter(|standard| standard.size > 0)
    }

    /// Does what follows from what is known now.
    pub(super) fn settle(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        self.due = Time::NEVER;
        let heard = Heard::of(&sight.notes);
        let taken = self.lineage.taken.len();
        self.learn_lineage(sight, &heard);
        self.note_taken(taken, config, lent.now);
        if !sight.is_up || self.standard().is_none() {
            return;
        }
        self.note_members(sight, lent.now);
        self.learn_takers(sight);
        self.learn_change(&heard, sight.tier, lent);
        self.end_if_over(sight, config, lent, out);
        self.take_parents(sight, lent, out);
        self.lead_below(sight, config, lent, out);
        if self.change.is_some() {
            self.move_on(sight, config, lent, out);
            self.keep(sight, &heard, config, lent, out);
        } else {
            self.consider(sight, config, lent, out);
        }
        self.say(sight, lent, out);
    }

    /// Something is due at `at`, or before.
    pub(super) fn wake(&mut self, at: Time) {
        self.due = self.due.min(at);
    }

    /// Looks again after `delay`.
    pub(super) fn wake_in(&mut self, delay: Duration, now: Time) {
        self.wake(now.after(delay));
    }

    fn learn_lineage(&mut self, sight: &Sight, heard: &Heard) {
        if let Some(standard) = &sight.standard {
            let configured = Lineage {
                standard: (**standard).clone(),
                ..Lineage::default()
            };
            lineage::merge(&mut self.lineage, &configured);
        }
        for (_, said) in &heard.lineages {
            lineage::merge(&mut self.lineage, said);
        }
    }

    /// The group took in others than the first `before`, or did a while ago.
    fn note_taken(&mut self, before: usize, config: &RegroupConfig, now: Time) {
        if self.lineage.taken.len() > before {
            self.fresh_until = Some(now.after(config.settle));
        }
        match self.fresh_until {
            Some(until) if until > now => self.wake(until),
            _ => self.fresh_until = None,
        }
    }

    fn note_members(&mut self, sight: &Sight, now: Time) {
        let members: Vec<NodeId> = sight.members.iter().map(|seen| seen.node).collect();
        if members != self.settled.0 {
            self.settled = (members, now);
        }
    }

    /// A part of the group that a cut had kept apart was taken in by others: what is not found here
    /// may be there.
    fn learn_takers(&mut self, sight: &Sight) {
        for &taker in &sight.takers {
            if !self.lineage.heirs.contains(&taker) {
                lineage::add(&mut self.lineage.heirs, taker);
            }
        }
    }

    /// The latest change that anybody tells of; what is remembered goes on without them.
    fn learn_change(&mut self, heard: &Heard, tier: u8, lent: Lent<'_>) {
        let over = self.lineage.generation;
        let told = heard.intents.iter();
        let told = told.filter(|(_, intent)| intent.generation > over);
        let latest = told.max_by_key(|(by, it)| (it.generation, it.stage, &it.other, *by));
        if let Some((by, intent)) = latest {
            let known = self.change.as_ref().map(|change| change.intent.generation);
            if known.is_none_or(|known| known < intent.generation) {
                let other = GroupId::new(lent.realm, &intent.other);
                let change = Change::new(intent.clone(), other, *by, lent.now);
                self.change = Some(change.of_tier(tier));
            }
        }
        if let Some(change) = &mut self.change {
            change.learn_movers(heard);
            let generation = change.intent.generation;
            let same = heard.intents.iter();
            let same = same.filter(|(_, intent)| intent.generation == generation);
            if let Some(stage) = same.map(|(_, intent)| intent.stage).max() {
                change.advance(stage, lent.now);
            }
        }
        self.note_heir(lent.now);
    }

    /// From the word to leave on, members go and do not come back: where they went is remembered
    /// whatever becomes of the change, and who hears of it before the word takes it for the word.
    fn note_heir(&mut self, now: Time) {
        let Some(change) = &mut self.change else {
            return;
        };
        let heirs = &mut self.lineage.heirs;
        // The group of a split is named once; a merger may be with one that was split off.
        if !change.is_merger() && heirs.contains(&change.other) {
            change.advance(RegroupStage::Break, now);
        }
        if change.intent.stage == RegroupStage::Break && !heirs.contains(&change.other) {
            lineage::add(heirs, change.other);
        }
    }

    /// Others ended the change: who is in both groups goes where it ended.
    fn end_if_over(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let over = self.lineage.generation;
        let heirs = &self.lineage.heirs;
        let Some(change) = self.change.as_mut() else {
            return;
        };
        if change.intent.generation > over {
            return;
        }
        if change.step == Step::Both {
            if heirs.contains(&change.other) && sight.other.is_some() {
                return change.advance(RegroupStage::Break, lent.now);
            }
            out.push(RegroupOutput::Withdraw(change.other));
        }
        self.end(sight, config, lent, out);
    }

    /// The change is over, here: what this node said of it goes.
    pub(super) fn end(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        self.change = None;
        self.rest_until = lent.now.after(config.rest);
        for key in [intent_key(), movers_key(), ready_key()] {
            self.write(sight, &key, None, lent, out);
        }
    }

    /// Members by how much they are drawn to be the group's keeper, first first.
    pub(super) fn ranked(&self, sight: &Sight) -> Vec<NodeId> {
        let mut ranked: Vec<NodeId> = sight.members.iter().map(|seen| seen.node).collect();
        ranked.sort_by_key(|&node| (std::cmp::Reverse(weight(self.group, node)), node));
        ranked
    }

    /// Who decides: of a group that is split one of those who stay. Where none of them is seen, those
    /// who move wait, since nobody who stays could tell where they went; what is late by then is
    /// undone by the first of them.
    pub(super) fn keeper(
        &self,
        sight: &Sight,
        config: &RegroupConfig,
        now: Time,
    ) -> Option<NodeId> {
        let ranked = self.ranked(sight);
        let split = self.change.as_ref().filter(|change| !change.is_merger());
        let Some(split) = split else {
            return ranked.first().copied();
        };
        let parts = sight.members.iter().filter(|seen| split.parts_with(seen));
        let parting: BTreeSet<NodeId> = parts.map(|seen| seen.node).collect();
        let mut staying = ranked
            .iter()
            .copied()
            .filter(|node| !parting.contains(node));
        let is_late = split.known_at.after(config.limit) <= now;
        let late = ranked.first().copied().filter(|_| is_late);
        staying.next().or(late)
    }

    /// What became of the group is said by its first members, and by whoever knows more.
    fn say(&mut self, sight: &Sight, lent: Lent<'_>, out: &mut Vec<RegroupOutput>) {
        self.note_heir(lent.now);
        let ranked = self.ranked(sight);
        let is_teller = ranked.iter().take(TELLERS).any(|node| *node == lent.me);
        let heard = Heard::of(&sight.notes);
        let mut others = heard.lineages.iter().filter(|(node, _)| *node != lent.me);
        let is_known = others.any(|(_, said)| lineage::covers(said, &self.lineage));
        let value = self.lineage.to_bytes().into();
        let value = (is_teller || !is_known).then_some(value);
        self.write(sight, &lineage_key(), value, lent, out);
    }

    /// Writes into this node's log what is not there yet.
    pub(super) fn write(
        &self,
        sight: &Sight,
        key: &Bytes,
        value: Option<Bytes>,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        if Heard::own(&sight.notes, lent.me, key) != value.as_ref() {
            let (group, key) = (self.group, key.clone());
            out.push(RegroupOutput::Write { group, key, value });
        }
    }

    pub(super) fn tell(&self, change: Regrouped, out: &mut Vec<RegroupOutput>) {
        let group = self.group;
        out.push(RegroupOutput::Event { group, change });
    }
}
