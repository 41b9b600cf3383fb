//! Groups that change while they run, on loopback (E1, E3, E5, E6, U2).
use std::time::Duration;

use crate::support::{group_of, shutdown, within};
use archipelago::{Changed, GroupSpec, Node, NodeEvent, NodeRef};

fn refs(nodes: &[Node]) -> Vec<NodeRef> {
    nodes.iter().map(|node| NodeRef::new(node.id())).collect()
}

/// E1, E3, E5, E6: a group is made of members of another, added to, reduced, given another cookie
/// and deleted, and says of each node what became of it.
#[tokio::test]
async fn e1_e3_e5_e6_a_group_is_made_and_changed_by_its_members() {
    let nodes = group_of("base", 5).await;
    let spec = GroupSpec::with_cookie("new", "secret");
    let others = refs(&nodes[1..3]);
    let made = within("making", nodes[0].create_group(spec, &others)).await;
    let made = made.unwrap();
    assert_eq!(made.len(), 2);
    assert!(
        made.iter().all(|one| one.result == Ok(Changed::Joined)),
        "{made:?}"
    );
    let group = nodes[1].group("new");
    let added = within("adding", group.add(&refs(&nodes[3..])))
        .await
        .unwrap();
    assert!(
        added.iter().all(|one| one.result == Ok(Changed::Joined)),
        "{added:?}"
    );
    for node in &nodes {
        within("members", node.wait_members("new", 5))
            .await
            .unwrap();
    }
    let mut events = nodes[4].events();
    let gone = [nodes[4].id()];
    let removed = group.remove_and_rotate(&gone, Duration::from_millis(300));
    let removed = within("removing", removed).await.unwrap();
    assert_eq!(removed[0].result, Ok(Changed::Left));
    let told = async {
        while let Some(event) = events.next().await {
            if matches!(event, NodeEvent::Removed { by, .. } if by == nodes[1].id()) {
                return;
            }
        }
    };
    within("being told", told).await;
    assert!(nodes[4].members("new").is_none());
    let known = async {
        while nodes[3].members("new").map(|members| members.len()) != Some(4) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the removal to be known", known).await;
    let deleted = within("deleting", nodes[3].group("new").delete())
        .await
        .unwrap();
    assert_eq!(deleted.len(), 3);
    assert!(
        deleted.iter().all(|one| one.result == Ok(Changed::Left)),
        "{deleted:?}"
    );
    for node in &nodes {
        let gone = async {
            while node.members("new").is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the group's end", gone).await;
        assert_eq!(node.members("base").map(|members| members.len()), Some(5));
    }
    shutdown(nodes).await;
}
