//! Over NATS: two clients of one `nats-server`, which is started where it is installed.

use std::process::Stdio;

use archipelago_load::{Link, LoadError, Received};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures::StreamExt;
use tokio::process::Command;

use super::{Served, Shared, free_port};
use crate::Failure;

/// Messages that a subscription holds before it drops some, as one that is to lose nothing would
/// have it.
const HELD_MAX: usize = 1 << 20;

/// A client.
#[derive(Clone)]
pub(crate) struct Nats(Client);

pub(super) async fn serve() -> Result<Served, Failure> {
    let port = free_port()?;
    let server = Command::new("nats-server")
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let server = server.map_err(|error| format!("nats-server: {error}; install it"))?;
    let address = format!("nats://127.0.0.1:{port}");
    let client = connect(&address).await?;
    // One subscription for both, so that the question stays behind what it asks for.
    let mut sink = client.subscribe("sink.>").await?;
    let mut echo = client.subscribe("echo").await?;
    client.flush().await?;
    let asking = client.clone();
    tokio::spawn(async move {
        let tally = Shared::default();
        while let Some(message) = sink.next().await {
            match message.reply {
                None => tally.count(&message.payload),
                Some(reply) => {
                    let _ = asking.publish(reply, tally.taken().into()).await;
                }
            }
        }
    });
    let answering = client.clone();
    tokio::spawn(async move {
        while let Some(message) = echo.next().await {
            if let Some(reply) = message.reply {
                let _ = answering.publish(reply, message.payload).await;
            }
        }
    });
    Ok(Served::new(address, (server, client)))
}

async fn connect(address: &str) -> Result<Client, Failure> {
    let options = ConnectOptions::new().subscription_capacity(HELD_MAX);
    Ok(options.retry_on_initial_connect().connect(address).await?)
}

impl Nats {
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        let nats = Self(connect(address).await?);
        nats.flush().await?;
        Ok(nats)
    }

    async fn ask(&self, subject: &'static str, body: Bytes) -> Result<Bytes, LoadError> {
        let answer = self.0.request(subject, body).await;
        Ok(answer.map_err(LoadError::transport)?.payload)
    }
}

impl Link for Nats {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        let sent = self.0.publish("sink.body", body).await;
        sent.map_err(LoadError::transport)
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        Ok(serde_json::from_slice(
            &self.ask("sink.count", Bytes::new()).await?,
        )?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        self.ask("echo", body).await
    }
}
