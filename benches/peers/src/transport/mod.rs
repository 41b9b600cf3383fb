//! Each peer as a [`Link`]: the few words that a workload needs.

mod kameo;
mod nats;
mod ours;
mod ractor;
mod zenoh;

use std::any::Any;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archipelago_load::raw::{self, Raw};
use archipelago_load::{Link, LoadError, Received, Tally};
use bytes::Bytes;

use crate::Failure;
use crate::peer::Peer;

/// Bodies that bare TCP's queue is made for: its length is in messages.
const RAW_BODY_LEN: usize = 1_000;

/// What is served, while it is held.
pub(crate) struct Served {
    /// Where, in the peer's own terms, as one line.
    pub(crate) address: String,
    _held: Box<dyn Any>,
}

impl Served {
    fn new(address: String, held: impl Any) -> Self {
        Self {
            address,
            _held: Box::new(held),
        }
    }
}

/// The sending end of a peer.
#[derive(Clone)]
pub(crate) enum Transport {
    Raw(Raw),
    Ours(ours::Ours),
    Zenoh(zenoh::Zenoh),
    Kameo(kameo::Kameo),
    Ractor(ractor::Ractor),
    Nats(nats::Nats),
}

/// The receiving end of a peer.
pub(crate) async fn serve(peer: Peer) -> Result<Served, Failure> {
    match peer {
        Peer::RawTcp => Ok(Served::new(raw::serve().await?.to_string(), ())),
        Peer::Archipelago => ours::serve(false).await,
        Peer::ArchipelagoCaller => ours::serve(true).await,
        Peer::Zenoh => zenoh::serve(false).await,
        Peer::ZenohTls => zenoh::serve(true).await,
        Peer::Kameo => kameo::serve().await,
        Peer::Ractor => ractor::serve().await,
        Peer::Nats => nats::serve().await,
        Peer::Erlang => Err("Erlang is no transport of this process".into()),
    }
}

impl Transport {
    pub(crate) async fn connect(peer: Peer, address: &str) -> Result<Self, Failure> {
        Ok(match peer {
            Peer::RawTcp => Self::Raw(Raw::connect(address.parse()?, RAW_BODY_LEN).await?),
            Peer::Archipelago => Self::Ours(ours::Ours::connect(address, false).await?),
            Peer::ArchipelagoCaller => Self::Ours(ours::Ours::connect(address, true).await?),
            Peer::Zenoh | Peer::ZenohTls => Self::Zenoh(zenoh::Zenoh::connect(address).await?),
            Peer::Kameo => Self::Kameo(kameo::Kameo::connect(address).await?),
            Peer::Ractor => Self::Ractor(ractor::Ractor::connect(address).await?),
            Peer::Nats => Self::Nats(nats::Nats::connect(address).await?),
            Peer::Erlang => return Err("Erlang is no transport of this process".into()),
        })
    }
}

impl Link for Transport {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        match self {
            Self::Raw(link) => link.send(body).await,
            Self::Ours(link) => link.link.send(body).await,
            Self::Zenoh(link) => link.send(body).await,
            Self::Kameo(link) => link.send(body).await,
            Self::Ractor(link) => link.send(body).await,
            Self::Nats(link) => link.send(body).await,
        }
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        match self {
            Self::Raw(link) => link.flush().await,
            Self::Ours(link) => link.link.flush().await,
            Self::Zenoh(link) => link.flush().await,
            Self::Kameo(link) => link.flush().await,
            Self::Ractor(link) => link.flush().await,
            Self::Nats(link) => link.flush().await,
        }
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        match self {
            Self::Raw(link) => link.call(body).await,
            Self::Ours(link) => link.link.call(body).await,
            Self::Zenoh(link) => link.call(body).await,
            Self::Kameo(link) => link.call(body).await,
            Self::Ractor(link) => link.call(body).await,
            Self::Nats(link) => link.call(body).await,
        }
    }
}

/// A tally that several callbacks share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Tally>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, body: &[u8]) {
        self.lock().count(body);
    }

    /// What was counted, as it goes over the wire.
    fn taken(&self) -> Vec<u8> {
        let taken = self.lock().take();
        serde_json::to_vec(&taken).unwrap_or_default()
    }
}

/// A port of loopback that nobody had just now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
