//! What this machine takes for the parts that the simulator has as parameters: measured on two live
//! nodes, then put into the simulator.
//!
//! The join of one node to a lone founder is a start, one handshake and a few messages. The same join
//! simulated without handshake time says how much of it is messages; what is left is the handshake.

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Mailbox, Node};
use serde::Serialize;

use super::simulated;
use crate::demo::DemoError;
use crate::demo::cluster::FormError;

/// Pairs that are brought up.
const PAIRS: usize = 7;
/// Messages that each pair exchanges, and how many of them do not count: the first open a stream.
const MESSAGES: (usize, usize) = (40, 8);
const PAUSE: Duration = Duration::from_millis(3);
const GROUP: &str = "pair";

/// The simulator's parameters.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Parameters {
    /// A message one way between two nodes with a session, in µs: the link's latency.
    pub(super) latency_us: f64,
    /// What a handshake takes each end, in µs.
    pub(super) handshake_us: f64,
    /// From the request to a node that listens, in µs.
    pub(super) start_us: f64,
    /// Within which all nodes were started, in ms.
    pub(super) starts_within_ms: f64,
}

impl Parameters {
    pub(super) fn latency(&self) -> Duration {
        micros(self.latency_us).max(Duration::from_micros(1))
    }

    pub(super) fn handshake(&self) -> Duration {
        micros(self.handshake_us)
    }

    pub(super) fn start(&self) -> Duration {
        micros(self.start_us)
    }

    pub(super) fn starts_within(&self) -> Duration {
        micros(self.starts_within_ms * 1e3)
    }
}

/// Measures all but when the cluster's nodes were started.
pub(super) async fn measure() -> Result<Parameters, DemoError> {
    let (mut starts, mut joins, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let begin = Instant::now();
        let one = start("one", None).await?;
        starts.push(begin.elapsed());
        let begin = Instant::now();
        let two = start("two", Some(&one)).await?;
        joins.push(begin.elapsed());
        messages.extend(talk(&one, &two).await?);
        two.kill();
        one.kill();
    }
    let mut parameters = Parameters {
        latency_us: median_us(messages),
        start_us: median_us(starts),
        ..Parameters::default()
    };
    let by_messages = simulated::join_of_two(&parameters);
    let handshakes = median_us(joins) - by_messages.as_secs_f64() * 1e6;
    // One at each end.
    parameters.handshake_us = (handshakes / 2.0).max(0.0);
    Ok(parameters)
}

async fn start(name: &str, seed: Option<&Node>) -> Result<Node, DemoError> {
    let spec = GroupSpec::with_cookie(GROUP, "a cookie of two");
    let spec = match seed {
        Some(seed) => spec.seed(seed.addresses()[0].clone()),
        None => spec,
    };
    let node = Node::builder(name).realm("calibrate").group(spec).start();
    let node = node.await.map_err(|source| FormError::Start {
        name: name.to_owned(),
        source,
    })?;
    node.joined(GROUP).await?;
    Ok(node)
}

/// Times of single messages, one way.
async fn talk(one: &Node, two: &Node) -> Result<Vec<Duration>, DemoError> {
    let (outbox, mut inbox): (Mailbox, Mailbox) = (two.mailbox().await?, one.mailbox().await?);
    let (count, skipped) = MESSAGES;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let sent = outbox.send(inbox.pid(), vec![0; 48]).await;
        if sent.is_err() || inbox.recv().await.is_none() {
            break;
        }
        times.push(begin.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times.split_off(skipped.min(times.len())))
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1e6
}

fn micros(count: f64) -> Duration {
    Duration::from_secs_f64(count.max(0.0) / 1e6)
}
