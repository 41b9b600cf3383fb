//! How sessions end: in agreement by a `Bye` each way, or at once.

use archipelago_core::wire::{ByeReason, Control, SessionId};
use archipelago_core::{Context, Peer, Peers};

use super::session::{Phase, times};
use super::{Last, SessionOutput, SessionOutputs, Sessions};
use crate::node::CloseReason;

impl Sessions {
    /// Says `Bye` and waits for the peer's: nothing more is sent, what is under way still arrives.
    pub(crate) fn end(
        &mut self,
        id: SessionId,
        reason: CloseReason,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(unsettled) = self.unsettle(id, cx.peers) else {
            return;
        };
        let before = std::mem::replace(&mut unsettled.phase, Phase::Ending(reason));
        if matches!(before, Phase::Ending(_)) {
            return;
        }
        out.push(SessionOutput::Send(id, Control::Bye(told(reason))));
        if before == Phase::Leaving {
            return self.drop_now(id, Some(reason), cx, out);
        }
        self.set_due(id, cx.now.after(times::BYE));
        self.leave_current(id, Some(reason), cx, out);
    }

    /// The peer says `Bye`: nothing more comes from it here.
    pub(crate) fn handle_bye(
        &mut self,
        id: SessionId,
        reason: ByeReason,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(peer) = self.get(id).map(|session| session.peer) else {
            return;
        };
        let phase = self.phase(id);
        let is_current = cx.peers.get(peer).and_then(|state| state.session) == Some(id);
        let has_successor = || self.successor(peer, id, cx.peers).is_some();
        if reason == ByeReason::Duplicate && is_current && !has_successor() && self.is_opening(peer)
        {
            return self.await_successor(id, cx);
        }
        let reason = CloseReason::Bye(reason);
        if let Phase::Ending(own) = phase {
            return self.drop_now(id, Some(own), cx, out);
        }
        out.push(SessionOutput::Send(id, Control::Bye(told(reason))));
        self.drop_now(id, Some(reason), cx, out);
    }

    /// The connection is gone.
    pub(crate) fn handle_closed(
        &mut self,
        id: SessionId,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let reason = match self.phase(id) {
            Phase::Ending(reason) => Some(reason),
            _ => None,
        };
        self.leave_current(id, reason, cx, out);
        self.take_out(id, cx, out);
    }

    /// Says why and closes at once: for a peer that broke a rule.
    pub(crate) fn abort(
        &mut self,
        id: SessionId,
        reason: ByeReason,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        out.push(SessionOutput::Send(id, Control::Bye(reason)));
        self.drop_now(id, Some(CloseReason::Bye(reason)), cx, out);
    }

    /// Closes without a word.
    pub(crate) fn drop_now(
        &mut self,
        id: SessionId,
        reason: Option<CloseReason>,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        self.leave_current(id, reason, cx, out);
        if let Some(reason) = reason {
            out.push(SessionOutput::Close(id, reason));
        }
        self.take_out(id, cx, out);
    }

    /// Closes a session that nobody uses.
    pub(super) fn forget(&mut self, id: SessionId, reason: CloseReason, out: &mut SessionOutputs) {
        if self.remove(id).is_some() {
            out.push(SessionOutput::Close(id, reason));
        }
    }

    /// If `id` is the session in use, another one takes its place, or the peer has none.
    fn leave_current(
        &mut self,
        id: SessionId,
        reason: Option<CloseReason>,
        cx: &mut Context<'_>,
        out: &mut SessionOutputs,
    ) {
        let Some(session) = self.get(id) else {
            return;
        };
        let peer = session.peer;
        if cx.peers.get(peer).and_then(|state| state.session) != Some(id) {
            return;
        }
        if let Some(next) = self.successor(peer, id, cx.peers) {
            return self.switch(peer, id, next, cx, out);
        }
        let Some(last) = self.last(id) else { return };
        // What still arrives on it is read under its own transcript.
        self.unsettle(id, cx.peers);
        if let Some(state) = cx.peers.get_mut(peer) {
            state.session = None;
        }
        out.push(SessionOutput::Ended { peer, last, reason });
    }

    fn take_out(&mut self, id: SessionId, cx: &mut Context<'_>, out: &mut SessionOutputs) {
        let was_opening = matches!(self.phase(id), Phase::Opening(_));
        let Some(session) = self.remove(id) else {
            return;
        };
        let peer = session.peer;
        let has_session = cx
            .peers
            .get(peer)
            .is_some_and(|state| state.session.is_some());
        if was_opening && !has_session && !self.is_opening(peer) {
            out.push(SessionOutput::Failed(peer));
        }
    }

    /// What is left to say of a session.
    pub(super) fn last(&self, id: SessionId) -> Option<Last> {
        self.get(id).map(|session| Last {
            id,
            was_attached: session.is_attached,
            shown: session.shown,
        })
    }

    fn await_successor(&mut self, id: SessionId, cx: &mut Context<'_>) {
        if let Some(unsettled) = self.unsettle(id, cx.peers) {
            unsettled.phase = Phase::Leaving;
            self.set_due(id, cx.now.after(times::LEAVING));
        }
    }

    /// The youngest other session of the peer that has its Hello and did not say `Bye`.
    fn successor(&self, peer: Peer, id: SessionId, peers: &Peers) -> Option<SessionId> {
        let others = self.of(peer, peers).filter(|session| session.id != id);
        let is_usable = |id| matches!(self.phase(id), Phase::Ready | Phase::Spare);
        others
            .filter(|session| is_usable(session.id))
            .max_by_key(|session| (session.opened, session.id))
            .map(|session| session.id)
    }
}

/// What the peer is told for a reason of ours.
const fn told(reason: CloseReason) -> ByeReason {
    match reason {
        CloseReason::Bye(reason) => reason,
        CloseReason::HelloTimeout | CloseReason::Silent => ByeReason::Protocol,
    }
}
