//! Two nodes, one message, one answer.

use archipelago::{GroupSpec, Node};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The first node founds the group, the second joins it through the first.
    let one = Node::builder("one")
        .group(GroupSpec::with_cookie("island", "palm tree"))
        .start()
        .await?;
    let seed = one.addresses()[0].clone();
    let two = Node::builder("two")
        .group(GroupSpec::with_cookie("island", "palm tree").seed(seed))
        .start()
        .await?;
    two.joined("island").await?;

    // A pid is all that is needed to send to a mailbox, from any node.
    let mut harbour = one.mailbox().await?;
    let mut ship = two.mailbox().await?;
    ship.send(harbour.pid(), "land ahoy").await?;

    let received = harbour.recv().await.ok_or("the node has stopped")?;
    println!(
        "{} heard from {}: {:?}",
        one.name(),
        received.from,
        received.payload
    );
    assert_eq!(received.payload, "land ahoy");

    // Values go as well, by serde.
    harbour.send_typed(received.from, &("berth", 7_u32)).await?;
    let (_, berth): (_, (String, u32)) = ship.recv_typed().await?;
    println!("{} was given {berth:?}", two.name());
    assert_eq!(berth, ("berth".to_owned(), 7));

    two.shutdown().await;
    one.shutdown().await;
    Ok(())
}
