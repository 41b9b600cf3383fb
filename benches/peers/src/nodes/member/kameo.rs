//! A node of kameo over a libp2p swarm. kameo connects nobody by itself: each node dials all before
//! it, and sees whom its swarm is connected to. Connections are kept while idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use kameo::prelude::*;
use kameo::remote;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;

use super::{Member, NAME};
use crate::Failure;
use crate::nodes::plan::Plan;

/// libp2p closes what is idle for 10 s; a mesh is to stay.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

#[derive(NetworkBehaviour)]
struct Behaviour {
    kameo: remote::Behaviour,
}

#[derive(Actor, RemoteActor)]
struct Holder;

pub(super) struct Kameo {
    others: Vec<Multiaddr>,
    dial: mpsc::Sender<Multiaddr>,
    connected: Arc<AtomicUsize>,
    holder: Option<ActorRef<Holder>>,
}

fn swarm() -> Result<Swarm<Behaviour>, Failure> {
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|key| Behaviour {
            kameo: remote::Behaviour::new(
                key.public().to_peer_id(),
                remote::messaging::Config::default(),
            ),
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(KEPT))
        .build();
    let started = swarm.behaviour().kameo.try_init_global();
    started.map_err(|error| format!("kameo: {error}"))?;
    Ok(swarm)
}

async fn drive(
    mut swarm: Swarm<Behaviour>,
    mut dial: mpsc::Receiver<Multiaddr>,
    connected: Arc<AtomicUsize>,
) {
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                    swarm.add_peer_address(peer_id, endpoint.get_remote_address().clone());
                    connected.store(swarm.connected_peers().count(), Ordering::Relaxed);
                }
                SwarmEvent::ConnectionClosed { .. } => {
                    connected.store(swarm.connected_peers().count(), Ordering::Relaxed);
                }
                _ => {}
            },
            Some(address) = dial.recv() => {
                // Who cannot be dialled is not seen, which is what is measured.
                let _ = swarm.dial(address);
            }
        }
    }
}

impl Member for Kameo {
    async fn start(plan: &Plan, place: usize) -> Result<Self, Failure> {
        let address = |port: &u16| format!("/ip4/127.0.0.1/tcp/{port}").parse::<Multiaddr>();
        let others: Result<Vec<Multiaddr>, _> = plan.ports[..place].iter().map(address).collect();
        let mut swarm = swarm()?;
        swarm.listen_on(address(&plan.ports[place])?)?;
        let (dial, dialled) = mpsc::channel(place.max(1));
        let connected = Arc::<AtomicUsize>::default();
        tokio::spawn(drive(swarm, dialled, connected.clone()));
        Ok(Self {
            others: others?,
            dial,
            connected,
            holder: None,
        })
    }

    async fn join(&mut self) -> Result<(), Failure> {
        for other in std::mem::take(&mut self.others) {
            self.dial.send(other).await?;
        }
        Ok(())
    }

    async fn sees(&mut self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let holder = Holder::spawn(Holder);
        holder.register(NAME).await?;
        self.holder = Some(holder);
        Ok(())
    }

    async fn knows(&mut self) -> Result<bool, Failure> {
        // Until the record is found, a look-up may also fail.
        let found = RemoteActorRef::<Holder>::lookup(NAME).await;
        Ok(matches!(found, Ok(Some(_))))
    }
}
