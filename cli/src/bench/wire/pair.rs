//! The two nodes and what each transport needs of them.

use std::time::Duration;

use archipelago::{GroupSpec, Mailbox, Node};
use archipelago_load::ours::Ours;
use archipelago_load::raw::Raw;
use archipelago_load::shaper;

use super::WireError;
use super::child::Serving;
use super::serve::{Config, GROUP};
use super::threads::Threads;
use super::transport::Transport;
use super::usage::Usage;

/// How long the two may take to meet.
const FORMING_MAX: Duration = Duration::from_secs(30);

/// The node of this process, and the other process.
#[derive(Debug)]
pub(crate) struct Pair {
    node: Node,
    sink: Mailbox,
    echo: Mailbox,
    serving: Serving,
    shape: Option<u64>,
}

impl Pair {
    /// Starts both, and returns when they are members of one group. With `shape` the only way
    /// between them has so many bits per second.
    pub(crate) async fn start(
        transport: Transport,
        threads: Threads,
        shape: Option<u64>,
    ) -> Result<Self, WireError> {
        let forming = tokio::time::timeout(FORMING_MAX, Self::form(transport, threads, shape));
        let formed = forming.await;
        formed.map_err(|_| WireError::Forming(FORMING_MAX))?
    }

    async fn form(
        transport: Transport,
        threads: Threads,
        shape: Option<u64>,
    ) -> Result<Self, WireError> {
        let realm = format!("bench-wire-{}", std::process::id());
        let node = transport.of(Node::builder("asking").realm(&realm));
        let node = threads.of(node)?;
        let node = node.group(GroupSpec::open(GROUP)).start().await?;
        let seeds = node.addresses().into_iter().map(|seed| seed.0.to_string());
        let mut seeds: Vec<_> = seeds.collect();
        if let Some(rate) = shape {
            seeds = vec![shaped(&seeds, rate).await?];
        }
        let config = Config {
            realm,
            seeds,
            transport,
            threads,
        };
        let serving = Serving::start(&config).await?;
        node.wait_members(GROUP, 2).await?;
        Ok(Self {
            sink: node.mailbox().await?,
            echo: node.mailbox().await?,
            node,
            serving,
            shape,
        })
    }

    /// The way over Archipelago.
    pub(crate) fn ours(&self) -> Ours {
        let served = &self.serving.served;
        Ours::new((&self.sink, served.sink), (&self.echo, served.echo))
    }

    /// A new way over bare TCP, for messages of `body_len` bytes.
    pub(crate) async fn raw(&self, body_len: usize) -> Result<Raw, WireError> {
        let mut address = self.serving.served.raw;
        if let Some(rate) = self.shape {
            address.set_port(shaper::start(address.port(), rate).await?);
        }
        Ok(Raw::connect(address, body_len).await?)
    }

    /// What both processes have taken of the machine.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.serving.id())
    }

    /// Ends both.
    pub(crate) async fn end(self) {
        self.serving.end().await;
        self.node.shutdown().await;
    }
}

/// A way to the first of these addresses that is one over TCP, at so many bits per second.
async fn shaped(seeds: &[String], rate: u64) -> Result<String, WireError> {
    let tcp = seeds.iter().find_map(|seed| seed.split_once("/tcp/"));
    let (host, rest) = tcp.ok_or(WireError::NoPort)?;
    let (port, suffix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = port.parse().map_err(|_| WireError::NoPort)?;
    let proxy = shaper::start(port, rate).await?;
    Ok(format!("{host}/tcp/{proxy}{suffix}"))
}
