//! A parent that comes apart: its groups below are parted, and its members follow them.
//!
//! ```text
//!  Make:  a group that moves has both parents ─▶ its members are elected for the second one, too
//!  Break: it has the second one only ─▶ they leave the first, once others could do without them
//!  Undo:  it has the first one only ─▶ they leave the second
//! ```
//! Each member of the parent says there for which groups it is in it, and gives these the parents that
//! they are to have at this stage, in their own logs. All follows from what the parent's log and the
//! group's charter say now, so that it does not matter which member does it, or how often: who was
//! elected in the middle goes on where others were.
//! Only groups that have no other parent move, and that are kept in size as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::wire::{List, RegroupStage, Stand, Standard, Stands};
use archipelago_core::{GroupId, NodeId};

use super::course::Course;
use super::sight::{Lent, Seen, Sight, Ward, ready_key, ready_value, stands_key};
use super::{RegroupConfig, RegroupOutput};
use crate::up::election::weight;

#[cfg(test)]
mod tests;

/// What a group below is to have for parents: of which epoch, the own one, the other one.
type Aim = (u64, bool, bool);

impl Course {
    /// What this node does for its groups below.
    pub(super) fn lead_below(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        if sight.tier == 0 {
            return;
        }
        self.say_stands(sight, lent, out);
        if self.has_part(sight) {
            self.wake_in(config.tick, lent.now);
        }
        for ward in &sight.wards {
            self.guide(ward, sight, config, lent, out);
        }
        self.say_ready_below(sight, lent, out);
        self.pass_on(sight, out);
    }

    /// Whether one of this node's groups below moves.
    fn has_part(&self, sight: &Sight) -> bool {
        let moves = |ward: &Ward| {
            let mut change = self.change.iter();
            change.any(|change| change.moves_group(&ward.group))
        };
        sight.wards.iter().any(moves)
    }

    fn say_stands(&self, sight: &Sight, lent: Lent<'_>, out: &mut Vec<RegroupOutput>) {
        let stand = |ward: &Ward| Stand {
            group: ward.group,
            is_free: ward.is_kept && ward.parents.len() == 1,
        };
        let groups = List::truncated(sight.wards.iter().map(stand));
        let value = (!sight.wards.is_empty()).then(|| Stands { groups }.to_bytes().into());
        self.write(sight, &stands_key(), value, lent, out);
    }

    /// Gives one group below the parents that it is to have now.
    fn guide(
        &mut self,
        ward: &Ward,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let mut change = self.change.as_ref();
        let aim = match change.filter(|change| change.moves_group(&ward.group)) {
            Some(change) => aim(ward, self.group, change.other, change.intent.stage),
            None if change.is_some() => None,
            None => {
                change = None;
                // What others said of a change that is over may not have come yet.
                let ready_at = self.settled.1.after(config.settle);
                let aim = self.aim_afterwards(ward);
                if aim.is_some() && ready_at > lent.now {
                    return self.wake(ready_at);
                }
                aim
            }
        };
        let Some((epoch, own, other)) = aim.filter(|(epoch, ..)| *epoch > ward.given) else {
            return;
        };
        let mut parents = Vec::new();
        if own {
            let staying = sight.members.iter();
            let staying = staying.filter(|seen| change.is_none_or(|it| !it.parts_with(seen)));
            let staying = staying.map(|seen| seen.node).collect();
            parents.push((Arc::clone(&sight.name), staying));
        }
        if other {
            let Some(name) = self.name_of_other(ward) else {
                return;
            };
            parents.push((name, self.seeds_of_other(ward, sight)));
        }
        let group = ward.group;
        out.push(RegroupOutput::Lift {
            group,
            epoch,
            parents,
        });
    }

    /// A group that has two parents since a change that is over: the second where it was made.
    fn aim_afterwards(&self, ward: &Ward) -> Option<Aim> {
        let [first, second] = ward.parents[..] else {
            return None;
        };
        let is_ours = first == self.group && ward.given == ward.epoch && ward.given > 0;
        let is_made = self.lineage.heirs.contains(&second);
        let stage = if is_made {
            RegroupStage::Break
        } else {
            RegroupStage::Undo
        };
        is_ours.then(|| aim(ward, first, second, stage)).flatten()
    }

    fn name_of_other(&self, ward: &Ward) -> Option<Arc<str>> {
        let change = self.change.as_ref();
        let coming = change.map(|change| &change.intent.other);
        coming.or(ward.names.last()).cloned()
    }

    /// Through whom a group enters the other parent: the first of all who move, and its own members;
    /// none where that was said before.
    fn seeds_of_other(&self, ward: &Ward, sight: &Sight) -> Vec<NodeId> {
        let Some(change) = &self.change else {
            return Vec::new();
        };
        let mut ranked: Vec<NodeId> = change.moving(sight).collect();
        ranked.sort_by_key(|&node| (std::cmp::Reverse(weight(change.other, node)), node));
        let stands = |node: &NodeId| {
            let mut members = sight.members.iter();
            let seen = members.find(|seen| seen.node == *node);
            seen.is_some_and(|seen| seen.stands.iter().any(|it| it.group == ward.group))
        };
        let first = ranked.first().copied();
        let own = ranked.iter().copied().filter(stands);
        let own = own.filter(|node| Some(*node) != first);
        first.into_iter().chain(own).collect()
    }

    /// This node is ready when its groups below that move are led to the other parent.
    fn say_ready_below(&self, sight: &Sight, lent: Lent<'_>, out: &mut Vec<RegroupOutput>) {
        let Some(change) = self.change.as_ref().filter(|change| !change.is_merger()) else {
            return;
        };
        let wards = sight.wards.iter();
        let mut moving = wards
            .filter(|ward| change.moves_group(&ward.group))
            .peekable();
        let is_ready = moving.peek().is_some()
            && moving.all(|ward| ward.is_led && ward.parents.contains(&change.other));
        let value = is_ready.then(|| ready_value(change.intent.generation));
        self.write(sight, &ready_key(), value, lent, out);
    }

    /// The other parent has the same parents and the same size as this one.
    fn pass_on(&mut self, sight: &Sight, out: &mut Vec<RegroupOutput>) {
        let lineage = &self.lineage;
        let Some(change) = self.change.as_mut().filter(|change| !change.is_merger()) else {
            return;
        };
        let is_in = sight.own.iter().any(|(group, _)| *group == change.other);
        if is_in && !change.is_told && lineage.above.is_some() {
            change.is_told = true;
            out.push(RegroupOutput::Succeed {
                group: self.group,
                other: change.other,
                lineage: Box::new(lineage.clone()),
                is_merger: false,
            });
        }
    }
}

/// The parents that a group below is to have instead of its present ones at this stage. Of two words
/// about one change the later one has the later epoch.
fn aim(ward: &Ward, from: GroupId, to: GroupId, stage: RegroupStage) -> Option<Aim> {
    let is_both = ward.parents.contains(&from) && ward.parents.contains(&to);
    match stage {
        RegroupStage::Make => {
            let is_due = ward.parents == [from];
            is_due.then(|| (ward.epoch.saturating_add(1), true, true))
        }
        RegroupStage::Undo => is_both.then(|| (ward.epoch.saturating_add(1), true, false)),
        RegroupStage::Break => {
            let epoch = ward.epoch.saturating_add(if is_both { 2 } else { 1 });
            (ward.parents != [to]).then_some((epoch, false, true))
        }
    }
}

/// The groups below that leave a parent that has too many of them; none where it has not, or where they
/// cannot be parted.
pub(super) fn leaving(sight: &Sight, standard: &Standard) -> Vec<GroupId> {
    let mut below: BTreeMap<GroupId, (Vec<&Seen>, bool)> = BTreeMap::new();
    for seen in &sight.members {
        for stand in &seen.stands {
            let (members, is_free) = below.entry(stand.group).or_insert((Vec::new(), true));
            members.push(seen);
            *is_free &= stand.is_free;
        }
    }
    let seen: Vec<Seen> = below
        .values()
        .filter_map(|(members, _)| as_one(members))
        .collect();
    let wish = super::split::wish(standard).of_parents();
    let places = super::split::leaving_of(&seen, &wish);
    let below: Vec<(GroupId, bool)> = below.iter().map(|(id, (_, free))| (*id, *free)).collect();
    let leaving = places.into_iter().filter_map(|place| below.get(place));
    let leaving: BTreeSet<GroupId> = leaving
        .filter(|(_, free)| *free)
        .map(|(id, _)| *id)
        .collect();
    // A parent of one group brings nothing together.
    if leaving.len() < 2 {
        return Vec::new();
    }
    leaving.into_iter().collect()
}

/// A group below as those of its members are that are here: what labels all share, the nearest, and
/// whether any leads up.
fn as_one(members: &[&Seen]) -> Option<Seen> {
    let (first, rest) = members.split_first()?;
    let rtts = members.iter().map(|seen| seen.rtt_us);
    let is_shared = |place: usize, label: &String| {
        let mut others = rest.iter();
        others.all(|seen| seen.labels.get(place) == Some(label))
    };
    let labels = first.labels.iter().enumerate();
    let shared = labels.take_while(|(place, label)| is_shared(*place, label));
    Some(Seen {
        rtt_us: rtts.min().unwrap_or_default(),
        labels: shared.map(|(_, label)| label.clone()).collect(),
        leads: members.iter().any(|seen| seen.leads),
        ..(*first).clone()
    })
}

/// Short names of groups that move.
pub(super) fn short(groups: &[GroupId]) -> Vec<[u8; 8]> {
    groups
        .iter()
        .map(archipelago_core::wire::Movers::short_of)
        .collect()
}
