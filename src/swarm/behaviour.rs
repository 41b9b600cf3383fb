//! All connections of a node: limits at the door, and events of their streams.
//!
//! Its events are few: streams as they open. Connections' own comings and goings are the swarm's.
//! Limits are counted by connection, so that none is counted twice or forgotten.

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerInEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::handler::Handler;
use super::{HandlerIn, HandlerOut};
use crate::Limits;

/// The behaviour of a node's swarm.
#[derive(Debug)]
pub(crate) struct Behaviour {
    limits: Doors,
    pending_inbound: HashSet<ConnectionId>,
    pending_outbound: HashSet<ConnectionId>,
    /// Connections with each peer.
    established: HashMap<PeerId, u32>,
    established_len: u32,
    refused: u64,
    events: VecDeque<ToSwarm<StreamEvent, HandlerIn>>,
    waker: Option<Waker>,
}

/// Something about a stream of a connection.
#[derive(Debug)]
pub(crate) struct StreamEvent {
    pub(crate) connection: ConnectionId,
    pub(crate) event: HandlerOut,
}

#[derive(Debug)]
struct Doors {
    pending_inbound_max: u32,
    pending_outbound_max: u32,
    connections_max: u32,
    connections_per_peer_max: u32,
    streams_burst: u32,
    upgrade_timeout: Duration,
}

/// A limit was reached; the connection was not made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a limit is reached: {0}")]
struct LimitReached(&'static str);

impl Behaviour {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: Doors {
                pending_inbound_max: limits.pending_inbound_max,
                pending_outbound_max: limits.pending_outbound_max,
                connections_max: limits.connections_max,
                connections_per_peer_max: limits.connections_per_peer_max,
                streams_burst: limits.streams_burst,
                upgrade_timeout: limits.handshake_timeout,
            },
            pending_inbound: HashSet::new(),
            pending_outbound: HashSet::new(),
            established: HashMap::new(),
            established_len: 0,
            refused: 0,
            events: VecDeque::new(),
            waker: None,
        }
    }

    /// Asks for a data stream; [`HandlerOut::OutboundData`] or [`HandlerOut::Failed`] follows,
    /// or the connection closes.
    pub(crate) fn open_data(&mut self, peer: PeerId, connection: ConnectionId) {
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: HandlerIn::OpenData,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Connections refused since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    fn check(&mut self, is_over: bool, limit: &'static str) -> Result<(), ConnectionDenied> {
        if is_over {
            self.refused += 1;
            return Err(ConnectionDenied::new(LimitReached(limit)));
        }
        Ok(())
    }

    fn established(&mut self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let with_peer = self.established.get(peer).copied().unwrap_or(0);
        let per_peer_max = self.limits.connections_per_peer_max;
        self.check(with_peer >= per_peer_max, "connections with one node")?;
        let is_full = self.established_len >= self.limits.connections_max;
        self.check(is_full, "connections")
    }

    fn handler(&self, is_dialler: bool) -> Handler {
        Handler::new(
            is_dialler,
            self.limits.streams_burst,
            self.limits.upgrade_timeout,
        )
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let is_over = self.pending_inbound.len() >= self.limits.pending_inbound_max as usize
            || self.established_len >= self.limits.connections_max;
        self.check(is_over, "connections being accepted")?;
        self.pending_inbound.insert(connection);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.established(&peer)?;
        Ok(self.handler(false))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let is_over = self.pending_outbound.len() >= self.limits.pending_outbound_max as usize
            || self.established_len >= self.limits.connections_max;
        self.check(is_over, "dials under way")?;
        self.pending_outbound.insert(connection);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        self.established(&peer)?;
        Ok(self.handler(true))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(up) => {
                self.pending_inbound.remove(&up.connection_id);
                self.pending_outbound.remove(&up.connection_id);
                *self.established.entry(up.peer_id).or_default() += 1;
                self.established_len += 1;
            }
            FromSwarm::ConnectionClosed(down) => {
                self.established_len = self.established_len.saturating_sub(1);
                if let Some(count) = self.established.get_mut(&down.peer_id) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.established.remove(&down.peer_id);
                    }
                }
            }
            FromSwarm::DialFailure(failure) => {
                self.pending_outbound.remove(&failure.connection_id);
            }
            FromSwarm::ListenFailure(failure) => {
                self.pending_inbound.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        event: HandlerOut,
    ) {
        self.events
            .push_back(ToSwarm::GenerateEvent(StreamEvent { connection, event }));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<StreamEvent, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
