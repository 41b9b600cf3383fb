//! Calls per second between two nodes on loopback, with 1, 64 and 1,024 in flight; and on one node,
//! with and without codec.
//!
//! A whole program, not a timed test: each line is the calls that ended within some seconds, and how
//! long they took. A third of that time warms up first. `cargo bench -p archipelago --bench calls`

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Inbox, Mailbox, Node, Pid, Protocol, Sender};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

const RUN: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(30);
const BYTES: usize = 100;

#[derive(Serialize, Deserialize)]
struct Add(u64, u64);

impl Protocol for Add {
    const NAME: &'static str = "bench/add/1";
    type Reply = u64;
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let one = Node::builder("one")
        .group(GroupSpec::open("calls"))
        .start()
        .await?;
    let two = Node::builder("two")
        .group(GroupSpec::open("calls").seed(one.addresses()[0].clone()))
        .start()
        .await?;
    two.joined("calls").await?;
    let (server, adder) = (one.mailbox().await?, one.inbox::<Add>().await?);
    let (to, sums) = (server.pid(), adder.pid());
    tokio::spawn(echo(server));
    tokio::spawn(add(adder));
    let (far, near) = (two.mailbox().await?.sender(), one.mailbox().await?.sender());

    println!(
        "{:<34}{:>12}{:>12}{:>12}",
        "calls of 100 B", "calls/s", "p50 us", "p99 us"
    );
    for in_flight in [1, 64, 1_024] {
        let line = format!("two nodes, {in_flight} in flight");
        measure(&line, in_flight, || bytes(&far, to)).await?;
    }
    measure("one node, 64 in flight", 64, || bytes(&near, to)).await?;
    measure("one node, typed, 64 in flight", 64, || typed(&near, sums)).await?;
    measure("two nodes, typed, 64 in flight", 64, || typed(&far, sums)).await?;
    two.shutdown().await;
    one.shutdown().await;
    Ok(())
}

async fn bytes(sender: &Sender, to: Pid) -> Result<(), AnyError> {
    let answer = sender.call(to, vec![7; BYTES], DEADLINE).await?;
    assert_eq!(answer.len(), BYTES, "an echo is as long as the call");
    Ok(())
}

async fn typed(sender: &Sender, to: Pid) -> Result<(), AnyError> {
    let sum = sender
        .recipient::<Add>(to)
        .call(Add(40, 2), DEADLINE)
        .await?;
    assert_eq!(sum, 42, "the sum of both");
    Ok(())
}

/// Keeps so many calls in flight, and prints how it went.
async fn measure<F>(line: &str, in_flight: usize, call: impl Fn() -> F) -> Result<(), AnyError>
where
    F: Future<Output = Result<(), AnyError>>,
{
    let timed = || async {
        let begun = Instant::now();
        call().await?;
        Ok::<_, AnyError>(begun.elapsed())
    };
    let mut flying: FuturesUnordered<_> = (0..in_flight).map(|_| timed()).collect();
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < WARM_UP + RUN {
        let Some(took) = flying.next().await else {
            break;
        };
        let took = took?;
        if start.elapsed() >= WARM_UP {
            times.push(took);
        }
        flying.push(timed());
    }
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .map_or(0, Duration::as_micros)
    };
    let rate = times.len() as f64 / RUN.as_secs_f64();
    println!("{line:<34}{rate:>12.0}{:>12}{:>12}", at(50), at(99));
    Ok(())
}

async fn echo(mut mailbox: Mailbox) {
    while let Some(received) = mailbox.recv().await {
        if let Some(reply) = received.reply {
            // A caller that has gone needs no answer.
            let _ = reply.send(received.payload).await;
        }
    }
}

async fn add(mut inbox: Inbox<Add>) {
    while let Ok(delivery) = inbox.recv().await {
        if let Some(reply) = delivery.reply {
            let _ = reply.send(delivery.message.0 + delivery.message.1).await;
        }
    }
}
