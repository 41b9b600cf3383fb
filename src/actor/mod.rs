//! The node's task: drives [`archipelago_router::Node`], and decides nothing.
//!
//! ```text
//!  swarm ───────┐                            ┌──▶ outboxes of sessions (bounded, never waited for)
//!  sessions ────┼─▶ this task ─▶ Node ─▶ out ┼──▶ swarm: dial, close
//!  peers, user ─┘   (one input at a time)    └──▶ peers' tasks: paths, relayed frames
//! ```
//! One timer. Inputs come by one bounded queue, whose senders wait; nothing here waits for anyone
//! but for input. Messages for a session are written together after a batch of inputs.

mod changes;
mod dials;
mod launch;
mod names;
mod outputs;
mod requests;
mod sessions;
mod sockets;
mod strict;

pub(crate) use changes::Change;
pub(crate) use launch::launch;
pub(crate) use names::{FoundReply, NameReply, ProvidersReply};
pub(crate) use requests::Request;
pub(crate) use strict::StrictRequest;

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use archipelago_core::{GroupId, LocalId, NodeId, Time};
use archipelago_router::{Command, Output, SessionEvent, Unreachable};
use libp2p::swarm::ConnectionId;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use crate::identity::Identity;
use crate::keep::Keeper;
use crate::node::{Life, Shared};
use crate::swarm::{Drowsy, Swarm};
use sessions::Sessions;

/// Requests taken at once.
const REQUESTS_MAX: usize = 64;

/// How old the round trips may be that readers see, while anything happens at all.
const SESSIONS_PERIOD: std::time::Duration = std::time::Duration::from_secs(2);

/// A node with nothing to wait for looks around this often.
const IDLE_WAKE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// How long a shut-down node waits for its last messages to be written.
const DRAIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// The node's task, at work.
pub(crate) struct Actor {
    node: archipelago_router::Node,
    swarm: Drowsy,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    /// Keeps the boot on disk.
    identity: Identity,
    /// Keeps groups on disk, if that is wanted.
    keeper: Option<Keeper>,
    sessions: Sessions,
    waiting: changes::Waiting,
    dials: dials::Dials,
    /// Connections that must be further by then, all given the same time: the first is due first.
    deadlines: VecDeque<(Instant, ConnectionId)>,
    out: Vec<Output>,
    /// Who waits for what names answer.
    names: names::Asked,
    /// Who holds which strict names, and who asks for them.
    strict: strict::Claims,
    /// Dials that failed at once.
    failed: VecDeque<SessionEvent>,
    /// Letters that could not be handed over.
    lost: VecDeque<(NodeId, Unreachable)>,
    /// Mailboxes that are to be observed and are not there.
    nobody: VecDeque<LocalId>,
    stale: Stale,
    /// The machine has stopped: what is still to be written is waited for until then.
    draining: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to; nothing when it has fired.
    armed: Option<Instant>,
}

/// What of the replica is to be renewed.
#[derive(Debug)]
struct Stale {
    groups: BTreeSet<GroupId>,
    sessions: bool,
    /// When their round trips are to be read again.
    sessions_at: Instant,
    /// Which version of the routes readers have.
    routes_version: u64,
    tiers_version: u64,
}

impl Stale {
    fn new() -> Self {
        Self {
            groups: BTreeSet::new(),
            sessions: false,
            sessions_at: Instant::now(),
            routes_version: 0,
            tiers_version: 0,
        }
    }
}

impl Actor {
    pub(super) fn new(
        node: archipelago_router::Node,
        swarm: Swarm,
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        (identity, keeper): (Identity, Option<Keeper>),
    ) -> Self {
        Self {
            node,
            swarm: Drowsy::new(swarm),
            shared,
            requests,
            identity,
            keeper,
            sessions: Sessions::default(),
            waiting: changes::Waiting::default(),
            dials: dials::Dials::default(),
            deadlines: VecDeque::new(),
            out: Vec::new(),
            names: names::Asked::default(),
            strict: strict::Claims::default(),
            failed: VecDeque::new(),
            lost: VecDeque::new(),
            nobody: VecDeque::new(),
            stale: Stale::new(),
            draining: None,
            timer: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
            armed: None,
        }
    }

    /// Runs until the node is killed or has shut down.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut life = shared.life.subscribe();
        tokio::select! {
            () = self.drive() => {}
            _ = life.wait_for(|life| *life >= Life::Killed) => {}
        }
        let keeper = self.keeper.take();
        drop(self);
        if let Some(keeper) = keeper {
            keeper.close().await;
        }
        shared.peers.close();
        shared.mailboxes.clear();
        shared.monitors.close();
        shared.workers.clear();
        shared.hub.close();
        shared.tables.close();
        shared.services.close();
        shared.desk.close();
        shared.advance(Life::Stopped);
    }

    async fn drive(&mut self) {
        let shared = self.shared.clone();
        let mut frozen = shared.frozen.subscribe();
        let mut requests = Vec::with_capacity(REQUESTS_MAX);
        while !self.is_drained() {
            // The sender lives in `shared`: it cannot be gone.
            let _ = frozen.wait_for(|is_frozen| !is_frozen).await;
            self.arm();
            tokio::select! {
                event = self.swarm.next() => self.on_swarm(event),
                count = self.requests.recv_many(&mut requests, REQUESTS_MAX) => {
                    if count == 0 {
                        return;
                    }
                    for request in requests.drain(..) {
                        self.on_request(request);
                    }
                }
                pass = self.dials.turn() => self.on_turn(pass),
                () = self.timer.as_mut() => self.armed = None,
                () = shared.ended.ready() => self.on_ended(),
                () = shared.monitors.ready() => self.on_dropped(),
                _ = frozen.changed() => {}
            }
            self.on_timeout();
            self.finish();
        }
    }

    fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Sets the timer to the first deadline of all.
    fn arm(&mut self) {
        let machine = self
            .node
            .poll_timeout()
            .map(|(at, _)| self.shared.clock.instant(at));
        let half_open = self.deadlines.front().map(|&(at, _)| at);
        let all = [machine, half_open, self.draining];
        let first = all.into_iter().flatten().min();
        // Nothing to wait for: whatever the timer is set to costs one idle look.
        let first = first.or(self.armed);
        let first = first.unwrap_or_else(|| Instant::now() + IDLE_WAKE);
        if self.armed.replace(first) != Some(first) {
            self.timer.as_mut().reset(first);
        }
    }

    fn on_timeout(&mut self) {
        let now = self.now();
        if self.node.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.node.handle_timeout(now, &mut self.out);
            self.perform();
        }
        self.close_overdue();
    }

    /// Ends a batch of inputs: what was queued is written, readers see what changed.
    fn finish(&mut self) {
        while let Some(event) = self.failed.pop_front() {
            let now = self.now();
            self.node.handle_session(event, now, &mut self.out);
            self.perform();
        }
        self.answer_back();
        self.sessions.wake_dirty();
        let at = Instant::now();
        if at >= self.stale.sessions_at {
            self.stale.sessions_at = at + SESSIONS_PERIOD;
            self.stale.sessions = true;
        }
        self.refresh();
        let refused = self.swarm.take_refused();
        self.shared.metrics.connections_refused.add(refused);
    }

    /// Tells the machine what could not be done as it wished.
    fn answer_back(&mut self) {
        while let Some((to, reason)) = self.lost.pop_front() {
            let reason = Some(reason);
            self.quietly(Command::LetterLost { to, reason });
        }
        while let Some(local) = self.nobody.pop_front() {
            let exit = None;
            self.quietly(Command::ProcessEnded { local, exit });
        }
    }

    /// A command whose refusal says only that the node is stopping.
    fn quietly(&mut self, command: Command) {
        let now = self.now();
        let _ = self.node.handle_command(command, now, &mut self.out);
        self.perform();
    }

    /// Monitors that nobody waits for any more.
    fn on_dropped(&mut self) {
        for monitor in self.shared.monitors.take_dropped() {
            self.quietly(Command::Demonitor(monitor));
        }
    }

    /// What belongs over a restart, into the file for it.
    fn keep(&mut self) {
        let now = self.now();
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(&self.node, now);
        }
    }

    fn refresh(&mut self) {
        if !self.stale.groups.is_empty() {
            self.keep();
        }
        let replica = &self.shared.replica;
        while let Some(group) = self.stale.groups.pop_first() {
            let members = self.node.members(group);
            if members.is_none() {
                self.shared.names.forget(group);
                self.shared.tables.forget(group);
            }
            replica.set_members(group, members);
        }
        if std::mem::take(&mut self.stale.sessions) {
            replica.set_sessions(self.node.sessions());
        }
        let version = self.node.routes_version();
        if self.stale.routes_version != version {
            self.stale.routes_version = version;
            replica.set_routes(self.node.routes());
        }
        let version = self.node.tiers_version();
        if self.stale.tiers_version != version {
            self.stale.tiers_version = version;
            replica.set_tiers(self.node.tiers());
        }
    }

    fn is_drained(&self) -> bool {
        self.draining
            .is_some_and(|until| self.sessions.is_empty() || Instant::now() >= until)
    }
}
