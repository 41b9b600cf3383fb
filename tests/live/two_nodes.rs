//! Two nodes on loopback: messages in order, typed, large, held back, and refused where they must
//! be.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::{Bytes, NodeEvent, SendError};

/// U6: ten thousand messages arrive in order, none lost, none twice.
#[tokio::test]
async fn u6_ten_thousand_messages_arrive_in_order() {
    const COUNT: u32 = 10_000;
    let nodes = group_of("pair", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let (to, from) = (inbox.pid(), outbox.pid());
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            let payload = number.to_le_bytes().to_vec();
            outbox.send(to, payload).await.unwrap();
        }
        outbox
    });
    for number in 0..COUNT {
        let received = within("a message", inbox.recv()).await.unwrap();
        assert_eq!(received.from, from);
        assert_eq!(received.payload, number.to_le_bytes()[..]);
    }
    sending.await.unwrap();
    assert!(inbox.try_recv().is_none());
    shutdown(nodes).await;
}

/// Both ways at once, small and of several chunks; U7's 300 kB among them.
#[tokio::test]
async fn large_and_small_messages_cross_both_ways() {
    let nodes = group_of("both-ways", 2).await;
    let boxes = mailboxes(&nodes).await;
    let pids: Vec<_> = boxes.iter().map(archipelago::Mailbox::pid).collect();
    let lens = [0, 1, 1_000, 300_000, 16 * 1024, 16 * 1024 + 1, 2_000_000];
    let mut tasks = Vec::new();
    for (index, mut mailbox) in boxes.into_iter().enumerate() {
        let to = pids[1 - index];
        tasks.push(tokio::spawn(async move {
            let sender = mailbox.sender();
            let sending = tokio::spawn(async move {
                for len in lens {
                    let payload = vec![len as u8; len];
                    sender.send(to, payload).await.unwrap();
                }
            });
            for len in lens {
                let received = within("a message", mailbox.recv()).await.unwrap();
                assert_eq!(received.payload.len(), len);
                assert!(received.payload.iter().all(|&byte| byte == len as u8));
            }
            sending.await.unwrap();
            mailbox
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    shutdown(nodes).await;
}

#[tokio::test]
async fn values_arrive_as_they_were_sent_and_others_are_refused() {
    let nodes = group_of("typed", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let value = (7_u32, "seven".to_owned(), vec![1_u8, 2, 3]);
    outbox.send_typed(inbox.pid(), &value).await.unwrap();
    outbox.send(inbox.pid(), "no such value").await.unwrap();
    let (from, received) = within("a value", inbox.recv_typed()).await.unwrap();
    assert_eq!((from, received), (outbox.pid(), value));
    let refused = within("a refusal", inbox.recv_typed::<(u32, u32)>()).await;
    assert!(matches!(
        refused,
        Err(archipelago::RecvError::Decode { from, .. }) if from == outbox.pid()
    ));
    shutdown(nodes).await;
}

/// U28: messages between mailboxes of one node touch no socket.
#[tokio::test]
async fn u28_messages_on_one_node_take_no_socket() {
    let nodes = group_of("alone", 1).await;
    let outbox = nodes[0].mailbox().await.unwrap();
    let mut inbox = nodes[0].mailbox().await.unwrap();
    outbox.send(inbox.pid(), "near").await.unwrap();
    assert_eq!(inbox.recv().await.unwrap().payload, "near");
    let metrics = nodes[0].metrics();
    assert_eq!(metrics.messages_local, 1);
    assert_eq!(metrics.messages_sent, 0);
    let gone = inbox.pid();
    drop(inbox);
    assert_eq!(outbox.send(gone, "x").await, Err(SendError::NoMailbox));
    assert_eq!(outbox.try_send(gone, "x"), Err(SendError::NoMailbox));
    shutdown(nodes).await;
}

/// U10: a mailbox that nobody reads holds its senders back, and nothing of theirs is lost.
#[tokio::test]
async fn u10_a_full_mailbox_holds_its_senders_back() {
    let nodes = group_of("slow", 2).await;
    let [mut slow, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let payload = Bytes::from(vec![0; 16 * 1024]);
    let mut accepted = 0_u32;
    // Until the mailbox, the window, the channel's queue and the peer's queue are full.
    let filling = async {
        loop {
            match outbox.try_send(slow.pid(), payload.clone()) {
                Ok(()) => accepted += 1,
                Err(SendError::Full) => {
                    let waiting = outbox.send(slow.pid(), payload.clone());
                    let moment = Duration::from_millis(300);
                    match tokio::time::timeout(moment, waiting).await {
                        Ok(sent) => {
                            sent.unwrap();
                            accepted += 1;
                        }
                        Err(_) => return,
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("filling", filling).await;
    // 1,024 in the mailbox; then at most 1 MiB queued, 256 KiB in the window, 256 KiB before it,
    // and what arrived before the pause.
    assert!((1_024..1_024 + 256).contains(&accepted), "{accepted}");
    let refused = outbox.try_send(slow.pid(), payload.clone());
    assert_eq!(refused, Err(SendError::Full));
    for _ in 0..accepted {
        let received = within("a message that waited", slow.recv()).await.unwrap();
        assert_eq!(received.payload.len(), payload.len());
    }
    assert!(slow.try_recv().is_none());
    outbox.send(slow.pid(), "room again").await.unwrap();
    let received = within("the last message", slow.recv()).await.unwrap();
    assert_eq!(received.payload, "room again");
    shutdown(nodes).await;
}

/// U7, U10: long messages that wait for a slow mailbox hold up no short one to another mailbox.
#[tokio::test]
async fn u7_a_short_message_passes_long_ones_that_wait() {
    let nodes = group_of("passing", 2).await;
    let [slow, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let mut quick = nodes[0].mailbox().await.unwrap();
    let long = Bytes::from(vec![0; 20 * 1024]);
    let filling = async {
        let moment = Duration::from_millis(300);
        let send = || outbox.send(slow.pid(), long.clone());
        while let Ok(sent) = tokio::time::timeout(moment, send()).await {
            sent.unwrap();
        }
    };
    within("filling", filling).await;
    within("a short message's send", outbox.send(quick.pid(), "short"))
        .await
        .unwrap();
    let received = within("the short message", quick.recv()).await.unwrap();
    assert_eq!(received.payload, "short");
    shutdown(nodes).await;
}

/// F14, U10: whoever sends to a mailbox that is not read waits, and holds up neither bodies nor short
/// messages to other mailboxes of the same node; all of it arrives in order once it is read.
#[tokio::test]
async fn f14_senders_to_a_full_mailbox_hold_up_nobody_else() {
    let nodes = group_of("stalled", 2).await;
    let [mut slow, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let mut quick = nodes[0].mailbox().await.unwrap();
    let (body, to) = (Bytes::from(vec![7; 300_000]), slow.pid());
    let sent = Arc::new(AtomicU32::new(0));
    let mut waiting = Vec::new();
    for len in [8, 300_000] {
        let (mailbox, sent) = (nodes[1].mailbox().await.unwrap(), Arc::clone(&sent));
        let payload = body.slice(..len);
        waiting.push(tokio::spawn(async move {
            while mailbox.send(to, payload.clone()).await.is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let stalled = async {
        let moment = Duration::from_millis(300);
        let mut before = u32::MAX;
        while sent.load(Ordering::Relaxed) != before {
            before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(moment).await;
        }
    };
    within("both senders waiting", stalled).await;
    for number in 0..40_u8 {
        let payload = body.slice(..if number % 2 == 0 { 300_000 } else { 8 });
        within(
            "a send to another",
            outbox.send(quick.pid(), payload.clone()),
        )
        .await
        .unwrap();
        let received = within("its arrival", quick.recv()).await.unwrap();
        assert_eq!(received.payload.len(), payload.len());
    }
    assert!(waiting.iter().all(|sender| !sender.is_finished()));
    for sender in waiting {
        sender.abort();
        let _ = sender.await;
    }
    for _ in 0..sent.load(Ordering::Relaxed) {
        within("what had waited", slow.recv()).await.unwrap();
    }
    shutdown(nodes).await;
}

/// U6: between the same two mailboxes a short message never passes a long one.
#[tokio::test]
async fn u6_short_and_long_messages_of_one_flow_keep_their_order() {
    let nodes = group_of("mixed", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();
    let sending = tokio::spawn(async move {
        for number in 0..400_u32 {
            let len = if number % 3 == 0 { 100_000 } else { 8 };
            let mut payload = vec![0; len];
            payload[..4].copy_from_slice(&number.to_le_bytes());
            outbox.send(to, payload).await.unwrap();
        }
        outbox
    });
    for number in 0..400_u32 {
        let received = within("a message", inbox.recv()).await.unwrap();
        assert_eq!(received.payload[..4], number.to_le_bytes());
    }
    within("sending", sending).await.unwrap();
    shutdown(nodes).await;
}

#[tokio::test]
async fn a_message_too_long_is_refused_at_once() {
    let nodes = group_of("long", 2).await;
    let [inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let max = 16 * 1024 * 1024;
    let payload = Bytes::from(vec![0; max + 1]);
    let refused = outbox.send(inbox.pid(), payload).await;
    assert_eq!(refused, Err(SendError::TooLong { len: max + 1, max }));
    shutdown(nodes).await;
}

/// U9: a message for a mailbox that is gone is told to the sender's node.
#[tokio::test]
async fn u9_a_far_mailbox_that_is_gone_is_told() {
    let nodes = group_of("gone", 2).await;
    let [inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let mut events = nodes[1].events();
    let gone = inbox.pid();
    drop(inbox);
    outbox.send(gone, "anybody?").await.unwrap();
    let told = async {
        while let Some(event) = events.next().await {
            if let NodeEvent::Undelivered { peer, messages } = event {
                return (peer, messages);
            }
        }
        panic!("the node stopped");
    };
    assert_eq!(within("the event", told).await, (nodes[0].id(), 1));
    shutdown(nodes).await;
}

/// U9: a node that was killed is an error, never a hang.
#[tokio::test]
async fn u9_a_killed_node_is_an_error_and_never_a_hang() {
    let nodes = group_of("killed", 2).await;
    let [inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    outbox.send(inbox.pid(), "hello").await.unwrap();
    nodes[0].kill();
    within("stopping", nodes[0].stopped()).await;
    let refused = async {
        loop {
            if let Err(error) = outbox.send(inbox.pid(), "still there?").await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = within("a refusal", refused).await;
    assert!(matches!(error, SendError::Unreachable(_)), "{error:?}");
    shutdown(nodes).await;
}

#[tokio::test]
async fn a_stopped_node_says_so_everywhere() {
    let nodes = group_of("stopped", 1).await;
    let mut mailbox = nodes[0].mailbox().await.unwrap();
    let mut events = nodes[0].events();
    within("shutting down", nodes[0].shutdown()).await;
    assert_eq!(
        mailbox.send(mailbox.pid(), "x").await,
        Err(SendError::Stopped)
    );
    let received = within("the end", mailbox.recv()).await;
    assert!(received.is_none(), "{received:?}");
    let mut last = None;
    while let Some(event) = within("the last event", events.next()).await {
        last = Some(event);
    }
    assert_eq!(last, Some(NodeEvent::Stopped));
    assert!(nodes[0].mailbox().await.is_err());
    assert!(nodes[0].leave("stopped").await.is_err());
}
