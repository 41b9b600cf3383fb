//! Keyed workers on loopback (U11, U18, F6).
use std::time::Duration;

use archipelago::{
    Bytes, Group, GroupSpec, HostConfig, HostError, Keyed, KeyedError, KeyedHost, KeyedRequest,
    KeyedWorker, Node, NodeEvent, StopReason,
};

use crate::strict::council;
use crate::support::{DEADLINE, group_of, shutdown, within};

/// Counts its requests, and remembers how often it was moved or put to rest.
struct Counter {
    count: u64,
    starts: u64,
}

impl KeyedWorker for Counter {
    async fn handle(&mut self, request: KeyedRequest) -> Bytes {
        assert_ne!(&request.payload[..], b"fail", "as it was asked");
        self.count += 1;
        let numbers = [self.count.to_le_bytes(), self.starts.to_le_bytes()];
        Bytes::from(numbers.concat())
    }

    async fn stop(self, _reason: StopReason) -> Option<Bytes> {
        let numbers = [self.count.to_le_bytes(), self.starts.to_le_bytes()];
        Some(numbers.concat().into())
    }
}

async fn start(_key: Bytes, state: Option<Bytes>) -> Counter {
    let (count, starts) = state.map_or((0, 0), |state| numbers(&state));
    let starts = starts + 1;
    Counter { count, starts }
}

fn numbers(bytes: &Bytes) -> (u64, u64) {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (number(0), number(8))
}

async fn host(group: &Group, config: HostConfig) -> KeyedHost {
    let mut host = group.host_keyed("count", config, start).await.unwrap();
    within("settling", host.settled()).await.unwrap();
    host
}

async fn count(keyed: &Keyed, key: u32) -> Result<(u64, u64), KeyedError> {
    let asked = keyed.call(key.to_be_bytes(), "more", DEADLINE).await;
    asked.map(|answer| numbers(&answer))
}

/// Asks each of the keys once, and expects it to be the `round`-th time.
async fn ask_all(keyed: &Keyed, keys: u32, round: u64) {
    for key in 0..keys {
        let (count, _) = count(keyed, key).await.unwrap();
        assert_eq!(count, round, "of key {key}");
    }
}

/// U11: workers move with their states when a host comes and when one leaves in order, under load;
/// of a host that is killed they start afresh elsewhere, and nobody else's.
#[tokio::test]
async fn u11_workers_move_with_their_states_and_start_afresh_after_a_crash() {
    const KEYS: u32 = 60;
    let nodes = group_of("keyed", 3).await;
    let groups: Vec<Group> = nodes.iter().map(|node| node.group("keyed")).collect();
    let first = host(&groups[0], HostConfig::default()).await;
    let keyed = groups[2].keyed("count").await.unwrap();
    ask_all(&keyed, KEYS, 1).await;
    assert_eq!((first.workers_len(), first.shards_len()), (60, 4_096));

    let load = tokio::spawn({
        let keyed = keyed.clone();
        async move {
            for round in 2..8 {
                ask_all(&keyed, KEYS, round).await;
            }
        }
    });
    let second = host(&groups[1], HostConfig::default()).await;
    assert!(second.shards_len() > 1_500, "{}", second.shards_len());
    within("the load", load).await.unwrap();
    let moved = second.workers_len();
    assert!(moved > 10, "{moved} workers moved");
    within("leaving", first.leave(DEADLINE)).await.unwrap();
    ask_all(&keyed, KEYS, 8).await;
    assert_eq!(second.workers_len(), 60);

    let third = host(&groups[2], HostConfig::default()).await;
    ask_all(&keyed, KEYS, 9).await;
    let here = third.workers_len();
    nodes[1].kill();
    let mut fresh = 0;
    for key in 0..KEYS {
        let answer = count(&keyed, key).await;
        // Who asks while the node is going down hears that; it may be asked again.
        let answer = match answer {
            Err(error) => {
                assert!(error.may_be_done(), "{error}");
                count(&keyed, key).await
            }
            answer => answer,
        };
        fresh += usize::from(answer.unwrap().0 <= 2);
    }
    assert_eq!(fresh, 60 - here);
    shutdown(nodes).await;
}

/// Idle workers rest as what they left, and go on from there; one that panics is told of, and
/// starts afresh; a cast returns when it is begun.
#[tokio::test]
async fn u11_idle_workers_rest_and_failed_ones_start_afresh() {
    let nodes = group_of("resting", 1).await;
    let group = nodes[0].group("resting");
    let config = HostConfig {
        idle_timeout: Duration::from_millis(40),
        ..HostConfig::default()
    };
    let host = host(&group, config).await;
    let again = group
        .host_keyed("count", HostConfig::default(), start)
        .await;
    assert_eq!(again.err(), Some(archipelago::HostError::Hosted));
    let keyed = group.keyed("count").await.unwrap();
    assert_eq!(count(&keyed, 1).await, Ok((1, 1)));
    let rested = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (_, starts) = count(&keyed, 1).await.unwrap();
            if starts > 1 {
                break;
            }
        }
    };
    within("a rest", rested).await;
    assert_eq!(host.workers_len(), 1);
    let failed = keyed.call(1_u32.to_be_bytes(), "fail", DEADLINE).await;
    assert_eq!(failed, Err(KeyedError::Failed));
    keyed
        .cast(1_u32.to_be_bytes(), "more", DEADLINE)
        .await
        .unwrap();
    assert_eq!(count(&keyed, 1).await, Ok((2, 1)));
    let empty = keyed.call("", "more", DEADLINE).await;
    assert_eq!(empty, Err(KeyedError::Key { bytes: 0 }));
    let nobody = group.keyed("nobody's").await.unwrap();
    let late = nobody.call("key", "more", Duration::from_millis(100)).await;
    assert_eq!(late, Err(KeyedError::NoHost));
    shutdown(nodes).await;
}

/// U11, U18: a node of another group is an entry like any other; a service that is not exported is
/// nobody's there.
#[tokio::test]
async fn u11_u18_a_node_of_another_group_finds_the_hosts() {
    let mut nodes = group_of("inner", 2).await;
    let bridge = Node::builder("bridge")
        .reflector()
        .group(GroupSpec::open("inner").seed(nodes[0].addresses()[0].clone()))
        .group(GroupSpec::open("outer"))
        .start()
        .await
        .unwrap();
    let outer = GroupSpec::open("outer").seed(bridge.addresses()[0].clone());
    let outer = Node::builder("outside").group(outer).start().await.unwrap();
    for (node, group, members) in [(&bridge, "inner", 3), (&outer, "outer", 2)] {
        within("joining", node.wait_members(group, members))
            .await
            .unwrap();
    }
    let exported = HostConfig {
        is_exported: true,
        ..HostConfig::default()
    };
    let mut hosts = Vec::new();
    for node in &nodes {
        hosts.push(host(&node.group("inner"), exported.clone()).await);
    }
    let inner = outer.group("inner");
    let keyed = inner.keyed("count").await.unwrap();
    ask_all(&keyed, 30, 1).await;
    let workers: Vec<usize> = hosts.iter().map(KeyedHost::workers_len).collect();
    assert!(workers.iter().all(|len| *len > 0), "{workers:?}");
    let found = within("a look-up", inner.find_providers("count"))
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    hosts.remove(0).leave(DEADLINE).await.unwrap();
    ask_all(&keyed, 30, 2).await;
    let inbox = nodes[1].mailbox().await.unwrap();
    let private = archipelago::Offer::default();
    nodes[1]
        .group("inner")
        .advertise("private", inbox.pid(), private)
        .await
        .unwrap();
    let found = within("a look-up", inner.find_providers("private"))
        .await
        .unwrap();
    assert_eq!(found, []);
    nodes.extend([outer, bridge]);
    shutdown(nodes).await;
}

/// Answers with the fence that it is asked under.
struct Fenced;

impl KeyedWorker for Fenced {
    async fn handle(&mut self, request: KeyedRequest) -> Bytes {
        let fence = request.fence.expect("this service has leases");
        Bytes::copy_from_slice(&fence.to_bytes())
    }
}

fn leased() -> HostConfig {
    HostConfig {
        lease: Some(Duration::from_secs(3)),
        ..HostConfig::default()
    }
}

/// U11, F6: with leases a key is active on one host, under a fence; a host that is left alone
/// without the council's majority refuses with a typed error, and nothing was done.
#[tokio::test]
async fn u11_f6_a_host_without_a_majority_refuses() {
    let (nodes, _folder) = council("leased").await;
    let mut hosts = Vec::new();
    for node in &nodes {
        let start = async |_key, _state| Fenced;
        let group = node.group("leased");
        let host = group.host_keyed("fenced", leased(), start);
        hosts.push(host.await.unwrap());
    }
    for host in &mut hosts {
        within("leases", host.settled()).await.unwrap();
    }
    let keyed = nodes[2].group("leased").keyed("fenced").await.unwrap();
    for key in 0_u32..20 {
        let fence = keyed.call(key.to_be_bytes(), "", DEADLINE).await.unwrap();
        assert_eq!(fence.len(), 16);
    }
    nodes[0].kill();
    nodes[1].kill();
    let alone = async {
        loop {
            // Its own keys go on until its leases end; those of the dead come to it and are refused.
            let mut refused = 0;
            for key in 0_u32..20 {
                let asked = keyed.call(key.to_be_bytes(), "", Duration::from_millis(300));
                refused += u32::from(asked.await == Err(KeyedError::Unleased));
            }
            if refused == 20 {
                break;
            }
        }
    };
    within("refusals", alone).await;
    assert!(!KeyedError::Unleased.may_be_done());
    shutdown(nodes).await;
}

/// Leases need a council: without one the service is not hosted.
#[tokio::test]
async fn u11_leases_without_a_council_are_refused() {
    let nodes = group_of("uncouncilled", 1).await;
    let start = async |_key, _state| Fenced;
    let group = nodes[0].group("uncouncilled");
    let hosted = group.host_keyed("fenced", leased(), start).await;
    assert!(matches!(hosted, Err(HostError::Lease(_))), "{hosted:?}");
    shutdown(nodes).await;
}

/// U11: hosts of one service with leases and without are told apart: the second one is refused and
/// told by whom; two that begin on their own and meet later tell each other.
#[tokio::test]
async fn u11_hosts_with_and_without_leases_are_told_apart() {
    let (nodes, _folder) = council("differing").await;
    let start = async |_key, _state| Fenced;
    let [one, two] = [0, 1].map(|index: usize| nodes[index].group("differing"));
    let [mut told_one, mut told_two] = [0, 1].map(|index: usize| nodes[index].events());
    let first = one.host_keyed("fenced", leased(), start).await.unwrap();
    let seen = async {
        while two.nodes_offering("fenced").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the offer", seen).await;
    let refused = two.host_keyed("fenced", HostConfig::default(), start).await;
    let is_told = matches!(
        refused,
        Err(HostError::Differs { node, is_leased: true }) if node == nodes[0].id()
    );
    assert!(is_told, "{refused:?}");
    // As one that hosted it before it had heard of the other.
    let inbox = nodes[1].mailbox().await.unwrap();
    let offer = archipelago::Offer::default();
    two.advertise("fenced", inbox.pid(), offer).await.unwrap();
    let told = differs(&mut told_one);
    assert_eq!(within("the event", told).await, (nodes[1].id(), false));
    let third = nodes[2].group("differing");
    let seen = async {
        while !third.nodes_offering("fenced").contains(&nodes[1].id()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the offer at the third", seen).await;
    let refused = third.host_keyed("fenced", leased(), start).await;
    assert!(matches!(refused, Err(HostError::Differs { .. })));
    drop(first);
    // The same from the other side: without leases, and meets one that has them.
    two.withdraw("fenced", inbox.pid()).await.unwrap();
    let gone = async {
        while !two.nodes_offering("fenced").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the withdrawal", gone).await;
    let plain = two.host_keyed("fenced", HostConfig::default(), start);
    let plain = plain.await.unwrap();
    let inbox = nodes[0].mailbox().await.unwrap();
    let offer = archipelago::Offer {
        is_leased: true,
        ..archipelago::Offer::default()
    };
    one.advertise("fenced", inbox.pid(), offer).await.unwrap();
    let told = differs(&mut told_two);
    assert_eq!(within("the event", told).await, (nodes[0].id(), true));
    drop(plain);
    shutdown(nodes).await;
}

/// The next host that is told to differ, and whether it has leases.
async fn differs(events: &mut archipelago::Events) -> (archipelago::NodeId, bool) {
    loop {
        if let Some(NodeEvent::KeyedHostsDiffer {
            node, is_leased, ..
        }) = events.next().await
        {
            return (node, is_leased);
        }
    }
}
