//! Which of several connections between one pair of nodes is used.

use archipelago_core::wire::{ByeReason, SessionId};
use archipelago_core::{Context, Peer};

use super::session::{Phase, Session, times};
use super::{Hold, SessionOutput, SessionOutputs, Sessions};
use crate::node::CloseReason;

const DUPLICATE: CloseReason = CloseReason::Bye(ByeReason::Duplicate);

impl Sessions {
    /// `new` has just got its Hello: it is used, or loses against the one in use.
    pub(super) fn settle(
        &mut self,
        new: SessionId,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(peer) = self.get(new).map(|session| session.peer) else {
            return;
        };
        let current = cx.peers.get(peer).and_then(|state| state.session);
        let Some(old) = current.filter(|&id| self.get(id).is_some()) else {
            return self.take_up(new, peer, cx, out);
        };
        let (Some(old_session), Some(new_session)) = (self.get(old), self.get(new)) else {
            return;
        };
        let (new_boot, old_boot) = (
            self.boot(new_session, cx.peers),
            self.boot(old_session, cx.peers),
        );
        if new_boot > old_boot {
            self.drop_boots_before(new, cx, out);
            return self.take_up(new, peer, cx, out);
        }
        if new_boot < old_boot {
            return self.abort(new, ByeReason::Duplicate, cx, out);
        }
        let is_smaller = cx.me < cx.peers.id(peer);
        let new_wins = wins(new_session, old_session, self.phase(old), is_smaller);
        if new_wins {
            self.switch(peer, old, new, cx, out);
        }
        self.dismiss(if new_wins { old } else { new }, peer, cx, out);
    }

    /// The first session of the peer, or the first of its new start.
    fn take_up(
        &mut self,
        id: SessionId,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        self.point(peer, id, cx);
        out.push(SessionOutput::Ready(peer));
    }

    /// Uses `to` from now on, with all that is known of `from`.
    pub(super) fn switch(
        &mut self,
        peer: Peer,
        from: SessionId,
        to: SessionId,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let shown = self.get(from).and_then(|session| session.shown);
        let hold = self.hold_of(from);
        if let Some(session) = self.get_mut(to) {
            session.shown = shown;
        }
        if let Some(unsettled) = self.unsettled.get_mut(&to)
            && hold == Hold::Justified
        {
            unsettled.hold = hold;
        }
        self.unsettle(from, cx.peers);
        let Some(from) = self.last(from) else { return };
        self.point(peer, to, cx);
        out.push(SessionOutput::Moved { peer, from, to });
    }

    fn point(&mut self, peer: Peer, id: SessionId, cx: &mut Context<'_>) {
        let Some(unsettled) = self.unsettle(id, cx.peers) else {
            return;
        };
        unsettled.phase = Phase::Ready;
        let due = match unsettled.hold {
            Hold::Justified => cx.now.after(times::QUIET),
            Hold::Until(at) => at,
        };
        if let Some(state) = cx.peers.get_mut(peer) {
            state.session = Some(id);
            state.set_boot(unsettled.boot);
            state.transcript = unsettled.transcript;
        }
        self.set_due(id, due);
        self.rest(id, cx.peers, cx.now);
    }

    /// `loser` is not the one to use: the smaller node says so, the larger one waits to be told,
    /// unless it was told already.
    fn dismiss(
        &mut self,
        loser: SessionId,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        if cx.me < cx.peers.id(peer) || self.phase(loser) == Phase::Leaving {
            return self.end(loser, DUPLICATE, cx, out);
        }
        let Some(unsettled) = self.unsettle(loser, cx.peers) else {
            return;
        };
        unsettled.phase = Phase::Spare;
        self.set_due(loser, cx.now.after(times::SPARE));
    }

    /// The peer has started anew: what it said before is over.
    fn drop_boots_before(
        &mut self,
        new: SessionId,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(session) = self.get(new) else {
            return;
        };
        let (peer, boot) = (session.peer, self.boot(session, cx.peers));
        let is_old = |session: &&Session| {
            let is_opening = matches!(self.phase(session.id), Phase::Opening(_));
            self.boot(session, cx.peers) < boot && !is_opening
        };
        let old: Vec<SessionId> = self
            .of(peer, cx.peers)
            .filter(is_old)
            .map(|session| session.id)
            .collect();
        let current = cx.peers.get(peer).and_then(|state| state.session);
        // The one in use last: with it the peer's old start is over.
        for &id in old.iter().filter(|&&id| Some(id) != current) {
            self.forget(id, DUPLICATE, out);
        }
        if let Some(id) = current {
            self.retire(id, peer, DUPLICATE, cx, out);
        }
    }

    fn retire(
        &mut self,
        id: SessionId,
        peer: Peer,
        reason: CloseReason,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(last) = self.last(id) else { return };
        if let Some(state) = cx.peers.get_mut(peer) {
            state.session = None;
        }
        self.forget(id, reason, out);
        let reason = Some(reason);
        out.push(SessionOutput::Ended { peer, last, reason });
    }
}

/// Whether a session that has just become ready is better than the one in use. Both ends compute
/// this, and the smaller node's result counts.
fn wins(new: &Session, old: &Session, old_phase: Phase, is_smaller: bool) -> bool {
    let age = new.opened.since(old.opened);
    if matches!(old_phase, Phase::Leaving | Phase::Ending(_)) || age >= times::CROSSING {
        return true;
    }
    if new.is_ours == old.is_ours {
        return new.opened >= old.opened;
    }
    new.is_ours == is_smaller
}
