//! The secret changes while the group runs, and who cannot prove the new one is out.
//!
//! ```text
//!  set_cookies / Secret ──► prove to every member ──► proved by the current cookie: stays
//!                      previous dropped ─ grace ────► not proved: out, its session closes
//! ```
//! While the previous cookie counts nobody is put out, so members may be given the new one in any
//! order. Sessions stay open throughout: a member proves anew on the session that it has.
//!
//! Cost: one proof and its answer for each pair of members, once per change; a slot of 4 bytes for
//! each member that has yet to prove itself.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{GroupBody, JoinRole, Life, SealedSecret};
use archipelago_core::{Context, NodeId, Peer, Time};
use bytes::Bytes;

use super::{DownReason, Group, GroupEvent, GroupOutput, GroupOutputs};
use crate::Cookies;
use crate::admission::{Admitted, Route, Secret};
use crate::join::Phase;
use crate::view::Member;

/// Two sides of a group that had two cookies accept both for at least so long.
const MERGE_WINDOW: Duration = Duration::from_secs(60);

/// How a group's secret stands at one node, beside the cookies themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretState {
    /// How often members rotated it: of two secrets that differ the one with more is kept.
    pub serial: u64,
    /// When the previous cookie stops to count; `None`: there is none, or it counts until somebody
    /// says otherwise.
    pub closes: Option<Time>,
}

/// A change of the secret that is not through yet.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Who has yet to prove the current cookie, by slot.
    unproved: Vec<Peer>,
    stage: Stage,
    /// Two secrets of one group became one: who proves the lower is given the higher.
    is_merge: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Both cookies count, until then; without a time, until somebody says otherwise.
    Open(Option<Time>),
    /// Only the current one counts: who has not proved it by then is out.
    Closing(Time),
}

impl Rotation {
    const fn due(&self) -> Time {
        match self.stage {
            Stage::Open(until) => match until {
                Some(until) => until,
                None => Time::NEVER,
            },
            Stage::Closing(until) => until,
        }
    }
}

impl Group {
    /// New cookies, while the group runs. Every member proves itself anew; once there is no
    /// previous cookie, those who have not within [`Timing::rotation_grace`](crate::Timing) are
    /// out.
    pub fn handle_cookies(
        &mut self,
        cookies: Option<Cookies>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let has_previous = cookies.as_ref().is_some_and(|c| c.previous.is_some());
        self.admission.set_cookies(cookies);
        let stage = if has_previous {
            Stage::Open(None)
        } else {
            Stage::Closing(cx.now.after(self.config.timing.rotation_grace))
        };
        self.prove_anew(stage, cx, out);
        self.settle(Vec::new(), cx, out);
    }

    /// Replaces the secret by `cookie`, and hands it to every member that is here, sealed. The
    /// previous one counts for `window` more, and then those who have not the new one are out.
    pub fn handle_rotate(
        &mut self,
        cookie: Bytes,
        window: Duration,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(mut secret) = self.admission.secret(window) else {
            return;
        };
        secret.serial = secret.serial.saturating_add(1);
        secret.cookies.current = cookie[..].into();
        self.take_secret(&secret, cx, out);
        self.hand_on(cx, out);
        self.settle(Vec::new(), cx, out);
    }

    /// `with` gave the same group another secret: the higher one counts from now on, here and at
    /// all members, and the lower one while the two sides find each other. Whether this node's own
    /// is the higher, so that `with` is to be given it.
    pub fn handle_other_secret(
        &mut self,
        with: NodeId,
        secret: &Secret,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        let theirs = secret.rank(&self.id, cx.crypto);
        let Some(own) = self.admission.rank(cx.crypto) else {
            return false;
        };
        if own == theirs {
            return false;
        }
        let kept = own > theirs;
        out.push(GroupOutput::Event(GroupEvent::CookieConflict {
            with,
            kept,
        }));
        if kept {
            self.accept_lower(&secret.cookies.current, cx);
        } else {
            let window = secret.window.max(MERGE_WINDOW);
            let secret = Secret {
                window,
                ..secret.clone()
            };
            self.take_secret(&secret, cx, out);
            self.note_merge();
        }
        self.hand_on(cx, out);
        self.settle(Vec::new(), cx, out);
        kept
    }

    /// This node was invited with `secret`, by whose cookies it is configured: the previous one
    /// counts for as long as the inviter said. Before any rotation there are two because two groups
    /// became one; whoever knows only the lower is helped then, and never after a rotation.
    pub fn handle_invited(&mut self, secret: &Secret, cx: &mut Context<'_>) {
        let state = SecretState {
            serial: secret.serial,
            closes: Some(cx.now.after(secret.window)),
        };
        self.handle_kept(state);
        if secret.serial == 0 {
            self.note_merge();
        }
    }

    /// This node was in the group before its start, by the cookies that it is configured with now:
    /// they stand as they stood. A window that closed meanwhile closes at once.
    pub fn handle_kept(&mut self, state: SecretState) {
        self.admission.set_serial(state.serial);
        let cookies = self.admission.cookies();
        let has_previous = cookies.is_some_and(|cookies| cookies.previous.is_some());
        if let Some(until) = state.closes.filter(|_| has_previous) {
            self.open_window(until);
            self.settle_due();
        }
    }

    /// How the group's secret stands: for who keeps it over a restart.
    pub fn secret_state(&self) -> SecretState {
        let stage = self.rotation.as_ref().map(|rotation| rotation.stage);
        SecretState {
            serial: self.admission.serial(),
            closes: match stage {
                Some(Stage::Open(until)) => until,
                _ => None,
            },
        }
    }

    /// The lower of two secrets counts beside this node's own for a while.
    fn accept_lower(&mut self, cookie: &Arc<[u8]>, cx: &Context<'_>) {
        self.admission.accept_too(cookie);
        self.open_window(cx.now.after(MERGE_WINDOW));
        self.note_merge();
    }

    fn open_window(&mut self, until: Time) {
        self.rotation = Some(Box::new(Rotation {
            unproved: self.admitted().collect(),
            stage: Stage::Open(Some(until)),
            is_merge: false,
        }));
    }

    fn note_merge(&mut self) {
        if let Some(rotation) = &mut self.rotation {
            rotation.is_merge = true;
        }
    }

    /// The peer is in the group too, as it says itself: it is to be a member here.
    pub fn handle_meeting(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if !self.is_admitted(peer) && self.phase == Phase::Up {
            self.mesh.pursue(peer, cx.now);
            self.settle(Vec::new(), cx, out);
        }
    }

    /// The present secret, sealed to one node; `None` in an open group, or where the node's key
    /// is not known.
    pub fn sealed_secret(&self, to: Peer, cx: &mut Context<'_>) -> Option<SealedSecret> {
        let window = match self.rotation.as_ref().map(|rotation| rotation.stage) {
            Some(Stage::Open(Some(until))) => until.since(cx.now),
            _ => self.config.timing.rotation_grace,
        };
        let secret = self.admission.secret(window)?;
        let key = cx.peers.get(to)?.record()?.record.sealing_key;
        let route = Route {
            group: self.id,
            from: cx.me,
            to: cx.peers.id(to),
        };
        Some(secret.seal(&key, &route, cx))
    }

    /// A member hands over a secret.
    pub(super) fn on_secret(
        &mut self,
        from: Peer,
        sealed: &SealedSecret,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(secret) = Secret::open_from(from, sealed, self.id, cx) else {
            return;
        };
        if self.is_higher(&secret, cx) {
            return self.take_secret(&secret, cx, out);
        }
        let is_same = self.admission.rank(cx.crypto) == Some(secret.rank(&self.id, cx.crypto));
        if !is_same {
            // A change by who did not know how often there was one before. It knows the cookie that
            // counts, or it is given nothing.
            if self.is_admitted(from) && !self.is_to_prove(from) {
                self.hand_to(vec![from], cx, out);
            }
        } else if let Some(lower) = &secret.cookies.previous {
            // Two sides of the group are about to meet, and the other's counts too.
            self.accept_lower(lower, cx);
        }
    }

    fn is_higher(&self, secret: &Secret, cx: &Context<'_>) -> bool {
        let rank = secret.rank(&self.id, cx.crypto);
        let own = self.admission.rank(cx.crypto);
        own.is_some_and(|own| own < rank)
    }

    fn take_secret(&mut self, secret: &Secret, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.admission.take(secret);
        let cookies = self.admission.cookies().cloned();
        out.push(GroupOutput::Cookies(cookies));
        out.push(GroupOutput::Event(GroupEvent::CookieChanged {
            serial: secret.serial,
        }));
        let until = cx.now.after(secret.window);
        self.prove_anew(Stage::Open(Some(until)), cx, out);
        // Members are told by whoever changed it; clients by those who serve them.
        let clients = self.clients().collect();
        self.hand_to(clients, cx, out);
    }

    /// The present secret, to every member.
    fn hand_on(&self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.hand_to(self.admitted().collect(), cx, out);
    }

    fn hand_to(&self, peers: Vec<Peer>, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        for to in peers {
            if let Some(sealed) = self.sealed_secret(to, cx) {
                let body = GroupBody::Secret(Box::new(sealed));
                out.push(GroupOutput::Send { to, body });
            }
        }
    }

    fn admitted(&self) -> impl Iterator<Item = Peer> {
        let admitted = self.view.present().filter(|member| member.is_admitted);
        admitted.map(|member| member.peer)
    }

    fn prove_anew(&mut self, stage: Stage, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.mesh.on_cookie(cx.now);
        let unproved: Vec<Peer> = self.admitted().collect();
        for &peer in &unproved {
            self.say_join(peer, JoinRole::Member, cx, out);
        }
        self.rotation = Some(Box::new(Rotation {
            unproved,
            stage,
            is_merge: false,
        }));
    }

    /// A peer proved itself by one of the cookies: also who comes in by the previous one while it
    /// counts has yet to prove the current one.
    pub(super) fn on_proved(&mut self, peer: Peer, by: Admitted) {
        let is_current = self.admission.is_current(by.by);
        if let Some(rotation) = &mut self.rotation {
            rotation.unproved.retain(|&unproved| unproved != peer);
            if !is_current {
                rotation.unproved.push(peer);
            }
        }
    }

    /// Whether the peer is given time to prove the current cookie.
    pub(super) fn is_to_prove(&self, peer: Peer) -> bool {
        let rotation = self.rotation.as_ref();
        rotation.is_some_and(|rotation| rotation.unproved.contains(&peer))
    }

    /// Who came in by the lower of two secrets that become one is given the higher.
    pub(super) fn help_to_secret(
        &self,
        peer: Peer,
        by: Admitted,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let is_merge = self.rotation.as_ref().is_some_and(|r| r.is_merge);
        if self.admission.is_current(by.by) || !is_merge || !self.is_admitted(peer) {
            return;
        }
        if let Some(sealed) = self.sealed_secret(peer, cx) {
            let body = GroupBody::Secret(Box::new(sealed));
            out.push(GroupOutput::Send { to: peer, body });
        }
    }

    /// A member's proof does not hold: if it is none by a session that was proved, it is none.
    pub(super) fn on_unproved(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if !self.is_to_prove(peer) && self.view.find(peer).is_some_and(|m| !m.is_admitted) {
            self.evict(peer, cx, out);
        }
    }

    pub(super) fn rotation_due(&self) -> Time {
        let rotation = self.rotation.as_ref();
        rotation.map_or(Time::NEVER, |rotation| rotation.due())
    }

    /// The window has closed, or the grace is over.
    pub(super) fn on_rotation_due(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.rotation_due() > cx.now {
            return;
        }
        let Some(rotation) = self.rotation.take() else {
            return;
        };
        if matches!(rotation.stage, Stage::Open(_)) {
            return self.close_window(rotation.unproved, cx, out);
        }
        for peer in rotation.unproved {
            self.evict(peer, cx, out);
        }
        self.evict_clients(cx, out);
    }

    /// From now on the current cookie alone counts; who has not proved it is asked once more.
    fn close_window(&mut self, unproved: Vec<Peer>, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let cookies = self.admission.cookies().map(|cookies| Cookies {
            current: cookies.current.clone(),
            previous: None,
        });
        self.admission.set_cookies(cookies.clone());
        out.push(GroupOutput::Cookies(cookies));
        out.push(GroupOutput::Event(GroupEvent::CookieRetired));
        for &peer in &unproved {
            self.say_join(peer, JoinRole::Member, cx, out);
        }
        let stage = Stage::Closing(cx.now.after(self.config.timing.rotation_grace));
        self.rotation = Some(Box::new(Rotation {
            unproved,
            stage,
            is_merge: false,
        }));
    }

    /// Out for want of a proof: its session is justified by this group no more, and it is not
    /// looked for either. It comes by itself if it learns the cookie.
    fn evict(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let Some(member) = self.view.find(peer).filter(Member::is_present) else {
            return;
        };
        let left = member.standing.with_life(Life::Left);
        self.merge(peer, left, DownReason::NotAdmitted, cx, out);
    }
}
