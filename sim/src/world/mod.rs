//! The world: nodes, links and time, with verbs for what can happen to them.
//!
//! ```text
//!  World ── run_for ─▶ Queue ─▶ Host (Node + Channels) ─▶ Queue …
//!    │ crash, stop, partition, cut, hold, heal …
//!    └ observed ─▶ checkers, tests
//! ```
//! The same seed and the same verbs give the same trace, whatever else the computer does.

mod config;
mod faults;
mod inspect;
mod mischief;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Boot, NodeId, Pid, Time};
use archipelago_router::{Command, NodeConfig, Refused};

pub use config::WorldConfig;

use crate::check::rows::RowTap;
use crate::engine::Due;
use crate::event::{Body, Event};
use crate::frames;
use crate::host::{Flow, Host, ProcessState};
use crate::names;
use crate::net::Net;
use crate::observe::{Observation, Observed};
use crate::random::Random;
use crate::tally::{CryptoCount, Tally};
use crate::trace::{self, Trace};

/// Virtual microseconds at which the world begins: boots are clock readings, and never zero.
const CLOCK_START: u64 = 1_000_000;

/// A node's number in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub u32);

/// A simulated world.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    net: Net,
    hosts: Vec<Host>,
    trace: Trace,
    /// The world's own chance, for tests and faults.
    random: Random,
    log: Vec<Observed>,
    rows: RowTap,
    tally: Tally,
    crypto: Arc<CryptoCount>,
}

impl World {
    /// An empty world.
    pub fn new(config: WorldConfig) -> Self {
        Self {
            net: Net::new(&config),
            hosts: Vec::new(),
            trace: Trace::default(),
            random: Random::split(config.seed, u64::MAX),
            log: Vec::new(),
            rows: RowTap::default(),
            tally: Tally::default(),
            crypto: Arc::default(),
            config,
        }
    }

    /// Adds a node that is not started yet. `change` sees its configuration with id, address and
    /// boot filled in.
    pub fn add(&mut self, realm: &str, change: impl FnOnce(&mut NodeConfig)) -> NodeIx {
        let ix = u32::try_from(self.hosts.len()).expect("fewer than 2^32 nodes");
        let id = names::node_id(self.config.seed, ix);
        let name = format!("n{ix}");
        let mut config = NodeConfig::new(id, &name, realm, self.clock());
        config.addresses = vec![names::address(ix)];
        change(&mut config);
        let random = Random::split(self.config.seed, u64::from(ix));
        let host = Host::new(ix, Arc::new(config), random, &self.crypto);
        self.hosts.push(host);
        self.net.nodes = ix + 1;
        NodeIx(ix)
    }

    /// The id of a node, also of one that is yet to be added.
    pub fn id(&self, node: NodeIx) -> NodeId {
        names::node_id(self.config.seed, node.0)
    }

    /// The address of a node, also of one that is yet to be added.
    pub fn address(&self, node: NodeIx) -> archipelago_core::Address {
        names::address(node.0)
    }

    /// The number of the node with this id.
    pub fn node_of(&self, id: &NodeId) -> NodeIx {
        NodeIx(names::node_of(id))
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<NodeIx> {
        (0..self.net.nodes).map(NodeIx).collect()
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
        };
        self.with(from, |host, net| host.start_flow(flow, net))
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now().after(duration);
        while self.step(until) {}
        self.net.now = until;
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
        self.net.now
    }

    /// The run's hash so far.
    pub const fn trace(&self) -> Trace {
        self.trace
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

    /// Lets the next event due by `until` happen; `false` when there is none.
    fn step(&mut self, until: Time) -> bool {
        let Some(due) = self.net.queue.pop(until) else {
            return false;
        };
        self.net.now = due.key.time;
        let (source, target) = (due.key.source, due.target);
        self.look_at(&due);
        match due.body {
            Event::Packet {
                to,
                body: Body::Control(message),
                ..
            } if self.is_open(target, to) => {
                let mut batch = std::mem::take(&mut self.net.batch);
                batch.push(message);
                self.gather(target, to, &mut batch);
                self.with(NodeIx(target), |host, net| {
                    host.handle_batch(to, &mut batch, net)
                });
                batch.clear();
                self.net.batch = batch;
            }
            other => self.with(NodeIx(target), |host, net| host.handle(source, other, net)),
        }
        self.collect();
        true
    }

    /// Adds an event to the trace, and shows it to the checkers that look at messages.
    fn look_at(&mut self, due: &Due<Event>) {
        let (key, target) = (due.key, due.target);
        let digest = if self.config.trace {
            digest(&due.body)
        } else {
            0
        };
        self.trace.add(key.time, key.source, target, digest);
        let Event::Packet {
            from,
            to,
            body: Body::Control(message),
        } = &due.body
        else {
            return;
        };
        self.tally.note(message);
        if self.config.log {
            let nodes = (key.source, target);
            self.rows.on_message(nodes, (*from, *to), message, key.time);
        }
    }

    /// Whether control messages on this session go straight to a running machine.
    fn is_open(&self, target: u32, session: archipelago_core::wire::SessionId) -> bool {
        let host = self.host(NodeIx(target));
        host.state == ProcessState::Running && host.sessions.get(session).is_some()
    }

    /// What arrives at the same instant on the same session is read at once.
    fn gather(
        &mut self,
        target: u32,
        session: archipelago_core::wire::SessionId,
        batch: &mut Vec<archipelago_core::wire::Control>,
    ) {
        let now = self.net.now;
        while let Some((
            key,
            next,
            Event::Packet {
                to,
                body: Body::Control(_),
                ..
            },
        )) = self.net.queue.peek(now)
            && (key.time, next, *to) == (now, target, session)
        {
            let Some(due) = self.net.queue.pop(now) else {
                return;
            };
            self.look_at(&due);
            if let Event::Packet {
                body: Body::Control(message),
                ..
            } = due.body
            {
                batch.push(message);
            }
        }
    }

    /// Lends a node the net.
    fn with<R>(&mut self, node: NodeIx, call: impl FnOnce(&mut Host, &mut Net) -> R) -> R {
        let host = self
            .hosts
            .get_mut(node.0 as usize)
            .expect("the node was added to this world");
        call(host, &mut self.net)
    }

    /// Takes what nodes reported.
    fn collect(&mut self) {
        if self.config.log {
            self.log.append(&mut self.net.observed);
        } else {
            self.net.observed.clear();
        }
    }

    fn host(&self, node: NodeIx) -> &Host {
        self.hosts
            .get(node.0 as usize)
            .expect("the node was added to this world")
    }

    fn host_mut(&mut self, node: NodeIx) -> &mut Host {
        self.hosts
            .get_mut(node.0 as usize)
            .expect("the node was added to this world")
    }

    fn note(&mut self, node: NodeIx, what: Observation) {
        self.with(node, |host, net| host.observe(what, net));
        self.collect();
    }
}

/// What an event adds to the trace beside its place.
fn digest(event: &Event) -> u64 {
    match event {
        Event::Packet {
            body: Body::Control(message),
            ..
        } => trace::digest(message).0,
        Event::Packet {
            body: Body::Frames(batch),
            ..
        } => frames::digest(batch),
        Event::Wake => 1,
        Event::ChannelWake { .. } => 2,
        Event::Syn { .. } => 3,
        Event::Refused { .. } => 4,
        Event::DialTimeout { .. } => 5,
        Event::DialEnded { .. } => 6,
        Event::Abort { .. } => 7,
        Event::Gone { .. } => 8,
        Event::Flow { .. } => 9,
        Event::Packet {
            body: Body::Accepted,
            ..
        } => 10,
        Event::Packet {
            body: Body::Established,
            ..
        } => 11,
        Event::Packet {
            body: Body::Fin, ..
        } => 12,
        Event::Packet {
            body: Body::Reset, ..
        } => 13,
    }
}
