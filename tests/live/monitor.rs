//! Monitors of live nodes on loopback: in a group, across groups, and what hostile letters do
//! (U8, A9).
use std::time::{Duration, Instant};

use crate::support::{group_of, shutdown, within};
use archipelago::{EndReason, Exit, GroupSpec, LocalId, Node, Pid, SessionKind};

/// U8: how a process ended is told once with its reason, on its own node and on another.
#[tokio::test]
async fn u8_a_monitor_tells_how_a_process_ended() {
    let nodes = group_of("monitors", 2).await;
    let exits = [
        Exit::Normal,
        Exit::failed("no disk"),
        Exit::panicked("index out of range"),
        Exit::Killed,
    ];
    for exit in exits {
        let mailbox = nodes[0].mailbox().await.unwrap();
        let pid = mailbox.pid();
        let answered = nodes[1].metrics().letters_received;
        let near = nodes[0].monitor(pid).await.unwrap();
        let far = nodes[1].monitor(pid).await.unwrap();
        // A second watch that is dropped changes nothing for the first.
        drop(nodes[1].monitor(pid).await.unwrap());
        // It is known to be watched once the watcher's letter was answered.
        settled(&nodes, answered).await;
        let ended = Instant::now();
        mailbox.end(exit.clone());
        let expected = EndReason::Exited(exit);
        assert_eq!(within("the far word", far).await, expected);
        println!("exit told in the group after {:?}", ended.elapsed());
        assert_eq!(within("the near word", near).await, expected);
        let late = nodes[1].monitor(pid).await.unwrap();
        assert_eq!(within("a late word", late).await, EndReason::NoProc);
    }
    shutdown(nodes).await;
}

/// Waits until the second has got more letters than that many, and as many came as were sent.
async fn settled(nodes: &[Node], answered: u64) {
    let is_settled = || {
        let [one, two] = [&nodes[0], &nodes[1]].map(Node::metrics);
        two.letters_received > answered
            && one.letters_received > 0
            && one.letters_received == two.letters_sent
            && two.letters_received == one.letters_sent
    };
    let waiting = async {
        while !is_settled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("letters", waiting).await;
}

/// U8, F1: a node that is killed, and one that shuts down.
#[tokio::test]
async fn u8_a_monitor_tells_the_end_of_a_node() {
    let mut nodes = group_of("ends", 4).await;
    for is_killed in [true, false] {
        let victim = nodes.pop().unwrap();
        let mailbox = victim.mailbox().await.unwrap();
        let process = nodes[0].monitor(mailbox.pid()).await.unwrap();
        let node = nodes[1].monitor_node(victim.id(), None).await.unwrap();
        let ended = Instant::now();
        if is_killed {
            victim.kill();
        } else {
            // What it watches itself ends with it.
            let own = victim.monitor_node(nodes[0].id(), None).await.unwrap();
            victim.shutdown().await;
            assert_eq!(within("its own", own).await, EndReason::Reset);
        }
        assert_eq!(within("the node", node).await, EndReason::NodeDown);
        println!(
            "killed {is_killed}: told in the group after {:?}",
            ended.elapsed()
        );
        assert_eq!(within("the process", process).await, EndReason::NodeDown);
        drop(mailbox);
    }
    shutdown(nodes).await;
}

/// U8: across groups, with no session held for it.
#[tokio::test]
async fn u8_a_monitor_across_groups_holds_no_session() {
    let east = group_of("watch-east", 2).await;
    let mut west = group_of("watch-west", 3).await;
    let bridges = [bridge(&east, &west).await, bridge(&east, &west).await];
    for (nodes, name, count) in [(&east, "watch-east", 4), (&west, "watch-west", 5)] {
        for node in nodes {
            within("members", node.wait_members(name, count))
                .await
                .unwrap();
        }
    }
    let victim = west.pop().unwrap();
    let exiting = victim.mailbox().await.unwrap();
    let staying = victim.mailbox().await.unwrap();
    // Until the bridges' rows are known everywhere there is no route.
    let exit = monitored(&east[1], exiting.pid()).await;
    let node = monitored(&east[1], staying.pid()).await;
    let ended = Instant::now();
    exiting.end(Exit::failed("done"));
    assert_eq!(
        within("the exit", exit).await,
        EndReason::Exited(Exit::failed("done"))
    );
    println!("exit told across after {:?}", ended.elapsed());
    let is_on_demand = |session: &archipelago::SessionInfo| session.kind == SessionKind::OnDemand;
    assert!(!east[1].sessions().iter().any(is_on_demand));
    assert!(!victim.sessions().iter().any(is_on_demand));
    let ended = Instant::now();
    victim.kill();
    assert_eq!(within("the node", node).await, EndReason::NodeDown);
    println!("killed node told across after {:?}", ended.elapsed());
    shutdown(east).await;
    shutdown(west).await;
    shutdown(bridges.into()).await;
}

async fn bridge(east: &[Node], west: &[Node]) -> Node {
    let bridge = Node::builder("bridge")
        .reflector()
        .group(GroupSpec::open("watch-east").seed(east[0].addresses()[0].clone()))
        .group(GroupSpec::open("watch-west").seed(west[0].addresses()[0].clone()))
        .start()
        .await
        .unwrap();
    for name in ["watch-east", "watch-west"] {
        within("joining", bridge.joined(name)).await.unwrap();
    }
    bridge
}

/// A monitor that its node has taken: it is begun anew while no route is known.
#[allow(
    clippy::async_yields_async,
    reason = "the monitor is what is waited for"
)]
async fn monitored(at: &Node, pid: Pid) -> archipelago::Monitor {
    let begin = async {
        loop {
            let answered = at.metrics().letters_received;
            let mut monitor = at.monitor(pid).await.unwrap();
            for _ in 0..100 {
                tokio::select! {
                    _ = &mut monitor => break,
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
                if at.metrics().letters_received > answered {
                    return monitor;
                }
            }
        }
    };
    within("a monitor", begin).await
}

/// A message to the control machine from anybody but another one is ignored, and counted.
#[tokio::test]
async fn a9_a_letter_from_a_mailbox_is_ignored_and_counted() {
    let nodes = group_of("hostile", 2).await;
    let inbox = nodes[0].mailbox().await.unwrap();
    let outbox = nodes[1].mailbox().await.unwrap();
    let control = Pid {
        local: LocalId::NODE,
        ..inbox.pid()
    };
    within("sending", outbox.send(control, vec![0; 64]))
        .await
        .unwrap();
    let counted = async {
        while nodes[0].metrics().letters_ignored == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("counting", counted).await;
    assert_eq!(nodes[0].metrics().letters_received, 0);
    shutdown(nodes).await;
}
