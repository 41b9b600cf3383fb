//! Calls on loopback: answers, deadlines, and an error that says what may have been done wherever
//! there is no answer (U5, U9, U10).
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, group_of, mailboxes, shutdown, within};
use archipelago::{CallError, Deadline, Limits, Mailbox, Node, Pid, SendError};
use futures::FutureExt;
use futures::future::join_all;

const SHORT: Duration = Duration::from_millis(200);

async fn pair(name: &str) -> (Vec<Node>, Mailbox, Mailbox) {
    let nodes = group_of(name, 2).await;
    let [server, client] = mailboxes(&nodes).await.try_into().unwrap();
    (nodes, server, client)
}

/// Answers every call by its own payload, until the mailbox ends.
async fn echo(mut mailbox: Mailbox) {
    while let Some(received) = mailbox.recv().await {
        if let Some(reply) = received.reply {
            reply.send(received.payload).await.unwrap();
        }
    }
}

/// U5: a thousand calls in flight each get the answer that is theirs, from afar and on one node.
#[tokio::test]
async fn u5_a_thousand_calls_in_flight_get_their_own_answers() {
    let (nodes, server, client) = pair("many").await;
    let to = server.pid();
    let local = within("a mailbox", nodes[0].mailbox()).await.unwrap();
    tokio::spawn(echo(server));
    for caller in [client.sender(), local.sender()] {
        let calls = (0..1_000_u32).map(|number| {
            let caller = &caller;
            async move {
                let payload = number.to_le_bytes().to_vec();
                let answer = caller.call(to, payload, DEADLINE).await;
                assert_eq!(answer.unwrap(), number.to_le_bytes()[..]);
            }
        });
        within("all answers", join_all(calls)).await;
    }
    assert_eq!(nodes[1].metrics().replies_late, 0);
    shutdown(nodes).await;
}

/// Casts and calls of one mailbox to another keep their order.
#[tokio::test]
async fn u6_calls_and_casts_keep_one_order() {
    let (nodes, mut server, client) = pair("order").await;
    let to = server.pid();
    let sending = tokio::spawn(async move {
        for number in 0..200_u32 {
            let payload = number.to_le_bytes().to_vec();
            if number % 2 == 0 {
                client.send(to, payload).await.unwrap();
            } else {
                client.call(to, payload, DEADLINE).await.unwrap();
            }
        }
    });
    for number in 0..200_u32 {
        let received = within("a message", server.recv()).await.unwrap();
        assert_eq!(received.payload, number.to_le_bytes()[..]);
        assert_eq!(received.reply.is_some(), number % 2 == 1);
        if let Some(reply) = received.reply {
            reply.send("").await.unwrap();
        }
    }
    sending.await.unwrap();
    shutdown(nodes).await;
}

/// U9: nobody there: an error at once, and nothing was done.
#[tokio::test]
async fn u9_a_call_to_a_dead_pid_fails_at_once() {
    let (nodes, server, client) = pair("dead-pid").await;
    let to = server.pid();
    drop(server);
    let call = within("an error", client.call(to, "x", DEADLINE)).await;
    assert_eq!(call, Err(CallError::NotSent(SendError::NoMailbox)));
    let here = within("a mailbox", nodes[0].mailbox()).await.unwrap();
    let call = within("an error", here.call(to, "x", DEADLINE)).await;
    assert_eq!(call, Err(CallError::NotSent(SendError::NoMailbox)));
    assert!(!call.unwrap_err().may_be_done());
    shutdown(nodes).await;
}

/// U9: a mailbox that ends with calls in it, and a request that is dropped.
#[tokio::test]
async fn u9_who_drops_a_request_says_so_at_once() {
    let (nodes, mut server, client) = pair("dropped").await;
    let (to, caller) = (server.pid(), client.sender());
    let call = tokio::spawn(async move { caller.call(to, "x", DEADLINE).await });
    let received = within("the request", server.recv()).await.unwrap();
    drop(received);
    let ended = within("the end", call).await.unwrap();
    assert_eq!(ended, Err(CallError::NoReply));
    assert!(ended.unwrap_err().may_be_done());

    let caller = client.sender();
    let call = tokio::spawn(async move { caller.call(to, "x", DEADLINE).await });
    let received = within("the request", server.recv()).await.unwrap();
    received.reply.unwrap().refuse();
    let ended = within("the end", call).await.unwrap();
    assert_eq!(ended, Err(CallError::Refused));
    shutdown(nodes).await;
}

/// U9: a silent receiver costs the caller its deadline and no more; what is late ends unseen, and
/// what nobody waits for is not handed over.
#[tokio::test]
async fn u9_a_deadline_ends_a_call_and_what_is_late_is_dropped() {
    let (nodes, mut server, client) = pair("deadline").await;
    let to = server.pid();
    let begun = Instant::now();
    let first = within("the end", client.call(to, "first", SHORT)).await;
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(first, Err(CallError::Timeout { is_sent: true }));
    client.send(to, "after it").await.unwrap();
    let received = within("the cast", server.recv()).await.unwrap();
    assert_eq!(received.payload, "after it");
    assert_eq!(nodes[0].metrics().calls_expired, 1);

    let caller = client.sender();
    let call = tokio::spawn(async move { caller.call(to, "second", SHORT).await });
    let received = within("the request", server.recv()).await.unwrap();
    let reply = received.reply.unwrap();
    assert!(reply.deadline() <= Deadline::after(SHORT));
    let ended = within("the end", call).await.unwrap();
    assert_eq!(ended, Err(CallError::Timeout { is_sent: true }));
    // The receiver's deadline lies behind the caller's by the time that the request took.
    while !reply.is_expired() {
        tokio::task::yield_now().await;
    }
    assert_eq!(reply.send("too late").await, Err(SendError::TooLate));
    shutdown(nodes).await;
}

/// U9: a node that dies with calls in flight: an error before the deadline, and it may be done.
#[tokio::test]
async fn u9_a_dead_node_ends_its_calls_before_their_deadline() {
    let (nodes, mut server, client) = pair("dead-node").await;
    let to = server.pid();
    let caller = client.sender();
    let call = tokio::spawn(async move { caller.call(to, "x", DEADLINE * 2).await });
    let _request = within("the request", server.recv()).await.unwrap();
    nodes[0].kill();
    let ended = within("the end", call).await.unwrap().unwrap_err();
    assert!(ended.may_be_done(), "{ended}");
    shutdown(nodes).await;
}

/// U9: a group that nobody leads to.
#[tokio::test]
async fn u9_a_call_to_an_unreachable_group_fails_before_its_deadline() {
    let nodes = group_of("alone", 1).await;
    let [client] = mailboxes(&nodes).await.try_into().unwrap();
    let to = Pid {
        node: archipelago::NodeId([7; 32]),
        home: Some(nodes[0].group_id("nowhere")),
        ..client.pid()
    };
    let call = within("an error", client.call(to, "x", DEADLINE * 2)).await;
    assert!(
        matches!(call, Err(CallError::NotSent(SendError::Unreachable(_)))),
        "{call:?}"
    );
    shutdown(nodes).await;
}

/// U10: calls in flight are bounded, a caller that goes away makes room, and a full mailbox costs
/// its callers their deadlines, with nothing done.
#[tokio::test]
async fn u10_calls_are_bounded_and_a_full_mailbox_holds_its_callers_back() {
    let limits = Limits {
        calls_max: 2,
        mailbox_len_max: 1,
        ..Limits::default()
    };
    let node = Node::builder("bounded")
        .limits(limits)
        .start()
        .await
        .unwrap();
    let [server, client] = [node.mailbox().await.unwrap(), node.mailbox().await.unwrap()];
    let to = server.pid();
    while client.try_send(to, "is it full?").is_ok() {}
    // Polled once, a call is in flight and waits for room.
    let mut first = Box::pin(client.call(to, "x", DEADLINE));
    assert!((&mut first).now_or_never().is_none());
    let second = within("an end", client.call(to, "x", SHORT)).await;
    assert_eq!(second, Err(CallError::Timeout { is_sent: false }));

    let mut third = Box::pin(client.call(to, "x", DEADLINE));
    assert!((&mut third).now_or_never().is_none());
    let refused = within("an end", client.call(to, "x", SHORT)).await;
    assert!(
        matches!(refused, Err(CallError::TooManyCalls(_))),
        "{refused:?}"
    );
    drop(third);
    let again = within("an end", client.call(to, "x", SHORT)).await;
    assert_eq!(again, Err(CallError::Timeout { is_sent: false }));
    drop(server);
    let ended = within("the end", first).await;
    assert_eq!(ended, Err(CallError::NotSent(SendError::NoMailbox)));
    node.shutdown().await;
}

/// Whoever stops ends its own calls.
#[tokio::test]
async fn u9_a_node_that_stops_ends_its_calls() {
    let (nodes, mut server, client) = pair("stops").await;
    let (to, caller) = (server.pid(), client.sender());
    let call = tokio::spawn(async move { caller.call(to, "x", DEADLINE * 2).await });
    let _request = within("the request", server.recv()).await.unwrap();
    nodes[1].kill();
    let ended = within("the end", call).await.unwrap();
    assert_eq!(ended, Err(CallError::Stopped));
    let after = within("an error", client.call(to, "x", DEADLINE)).await;
    assert_eq!(after, Err(CallError::NotSent(SendError::Stopped)));
    shutdown(nodes).await;
}
