//! Groupcasts on loopback: to a group and to a service, from inside and from another group, short
//! ones straight and long ones by a tree (U18).
use crate::support::{group_of, shutdown, within};
use archipelago::{GroupSpec, Groupcasted, Node, Subscription};

async fn subscriptions(nodes: &[Node], group: &str, topic: &str) -> Vec<Subscription> {
    let mut all = Vec::new();
    for node in nodes {
        all.push(node.group(group).subscribe(topic).await.unwrap());
    }
    all
}

/// A message that says its number, as long as asked.
fn message(number: u8, len: usize) -> Vec<u8> {
    vec![number; len]
}

/// U18: every member gets every message in order, short and long ones mixed, and nobody else's.
#[tokio::test]
async fn u18_members_get_all_messages_in_order() {
    let nodes = group_of("everybody", 7).await;
    let all = subscriptions(&nodes, "everybody", "").await;
    let mut others = subscriptions(&nodes[..1], "everybody", "another topic").await;
    let sender = nodes[2].mailbox().await.unwrap().sender();
    // Six copies of 300 kB are more than an origin sends alone.
    let lens = [10, 300_000, 20, 0, 1_000_000, 30, 40];
    for (number, len) in (0..).zip(lens) {
        let sent = sender.groupcast("everybody", "", message(number, len));
        within("sending", sent).await.unwrap();
    }
    for mut subscription in all {
        for (number, len) in (0..).zip(lens) {
            let got = within("a groupcast", subscription.recv()).await.unwrap();
            let Groupcasted::Message { from, payload } = got else {
                panic!("{got:?}");
            };
            assert_eq!(from, sender.pid());
            assert_eq!(payload, message(number, len));
        }
    }
    assert_eq!(others[0].try_recv(), None);
    shutdown(nodes).await;
}

/// U18: to a service in a group that the sender is not in: one copy crosses, all who offer it get
/// it.
#[tokio::test]
async fn u18_a_service_in_another_group_gets_one_copy_that_all_share() {
    let near = group_of("near", 1).await;
    let far = group_of("far", 3).await;
    let reflector = Node::builder("between")
        .reflector()
        .group(GroupSpec::open("near").seed(near[0].addresses()[0].clone()))
        .group(GroupSpec::open("far").seed(far[0].addresses()[0].clone()))
        .start()
        .await
        .unwrap();
    for (node, group, members) in [(&reflector, "near", 2), (&reflector, "far", 4)] {
        within("joining", node.wait_members(group, members))
            .await
            .unwrap();
    }
    within("the mesh", far[2].wait_members("far", 4))
        .await
        .unwrap();
    let mut offers = subscriptions(&far, "far", "billing").await;
    let sender = near[0].mailbox().await.unwrap();
    let route = async {
        // A reflector is known as one a moment after it is up.
        while let Err(error) = sender.sender().groupcast("far", "billing", "bill").await {
            assert_eq!(error, archipelago::GroupcastError::NoRoute);
            tokio::task::yield_now().await;
        }
    };
    within("a route", route).await;
    for offer in &mut offers {
        let got = within("a groupcast", offer.recv()).await.unwrap();
        let (from, payload) = (sender.pid(), "bill".into());
        assert_eq!(got, Groupcasted::Message { from, payload });
        assert_eq!(offer.try_recv(), None);
    }
    let alone = Node::builder("alone").start().await.unwrap();
    let lost = alone.mailbox().await.unwrap().sender();
    let nowhere = lost.groupcast("nowhere", "", "x").await;
    assert_eq!(nowhere, Err(archipelago::GroupcastError::NoRoute));
    shutdown(vec![alone]).await;
    shutdown(near).await;
    shutdown(far).await;
    shutdown(vec![reflector]).await;
}
