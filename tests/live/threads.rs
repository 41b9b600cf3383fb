//! Whose threads do the work: the node's own, the caller's, or a sender's for a message of its own.

use std::time::Duration;

use archipelago::{GroupSpec, Mailbox, Node, Runtime, RuntimeError};

use crate::support::{group_of, mailboxes, shutdown, within};

/// Two members on the threads of whoever calls this.
async fn two_here(name: &str) -> Vec<Node> {
    let runtime = Runtime::current().unwrap();
    let start = |group| Node::builder(name).runtime(&runtime).group(group).start();
    let one = start(GroupSpec::open(name)).await.unwrap();
    let seed = one.addresses()[0].clone();
    let two = start(GroupSpec::open(name).seed(seed)).await.unwrap();
    within("joining", two.joined(name)).await.unwrap();
    vec![one, two]
}

/// Lone messages, which their senders write, between bursts, which the peer's task writes, of four
/// tasks in one mailbox's name; each goes on when its last one arrived.
async fn alternate(nodes: &[Node]) {
    const FLOWS: usize = 4;
    const ROUNDS: usize = 150;
    let [mut inbox, outbox] = mailboxes(nodes).await.try_into().unwrap();
    let to = inbox.pid();
    let (arrived, last) = tokio::sync::watch::channel([0_u32; FLOWS]);
    let senders: Vec<_> = (0..FLOWS)
        .map(|flow| {
            let (sender, mut last) = (outbox.sender(), last.clone());
            tokio::spawn(async move {
                let mut number = 0_u32;
                for round in 0..ROUNDS {
                    let burst = [1, 1, 1, 7, 300][(round + flow) % 5];
                    for _ in 0..burst {
                        number += 1;
                        let mut body = vec![flow as u8];
                        body.extend_from_slice(&number.to_le_bytes());
                        sender.send(to, body).await.unwrap();
                    }
                    let is_there = last.wait_for(|last| last[flow] == number);
                    within("a burst", is_there).await.unwrap();
                }
                number
            })
        })
        .collect();
    let receiving = tokio::spawn(async move {
        while let Some(received) = inbox.recv().await {
            let (flow, number) = received.payload.split_first().unwrap();
            let number = u32::from_le_bytes(number.try_into().unwrap());
            arrived.send_modify(|last| {
                let last = &mut last[usize::from(*flow)];
                assert_eq!(number, *last + 1);
                *last = number;
            });
        }
    });
    for sender in senders {
        assert!(sender.await.unwrap() > 0);
    }
    assert!(!receiving.is_finished());
    receiving.abort();
    let metrics = nodes[1].metrics();
    assert!(metrics.peer_turns_saved > 0, "{metrics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u6_what_senders_write_and_what_the_task_writes_keeps_one_order() {
    let nodes = group_of("turns", 2).await;
    alternate(&nodes).await;
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u6_the_same_holds_on_the_callers_threads() {
    let nodes = two_here("turns-here").await;
    alternate(&nodes).await;
    shutdown(nodes).await;
}

/// One thread for two nodes, their users, and calls both ways at once.
#[tokio::test]
async fn one_thread_may_do_it_all() {
    let nodes = two_here("one-thread").await;
    let [one, two] = mailboxes(&nodes).await.try_into().unwrap();
    let (to_one, to_two) = (one.pid(), two.pid());
    let (from_one, from_two) = (one.sender(), two.sender());
    let echoes = [tokio::spawn(answer(one)), tokio::spawn(answer(two))];
    for _ in 0..200 {
        let deadline = Duration::from_secs(20);
        let there = from_one.call(to_two, "ping", deadline);
        let back = from_two.call(to_one, "ping", deadline);
        let (there, back) = tokio::join!(there, back);
        assert_eq!(
            (there.unwrap(), back.unwrap()),
            ("ping".into(), "ping".into())
        );
    }
    for echo in echoes {
        echo.abort();
    }
    shutdown(nodes).await;
}

async fn answer(mut inbox: Mailbox) {
    while let Some(received) = inbox.recv().await {
        if let Some(reply) = received.reply {
            reply.send(received.payload).await.unwrap();
        }
    }
}

#[test]
fn where_no_runtime_is_there_are_no_threads_of_the_callers() {
    let error = Runtime::current().unwrap_err();
    assert!(matches!(error, RuntimeError::NoExecutor));
    assert!(error.to_string().contains("Runtime::shared"), "{error}");
}

/// A runtime that knows no sockets cannot carry a node, and says so instead of hanging.
#[test]
fn a_runtime_without_sockets_starts_no_node() {
    let bare = tokio::runtime::Builder::new_current_thread().build();
    let started = bare.unwrap().block_on(async {
        let runtime = Runtime::current().unwrap();
        Node::builder("bare").runtime(&runtime).start().await
    });
    assert!(started.is_err());
}
