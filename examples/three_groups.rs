//! Three groups in a row, joined by two bridges: the ends reach each other, and stay apart.

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Mailbox, Node, Pid, SendError, SessionKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One member each, and a reflector in every two neighbours.
    let north = member("north").await?;
    let middle = member("middle").await?;
    let south = member("south").await?;
    let upper = bridge(&north, "north", &middle, "middle").await?;
    let lower = bridge(&middle, "middle", &south, "south").await?;

    // The first message goes by relay over both bridges; when more follow, a session opens
    // directly between the two. The receiver notices nothing of it.
    let outbox = north.mailbox().await?;
    let mut inbox = south.mailbox().await?;
    for number in 0..100_u32 {
        send(&outbox, inbox.pid(), number).await?;
        let (_, received): (Pid, u32) = inbox.recv_typed().await?;
        assert_eq!(received, number);
    }
    let direct: Vec<_> = north
        .sessions()
        .into_iter()
        .filter(|session| session.kind == SessionKind::OnDemand)
        .map(|session| session.peer)
        .collect();
    println!("100 messages in order; on-demand sessions of north: {direct:?}");
    assert_eq!(direct, [south.id()]);
    let members = north.members("north").ok_or("north is in its group")?;
    println!("north still has {} members and no others", members.len());
    assert_eq!(members.len(), 2);

    for node in [north, middle, south, upper, lower] {
        node.shutdown().await;
    }
    Ok(())
}

async fn member(group: &str) -> Result<Node, archipelago::StartError> {
    Node::builder(group)
        .group(GroupSpec::open(group))
        .start()
        .await
}

/// A reflector in the groups of two nodes.
async fn bridge(
    one: &Node,
    one_group: &str,
    two: &Node,
    two_group: &str,
) -> Result<Node, Box<dyn std::error::Error>> {
    let bridge = Node::builder("bridge")
        .reflector()
        .group(GroupSpec::open(one_group).seed(one.addresses()[0].clone()))
        .group(GroupSpec::open(two_group).seed(two.addresses()[0].clone()))
        .start()
        .await?;
    bridge.joined(one_group).await?;
    bridge.joined(two_group).await?;
    Ok(bridge)
}

/// Bridges need a moment to hear of each other: until then a send says that there is no route.
async fn send(from: &Mailbox, to: Pid, number: u32) -> Result<(), SendError> {
    let began = Instant::now();
    loop {
        match from.send_typed(to, &number).await {
            Err(SendError::Unreachable(_)) if began.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result,
        }
    }
}
