//! Which groups so many hosts are in, who takes requests, and which process runs whom.

use clap::ValueEnum;

use super::order::{GroupOrder, NodeOrder};

/// The group of all reflectors, where there are several groups.
const BACKBONE: &str = "workers-backbone";

/// Hosts of each group that reflect: one may be lost.
const REFLECTORS: usize = 2;

/// Who is in a group with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topology {
    /// All in one group: every pair has a session.
    Mesh,
    /// Groups of the wanted size, each of which hosts its part of the keys, and reflectors.
    SGroups,
}

/// Who takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EntryKind {
    /// Nodes that host nothing.
    Proxy,
    /// The hosts themselves.
    Any,
}

impl Topology {
    /// As the command line and reports name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::SGroups => "s-groups",
        }
    }
}

impl EntryKind {
    /// Likewise.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Any => "any",
        }
    }
}

/// All nodes of one measurement.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Groups that host workers, each with its part of the keys.
    pub(super) groups: Vec<String>,
    /// Of every node, which of `groups` it is in.
    homes: Vec<usize>,
    hosts: usize,
    entry: EntryKind,
    pub(super) processes: usize,
}

impl Layout {
    /// `hosts` and, in front of them, `proxies`, where they take the requests.
    pub(super) fn new(
        hosts: usize,
        topology: Topology,
        group_size: usize,
        entry: EntryKind,
        proxies: usize,
        processes: usize,
    ) -> Self {
        let groups = match topology {
            Topology::Mesh => 1,
            Topology::SGroups => ((hosts + group_size / 2) / group_size.max(1)).max(1),
        };
        let proxies = match entry {
            EntryKind::Proxy => proxies,
            EntryKind::Any => 0,
        };
        let hosts_homes = (0..hosts).map(|host| host * groups / hosts);
        let proxies_homes = (0..proxies).map(|proxy| proxy % groups);
        Self {
            groups: (0..groups)
                .map(|group| format!("workers-{group}"))
                .collect(),
            homes: hosts_homes.chain(proxies_homes).collect(),
            hosts,
            entry,
            processes: processes.clamp(1, hosts),
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.homes.len()
    }

    /// Descriptors that the busiest process needs: its ends of sessions, and what is beside them.
    pub(super) fn descriptors(&self) -> u64 {
        let in_groups = (0..self.groups.len()).map(|group| self.members(group).pow(2));
        let backbone = self.backbone().pow(2);
        let ends = in_groups.sum::<usize>() + backbone + self.on_demand();
        (ends / self.processes + 2 * self.len() / self.processes + 512) as u64
    }

    /// Ends of sessions that open between groups, at most.
    fn on_demand(&self) -> usize {
        if self.groups.len() == 1 {
            return 0;
        }
        let entries = (0..self.len()).filter(|&node| self.is_entry(node)).count();
        2 * entries * self.hosts
    }

    fn members(&self, group: usize) -> usize {
        self.homes.iter().filter(|&&home| home == group).count()
    }

    /// Members of the group of reflectors.
    fn backbone(&self) -> usize {
        let reflectors = (0..self.len()).filter(|&node| self.is_reflector(node));
        reflectors.count()
    }

    /// Which process runs a node: whole groups side by side where there are as many, and proxies
    /// in turn.
    pub(super) fn process_of(&self, node: usize) -> usize {
        if node < self.hosts {
            node * self.processes / self.hosts
        } else {
            (node - self.hosts) % self.processes
        }
    }

    /// The first member of each group, through which the others join; of the backbone, too.
    pub(super) fn founders(&self) -> Vec<usize> {
        let founder = |group| self.homes.iter().position(|&home| home == group);
        (0..self.groups.len()).filter_map(founder).collect()
    }

    /// Processes that run somebody who takes requests.
    pub(super) fn entry_processes(&self) -> Vec<usize> {
        let entries = (0..self.len()).filter(|&node| self.is_entry(node));
        let mut processes: Vec<usize> = entries.map(|node| self.process_of(node)).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    fn is_entry(&self, node: usize) -> bool {
        self.entry == EntryKind::Any || node >= self.hosts
    }

    /// Whether a node is in the backbone: some hosts of each group, and all proxies.
    fn is_reflector(&self, node: usize) -> bool {
        let home = self.homes.get(node).copied().unwrap_or(0);
        let first = self.homes.iter().position(|&other| other == home);
        let is_first = first.is_some_and(|first| node < first + REFLECTORS);
        self.groups.len() > 1 && (is_first || node >= self.hosts)
    }

    /// What starts a node; `address` knows where nodes listen that were started before.
    pub(super) fn order(
        &self,
        node: usize,
        realm: &str,
        address: impl Fn(usize) -> Option<String>,
    ) -> NodeOrder {
        let home = self.homes.get(node).copied().unwrap_or(0);
        let founders = self.founders();
        let seeds = |founder: usize| {
            let seed = address(founder).filter(|_| founder != node);
            seed.into_iter().collect()
        };
        let mut groups = vec![GroupOrder {
            name: self.groups[home].clone(),
            seeds: seeds(founders[home]),
            members: self.members(home),
        }];
        if self.is_reflector(node) {
            groups.push(GroupOrder {
                name: BACKBONE.to_owned(),
                seeds: seeds(founders[0]),
                members: self.backbone(),
            });
        }
        NodeOrder {
            index: node,
            realm: realm.to_owned(),
            is_reflector: self.is_reflector(node),
            groups,
            is_host: node < self.hosts,
            is_entry: self.is_entry(node),
        }
    }

    /// One more host of the first group, which takes no requests.
    pub(super) fn one_more(&self, realm: &str, seed: String) -> NodeOrder {
        NodeOrder {
            index: self.len(),
            realm: realm.to_owned(),
            is_reflector: false,
            groups: vec![GroupOrder {
                name: self.groups[0].clone(),
                seeds: vec![seed],
                members: self.members(0),
            }],
            is_host: true,
            is_entry: false,
        }
    }

    /// A host of the first group that nobody joined through, the last one whose process has another
    /// node to ask in its place.
    pub(super) fn victim(&self) -> usize {
        // Not a reflector either: with those, other things are measured.
        let of_first = (0..self.hosts).filter(|&node| self.homes.get(node) == Some(&0));
        let others: Vec<usize> = of_first.skip(1).collect();
        let replaceable = others.iter().rev().find(|&&node| self.is_replaceable(node));
        replaceable.or(others.last()).copied().unwrap_or(0)
    }

    /// Whether what it would be asked is asked of another node of its process if it is dead.
    fn is_replaceable(&self, node: usize) -> bool {
        let is_beside = |other: &usize| self.process_of(*other) == self.process_of(node);
        let mut beside = (0..self.len()).filter(is_beside);
        !self.is_entry(node) || beside.any(|other| other != node && self.is_entry(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(hosts: usize, topology: Topology, entry: EntryKind) -> Layout {
        Layout::new(hosts, topology, 20, entry, 2, 2)
    }

    #[test]
    fn a_mesh_is_one_group_with_the_proxies_in_it() {
        let mesh = layout(4, Topology::Mesh, EntryKind::Proxy);
        assert_eq!((mesh.groups.len(), mesh.len()), (1, 6));
        assert_eq!(mesh.founders(), [0]);
        let proxy = mesh.order(4, "realm", |_| Some("there".into()));
        assert!(proxy.is_entry && !proxy.is_host && !proxy.is_reflector);
        assert_eq!(proxy.groups[0].members, 6);
        assert_eq!(proxy.groups[0].seeds, ["there"]);
        assert!(!mesh.order(0, "realm", |_| None).is_entry);
        assert_eq!(mesh.victim(), 3);
    }

    #[test]
    fn groups_have_reflectors_in_a_backbone_and_their_own_founders() {
        let groups = layout(100, Topology::SGroups, EntryKind::Any);
        assert_eq!((groups.groups.len(), groups.len()), (5, 100));
        assert_eq!(groups.founders(), [0, 20, 40, 60, 80]);
        let founder = groups.order(20, "realm", |node| (node == 0).then(|| "zero".into()));
        assert!(founder.is_reflector && founder.is_entry && founder.is_host);
        assert_eq!(founder.groups[0].seeds, Vec::<String>::new());
        assert_eq!(founder.groups[1].seeds, ["zero"]);
        assert_eq!(founder.groups[1].members, 10);
        let member = groups.order(25, "realm", |_| Some("there".into()));
        assert_eq!(member.groups.len(), 1);
        assert_eq!(groups.victim(), 19);
    }

    #[test]
    fn who_is_killed_leaves_somebody_to_ask_in_its_process() {
        let three = layout(3, Topology::Mesh, EntryKind::Any);
        let places: Vec<_> = (0..3).map(|node| three.process_of(node)).collect();
        assert_eq!((places, three.victim()), (vec![0, 0, 1], 1));
        assert_eq!(layout(2, Topology::Mesh, EntryKind::Any).victim(), 1);
    }

    #[test]
    fn nodes_and_proxies_are_spread_over_processes() {
        let mesh = layout(4, Topology::Mesh, EntryKind::Proxy);
        let places: Vec<_> = (0..6).map(|node| mesh.process_of(node)).collect();
        assert_eq!(places, [0, 0, 1, 1, 0, 1]);
    }
}
