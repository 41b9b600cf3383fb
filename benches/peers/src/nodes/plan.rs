//! Who is where: ports, groups, and what each node is to see.

use std::net::TcpListener;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Nodes of each group that are in touch with other groups, so that one may be lost.
pub(super) const REFLECTORS: usize = 2;

/// One cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) nodes: usize,
    /// Where each node listens, on loopback.
    pub(super) ports: Vec<u16>,
    /// Keeps this run apart from any other.
    pub(super) realm: String,
}

impl Plan {
    /// So many nodes, on ports that nobody had just now.
    ///
    /// # Errors
    /// No more ports.
    pub(super) fn new(kind: Kind, nodes: usize) -> std::io::Result<Self> {
        Ok(Self {
            kind,
            nodes,
            ports: free_ports(nodes)?,
            realm: format!("peers-{}-{nodes}", std::process::id()),
        })
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        let size = self.kind.group_size();
        size.map_or(1, |size| ((self.nodes + size / 2) / size).max(1))
    }

    /// The group that a node is in.
    pub(super) fn group_of(&self, place: usize) -> usize {
        let is_in = |&group: &usize| self.members(group).contains(&place);
        (0..self.groups()).find(is_in).unwrap_or(0)
    }

    /// The nodes of a group.
    pub(super) fn members(&self, group: usize) -> Range<usize> {
        let bound = |group: usize| group * self.nodes / self.groups();
        bound(group)..bound(group + 1)
    }

    /// Whether it joins its group with others. NATS servers all do so by themselves.
    pub(super) fn is_reflector(&self, place: usize) -> bool {
        let first = self.members(self.group_of(place)).start;
        self.groups() > 1 && place < first + REFLECTORS
    }

    /// How much a node sees when the cluster has formed: the others of its group; for one of ours
    /// that reflects the other reflectors and the other groups, too; for a NATS server gateways to
    /// the other clusters.
    pub(super) fn wanted(&self, place: usize) -> usize {
        let (groups, mine) = (self.groups(), self.members(self.group_of(place)).len() - 1);
        match self.kind {
            Kind::Archipelago if self.is_reflector(place) => {
                mine + (REFLECTORS * groups - 1) + (groups - 1)
            }
            Kind::Nats => mine + groups - 1,
            _ => mine,
        }
    }

    /// Who is to see what becomes of a node: the others of its group.
    pub(super) fn witnesses(&self, place: usize) -> impl Iterator<Item = usize> {
        let members = self.members(self.group_of(place));
        members.filter(move |&other| other != place)
    }
}

/// Ports of loopback that nobody has, each another one.
///
/// # Errors
/// No more of them.
pub(super) fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let held: Result<Vec<TcpListener>, _> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect();
    let ports = held?;
    ports
        .iter()
        .map(|one| Ok(one.local_addr()?.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: Kind, nodes: usize) -> Plan {
        Plan::new(kind, nodes).expect("ports")
    }

    #[test]
    fn a_mesh_sees_all_others() {
        let plan = plan(Kind::Erlang, 50);
        assert_eq!(
            (plan.groups(), plan.wanted(0), plan.wanted(49)),
            (1, 49, 49)
        );
        assert_eq!(plan.witnesses(49).count(), 49);
    }

    #[test]
    fn groups_share_all_nodes_and_their_reflectors_see_each_other() {
        let plan = plan(Kind::Archipelago, 50);
        let sizes: Vec<usize> = (0..plan.groups())
            .map(|group| plan.members(group).len())
            .collect();
        assert_eq!(sizes, [16, 17, 17]);
        // 15 of its group, 5 other reflectors, 2 other groups.
        assert_eq!(plan.wanted(0), 22);
        assert_eq!((plan.group_of(16), plan.wanted(15)), (1, 15));
        assert_eq!(
            plan.witnesses(49).collect::<Vec<_>>(),
            (33..49).collect::<Vec<_>>()
        );
    }

    #[test]
    fn few_nodes_are_one_group_without_reflectors() {
        let plan = plan(Kind::Archipelago, 25);
        assert_eq!((plan.groups(), plan.is_reflector(0)), (1, false));
    }

    #[test]
    fn ports_differ() {
        let mut ports = free_ports(64).expect("ports");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 64);
    }
}
