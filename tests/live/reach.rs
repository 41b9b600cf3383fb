//! From group to group on loopback: relay first, then direct, in order; and what cannot be reached.
use std::time::Duration;

use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::{GroupSpec, Node, Pid, SendError, SessionKind};

/// Two groups of two, and a reflector that is in both.
pub(crate) struct Bridged {
    pub(crate) east: Vec<Node>,
    pub(crate) west: Vec<Node>,
    bridge: Node,
}

impl Bridged {
    pub(crate) async fn start(name: &str) -> Self {
        let (east_name, west_name) = (format!("{name}-east"), format!("{name}-west"));
        let east = group_of(&east_name, 2).await;
        let west = group_of(&west_name, 2).await;
        let bridge = Node::builder("bridge")
            .reflector()
            .group(GroupSpec::open(&east_name).seed(east[0].addresses()[0].clone()))
            .group(GroupSpec::open(&west_name).seed(west[0].addresses()[0].clone()))
            .start()
            .await
            .unwrap();
        within("joining", bridge.joined(&east_name)).await.unwrap();
        within("joining", bridge.joined(&west_name)).await.unwrap();
        for (nodes, name) in [(&east, &east_name), (&west, &west_name)] {
            for node in nodes {
                within("members", node.wait_members(name, 3)).await.unwrap();
            }
        }
        Self { east, west, bridge }
    }

    pub(crate) async fn shutdown(self) {
        shutdown(self.east).await;
        shutdown(self.west).await;
        shutdown(vec![self.bridge]).await;
    }
}

/// U6: messages begin by relay and go over to a direct session in mid-stream: none lost, none
/// twice, none out of order.
#[tokio::test]
async fn u6_relay_becomes_direct_in_mid_stream_and_keeps_the_order() {
    const COUNT_MIN: u32 = 2_000;
    let world = Bridged::start("midstream").await;
    let mut inbox = world.west[1].mailbox().await.unwrap();
    let outbox = world.east[1].mailbox().await.unwrap();
    let to = inbox.pid();
    let node = world.east[1].clone();
    // Until the direct session carries frames, however long the dial takes, and then some more.
    let sending = tokio::spawn(async move {
        let mut left = COUNT_MIN;
        let mut number = 0_u32;
        while left > 0 {
            if node.metrics().data_bytes_sent > 0 {
                left -= 1;
            }
            let payload = [number, left].map(u32::to_le_bytes).concat();
            send_patiently(&outbox, to, payload).await;
            number += 1;
        }
        outbox
    });
    let mut number = 0_u32;
    loop {
        let received = within("a message", inbox.recv()).await.unwrap();
        let (sent, left) = received.payload.split_at(4);
        assert_eq!(sent, number.to_le_bytes());
        if left == 0_u32.to_le_bytes() {
            break;
        }
        number += 1;
    }
    let outbox = within("the sender", sending).await.unwrap();
    assert!(inbox.try_recv().is_none());
    let metrics = world.east[1].metrics();
    assert!(metrics.relay_bytes_sent > 0, "{metrics:?}");
    let direct = world.east[1]
        .sessions()
        .into_iter()
        .filter(|session| session.kind == SessionKind::OnDemand);
    let peers: Vec<_> = direct.map(|session| session.peer).collect();
    assert_eq!(peers, [world.west[1].id()]);

    // And back: the receiver answers whom it heard from, who is in no group of its own.
    let answer = world.west[1].mailbox().await.unwrap();
    within("an answer", answer.send(outbox.pid(), "heard you"))
        .await
        .unwrap();
    drop(outbox);
    world.shutdown().await;
}

/// Until the bridge's row is known everywhere there is no route: an error that says so.
async fn send_patiently(outbox: &archipelago::Mailbox, to: Pid, payload: Vec<u8>) {
    let sent = async {
        loop {
            match outbox.send(to, payload.clone()).await {
                Ok(()) => return,
                Err(SendError::Unreachable(_)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("a send", sent).await;
}

/// E18, one-shot traffic opens nothing; the answer finds its way back by relay.
#[tokio::test]
async fn a_single_message_goes_by_relay_and_opens_no_session() {
    let world = Bridged::start("oneshot").await;
    let mut inbox = world.west[0].mailbox().await.unwrap();
    let mut outbox = world.east[0].mailbox().await.unwrap();
    send_patiently(&outbox, inbox.pid(), b"question".to_vec()).await;
    let question = within("the question", inbox.recv()).await.unwrap();
    assert_eq!(question.payload, "question");
    within("the answer's send", inbox.send(question.from, "answer"))
        .await
        .unwrap();
    let answer = within("the answer", outbox.recv()).await.unwrap();
    assert_eq!(
        (answer.from, &answer.payload[..]),
        (inbox.pid(), &b"answer"[..])
    );
    let sessions = world.east[0].sessions();
    let on_demand = |kind| kind == SessionKind::OnDemand;
    assert!(sessions.iter().all(|session| !on_demand(session.kind)));
    world.shutdown().await;
}

/// A lone message is acknowledged when its time comes, though nothing else wakes the receiver; and
/// so it is not sent again.
#[tokio::test]
async fn a_single_message_is_acknowledged_by_the_clock_alone() {
    let world = Bridged::start("lonely").await;
    let mut inbox = world.west[0].mailbox().await.unwrap();
    let outbox = world.east[0].mailbox().await.unwrap();
    send_patiently(&outbox, inbox.pid(), b"alone".to_vec()).await;
    within("the message", inbox.recv()).await.unwrap();
    let once = world.east[0].metrics().relay_bytes_sent;
    let acknowledged = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while world.east[0].metrics().relay_bytes_received == 0 {
            looks.tick().await;
        }
    };
    within("the acknowledgement", acknowledged).await;
    assert_eq!(world.east[0].metrics().relay_bytes_sent, once);
    world.shutdown().await;
}

/// U9: a node that no reflector leads to is an error at once.
#[tokio::test]
async fn u9_a_group_that_nobody_bridges_is_an_error_and_no_hang() {
    let here = group_of("island-here", 1).await;
    let there = group_of("island-there", 1).await;
    let [far] = mailboxes(&there).await.try_into().unwrap();
    let [near] = mailboxes(&here).await.try_into().unwrap();
    let refused = within("a refusal", near.send(far.pid(), "hello?")).await;
    assert!(
        matches!(refused, Err(SendError::Unreachable(_))),
        "{refused:?}"
    );
    shutdown(here).await;
    shutdown(there).await;
}

/// D6: an idle on-demand session closes, and a later message opens it anew unnoticed.
#[tokio::test]
async fn d6_an_idle_session_closes_and_opens_again_unnoticed() {
    let east = group_of("idle-east", 1).await;
    let idle = Duration::from_millis(700);
    let bridge = Node::builder("bridge")
        .reflector()
        .group(GroupSpec::open("idle-east").seed(east[0].addresses()[0].clone()))
        .group(GroupSpec::open("idle-west"))
        .start()
        .await
        .unwrap();
    let member = |name: &'static str, group: &'static str| {
        let seed = bridge.addresses()[0].clone();
        let spec = GroupSpec::open(group).seed(seed);
        Node::builder(name).idle_timeout(idle).group(spec).start()
    };
    let one = member("one", "idle-east").await.unwrap();
    let two = member("two", "idle-west").await.unwrap();
    within("joining", one.joined("idle-east")).await.unwrap();
    within("joining", two.joined("idle-west")).await.unwrap();
    let outbox = one.mailbox().await.unwrap();
    let mut inbox = two.mailbox().await.unwrap();
    for round in 0..2_u32 {
        for number in 0..20_u32 {
            let payload = [round, number].map(u32::to_le_bytes).concat();
            send_patiently(&outbox, inbox.pid(), payload.clone()).await;
            let received = within("a message", inbox.recv()).await.unwrap();
            assert_eq!(received.payload, payload);
        }
        within("a session", on_demand(&one, 1)).await;
        within("its end", on_demand(&one, 0)).await;
        within("its end there", on_demand(&two, 0)).await;
    }
    shutdown(vec![one, two, bridge]).await;
    shutdown(east).await;
}

async fn on_demand(node: &Node, count: usize) {
    loop {
        let sessions = node.sessions();
        let open = sessions
            .iter()
            .filter(|session| session.kind == SessionKind::OnDemand);
        if open.count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
