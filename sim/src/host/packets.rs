//! Packets of a node's sessions: sent in order, held by a cut, answered by a reset.
//!
//! A session is reliable and in order until it closes. What is sent into a cut waits at the
//! sender, whose transport tries again after times that double: a link that is whole again carries
//! it from the next attempt on. If none succeeds within the transport's time-out, the sender's end
//! breaks, and the other end breaks when it next speaks, or by its own time-out. Of a link that is
//! cut one way, the other way stands still too after the first attempt, for want of
//! acknowledgements.

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::wire::SessionId;
use archipelago_router::SessionEvent;

use super::Host;
use super::sessions::{End, Extra, Stage};
use crate::event::{Body, Event};
use crate::link::backoff::Backoff;
use crate::link::{Lane, LinkState};
use crate::net::Net;

/// What a packet costs on the link beyond its message.
const PACKET_OVERHEAD: u64 = 60;
/// What a test held leaves so long after its release, at the earliest and at the latest.
const LEAVE_AFTER_RELEASE: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(800));

impl Host {
    /// Sends on a session, after everything sent before. Unknown sessions are ignored.
    pub(super) fn transmit(&mut self, session: SessionId, body: Body, bytes: u64, net: &mut Net) {
        self.transmit_after(Duration::ZERO, session, (body, bytes), net);
    }

    /// As [`Host::transmit`], when this node has worked on it for so long.
    pub(super) fn transmit_after(
        &mut self,
        wait: Duration,
        session: SessionId,
        (body, bytes): (Body, u64),
        net: &mut Net,
    ) {
        let Some(end) = self.sessions.get(session) else {
            return;
        };
        let peer = end.peer;
        if net.shared.links.is_clean() && self.sessions.extra(session).is_none() {
            return self.launch(session, body, bytes, wait, net);
        }
        let is_whole = net.shared.links.is_up(self.ix, peer);
        if !is_whole {
            self.await_acknowledgement(session, net);
        }
        let is_carried = net.shared.links.state(self.ix, peer) == LinkState::Up;
        let is_waiting = |extra: &Extra| {
            let has_stalled = extra.unacked.is_some_and(|it| it.has_stalled(net.now));
            has_stalled || !extra.held.is_empty()
        };
        if is_carried && !self.sessions.extra(session).is_some_and(is_waiting) {
            self.launch(session, body, bytes, wait, net);
        } else if let Some(extra) = self.sessions.extra_mut(session) {
            extra.held.push_back((body, bytes));
        }
    }

    /// Something arrived on a session.
    pub(super) fn on_packet(
        &mut self,
        source: u32,
        from: SessionId,
        to: SessionId,
        body: Body,
        net: &mut Net,
    ) {
        let Some(end) = self.sessions.get_mut(to) else {
            if !matches!(body, Body::Reset) {
                self.answer_reset(source, from, to, net);
            }
            return;
        };
        match body {
            Body::Accepted => {
                end.set_remote(from);
                self.on_accepted(to, net);
            }
            Body::Established => self.on_established(to, net),
            Body::Control(parcel) => {
                let mut batch = std::mem::take(&mut net.local.batch);
                batch.push(net.local.messages.open(parcel));
                self.handle_batch(to, &mut batch, net);
                batch.clear();
                net.local.batch = batch;
            }
            Body::Frames(parcel) => {
                let frames = net.local.frames.open(parcel);
                self.on_frames(to, frames, net);
            }
            Body::Fin | Body::Reset => self.on_lost(to, net),
        }
    }

    /// The transport's time-out: the session breaks if it still gets no answer.
    pub(super) fn on_abort(&mut self, session: SessionId, net: &mut Net) {
        if self.is_hopeless(session, net) {
            self.on_lost(session, net);
        }
    }

    /// Whether the transport's time-out has passed for what was sent on a session.
    pub(super) fn is_hopeless(&self, session: SessionId, net: &Net) -> bool {
        let extra = self.sessions.extra(session);
        let unacked = extra.and_then(|extra| extra.unacked);
        unacked.is_some_and(|it| it.since().after(net.shared.transport_timeout) <= net.now)
    }

    /// Ends a session from this end at once; the other end is told if packets get through.
    pub(super) fn reset(&mut self, session: SessionId, net: &mut Net) {
        if self
            .sessions
            .get(session)
            .is_some_and(|end| end.remote().is_some())
        {
            let is_up = |end: &End| net.shared.links.state(self.ix, end.peer) == LinkState::Up;
            if self.sessions.get(session).is_some_and(is_up) {
                self.launch(session, Body::Reset, 0, Duration::ZERO, net);
            }
        }
        self.sessions.close(session);
    }

    /// The machine closes a session: everything sent before still goes.
    pub(super) fn close(&mut self, session: SessionId, net: &mut Net) {
        if self.sessions.get(session).is_none() {
            return;
        }
        self.transmit(session, Body::Fin, 0, net);
        self.sessions.close(session);
        self.push(net.now, self.ix, Event::Gone { session }, net);
    }

    /// Tells whoever speaks to a session that does not exist.
    pub(super) fn answer_reset(
        &mut self,
        source: u32,
        theirs: SessionId,
        ours: SessionId,
        net: &mut Net,
    ) {
        if net.shared.links.state(self.ix, source) == LinkState::Up {
            let delay = net
                .shared
                .links
                .delay(self.ix, source, net.now, &mut self.random);
            let event = Event::Packet {
                from: ours,
                to: theirs,
                body: Body::Reset,
            };
            self.push(net.now.after(delay), source, event, net);
        }
    }

    /// Links changed for the better: what waits leaves when the transport next tries.
    pub(crate) fn release_held(&mut self, net: &mut Net) {
        for session in self.sessions.extra_ids() {
            let Some(peer) = self.sessions.get(session).map(|end| end.peer) else {
                continue;
            };
            let unacked = self.sessions.extra(session).and_then(|it| it.unacked);
            if let Some(unacked) = unacked {
                if net.shared.links.is_up(self.ix, peer) {
                    let attempt = unacked.next(net.now);
                    self.push(attempt, self.ix, Event::Retransmit { session }, net);
                }
            } else if net.shared.links.state(self.ix, peer) == LinkState::Up {
                let (low, high) = LEAVE_AFTER_RELEASE;
                let wait = self.random.duration(low, high);
                self.launch_held(session, wait, net);
            }
        }
    }

    /// The transport tries again: all that waited goes, if packets and acknowledgements get
    /// through. Else the next mending of the link leads here again.
    pub(super) fn on_retransmit(&mut self, session: SessionId, net: &mut Net) {
        let peer = self.sessions.get(session).map(|end| end.peer);
        if !peer.is_some_and(|peer| net.shared.links.is_up(self.ix, peer)) {
            return;
        }
        if let Some(extra) = self.sessions.extra_mut(session) {
            extra.unacked = None;
        }
        self.launch_held(session, Duration::ZERO, net);
    }

    fn launch_held(&mut self, session: SessionId, wait: Duration, net: &mut Net) {
        let extra = self.sessions.extra_mut(session);
        let held = extra.map(|extra| std::mem::take(&mut extra.held));
        for (body, bytes) in held.into_iter().flatten() {
            self.launch(session, body, bytes, wait, net);
        }
    }

    /// The other end has lost its power: what is under way to it is never acknowledged.
    pub(crate) fn on_peer_dark(&mut self, session: SessionId, net: &mut Net) {
        let end = self.sessions.get(session);
        let extra = self.sessions.extra(session);
        let is_under_way = end.is_some_and(|end| end.last_arrival > net.now)
            || extra.is_some_and(|extra| extra.data_arrival > net.now);
        if is_under_way {
            self.await_acknowledgement(session, net);
        }
    }

    /// A session ended that this end did not close.
    fn on_lost(&mut self, session: SessionId, net: &mut Net) {
        let Some(end) = self.sessions.close(session) else {
            return;
        };
        match end.stage() {
            Stage::Dialling => self.on_dial_broken(session, net),
            Stage::Accepting => {}
            Stage::Open => self.session_event(SessionEvent::Closed { session }, net),
        }
    }

    /// Remembers since when nothing was acknowledged, and looks again after the time-out.
    fn await_acknowledgement(&mut self, session: SessionId, net: &mut Net) {
        let Some(end) = self.sessions.get(session) else {
            return;
        };
        let peer = end.peer;
        let links = &net.shared.links;
        let is_held = links.state(self.ix, peer) == LinkState::Held;
        let Some(extra) = self.sessions.extra_mut(session) else {
            return;
        };
        if is_held || extra.unacked.is_some() {
            return;
        }
        let round_trip = links.round_trip(self.ix, peer, net.now, &mut self.random);
        extra.unacked = Some(Backoff::new(net.now, round_trip));
        let time = net.now.after(net.shared.transport_timeout);
        self.push(time, self.ix, Event::Abort { session }, net);
    }

    /// Puts a packet on the link.
    fn launch(
        &mut self,
        session: SessionId,
        body: Body,
        bytes: u64,
        wait: Duration,
        net: &mut Net,
    ) {
        let Some(end) = self.sessions.get(session) else {
            return;
        };
        let (peer, remote) = (end.peer, end.remote());
        let Some(to) = remote else { return };
        let copies = net.shared.links.copies(self.ix, peer, &mut self.random);
        let bytes = bytes
            .saturating_add(PACKET_OVERHEAD)
            .saturating_mul(u64::from(copies));
        let lane = match body {
            Body::Frames(_) | Body::Fin => Lane::Data,
            _ => Lane::Control,
        };
        let ready = net.now.after(wait);
        let left = self.occupy_lines(session, (lane, bytes), ready, net);
        let departure = left.unwrap_or(ready);
        let delay = net
            .shared
            .links
            .delay(self.ix, peer, departure, &mut self.random);
        let data_lane = left.map(|_| lane);
        let Some(arrival) = self.arrive(session, departure.after(delay), data_lane) else {
            return;
        };
        let event = Event::Packet {
            from: session,
            to,
            body,
        };
        self.push(arrival, peer, event, net);
    }

    /// Has a packet pass the lines of limited bandwidth before its link; when it has left the last
    /// one, or `None` where nothing is limited.
    fn occupy_lines(
        &mut self,
        session: SessionId,
        (lane, bytes): (Lane, u64),
        ready: Time,
        net: &Net,
    ) -> Option<Time> {
        let peer = self.sessions.get(session)?.peer;
        let links = &net.shared.links;
        let mut left = None;
        if let Some(rate) = links.uplink(self.ix) {
            let uplink = self.uplink.get_or_insert_default();
            left = Some(uplink.send(lane, bytes, rate, ready));
        }
        if let Some(rate) = links.bandwidth(self.ix, peer)
            && let Some(extra) = self.sessions.extra_mut(session)
        {
            let ready = left.unwrap_or(ready);
            left = Some(extra.line.send(lane, bytes, rate, ready));
        }
        left
    }

    /// When a packet that gets there at `time` is read: a session is in order, and where a line has
    /// lanes, each of them is. What ends a session comes after everything.
    fn arrive(&mut self, session: SessionId, time: Time, lane: Option<Lane>) -> Option<Time> {
        let end = self.sessions.get_mut(session)?;
        let after_control = time.max(end.last_arrival);
        if lane != Some(Lane::Data) {
            end.last_arrival = after_control;
            return Some(after_control);
        }
        let extra = self.sessions.extra_mut(session)?;
        extra.data_arrival = time.max(extra.data_arrival);
        Some(extra.data_arrival)
    }
}
