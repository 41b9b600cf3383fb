//! What this node does with envelopes for itself: checks, opens and remembers the way back.
//!
//! Nothing is learned from an envelope before it opened: the record in it is only what it is
//! opened with, and that must be signed by the source.

use std::sync::Arc;

use archipelago_core::wire::{Envelope, Payload};
use archipelago_core::{Context, NodeId, Peer, SignedRecord};

use super::contacts::Contact;
use super::pass::is_by_host;
use super::{Arrival, Dropped, Forward, ForwardOutput, ForwardOutputs, Way, seal};
use crate::{Membership, Routes};

/// Which counter an envelope that is dropped goes to.
type Reason = fn(&mut Dropped) -> &mut u64;

impl Forward {
    pub(super) fn on_arrival(
        &mut self,
        from: Peer,
        envelope: &Envelope,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut ForwardOutputs,
    ) {
        match self.take(from, envelope, routes, cx) {
            Ok(output) => {
                self.counters.arrived += 1;
                out.push(output);
            }
            Err(reason) => self.drop_for(reason),
        }
    }

    fn take(
        &mut self,
        from: Peer,
        envelope: &Envelope,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> Result<ForwardOutput, Reason> {
        let way = seal::way(envelope);
        check_bringer(from, envelope, routes, cx)?;
        self.check_boots(envelope)?;
        let record = self.source_record(envelope, cx)?;
        let plain = self.open(envelope, &record, way, cx)?;
        let payload = Payload::from_bytes(&plain).map_err(|_| malformed())?;
        self.admit(from, envelope, &record, way)?;
        let arrival = Arrival {
            source: envelope.source,
            boot: envelope.sealed.source_boot,
            group: envelope.group,
            way,
            via: from,
        };
        match payload {
            Payload::Frames(frames) => {
                check_sender(&arrival, routes, cx)?;
                Ok(ForwardOutput::FramesArrived { arrival, frames })
            }
            // A relay leads to nodes of other groups, and these have no virtual sessions.
            Payload::Control(_) if way == Way::Relay => Err(malformed()),
            Payload::Control(control) => Ok(ForwardOutput::ControlArrived { arrival, control }),
        }
    }

    fn check_boots(&self, envelope: &Envelope) -> Result<(), Reason> {
        let known = self.contacts.peek(&envelope.source);
        let is_past = known.is_some_and(|c| c.record.record.boot > envelope.sealed.source_boot);
        if is_past || envelope.sealed.target_boot != self.record.record.boot {
            return Err(|dropped| &mut dropped.boot);
        }
        Ok(())
    }

    /// The record to open with: the known one, unless the envelope brings a newer one.
    fn source_record(
        &self,
        envelope: &Envelope,
        cx: &Context<'_>,
    ) -> Result<Arc<SignedRecord>, Reason> {
        let sealed = &envelope.sealed;
        let peer = cx.peers.find(&envelope.source);
        let state = peer.and_then(|peer| cx.peers.get(peer));
        let met = self.contacts.peek(&envelope.source).map(|c| &c.record);
        let known = [state.and_then(|state| state.record()), met]
            .into_iter()
            .flatten()
            .max_by_key(|record| record.version());
        match (&sealed.record, known) {
            (Some(brought), known) if is_newer(brought, known) => {
                let is_own = brought.record.node == envelope.source
                    && brought.record.boot == sealed.source_boot;
                if !is_own || !brought.verify(cx.crypto) {
                    return Err(|dropped| &mut dropped.altered);
                }
                Ok(Arc::clone(brought))
            }
            (_, Some(known)) if known.record.boot == sealed.source_boot => Ok(Arc::clone(known)),
            (_, Some(_)) => Err(|dropped| &mut dropped.boot),
            (_, None) => Err(|dropped| &mut dropped.unknown_source),
        }
    }

    fn open(
        &self,
        envelope: &Envelope,
        record: &SignedRecord,
        way: Way,
        cx: &Context<'_>,
    ) -> Result<Vec<u8>, Reason> {
        let sealed = &envelope.sealed;
        let source = (envelope.source, sealed.source_boot);
        let target = (cx.me, sealed.target_boot);
        let context = seal::context(source, target, envelope.group, way);
        let key = &record.record.sealing_key;
        cx.crypto
            .open(key, sealed.nonce, &context, &sealed.bytes)
            .map_err(|_| -> Reason { |dropped| &mut dropped.altered })
    }

    /// Refuses what was opened before; remembers the source and the way that it came.
    fn admit(
        &mut self,
        from: Peer,
        envelope: &Envelope,
        record: &Arc<SignedRecord>,
        way: Way,
    ) -> Result<(), Reason> {
        let make = || Contact::new(Arc::clone(record), None);
        let contact = self.contacts.get_or_insert(envelope.source, make);
        contact.renew(record);
        if !contact.window.accept(seal::number(&envelope.sealed)) {
            return Err(|dropped| &mut dropped.replayed);
        }
        contact.note_heard(way, from);
        Ok(())
    }
}

fn malformed() -> Reason {
    |dropped| &mut dropped.malformed
}

fn is_newer(brought: &SignedRecord, known: Option<&Arc<SignedRecord>>) -> bool {
    known.is_none_or(|known| brought.version() > known.version())
}

/// A relay is brought by a reflector of a group that this node is in and that is not closed, or by
/// a member that serves the source or this node; a
/// detour by a member, with this node alone left on its route.
fn check_bringer(
    from: Peer,
    envelope: &Envelope,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> Result<(), Reason> {
    let way = seal::way(envelope);
    if way == Way::Relay && routes.uses(envelope.group) && routes.is_reflector(from) {
        // To a hidden node, by a member that serves it.
        return Ok(());
    }
    let Some(standing) = routes.standing(envelope.group) else {
        return Err(|dropped| &mut dropped.impostor);
    };
    let source = &envelope.source;
    let is_inside = || routes.is_inside(envelope.group, source, cx.peers);
    let is_by_host = || is_by_host(from, source, routes, cx);
    match way {
        Way::Relay if standing.is_closed && !is_inside() => Err(|dropped| &mut dropped.closed),
        Way::Relay if !routes.is_reflector(from) && !is_by_host() => {
            Err(|dropped| &mut dropped.impostor)
        }
        Way::Relay => Ok(()),
        Way::Detour if envelope.route.as_ref() != [cx.me] => Err(malformed()),
        Way::Detour => {
            let bringer = cx.peers.get(from).map(archipelago_core::PeerState::id);
            match bringer.map(|id| routes.membership(envelope.group, &id, cx.peers)) {
                Some(Membership::Up(_)) => Ok(()),
                _ => Err(|dropped| &mut dropped.impostor),
            }
        }
    }
}

/// Frames by detour are for members only: their channel is the group's.
fn check_sender(arrival: &Arrival, routes: &dyn Routes, cx: &Context<'_>) -> Result<(), Reason> {
    let is_member = |node: &NodeId| {
        let membership = routes.membership(arrival.group, node, cx.peers);
        matches!(membership, Membership::Up(_))
    };
    if arrival.way == Way::Relay || is_member(&arrival.source) {
        Ok(())
    } else {
        Err(|dropped| &mut dropped.impostor)
    }
}
