//! Choosing nodes: by what they say of themselves, by how far they are, by how busy they are.
//!
//! A pure function of what this node knows: [`choose`] takes exactly the members of the scope for
//! which the predicate holds, within the distance, with or without this node, and a strategy orders
//! them and takes the first. Members that are not up are no candidates.
//!
//! A node in several groups of the scope is a candidate once, if it qualifies in any of them: its
//! attributes are those that it has in that group. It counts as busy as it says in the group where
//! it says least, and as idle where it says nothing.
//! Cost: O(m) evaluations for m members in scope, O(m log m) to order them.
//! Source: `choose_nodes/1` of SD Erlang; two choices: Mitzenmacher 2001.

mod parse;
mod predicate;
mod strategy;

pub use predicate::{
    PREDICATE_BYTES_MAX, PREDICATE_DEPTH_MAX, PREDICATE_TERMS_MAX, Predicate, PredicateError,
    PredicateFault, Relation,
};

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::Value;
use archipelago_core::{GroupId, NodeId, Rng};
use bytes::Bytes;

use super::Table;

/// Which nodes, how many, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What must hold of their attributes. Default: any node.
    pub predicate: Predicate,
    /// Among whom. Default: all groups of this node.
    pub scope: Scope,
    /// How far they may be. Default: anywhere.
    pub reach: Reach,
    /// Whether this node may be one of them. Default: yes.
    pub myself: Myself,
    /// How many at most; `None`, the default: all.
    pub nodes_max: Option<usize>,
    /// Which of them first. Default: at random.
    pub strategy: Strategy,
}

/// Among whom to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Members of all groups that this node is in.
    #[default]
    AllGroups,
    /// Members of one group.
    Group(GroupId),
    /// Who offers a service, in one group or in all.
    Service {
        /// Where; `None`: in all groups that this node is in.
        group: Option<GroupId>,
        /// Which.
        service: Bytes,
    },
}

/// How far a node may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Anywhere in the scope.
    #[default]
    Anywhere,
    /// At most this round trip, as it was measured last; a node that was not measured is too far.
    RoundTrip(Duration),
    /// At most so many hops: this node 0, a direct session 1, a detour 2.
    Hops(u8),
}

/// Whether this node may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Myself {
    /// As any other.
    #[default]
    Included,
    /// Never.
    Excluded,
}

/// Which of the nodes that qualify come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Any, with equal chance.
    #[default]
    Random,
    /// Those that say the least load: exact over what was told last, up to a second ago; chance
    /// among equals. Many who choose so at once choose the same: then [`Strategy::TwoChoices`].
    LeastLoaded,
    /// Each the less busy of two drawn at random: nearly as even, and no herd forms.
    TwoChoices,
    /// As even as can be over the values of an attribute: of any two values, the one taken less
    /// often has no more nodes, or was taken at most once less. Nodes without it are one more value.
    Spread(Bytes),
    /// The nearest: this node, then by round trip (those not measured last), then by hops.
    LocalFirst,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance {
    /// The measured round trip; this node's is zero.
    pub round_trip: Option<Duration>,
    /// This node 0, a direct session 1, a detour 2.
    pub hops: u8,
}

/// One group as the chooser sees it.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Which.
    pub group: GroupId,
    /// Members that are up.
    pub members: &'a [NodeId],
    /// What they say.
    pub table: &'a Table,
}

/// A node that qualifies.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    node: NodeId,
    distance: Distance,
    load: u32,
    /// The value to spread over.
    class: Option<&'a Value>,
}

/// The nodes that `choice` describes, as `me` sees its groups, best first.
pub fn choose(
    choice: &Choice,
    me: NodeId,
    grounds: &[Ground<'_>],
    distance: impl Fn(NodeId) -> Distance,
    rng: &mut Rng,
) -> Vec<NodeId> {
    let mut found: BTreeMap<NodeId, Candidate<'_>> = BTreeMap::new();
    for ground in grounds
        .iter()
        .filter(|ground| choice.scope.covers(ground.group))
    {
        for &node in ground.members {
            if !choice.qualifies(node, me, ground) {
                continue;
            }
            let load = ground.table.load(node).unwrap_or(0);
            let candidate = found.entry(node).or_insert_with(|| Candidate {
                node,
                distance: distance(node),
                load,
                class: choice.strategy.class(node, ground.table),
            });
            candidate.load = candidate.load.min(load);
        }
    }
    let near = found
        .into_values()
        .filter(|one| choice.reach.covers(one.distance));
    let nodes_max = choice.nodes_max.unwrap_or(usize::MAX);
    strategy::take(&choice.strategy, near.collect(), nodes_max, rng)
}

impl Choice {
    fn qualifies(&self, node: NodeId, me: NodeId, ground: &Ground<'_>) -> bool {
        let is_allowed = self.myself == Myself::Included || node != me;
        is_allowed
            && self.scope.has(node, ground.table)
            && self
                .predicate
                .holds(&|key| ground.table.attribute(node, key))
    }
}

impl Scope {
    fn covers(&self, id: GroupId) -> bool {
        match self {
            Self::AllGroups => true,
            Self::Group(group) => *group == id,
            Self::Service { group, .. } => group.is_none_or(|group| group == id),
        }
    }

    fn has(&self, node: NodeId, table: &Table) -> bool {
        match self {
            Self::AllGroups | Self::Group(_) => true,
            Self::Service { service, .. } => table.offers(node, service),
        }
    }
}

impl Reach {
    fn covers(self, distance: Distance) -> bool {
        match self {
            Self::Anywhere => true,
            Self::RoundTrip(max) => distance.round_trip.is_some_and(|took| took <= max),
            Self::Hops(max) => distance.hops <= max,
        }
    }
}

impl Strategy {
    fn class<'a>(&self, node: NodeId, table: &'a Table) -> Option<&'a Value> {
        match self {
            Self::Spread(attribute) => table.attribute(node, attribute),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
