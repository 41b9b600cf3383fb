//! Groups on loopback: forming, leaving, restarting, and who is not let in.
use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{group_of, shutdown, within};
use archipelago::{GroupSpec, Node, NodeEvent, RefuseReason, SessionKind};

/// E0, E1: twenty nodes that join through one seed all see each other, by one session a pair.
#[tokio::test]
async fn e1_a_group_of_twenty_forms_a_full_mesh() {
    const MEMBERS: usize = 20;
    let nodes = group_of("twenty", MEMBERS).await;
    let all: BTreeSet<_> = nodes.iter().map(Node::id).collect();
    for node in &nodes {
        let members = node.members("twenty").unwrap();
        let seen: BTreeSet<_> = members.iter().map(|member| member.node).collect();
        assert_eq!(seen, all);
        within("joining", node.joined("twenty")).await.unwrap();
    }
    let meshed = async {
        while !nodes.iter().all(|node| has_sessions(node, MEMBERS - 1)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("one session a pair", meshed).await;
    shutdown(nodes).await;
}

fn has_sessions(node: &Node, count: usize) -> bool {
    let sessions = node.sessions();
    let peers: BTreeSet<_> = sessions.iter().map(|session| session.peer).collect();
    let in_group = sessions
        .iter()
        .filter(|session| session.kind == SessionKind::Group);
    peers.len() == count && sessions.len() == count && in_group.count() == count
}

/// E5, G5: who leaves is gone for the others at once, told once to each watcher.
#[tokio::test]
async fn e5_a_node_that_leaves_is_told_once_to_each_watcher() {
    let nodes = group_of("leave", 3).await;
    let mut watchers = [nodes[0].events(), nodes[0].events()];
    within("leaving", nodes[2].leave("leave")).await.unwrap();
    for events in &mut watchers {
        let gone = within("the event", down_event(events)).await;
        assert_eq!(gone, (nodes[2].id(), archipelago::DownReason::Left));
    }
    let members = nodes[0].members("leave").unwrap();
    assert_eq!(members.len(), 2);
    assert!(nodes[2].members("leave").is_none());
    shutdown(nodes).await;
}

async fn down_event(
    events: &mut archipelago::Events,
) -> (archipelago::NodeId, archipelago::DownReason) {
    while let Some(event) = events.next().await {
        if let NodeEvent::MemberDown { member, reason, .. } = event {
            return (member.node, reason);
        }
    }
    panic!("the node stopped");
}

/// D2: a member that is killed and started again with its key file is the same node of a later
/// boot, back in its group, and its old pids are nobody's.
#[tokio::test]
async fn d2_a_restarted_node_is_back_with_a_later_boot() {
    let directory = scratch("restart");
    let key = directory.join("node.key");
    let seeds = group_of("restart", 2).await;
    let builder = Node::builder("phoenix").key_file(&key).group(
        GroupSpec::open("restart")
            .seed(seeds[0].addresses()[0].clone())
            .seed(seeds[1].addresses()[0].clone()),
    );
    let first = builder.clone().start().await.unwrap();
    within("joining", first.joined("restart")).await.unwrap();
    let old = first.mailbox().await.unwrap().pid();
    first.kill();
    within("stopping", first.stopped()).await;

    let second = builder.start().await.unwrap();
    within("rejoining", second.joined("restart")).await.unwrap();
    assert_eq!(second.id(), first.id());
    assert!(second.boot() > first.boot());
    let seen = async {
        loop {
            let members = seeds[0].members("restart").unwrap();
            let is_back = members
                .iter()
                .any(|member| member.node == second.id() && member.boot == second.boot());
            if is_back {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the new boot seen by others", seen).await;
    let mut inbox = second.mailbox().await.unwrap();
    let outbox = seeds[0].mailbox().await.unwrap();
    assert_ne!(inbox.pid(), old);
    within("a send", outbox.send(inbox.pid(), "welcome back"))
        .await
        .unwrap();
    let received = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(received.payload, "welcome back");
    let refused = within("a refusal", outbox.send(old, "are you there?")).await;
    assert_eq!(refused, Err(archipelago::SendError::NoMailbox));
    shutdown(vec![second]).await;
    shutdown(seeds).await;
    std::fs::remove_dir_all(directory).unwrap();
}

fn scratch(name: &str) -> std::path::PathBuf {
    let unique = format!("archipelago-{name}-{}", std::process::id());
    let directory = std::env::temp_dir().join(unique);
    // Left over from a run of the same number that was killed.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).unwrap();
    directory
}

/// A1, U2: without the cookie, or with another group's, nobody comes in; with it, they do.
#[tokio::test]
async fn a1_only_the_right_cookie_opens_the_group() {
    let keeper = Node::builder("keeper")
        .group(GroupSpec::with_cookie("vault", "open sesame"))
        .start()
        .await
        .unwrap();
    let seed = keeper.addresses()[0].clone();
    let wrong = Node::builder("wrong")
        .group(GroupSpec::with_cookie("vault", "open barley").seed(seed.clone()))
        .start()
        .await
        .unwrap();
    let mut events = wrong.events();
    let none = Node::builder("none")
        .group(GroupSpec::open("vault").seed(seed.clone()))
        .start()
        .await
        .unwrap();
    let refused = async {
        while let Some(event) = events.next().await {
            if let NodeEvent::Refused { reason, .. } = event {
                return reason;
            }
        }
        panic!("the node stopped");
    };
    let reason = within("a refusal", refused).await;
    assert!(
        matches!(reason, RefuseReason::NotAdmitted | RefuseReason::BackOff),
        "{reason:?}"
    );
    let right = Node::builder("right")
        .group(GroupSpec::with_cookie("vault", "open sesame").seed(seed))
        .start()
        .await
        .unwrap();
    within("joining", right.joined("vault")).await.unwrap();
    within("two members", keeper.wait_members("vault", 2))
        .await
        .unwrap();
    for outsider in [&wrong, &none] {
        let known = keeper.members("vault").unwrap();
        assert!(known.iter().all(|member| member.node != outsider.id()));
        let seen = outsider.members("vault").unwrap();
        assert!(seen.iter().all(|member| member.node != keeper.id()));
    }
    shutdown(vec![wrong, none, right, keeper]).await;
}

/// U1: a node may be in two groups, whose others know nothing of each other.
#[tokio::test]
async fn u1_a_node_in_two_groups_does_not_mix_them() {
    let left = group_of("left", 2).await;
    let right = group_of("right", 2).await;
    let both = Node::builder("both")
        .group(GroupSpec::open("left").seed(left[0].addresses()[0].clone()))
        .group(GroupSpec::open("right").seed(right[0].addresses()[0].clone()))
        .start()
        .await
        .unwrap();
    for (name, group) in [("left", &left), ("right", &right)] {
        within("joining", both.joined(name)).await.unwrap();
        for node in group {
            within("three members", node.wait_members(name, 3))
                .await
                .unwrap();
            assert_eq!(node.members(name).unwrap().len(), 3);
            assert_eq!(node.groups(), vec![node.group_id(name)]);
        }
    }
    assert_eq!(both.groups().len(), 2);
    shutdown(vec![both]).await;
    shutdown(left).await;
    shutdown(right).await;
}

/// Joining and leaving at run time; a group that is left can be joined again.
#[tokio::test]
async fn u2_a_node_moves_from_one_group_to_another() {
    let there = group_of("there", 2).await;
    let nodes = group_of("here", 2).await;
    let mover = &nodes[1];
    let spec = GroupSpec::open("there").seed(there[0].addresses()[0].clone());
    within("joining", mover.join(spec.clone())).await.unwrap();
    within("being in", mover.joined("there")).await.unwrap();
    within("leaving", mover.leave("here")).await.unwrap();
    within("three there", there[1].wait_members("there", 3))
        .await
        .unwrap();
    assert!(mover.joined("here").await.is_err());
    within("leaving again", mover.leave("there")).await.unwrap();
    within("joining again", mover.join(spec)).await.unwrap();
    within("being in again", mover.joined("there"))
        .await
        .unwrap();
    shutdown(nodes).await;
    shutdown(there).await;
}
