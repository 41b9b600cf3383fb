//! What this node does for others: passes their envelopes on, unread.
//!
//! A relay is taken from its source or from another reflector, and goes into a group only by a
//! reflector of it; a detour goes on within the group that this node is in.

use archipelago_core::wire::{Envelope, List};
use archipelago_core::{Context, NodeId, Peer};

use super::seal::way;
use super::{Dropped, Forward, ForwardOutput, ForwardOutputs, Way};
use crate::routes::{has_session, pair_hash};
use crate::{Hop, Membership, Routes};

/// Which counter an envelope that is dropped goes to.
type Reason = fn(&mut Dropped) -> &mut u64;

impl Forward {
    pub(super) fn pass_on(
        &mut self,
        from: Peer,
        mut envelope: Box<Envelope>,
        routes: &dyn Routes,
        cx: &Context<'_>,
        out: &mut ForwardOutputs,
    ) {
        if way(&envelope) == Way::Detour && !is_well_routed(&envelope, cx) {
            // Every carrier checks this, so it is the fault of who brought it.
            self.drop_for(|dropped| &mut dropped.malformed);
            return out.push(ForwardOutput::Broken(from));
        }
        let next = match way(&envelope) {
            Way::Relay => relay(from, &envelope, routes, cx),
            Way::Detour => detour(from, &envelope, routes, cx).map(|peer| Hop {
                peer,
                heading: envelope.heading,
            }),
        };
        match next.and_then(|next| self.charge(next, &envelope, cx)) {
            Ok(Hop { peer: to, heading }) => {
                envelope.heading = heading;
                envelope.hops = envelope.hops.saturating_sub(1);
                envelope.route = List::truncated(envelope.route.iter().copied().skip(1));
                self.counters.passed_on += 1;
                out.push(ForwardOutput::Send { to, envelope });
            }
            Err(reason) => self.drop_for(reason),
        }
    }

    pub(super) fn drop_for(&mut self, reason: Reason) {
        *reason(&mut self.counters.dropped) += 1;
    }

    fn charge(&mut self, next: Hop, envelope: &Envelope, cx: &Context<'_>) -> Result<Hop, Reason> {
        if envelope.hops == 0 {
            return Err(|dropped| &mut dropped.hops);
        }
        if !has_session(next.peer, cx.peers) {
            return Err(|dropped| &mut dropped.no_session);
        }
        let len = envelope.sealed.bytes.len();
        let is_within = self.quotas.take(envelope.source, len, &self.config, cx.now);
        if is_within {
            Ok(next)
        } else {
            Err(|dropped| &mut dropped.quota)
        }
    }
}

fn relay(
    from: Peer,
    envelope: &Envelope,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> Result<Hop, Reason> {
    let serves = |client: &NodeId| routes.is_served(client, &cx.me);
    if !routes.reflects() && !serves(&envelope.source) && !serves(&envelope.target) {
        return Err(|dropped| &mut dropped.not_reflecting);
    }
    let is_trusted = is_source(from, envelope, cx)
        || routes.is_reflector(from)
        || is_by_host(from, &envelope.source, routes, cx);
    if !is_trusted {
        return Err(|dropped| &mut dropped.impostor);
    }
    let is_inside = || routes.is_inside(envelope.group, &envelope.source, cx.peers);
    match routes.standing(envelope.group) {
        Some(standing) if standing.is_closed && !is_inside() => Err(|dropped| &mut dropped.closed),
        Some(_) => match routes.membership(envelope.group, &envelope.target, cx.peers) {
            Membership::Up(peer) => Ok(Hop {
                peer,
                heading: envelope.heading,
            }),
            _ if serves(&envelope.target) => to_client(envelope, cx),
            // One that serves it: its word may be late, and hops end a misunderstanding.
            Membership::Gone | Membership::Unknown => next_reflector(from, envelope, routes, cx)
                .map_err(|_| -> Reason { |dropped| &mut dropped.no_target }),
        },
        None => next_reflector(from, envelope, routes, cx),
    }
}

/// The last hop, to a hidden node that this one serves.
fn to_client(envelope: &Envelope, cx: &Context<'_>) -> Result<Hop, Reason> {
    let peer = cx.peers.find(&envelope.target);
    let hop = peer.map(|peer| Hop {
        peer,
        heading: envelope.heading,
    });
    hop.ok_or(|dropped| &mut dropped.no_target)
}

/// Whether the envelope of a hidden node is brought by a member that serves it.
pub(super) fn is_by_host(
    from: Peer,
    source: &NodeId,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> bool {
    let bringer = cx.peers.get(from).map(archipelago_core::PeerState::id);
    bringer.is_some_and(|host| routes.is_served(source, &host))
}

/// The nearest reflector toward the group; after a source's first attempt another one by a hash,
/// so that whatever combination of reflectors withholds, some attempt goes round it.
fn next_reflector(
    from: Peer,
    envelope: &Envelope,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> Result<Hop, Reason> {
    let (group, heading) = (envelope.group, Some(envelope.heading));
    let mut choices = routes.hops_to(group, &envelope.target, heading, cx.peers);
    choices.retain(|hop| hop.peer != from);
    let turn = match envelope.attempt {
        0 => 0,
        attempt => {
            let flow = pair_hash(envelope.source, envelope.target) ^ cx.me.prefix();
            let mixed = pair_hash(numbered(flow), numbered(u64::from(attempt)));
            usize::try_from(mixed >> 40).unwrap_or(0)
        }
    };
    let turn = turn.checked_rem(choices.len());
    let choice = turn.and_then(|turn| choices.get(turn).copied());
    choice.ok_or(|dropped| &mut dropped.no_route)
}

fn numbered(number: u64) -> NodeId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    NodeId(id)
}

/// Whether the rest of a source route leads from here to its target.
fn is_well_routed(envelope: &Envelope, cx: &Context<'_>) -> bool {
    envelope.route.first() == Some(&cx.me) && envelope.route.last() == Some(&envelope.target)
}

/// The next node of a source route.
fn detour(
    from: Peer,
    envelope: &Envelope,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> Result<Peer, Reason> {
    let Some(next) = envelope.route.get(1) else {
        return Err(|dropped| &mut dropped.malformed);
    };
    if routes.standing(envelope.group).is_none() {
        return Err(|dropped| &mut dropped.impostor);
    }
    // One that joins is no member yet and may need the detour to become one: the other end of
    // this hop must be.
    let is_up = |id: &NodeId| {
        let membership = routes.membership(envelope.group, id, cx.peers);
        matches!(membership, Membership::Up(_))
    };
    let bringer = cx.peers.get(from).map(archipelago_core::PeerState::id);
    if !is_up(next) && !bringer.is_some_and(|id| is_up(&id)) {
        return Err(|dropped| &mut dropped.impostor);
    }
    cx.peers
        .find(next)
        .ok_or(|dropped: &mut Dropped| &mut dropped.no_session)
}

fn is_source(from: Peer, envelope: &Envelope, cx: &Context<'_>) -> bool {
    let state = cx.peers.get(from);
    state.is_some_and(|state| state.id() == envelope.source)
}
