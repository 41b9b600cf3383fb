//! One node in two groups: it hears both, and they stay apart.

use archipelago::{GroupSpec, Node, NodeEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Each group has a cookie of its own; the node in both knows both.
    let fishers = founder("fishers", "net").await?;
    let divers = founder("divers", "bell").await?;
    let guide = Node::builder("guide")
        .group(GroupSpec::with_cookie("fishers", "net").seed(fishers.addresses()[0].clone()))
        .group(GroupSpec::with_cookie("divers", "bell").seed(divers.addresses()[0].clone()))
        .start()
        .await?;
    guide.joined("fishers").await?;
    guide.joined("divers").await?;
    for group in ["fishers", "divers"] {
        let members = guide.members(group).ok_or("the guide is in it")?;
        println!("{group}: {} members", members.len());
        assert_eq!(members.len(), 2);
    }

    // The two others have no session with each other, and no group in common.
    assert!(fishers.members("divers").is_none());
    let strangers = fishers.sessions();
    assert!(strangers.iter().all(|session| session.peer != divers.id()));

    // Leaving one group leaves the other as it is; who stays is told.
    let mut events = divers.events();
    guide.leave("divers").await?;
    while let Some(event) = events.next().await {
        if let NodeEvent::MemberDown { member, reason, .. } = event {
            println!("the divers miss {}: {reason:?}", member.node);
            assert_eq!(member.node, guide.id());
            break;
        }
    }
    assert!(guide.members("divers").is_none());
    let members = guide.members("fishers").ok_or("the guide is in it")?;
    assert_eq!(members.len(), 2);

    for node in [guide, fishers, divers] {
        node.shutdown().await;
    }
    Ok(())
}

async fn founder(group: &str, cookie: &str) -> Result<Node, archipelago::StartError> {
    Node::builder(group)
        .group(GroupSpec::with_cookie(group, cookie))
        .start()
        .await
}
