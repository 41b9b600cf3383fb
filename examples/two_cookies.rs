//! A node in two groups with two cookies. Changing the cookie of one shuts out whoever only knows
//! the old one, and leaves the other group alone.

use std::time::Duration;

use archipelago::{GroupSpec, Node, NodeEvent};

const WINDOW: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bakers = start("bakers", GroupSpec::with_cookie("bakers", "flour")).await?;
    let smiths = start("smiths", GroupSpec::with_cookie("smiths", "iron")).await?;
    let (oven, forge) = (address(&bakers), address(&smiths));

    // A cookie for each group, not one for all: the miller knows both.
    let miller = Node::builder("miller")
        .group(GroupSpec::with_cookie("bakers", "flour").seed(oven.clone()))
        .group(GroupSpec::with_cookie("smiths", "iron").seed(forge.clone()))
        .start()
        .await?;
    for group in ["bakers", "smiths"] {
        miller.joined(group).await?;
        println!("the miller is one of the {group}");
    }

    // The cookie of the one group does not open the other.
    let flour_only = GroupSpec::with_cookie("smiths", "flour").seed(forge.clone());
    println!(
        "smiths, by the bakers' cookie: {}",
        refused(flour_only).await?
    );

    // Any member changes the cookie for all. The old one counts for a window, and then no more.
    let mut bells = miller.events();
    bakers.group("bakers").rotate_cookie("rye", WINDOW).await?;
    while let Some(event) = bells.next().await {
        if let NodeEvent::CookieChanged { serial, .. } = event {
            println!("the miller was given cookie {serial} of the bakers");
            break;
        }
    }
    // Once the window is over nobody proves the old one to the miller either.
    tokio::time::sleep(2 * WINDOW).await;
    let by_the_old = GroupSpec::with_cookie("bakers", "flour").seed(oven.clone());
    println!("bakers, by the old cookie: {}", refused(by_the_old).await?);
    let by_the_new = GroupSpec::with_cookie("bakers", "rye").seed(oven);
    let apprentice = start("apprentice", by_the_new).await?;
    apprentice.joined("bakers").await?;
    bakers.wait_members("bakers", 3).await?;
    println!("bakers, by the new cookie: 3 members");

    // The other group's cookie is what it was.
    let by_iron = GroupSpec::with_cookie("smiths", "iron").seed(forge);
    let striker = start("striker", by_iron).await?;
    striker.joined("smiths").await?;
    smiths.wait_members("smiths", 3).await?;
    println!("smiths, by the cookie that they always had: 3 members");

    for node in [miller, apprentice, striker, bakers, smiths] {
        node.shutdown().await;
    }
    Ok(())
}

/// Tries to enter a group that does not let it in; says why.
async fn refused(group: GroupSpec) -> Result<String, Box<dyn std::error::Error>> {
    let stranger = Node::builder("stranger").start().await?;
    let mut events = stranger.events();
    stranger.join(group).await?;
    while let Some(event) = events.next().await {
        if let NodeEvent::Refused { reason, .. } = event {
            stranger.shutdown().await;
            return Ok(format!("{reason:?}"));
        }
    }
    Err("the stranger ended before it was refused".into())
}

async fn start(name: &str, group: GroupSpec) -> Result<Node, archipelago::StartError> {
    Node::builder(name).group(group).start().await
}

fn address(node: &Node) -> archipelago::Address {
    node.addresses().swap_remove(0)
}
