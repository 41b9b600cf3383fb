//! Priorities through a slow path: what a 1 kB message to one mailbox waits while 300 kB messages
//! to another fill the same session (ACCEPTANCE U7).
//!
//! Loopback hides the matter: its kernel buffers take megabytes at once. So the session runs over a
//! proxy that forwards 100 Mbit/s each way through small socket buffers. A whole program, not a
//! timed test: it prints what it measured beside what the arithmetic allows.
//!
//! `cargo bench -p archipelago --bench priorities`

#[path = "../load/src/shaper.rs"]
#[allow(unreachable_pub, reason = "it is public where it lives")]
mod shaper;

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Mailbox, Node, NodeEvent, Pid, Sender};

const BITS_PER_S: u64 = 100_000_000;
const BULK_BYTES: usize = 300_000;
const SMALL_BYTES: usize = 1_000;
const SMALL_COUNT: usize = 200;
const SMALL_PAUSE: Duration = Duration::from_millis(25);
/// What may lie unacknowledged below the lanes, and in the proxy and its two sockets.
const BELOW_LANES_BYTES: u64 = 256 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let one = Node::builder("one")
        .group(GroupSpec::open("path"))
        .start()
        .await?;
    let proxy = shaper::start(port(&one.addresses()[0].0), BITS_PER_S).await?;
    let seed = format!("/ip4/127.0.0.1/tcp/{proxy}");
    let two = Node::builder("two")
        .group(GroupSpec::open("path").seed(seed.as_str()))
        .start()
        .await?;
    two.joined("path").await?;
    let mut events = one.events();
    let (small, bulk) = (one.mailbox().await?, one.mailbox().await?);
    let (small_pid, bulk_pid) = (small.pid(), bulk.pid());
    let sender = two.mailbox().await?.sender();

    let epoch = Instant::now();
    let receiving = tokio::spawn(latencies(small, epoch, 2 * SMALL_COUNT));
    send_small(&sender, small_pid, epoch).await?;
    let drained = tokio::spawn(drain(bulk));
    let flood = tokio::spawn(flood(two.mailbox().await?.sender(), bulk_pid));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let loaded = Instant::now();
    send_small(&sender, small_pid, epoch).await?;
    let took = loaded.elapsed();
    flood.abort();
    let all = receiving.await?;
    drained.abort();

    let mut suspicions = 0;
    while let Some(event) = events.try_next() {
        suspicions += usize::from(matches!(event, NodeEvent::MemberSuspect { .. }));
    }
    print(&all[..SMALL_COUNT], &all[SMALL_COUNT..], took, suspicions);
    two.shutdown().await;
    one.shutdown().await;
    Ok(())
}

async fn send_small(
    sender: &Sender,
    to: Pid,
    epoch: Instant,
) -> Result<(), Box<dyn std::error::Error>> {
    for _ in 0..SMALL_COUNT {
        let mut payload = vec![0; SMALL_BYTES];
        payload[..8].copy_from_slice(&(epoch.elapsed().as_micros() as u64).to_le_bytes());
        sender.send(to, payload).await?;
        tokio::time::sleep(SMALL_PAUSE).await;
    }
    Ok(())
}

async fn flood(sender: Sender, to: Pid) {
    while sender.send(to, vec![1; BULK_BYTES]).await.is_ok() {}
}

async fn drain(mut mailbox: Mailbox) {
    while mailbox.recv().await.is_some() {}
}

/// How long each message took, in the order of their sending.
async fn latencies(mut mailbox: Mailbox, epoch: Instant, count: usize) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(count);
    while latencies.len() < count {
        let Some(received) = mailbox.recv().await else {
            break;
        };
        let mut sent = [0; 8];
        sent.copy_from_slice(&received.payload[..8]);
        let sent = Duration::from_micros(u64::from_le_bytes(sent));
        latencies.push(epoch.elapsed().saturating_sub(sent));
    }
    latencies
}

fn print(idle: &[Duration], loaded: &[Duration], took: Duration, suspicions: usize) {
    let millis = |bytes: u64| bytes as f64 * 8.0 / BITS_PER_S as f64 * 1_000.0;
    println!(
        "1 kB beside 300 kB messages, {} Mbit/s:",
        BITS_PER_S / 1_000_000
    );
    println!(
        "  idle     p50 {:>7.2} ms   p99 {:>7.2} ms",
        at(idle, 50),
        at(idle, 99)
    );
    println!(
        "  loaded   p50 {:>7.2} ms   p99 {:>7.2} ms",
        at(loaded, 50),
        at(loaded, 99)
    );
    println!(
        "  one bulk message takes {:.1} ms on this path, what may lie below the lanes {:.1} ms",
        millis(BULK_BYTES as u64),
        millis(BELOW_LANES_BYTES),
    );
    println!(
        "  {suspicions} suspicions in {:.1} s of load",
        took.as_secs_f64()
    );
}

fn at(latencies: &[Duration], percent: usize) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(rank)
        .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
}

fn port(address: &str) -> u16 {
    let last = address.rsplit('/').next();
    last.and_then(|text| text.parse().ok())
        .expect("the node listens on TCP")
}
