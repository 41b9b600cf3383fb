//! Over zenoh: a publisher with congestion control `Block`, and queries for calls; peer to peer,
//! scouting off.

use archipelago_load::{Link, LoadError, Received};
use bytes::Bytes;
use zenoh::qos::CongestionControl;
use zenoh::{Config, Session, Wait};

use super::{Served, Shared, free_port};
use crate::Failure;

const SINK: &str = "bench/sink";
const COUNT: &str = "bench/count";
const ECHO: &str = "bench/echo";

/// A session, and what it publishes with.
#[derive(Clone)]
pub(crate) struct Zenoh {
    session: Session,
    publisher: std::sync::Arc<zenoh::pubsub::Publisher<'static>>,
}

pub(super) async fn serve(tls: bool) -> Result<Served, Failure> {
    let folder = tempfile::tempdir()?;
    let mut config = config()?;
    let port = free_port()?;
    let protocol = if tls { "tls" } else { "tcp" };
    let endpoint = format!("{protocol}/127.0.0.1:{port}");
    config.insert_json5("listen/endpoints", &format!("[{endpoint:?}]"))?;
    let mut address = endpoint;
    if tls {
        let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::write(&certificate, issued.cert.pem())?;
        std::fs::write(&key, issued.signing_key.serialize_pem())?;
        insert(&mut config, "listen_certificate", &certificate)?;
        insert(&mut config, "listen_private_key", &key)?;
        address = format!("{address} {}", certificate.display());
    }
    let session = zenoh::open(config).await?;
    let tally = Shared::default();
    let counting = tally.clone();
    let sink = session.declare_subscriber(SINK).callback(move |sample| {
        counting.count(&sample.payload().to_bytes());
    });
    let sink = sink.await?;
    let count = session.declare_queryable(COUNT).callback(move |query| {
        // Who gave up asking needs no answer.
        let _ = query.reply(COUNT, tally.taken()).wait();
    });
    let count = count.await?;
    let echo = session.declare_queryable(ECHO).callback(|query| {
        let body = query.payload().cloned().unwrap_or_default();
        let _ = query.reply(ECHO, body).wait();
    });
    let echo = echo.await?;
    Ok(Served::new(address, (session, sink, count, echo, folder)))
}

fn config() -> Result<Config, Failure> {
    let mut config = Config::default();
    config.insert_json5("mode", "\"peer\"")?;
    config.insert_json5("scouting/multicast/enabled", "false")?;
    config.insert_json5("listen/endpoints", "[]")?;
    Ok(config)
}

fn insert(config: &mut Config, key: &str, path: &std::path::Path) -> Result<(), Failure> {
    let value = serde_json::to_string(path)?;
    config.insert_json5(&format!("transport/link/tls/{key}"), &value)
}

impl Zenoh {
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        let mut config = config()?;
        let (endpoint, certificate) = match address.split_once(' ') {
            Some((endpoint, certificate)) => (endpoint, Some(certificate)),
            None => (address, None),
        };
        config.insert_json5("connect/endpoints", &format!("[{endpoint:?}]"))?;
        if let Some(certificate) = certificate {
            insert(&mut config, "root_ca_certificate", certificate.as_ref())?;
        }
        let session = zenoh::open(config).await?;
        let publisher = session.declare_publisher(SINK);
        let publisher = publisher
            .congestion_control(CongestionControl::Block)
            .await?;
        let zenoh = Self {
            session,
            publisher: std::sync::Arc::new(publisher),
        };
        // Until what is declared at the other end is known here, nothing would arrive there.
        while !publisher_matches(&zenoh).await? || zenoh.flush().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(zenoh)
    }

    async fn ask(&self, key: &'static str, body: Bytes) -> Result<Bytes, LoadError> {
        let get = self.session.get(key).payload(body);
        let replies = get.congestion_control(CongestionControl::Block).await;
        let replies = replies.map_err(LoadError::transport)?;
        let reply = replies.recv_async().await.map_err(LoadError::transport)?;
        let sample = reply.into_result();
        let sample = sample.map_err(|error| LoadError::transport(error.to_string()))?;
        Ok(Bytes::from(sample.payload().to_bytes().into_owned()))
    }
}

async fn publisher_matches(zenoh: &Zenoh) -> Result<bool, Failure> {
    Ok(zenoh.publisher.matching_status().await?.matching())
}

impl Link for Zenoh {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        self.publisher.put(body).await.map_err(LoadError::transport)
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        Ok(serde_json::from_slice(
            &self.ask(COUNT, Bytes::new()).await?,
        )?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        self.ask(ECHO, body).await
    }
}
