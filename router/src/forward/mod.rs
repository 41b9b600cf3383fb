//! The one way in which anything is forwarded for others: the sealed envelope.
//!
//! ```text
//!  relay:   source ─► its reflector ─► next hops toward the group ─► reflector there ─► target
//!  detour:  source ─► one or two members of the common group ─► target      (a source route)
//! ```
//! What is inside is sealed to the target's key and bound to both ends: who carries it reads and
//! forges nothing, and can only withhold; then, after some envelopes without an answer, another
//! way is taken. What arrives is opened once, and teaches this node the source's record and the
//! way back. There is no forward secrecy: whoever gets the target's sealing key later reads what
//! was recorded.
//!
//! It queues nothing, repeats nothing (the channel does, or the group's own timers), has no timer,
//! and forwards only to nodes with a session, within a quota per source, never into a closed group.
//! Source: crypto_box (NaCl), source routes as in RFC 791 but bounded and authenticated.
//! Cost: per envelope one sealing or opening at the ends, O(log n) between them.

mod arrive;
mod config;
mod contacts;
mod detour;
mod pass;
mod quota;
mod replay;
mod seal;

pub use config::{Dropped, ForwardConfig, ForwardCounters};

use std::sync::Arc;

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, Envelope, Heading, List, Payload, Sealed};
use archipelago_core::{Boot, Context, GroupId, NodeId, Peer, SignedRecord};
use bytes::Bytes;

use crate::Routes;
use crate::lru::Lru;
use contacts::{Contact, Contacts};
use detour::Broken;
use quota::Quotas;
use seal::Nonces;

/// How an envelope goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Over reflectors, by group.
    Relay,
    /// Over members of a common group, by a source route.
    Detour,
}

impl Way {
    /// The channel's word for it.
    pub const fn path(self) -> Path {
        match self {
            Self::Relay => Path::Relay,
            Self::Detour => Path::Detour,
        }
    }
}

/// Where something arrived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sealed it.
    pub source: NodeId,
    /// The source's start.
    pub boot: Boot,
    /// On a detour the common group, on relay this node's group that it came by.
    pub group: GroupId,
    /// How it came.
    pub way: Way,
    /// Who brought it.
    pub via: Peer,
}

/// What forwarding asks of its caller, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardOutput {
    /// Send on the session with the peer; if there is none any more, not at all.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        envelope: Box<Envelope>,
    },
    /// Frames of the channel with the source.
    FramesArrived {
        /// Where from.
        arrival: Arrival,
        /// Encoded.
        frames: Bytes,
    },
    /// A message of the virtual session with the source.
    ControlArrived {
        /// Where from.
        arrival: Arrival,
        /// Never an envelope.
        control: Box<Control>,
    },
    /// Nothing came back by any way that was tried: look the target up again.
    Silent {
        /// Whom nothing is heard of.
        target: NodeId,
    },
    /// The peer breaks the protocol: close its session.
    Broken(Peer),
}

/// The caller's buffer; the machine only appends to it.
pub type ForwardOutputs = Vec<ForwardOutput>;

/// Why nothing was sent; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// Its record is not known.
    #[error("the node's record is not known: look it up first")]
    Unknown,
    /// Nobody leads there now.
    #[error("no reflector, or no other member, leads to the node")]
    NoPath,
    /// Too long for one envelope, or beyond a limit of its own.
    #[error("more than one envelope holds")]
    TooLong,
}

/// The machine of one node.
#[derive(Debug)]
pub struct Forward {
    config: Arc<ForwardConfig>,
    record: Arc<SignedRecord>,
    nonces: Nonces,
    contacts: Contacts,
    broken: Broken,
    quotas: Quotas,
    counters: ForwardCounters,
}

impl Forward {
    /// What it holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.contacts.heap_bytes() + self.quotas.heap_bytes()
    }

    /// Nobody known; `record` is this node's own, in its present boot, and `salt` was drawn for
    /// this process alone.
    pub fn new(config: Arc<ForwardConfig>, record: Arc<SignedRecord>, salt: u64) -> Self {
        Self {
            nonces: Nonces::new(record.record.node, salt),
            record,
            contacts: Lru::new(config.contacts_max),
            broken: Broken::default(),
            quotas: Quotas::new(&config),
            counters: ForwardCounters::default(),
            config,
        }
    }

    /// This node's own record or boot changed.
    pub fn handle_record(&mut self, record: Arc<SignedRecord>) {
        self.record = record;
    }

    /// A node was located in `group`; its record was verified.
    pub fn handle_located(&mut self, record: &Arc<SignedRecord>, group: GroupId) {
        let target = record.record.node;
        let make = || Contact::new(Arc::clone(record), None);
        let contact = self.contacts.get_or_insert(target, make);
        contact.renew(record);
        contact.group = Some(group);
    }

    /// `member` of `group` says to whom its paths are broken, all of them; this node may say so
    /// too.
    pub fn handle_paths(&mut self, group: GroupId, member: NodeId, broken: &[NodeId]) {
        let len_max = self.config.broken_max;
        self.broken.set(group, member, broken, len_max);
    }

    /// This node left a group.
    pub fn handle_group_left(&mut self, group: GroupId) {
        self.broken.forget(group);
    }

    /// A timer of the caller says that nothing came back: take another way next time. Ways are
    /// also changed without this, when envelopes go unanswered.
    pub fn handle_unacked(&mut self, target: NodeId, way: Way) {
        if let Some(contact) = self.contacts.get(target) {
            contact.reroute(way);
            self.counters.rerouted += 1;
        }
    }

    /// Seals frames of the channel with `target` and sends them.
    ///
    /// # Errors
    /// [`ForwardError`]; nothing was sent.
    pub fn handle_frames(
        &mut self,
        target: NodeId,
        way: Way,
        frames: Bytes,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut ForwardOutputs,
    ) -> Result<(), ForwardError> {
        self.send(target, way, None, &Payload::Frames(frames), routes, cx, out)
    }

    /// Seals a message of the virtual session with a member of `group` and sends it by detour.
    ///
    /// # Errors
    /// [`ForwardError`]; nothing was sent.
    pub fn handle_control(
        &mut self,
        target: NodeId,
        group: GroupId,
        control: Control,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut ForwardOutputs,
    ) -> Result<(), ForwardError> {
        let payload = Payload::Control(Box::new(control));
        self.send(target, Way::Detour, Some(group), &payload, routes, cx, out)
    }

    /// An envelope arrived on a peer's session: opened if it is for this node, else passed on, or
    /// dropped and counted.
    pub fn handle_envelope(
        &mut self,
        from: Peer,
        envelope: Box<Envelope>,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut ForwardOutputs,
    ) {
        if envelope.target == cx.me {
            self.on_arrival(from, &envelope, routes, cx, out);
        } else {
            self.pass_on(from, envelope, routes, cx, out);
        }
    }

    /// The newest record of a node that envelopes were exchanged with.
    pub fn record(&self, node: &NodeId) -> Option<&Arc<SignedRecord>> {
        self.contacts.peek(node).map(|contact| &contact.record)
    }

    /// What became of envelopes.
    pub const fn counters(&self) -> ForwardCounters {
        self.counters
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "two callers' values, in their words"
    )]
    fn send(
        &mut self,
        target: NodeId,
        way: Way,
        group: Option<GroupId>,
        payload: &Payload,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut ForwardOutputs,
    ) -> Result<(), ForwardError> {
        self.meet(target, cx)?;
        let plain = payload.to_bytes().map_err(|_| ForwardError::TooLong)?;
        if plain.len() + SEAL_LEN > Sealed::LEN_MAX {
            return Err(ForwardError::TooLong);
        }
        self.reroute_if_withheld(target, way, routes, cx, out);
        let next = self.next_hop(target, way, group, routes, cx)?;
        let envelope = self.seal(target, way, &next, &plain, cx)?;
        self.counters.sent += 1;
        out.push(ForwardOutput::Send {
            to: next.to,
            envelope: Box::new(envelope),
        });
        Ok(())
    }

    /// Makes `target` a contact with the newest record that is known of it.
    fn meet(&mut self, target: NodeId, cx: &Context<'_>) -> Result<(), ForwardError> {
        let peer = cx.peers.find(&target);
        let state = peer.and_then(|peer| cx.peers.get(peer));
        let known = state.and_then(|state| state.record());
        match (self.contacts.get(target), known) {
            (Some(contact), Some(record)) => contact.renew(record),
            (Some(_), None) => {}
            (None, Some(record)) => {
                let contact = Contact::new(Arc::clone(record), None);
                self.contacts.insert(target, contact);
            }
            (None, None) => return Err(ForwardError::Unknown),
        }
        Ok(())
    }

    /// Takes another way when nothing came back by this one; tells when all were tried.
    fn reroute_if_withheld(
        &mut self,
        target: NodeId,
        way: Way,
        routes: &dyn Routes,
        cx: &Context<'_>,
        out: &mut ForwardOutputs,
    ) {
        let Some(contact) = self.contacts.get(target) else {
            return;
        };
        let is_second = way == Way::Detour && cx.me > target && contact.line(way).via.is_some();
        let patience = 1 + u32::from(is_second);
        if !contact
            .line(way)
            .is_withheld(&self.config, patience, cx.now)
        {
            return;
        }
        contact.reroute(way);
        self.counters.rerouted += 1;
        let attempt = usize::from(contact.line(way).attempt);
        let relay_group = relay_group(contact);
        let ways = match way {
            Way::Relay => relay_group.map_or(0, |group| {
                routes.hops_to(group, &target, None, cx.peers).len()
            }),
            Way::Detour => WAYS_TRIED,
        };
        if attempt.is_multiple_of(ways.max(1)) {
            out.push(ForwardOutput::Silent { target });
        }
    }

    fn next_hop(
        &mut self,
        target: NodeId,
        way: Way,
        group: Option<GroupId>,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> Result<NextHop, ForwardError> {
        let contact = self.contacts.get(target).ok_or(ForwardError::Unknown)?;
        match way {
            Way::Relay => {
                let group = relay_group(contact).ok_or(ForwardError::NoPath)?;
                let hops = routes.hops_to(group, &target, None, cx.peers);
                let choices: Vec<Peer> = hops.iter().map(|hop| hop.peer).collect();
                let to = contact.line(way).choose(&choices);
                let hop = hops.into_iter().find(|hop| Some(hop.peer) == to);
                hop.map(|hop| NextHop {
                    to: hop.peer,
                    group,
                    route: List::new(),
                    heading: hop.heading,
                })
            }
            Way::Detour => {
                let common = cx
                    .peers
                    .find(&target)
                    .map(|peer| routes.common_groups(peer));
                let group = group.or_else(|| common?.first().copied());
                let group = group.ok_or(ForwardError::NoPath)?;
                let choices = detour::routes(group, target, &self.broken, routes, cx);
                let first_hops: Vec<Peer> = choices.iter().map(|&(peer, _)| peer).collect();
                let chosen = contact.line(way).choose(&first_hops);
                let choice = choices.into_iter().find(|&(peer, _)| Some(peer) == chosen);
                choice.map(|(to, route)| NextHop {
                    to,
                    group,
                    route,
                    heading: Heading::Sideways,
                })
            }
        }
        .ok_or(ForwardError::NoPath)
    }

    fn seal(
        &mut self,
        target: NodeId,
        way: Way,
        next: &NextHop,
        plain: &[u8],
        cx: &Context<'_>,
    ) -> Result<Envelope, ForwardError> {
        let contact = self.contacts.get(target).ok_or(ForwardError::Unknown)?;
        let source_boot = self.record.record.boot;
        let target_boot = contact.record.record.boot;
        let nonce = self.nonces.next(source_boot);
        let context = seal::context((cx.me, source_boot), (target, target_boot), next.group, way);
        let key = &contact.record.record.sealing_key;
        let bytes = cx.crypto.seal(key, nonce, &context, plain);
        let is_introduced = contact.introduce(self.record.version());
        let line = contact.line(way);
        line.note_sent(cx.now);
        Ok(Envelope {
            source: cx.me,
            target,
            group: next.group,
            route: next.route.clone(),
            hops: self.config.hops_max,
            attempt: line.attempt,
            heading: next.heading,
            sealed: Sealed {
                source_boot,
                target_boot,
                record: is_introduced.then(|| Arc::clone(&self.record)),
                nonce,
                bytes: bytes.into(),
            },
        })
    }
}

/// Bytes that sealing adds, at most.
const SEAL_LEN: usize = 64;

/// Detours tried before the target counts as silent.
const WAYS_TRIED: usize = 4;

/// Who gets an envelope first.
struct NextHop {
    to: Peer,
    group: GroupId,
    route: List<NodeId, 4>,
    heading: Heading,
}

/// Where it was located, else its home by its own word.
fn relay_group(contact: &Contact) -> Option<GroupId> {
    let home = contact.record.record.groups.first();
    contact.group.or(home.copied())
}
