//! Dials of a node: begun when the runtime has a pass for one more handshake, in the order in which
//! the machine asked.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;

use archipelago_core::{Address, NodeId};
use archipelago_router::{DialId, SessionEvent};
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};

use super::Actor;
use crate::runtime::Pass;
use crate::swarm::peer_id;

/// Dials that wait, and those under way.
#[derive(Default)]
pub(super) struct Dials {
    waiting: VecDeque<Dial>,
    /// The turn of the first that waits.
    turn: Option<Pin<Box<dyn Future<Output = Pass> + Send>>>,
    under_way: HashMap<ConnectionId, (DialId, Pass)>,
}

/// What the machine asked for.
struct Dial {
    id: DialId,
    peer: Option<NodeId>,
    addresses: Vec<Address>,
    /// The peer had a session already: it is dialled to see whether that is alive.
    is_redial: bool,
}

impl Dials {
    /// Waits for the first pass that is waited for; for ever where none is.
    ///
    /// Cancel safe.
    pub(super) async fn turn(&mut self) -> Pass {
        match &mut self.turn {
            Some(turn) => {
                let pass = turn.await;
                self.turn = None;
                pass
            }
            None => std::future::pending().await,
        }
    }

    /// The dial of a connection that is established now.
    pub(super) fn opened(&mut self, connection: ConnectionId) -> Option<DialId> {
        let (dial, pass) = self.under_way.remove(&connection)?;
        pass.opened();
        Some(dial)
    }

    /// The dial of a connection that came to nothing.
    pub(super) fn failed(&mut self, connection: ConnectionId) -> Option<DialId> {
        let (dial, _) = self.under_way.remove(&connection)?;
        Some(dial)
    }
}

impl Actor {
    /// Begins a dial when there is a pass for it.
    pub(super) fn dial(&mut self, id: DialId, peer: Option<NodeId>, addresses: &[Address]) {
        let dial = Dial {
            id,
            peer,
            addresses: addresses.to_vec(),
            is_redial: self.is_connected(peer),
        };
        let is_first = self.dials.waiting.is_empty();
        match self.shared.runtime.gate().try_pass().filter(|_| is_first) {
            Some(pass) => self.begin(&dial, pass),
            None => self.dials.waiting.push_back(dial),
        }
        self.queue_up();
    }

    /// A pass came: of the dials that nobody forestalled, the one that waited longest begins.
    pub(super) fn on_turn(&mut self, pass: Pass) {
        while let Some(dial) = self.dials.waiting.pop_front() {
            if dial.is_redial || !self.is_connected(dial.peer) {
                self.begin(&dial, pass);
                break;
            }
            let (dial, reason) = (dial.id, "the peer dialled meanwhile".to_owned());
            self.failed
                .push_back(SessionEvent::OpenFailed { dial, reason });
        }
        self.queue_up();
    }

    fn is_connected(&self, peer: Option<NodeId>) -> bool {
        peer.is_some_and(|peer| self.sessions.is_attached(peer))
    }

    /// Asks for a pass for the first that waits.
    fn queue_up(&mut self) {
        if self.dials.turn.is_none() && !self.dials.waiting.is_empty() {
            let gate = self.shared.runtime.gate().clone();
            self.dials.turn = Some(Box::pin(gate.pass()));
        }
    }

    /// Begins a dial; if that fails at once, the machine hears of it after this batch.
    fn begin(&mut self, dial: &Dial, pass: Pass) {
        self.shared.metrics.dials.add(1);
        let result = dial_opts(dial.peer, &dial.addresses).and_then(|opts| {
            let connection = opts.connection_id();
            let begun = self
                .swarm
                .awake()
                .dial(opts)
                .map_err(|error| error.to_string());
            begun.map(|()| connection)
        });
        match result {
            Ok(connection) => {
                self.dials.under_way.insert(connection, (dial.id, pass));
            }
            Err(reason) => {
                self.shared.metrics.dials_failed.add(1);
                let dial = dial.id;
                self.failed
                    .push_back(SessionEvent::OpenFailed { dial, reason });
            }
        }
    }
}

/// What the swarm needs to dial.
fn dial_opts(peer: Option<NodeId>, addresses: &[Address]) -> Result<DialOpts, String> {
    let addresses: Vec<Multiaddr> = addresses
        .iter()
        .filter_map(|address| address.0.parse().ok())
        .collect();
    let Some(first) = addresses.first() else {
        return Err("no address that this node understands".to_owned());
    };
    match peer {
        Some(node) => {
            let peer = peer_id(&node).ok_or("the node's id is no key")?;
            Ok(DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(addresses)
                .allocate_new_port()
                .build())
        }
        None => Ok(DialOpts::unknown_peer_id()
            .address(first.clone())
            .allocate_new_port()
            .build()),
    }
}
