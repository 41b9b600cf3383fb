//! A hierarchy as it is once elections are over, made instead of held: who joins which parent, what
//! members say of it, and what is told above.
//!
//! For simulations of very many nodes. [`FormedTiers`] is computed once from all nodes'
//! configurations, by the machine's own rules of election and of telling; [`Up::form`] puts one
//! node into it. The first timeout derives all anew as it always does, and finds nothing to say.
//! What differs from what came about step by step is who was elected where members came one after
//! the other (incumbents stick), and the numbers of writes. Wiring that contradicts itself is
//! passed over, and left to the nodes.
//!
//! Cost: O(n) to read the configurations, O(groups below) for each teller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::wire::{Charter, GroupRecord, List, SignedGroupRecord, Uplink, UplinkParent};
use archipelago_core::{Address, Boot, GroupId, NodeId, Roles, Time};
use archipelago_sgroup::log::keys;
use archipelago_sgroup::{GroupConfig, charter_of};
use bytes::Bytes;

use super::election::{best, weight};
use super::level::{self, Below, Level, Tellers, Uplinks, ancestors, nearest_first};
use super::statement::{is_seed, route};
use super::{Up, UpConfig};
use crate::NodeConfig;

/// The groups of all nodes that have parents or children, with those who were elected in them.
#[derive(Debug, Default)]
pub struct FormedTiers {
    tiers: BTreeMap<GroupId, Tier>,
    /// The parents that each node was elected to join.
    joined: BTreeMap<NodeId, Vec<Arc<GroupConfig>>>,
    /// The number of the last record that each teller signed.
    seqs: BTreeMap<NodeId, u64>,
}

/// One group, as all of its members know it.
#[derive(Debug)]
struct Tier {
    config: Arc<GroupConfig>,
    charter: Charter,
    size: u32,
    /// Members that can be elected.
    capable: BTreeMap<NodeId, Candidate>,
    uplinks: Arc<Uplinks>,
    below: Arc<Below>,
}

/// A member that can be elected.
#[derive(Clone, Debug)]
struct Candidate {
    boot: Boot,
    addresses: Vec<Address>,
}

/// Signs a record as the reflector that it names.
pub(super) type Sign<'a> = &'a mut dyn FnMut(GroupRecord) -> SignedGroupRecord;

impl FormedTiers {
    /// The hierarchy of all these nodes; `sign` makes what tellers tell.
    pub fn new<'a>(nodes: impl Iterator<Item = &'a NodeConfig>, sign: Sign<'_>) -> Self {
        let mut formed = Self::default();
        for node in nodes {
            for config in &node.groups {
                formed.enter(config, node);
            }
        }
        let order = formed.elect();
        for &group in order.iter().rev() {
            formed.state(group);
        }
        for &group in &order {
            formed.tell(group, sign);
        }
        formed
    }

    /// The parents that a node was elected to join.
    pub fn joined(&self, node: &NodeId) -> &[Arc<GroupConfig>] {
        self.joined.get(node).map_or(&[], Vec::as_slice)
    }

    /// What each member has written into the log of `group`.
    pub fn written(&self, group: GroupId) -> Vec<(NodeId, Vec<(Bytes, Bytes)>)> {
        let Some(tier) = self.tiers.get(&group) else {
            return Vec::new();
        };
        let mut written: BTreeMap<NodeId, Vec<_>> = BTreeMap::new();
        for (&node, uplink) in &*tier.uplinks {
            let entry = (keys::key(keys::UPLINK, &[]), uplink.to_bytes().into());
            written.entry(node).or_default().push(entry);
        }
        for (below, tellers) in &*tier.below {
            let key = keys::below(below);
            for (&node, signed) in &**tellers {
                let entry = (key.clone(), signed.to_bytes().into());
                written.entry(node).or_default().push(entry);
            }
        }
        written.into_iter().collect()
    }

    /// A node is configured to be in a group.
    fn enter(&mut self, config: &Arc<GroupConfig>, node: &NodeConfig) {
        if config.place.parents.is_empty() && config.place.tier == 0 {
            return;
        }
        let tier = self.tier(config);
        tier.size = tier.size.saturating_add(1);
        if node.roles.contains(Roles::REFLECTOR) {
            let candidate = Candidate {
                boot: node.boot,
                addresses: node.addresses.clone(),
            };
            tier.capable.insert(node.id, candidate);
        }
    }

    fn tier(&mut self, config: &Arc<GroupConfig>) -> &mut Tier {
        self.tiers.entry(config.id()).or_insert_with(|| Tier {
            config: Arc::clone(config),
            charter: charter_of(config),
            size: 0,
            capable: BTreeMap::new(),
            uplinks: Arc::default(),
            below: Arc::default(),
        })
    }

    /// Holds the elections, from the bottom up; the groups in that order.
    fn elect(&mut self) -> Vec<GroupId> {
        let tiers = self.tiers.iter();
        let mut open: BTreeSet<_> = tiers.map(|(&id, tier)| (tier.charter.tier, id)).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some((_, group)) = open.pop_first() {
            order.push(group);
            for parent in self.parents(group) {
                self.elect_for(group, &parent);
                open.insert((parent.place.tier, parent.id()));
            }
        }
        order
    }

    /// The parents of a group that stand above it.
    fn parents(&self, group: GroupId) -> Vec<Arc<GroupConfig>> {
        let Some(tier) = self.tiers.get(&group) else {
            return Vec::new();
        };
        let mut parents = tier.config.place.parents.clone();
        parents.retain(|parent| parent.place.tier > tier.charter.tier);
        parents.sort_unstable_by_key(|parent| parent.id());
        parents
    }

    fn elect_for(&mut self, group: GroupId, parent: &Arc<GroupConfig>) {
        let Some(tier) = self.tiers.get(&group) else {
            return;
        };
        let pinned = &tier.charter.pinned;
        let can = |id: &NodeId| pinned.is_empty() || pinned.contains(id);
        let candidates = tier.capable.iter().filter(|(id, _)| can(id));
        let candidates =
            candidates.map(|(&id, it)| (id, is_seed(parent, id, &it.addresses), false));
        let elected: Vec<_> = best(group, &tier.charter, candidates)
            .into_iter()
            .filter_map(|id| Some((id, tier.capable.get(&id)?.clone())))
            .collect();
        for (id, candidate) in elected {
            let above = self.tier(parent);
            if above.capable.insert(id, candidate).is_none() {
                above.size = above.size.saturating_add(1);
                let joined = self.joined.entry(id).or_default();
                joined.push(Arc::clone(parent));
            }
        }
    }

    /// What the members of a group say of its parents, who have said theirs.
    fn state(&mut self, group: GroupId) {
        let parents = self.parents(group);
        let Some(tier) = self.tiers.get(&group).filter(|_| !parents.is_empty()) else {
            return;
        };
        let leads: Vec<_> = parents
            .iter()
            .map(|parent| self.lead(parent.id()))
            .collect();
        let mut kinds: Vec<Arc<Uplink>> = Vec::new();
        let mut uplinks = Uplinks::new();
        for (&id, candidate) in &tier.capable {
            let said = parents.iter().zip(&leads).map(|(parent, lead)| {
                let above = self.tiers.get(&parent.id());
                let is_in = above.is_some_and(|above| above.capable.contains_key(&id));
                let place = (parent.id(), parent.place.tier);
                UplinkParent {
                    group: parent.id(),
                    is_seed: is_seed(parent, id, &candidate.addresses),
                    ancestors: if is_in {
                        route(place, lead.clone())
                    } else {
                        List::new()
                    },
                }
            });
            let uplink = Uplink {
                parents: List::truncated(said),
            };
            uplinks.insert(id, shared(&mut kinds, uplink));
        }
        if let Some(tier) = self.tiers.get_mut(&group) {
            tier.uplinks = Arc::new(uplinks);
        }
    }

    /// Everything that the members of a group lead to.
    fn lead(&self, group: GroupId) -> Vec<archipelago_core::wire::Ancestor> {
        let tier = self.tiers.get(&group).into_iter();
        nearest_first(tier.flat_map(|tier| {
            let uplinks = tier.uplinks.values();
            uplinks.flat_map(|uplink| ancestors(tier.charter.tier, uplink))
        }))
    }

    /// What a group's reflectors tell of it, and of all that lies below it, in its parents.
    fn tell(&mut self, group: GroupId, sign: Sign<'_>) {
        for parent in self.parents(group) {
            let (id, place) = (parent.id(), parent.place.tier);
            for (teller, record) in self.records(group, id) {
                let own = Arc::new(sign(record));
                let mut told = vec![own];
                told.extend(
                    self.told_below(group)
                        .filter(|it| it.record.tier < place)
                        .cloned(),
                );
                self.tell_in(id, teller, told);
            }
        }
    }

    /// The best record of each group below.
    fn told_below(&self, group: GroupId) -> impl Iterator<Item = &Arc<SignedGroupRecord>> {
        let tier = self.tiers.get(&group).into_iter();
        let below = tier.flat_map(|tier| tier.below.values());
        below.filter_map(|tellers| level::best(tellers.values()))
    }

    fn tell_in(&mut self, parent: GroupId, teller: NodeId, told: Vec<Arc<SignedGroupRecord>>) {
        let Some(above) = self.tiers.get_mut(&parent) else {
            return;
        };
        let below = Arc::make_mut(&mut above.below);
        for signed in told.into_iter().filter(|it| it.record.group != parent) {
            let tellers = Arc::make_mut(below.entry(signed.record.group).or_default());
            tellers.entry(teller).or_insert(signed);
        }
    }

    /// Those who tell of a group in a parent, and their records of it.
    fn records(&mut self, group: GroupId, parent: GroupId) -> Vec<(NodeId, GroupRecord)> {
        let (Some(tier), Some(above)) = (self.tiers.get(&group), self.tiers.get(&parent)) else {
            return Vec::new();
        };
        let all = tier.capable.keys();
        let joined: Vec<NodeId> = all
            .filter(|id| above.capable.contains_key(id))
            .copied()
            .collect();
        let mut tellers = joined.clone();
        tellers.sort_unstable_by_key(|&id| std::cmp::Reverse(weight(group, id)));
        tellers.truncate(UpConfig::default().exporters);
        let mut records = Vec::with_capacity(tellers.len());
        for teller in tellers {
            let Some(candidate) = tier.capable.get(&teller) else {
                continue;
            };
            let seq = self.seqs.entry(teller).or_default();
            *seq = seq.saturating_add(1);
            let others = joined.iter().copied().filter(|&id| id != teller);
            records.push((
                teller,
                GroupRecord {
                    group,
                    epoch: tier.charter.epoch,
                    tier: tier.charter.tier,
                    reflector: teller,
                    boot: candidate.boot,
                    seq: *seq,
                    reflectors: List::truncated([teller].into_iter().chain(others)),
                    size: tier.size,
                    closed: tier.config.is_closed,
                },
            ));
        }
        records
    }
}

/// Of equal statements the one that is there already.
fn shared(kinds: &mut Vec<Arc<Uplink>>, uplink: Uplink) -> Arc<Uplink> {
    if let Some(known) = kinds.iter().find(|known| ***known == uplink) {
        return Arc::clone(known);
    }
    let fresh = Arc::new(uplink);
    kinds.push(Arc::clone(&fresh));
    fresh
}

impl Up {
    /// A group that this node is up in stands in its hierarchy: all that members told of it is
    /// known, and what this node has to say is said.
    pub(crate) fn form(&mut self, group: GroupId, formed: &FormedTiers, me: NodeId, now: Time) {
        let (Some(tier), Some(level)) = (formed.tiers.get(&group), self.levels.get_mut(&group))
        else {
            return;
        };
        self.seq = formed.seqs.get(&me).copied().unwrap_or(self.seq);
        level.is_elected = formed.joined(&me).iter().any(|config| config.id() == group);
        level.take_uplinks(tier, me, now);
        level.take_below(tier, me, now);
    }
}

impl Level {
    /// What this node says of the parents, and what the others do.
    fn take_uplinks(&mut self, tier: &Tier, me: NodeId, now: Time) {
        self.uplinks = Arc::clone(&tier.uplinks);
        let Some(own) = tier.uplinks.get(&me) else {
            return;
        };
        Arc::make_mut(&mut self.uplinks).remove(&me);
        let joined = own.parents.iter().filter(|said| !said.ancestors.is_empty());
        self.elected = joined.map(|said| (said.group, now)).collect();
        self.said = ((**own).clone(), now);
    }

    /// What this node tells of groups below, and what the others do.
    fn take_below(&mut self, tier: &Tier, me: NodeId, now: Time) {
        let told = |(&group, tellers): (&GroupId, &Arc<Tellers>)| {
            let signed = tellers.get(&me)?;
            Some((group, (Arc::clone(signed), now)))
        };
        self.told = tier.below.iter().filter_map(told).collect();
        self.below = Arc::clone(&tier.below);
        let own: Vec<GroupId> = self.told.keys().copied().collect();
        for group in own {
            self.forget_told(me, group);
        }
    }
}
