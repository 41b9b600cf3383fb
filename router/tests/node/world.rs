//! A small world: nodes by number, connections as two ordered queues, one millisecond of latency.
//!
//! It does what outputs say, in order, and decides nothing. `n3` is the address of node 3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{Address, Boot, GroupId, NodeId, Rng, Time, ToyCrypto};
use archipelago_router::{
    CloseReason, Command, DialId, Event, Node, NodeConfig, Output, SessionEvent,
};
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};

pub(super) const REALM: &str = "test";
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A group open to all, joined through these nodes.
pub(super) fn group(name: &str, seeds: &[usize]) -> Arc<GroupConfig> {
    let seed = |&index: &usize| Seed {
        address: address(index),
        node: None,
    };
    Arc::new(GroupConfig {
        realm: REALM.into(),
        name: name.into(),
        cookies: Some(Cookies {
            current: name.as_bytes().into(),
            previous: None,
        }),
        seeds: seeds.iter().map(seed).collect(),
        size: 0,
        members_max: 1_024,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

pub(super) fn address(index: usize) -> Address {
    Address(format!("n{index}").into())
}

/// The configuration of node `index`, in these groups.
pub(super) fn config(index: usize, groups: &[Arc<GroupConfig>]) -> NodeConfig {
    let id = ToyCrypto::new(index as u64).id();
    NodeConfig {
        addresses: vec![address(index)],
        groups: groups.to_vec(),
        ..NodeConfig::new(id, &format!("n{index}"), REALM, Boot(1_000))
    }
}

pub(super) struct Host {
    pub(super) node: Node,
    pub(super) log: Vec<(Time, Output)>,
    pub(super) is_up: bool,
    next_slot: u32,
    links: BTreeMap<SessionId, usize>,
}

impl Host {
    /// Connections that are up at this end.
    pub(super) fn connections(&self) -> usize {
        self.links.len()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let events = self.log.iter().filter_map(|(_, output)| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }

    pub(super) fn closes(&self) -> Vec<CloseReason> {
        let closes = self.log.iter().filter_map(|(_, output)| match output {
            Output::Close { reason, .. } => Some(*reason),
            _ => None,
        });
        closes.collect()
    }

    /// Paths attached and not detached since, to anybody.
    pub(super) fn paths(&self) -> BTreeSet<(NodeId, Path)> {
        let mut paths = BTreeSet::new();
        for (_, output) in &self.log {
            match output {
                Output::AttachPath { peer, path, .. } => {
                    paths.insert((*peer, *path));
                }
                Output::DetachPath { peer, path } => {
                    paths.remove(&(*peer, *path));
                }
                _ => {}
            }
        }
        paths
    }
}

/// A connection between two hosts, each with its own number for it.
struct Link {
    ends: [(usize, SessionId); 2],
    is_open: [bool; 2],
    /// When the last message arrives at each end: none overtakes another.
    last_at: [Time; 2],
}

#[derive(Debug)]
enum Happening {
    Deliver(usize, usize, Control),
    Close(usize, usize),
    Connect(usize, DialId, Arc<[Address]>, Option<NodeId>),
}

pub(super) struct World {
    pub(super) now: Time,
    pub(super) hosts: Vec<Host>,
    links: Vec<Link>,
    queue: BTreeMap<(Time, u64), Happening>,
    count: u64,
    pub(super) latency: Duration,
    /// Up to so much is added to the latency of each message.
    pub(super) jitter: Duration,
    pub(super) rng: Rng,
    /// Pairs that cannot connect; open connections between them are silent.
    pub(super) cuts: BTreeSet<(usize, usize)>,
}

impl World {
    pub(super) fn new(configs: Vec<NodeConfig>) -> Self {
        let hosts = configs
            .into_iter()
            .enumerate()
            .map(|(index, config)| host(index, config));
        Self {
            now: Time::START.after(SECOND),
            hosts: hosts.collect(),
            links: Vec::new(),
            queue: BTreeMap::new(),
            count: 0,
            latency: MS,
            jitter: Duration::ZERO,
            rng: Rng::from_u64(1),
            cuts: BTreeSet::new(),
        }
    }

    /// A world whose nodes were all started at once.
    pub(super) fn started(configs: Vec<NodeConfig>) -> Self {
        let mut world = Self::new(configs);
        for index in 0..world.hosts.len() {
            world.command(index, Command::Start);
        }
        world
    }

    pub(super) fn id(&self, index: usize) -> NodeId {
        self.hosts[index].node.id()
    }

    pub(super) fn command(&mut self, index: usize, command: Command) {
        let now = self.now;
        self.drive(index, |node, out| {
            let result = node.handle_command(command, now, out);
            result.expect("the command is taken");
        });
    }

    /// Both hosts get a connection that `dialler` made, at once.
    pub(super) fn connect(&mut self, dialler: usize, target: usize, dial: Option<DialId>) {
        let link = self.links.len();
        let ends = [self.new_end(dialler, link), self.new_end(target, link)];
        self.links.push(Link {
            ends,
            is_open: [true; 2],
            last_at: [self.now; 2],
        });
        for (side, (index, session)) in ends.into_iter().enumerate() {
            let peer = self.id(ends[1 - side].0);
            let dial = if side == 0 { dial } else { None };
            let dial = dial.or((side == 0).then_some(DialId(u32::MAX)));
            let event = SessionEvent::Opened {
                session,
                peer,
                dial,
            };
            let now = self.now;
            self.drive(index, |node, out| node.handle_session(event, now, out));
        }
    }

    fn new_end(&mut self, index: usize, link: usize) -> (usize, SessionId) {
        let host = &mut self.hosts[index];
        let session = SessionId {
            slot: host.next_slot,
            generation: 0,
        };
        host.next_slot += 1;
        host.links.insert(session, link);
        (index, session)
    }

    /// Hands a message to a node as if its peer had sent it on the session.
    pub(super) fn inject(&mut self, index: usize, session: SessionId, message: Control) {
        let now = self.now;
        self.drive(index, |node, out| {
            node.handle_messages(session, &mut vec![message], now, out);
        });
    }

    /// The host is gone without a word; its connections close.
    pub(super) fn kill(&mut self, index: usize) {
        self.hosts[index].is_up = false;
        let links = std::mem::take(&mut self.hosts[index].links);
        for link in links.into_values() {
            let side = usize::from(self.links[link].ends[1].0 == index);
            self.links[link].is_open[side] = false;
            self.later(self.latency, Happening::Close(link, 1 - side));
        }
    }

    /// A new start of a host that was killed.
    pub(super) fn restart(&mut self, index: usize, config: NodeConfig) {
        let next_slot = self.hosts[index].next_slot;
        self.hosts[index] = host(index, config);
        self.hosts[index].next_slot = next_slot;
        self.command(index, Command::Start);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(next) = self.next_at().filter(|&next| next <= end) {
            self.now = next.max(self.now);
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until `is_done`; fails after `span`.
    #[track_caller]
    pub(super) fn run_until(&mut self, span: Duration, is_done: impl Fn(&Self) -> bool) {
        let end = self.now.after(span);
        while !is_done(self) {
            let next = self.next_at().filter(|&next| next <= end);
            let Some(next) = next else {
                panic!("not done within {span:?}");
            };
            self.now = next.max(self.now);
            self.step();
        }
    }

    fn next_at(&self) -> Option<Time> {
        let queued = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let up = self.hosts.iter().filter(|host| host.is_up);
        let timers = up.filter_map(|host| host.node.poll_timeout().map(|(at, _)| at));
        timers.chain(queued).min()
    }

    fn step(&mut self) {
        let is_due = |(&(at, _), _): (&(Time, u64), &Happening)| at <= self.now;
        if self.queue.first_key_value().is_some_and(is_due) {
            let (_, happening) = self.queue.pop_first().expect("something is due");
            return self.happen(happening);
        }
        for index in 0..self.hosts.len() {
            let due = self.hosts[index].node.poll_timeout();
            if self.hosts[index].is_up && due.is_some_and(|(at, _)| at <= self.now) {
                let now = self.now;
                self.drive(index, |node, out| node.handle_timeout(now, out));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Deliver(link, side, message) => {
                let (index, session) = self.links[link].ends[side];
                let other = self.links[link].ends[1 - side].0;
                if self.links[link].is_open[side] && !self.is_cut(index, other) {
                    self.drive(index, |node, out| {
                        node.handle_messages(session, &mut vec![message], now, out);
                    });
                }
            }
            Happening::Close(link, side) => {
                let (index, session) = self.links[link].ends[side];
                if std::mem::replace(&mut self.links[link].is_open[side], false) {
                    self.hosts[index].links.remove(&session);
                    let event = SessionEvent::Closed { session };
                    self.drive(index, |node, out| node.handle_session(event, now, out));
                }
            }
            Happening::Connect(dialler, dial, addresses, expected) => {
                let target = addresses
                    .iter()
                    .find_map(|address| self.reachable(dialler, address));
                let target = target
                    .filter(|&target| expected.is_none_or(|expected| expected == self.id(target)));
                if !self.hosts[dialler].is_up {
                    return;
                }
                if let Some(target) = target {
                    return self.connect(dialler, target, Some(dial));
                }
                let reason = "nobody there".to_owned();
                let event = SessionEvent::OpenFailed { dial, reason };
                self.drive(dialler, |node, out| node.handle_session(event, now, out));
            }
        }
    }

    fn reachable(&self, from: usize, address: &Address) -> Option<usize> {
        let index: usize = address.0.strip_prefix('n')?.parse().ok()?;
        let is_up = self.hosts.get(index)?.is_up;
        (is_up && !self.is_cut(from, index)).then_some(index)
    }

    fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cuts.contains(&(one, other)) || self.cuts.contains(&(other, one))
    }

    fn drive(&mut self, index: usize, call: impl FnOnce(&mut Node, &mut Vec<Output>)) {
        if !self.hosts[index].is_up {
            return;
        }
        let mut out = Vec::new();
        call(&mut self.hosts[index].node, &mut out);
        for output in out {
            self.hosts[index].log.push((self.now, output.clone()));
            self.perform(index, output);
        }
    }

    fn perform(&mut self, index: usize, output: Output) {
        match output {
            Output::Send { session, message } => {
                let Some(&link) = self.hosts[index].links.get(&session) else {
                    return;
                };
                let side = self.side(link, index, session);
                self.transfer(link, 1 - side, Happening::Deliver(link, 1 - side, message));
            }
            Output::Close { session, .. } => {
                let Some(link) = self.hosts[index].links.remove(&session) else {
                    return;
                };
                let side = self.side(link, index, session);
                self.links[link].is_open[side] = false;
                self.transfer(link, 1 - side, Happening::Close(link, 1 - side));
            }
            Output::Dial {
                dial,
                peer,
                addresses,
            } => self.later(
                self.latency,
                Happening::Connect(index, dial, addresses, peer),
            ),
            _ => {}
        }
    }

    /// In order with what was sent to that end before.
    fn transfer(&mut self, link: usize, side: usize, happening: Happening) {
        let jitter_us = u64::try_from(self.jitter.as_micros()).unwrap_or(0);
        let jitter = Duration::from_micros(self.rng.below(jitter_us));
        let at = self.now.after(self.latency + jitter);
        let at = at.max(self.links[link].last_at[side]);
        self.links[link].last_at[side] = at;
        self.later(at.since(self.now), happening);
    }

    /// The numbers of the connections that are open at both ends.
    pub(super) fn open_links(&self) -> Vec<usize> {
        let links = self.links.iter().enumerate();
        let open = links.filter(|(_, link)| link.is_open == [true; 2]);
        open.map(|(number, _)| number).collect()
    }

    /// Who dialled a connection.
    pub(super) fn dialler(&self, link: usize) -> usize {
        self.links[link].ends[0].0
    }

    fn side(&self, link: usize, index: usize, session: SessionId) -> usize {
        usize::from(self.links[link].ends[1] == (index, session))
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.count += 1;
        self.queue
            .insert((self.now.after(delay), self.count), happening);
    }

    /// Everybody in a group knows all of these as members.
    pub(super) fn has_formed(&self, group: GroupId, indexes: &[usize]) -> bool {
        let mut ids: Vec<NodeId> = indexes.iter().map(|&index| self.id(index)).collect();
        ids.sort_unstable();
        indexes.iter().all(|&index| {
            let members = self.hosts[index].node.members(group).unwrap_or_default();
            members
                .iter()
                .map(|member| member.node)
                .eq(ids.iter().copied())
        })
    }
}

fn host(index: usize, config: NodeConfig) -> Host {
    let crypto = Arc::new(ToyCrypto::of(config.id));
    let rng = Rng::from_u64(index as u64 + 7_000);
    let node = Node::new(Arc::new(config), crypto, rng);
    let node = node.expect("the configuration is valid");
    Host {
        node,
        log: Vec::new(),
        is_up: true,
        next_slot: 0,
        links: BTreeMap::new(),
    }
}
