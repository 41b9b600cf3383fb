//! Over kameo's remote actors: every message is a substream and is answered, which is the only way
//! in which it loses none.

use archipelago_load::{Link, LoadError, Received};
use bytes::Bytes;
use futures::StreamExt;
use kameo::prelude::*;
use kameo::remote;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, SwarmBuilder, noise, tcp, yamux};
use serde::{Deserialize, Serialize};

use super::{Served, Shared, free_port};
use crate::Failure;

const NAME: &str = "sink";

/// Longest message: longer than the longest body.
const MESSAGE_MAX: u64 = 16 << 20;

#[derive(NetworkBehaviour)]
struct Behaviour {
    kameo: remote::Behaviour,
}

#[derive(Actor, RemoteActor)]
struct Sink(Shared);

#[derive(Clone, Serialize, Deserialize)]
struct Body(Vec<u8>);

#[derive(Clone, Serialize, Deserialize)]
struct Count;

#[derive(Clone, Serialize, Deserialize)]
struct Echo(Vec<u8>);

#[remote_message]
impl Message<Body> for Sink {
    type Reply = ();

    async fn handle(&mut self, message: Body, _: &mut Context<Self, Self::Reply>) {
        self.0.count(&message.0);
    }
}

#[remote_message]
impl Message<Count> for Sink {
    type Reply = Vec<u8>;

    async fn handle(&mut self, _: Count, _: &mut Context<Self, Self::Reply>) -> Vec<u8> {
        self.0.taken()
    }
}

#[remote_message]
impl Message<Echo> for Sink {
    type Reply = Vec<u8>;

    async fn handle(&mut self, message: Echo, _: &mut Context<Self, Self::Reply>) -> Vec<u8> {
        message.0
    }
}

fn start(port: u16, dial: Option<Multiaddr>) -> Result<(), Failure> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|key| {
            let config = remote::messaging::Config::default()
                .with_request_size_maximum(MESSAGE_MAX)
                .with_response_size_maximum(MESSAGE_MAX)
                .with_max_concurrent_streams(4_096);
            Behaviour {
                kameo: remote::Behaviour::new(key.public().to_peer_id(), config),
            }
        })?
        .build();
    let started = swarm.behaviour().kameo.try_init_global();
    started.map_err(|error| format!("kameo: {error}"))?;
    swarm.listen_on(format!("/ip4/127.0.0.1/tcp/{port}").parse()?)?;
    if let Some(address) = dial {
        swarm.dial(address)?;
    }
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } = swarm.select_next_some().await
            {
                swarm.add_peer_address(peer_id, endpoint.get_remote_address().clone());
            }
        }
    });
    Ok(())
}

pub(super) async fn serve() -> Result<Served, Failure> {
    let port = free_port()?;
    start(port, None)?;
    let sink = Sink::spawn(Sink(Shared::default()));
    sink.register(NAME).await?;
    Ok(Served::new(format!("/ip4/127.0.0.1/tcp/{port}"), sink))
}

/// The remote actor.
#[derive(Clone)]
pub(crate) struct Kameo(RemoteActorRef<Sink>);

impl Kameo {
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        start(free_port()?, Some(address.parse()?))?;
        loop {
            if let Ok(Some(sink)) = RemoteActorRef::<Sink>::lookup(NAME).await {
                return Ok(Self(sink));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

impl Link for Kameo {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        let sent = self.0.ask(&Body(body.to_vec())).await;
        sent.map_err(|error| LoadError::transport(error.to_string()))
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        let counted = self.0.ask(&Count).await;
        let counted = counted.map_err(|error| LoadError::transport(error.to_string()))?;
        Ok(serde_json::from_slice(&counted)?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        let answer = self.0.ask(&Echo(body.to_vec())).await;
        let answer = answer.map_err(|error| LoadError::transport(error.to_string()))?;
        Ok(answer.into())
    }
}
