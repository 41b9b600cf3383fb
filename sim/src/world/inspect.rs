//! What tests and checkers may see of a world: the machines' own views, and the links' truth.

use std::sync::atomic::Ordering;

use archipelago_core::GroupId;
use archipelago_core::footprint::Footprint;
use archipelago_core::wire::SessionId;
use archipelago_router::{Node, NodeConfig};

use super::{NodeIx, World};
use crate::check::rows::RowTap;
use crate::host::sessions::Stage;
use crate::host::{FlowReport, Heard, Latencies, ProcessState, Received};
use crate::link::Links;
use crate::tally::Tally;
use crate::tap::{Caught, Tap, Tapped};

impl World {
    /// A node's control machine, if its process lives.
    pub fn node(&self, node: NodeIx) -> Option<&Node> {
        self.host(node).node.as_deref()
    }

    /// What a node was last told.
    pub fn node_config(&self, node: NodeIx) -> &NodeConfig {
        &self.host(node).config
    }

    /// Nodes whose processes run, stopped ones not included.
    pub fn running(&self) -> Vec<NodeIx> {
        let is_running = |&node: &NodeIx| self.state(node) == ProcessState::Running;
        self.nodes().into_iter().filter(is_running).collect()
    }

    /// The transport's own list of a node's open sessions: who is at the other end.
    pub fn connections(&self, node: NodeIx) -> Vec<(SessionId, NodeIx)> {
        let ends = self.host(node).sessions.iter();
        ends.filter(|(_, end)| end.stage() == Stage::Open)
            .map(|(session, end)| (session, NodeIx(end.peer)))
            .collect()
    }

    /// The groups that a node is in: configured, or joined since.
    pub fn groups_of(&self, node: NodeIx) -> Vec<GroupId> {
        match self.node(node) {
            Some(node) => node.groups(),
            None => self
                .node_config(node)
                .groups
                .iter()
                .map(|group| group.id())
                .collect(),
        }
    }

    /// Running nodes that are in the group.
    pub fn members_of(&self, group: GroupId) -> Vec<NodeIx> {
        let is_member = |node: &NodeIx| self.groups_of(*node).contains(&group);
        self.running().into_iter().filter(is_member).collect()
    }

    /// Whether packets get through between two nodes, both ways.
    pub fn is_link_up(&self, a: NodeIx, b: NodeIx) -> bool {
        self.engine.shared().links.is_up(a.0, b.0)
    }

    /// Whether `node` has a session of its own, open for data, with `peer`.
    pub fn is_path_direct(&self, node: NodeIx, peer: NodeIx) -> bool {
        self.host(node).sessions.attached_to(peer.0).is_some()
    }

    /// How a flow goes, as its sender knows.
    pub fn flow_report(&self, from: NodeIx, flow: u32) -> FlowReport {
        let flows = &self.host(from).app.flows;
        flows
            .get(flow as usize)
            .map(|(_, report)| report.clone())
            .unwrap_or_default()
    }

    /// What a receiver saw of a flow.
    pub fn received(&self, at: NodeIx, from: NodeIx, flow: u32) -> Received {
        let received = &self.host(at).app.received;
        received.get(&(from.0, flow)).cloned().unwrap_or_default()
    }

    /// How much a node was told since the world began.
    pub fn heard(&self, node: NodeIx) -> Heard {
        self.host(node).heard
    }

    /// How long the messages took that reached a node's mailboxes.
    pub fn latencies(&self, at: NodeIx) -> &Latencies {
        &self.host(at).app.latencies
    }

    /// The links of this world.
    pub fn links(&self) -> &Links {
        &self.engine.shared().links
    }

    /// Every flow of the world: sender, number, receiver.
    pub fn flows(&self) -> Vec<(NodeIx, u32, NodeIx)> {
        let mut all = Vec::new();
        for host in self.hosts() {
            for (number, (flow, _)) in (0u32..).zip(&host.app.flows) {
                all.push((NodeIx(host.ix), number, self.node_of(&flow.to.node)));
            }
        }
        all
    }

    /// Whether a flow's sender is still the process that started it.
    pub fn is_current(&self, from: NodeIx, flow: u32) -> bool {
        self.host(from).app.is_current(flow)
    }

    /// What went over all sessions of rows.
    pub const fn row_tap(&self) -> &RowTap {
        &self.rows
    }

    /// How many look-ups reached so many reflectors before whoever asked was answered, rising.
    /// Nothing where no log is kept.
    pub fn lookup_hops(&self) -> Vec<(u64, u64)> {
        self.hops.done()
    }

    /// How long after the last mending of links what had waited for it arrived at mailboxes.
    pub fn latencies_after_mending(&self) -> Latencies {
        let mut all = Latencies::default();
        for nodes in self.engine.shards() {
            all.add(&nodes.local.after_mending);
        }
        all
    }

    /// What all nodes have said and signed so far.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for nodes in self.engine.shards() {
            tally.merge(&nodes.local.tally);
        }
        tally.signed = self.crypto.signed.load(Ordering::Relaxed);
        tally.verified = self.crypto.verified.load(Ordering::Relaxed);
        tally
    }

    /// What all nodes and the queue of events take, by part. Shared records, groups'
    /// configurations and the allocator's own are the rest up to the resident set.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        for host in self.hosts() {
            footprint.merge(&host.footprint());
        }
        footprint.add("events", self.engine.heap_bytes());
        for nodes in self.engine.shards() {
            footprint.add("events", nodes.local.heap_bytes());
        }
        footprint
    }

    /// How many events wait in the queue.
    pub fn events_pending(&self) -> usize {
        self.engine.pending()
    }

    /// Keeps single control messages from now on; what an earlier tap kept is gone.
    pub fn tap(&mut self, tap: Tap) {
        self.caught = Caught::default();
        self.engine.shared_mut().tap = Some(tap);
    }

    /// What the tap kept, in the order of arrival, and how many messages there were in all.
    pub fn tapped(&self) -> (&[Tapped], u64) {
        (&self.caught.messages, self.caught.count)
    }
}
