//! What must hold of a quiet world.

use super::*;

impl World {
    pub(crate) fn living(&self) -> Vec<usize> {
        let numbers = 0..self.nodes.len();
        numbers.filter(|&node| self.nodes[node].is_alive).collect()
    }

    pub(crate) fn members(&self, at: usize) -> Vec<usize> {
        let node = &self.nodes[at];
        let members = node.group.members(&node.peers);
        let mut numbers: Vec<usize> = members.iter().map(|info| number_of(&info.node)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// E0: all of `nodes` have the same view, of exactly them, and proved themselves pairwise.
    pub(crate) fn is_mesh_of(&self, nodes: &[usize]) -> bool {
        let hash = self.nodes[nodes[0]].group.view_hash();
        nodes.iter().all(|&at| {
            let group = &self.nodes[at].group;
            group.is_up()
                && group.view_hash() == hash
                && self.members(at) == nodes
                && nodes.iter().filter(|&&other| other != at).all(|&other| {
                    let peer = self.peer(at, other);
                    self.generation(at, other).is_some()
                        && peer.is_some_and(|peer| group.is_admitted(peer))
                })
        })
    }

    pub(crate) fn is_mesh(&self) -> bool {
        self.is_mesh_of(&self.living())
    }

    /// For a failure's output: what is missing to a mesh.
    pub(crate) fn why(&self) {
        let living = self.living();
        for &at in &living {
            let group = &self.nodes[at].group;
            eprintln!(
                "{at}: up {} hash {:x} members {:?}",
                group.is_up(),
                group.view_hash(),
                self.members(at)
            );
            for &other in living.iter().filter(|&&other| other != at) {
                let has_session = self.generation(at, other).is_some();
                let is_admitted = self
                    .peer(at, other)
                    .is_some_and(|peer| group.is_admitted(peer));
                if !has_session || !is_admitted {
                    eprintln!("  {other}: session {has_session} admitted {is_admitted}");
                }
            }
        }
    }

    pub(crate) fn assert_mesh(&self) {
        let living = self.living();
        for &at in &living {
            assert_eq!(self.members(at), living, "members at {at}");
        }
        assert!(
            self.is_mesh(),
            "views agree, but not every pair proved itself"
        );
    }

    /// Who told when that `of` is down, since `since`.
    pub(crate) fn downs(&self, of: usize, since: Time) -> Vec<(usize, Duration)> {
        let told = self.told.iter().filter(|told| told.0 >= since);
        told.filter_map(|(at, node, event)| match event {
            GroupEvent::MemberDown(info, _) if number_of(&info.node) == of => {
                Some((*node, at.since(since)))
            }
            _ => None,
        })
        .collect()
    }

    /// Any `MemberDown` since `since`.
    pub(crate) fn down_count(&self, since: Time) -> usize {
        let told = self.told.iter().filter(|told| told.0 >= since);
        told.filter(|told| matches!(told.2, GroupEvent::MemberDown(..)))
            .count()
    }

    /// I2 and G5: ups and downs of a member alternate at each watcher, and no tenure comes twice.
    pub(crate) fn assert_events_in_order(&self) {
        let mut seen: BTreeMap<(usize, NodeId), ((u64, u32), bool)> = BTreeMap::new();
        for (_, node, event) in &self.told {
            let (info, is_up) = match event {
                GroupEvent::MemberUp(info) => (info, true),
                GroupEvent::MemberDown(info, _) => (info, false),
                _ => continue,
            };
            let tenure = (info.boot.0, info.era.0);
            let last = seen.insert((*node, info.node), (tenure, is_up));
            match last {
                None => assert!(is_up, "down before up: {info:?} at {node}"),
                Some((before, was_up)) if is_up => {
                    assert!(!was_up && before < tenure, "up twice: {info:?} at {node}");
                }
                Some((before, was_up)) => {
                    assert!(was_up && before == tenure, "down twice: {info:?} at {node}");
                }
            }
        }
    }
}
