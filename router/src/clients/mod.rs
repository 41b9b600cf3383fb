//! Hidden nodes: who is served by whom, and the groups that this node uses without being in them.
//!
//! ```text
//!  hidden node ── Join(Client) ──► a member, which says so in its log ──► all members
//!      │  asks and relays through its hosts          │  lead to it through its hosts
//! ```
//! Members serve their clients as reflectors serve members: they answer their questions, introduce
//! them to other members and relay for them, both ways. A closed group is not closed to its clients,
//! since they proved its cookie.
//!
//! It decides nothing but this; [`Client`] attaches, `Group` admits, and `Atlas` reads what is here.
//! Limit: [`ROWS_MAX`] clients of all groups; others are served, and not found by name of their node.
//! Cost: nothing until one is heard of; then some 100 bytes for each client and group.

use std::collections::BTreeMap;

use archipelago_core::footprint::map_bytes;
use archipelago_core::{GroupId, NodeId, Peer, SmallMap};
use archipelago_sgroup::Client;

/// Clients of this node's groups that are remembered.
const ROWS_MAX: usize = 65_536;
/// Members that serve one of them: two, and two more while it moves.
const HOSTS_MAX: usize = 4;

/// What one node knows of hidden nodes.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// Groups that this node uses.
    pub(crate) own: SmallMap<GroupId, Box<Client>>,
    /// Who serves a node in a group of this node's own.
    rows: BTreeMap<(NodeId, GroupId), Vec<NodeId>>,
}

impl Clients {
    /// `host` serves `client` in a group from now on, or no longer does.
    pub(crate) fn note(&mut self, group: GroupId, client: NodeId, host: NodeId, is_served: bool) {
        let key = (client, group);
        if !is_served {
            let Some(hosts) = self.rows.get_mut(&key) else {
                return;
            };
            hosts.retain(|known| *known != host);
            if hosts.is_empty() {
                self.rows.remove(&key);
            }
            return;
        }
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            return;
        }
        let hosts = self.rows.entry(key).or_default();
        if !hosts.contains(&host) && hosts.len() < HOSTS_MAX {
            hosts.push(host);
        }
    }

    /// This node is in a group no more.
    pub(crate) fn forget(&mut self, group: GroupId) {
        self.rows.retain(|(_, of), _| *of != group);
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.own.values().next().is_none()
    }

    /// Who serves `client` in `group`.
    pub(crate) fn hosts(&self, group: GroupId, client: NodeId) -> &[NodeId] {
        self.rows.get(&(client, group)).map_or(&[], Vec::as_slice)
    }

    /// Whether `host` serves `client` in any group of this node's.
    pub(crate) fn is_served(&self, client: &NodeId, host: &NodeId) -> bool {
        let first = (*client, GroupId([0; 16]));
        let rows = self.rows.range(first..);
        let mut its = rows.take_while(|((node, _), _)| node == client);
        its.any(|(_, hosts)| hosts.contains(host))
    }

    /// Members that serve this node: of `group` first.
    pub(crate) fn own_hosts(&self, group: GroupId) -> impl Iterator<Item = Peer> {
        let first = self.own.get(&group).into_iter();
        let others = self.own.iter().filter(move |&(&id, _)| id != group);
        let all = first.chain(others.map(|(_, client)| client));
        all.flat_map(|client| client.hosts())
    }

    /// Whether the peer serves this node in any group.
    pub(crate) fn is_own_host(&self, peer: Peer) -> bool {
        self.own.values().any(|client| client.is_attached(peer))
    }

    /// What it holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self
            .rows
            .values()
            .map(archipelago_core::footprint::vec_bytes);
        size_of::<Self>() + map_bytes(&self.rows) + lists.sum::<usize>()
    }
}
