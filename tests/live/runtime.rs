//! The protocol runs on threads of its own: what users compute, stop or kill is their business.
use std::time::{Duration, Instant};

use crate::support::{group_of, shutdown, within};
use archipelago::{GroupSpec, Node, NodeEvent, Runtime};

/// U27: every thread of the user's runtime computes, for longer than a failure is detected in;
/// nobody is suspected, and traffic between others flows meanwhile.
#[test]
fn u27_a_user_that_computes_on_every_thread_delays_no_heartbeat() {
    let computing = Duration::from_secs(4);
    let user = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let nodes = user.block_on(group_of("busy", 3));
    let mut events = nodes[0].events();
    let began = Instant::now();
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            user.spawn(async move {
                while began.elapsed() < computing {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    // This thread is none of the user's runtime: it can look on.
    std::thread::sleep(computing);
    user.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
        while let Some(event) = events.try_next() {
            let is_bad = matches!(
                event,
                NodeEvent::MemberSuspect { .. }
                    | NodeEvent::MemberDown { .. }
                    | NodeEvent::SessionDown { .. }
            );
            assert!(!is_bad, "{event:?}");
        }
        for node in &nodes {
            assert_eq!(node.members("busy").unwrap().len(), 3);
        }
        shutdown(nodes).await;
    });
}

/// A node that is frozen is found to be dead by the others, and comes back when it goes on.
#[tokio::test]
async fn f2_a_stopped_node_is_down_and_returns() {
    let nodes = group_of("frozen", 4).await;
    let mut events = nodes[0].events();
    nodes[3].freeze();
    let down = async {
        while let Some(event) = events.next().await {
            if let NodeEvent::MemberDown { member, .. } = event {
                assert_eq!(member.node, nodes[3].id());
                return;
            }
        }
    };
    let began = Instant::now();
    within("its death", down).await;
    let seen_after = began.elapsed();
    assert!(seen_after < Duration::from_secs(6), "{seen_after:?}");
    nodes[3].thaw();
    for node in &nodes {
        within("its return", node.wait_members("frozen", 4))
            .await
            .unwrap();
    }
    shutdown(nodes).await;
}

/// A killed node says nothing; the others find out by its closed sockets.
#[tokio::test]
async fn f1_a_killed_node_is_down_soon() {
    let nodes = group_of("killed", 4).await;
    let mut watchers: Vec<_> = nodes[..3].iter().map(Node::events).collect();
    nodes[3].kill();
    for events in &mut watchers {
        let down = async {
            while let Some(event) = events.next().await {
                if let NodeEvent::MemberDown { member, reason, .. } = event {
                    return (member.node, reason);
                }
            }
            panic!("the node stopped");
        };
        let (node, reason) = within("its death", down).await;
        assert_eq!(node, nodes[3].id());
        assert_eq!(reason, archipelago::DownReason::Dead);
    }
    shutdown(nodes).await;
}

/// Nodes on a runtime of their own, within the memory of the process: no socket, same protocol.
#[tokio::test]
async fn nodes_may_have_a_runtime_of_their_own_and_no_socket() {
    let runtime = Runtime::new(1).unwrap();
    let builder = |name: &str| Node::builder(name).runtime(&runtime).listen("/memory/0");
    let one = builder("one")
        .group(GroupSpec::open("memory"))
        .start()
        .await
        .unwrap();
    let seed = one.addresses()[0].clone();
    assert!(seed.0.starts_with("/memory/"));
    let two = builder("two")
        .group(GroupSpec::open("memory").seed(seed))
        .start()
        .await
        .unwrap();
    within("joining", two.joined("memory")).await.unwrap();
    let mut inbox = one.mailbox().await.unwrap();
    let outbox = two.mailbox().await.unwrap();
    outbox.send(inbox.pid(), "hello").await.unwrap();
    let received = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(received.payload, "hello");
    shutdown(vec![one, two]).await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let start = |address: &'static str| Node::builder("odd").listen(address).start();
    let error = start("nowhere").await.unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    let error = start("/ip4/203.0.113.1/tcp/0")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("203.0.113.1"), "{error}");
    let unnamed = Node::builder("").start().await;
    assert!(unnamed.is_err());
    let twice = Node::builder("twice")
        .group(GroupSpec::open("one"))
        .group(GroupSpec::open("one"))
        .start()
        .await;
    assert!(twice.is_err());
}
