//! Names on loopback: registered, refused, moved, watched, lost with their process; and found from
//! another group (E7, E8, E12, E15, E20, G7, L1, Q23).
use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::{
    Claim, GroupSpec, NameError, Node, NodeEvent, OnLoss, RegisterError, SendNamedError, Standing,
};

/// E7, E8, E12, E15, Q23, L1: the life of a name.
#[tokio::test]
async fn e7_e8_e12_e15_q23_l1_a_name_is_held_refused_moved_and_gone() {
    let nodes = group_of("names", 3).await;
    let groups: Vec<_> = nodes.iter().map(|node| node.group("names")).collect();
    let mut boxes = mailboxes(&nodes).await;
    let (one, two) = (boxes[1].pid(), boxes[2].pid());

    let claim = Claim::new().metadata("first");
    let standing = groups[1].register_as("n", one, claim).await.unwrap();
    assert_eq!(standing, Standing::Holder);
    for group in &groups {
        assert_eq!(group.whereis("n"), Some(one), "everywhere when it returns");
        let info = group.name_info("n").unwrap();
        assert_eq!(&info.metadata[..], b"first");
        assert_eq!(group.names(), ["n"]);
    }
    let refused = groups[2].register("n", two).await.unwrap_err();
    assert_eq!(refused.holder().unwrap().pid, one);
    let foreign = groups[2].register("m", one).await;
    let expected = Err(RegisterError::Name(NameError::NoProcess));
    assert_eq!(foreign, expected, "only one's own processes");

    let mut watch = groups[0].watch_name("n").unwrap();
    assert_eq!(watch.holder().unwrap().pid, one);
    let mut events = nodes[1].events();
    groups[2].reregister("n", two).await.unwrap();
    assert_eq!(groups[0].whereis("n"), Some(two));
    assert_eq!(within("the watch", watch.changed()).await.unwrap().pid, two);
    let lost = async {
        while let Some(event) = events.next().await {
            if let NodeEvent::NameLost { pid, to, .. } = event {
                return (pid, to.pid);
            }
        }
        panic!("the node stopped")
    };
    assert_eq!(within("the loss", lost).await, (one, two));

    let standby = Claim::new().on_loss(OnLoss::Standby);
    let standing = groups[1].register_as("n", one, standby).await.unwrap();
    assert_eq!(standing, Standing::Standby);
    // The word of an end comes to each member by its own session.
    let mut there = groups[1].watch_name("n").unwrap();
    drop(boxes.pop());
    assert_eq!(within("fail-over", watch.changed()).await.unwrap().pid, one);
    assert_eq!(within("fail-over", there.changed()).await.unwrap().pid, one);
    let dead = groups[2].register("x", two).await;
    assert_eq!(dead, Err(RegisterError::Name(NameError::NoProcess)), "Q23");

    groups[1].unregister("n").await.unwrap();
    groups[1].unregister("n").await.unwrap();
    assert!(within("withdrawal", watch.changed()).await.is_none());
    shutdown(nodes).await;
}

/// The kill policy ends the process that lost its name.
#[tokio::test]
async fn l10_a_killed_process_reads_the_end_of_its_mailbox() {
    let nodes = group_of("kill", 2).await;
    let mut boxes = mailboxes(&nodes).await;
    let claim = Claim::new().on_loss(OnLoss::Kill);
    let (one, other) = (boxes[0].pid(), boxes[1].pid());
    let (first, second) = (nodes[0].group("kill"), nodes[1].group("kill"));
    first.register_as("n", one, claim).await.unwrap();
    second.reregister("n", other).await.unwrap();
    let end = within("the end", boxes[0].recv()).await;
    assert!(end.is_none(), "{end:?}");
    shutdown(nodes).await;
}

/// L1: the names of a node that died are gone, and can be had again.
#[tokio::test]
async fn l1_names_of_a_dead_node_vanish() {
    let nodes = group_of("dead", 3).await;
    let boxes = mailboxes(&nodes).await;
    let groups: Vec<_> = nodes.iter().map(|node| node.group("dead")).collect();
    groups[2].register("n", boxes[2].pid()).await.unwrap();
    // Where it is registered next: members hear of a death each for itself.
    let mut watch = groups[1].watch_name("n").unwrap();
    assert!(watch.holder().is_some());
    nodes[2].kill();
    assert!(within("the death", watch.changed()).await.is_none());
    groups[1].register("n", boxes[1].pid()).await.unwrap();
    shutdown(nodes).await;
}

/// G7, E20, U5: a name in another group is found and written to; one that nobody holds is not.
#[tokio::test]
async fn g7_e20_a_name_of_another_group_is_found_and_written_to() {
    let east = group_of("names-east", 2).await;
    let west = group_of("names-west", 2).await;
    let seed = |nodes: &[Node]| nodes[0].addresses()[0].clone();
    let bridge = Node::builder("bridge")
        .reflector()
        .group(GroupSpec::open("names-east").seed(seed(&east)))
        .group(GroupSpec::open("names-west").seed(seed(&west)))
        .start()
        .await
        .unwrap();
    for (nodes, name) in [(&east, "names-east"), (&west, "names-west")] {
        for node in nodes {
            within("members", node.wait_members(name, 3)).await.unwrap();
        }
    }
    let mut inbox = west[1].mailbox().await.unwrap();
    let outbox = east[1].mailbox().await.unwrap();
    let there = west[1].group("names-west");
    there.register("clerk", inbox.pid()).await.unwrap();
    let here = east[1].group("names-west");
    let found = async {
        loop {
            // Its reflector may not have heard of the other group yet.
            match here.lookup("clerk").await {
                Ok(Some(found)) => return found.pid,
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    assert_eq!(within("the look-up", found).await, inbox.pid());
    let sender = outbox.sender();
    let to = within("sending", here.send(&sender, "clerk", "hello")).await;
    assert_eq!(to.unwrap(), inbox.pid());
    let received = within("the message", inbox.recv()).await.unwrap();
    assert_eq!(
        (received.from, &received.payload[..]),
        (outbox.pid(), &b"hello"[..])
    );
    let nobody = within("sending", here.send(&sender, "nobody", "hello")).await;
    assert_eq!(nobody, Err(SendNamedError::NoHolder));
    assert_eq!(
        here.whereis("clerk"),
        None,
        "a local read of one's own groups"
    );
    shutdown(east).await;
    shutdown(west).await;
    shutdown(vec![bridge]).await;
}
