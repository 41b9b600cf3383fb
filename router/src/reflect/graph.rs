//! The nearest reflectors toward every group: a breadth-first search over reflectors and groups.
//!
//! An edge (reflector, group) counts while another reflector of the group lists it, or it stands
//! alone there: by its own word, or because no other row names the group. From a group the search goes on only to reflectors that the one it came through
//! says are alive: whoever is reached speaks for its neighbours, so that two dead reflectors that
//! still vouch for each other are not reached. Nobody chooses a best path for others: path hiding
//! and oscillation come from that (RFC 3345).
//! Cost: O(rows × groups × reflectors · log); run when the map is read after a change.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::wire::RowGroup;
use archipelago_core::{GroupId, NodeId, Peer};

use super::table::Table;

/// How a group is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// How many reflectors lie between, at least 1.
    pub(super) hops: u8,
    /// The neighbours that lead there in so many hops, sorted.
    pub(super) first_hops: BTreeSet<Peer>,
}

/// Every group but `own` that can be reached from the neighbouring reflectors `adjacent`.
pub(super) fn search(
    me: NodeId,
    own: &BTreeSet<GroupId>,
    adjacent: &[(NodeId, Peer)],
    rows: &Table,
) -> BTreeMap<GroupId, Reached> {
    let word = Word::of(rows);
    let mut routes = BTreeMap::new();
    let mut visited = BTreeSet::from([me]);
    let mut level: BTreeMap<NodeId, BTreeSet<Peer>> = adjacent
        .iter()
        .map(|&(id, peer)| (id, BTreeSet::from([peer])))
        .collect();
    for hops in 1..=u8::MAX {
        visited.extend(level.keys().copied());
        let mut next = BTreeMap::new();
        for (reflector, first_hops) in &level {
            for edge in rows.groups(reflector) {
                if !word.counts(*reflector, edge) {
                    continue;
                }
                if !own.contains(&edge.group) {
                    note_group(&mut routes, edge.group, hops, first_hops);
                }
                for beyond in neighbours(*reflector, edge, rows, &word) {
                    if !visited.contains(&beyond) {
                        let reached: &mut BTreeSet<Peer> = next.entry(beyond).or_default();
                        reached.extend(first_hops);
                    }
                }
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    routes
}

/// What the rows say of each other's edges.
struct Word {
    /// Who is listed as alive, in which group, by any reflector's row but its own.
    listed: BTreeSet<(GroupId, NodeId)>,
    /// How many rows name each group.
    claims: BTreeMap<GroupId, usize>,
}

impl Word {
    fn of(rows: &Table) -> Self {
        let mut word = Self {
            listed: BTreeSet::new(),
            claims: BTreeMap::new(),
        };
        for (originator, held) in rows.iter() {
            for edge in held.row.row.groups.iter() {
                *word.claims.entry(edge.group).or_default() += 1;
                let others = edge.reflectors.iter().filter(|other| *other != originator);
                word.listed.extend(others.map(|&other| (edge.group, other)));
            }
        }
        word
    }

    fn counts(&self, reflector: NodeId, edge: &RowGroup) -> bool {
        edge.reflectors.is_empty()
            || self.claims.get(&edge.group) == Some(&1)
            || self.listed.contains(&(edge.group, reflector))
    }

    fn listed_in(&self, group: GroupId) -> impl Iterator<Item = NodeId> {
        let lowest = (group, NodeId([0; 32]));
        let highest = (group, NodeId([u8::MAX; 32]));
        self.listed.range(lowest..=highest).map(|&(_, id)| id)
    }
}

fn note_group(
    routes: &mut BTreeMap<GroupId, Reached>,
    group: GroupId,
    hops: u8,
    first_hops: &BTreeSet<Peer>,
) {
    let reached = routes.entry(group).or_insert_with(|| Reached {
        hops,
        first_hops: BTreeSet::new(),
    });
    if reached.hops == hops {
        reached.first_hops.extend(first_hops);
    }
}

/// The reflectors that `reflector` hands to within the group of `edge`: those that it lists and
/// that say they are there. A full list leaves some out; then anybody's word for them will do.
fn neighbours(reflector: NodeId, edge: &RowGroup, rows: &Table, word: &Word) -> Vec<NodeId> {
    let claims = |other: &NodeId| rows.groups(other).iter().any(|e| e.group == edge.group);
    if edge.reflectors.len() < super::CO_REFLECTORS_MAX {
        return edge.reflectors.iter().copied().filter(claims).collect();
    }
    let others = word.listed_in(edge.group);
    others
        .filter(|other| *other != reflector && claims(other))
        .collect()
}
