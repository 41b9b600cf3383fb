//! The parents that a group was given, instead of those that its members are configured with: where it
//! had none and came apart, or where its parent did.
//!
//! They are said in the group's own log with the epoch of the charter that names them, so that all
//! members make the same charter of it, and a later one by hand counts for more.

use std::collections::BTreeSet;
use std::sync::Arc;

use archipelago_core::GroupId;

use super::change::Change;
use super::course::Course;
use super::sight::{Lent, Sight};
use super::{RegroupOutput, split};

/// Members through whom a parent is joined.
const SEEDS: usize = 3;

impl Course {
    /// Takes the parents that the group was given, where its charter or this node's configuration
    /// does not say them yet.
    pub(super) fn take_parents(&self, sight: &Sight, lent: Lent<'_>, out: &mut Vec<RegroupOutput>) {
        let Some(above) = &self.lineage.above else {
            return;
        };
        let given = self.given_parents(lent.realm);
        let is_same = set(&given) == set(&sight.parents);
        let are_known = given.iter().all(|parent| sight.joinable.contains(parent));
        if sight.epoch < above.epoch || (is_same && !are_known) {
            out.push(RegroupOutput::Raise {
                group: self.group,
                above: above.clone(),
                standard: Arc::new(self.lineage.standard.clone()),
            });
        }
    }

    /// Their ids.
    pub(super) fn given_parents(&self, realm: &str) -> Vec<GroupId> {
        let above = self.lineage.above.iter();
        let parents = above.flat_map(|above| above.parents.iter());
        parents
            .map(|parent| GroupId::new(realm, &parent.name))
            .collect()
    }

    /// Gives the group a parent where it has none, since it will not be alone any more. It is joined
    /// through those who stay, who lead there first.
    pub(super) fn raise(&self, change: &Change, sight: &Sight, out: &mut Vec<RegroupOutput>) {
        if self.lineage.above.is_some() {
            return;
        }
        let members = sight.members.iter();
        let staying = members.filter(|seen| !change.parts_with(seen));
        let seeds = staying.map(|seen| seen.node).take(SEEDS).collect();
        out.push(RegroupOutput::Lift {
            group: self.group,
            epoch: sight.epoch.saturating_add(1),
            parents: vec![(split::name_above(&sight.name, self.group), seeds)],
        });
    }

    /// Whether any of those who stay leads the group up.
    pub(super) fn is_led_on(&self, sight: &Sight) -> bool {
        let Some(change) = &self.change else {
            return true;
        };
        let members = sight.members.iter();
        let mut staying = members.filter(|seen| !change.parts_with(seen));
        !sight.parents.is_empty() && staying.any(|seen| seen.leads)
    }
}

fn set(groups: &[GroupId]) -> BTreeSet<GroupId> {
    groups.iter().copied().collect()
}
