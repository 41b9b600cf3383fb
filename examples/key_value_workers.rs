//! Keyed workers behind proxies and behind any node: many small ones, or some with 300 kB of state.
//!
//! Four members host the service `kv`; a worker starts with the first request for its key, wherever
//! that falls. Two proxies, which host nothing, and the hosts themselves take requests. While they
//! do, a fifth member joins and one of the first leaves in order, so that workers move with their
//! states. Every worker counts its requests, and every answer must be one more than the last: a
//! request that was lost, done twice or done out of order would show, and so would a state that is
//! not what its worker left behind.
//!
//! ```sh
//! cargo run --release --example key_value_workers             # 2,000 keys, then 40 with 300 kB each
//! cargo run --release --example key_value_workers -- 100000   # 100,000 keys
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use archipelago::{
    Bytes, GroupSpec, HostConfig, Keyed, KeyedHost, KeyedRequest, KeyedWorker, Node, StopReason,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HOSTS: usize = 4;
const PROXIES: usize = 2;
/// Requests for each key.
const ROUNDS: u64 = 12;
/// Requests under way at once.
const AT_ONCE: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// How many states came with a wrong checksum; how many came at all.
static BROKEN: AtomicU64 = AtomicU64::new(0);
static MOVED: AtomicU64 = AtomicU64::new(0);

/// Counts its requests, and keeps as many bytes as it was told.
struct Counter {
    count: u64,
    data: Vec<u8>,
}

impl Counter {
    /// A worker of `bytes` bytes: anew, or with what it left where it ran before.
    fn start(bytes: usize, state: Option<Bytes>) -> Self {
        let Some(state) = state else {
            let (count, data) = (0, vec![0; bytes]);
            return Self { count, data };
        };
        MOVED.fetch_add(1, Relaxed);
        let (count, rest) = state.split_at(8);
        let (sum, data) = rest.split_at(8);
        if sum != checksum(data) {
            BROKEN.fetch_add(1, Relaxed);
        }
        let count = u64::from_le_bytes(count.try_into().unwrap_or_default());
        let data = data.to_vec();
        Self { count, data }
    }
}

impl KeyedWorker for Counter {
    async fn handle(&mut self, _request: KeyedRequest) -> Bytes {
        self.count += 1;
        for (place, byte) in (self.count..).zip(&mut self.data) {
            *byte = byte.wrapping_add(place as u8);
        }
        Bytes::copy_from_slice(&self.count.to_le_bytes())
    }

    async fn stop(self, _reason: StopReason) -> Option<Bytes> {
        let count = self.count.to_le_bytes();
        Some(
            [&count[..], &checksum(&self.data), &self.data]
                .concat()
                .into(),
        )
    }
}

fn checksum(data: &[u8]) -> [u8; 8] {
    let sum = data.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    sum.to_le_bytes()
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let keys = std::env::args().nth(1);
    let keys = keys.map_or(Ok(2_000), |keys| keys.parse())?;
    println!("  keys    state  requests  per second  moved  broken  lost");
    run(keys, 16).await?;
    run(40, 300_000).await
}

/// Asks `keys` workers of `bytes` bytes each while members come and go.
async fn run(keys: u64, bytes: usize) -> Outcome<()> {
    BROKEN.store(0, Relaxed);
    MOVED.store(0, Relaxed);
    let first = member("host-0", None).await?;
    let mut nodes = vec![first.clone()];
    for index in 1..HOSTS + PROXIES {
        nodes.push(member(&format!("member-{index}"), Some(&first)).await?);
    }
    let mut hosts = Vec::new();
    for node in &nodes[..HOSTS] {
        hosts.push(host(node, bytes).await?);
    }
    for host in &mut hosts {
        tokio::time::timeout(PATIENCE, host.settled()).await??;
    }
    // Proxies take half of all requests, hosts the other half, whomever they belong to.
    let mut entries = Vec::new();
    for node in nodes.iter().rev().take(2 * PROXIES) {
        entries.push(node.group("store").keyed("kv").await?);
    }
    let load = tokio::spawn(ask_all(Arc::new(entries), keys));
    let late = member("late", Some(&first)).await?;
    let mut late_host = host(&late, bytes).await?;
    tokio::time::timeout(PATIENCE, late_host.settled()).await??;
    hosts.remove(1).leave(PATIENCE).await?;
    let (requests, lost, took) = load.await??;
    let (moved, broken) = (MOVED.load(Relaxed), BROKEN.load(Relaxed));
    let rate = requests as f64 / took.as_secs_f64();
    println!("{keys:>6} {bytes:>8} {requests:>9} {rate:>11.0} {moved:>6} {broken:>7} {lost:>5}");
    assert_eq!((broken, lost), (0, 0), "something was lost on the way");
    assert!(moved > 0, "no worker moved");
    for node in nodes.iter().chain([&late]) {
        node.shutdown().await;
    }
    Ok(())
}

async fn member(name: &str, seed: Option<&Node>) -> Outcome<Node> {
    let mut group = GroupSpec::open("store");
    if let Some(seed) = seed {
        group = group.seed(seed.addresses()[0].clone());
    }
    let node = Node::builder(name).group(group).start().await?;
    tokio::time::timeout(PATIENCE, node.joined("store")).await??;
    Ok(node)
}

async fn host(node: &Node, bytes: usize) -> Outcome<KeyedHost> {
    let start = move |_key, state| async move { Counter::start(bytes, state) };
    let store = node.group("store");
    Ok(store.host_keyed("kv", HostConfig::default(), start).await?)
}

/// Asks every worker so many times, in turn; requests, those that were lost, and how long it took.
async fn ask_all(entries: Arc<Vec<Keyed>>, keys: u64) -> Outcome<(u64, u64, Duration)> {
    let begun = Instant::now();
    let lanes = (0..AT_ONCE.min(keys)).map(|lane| {
        let entries = entries.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for round in 1..=ROUNDS {
                for key in (lane..keys).step_by(AT_ONCE as usize) {
                    let entry = &entries[(key + round) as usize % entries.len()];
                    let answer = entry.call(key.to_be_bytes(), "count", PATIENCE).await;
                    let is_next = answer.is_ok_and(|count| count[..] == round.to_le_bytes());
                    lost += u64::from(!is_next);
                }
            }
            lost
        })
    });
    let mut lost = 0;
    for lane in lanes.collect::<Vec<_>>() {
        lost += lane.await?;
    }
    Ok((keys * ROUNDS, lost, begun.elapsed()))
}
