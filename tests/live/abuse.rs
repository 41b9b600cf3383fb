//! A5: a peer with a session that opens streams or sends tiny frames by the hundred thousand
//! loses that session, and nobody else anything.
//!
//! The attacker is bare libp2p: it authenticates like any node, and follows no rule after that.
use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::Node;
use futures::{AsyncWriteExt, StreamExt};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{DeniedUpgrade, ReadyUpgrade};
use libp2p::core::{Endpoint, Transport};
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandlerEvent, SubstreamProtocol};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, SwarmEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, noise, tcp, yamux};

const CONTROL: StreamProtocol = StreamProtocol::new("/archipelago/control/1");
const DATA: StreamProtocol = StreamProtocol::new("/archipelago/data/1");
const MANY: usize = 100_000;

/// Opens `left` streams on each connection, one after the other, and hands them over.
struct Opener {
    left: usize,
    protocol: StreamProtocol,
    is_waiting: bool,
    opened: VecDeque<Stream>,
}

impl ConnectionHandler for Opener {
    type FromBehaviour = Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Stream>> {
        if let Some(stream) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if self.left > 0 && !self.is_waiting {
            self.left -= 1;
            self.is_waiting = true;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, DeniedUpgrade, Self::OutboundProtocol>,
    ) {
        if let ConnectionEvent::FullyNegotiatedOutbound(outbound) = event {
            self.opened.push_back(outbound.protocol);
        }
        self.is_waiting = false;
    }
}

/// The attacker's behaviour: as many streams as told.
struct Attacker {
    streams: usize,
    protocol: StreamProtocol,
    opened: VecDeque<Stream>,
}

impl Attacker {
    fn opener(&self) -> Opener {
        Opener {
            left: self.streams,
            protocol: self.protocol.clone(),
            is_waiting: false,
            opened: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Attacker {
    type ConnectionHandler = Opener;
    type ToSwarm = Stream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Opener, ConnectionDenied> {
        Ok(self.opener())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Opener, ConnectionDenied> {
        Ok(self.opener())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, stream: Stream) {
        self.opened.push_back(stream);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Stream, Infallible>> {
        let opened = self.opened.pop_front();
        opened.map_or(Poll::Pending, |stream| {
            Poll::Ready(ToSwarm::GenerateEvent(stream))
        })
    }
}

fn attacker(streams: usize, protocol: StreamProtocol) -> Swarm<Attacker> {
    let keys = libp2p::identity::Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(libp2p::core::upgrade::Version::V1Lazy)
        .authenticate(noise::Config::new(&keys).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Attacker {
        streams,
        protocol,
        opened: VecDeque::new(),
    };
    let config = libp2p::swarm::Config::with_tokio_executor();
    Swarm::new(transport, behaviour, keys.public().to_peer_id(), config)
}

fn dial(swarm: &mut Swarm<Attacker>, node: &Node) {
    let address: Multiaddr = node.addresses()[0].0.parse().unwrap();
    swarm.dial(address).unwrap();
}

/// The others talk on, the node lives, and the attack was counted.
async fn check_unharmed(nodes: Vec<Node>) {
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    outbox.send(inbox.pid(), "unharmed").await.unwrap();
    let received = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(received.payload, "unharmed");
    assert_eq!(nodes[0].sessions().len(), 1);
    assert!(nodes[0].metrics().abusive_peers_closed >= 1);
    shutdown(nodes).await;
}

/// A5: streams without end.
#[tokio::test]
async fn a5_streams_by_the_hundred_thousand_close_that_session_only() {
    let nodes = group_of("streams", 2).await;
    let mut swarm = attacker(MANY, DATA);
    dial(&mut swarm, &nodes[0]);
    let mut opened = 0;
    let closed = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(stream) => {
                    // Dropped at once: it is the number that attacks.
                    drop(stream);
                    opened += 1;
                }
                SwarmEvent::ConnectionClosed { .. } => return,
                _ => {}
            }
        }
    };
    within("the attacker thrown out", closed).await;
    assert!(opened < 1_000, "{opened} streams were let in");
    check_unharmed(nodes).await;
}

/// A5: tiny control frames without end; each is a whole message of three bytes.
#[tokio::test]
async fn a5_tiny_frames_by_the_hundred_thousand_close_that_session_only() {
    let nodes = group_of("frames", 2).await;
    let mut swarm = attacker(1, CONTROL);
    dial(&mut swarm, &nodes[0]);
    let flooded = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(stream) => {
                    tokio::spawn(flood(stream));
                }
                SwarmEvent::ConnectionClosed { .. } => return,
                _ => {}
            }
        }
    };
    within("the attacker thrown out", flooded).await;
    // Before its Hello it may not say anything else: the machine or the quota closes it.
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    outbox.send(inbox.pid(), "unharmed").await.unwrap();
    let received = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(received.payload, "unharmed");
    assert_eq!(nodes[0].sessions().len(), 1);
    shutdown(nodes).await;
}

/// `IdlePropose` in postcard is its variant's index alone: the smallest message there is.
async fn flood(mut stream: Stream) {
    let frame = [1, 0, 0, 0, 8];
    let frames = frame.repeat(1_000);
    for _ in 0..MANY / 1_000 {
        if stream.write_all(&frames).await.is_err() {
            return;
        }
    }
    // Whether this succeeds says nothing: the other end may be gone.
    let _ = stream.flush().await;
}

/// A6: bytes that are no message, and a length without bounds.
#[tokio::test]
async fn a6_bytes_that_are_no_message_close_that_session_only() {
    let nodes = group_of("garbage", 2).await;
    for garbage in [
        vec![0xff; 64],
        vec![0, 0, 0, 0],
        vec![2, 0, 0, 0, 0xee, 0xee],
    ] {
        let mut swarm = attacker(1, CONTROL);
        dial(&mut swarm, &nodes[0]);
        let closed = async {
            let mut kept = None;
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::Behaviour(mut stream) => {
                        stream.write_all(&garbage).await.unwrap();
                        stream.flush().await.unwrap();
                        kept = Some(stream);
                    }
                    SwarmEvent::ConnectionClosed { .. } => {
                        assert!(kept.is_some());
                        return;
                    }
                    _ => {}
                }
            }
        };
        within("the attacker thrown out", closed).await;
    }
    check_unharmed(nodes).await;
}

/// A4: whoever connects and says nothing is put out in time.
#[tokio::test]
async fn a4_a_connection_without_control_stream_is_closed() {
    let nodes = group_of("mute", 2).await;
    let mut swarm = attacker(0, CONTROL);
    dial(&mut swarm, &nodes[0]);
    let closed = async {
        loop {
            if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                return;
            }
        }
    };
    within("the mute put out", closed).await;
    assert_eq!(nodes[0].metrics().half_open_closed, 1);
    shutdown(nodes).await;
}
