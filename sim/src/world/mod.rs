//! The world: nodes, links and time, with verbs for what can happen to them.
//!
//! ```text
//!  World ── run_for ─▶ Engine ─▶ Nodes ─▶ Host (Node + Channels) ─▶ Engine …
//!    │ crash, stop, partition, cut, hold, heal …
//!    └ observed ─▶ checkers, tests
//! ```
//! The same seed and the same verbs give the same trace, whatever else the computer does, and
//! however many threads do it: verbs act between two runs, at their exact instant.

mod calls;
mod change;
mod checks;
mod config;
mod duty;
mod faults;
pub(crate) mod generate;
mod inspect;
mod mischief;
mod names;
pub(crate) mod nodes;
mod protocols;
mod registry;
mod strict;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Boot, NodeId, Pid, Time};
use archipelago_router::{Command, NodeConfig, Refused};

pub use change::{Change, ChangeResults};
use checks::Checks;
pub use checks::{Checker, Violated};
pub use config::WorldConfig;
pub use names::NameRequest;
use nodes::Nodes;

use crate::check::rows::RowTap;
use crate::engine::{Engine, Layout};
use crate::hops::HopTap;
use crate::host::{Flow, Host, ProcessState};
use crate::names as node_names;
use crate::net::{Net, Shared};
use crate::observe::{Observation, Observed};
use crate::random::Random;
use crate::tally::CryptoCount;
use crate::tap::Caught;
use crate::trace::Trace;

/// Virtual microseconds at which the world begins: boots are clock readings, and never zero.
const CLOCK_START: u64 = 1_000_000;

/// A node's number in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub u32);

/// A simulated world.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    engine: Engine<Nodes>,
    /// The world's own chance, for tests and faults.
    random: Random,
    log: Vec<Observed>,
    rows: RowTap,
    hops: HopTap,
    caught: Caught,
    checks: Checks,
    /// Changes of groups that were asked for.
    changes: u64,
    crypto: Arc<CryptoCount>,
    /// Of the last node that was added: most share it.
    realm: Arc<str>,
}

impl World {
    /// An empty world.
    pub fn new(config: WorldConfig) -> Self {
        let shards = config.shards.max(config.threads).max(1);
        let layout = Layout::new(shards, config.stripe_len);
        let shared = Shared::new(&config);
        let lookahead = shared.links.latency_min();
        let nodes = (0..shards).map(|_| Nodes::default()).collect();
        Self {
            engine: Engine::new(layout, shared, nodes, lookahead),
            random: Random::split(config.seed, u64::MAX),
            log: Vec::new(),
            rows: RowTap::default(),
            hops: HopTap::default(),
            caught: Caught::default(),
            checks: Checks::default(),
            changes: 0,
            crypto: Arc::default(),
            realm: "".into(),
            config,
        }
    }

    /// Adds a node that is not started yet. `change` sees its configuration with id, address and
    /// boot filled in.
    pub fn add(&mut self, realm: &str, change: impl FnOnce(&mut NodeConfig)) -> NodeIx {
        let ix = self.engine.shared().nodes;
        let id = node_names::node_id(self.config.seed, ix);
        let name = format!("n{ix}");
        let mut config = NodeConfig::new(id, &name, realm, self.clock());
        if *self.realm != *realm {
            self.realm = Arc::clone(&config.realm);
        }
        config.realm = Arc::clone(&self.realm);
        config.addresses = vec![node_names::address(ix)];
        change(&mut config);
        let random = Random::split(self.config.seed, u64::from(ix));
        let host = Host::new(ix, Arc::new(config), random, &self.crypto);
        self.engine.shard_mut(ix).hosts.push(host);
        let count = ix.checked_add(1).expect("fewer than 2^32 nodes");
        self.engine.shared_mut().nodes = count;
        NodeIx(ix)
    }

    /// The id of a node, also of one that is yet to be added.
    pub fn id(&self, node: NodeIx) -> NodeId {
        node_names::node_id(self.config.seed, node.0)
    }

    /// The address of a node, also of one that is yet to be added.
    pub fn address(&self, node: NodeIx) -> archipelago_core::Address {
        node_names::address(node.0)
    }

    /// The number of the node with this id.
    pub fn node_of(&self, id: &NodeId) -> NodeIx {
        NodeIx(node_names::node_of(id))
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<NodeIx> {
        (0..self.engine.shared().nodes).map(NodeIx).collect()
    }

    /// Changes what a node is told at its next start.
    pub fn configure(&mut self, node: NodeIx, change: impl FnOnce(&mut NodeConfig)) {
        let host = self.host_mut(node);
        change(Arc::make_mut(&mut host.config));
    }

    /// Gives a running node a command.
    ///
    /// # Errors
    /// What the node answers.
    pub fn command(&mut self, node: NodeIx, command: Command) -> Result<(), Refused> {
        let result = self.with(node, |host, net| {
            let result = host.command(command, net);
            host.settle(net);
            result
        });
        self.collect();
        result
    }

    /// The mailbox of a running node.
    pub fn pid(&mut self, node: NodeIx) -> Option<Pid> {
        self.host_mut(node).pid()
    }

    /// One more mailbox of a running node: a flow to it is a flow of its own in the channel.
    pub fn another_pid(&mut self, node: NodeIx) -> Option<Pid> {
        self.host_mut(node).another_pid()
    }

    /// Starts a flow of messages between two running nodes; its number at the sender.
    ///
    /// # Panics
    /// When either node does not run.
    pub fn flow(&mut self, from: NodeIx, to: NodeIx, shape: (u64, Duration, usize)) -> u32 {
        let to = self.pid(to).expect("the receiver runs");
        self.flow_to(from, to, shape)
    }

    /// As [`World::flow`], to a pid that need not be alive.
    pub fn flow_to(&mut self, from: NodeIx, to: Pid, shape: (u64, Duration, usize)) -> u32 {
        let (messages, period, bytes) = shape;
        let flow = Flow {
            to,
            messages,
            period,
            bytes,
            body: 0,
            call: None,
        };
        self.start_flow(from, flow)
    }

    /// Starts any flow; its number at the sender. A sender that does not run never sends it.
    pub fn start_flow(&mut self, from: NodeIx, flow: Flow) -> u32 {
        self.with(from, |host, net| host.start_flow(flow, net))
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now().after(duration);
        let lookahead = self.engine.shared().links.latency_min();
        loop {
            let next = self.checks.next().min(until);
            self.engine.run(next, lookahead, self.config.threads);
            self.collect();
            self.look();
            if next == until {
                break;
            }
        }
    }

    /// Runs until `is_done`, looked at every 10 ms; the time it took, or `None` at `limit`.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.now();
        while !is_done(self) {
            if self.now().since(start) >= limit {
                return None;
            }
            self.run_for(Duration::from_millis(10));
        }
        Some(self.now().since(start))
    }

    /// The instant.
    pub const fn now(&self) -> Time {
        self.engine.now()
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.engine.shards().map(|nodes| nodes.local.events).sum()
    }

    /// The run's digest so far. It is the same for any number of shards and threads.
    pub fn trace(&self) -> Trace {
        let mut trace = Trace::new(self.events());
        for host in self.hosts() {
            trace.add(host.ix, host.chain);
        }
        trace
    }

    /// The world's own chance, for tests that draw faults from the run's seed.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// What this world was made from.
    pub const fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// Everything that nodes reported, if the world keeps it.
    pub fn log(&self) -> &[Observed] {
        &self.log
    }

    /// Whether a node's process runs.
    pub fn state(&self, node: NodeIx) -> ProcessState {
        self.host(node).state
    }

    fn clock(&self) -> Boot {
        Boot(CLOCK_START + self.now().as_micros())
    }

    /// Lends a node its surroundings.
    fn with<R>(&mut self, node: NodeIx, call: impl FnOnce(&mut Host, &mut Net) -> R) -> R {
        let now = self.now();
        self.engine.with(node.0, |nodes, shared, post| {
            let place = post.layout().place(node.0);
            let host = nodes.hosts.get_mut(place);
            let host = host.expect("the node was added to this world");
            let local = &mut nodes.local;
            let mut net = Net {
                now,
                shared,
                local,
                post,
            };
            call(host, &mut net)
        })
    }

    /// Takes what nodes reported, in the order of time and then of nodes: what one node reported
    /// stays in its own order.
    fn collect(&mut self) {
        let (mut observed, mut rows, mut hops) = (Vec::new(), Vec::new(), Vec::new());
        for nodes in self.engine.shards_mut() {
            observed.append(&mut nodes.local.observed);
            rows.append(&mut nodes.local.rows);
            hops.append(&mut nodes.local.hops);
        }
        self.hops.on_seen(hops);
        self.collect_tapped();
        rows.sort_by_key(|seen| (seen.time, seen.to));
        for seen in &rows {
            self.rows.on_seen(seen);
        }
        if self.config.log || !self.checks.is_empty() {
            observed.sort_by_key(|observed| (observed.time, observed.node));
            for observed in &observed {
                self.checks.show(observed);
            }
        }
        if self.config.log {
            self.log.append(&mut observed);
        }
    }

    fn collect_tapped(&mut self) {
        let Some(tap) = &self.engine.shared().tap else {
            return;
        };
        let len_max = tap.len_max;
        for nodes in self.engine.shards_mut() {
            self.caught.merge(&mut nodes.local.caught, len_max);
        }
    }

    fn host(&self, node: NodeIx) -> &Host {
        let place = self.engine.layout().place(node.0);
        let host = self.engine.shard(node.0).hosts.get(place);
        host.expect("the node was added to this world")
    }

    fn host_mut(&mut self, node: NodeIx) -> &mut Host {
        let place = self.engine.layout().place(node.0);
        let host = self.engine.shard_mut(node.0).hosts.get_mut(place);
        host.expect("the node was added to this world")
    }

    /// All nodes in the order of their numbers.
    fn hosts(&self) -> impl Iterator<Item = &Host> {
        (0..self.engine.shared().nodes).map(|ix| self.host(NodeIx(ix)))
    }

    fn note(&mut self, node: NodeIx, what: Observation) {
        self.with(node, |host, net| host.observe(what, net));
        self.collect();
    }
}
