//! Reflection between overlapping groups (the `full` export), and the map of groups that it makes.
//!
//! ```text
//!  groups, members, sessions ──► Groups, adjacency ──► own row (Origin) ──┐
//!  Row, RowDigest of neighbours ─────────────────────► Table ◄────────────┤
//!                                                        │   flood: newer-only, once a neighbour
//!  Routes (look-ups, forwarding) ◄── graph::search ◄─────┘
//! ```
//! A reflector tells in a signed row which groups it is in and which other reflectors it hears
//! there. Rows flood: newer-only per originator and (boot, seq), with a cluster list and a limit to
//! its length, so that a network wired in loops floods once and stops. A row that came from a
//! reflector of a group is not sent back into that group, whose reflectors all hear each other;
//! digests repair what that misses. Plain members hold no rows: they know the reflectors of their
//! groups.
//!
//! It never decides for others (who asks chooses among next hops), never believes a row that its
//! originator did not sign, and holds at most `rows_max` of them.
//! Source: RFC 4456 (originator id, cluster list), RFC 3345 (why there is no best path).
//! Cost: O(neighbours) messages per change and reflector; one digest per 10 s.

mod config;
mod flood;
mod graph;
mod groups;
mod origin;
mod read;
mod table;

pub use config::{ReflectConfig, ReflectCounters};
pub use groups::Place;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::footprint::{map_bytes, set_bytes};
use archipelago_core::wire::{List, RouteBody, RowGroup, SignedRow};
use archipelago_core::{Boot, Context, GroupId, NodeId, Peer, Roles, Time};

use crate::routes::{has_session, pair_hash};
use flood::Adjacent;
use graph::Reached;
use groups::Groups;
use origin::Origin;
use table::Table;

/// Other reflectors of a group that one row names.
const CO_REFLECTORS_MAX: usize = 32;

/// Groups that one row names; a reflector of more reflects among the first by id.
const GROUPS_MAX: usize = 32;

/// What reflection asks of its caller, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReflectOutput {
    /// Send on the session with the peer; if there is none any more, not at all.
    Send {
        /// To whom.
        to: Peer,
        /// A `Row` or a `RowDigest`.
        body: RouteBody,
    },
    /// A group can be reached that could not.
    RouteUp(GroupId),
    /// A group can no longer be reached.
    RouteDown(GroupId),
    /// The peer passed on a row with a wrong signature: close its session.
    Broken(Peer),
}

/// The caller's buffer; the machine only appends to it.
pub type ReflectOutputs = Vec<ReflectOutput>;

/// How this node stands in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// Up in it; `is_closed` when nodes outside may not be introduced to its members.
    Up {
        /// As the group's configuration says.
        is_closed: bool,
    },
    /// Left it.
    Left,
}

/// How another member of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Alive, with these roles.
    Up(Roles),
    /// Down or left.
    Gone,
}

/// The machine of one node.
#[derive(Debug)]
pub struct Reflect {
    config: Arc<ReflectConfig>,
    me: NodeId,
    /// Whether this node reflects; a plain member only keeps `groups`.
    is_active: bool,
    groups: Groups,
    adjacent: BTreeMap<Peer, Adjacent>,
    table: Table,
    origin: Origin,
    counters: ReflectCounters,
    /// Made when read after a change.
    routes: OnceCell<BTreeMap<GroupId, Reached>>,
    /// How often readers were told to look at the routes again.
    changes: u64,
    announced: BTreeSet<GroupId>,
    announce_at: Option<Time>,
    announced_at: Option<Time>,
    tick_at: Option<Time>,
    /// The neighbour that got the last digest in turn.
    digested: Peer,
}

impl Reflect {
    /// What it holds on the heap, about; rows are shared.
    pub(crate) fn heap_bytes(&self) -> usize {
        let routes = self.routes.get().map_or(0, map_bytes);
        let adjacent = map_bytes(&self.adjacent) + set_bytes(&self.announced);
        self.groups.heap_bytes() + self.table.heap_bytes() + adjacent + routes
    }

    /// The map of a node in no group yet.
    pub fn new(config: Arc<ReflectConfig>, me: NodeId, roles: Roles, boot: Boot) -> Self {
        Self {
            config,
            me,
            is_active: roles.contains(Roles::REFLECTOR),
            groups: Groups::default(),
            adjacent: BTreeMap::new(),
            table: Table::default(),
            origin: Origin::new(boot),
            counters: ReflectCounters::default(),
            routes: OnceCell::new(),
            changes: 0,
            announced: BTreeSet::new(),
            announce_at: None,
            announced_at: None,
            tick_at: None,
            digested: Peer(u32::MAX),
        }
    }

    /// This node goes by a later boot: its row is told again under it.
    pub fn handle_boot(&mut self, boot: Boot, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        self.origin.raise_boot(boot);
        if !self.origin.published().is_empty() {
            self.publish(cx, out);
        }
    }

    /// How a group takes part in the `full` export; told before anything else of it, or when its
    /// charter changed. Without this it is [`Place::Flat`].
    pub fn handle_place(
        &mut self,
        group: GroupId,
        place: Place,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        if self.groups.local(group).map(|local| local.place) == Some(place) {
            return;
        }
        let mut is_changed = false;
        for peer in self.groups.set_place(group, place) {
            is_changed |= self.on_adjacency(peer, cx, out);
        }
        if is_changed {
            self.on_map_change(cx.now);
        }
        self.on_local_change(cx, out);
    }

    /// This node is up in a group, or left it.
    pub fn handle_group(
        &mut self,
        group: GroupId,
        change: GroupChange,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        match change {
            GroupChange::Up { is_closed } => self.groups.join(group, is_closed),
            GroupChange::Left => {
                for peer in self.groups.leave(group) {
                    self.on_adjacency(peer, cx, out);
                }
            }
        }
        self.on_map_change(cx.now);
        self.on_local_change(cx, out);
    }

    /// Another member of one of this node's groups is up, changed its roles, or is gone.
    pub fn handle_member(
        &mut self,
        group: GroupId,
        peer: Peer,
        change: MemberChange,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        let id = cx.peers.get(peer).map(archipelago_core::PeerState::id);
        self.note_reflector(peer, cx.now);
        match (change, id) {
            (MemberChange::Up(roles), Some(id)) => {
                let reflects = roles.contains(Roles::REFLECTOR);
                self.groups.insert(group, peer, reflects, id);
            }
            (MemberChange::Up(_), None) => return,
            (MemberChange::Gone, id) => {
                let gone_max = self.config.gone_max;
                self.groups.remove(group, peer, id, gone_max);
            }
        }
        self.note_reflector(peer, cx.now);
        if !self.is_active {
            return;
        }
        if self.on_adjacency(peer, cx, out) {
            self.on_map_change(cx.now);
        }
        self.on_local_change(cx, out);
    }

    /// A session with the peer may be used: `peers` knows it.
    pub fn handle_session_ready(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.note_reflector(peer, cx.now);
        if self.on_adjacency(peer, cx, out) {
            self.on_map_change(cx.now);
            self.on_local_change(cx, out);
        }
    }

    /// The last session with the peer closed: `peers` knows it no more.
    pub fn handle_session_closed(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.note_reflector(peer, cx.now);
        if self.drop_adjacent(peer) {
            self.on_map_change(cx.now);
            self.on_local_change(cx, out);
        }
    }

    /// This node stops: its row is withdrawn, and nothing is reflected any more.
    pub fn handle_shutdown(&mut self, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        if !self.origin.published().is_empty() {
            let row = self.origin.publish(Vec::new(), &self.config, cx);
            self.flood_own(row, cx, out);
        }
        self.is_active = false;
        self.adjacent.clear();
        self.table.clear();
        self.tick_at = None;
        self.on_map_change(cx.now);
    }

    /// A row arrived, with the cluster list and age of this copy.
    pub fn handle_row(
        &mut self,
        from: Peer,
        row: Arc<SignedRow>,
        clusters: List<NodeId, 32>,
        age_s: u32,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.on_row(from, row, clusters, age_s, cx, out);
    }

    /// A neighbour says which rows it has: it is sent what it lacks.
    pub fn handle_digest(
        &mut self,
        from: Peer,
        digest: &[(NodeId, Boot, u64)],
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.on_digest(from, digest, cx, out);
    }

    /// What has come due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        if self.origin.is_due(cx.now) {
            self.publish(cx, out);
        }
        if self.tick_at.is_some_and(|due_at| due_at <= cx.now) {
            self.on_tick(cx, out);
        }
        if self.announce_at.is_some_and(|due_at| due_at <= cx.now) {
            self.announce(cx.now, out);
        }
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let own = self.origin.poll_timeout();
        let tick = self.tick_at.map(|due_at| (due_at, "digest of rows"));
        let announce = self.announce_at.map(|due_at| (due_at, "routes settled"));
        own.into_iter().chain(tick).chain(announce).min()
    }

    /// What became of rows that arrived.
    pub const fn counters(&self) -> ReflectCounters {
        self.counters
    }

    /// How many rows are held, this node's own included.
    pub fn rows_len(&self) -> usize {
        self.table.len()
    }

    /// Something here changed that this node's own row may say.
    fn on_local_change(&mut self, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        if !self.is_active {
            return;
        }
        let desired = self.own_groups();
        if self.origin.plan(&desired, self.me, cx.now, &self.config) {
            let row = self.origin.publish(desired, &self.config, cx);
            self.flood_own(row, cx, out);
        }
    }

    fn publish(&mut self, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        if self.is_active {
            let desired = self.own_groups();
            let row = self.origin.publish(desired, &self.config, cx);
            self.flood_own(row, cx, out);
        }
    }

    /// What this reflector's row should say now. One that is in a single group says so too: it
    /// vouches for the others there; but for a group with parents, that seldom has anything beside.
    fn own_groups(&self) -> Vec<RowGroup> {
        let exporting = || self.groups.exporting().filter(|(_, local)| local.is_up);
        if exporting().count() < 2 && exporting().all(|(_, local)| local.place == Place::Child) {
            return Vec::new();
        }
        exporting()
            .map(|(group, local)| RowGroup {
                group,
                size: u32::try_from(local.members().len() + 1).unwrap_or(u32::MAX),
                closed: local.is_closed,
                reflectors: self.co_reflectors(local),
            })
            .take(GROUPS_MAX)
            .collect()
    }

    /// Those with a session; of too many, by a hash that spreads who lists whom.
    fn co_reflectors(&self, local: &groups::Local) -> List<NodeId, CO_REFLECTORS_MAX> {
        let mut ids: Vec<NodeId> = local
            .reflectors()
            .iter()
            .filter_map(|peer| Some(self.adjacent.get(peer)?.id))
            .collect();
        if ids.len() > CO_REFLECTORS_MAX {
            ids.sort_by_key(|&id| (pair_hash(self.me, id), id));
            ids.truncate(CO_REFLECTORS_MAX);
        }
        ids.sort_unstable();
        List::truncated(ids)
    }

    /// A reflector of this node's groups came, went, or can be reached or not: readers of
    /// [`Reflect::routes`] see it, whether the map changed or not.
    fn note_reflector(&mut self, peer: Peer, now: Time) {
        if self.groups.is_reflector(peer) {
            self.announce_soon(now);
        }
    }

    /// The map may read differently from now on.
    fn on_map_change(&mut self, now: Time) {
        self.routes.take();
        self.announce_soon(now);
    }

    /// While one change follows another, watchers look at the map at the configured pace.
    fn announce_soon(&mut self, now: Time) {
        let settled = now.after(self.config.settle);
        let paced = self
            .announced_at
            .map_or(Time::START, |at| at.after(self.config.settle_pace));
        self.announce_at.get_or_insert(settled.max(paced));
    }

    fn announce(&mut self, now: Time, out: &mut ReflectOutputs) {
        self.announce_at = None;
        self.announced_at = Some(now);
        self.changes += 1;
        let known: BTreeSet<GroupId> = self.reachable();
        let lost = self.announced.difference(&known);
        out.extend(lost.map(|&group| ReflectOutput::RouteDown(group)));
        let found = known.difference(&self.announced);
        out.extend(found.map(|&group| ReflectOutput::RouteUp(group)));
        self.announced = known;
    }

    /// Brings the adjacency with `peer` up to date; `true` if it changed.
    fn on_adjacency(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut ReflectOutputs) -> bool {
        let is_adjacent =
            self.is_active && self.groups.is_neighbour(peer) && has_session(peer, cx.peers);
        match (self.adjacent.contains_key(&peer), is_adjacent) {
            (false, true) => self.add_adjacent(peer, cx, out),
            (true, false) => self.drop_adjacent(peer),
            _ => false,
        }
    }
}
