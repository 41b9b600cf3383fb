//! One s-group at one node: composes admission, view, join, failure detector, log and names.
//!
//! ```text
//!  inputs ──► Group ──┬─► join/mesh, join/seeds   whom to dial, on whom to prove   ──► Dial, Send
//!                     ├─► admission               proofs of Join and Welcome
//!                     ├─► view, view/sync         who is a member; what differs    ──► Send
//!                     ├─► detector                who may be dead                  ──► Send, Ping
//!                     ├─► log                     what members say to all          ──► Send
//!                     ├─► names                   who holds which, over the logs   ──► Name
//!                     ├─► registry                what of that is no contest       ──► Registry
//!                     ├─► strict, council         who holds which, by a council    ──► Send
//!                     └─► duty                    what every member is to run      ──► Duty
//! ```
//!
//! [`Group`] only dispatches to them; they know nothing of each other. It names peers by [`Peer`]
//! slots of the table that its caller lends, never knows sessions, and never sends to one: it
//! says `Send`, and its caller finds the session or a detour.
//!
//! Cost at rest: some 950 bytes, 56 for each run of members that stand alike, and 24 for each that
//! wrote; four messages per period, nothing allocated.

mod api;
mod calm;
mod change;
mod charter;
mod clients;
mod council;
mod duty;
mod foresee;
mod formed;
mod handshake;
mod membership;
mod messages;
mod names;
mod progress;
mod registry;
mod regroup;
mod rotation;
mod strict;

use std::sync::Arc;

use archipelago_core::footprint::{Footprint, vec_bytes};
use archipelago_core::wire::{Charter, GroupBody, JoinRole};
use archipelago_core::{Context, Era, GroupId, Incarnation, NodeId, Peer, SignedRecord, Time};
use bytes::Bytes;

pub use change::RemoveError;
pub use charter::of as charter_of;

pub use api::{
    By, DialTarget, DownReason, GroupEvent, GroupOutput, GroupOutputs, MemberInfo, Origin, Quorum,
};
pub use formed::Formed;
pub use regroup::{Brought, Luggage};
pub use rotation::SecretState;
pub use strict::StrictAct;

use calm::Calm;
use clients::Clients;
use rotation::Rotation;

use crate::GroupConfig;
use crate::admission::Admission;
use crate::detector::{Detector, Fact, Surroundings};
use crate::duty::Duties;
use crate::join::{Mesh, MeshAct, Phase, Seeds};
use crate::log::{LogError, Logs};
use crate::marks::Marks;
use crate::names::Names;
use crate::registry::Registry;
use crate::strict::{Strict, Succession};
use crate::view::{Standing, Sync, View};

/// What the detector is lent; a macro, since it borrows fields beside the detector itself.
macro_rules! around {
    ($group:expr) => {
        Surroundings {
            view: &$group.view,
            timing: &$group.config.timing,
            is_voter: $group.phase == crate::join::Phase::Up,
            log_hash: $group.logs.hash(),
        }
    };
}
use around;

/// One s-group at one node.
///
/// Laid out as written: what a heartbeat reads comes first, on as few lines of memory as it can.
#[derive(Debug)]
#[repr(C)]
pub struct Group {
    due: (Time, &'static str),
    /// When anything but the detector is next due.
    calm: Calm,
    phase: Phase,
    config: Arc<GroupConfig>,
    sync: Sync,
    detector: Detector,
    view: View,
    logs: Logs,
    /// Nothing before the first claim of any member.
    names: Option<Box<Names>>,
    /// Made when the first is declared or heard of.
    duties: Option<Box<Duties>>,
    /// Made when this node first says something.
    registry: Option<Box<Registry>>,
    /// Nothing where no strict name is held, asked for or granted.
    strict: Option<Box<Strict>>,
    /// Nothing where the council was always the same.
    succession: Option<Box<Succession>>,
    mesh: Mesh,
    seeds: Seeds,
    id: GroupId,
    charter: Arc<Charter>,
    record: Arc<SignedRecord>,
    admission: Admission,
    /// When this node entered the group; before, it may have promised what it forgot.
    since: Time,
    /// Who was put out.
    marks: Marks,
    /// A change of the secret that is under way.
    rotation: Option<Box<Rotation>>,
    /// Hidden nodes that this member serves; nothing where it serves none.
    clients: Option<Box<Clients>>,
    /// To whom a `Join` was said that is not answered yet; twice if two were.
    asked: Vec<Peer>,
    /// Entries that the first `Welcome` announced, where they come in several messages.
    announced: usize,
    quorum: Option<Quorum>,
}

impl Group {
    /// The group as configured, before its start; `record` is this node's own.
    pub fn new(config: Arc<GroupConfig>, record: Arc<SignedRecord>, cx: &mut Context<'_>) -> Self {
        let boot = record.record.boot;
        let own = Standing::new(
            boot,
            Era(0),
            Incarnation(0),
            archipelago_core::wire::Life::Joining,
        );
        let id = config.id();
        Self {
            id,
            charter: Arc::new(charter::of(&config)),
            phase: Phase::Idle,
            view: View::new(cx.me, own, config.timing.tombstone_life),
            sync: Sync::default(),
            seeds: Seeds::new(&config, &record.record, cx),
            mesh: Mesh::default(),
            admission: Admission::new(id, config.cookies.clone()),
            detector: Detector::new(),
            logs: Logs::new(boot, Era(0), config.timing.clone()),
            names: None,
            duties: None,
            registry: None,
            strict: None,
            succession: None,
            since: cx.now,
            marks: Marks::default(),
            rotation: None,
            clients: None,
            asked: Vec::new(),
            announced: 0,
            quorum: None,
            due: (Time::NEVER, "nothing"),
            calm: Calm::default(),
            config,
            record,
        }
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Starts to join through the seeds, or founds the group where this node may be its beginning:
    /// it has no seeds, or is one of them.
    pub fn handle_start(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Asking;
        if self.seeds.may_found() {
            self.found(cx, out);
        }
        self.settle(Vec::new(), cx, out);
    }

    /// This node was elected to enter. If its seeds are all lost, or not in the group, it founds the
    /// group anew once its redials have backed off to the longest wait.
    pub fn handle_elected(&mut self) {
        self.seeds.dispense();
    }

    /// These nodes say, in a group that this node shares with them, that they are in this one: who
    /// of them is not in the view was let in by another beginning of the group. Asked over the
    /// session that is there, they and this node become one group.
    pub fn handle_met(&mut self, met: &[Peer], cx: &mut Context<'_>, out: &mut GroupOutputs) {
        for &peer in met {
            let state = cx.peers.get(peer);
            let has_session = state.is_some_and(|state| state.session.is_some());
            let is_new = !self.holds(peer) && !self.asked.contains(&peer);
            if has_session && is_new && self.phase == Phase::Up {
                self.say_join(peer, JoinRole::Joiner, cx, out);
            }
        }
        self.settle(Vec::new(), cx, out);
    }

    /// This node's record, boot or roles changed. Members hear of it; after a raised boot, seeds
    /// are asked again.
    pub fn handle_record(
        &mut self,
        record: Arc<SignedRecord>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let boot = record.record.boot;
        self.record = record;
        if boot == self.view.own().boot {
            self.tell_record(out);
        } else {
            self.on_new_boot(boot, cx, out);
        }
        self.settle(Vec::new(), cx, out);
    }

    /// Writes `value` under `key` into this member's log, or deletes the key.
    ///
    /// # Errors
    /// [`LogError`]; nothing changed.
    pub fn handle_write(
        &mut self,
        key: Bytes,
        value: Option<Bytes>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> Result<(), LogError> {
        match value {
            Some(value) => {
                self.logs.put(key, value, cx)?;
            }
            None => {
                self.logs.delete(&key, cx);
            }
        }
        self.settle(Vec::new(), cx, out);
        Ok(())
    }

    /// A session (or detour) with the peer is ready: Hellos exchanged, `peers` knows its record.
    /// The group decides whether to say `Join` on it.
    pub fn handle_session_ready(
        &mut self,
        peer: Peer,
        dialled: Option<DialTarget>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        self.on_session_ready(peer, dialled, cx, out);
        self.settle(Vec::new(), cx, out);
    }

    /// The last session with the peer closed.
    pub fn handle_session_closed(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts = Vec::new();
        self.on_session_closed(peer, cx, out, &mut facts);
        self.settle(facts, cx, out);
    }

    /// A dial that this group asked for failed.
    pub fn handle_dial_failed(
        &mut self,
        target: DialTarget,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts = Vec::new();
        self.on_dial_failed(target, cx, out, &mut facts);
        self.settle(facts, cx, out);
    }

    /// A message of this group arrived.
    ///
    /// A peer's mistakes are answered or ignored, never trusted: only `Join`, `Welcome`, `Refused`
    /// and `Deleted` are accepted from those not admitted.
    pub fn handle_message(
        &mut self,
        from: Origin,
        body: GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts = Vec::new();
        let (is_beat, said) = (matches!(body, GroupBody::Heartbeat { .. }), out.len());
        match body {
            GroupBody::Join(join) => self.on_join(from, &join, cx, out),
            GroupBody::Welcome(welcome) => self.on_welcome(from, *welcome, cx, out, &mut facts),
            GroupBody::Refused(reason) => self.on_refused(from.peer, reason, cx, out),
            GroupBody::Deleted(deletion) => self.on_deleted(from.peer, &deletion, cx, out),
            body if self.serves(from.peer) => self.on_client_message(from.peer, &body, cx, out),
            body => self.on_member_message(from.peer, body, cx, out, &mut facts),
        }
        if is_beat && out.len() == said {
            self.settle_detector(facts, cx, out);
        } else {
            self.settle(facts, cx, out);
        }
    }

    /// A `Pong` came by the session: `peers` has the new round-trip time and `last_heard`, and the
    /// direct path works both ways.
    pub fn handle_pong(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts = Vec::new();
        self.detector
            .on_life(peer, &around!(self), cx, out, &mut facts);
        self.on_direct(peer, cx, out);
        self.settle(facts, cx, out);
    }

    /// The peer showed by a detour that it lives, which says nothing of the direct path.
    pub fn handle_life(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts = Vec::new();
        self.detector
            .on_life(peer, &around!(self), cx, out, &mut facts);
        self.settle(facts, cx, out);
    }

    /// The direct path to the peer does not answer, and the peer says so too: all may know, since
    /// the peer's own word may not get through to those who choose a way to it.
    pub fn handle_path_down(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.is_admitted(peer) {
            self.on_path_down(peer, cx, out);
            self.settle(Vec::new(), cx, out);
        }
    }

    /// Data go to or come from the peer by the session; told about once a second. What the data
    /// are nobody here knows, so only the path is looked into.
    pub fn handle_activity(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.phase == Phase::Up && self.is_admitted(peer) && !self.is_path_down(peer) {
            self.detector.on_used(peer, &around!(self), cx);
            self.settle(Vec::new(), cx, out);
        }
    }

    /// Leaves: says so to every member, and is then empty.
    pub fn handle_leave(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.leave(cx, out);
    }

    /// What has come due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.detector
            .on_input(&self.config.timing, self.due.0, cx.now);
        let mut facts: Vec<Fact> = Vec::new();
        if self.phase.is_in() {
            self.detector
                .handle_timeout(&around!(self), cx, out, &mut facts);
            if self.is_calm(cx.now) {
                return self.settle_detector(facts, cx, out);
            }
            self.on_registry_due(cx, out);
            self.on_logs_due(cx, out);
            self.on_strict_due(cx, out);
            self.expire(cx);
            self.on_rotation_due(cx, out);
        }
        self.settle(facts, cx, out);
    }

    /// When to call `handle_timeout`, and why; may be early, never late. O(1).
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        (self.due.0 < Time::NEVER).then_some(self.due)
    }

    /// Living members, ordered by name; this node included once it is up.
    pub fn members(&self, peers: &archipelago_core::Peers) -> Vec<MemberInfo> {
        let up = |member: &crate::view::Member| member.is_told;
        let mut members: Vec<MemberInfo> = self
            .view
            .present()
            .filter(up)
            .map(|member| membership::info(&member, peers))
            .collect();
        if self.phase == Phase::Up {
            members.push(self.own_info());
        }
        members.sort_unstable_by_key(|member| member.node);
        members
    }

    /// Whether the group justifies a session with the peer.
    pub fn holds(&self, peer: Peer) -> bool {
        self.view
            .find(peer)
            .is_some_and(|member| member.is_present())
    }

    /// Whether the peer is a living member that was told of.
    pub fn is_told(&self, peer: Peer) -> bool {
        self.view.find(peer).is_some_and(|member| member.is_told)
    }

    /// Members that neither left nor died, by slot, and whether they can be spoken to.
    pub fn others(&self) -> impl Iterator<Item = (Peer, bool)> {
        let present = self.view.present();
        present.map(|member| (member.peer, member.is_admitted))
    }

    /// Whether the peer proved that it belongs to the group.
    pub fn is_admitted(&self, peer: Peer) -> bool {
        let member = self.view.find(peer);
        member.is_some_and(|member| member.is_admitted && member.is_present())
    }

    /// Whether the group refers to the peer's slot in any way: such a slot must not be released.
    pub fn knows(&self, peer: Peer) -> bool {
        self.view.find(peer).is_some()
            || self.seeds.contains(peer)
            || self.mesh.contains(peer)
            || self.serves(peer)
    }

    /// Whether the direct session with a living member is broken: its traffic takes a detour.
    pub fn is_path_down(&self, peer: Peer) -> bool {
        let member = self.view.find(peer);
        member.is_some_and(|member| member.is_path_down && member.is_present())
    }

    /// Living members to whom the direct path is broken, by slot.
    pub fn broken_paths(&self) -> impl Iterator<Item = Peer> {
        let broken = self.view.present().filter(|member| member.is_path_down);
        broken.map(|member| member.peer)
    }

    /// Members with an admitted direct path, by slot: who can carry a detour.
    pub fn reachable(&self) -> impl Iterator<Item = Peer> {
        let members = self.view.present();
        let direct = members.filter(|member| member.is_admitted && !member.is_path_down);
        direct.map(|member| member.peer)
    }

    /// Whether this node is a full member.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// A short hash of the membership: equal at members that agree.
    pub fn view_hash(&self) -> u32 {
        self.view.hash()
    }

    /// Who observes this node, and whom it observes; for inspection.
    pub fn watch(&self) -> (Vec<Peer>, Vec<Peer>) {
        self.detector.watch()
    }

    /// What the group takes, by part: itself and its tables. What is shared (configuration,
    /// charter, records) is not counted.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        let clients = self.clients.as_ref().map_or(0, |c| c.heap_bytes());
        let rest = vec_bytes(&self.asked) + self.sync.heap_bytes() + clients;
        footprint.add("group", size_of::<Self>() + rest);
        footprint.add("view", self.view.heap_bytes() + self.marks.heap_bytes());
        footprint.add("detector", self.detector.heap_bytes());
        footprint.add("logs", self.logs.heap_bytes());
        let names = self.names.as_ref().map_or(0, |names| names.heap_bytes());
        footprint.add("names", names);
        let registry = self.registry.as_ref().map_or(0, |r| r.heap_bytes());
        footprint.add("registry", registry);
        let duties = self.duties.as_ref().map_or(0, |d| d.heap_bytes());
        footprint.add("duties", duties);
        let join = self.mesh.heap_bytes() + self.seeds.heap_bytes();
        footprint.add("join", join);
        footprint
    }

    /// The logs of this group's members.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The group's charter.
    pub fn charter(&self) -> &Arc<Charter> {
        &self.charter
    }

    /// This node's id and standing as others see them.
    fn own_info(&self) -> MemberInfo {
        let own = self.view.own();
        MemberInfo {
            node: self.id_of_me(),
            boot: own.boot,
            era: own.era,
            life: own.life(),
            record: Some(self.record.clone()),
        }
    }

    fn id_of_me(&self) -> NodeId {
        self.view.me()
    }
}

#[cfg(test)]
mod tests;
