//! What members say without a contest, on loopback (U4, U15, U17, U30, L1, D7).
use std::time::Duration;

use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::{
    Bytes, Choice, Node, Offer, RegistryError, RegistryEvent, SayError, Scope, Strategy, Value,
};

async fn until(what: &str, is_so: impl Fn() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// U4, L1: many pids under one name; local ones first; the dead vanish with mailbox and node.
#[tokio::test]
async fn u4_l1_process_groups_follow_their_processes() {
    let nodes = group_of("pg", 3).await;
    let groups: Vec<_> = nodes.iter().map(|node| node.group("pg")).collect();
    let mut inboxes = mailboxes(&nodes).await;
    let (none, mut events) = groups[0].watch_process_group("workers");
    assert_eq!(none, []);
    for (group, inbox) in groups.iter().zip(&inboxes) {
        group
            .join_process_group("workers", inbox.pid())
            .await
            .unwrap();
    }
    for group in &groups {
        let all = || group.members_of_process_group("workers");
        until("three members", || all().len() == 3).await;
        let local = group.local_members_of_process_group("workers");
        assert_eq!(all()[..1], local[..]);
    }
    for _ in 0..3 {
        let event = within("a join", events.next()).await;
        assert!(matches!(
            event,
            Some(RegistryEvent::Joined { times: 1, .. })
        ));
    }
    let foreign = groups[0]
        .join_process_group("workers", inboxes[1].pid())
        .await;
    assert_eq!(foreign, Err(SayError::Registry(RegistryError::NoProcess)));

    let gone = inboxes.remove(1).pid();
    let left = within("the end", events.next()).await;
    assert_eq!(left, Some(RegistryEvent::Left { pid: gone }));
    let ended = groups[1].join_process_group("workers", gone).await;
    assert_eq!(ended, Err(SayError::Registry(RegistryError::NoProcess)));
    nodes[2].kill();
    let left = within("the death", events.next()).await;
    let pid = inboxes[1].pid();
    assert_eq!(left, Some(RegistryEvent::Left { pid }));
    assert_eq!(
        groups[0].members_of_process_group("workers"),
        [inboxes[0].pid()]
    );
    shutdown(nodes).await;
}

/// U15, U30: services come and go with processes; shared keys are seen and watched by all.
#[tokio::test]
async fn u15_u30_services_and_shared_keys_are_seen_by_all() {
    let nodes = group_of("shared", 2).await;
    let (here, there) = (nodes[0].group("shared"), nodes[1].group("shared"));
    let inbox = nodes[0].mailbox().await.unwrap();
    let (_, mut services) = there.watch_service("search");
    let (_, mut keys) = there.watch_shared("color");
    here.advertise("search", inbox.pid(), Offer::default())
        .await
        .unwrap();
    here.share("color", Some(Bytes::from_static(b"blue")))
        .await
        .unwrap();
    let up = within("the service", services.next()).await;
    assert!(matches!(up, Some(RegistryEvent::ServiceUp { pid, .. }) if pid == inbox.pid()));
    assert_eq!(there.nodes_offering("search"), [nodes[0].id()]);
    let told = within("the key", keys.next()).await;
    let shared = RegistryEvent::Shared {
        node: nodes[0].id(),
        key: Bytes::from_static(b"color"),
        value: Some(Bytes::from_static(b"blue")),
    };
    assert_eq!(told, Some(shared));
    assert_eq!(there.shared("color").len(), 1);
    here.add_to_counter(inbox.pid(), "jobs", 3).await.unwrap();
    here.set_property(inbox.pid(), "role", Some(Value::from("index")))
        .await
        .unwrap();
    until("the counter", || there.counter_total("jobs") == 3).await;
    until("the property", || {
        there.processes_with_property("role").len() == 1
    })
    .await;
    drop(inbox);
    let down = within("the service's end", services.next()).await;
    assert!(matches!(down, Some(RegistryEvent::ServiceDown { .. })));
    until("the counter's end", || there.counter_total("jobs") == 0).await;
    let unknown = nodes[0].group("elsewhere").share("k", None).await;
    assert!(matches!(unknown, Err(SayError::Refused(_))), "{unknown:?}");
    shutdown(nodes).await;
}

/// U17, D7: the least loaded of those with an attribute, this node out or in as asked.
#[tokio::test]
async fn u17_d7_nodes_are_chosen_by_attribute_and_load() {
    let nodes = group_of("choose", 3).await;
    for (node, (zone, load)) in nodes.iter().zip([("eu", 3_000), ("eu", 1_000), ("us", 0)]) {
        let group = node.group("choose");
        group
            .set_attribute("zone", Some(Value::from(zone)))
            .await
            .unwrap();
        group.set_load(load).await.unwrap();
    }
    let group = nodes[0].group("choose");
    let knows = |node: &Node| group.load(node.id()).is_some();
    until("loads", || nodes.iter().all(knows)).await;
    let choice = Choice {
        predicate: "zone == \"eu\"".parse().unwrap(),
        strategy: Strategy::LeastLoaded,
        ..Choice::default()
    };
    let ids: Vec<_> = nodes.iter().map(Node::id).collect();
    assert_eq!(group.choose_nodes(&choice), [ids[1], ids[0]]);
    let others = Choice {
        myself: archipelago::Myself::Excluded,
        ..choice.clone()
    };
    assert_eq!(nodes[0].choose_nodes(&others), [ids[1]]);
    let nearest = Choice {
        strategy: Strategy::LocalFirst,
        nodes_max: Some(1),
        scope: Scope::Group(group.id()),
        ..Choice::default()
    };
    assert_eq!(nodes[2].choose_nodes(&nearest), [ids[2]]);
    shutdown(nodes).await;
}

/// U12: every member that knows how runs it, also who comes later and after its declarer is gone;
/// a run that fails is started again.
#[tokio::test]
async fn u12_every_member_runs_a_declared_service() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let mut nodes = group_of("duty", 3).await;
    let provide = async |node: &Node, runs: &Arc<AtomicUsize>| {
        let group = node.group("duty");
        let (runs, own) = (runs.clone(), group.clone());
        let factory = move |arguments: Bytes| {
            let (runs, group) = (runs.clone(), own.clone());
            async move {
                assert_eq!(&arguments[..], b"every second");
                // The first run of each node fails.
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Err("not yet".into());
                }
                group.advertise_node("collector", Offer::default()).await?;
                std::future::pending::<()>().await;
                Ok(())
            }
        };
        group.provide("collector", factory).await.unwrap();
    };
    let counts: Vec<Arc<AtomicUsize>> = (0..4).map(|_| Arc::default()).collect();
    for (node, runs) in nodes.iter().zip(&counts) {
        provide(node, runs).await;
    }
    let group = nodes[0].group("duty");
    nodes[2]
        .group("duty")
        .run_on_every_member("collector", "every second")
        .await
        .unwrap();
    until("three collectors", || {
        group.nodes_offering("collector").len() == 3
    })
    .await;
    nodes.remove(2).kill();
    until("the declarer's end", || {
        group.nodes_offering("collector").len() == 2
    })
    .await;

    let late = Node::builder("late")
        .group(archipelago::GroupSpec::open("duty").seed(nodes[0].addresses()[0].clone()))
        .start()
        .await
        .unwrap();
    within("joining", late.joined("duty")).await.unwrap();
    provide(&late, &counts[3]).await;
    until("the late one's", || {
        group.nodes_offering("collector").len() == 3
    })
    .await;
    assert!(counts.iter().all(|runs| runs.load(Ordering::SeqCst) == 2));
    group.stop_on_every_member("collector").await.unwrap();
    nodes.push(late);
    shutdown(nodes).await;
}
