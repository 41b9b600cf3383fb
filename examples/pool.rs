//! A pool: work goes to the least loaded worker of a group, wherever it runs.
//!
//! Every node runs one worker, says that it offers the service `square` and how many pieces of work
//! wait there. The client, a member like the others, gives each piece to the less busy of two
//! workers that chance offers it, which spreads work almost as evenly as knowing everything.
//!
//! ```sh
//! cargo run --example pool
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago::{
    Choice, Group, GroupSpec, Mailbox, Myself, Node, NodeId, Offer, Scope, Strategy,
};

const WORKERS: usize = 4;
const PIECES: u64 = 800;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Node::builder("client")
        .group(GroupSpec::open("pool"))
        .start()
        .await?;
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        let group = GroupSpec::open("pool").seed(client.addresses()[0].clone());
        let node = Node::builder(&format!("worker-{index}"))
            .group(group)
            .start()
            .await?;
        node.joined("pool").await?;
        let inbox = node.mailbox().await?;
        // One of them is too slow for a fair share, which its load tells within a second.
        let pause = Duration::from_millis(if index == 0 { 30 } else { 2 });
        node.group("pool")
            .advertise("square", inbox.pid(), Offer::default())
            .await?;
        tokio::spawn(work(node.group("pool"), inbox, pause));
        workers.push(node);
    }
    let pool = client.group("pool");
    while pool.providers("square").len() < WORKERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let mut inbox = client.mailbox().await?;
    let choice = Choice {
        scope: Scope::Service {
            group: Some(pool.id()),
            service: "square".into(),
        },
        strategy: Strategy::TwoChoices,
        myself: Myself::Excluded,
        nodes_max: Some(1),
        ..Choice::default()
    };
    let mut given: BTreeMap<NodeId, usize> = BTreeMap::new();
    for piece in 0..PIECES {
        let node = pool.choose_nodes(&choice)[0];
        let workers = pool.providers("square");
        let worker = workers
            .iter()
            .find(|pid| pid.node == node)
            .ok_or("it has just left")?;
        inbox.send_typed(*worker, &piece).await?;
        *given.entry(node).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    let mut sum = 0;
    for _ in 0..PIECES {
        sum += inbox.recv_typed::<u64>().await?.1;
    }
    assert_eq!(sum, (0..PIECES).map(|piece| piece * piece).sum::<u64>());
    for node in &workers {
        let pieces = given.get(&node.id()).copied().unwrap_or(0);
        println!("{}: {pieces} pieces", node.name());
    }
    let slow = given.get(&workers[0].id()).copied().unwrap_or(0);
    assert!(
        slow < PIECES as usize / WORKERS,
        "the slow one got its full share"
    );
    println!("sum of all squares: {sum}");
    for node in workers.iter().chain([&client]) {
        node.shutdown().await;
    }
    Ok(())
}

/// Squares numbers one by one, and says how many wait.
async fn work(group: Group, mut inbox: Mailbox, pause: Duration) {
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, 64).await > 0 {
        while !waiting.is_empty() {
            let load = u32::try_from(waiting.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(1_000);
            // The group may have been left: then nobody asks for the load any more.
            let _ = group.set_load(load).await;
            let piece = waiting.remove(0);
            tokio::time::sleep(pause).await;
            if let Ok((from, number)) = piece.decode::<u64>() {
                let _ = inbox.send_typed(from, &(number * number)).await;
            }
            while let Some(more) = inbox.try_recv() {
                waiting.push(more);
            }
        }
        let _ = group.set_load(0).await;
    }
}
