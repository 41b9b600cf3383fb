//! One group of a hierarchy that this node is in: its charter, what members say of the parents,
//! and what they tell of groups below.
//!
//! Cost: one statement per member that can be elected, one record per group below and teller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::footprint::map_bytes;
use archipelago_core::wire::{Ancestor, Charter, SignedGroupRecord, Uplink};
use archipelago_core::{GroupId, NodeId, Time};
use archipelago_sgroup::GroupConfig;

/// What this node knows of a group that has parents or children.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) config: Arc<GroupConfig>,
    pub(super) charter: Arc<Charter>,
    /// This node is up in it.
    pub(super) is_up: bool,
    /// Joined because this node was elected, so left when it is no longer.
    pub(super) is_elected: bool,
    /// Since when nothing wants this node here.
    pub(super) idle_since: Option<Time>,
    /// What the other members say of the parents. Shared by plain members that were formed
    /// together, until one is told something else.
    pub(super) uplinks: Arc<Uplinks>,
    /// What this node says of them, and since when.
    pub(super) said: (Uplink, Time),
    /// Since when this node is elected to join each parent.
    pub(super) elected: BTreeMap<GroupId, Time>,
    /// Parents that are mis-wired, and until when they are left alone.
    pub(super) cut: BTreeMap<GroupId, Time>,
    /// Groups below, as each teller tells of them; shared in the same way.
    pub(super) below: Arc<Below>,
    /// Groups that this one took in: they are told of above as it is.
    pub(super) taken: Vec<GroupId>,
    /// What this node tells in this group's log, and since when.
    pub(super) told: BTreeMap<GroupId, (Arc<SignedGroupRecord>, Time)>,
}

/// Statements by who makes them.
pub(super) type Uplinks = BTreeMap<NodeId, Arc<Uplink>>;

/// Records by group, then by who tells of it here.
pub(super) type Below = BTreeMap<GroupId, Arc<Tellers>>;

/// Records of one group by who tells of it.
pub(super) type Tellers = BTreeMap<NodeId, Arc<SignedGroupRecord>>;

impl Level {
    pub(super) fn new(config: Arc<GroupConfig>, charter: Arc<Charter>) -> Self {
        Self {
            config,
            charter,
            is_up: false,
            is_elected: false,
            idle_since: None,
            uplinks: Arc::default(),
            said: (Uplink::default(), Time::START),
            elected: BTreeMap::new(),
            cut: BTreeMap::new(),
            below: Arc::default(),
            taken: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    pub(super) fn tier(&self) -> u8 {
        self.charter.tier
    }

    /// How this node is configured for a parent; `None` if it is not.
    pub(super) fn parent_config(&self, parent: GroupId) -> Option<&Arc<GroupConfig>> {
        let mut parents = self.config.place.parents.iter();
        parents.find(|config| config.id() == parent)
    }

    /// The other members that are up in `parent`.
    pub(super) fn joined(&self, parent: GroupId) -> impl Iterator<Item = NodeId> {
        let leads = move |uplink: &Uplink| {
            let mut parents = uplink.parents.iter();
            parents.any(|said| said.group == parent && !said.ancestors.is_empty())
        };
        let uplinks = self.uplinks.iter();
        uplinks
            .filter(move |(_, uplink)| leads(uplink))
            .map(|(&id, _)| id)
    }

    /// Everything above that a statement leads to; nothing that is not higher counts.
    pub(super) fn ancestors<'a>(&self, uplink: &'a Uplink) -> impl Iterator<Item = Ancestor> + 'a {
        ancestors(self.tier(), uplink)
    }

    /// Everything above that any member leads to, nearest first.
    pub(super) fn lead(&self) -> Vec<Ancestor> {
        let own = self.ancestors(&self.said.0);
        let others = self
            .uplinks
            .values()
            .flat_map(|uplink| self.ancestors(uplink));
        nearest_first(own.chain(others))
    }

    /// What it takes, about, its part of what is shared.
    pub(super) fn heap_bytes(&self) -> usize {
        let uplinks = map_bytes(&*self.uplinks) / Arc::strong_count(&self.uplinks);
        let below = map_bytes(&*self.below) / Arc::strong_count(&self.below);
        let tellers = self.below.values();
        let tellers = tellers.map(|it| map_bytes(&**it) / Arc::strong_count(it));
        size_of::<Self>() + uplinks + below + tellers.sum::<usize>() + map_bytes(&self.told)
    }

    /// Groups below, over all tellers but this node.
    pub(super) fn records_len(&self) -> usize {
        self.below.len()
    }

    /// What `owner` told of a group below holds no longer.
    pub(super) fn forget_told(&mut self, owner: NodeId, group: GroupId) {
        let tells = |tellers: &Arc<Tellers>| tellers.contains_key(&owner);
        if !self.below.get(&group).is_some_and(tells) {
            return;
        }
        let below = Arc::make_mut(&mut self.below);
        if let Some(tellers) = below.get_mut(&group) {
            Arc::make_mut(tellers).remove(&owner);
            if tellers.is_empty() {
                below.remove(&group);
            }
        }
    }

    /// All groups below, those that only this node tells of included.
    pub(super) fn groups_below(&self) -> BTreeSet<GroupId> {
        self.below.keys().chain(self.told.keys()).copied().collect()
    }

    /// Groups of tier `tier` below that say that they took in `group`: those whose tellers tell of it
    /// as of a group without members.
    pub(super) fn takers(&self, group: GroupId, tier: u8) -> BTreeSet<GroupId> {
        let tellers = self.below.get(&group).into_iter();
        let tellers = tellers.flat_map(|tellers| tellers.iter());
        let taking: BTreeSet<NodeId> = tellers
            .filter(|(_, signed)| signed.record.size == 0)
            .map(|(&teller, _)| teller)
            .collect();
        let is_own = |(teller, signed): (&NodeId, &Arc<SignedGroupRecord>)| {
            let record = &signed.record;
            taking.contains(teller)
                && record.reflector == *teller
                && record.tier == tier
                && record.size > 0
        };
        let others = self.below.iter().filter(|(id, _)| **id != group);
        let takers = others.filter(|(_, tellers)| tellers.iter().any(is_own));
        takers.map(|(&id, _)| id).collect()
    }

    /// The best record of a group below: of one that lives before that of who took it in, then of the
    /// latest epoch, then of the same reflector at every reader.
    pub(super) fn best(&self, group: GroupId) -> Option<&Arc<SignedGroupRecord>> {
        let others = self.below.get(&group).into_iter();
        let others = others.flat_map(|tellers| tellers.values());
        let own = self.told.get(&group).map(|(told, _)| told);
        best(others.chain(own))
    }
}

/// The record that all readers of these agree on.
pub(super) fn best<'a>(
    records: impl Iterator<Item = &'a Arc<SignedGroupRecord>>,
) -> Option<&'a Arc<SignedGroupRecord>> {
    records.max_by_key(|signed| {
        let record = &signed.record;
        let is_alive = record.size > 0;
        (
            is_alive,
            record.epoch,
            record.reflector,
            record.boot,
            record.seq,
        )
    })
}

/// What a statement leads to above a group of tier `tier`.
pub(super) fn ancestors(tier: u8, uplink: &Uplink) -> impl Iterator<Item = Ancestor> {
    let parents = uplink.parents.iter();
    let ancestors = parents.flat_map(|parent| parent.ancestors.iter().copied());
    ancestors.filter(move |ancestor| ancestor.tier > tier)
}

/// Each once, nearest first; where statements differ over a tier, as those of members that are
/// configured differently do, the lowest counts.
pub(super) fn nearest_first(ancestors: impl Iterator<Item = Ancestor>) -> Vec<Ancestor> {
    let mut lead: Vec<Ancestor> = ancestors.collect();
    lead.sort_unstable_by_key(|ancestor| (ancestor.tier, ancestor.group));
    let mut seen = BTreeSet::new();
    lead.retain(|ancestor| seen.insert(ancestor.group));
    lead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ancestor_counts_once_whatever_tiers_are_said_of_it() {
        let [one, two] = ["one", "two"].map(|name| GroupId::new(name, "realm"));
        let ancestor = |group, tier| Ancestor { group, tier };
        let said = [(one, 3), (two, 2), (one, 1), (two, 2)];
        let lead = nearest_first(said.into_iter().map(|(group, tier)| ancestor(group, tier)));
        assert_eq!(lead, [ancestor(one, 1), ancestor(two, 2)]);
    }
}
