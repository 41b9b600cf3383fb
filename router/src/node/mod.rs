//! The composed control machine of one node. It only dispatches.
//!
//! # Contract with the driver
//! - Inputs: [`Node::handle_messages`], [`Node::handle_letter`], [`Node::handle_session`],
//!   [`Node::handle_command`], [`Node::handle_timeout`]. Each appends what is to be done to the
//!   caller's buffer; the driver does it, in order, before the next input, and decides nothing.
//! - [`Node::poll_timeout`] may be early, never late; it is asked again after every input.
//! - A session is reliable and in order until it closes; closing may lose a suffix. The driver
//!   has authenticated the peer's key before it says `Opened`.
//! - Payloads between pids never come here but on relay and detour: [`Output::AttachPath`] tells
//!   the driver which path a peer's [`Channel`](archipelago_core::channel::Channel) has.

mod bypass;
mod changes;
mod clients;
mod commands;
mod config;
mod contract;
mod counters;
mod detours;
mod dials;
mod doubtful;
mod footprint;
mod foresee;
mod formed;
mod forwarding;
mod groups;
mod kept;
mod lend;
mod letters;
mod limits;
mod messages;
mod names;
mod peers;
mod record;
mod registry;
mod regroup;
mod rest;
mod routing;
mod services;
mod shutdown;
mod sweep;
mod talk;
mod tiers;
mod trails;
mod watch;
mod work;

pub use changes::InvitePolicy;
pub use contract::{
    CloseReason, Command, ConfigError, DialId, Event, GROUPS_MAX, LETTERS_BYTES_MAX,
    LETTERS_LEN_MAX, NodeConfig, Output, Outputs, Refused, RouteInfo, SessionEvent, SessionInfo,
    SessionKind, Unreachable,
};
pub use counters::NodeCounters;
pub use foresee::Coming;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{
    Boot, Crypto, GroupId, LocalId, NodeId, Peer, Peers, Rng, Roles, SignedRecord, SmallMap, Time,
};
use archipelago_sgroup::names::NameInfo;
use archipelago_sgroup::{Group, MemberInfo};
use bytes::Bytes;

use crate::change::Changes;
use crate::clients::Clients;
use crate::forward::Forward;
use crate::lookup::Lookups;
use crate::on_demand::{OnDemand, OnDemandConfig};
use crate::pulse::Pulse;
use crate::reflect::Reflect;
use crate::regroup::Regroup;
use crate::regroup::trail::Trails;
use crate::sessions::{Detours, DialBook, Sessions};
use crate::up::{TierInfo, Up, UpCounters};
use crate::watch::Watch;
use lend::Base;
use limits::LIMITS;
use rest::Rest;
use shutdown::Life;
use work::{Via, Work};

/// The control machine of one node.
///
/// Laid out as written: what every heartbeat reads comes first, on as few lines of memory as it can.
#[derive(Debug)]
#[repr(C)]
pub struct Node {
    /// When anything but a group is next due.
    rest: Rest,
    life: Life,
    /// Whose message is being answered, and the way that it came.
    answering: Option<(Peer, Via)>,
    /// Boxed: a group is large, and a tighter table grows by copying.
    groups: SmallMap<GroupId, Box<Group>>,
    /// What machines said and nobody has acted on yet; empty between two inputs.
    work: VecDeque<Work>,
    base: Base,
    sessions: Sessions,
    detours: Detours,
    boot: Boot,
    record_seq: u64,
    record: Arc<SignedRecord>,
    /// Shared with the driver until a command changes it.
    config: Arc<NodeConfig>,
    dials: DialBook,
    pulse: Pulse,
    on_demand: OnDemand,
    reflect: Reflect,
    up: Up,
    /// Made when first used: most nodes of a large world seek nobody.
    lookups: Option<Box<Lookups>>,
    /// In the same way.
    forward: Option<Box<Forward>>,
    /// For its nonces, drawn at the start: what is used first changes no later draw.
    salt: u64,
    /// Groups that this node changes, and those that were deleted, in the same way.
    changes: Option<Box<Changes>>,
    /// Members that were declared dead and may come back, and until when they may.
    doubtful: BTreeMap<Peer, Time>,
    /// Members without a path that there is something to send to.
    waiting: BTreeSet<Peer>,
    /// Which requests seek each name, by its key.
    finding: BTreeMap<NodeId, Vec<u64>>,
    /// The same for services.
    seeking: BTreeMap<NodeId, Vec<u64>>,
    counters: NodeCounters,
    /// When to look for slots of peers that nobody refers to.
    sweep_at: Option<Time>,
    /// Monitors; nothing while there are none.
    watch: Option<Box<Watch>>,
    /// Hidden nodes; nothing while none is heard of, and this node is none.
    clients: Option<Box<Clients>>,
    /// Who wrote letters lately; nothing while nobody does.
    quotas: Option<Box<letters::Quotas>>,
    /// Groups that keep themselves in size; nothing while none does.
    regroup: Option<Box<Regroup>>,
    /// Look-ups that go on to the heirs of a group; nothing while none does.
    trails: Option<Box<Trails>>,
}

impl Node {
    /// A node before its start.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub fn new(
        config: Arc<NodeConfig>,
        crypto: Arc<dyn Crypto>,
        mut rng: Rng,
    ) -> Result<Self, ConfigError> {
        config::check(&config)?;
        let salt = rng.u64();
        let (boot, record_seq) = (config.boot, 1);
        let groups = config.groups.iter().map(|group| group.id());
        let record = record::own(&config, boot, record_seq, groups, &*crypto);
        let base = Base {
            me: config.id,
            crypto,
            rng,
            peers: Peers::new(config.peers_max),
        };
        let limits = &*LIMITS;
        let descent = config.descent.as_deref();
        Ok(Self {
            boot,
            record_seq,
            life: Life::Configured,
            base,
            forward: None,
            salt,
            detours: Detours::default(),
            doubtful: BTreeMap::new(),
            waiting: BTreeSet::new(),
            finding: BTreeMap::new(),
            seeking: BTreeMap::new(),
            counters: NodeCounters::default(),
            sweep_at: None,
            rest: Rest::default(),
            answering: None,
            groups: SmallMap::new(),
            sessions: Sessions::new(config.realm.clone()),
            dials: DialBook::default(),
            pulse: Pulse::default(),
            on_demand: OnDemand::new(on_demand(&config)),
            reflect: Reflect::new(Arc::clone(&limits.reflect), config.id, config.roles, boot),
            up: Up::new(Arc::clone(&limits.up), record.clone()),
            lookups: None,
            record,
            changes: None,
            watch: None,
            clients: None,
            quotas: None,
            regroup: descent.map(|kept| Box::new(Regroup::resumed(kept))),
            trails: None,
            work: VecDeque::new(),
            config,
        })
    }

    /// Control messages arrived on a session; the batch is emptied.
    pub fn handle_messages(
        &mut self,
        session: SessionId,
        batch: &mut Vec<Control>,
        now: Time,
        out: &mut Outputs,
    ) {
        if self.life == Life::Stopped {
            return batch.clear();
        }
        self.touch(session, now);
        for message in batch.drain(..) {
            self.stir_by_message(&message);
            if self.admit(session, &message, now) {
                self.on_message(session, message, now, out);
            }
            self.do_work(now, out);
        }
    }

    /// A session opened or closed, or a dial failed.
    pub fn handle_session(&mut self, event: SessionEvent, now: Time, out: &mut Outputs) {
        self.stir();
        match event {
            SessionEvent::Opened {
                session,
                peer,
                dial,
            } => self.on_opened(session, peer, dial, now, out),
            SessionEvent::Closed { session } => {
                self.with_sessions(now, |sessions, cx, said| {
                    sessions.handle_closed(session, cx, said);
                });
            }
            SessionEvent::OpenFailed { dial, .. } => self.on_open_failed(dial, now),
        }
        self.do_work(now, out);
    }

    /// The user, or the driver on behalf of the data plane, asks for something.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed.
    pub fn handle_command(
        &mut self,
        command: Command,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        self.stir();
        let result = self.on_command(command, now, out);
        self.do_work(now, out);
        result
    }

    /// What has come due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outputs) {
        if self.life == Life::Stopped {
            return;
        }
        let is_rest_due = self.is_rest_due(now);
        if is_rest_due {
            self.with_sessions(now, |sessions, cx, said| sessions.handle_timeout(cx, said));
            self.do_work(now, out);
        }
        self.on_groups_due(now);
        self.on_clients_due(now);
        self.do_work(now, out);
        if is_rest_due || self.is_rest_due(now) {
            self.on_rest_due(now, out);
        }
    }

    /// Lets every machine but the groups do what has come due.
    fn on_rest_due(&mut self, now: Time, out: &mut Outputs) {
        self.with_reflect(now, |reflect, cx, said| reflect.handle_timeout(cx, said));
        self.with_up(now, |up, routes, cx, said| {
            up.handle_timeout(routes, cx, said)
        });
        if self.lookups.is_some() {
            self.with_lookups(now, |lookups, routes, cx, said| {
                lookups.handle_timeout(routes, cx, said);
            });
        }
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_timeout(cx, said)
        });
        self.do_work(now, out);
        self.on_bypass_due(now, out);
        self.on_doubtful_due(now, out);
        self.on_changes_due(now, out);
        self.on_regroup_due(now);
        self.on_watch_due(now);
        self.on_life_due(now, out);
        self.on_sweep_due(now);
        self.stir();
        self.do_work(now, out);
    }

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        if self.life == Life::Stopped {
            return None;
        }
        let rest = self.poll_clients().into_iter().chain(self.poll_rest());
        let groups = self.groups.values().map(|group| group.poll_timeout());
        groups.fold(rest.min(), |next, due| match (next, due) {
            (Some(next), Some(due)) if due.0 < next.0 => Some(due),
            (next, due) => next.or(due),
        })
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// What this node signed about itself last.
    pub const fn record(&self) -> &Arc<SignedRecord> {
        &self.record
    }

    /// The start that this node goes by; final once [`Event::Started`] was told.
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// Living members of a group, by name; `None` for a group that this node is not in.
    pub fn members(&self, group: GroupId) -> Option<Vec<MemberInfo>> {
        let group = self.groups.get(&group)?;
        Some(group.members(&self.base.peers))
    }

    /// Who holds a name in one of this node's groups. O(log n).
    pub fn whereis(&self, group: GroupId, name: &[u8]) -> Option<NameInfo> {
        let group = self.groups.get(&group)?;
        group.whereis(name, &self.base.peers)
    }

    /// Which mailbox of this node holds a strict name of one of its groups now, under which fence and
    /// until when by this node's clock; `None`: none does.
    pub fn tenure(&self, group: GroupId, name: &Bytes, now: Time) -> Option<(LocalId, u64, Time)> {
        self.groups.get(&group)?.tenure(name, now)
    }

    /// A hash of how far all logs of a group are here; equal where they are equal.
    pub fn log_hash(&self, group: GroupId) -> Option<u32> {
        Some(self.groups.get(&group)?.logs().hash())
    }

    /// Every name that is held in one of this node's groups, in order.
    pub fn names(&self, group: GroupId) -> Vec<Bytes> {
        let group = self.groups.get(&group);
        group.map_or_else(Vec::new, |group| group.names())
    }

    /// A short hash of a group's membership, who observes this node there, and whom it observes; by
    /// name, for inspection.
    pub fn watch(&self, group: GroupId) -> Option<(u32, Vec<NodeId>, Vec<NodeId>)> {
        let group = self.groups.get(&group)?;
        let (observers, observed) = group.watch();
        let names = |peers: Vec<Peer>| {
            let names = peers.into_iter().map(|peer| self.base.peers.id(peer));
            let mut names: Vec<NodeId> = names.collect();
            names.sort_unstable();
            names
        };
        Some((group.view_hash(), names(observers), names(observed)))
    }

    /// The keys that each member of a group has in its log, as far as they are here, by name, for
    /// inspection; members that wrote nothing are left out.
    pub fn written(&self, group: GroupId) -> Option<Vec<(NodeId, Vec<Bytes>)>> {
        let group = self.groups.get(&group)?;
        let logs = group.logs();
        let names = |entries: &mut dyn Iterator<Item = (&Bytes, &Bytes)>| {
            entries.map(|(key, _)| key.clone()).collect()
        };
        let own = logs
            .own()
            .map(|log| (self.config.id, names(&mut log.range(&[]))));
        let others = group.reachable().filter_map(|peer| {
            let log = logs.peer(peer)?;
            Some((self.base.peers.id(peer), names(&mut log.range(&[]))))
        });
        let mut written: Vec<(NodeId, Vec<Bytes>)> = others.chain(own).collect();
        written.retain(|(_, keys)| !keys.is_empty());
        written.sort_unstable();
        Some(written)
    }

    /// All sessions in use, by the peer's name.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let used = self.base.peers.iter().filter_map(|(peer, state)| {
            Some(SessionInfo {
                session: state.session?,
                peer: state.id(),
                kind: self.kind(peer),
                rtt: (state.srtt_us > 0).then(|| Duration::from_micros(state.srtt_us.into())),
            })
        });
        used.collect()
    }

    /// What was closed, refused or lost since the start.
    pub fn counters(&self) -> NodeCounters {
        let forward = self.forward.as_ref();
        NodeCounters {
            rerouted: forward.map_or(0, |forward| forward.counters().rerouted),
            ..self.counters
        }
    }

    /// Groups that can be reached beside this node's own, and over whom. Groups above and below
    /// are in [`Node::tiers`].
    pub fn routes(&self) -> Vec<RouteInfo> {
        self.reflect.routes(&self.base.peers)
    }

    /// This node's groups that have parents or children: who leads up, what is above and below.
    pub fn tiers(&self) -> Vec<TierInfo> {
        self.up.tiers(self.config.id)
    }

    /// Rises when [`Node::tiers`] may read differently.
    pub const fn tiers_version(&self) -> u64 {
        self.up.changes()
    }

    /// What the hierarchy counted.
    pub const fn up_counters(&self) -> UpCounters {
        self.up.counters()
    }

    /// The groups that this node uses without being in them, and who serves it there, by name.
    pub fn hosts(&self) -> Vec<(GroupId, Vec<NodeId>)> {
        let clients = self.clients.iter().flat_map(|clients| clients.own.iter());
        let named = clients.map(|(&group, client)| {
            let hosts = client.hosts().map(|peer| self.base.peers.id(peer));
            (group, hosts.collect())
        });
        named.collect()
    }

    /// Hidden nodes that this node serves in a group, by name.
    pub fn served(&self, group: GroupId) -> Vec<NodeId> {
        let clients = self.groups.get(&group).into_iter();
        let clients = clients.flat_map(|group| group.clients());
        let mut served: Vec<NodeId> = clients.map(|peer| self.base.peers.id(peer)).collect();
        served.sort_unstable();
        served
    }

    /// The groups that this node is in or joins, home first; parents that it was elected for last.
    pub fn groups(&self) -> Vec<GroupId> {
        self.config.groups.iter().map(|group| group.id()).collect()
    }

    /// Rises when [`Node::routes`] may read differently, so that a driver's copy can follow it:
    /// next hops change without a group being found or lost.
    pub fn routes_version(&self) -> u64 {
        self.reflect.changes()
    }
}

/// On-demand sessions of a reflector for each of a member.
const REFLECTOR_SHARE: usize = 8;

fn on_demand(config: &NodeConfig) -> OnDemandConfig {
    let sessions_max = if config.roles.contains(Roles::REFLECTOR) {
        config.on_demand_max.saturating_mul(REFLECTOR_SHARE)
    } else {
        config.on_demand_max
    };
    OnDemandConfig {
        idle_timeout: config.idle_timeout,
        sessions_max,
        life_min: config.on_demand_life_min,
        threshold: config.dial_threshold,
        relay: config.relay,
    }
}
