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
        if new_session.boot > old_session.boot {
            self.drop_boots_before(new, cx, out);
            return self.take_up(new, peer, cx, out);
        }
        if new_session.boot < old_session.boot {
            return self.abort(new, ByeReason::Duplicate, cx, out);
        }
        let new_wins = wins(new_session, old_session, cx.me < cx.peers.id(peer));
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
        let held = self.get(from).map(|session| (session.hold, session.shown));
        if let (Some((hold, shown)), Some(session)) = (held, self.get_mut(to)) {
            session.shown = shown;
            if hold == Hold::Justified {
                session.hold = hold;
            }
        }
        let Some(from) = self.last(from) else { return };
        self.point(peer, to, cx);
        out.push(SessionOutput::Moved { peer, from, to });
    }

    fn point(&mut self, peer: Peer, id: SessionId, cx: &mut Context<'_>) {
        let Some(session) = self.get_mut(id) else {
            return;
        };
        session.phase = Phase::Ready;
        let due = match session.hold {
            Hold::Justified => cx.now.after(times::QUIET),
            Hold::Until(at) => at,
        };
        if let Some(state) = cx.peers.get_mut(peer) {
            state.session = Some(id);
            state.boot = session.boot;
            state.transcript = session.transcript;
        }
        self.set_due(id, due);
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
        let Some(session) = self.get_mut(loser) else {
            return;
        };
        if cx.me < cx.peers.id(peer) || session.phase == Phase::Leaving {
            return self.end(loser, DUPLICATE, cx, out);
        }
        session.phase = Phase::Spare;
        self.set_due(loser, cx.now.after(times::SPARE));
    }

    /// The peer has started anew: what it said before is over.
    fn drop_boots_before(
        &mut self,
        new: SessionId,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some((peer, boot)) = self.get(new).map(|session| (session.peer, session.boot)) else {
            return;
        };
        let is_old =
            |session: &&Session| session.boot < boot && !matches!(session.phase, Phase::Opening(_));
        let old: Vec<SessionId> = self
            .of(peer)
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
fn wins(new: &Session, old: &Session, is_smaller: bool) -> bool {
    let age = new.opened_at.since(old.opened_at);
    if matches!(old.phase, Phase::Leaving | Phase::Ending(_)) || age >= times::CROSSING {
        return true;
    }
    if new.is_ours == old.is_ours {
        return new.opened_at >= old.opened_at;
    }
    new.is_ours == is_smaller
}
