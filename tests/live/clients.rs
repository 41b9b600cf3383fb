//! Hidden and free nodes on loopback: they use a group without being in it.

use archipelago::{GroupSpec, InvitePolicy, Node, NodeEvent, NodeId, NodeRef};

use crate::support::{group_of, mailboxes, shutdown, within};

async fn attached(events: &mut archipelago::Events) -> NodeId {
    while let Some(event) = events.next().await {
        if let NodeEvent::Attached { to, .. } = event {
            return to;
        }
    }
    panic!("the node ended before a member served it");
}

/// G9: clients are not listed, find names, send and are answered; when a member that serves one dies
/// another one does.
#[tokio::test]
async fn g9_clients_use_a_group_that_does_not_list_them() {
    let mut members = group_of("shop", 3).await;
    let seeds = members.iter().map(|node| node.addresses()[0].clone());
    let spec = seeds.fold(GroupSpec::open("shop"), GroupSpec::seed);
    let client = Node::builder("customer")
        .client(spec)
        .start()
        .await
        .unwrap();
    let mut events = client.events();
    let first = within("being served", attached(&mut events)).await;
    let second = within("by two", attached(&mut events)).await;
    assert_ne!(first, second);
    assert_eq!(members[0].members("shop").unwrap().len(), 3);
    assert!(client.members("shop").is_none());

    // A name that no node outside may see, and the holder is none of the client's seeds only.
    let mut boxes = mailboxes(&members).await;
    let holder = members
        .iter()
        .position(|node| ![first, second].contains(&node.id()));
    let holder = holder.unwrap();
    let shop = members[holder].group("shop");
    within("registering", shop.register("till", boxes[holder].pid()))
        .await
        .unwrap();
    let mut own = within("a mailbox", client.mailbox()).await.unwrap();
    let found = within("finding the name", client.group("shop").lookup("till")).await;
    let till = found.unwrap().expect("it is held").pid;
    assert_eq!(till.node, members[holder].id());
    within("sending", client.send(&own, till, "bread"))
        .await
        .unwrap();
    let order = within("the order", boxes[holder].recv()).await.unwrap();
    assert_eq!(order.from, own.pid());
    within(
        "answering",
        members[holder].send(&boxes[holder], order.from, "two coins"),
    )
    .await
    .unwrap();
    let answer = within("the answer", own.recv()).await.unwrap();
    assert_eq!(&answer.payload[..], b"two coins");

    // The member that serves it dies: the third one takes its place.
    let dead = members.iter().position(|node| node.id() == first).unwrap();
    members.remove(dead).kill();
    let third = within("being served anew", attached(&mut events)).await;
    assert!(third != first && third != second);
    client.shutdown().await;
    shutdown(members).await;
}

/// U26: a node that knows an address and no group finds out where it can be served, is written to and
/// writes, is in no group until it is invited into one, and is a member then.
#[tokio::test]
async fn u26_a_free_node_is_served_by_whoever_listens_at_an_address() {
    let members = group_of("lobby", 3).await;
    let stray = Node::builder("stray")
        .bootstrap(members[1].addresses()[0].clone())
        .invites(InvitePolicy::Realm)
        .start()
        .await
        .unwrap();
    let home = within("being served", stray.attached()).await.unwrap();
    let lobby = members[0].group("lobby");
    assert_eq!(home, lobby.id());
    assert!(stray.members("lobby").is_none(), "it is in no group");
    let mut boxes = mailboxes(&members).await;
    let mut own = within("a mailbox", stray.mailbox()).await.unwrap();
    let to = boxes[0].pid();
    within("sending", stray.send(&own, to, "anybody?"))
        .await
        .unwrap();
    let heard = within("the question", boxes[0].recv()).await.unwrap();
    within("answering", members[0].send(&boxes[0], heard.from, "yes"))
        .await
        .unwrap();
    let answer = within("the answer", own.recv()).await.unwrap();
    assert_eq!(&answer.payload[..], b"yes");

    let results = within(
        "inviting",
        lobby.add(&[NodeRef::in_group(stray.id(), home)]),
    )
    .await;
    assert!(results.unwrap().iter().all(|one| one.result.is_ok()));
    within("joining", stray.wait_members("lobby", 4))
        .await
        .unwrap();
    stray.shutdown().await;
    shutdown(members).await;
}
