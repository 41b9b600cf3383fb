//! A group that keeps itself in size splits under traffic (U6, L1, L22): names and messages go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{mailboxes, shutdown, within};
use archipelago::{Bytes, GroupSpec, Mailbox, Node, NodeEvent, Pid, Regrouped, Sizing};

const GROUP: &str = "sized";
/// Two more than a group kept at 20 may have.
const MEMBERS: usize = 32;
/// Members that hold a name, and send to the next one but seven.
const HOLDERS: usize = 8;
/// A split takes some ten seconds: 5 s at rest before, 3 s in both groups.
const SPLIT_MAX: Duration = Duration::from_secs(120);

/// One more node, through the first.
async fn start(nodes: &mut Vec<Node>) {
    let mut group = GroupSpec::with_cookie(GROUP, "a secret").reflectors(2);
    if let Some(first) = nodes.first() {
        group = group.seed(first.addresses()[0].clone());
    }
    let name = format!("{GROUP}-{}", nodes.len());
    let builder = Node::builder(&name).reflector();
    let builder = builder.group(group.kept_at(Sizing::of(20)));
    nodes.push(builder.start().await.unwrap());
}

fn name(place: usize) -> String {
    format!("name {place}")
}

/// Asks every node in turn for every name until told to end; how many answers named the holder, and
/// what came instead of the others.
async fn seek(
    nodes: Vec<Node>,
    holders: Vec<Pid>,
    is_over: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut found, mut wrong) = (0, Vec::new());
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        let node = &nodes[turn % nodes.len()];
        let place = turn / nodes.len() % holders.len();
        turn += 1;
        match node.group(GROUP).lookup(name(place)).await {
            Ok(Some(info)) if info.pid.node == holders[place].node => found += 1,
            // Nobody answered in time: that says nothing of the name.
            Err(_) => {}
            Ok(other) => wrong.push(format!("{} of {}: {other:?}", name(place), node.name())),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (found, wrong)
}

/// Sends numbers to another mailbox until told to end; how many.
async fn send(from: Mailbox, to: Pid, is_over: Arc<AtomicBool>) -> u64 {
    let mut sent = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        within(
            "sending",
            from.send(to, Bytes::copy_from_slice(&sent.to_be_bytes())),
        )
        .await
        .unwrap();
        sent += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

/// Takes `sent` numbers, in order and each once.
async fn receive(mailbox: &mut Mailbox, sent: u64) {
    for expected in 0..sent {
        let received = within("a message", mailbox.recv()).await.unwrap();
        assert_eq!(&received.payload[..], expected.to_be_bytes());
    }
}

/// How many members each node sees, by the group that it is in.
fn parts(nodes: &[Node]) -> BTreeMap<archipelago::GroupId, Vec<usize>> {
    let mut parts: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for node in nodes {
        let members = node.members(GROUP).map_or(0, |members| members.len());
        parts
            .entry(node.group(GROUP).present())
            .or_default()
            .push(members);
    }
    parts
}

/// Two groups in whose views all of each are.
fn is_split(nodes: &[Node]) -> bool {
    let parts = parts(nodes);
    let are_whole = |seen: &Vec<usize>| seen.iter().all(|members| *members == seen.len());
    parts.len() == 2 && parts.values().all(are_whole)
}

/// U6, L1, L22: a group of 32 that is kept at 20 splits by itself; meanwhile names are looked up all
/// the time and never missed, messages arrive in order, each once; and a handle means the group that
/// its node is in then.
#[tokio::test]
async fn u6_l1_l22_a_group_splits_under_traffic() {
    let mut nodes = Vec::new();
    for _ in 0..MEMBERS - 4 {
        start(&mut nodes).await;
    }
    for node in &nodes {
        let all = node.wait_members(GROUP, nodes.len());
        within("forming", all).await.unwrap();
    }
    let mut events = nodes[MEMBERS - 5].events();
    let mut inboxes = mailboxes(&nodes[..HOLDERS]).await;
    let pids: Vec<Pid> = inboxes.iter().map(Mailbox::pid).collect();
    for (place, pid) in pids.iter().enumerate() {
        let group = nodes[place].group(GROUP);
        let registered = group.register(name(place), *pid);
        within("registering", registered).await.unwrap();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let seeking = seek(nodes.clone(), pids.clone(), is_over.clone());
    let seeking = tokio::spawn(seeking);
    let senders = mailboxes(&nodes[HOLDERS..2 * HOLDERS]).await;
    let sending = senders.into_iter().zip(&pids);
    let sending = sending.map(|(from, to)| tokio::spawn(send(from, *to, is_over.clone())));
    let sending: Vec<_> = sending.collect();
    for _ in 0..4 {
        start(&mut nodes).await;
    }
    let split = async {
        while !is_split(&nodes) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let split = tokio::time::timeout(SPLIT_MAX, split).await;
    assert!(split.is_ok(), "{:?}", parts(&nodes));
    // Traffic goes on for a while between the parts.
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_over.store(true, Ordering::Relaxed);
    let (found, wrong) = within("the last answer", seeking).await.unwrap();
    assert_eq!(wrong, [""; 0], "{found} found");
    assert!(found > 100, "{found}");
    for (inbox, sending) in inboxes.iter_mut().zip(sending) {
        let sent = within("the last message", sending).await.unwrap();
        receive(inbox, sent).await;
    }
    handles_follow(&nodes).await;
    counted(&nodes);
    let moved = nodes[MEMBERS - 5].group(GROUP);
    if moved.present() != moved.id() {
        let to = within("the event", moved_to(&mut events)).await;
        assert_eq!(to, moved.present());
    }
    shutdown(nodes).await;
}

/// One split was begun, none was called off, and each node that is in the new group moved once.
fn counted(nodes: &[Node]) {
    let sum = |of: fn(&archipelago::Metrics) -> u64| -> u64 {
        nodes.iter().map(|node| of(&node.metrics())).sum()
    };
    let id = nodes[0].group_id(GROUP);
    let moved = nodes
        .iter()
        .filter(|node| node.group(GROUP).present() != id);
    assert_eq!(sum(|it| it.moves_done), moved.count() as u64);
    assert_eq!(sum(|it| it.splits_begun), 1);
    assert_eq!(sum(|it| it.splits_undone + it.moves_undone), 0);
}

/// What is said by the handles that nodes had is said where they are, and found from either part.
async fn handles_follow(nodes: &[Node]) {
    let id = nodes[0].group_id(GROUP);
    let is_moved = |node: &&Node| node.group(GROUP).present() != id;
    let moved = nodes.iter().find(is_moved).unwrap();
    let stayed = nodes.iter().find(|node| !is_moved(node)).unwrap();
    for (node, other) in [(moved, stayed), (stayed, moved)] {
        let mailbox = within("a mailbox", node.mailbox()).await.unwrap();
        let (group, name) = (node.group(GROUP), format!("late {}", node.name()));
        let registered = group.register(&name, mailbox.pid());
        within("registering", registered).await.unwrap();
        assert_eq!(group.whereis(&name).map(|pid| pid.node), Some(node.id()));
        let found = async {
            while !matches!(other.group(GROUP).lookup(&name).await, Ok(Some(_))) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within("found from the other part", found).await;
        let present = node.members_of(group.present()).unwrap();
        assert_eq!(node.members(GROUP).unwrap(), present);
    }
}

async fn moved_to(events: &mut archipelago::Events) -> archipelago::GroupId {
    while let Some(event) = events.next().await {
        if let NodeEvent::Regrouped {
            change: Regrouped::Moved { to },
            ..
        } = event
        {
            return to;
        }
    }
    panic!("the node has stopped")
}
