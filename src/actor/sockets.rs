//! What the swarm says, handed to the machine; and connections closed when they are overdue.

use std::sync::Arc;

use archipelago_router::{DialId, SessionEvent};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{PeerId, Stream};
use tokio::time::Instant;

use super::Actor;
use super::sessions::Connection;
use crate::peer::Signal;
use crate::session::{Outbox, Pump};
use crate::swarm::{HandlerOut, StreamEvent, node_id};

impl Actor {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<StreamEvent>) {
        match event {
            SwarmEvent::Behaviour(StreamEvent { connection, event }) => {
                self.on_stream(connection, event);
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => self.on_established(peer_id, connection_id),
            SwarmEvent::ConnectionClosed { connection_id, .. } => self.on_closed(connection_id),
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                if let Some(dial) = self.dials.failed(connection_id) {
                    self.on_dial_failed(dial, error.to_string());
                }
            }
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, connection: ConnectionId) {
        let dial = self.dials.opened(connection);
        let Some(node) = node_id(&peer) else {
            self.swarm.awake().close_connection(connection);
            if let Some(dial) = dial {
                self.on_dial_failed(dial, "the peer's key is not Ed25519".to_owned());
            }
            return;
        };
        self.sessions
            .connect(connection, Connection::new(peer, node, dial));
        self.expect_progress(connection);
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        let Some(gone) = self.sessions.disconnect(connection) else {
            return;
        };
        // A session ends with its control stream, which fails now.
        if let (None, Some(dial)) = (gone.session, gone.dial) {
            self.on_dial_failed(dial, "closed before the control stream opened".to_owned());
        }
    }

    fn on_dial_failed(&mut self, dial: DialId, reason: String) {
        self.shared.metrics.dials_failed.add(1);
        let now = self.now();
        let event = SessionEvent::OpenFailed { dial, reason };
        self.node.handle_session(event, now, &mut self.out);
        self.perform();
    }

    fn on_stream(&mut self, connection: ConnectionId, event: HandlerOut) {
        match event {
            HandlerOut::Control(stream) => self.on_control(connection, stream),
            HandlerOut::InboundData(stream) => self.on_inbound_data(connection, stream),
            HandlerOut::OutboundData(stream) => self.on_outbound_data(connection, stream),
            HandlerOut::Failed => {
                self.swarm.awake().close_connection(connection);
            }
            HandlerOut::Abused => self.close_abused(connection),
        }
    }

    /// The control stream is there: the connection is a session.
    fn on_control(&mut self, connection: ConnectionId, stream: Stream) {
        let limit = self.shared.limits.control_queue_bytes_max;
        let outbox = Arc::new(Outbox::new(limit));
        let Some(session) = self.sessions.insert(connection, outbox.clone()) else {
            return;
        };
        let Some(known) = self.sessions.connection(connection) else {
            return;
        };
        let event = SessionEvent::Opened {
            session,
            peer: known.node,
            dial: known.dial,
        };
        let pump = Pump::new(session, stream, outbox, &self.shared);
        let requests = self.shared.requests.clone();
        tokio::spawn(pump.run(requests, self.shared.clone()));
        self.shared.metrics.sessions_opened.add(1);
        let now = self.now();
        self.node.handle_session(event, now, &mut self.out);
        self.perform();
    }

    fn on_inbound_data(&mut self, connection: ConnectionId, stream: Stream) {
        let session = self.sessions.connection(connection).and_then(|c| c.session);
        let attached = session
            .and_then(|session| Some((session, self.sessions.find(session)?)))
            .filter(|(_, known)| known.is_attached)
            .map(|(session, known)| (session, known.node));
        if let Some((session, node)) = attached {
            // Too many busy peers: the stream is dropped, and the peer's send fails with it.
            let signal = Signal::Inbound(session, stream);
            if self.shared.signal(node, signal).is_err() {
                self.swarm.awake().close_connection(connection);
            }
        } else if !self.sessions.keep_early(connection, stream) {
            self.close_abused(connection);
        }
    }

    fn on_outbound_data(&mut self, connection: ConnectionId, stream: Stream) {
        let Some(known) = self.sessions.connection(connection) else {
            return;
        };
        if let Some(session) = known.session
            && let Some(peer) = self.shared.peers.find(known.node)
        {
            // Who came to rest meanwhile has nothing to write.
            let _ended = peer.signal(Signal::Outbound(session, stream));
        }
    }

    pub(super) fn close_abused(&mut self, connection: ConnectionId) {
        self.shared.metrics.abusive_peers_closed.add(1);
        self.swarm.awake().close_connection(connection);
    }

    /// The connection is closed unless it opens its control stream, or is gone, in time.
    pub(super) fn expect_progress(&mut self, connection: ConnectionId) {
        let at = Instant::now() + self.shared.limits.handshake_timeout;
        self.deadlines.push_back((at, connection));
    }

    pub(super) fn close_overdue(&mut self) {
        let now = Instant::now();
        while let Some(&(at, connection)) = self.deadlines.front()
            && at <= now
        {
            self.deadlines.pop_front();
            if self.is_overdue(connection) {
                self.shared.metrics.half_open_closed.add(1);
                self.swarm.awake().close_connection(connection);
            }
        }
    }

    /// No control stream came, or the session was to be closed and is there still.
    fn is_overdue(&self, connection: ConnectionId) -> bool {
        let Some(known) = self.sessions.connection(connection) else {
            return false;
        };
        match known.session {
            None => true,
            Some(session) => match self.sessions.find(session) {
                None => true,
                Some(session) => session.outbox.is_closing(),
            },
        }
    }
}
