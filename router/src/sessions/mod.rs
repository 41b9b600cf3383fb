//! All sessions of a node: Hello, the settling of double connections, Bye, silence and limits.
//!
//! # Two connections between one pair of nodes
//! Of two connections the *smaller* node decides which one stays, so the two ends never disagree:
//! the one that it dialled itself, if they crossed each other; else the younger one, since who
//! dials anew has given the older up. It says `Bye(Duplicate)` on the other; the larger node
//! answers with the same once the winner is ready on its side too. `Bye` is the last message in
//! each direction, and both ends close when they have both: nothing that was sent is lost.
//!
//! A `Hello` with a later boot ends the sessions of the earlier one at once. It never decides to
//! dial, and never looks into what groups and routes say to each other.
//!
//! Cost: 24 bytes per session at rest; O(log n) per input, and O(n) every few seconds to see who is
//! silent.

mod detours;
mod dial;
mod end;
mod formed;
mod hello;
mod session;
mod settle;
mod table;

pub(crate) use detours::{DetourOutput, Detours, Due, Question};
pub(crate) use dial::{Booked, DialBook, Purpose, Whom};
pub(crate) use hello::{End, check, transcript};
pub(crate) use session::{Hold, Phase, Session};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::wire::{ByeReason, Control, Hello, Nonce, SessionId, WIRE_MAX, WIRE_MIN};
use archipelago_core::{Boot, Context, Peer, Peers, SignedRecord, Time};

use crate::node::{CloseReason, SessionKind};
use session::{Opened, Rate, Unsettled, times};

/// Connections of one pair at once; what comes beyond is closed as a duplicate.
const PAIR_MAX: usize = 32;
/// Messages that fit nowhere before a session is closed.
const STRIKES_MAX: u8 = 64;

/// What the table asks of its caller, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionOutput {
    /// Put a message on a session.
    Send(SessionId, Control),
    /// Close after what was sent before is flushed.
    Close(SessionId, CloseReason),
    /// The peer has a session now, and had none.
    Ready(Peer),
    /// The session to use with the peer is another one from now on.
    Moved {
        /// With whom.
        peer: Peer,
        /// The one that is given up.
        from: Last,
        /// The one to use.
        to: SessionId,
    },
    /// The peer has no session any more.
    Ended {
        /// Who.
        peer: Peer,
        /// The one that it had.
        last: Last,
        /// Why; `None` if the connection was lost.
        reason: Option<CloseReason>,
    },
    /// A connection ended before its Hello, and nothing else leads to the peer.
    Failed(Peer),
    /// The peer was silent for long: ask whether it lives.
    Quiet(Peer),
    /// The peer said a new record of itself.
    Renewed(Peer),
}

/// What is left to say of a session that is no longer used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// The driver's number.
    pub(crate) id: SessionId,
    /// Whether the data plane was told that it may use it.
    pub(crate) was_attached: bool,
    /// What watchers were told of it.
    pub(crate) shown: Option<SessionKind>,
}

/// The caller's buffer.
pub(crate) type SessionOutputs = Vec<SessionOutput>;

/// The sessions of one node; laid out as written, what every message reads first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Sessions {
    /// By the driver's slot.
    table: Vec<Option<Session>>,
    /// Sessions that are not at rest; empty in a formed group.
    unsettled: BTreeMap<SessionId, Unsettled>,
    len: usize,
    /// When all sessions at rest are looked at next, and were last.
    look_at: Time,
    looked_at: Time,
    /// Sessions that are not at rest, by when they are due.
    queue: BTreeSet<(Time, SessionId)>,
    realm: Arc<str>,
}

impl Sessions {
    /// An empty table.
    pub(crate) const fn new(realm: Arc<str>) -> Self {
        Self {
            realm,
            table: Vec::new(),
            len: 0,
            unsettled: BTreeMap::new(),
            queue: BTreeSet::new(),
            look_at: Time::NEVER,
            looked_at: Time::START,
        }
    }

    /// A connection is up: says Hello on it.
    pub(crate) fn handle_opened(
        &mut self,
        id: SessionId,
        peer: Peer,
        is_ours: bool,
        own: (Boot, &Arc<SignedRecord>),
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        if self.of(peer, cx.peers).count() >= PAIR_MAX {
            let reason = ByeReason::Duplicate;
            out.push(SessionOutput::Send(id, Control::Bye(reason)));
            out.push(SessionOutput::Close(id, CloseReason::Bye(reason)));
            return;
        }
        let nonce = Nonce(cx.rng.array());
        let hello = self.hello(nonce, own);
        out.push(SessionOutput::Send(id, hello));
        let session = Session {
            id,
            peer,
            opened: Opened::new(cx.now),
            rate: Rate::new(cx.now),
            strikes: 0,
            is_ours,
            is_attached: false,
            shown: None,
        };
        let unsettled = Unsettled {
            phase: Phase::Opening(nonce),
            due: cx.now.after(times::HELLO),
            hold: Hold::Until(cx.now.after(times::ADMISSION)),
            boot: Boot(0),
            transcript: [0; 16],
        };
        self.insert(session, unsettled);
    }

    /// Whether a message may be read on the session now; if not, the session is closed or ignored.
    pub(crate) fn admit(
        &mut self,
        id: SessionId,
        message: &Control,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) -> bool {
        let is_opening = matches!(self.phase(id), Phase::Opening(_));
        let Some(session) = self.get_mut(id) else {
            return false;
        };
        let is_within_rate = session.rate.take(cx.now);
        if is_opening && !matches!(message, Control::Hello(_) | Control::Bye(_)) {
            self.abort(id, ByeReason::Protocol, cx, out);
            return false;
        }
        if !is_within_rate {
            self.abort(id, ByeReason::Overloaded, cx, out);
            return false;
        }
        true
    }

    /// A message fitted nowhere: a few are forgiven, since a group may just have been left.
    pub(crate) fn strike(&mut self, id: SessionId, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        let Some(session) = self.get_mut(id) else {
            return;
        };
        session.strikes = session.strikes.saturating_add(1);
        if session.strikes > STRIKES_MAX {
            self.abort(id, ByeReason::Protocol, cx, out);
        }
    }

    /// The peer's Hello: its first word on a session, or later a new record of itself.
    pub(crate) fn handle_hello(
        &mut self,
        id: SessionId,
        hello: &Hello,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(peer) = self.get(id).map(|session| session.peer) else {
            return;
        };
        let name = cx.peers.id(peer);
        let known = cx
            .peers
            .get(peer)
            .and_then(|state| state.record().map(AsRef::as_ref));
        let version = match check(hello, (name, known), &self.realm, cx.crypto) {
            Ok(version) => version,
            Err(reason) => return self.abort(id, reason, cx, out),
        };
        remember_record(peer, &hello.record, cx);
        let Phase::Opening(nonce) = self.phase(id) else {
            return self.renew(id, hello.boot, cx, out);
        };
        let (me, other) = (cx.me, hello.nonce);
        let transcript = transcript(
            End { node: me, nonce },
            End {
                node: name,
                nonce: other,
            },
            version,
        );
        if let Some(unsettled) = self.unsettled.get_mut(&id) {
            unsettled.phase = Phase::Ready;
            unsettled.boot = hello.boot;
            unsettled.transcript = transcript;
        }
        self.settle(id, cx, out);
    }

    /// A Hello on a session that has had one: the peer's record changed, or its boot was raised.
    fn renew(&mut self, id: SessionId, boot: Boot, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        let Some(session) = self.get(id) else {
            return;
        };
        let peer = session.peer;
        if boot < self.boot(session, cx.peers) {
            return self.abort(id, ByeReason::Protocol, cx, out);
        }
        if let Some(unsettled) = self.unsettled.get_mut(&id) {
            unsettled.boot = boot;
        }
        let Some(state) = cx.peers.get_mut(peer) else {
            return;
        };
        if state.session == Some(id) {
            state.set_boot(boot);
            out.push(SessionOutput::Renewed(peer));
        }
    }

    /// This node's record changed: says so on every session that is in use.
    pub(crate) fn announce(&self, own: (Boot, &Arc<SignedRecord>), out: &mut SessionOutputs) {
        for session in self.iter() {
            if matches!(self.phase(session.id), Phase::Ready | Phase::Spare) {
                let hello = self.hello(Nonce::default(), own);
                out.push(SessionOutput::Send(session.id, hello));
            }
        }
    }

    /// Something justifies the peer's session, or nothing does any more.
    pub(crate) fn hold(&mut self, id: SessionId, is_justified: bool, peers: &Peers, now: Time) {
        let before = self.hold_of(id);
        let hold = match (is_justified, before) {
            (true, _) => Hold::Justified,
            (false, Hold::Justified) => Hold::Until(now.after(times::RELEASE)),
            (false, waiting) => waiting,
        };
        if hold == before {
            return;
        }
        let Some(unsettled) = self.unsettle(id, peers) else {
            return;
        };
        unsettled.hold = hold;
        match (unsettled.phase, hold) {
            (Phase::Ready, Hold::Until(at)) => self.set_due(id, at),
            _ => self.rest(id, peers, now),
        }
    }

    /// The peer showed something that does not hold: a session that nothing justifies waits no
    /// longer for the rest than one that was let go.
    pub(crate) fn hurry(&mut self, id: SessionId, peers: &Peers, now: Time) {
        let soon = now.after(times::RELEASE);
        let Hold::Until(at) = self.hold_of(id) else {
            return;
        };
        if at <= soon || self.phase(id) != Phase::Ready {
            return;
        }
        if let Some(unsettled) = self.unsettle(id, peers) {
            unsettled.hold = Hold::Until(soon);
            self.set_due(id, soon);
        }
    }

    /// What has come due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        while let Some(&(due, id)) = self.queue.first() {
            if due > cx.now {
                break;
            }
            self.on_due(id, cx, out);
        }
        if self.look_at <= cx.now {
            self.look(cx, out);
        }
    }

    /// When to call `handle_timeout`, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let due = self.queue.first().map_or(Time::NEVER, |&(due, _)| due);
        let next = due.min(self.look_at);
        (next < Time::NEVER).then_some((next, "session"))
    }

    fn on_due(&mut self, id: SessionId, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        match self.phase(id) {
            Phase::Opening(_) => self.drop_now(id, Some(CloseReason::HelloTimeout), cx, out),
            Phase::Ready => self.on_ready_due(id, cx, out),
            Phase::Spare | Phase::Leaving => {
                self.end(id, CloseReason::Bye(ByeReason::Duplicate), cx, out);
            }
            Phase::Ending(reason) => self.drop_now(id, Some(reason), cx, out),
        }
    }

    /// A session in use that nothing justifies, or that something may have to.
    fn on_ready_due(&mut self, id: SessionId, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        match self.hold_of(id) {
            Hold::Until(at) if at <= cx.now => {
                self.end(id, CloseReason::Bye(ByeReason::NotAdmitted), cx, out);
            }
            Hold::Until(at) => self.set_due(id, at),
            Hold::Justified => self.set_due(id, cx.now.after(times::QUIET)),
        }
    }

    /// Looks at all sessions at rest: asks who has become quiet since the last look, and gives up
    /// who stays silent.
    fn look(&mut self, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        let mut next = Time::NEVER;
        let mut silent = Vec::new();
        for session in self.table.iter().flatten() {
            if !self.unsettled.is_empty() && self.unsettled.contains_key(&session.id) {
                continue;
            }
            let state = cx.peers.get(session.peer);
            let heard_at = state.map_or(cx.now, |state| state.last_heard);
            let (quiet_at, silent_at) =
                (heard_at.after(times::QUIET), heard_at.after(times::SILENT));
            if silent_at <= cx.now {
                silent.push(session.id);
            } else if quiet_at <= cx.now {
                if quiet_at > self.looked_at {
                    out.push(SessionOutput::Quiet(session.peer));
                }
                next = next.min(silent_at);
            } else {
                next = next.min(quiet_at);
            }
        }
        self.looked_at = cx.now;
        self.look_at = next.max(cx.now.after(times::LOOK));
        if next == Time::NEVER {
            self.look_at = Time::NEVER;
        }
        for id in silent {
            self.drop_now(id, Some(CloseReason::Silent), cx, out);
        }
    }

    fn hello(&self, nonce: Nonce, (boot, record): (Boot, &Arc<SignedRecord>)) -> Control {
        Control::Hello(Box::new(Hello {
            wire: (WIRE_MIN, WIRE_MAX),
            realm: self.realm.clone(),
            boot,
            nonce,
            record: record.clone(),
        }))
    }
}

/// Keeps the newest of what a node signed about itself.
pub(crate) fn remember_record(peer: Peer, record: &Arc<SignedRecord>, cx: &mut Context<'_>) {
    let Some(state) = cx.peers.get_mut(peer) else {
        return;
    };
    let is_newer = |known: &Arc<SignedRecord>| record.version() > known.version();
    if state.record().is_none_or(is_newer) {
        state.set_record(record.clone());
    }
}
