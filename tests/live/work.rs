//! Workers started on other nodes by name, pools of them, and what becomes of both on loopback
//! (U29, U31, U13).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::{DEADLINE, group_of, mailboxes, shutdown, within};
use archipelago::{
    Bytes, CallError, Ending, Group, GroupSpec, Job, Mailbox, Node, NodeId, Pid, Pool, PoolSpec,
    Restart, SendError, ServiceError, StartWorkerError, SuperviseEvent,
};

/// Bytes of state of each worker.
const STATE_LEN: usize = 300_000;

/// Counts in its state, and answers with the count; ends as it is told.
async fn counter(mut job: Job) -> Result<Bytes, ServiceError> {
    let mut state = job
        .state()
        .map_or_else(|| vec![0; STATE_LEN], |state| state.to_vec());
    while let Some(received) = job.mailbox.recv().await {
        match &received.payload[..] {
            b"fail" => return Err("as it was told".into()),
            b"done" => return Ok(Bytes::new()),
            _ => {}
        }
        // The whole state says it: what was lost on the way would show.
        let count = state[0] + 1;
        assert!(state.iter().all(|byte| *byte == state[0]));
        state.fill(count);
        if let Some(reply) = received.reply {
            reply.send(vec![count]).await?;
        }
    }
    Ok(state.into())
}

async fn count(client: &Mailbox, worker: Pid) -> Result<u8, CallError> {
    let answer = within("an answer", client.call(worker, "count", DEADLINE)).await?;
    Ok(answer[0])
}

/// Waits until workers of the pool satisfy `is_so`.
async fn settled(pool: &mut Pool, what: &str, is_so: impl Fn(&[Pid]) -> bool) -> Vec<Pid> {
    let settling = async {
        loop {
            let workers = pool.complete().await.unwrap();
            if is_so(&workers) {
                return workers;
            }
            pool.next().await;
        }
    };
    within(what, settling).await
}

/// Waits until a member sees these workers in the pool, and no others: what is said of them needs
/// half a round trip.
async fn shown(group: &Group, workers: &[Pid]) {
    let expected: BTreeSet<&Pid> = workers.iter().collect();
    let showing = async {
        loop {
            let seen = group.pool_workers("counters");
            if seen.iter().map(|(_, pid)| pid).collect::<BTreeSet<_>>() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the pool's workers", showing).await;
}

fn spread(workers: &[Pid]) -> BTreeMap<NodeId, usize> {
    let mut spread = BTreeMap::new();
    for worker in workers {
        *spread.entry(worker.node).or_default() += 1;
    }
    spread
}

/// U29: a worker is started by the name of its factory, with arguments, elsewhere and here; what
/// cannot be started is refused with a reason, and says that nothing was.
#[tokio::test]
async fn u29_workers_are_started_by_name_on_other_nodes() {
    let nodes = group_of("started", 3).await;
    let [client, _, _] = mailboxes(&nodes).await.try_into().unwrap();
    let group = nodes[0].group("started");
    let from = client.sender();
    for node in &nodes[..2] {
        let make = |mut job: Job| async move {
            let greeting: String = job.arguments_as()?;
            while let Some(received) = job.mailbox.recv().await {
                received
                    .reply
                    .ok_or("a cast")?
                    .send(greeting.clone())
                    .await?;
            }
            Ok(Bytes::new())
        };
        node.factory("greeter", make).await.unwrap();
    }
    for node in &nodes[..2] {
        let started = group.start_worker_typed(&from, node.id(), "greeter", &"hello", DEADLINE);
        let worker = within("a worker", started).await.unwrap();
        assert_eq!(worker.node, node.id());
        let answer = within("an answer", client.call(worker, "?", DEADLINE)).await;
        assert_eq!(answer.unwrap(), "hello");
    }
    let gone = nodes[2].id();
    for (on, factory) in [(nodes[1].id(), "no such"), (gone, "greeter")] {
        let refused = group.start_worker(&from, on, factory, "", DEADLINE);
        let error = within("a refusal", refused).await.unwrap_err();
        assert_eq!(error, StartWorkerError::UnknownFactory);
        assert!(!error.may_be_started());
    }
    nodes[2].kill();
    let left = async {
        while nodes[0].members("started").unwrap().len() > 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("a death", left).await;
    let refused = group.start_worker(&from, gone, "greeter", "", DEADLINE);
    let error = within("a refusal", refused).await.unwrap_err();
    assert_eq!(error, StartWorkerError::NoMember);
    shutdown(nodes).await;
}

/// U29: a node starts no more for others than it may, and nothing for who is in no group of it.
#[tokio::test]
async fn u29_starts_are_refused_by_quota() {
    let limits = archipelago::Limits {
        workers_for_others_max: 1,
        ..archipelago::Limits::default()
    };
    let node = Node::builder("quota")
        .group(GroupSpec::open("quota"))
        .limits(limits);
    let node = node.start().await.unwrap();
    node.factory("counter", counter).await.unwrap();
    let client = node.mailbox().await.unwrap();
    let (group, from) = (node.group("quota"), client.sender());
    within("joining", node.joined("quota")).await.unwrap();
    let start = || group.start_worker(&from, node.id(), "counter", "", DEADLINE);
    let worker = within("a worker", start()).await.unwrap();
    let refused = within("a refusal", start()).await;
    assert_eq!(refused, Err(StartWorkerError::Quota));
    client.send(worker, "done").await.unwrap();
    let freed = async {
        while start().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("room", freed).await;
    shutdown(vec![node]).await;
}

/// U29, U31: workers are spread over the group, move with 300 kB of state each as nodes come, and
/// are started elsewhere when a node goes; who fails is started again, and finds nothing.
#[tokio::test]
async fn u29_u31_a_pool_is_spread_moved_and_restarted() {
    let mut nodes = group_of("pool", 2).await;
    for node in &nodes {
        node.factory("counter", counter).await.unwrap();
    }
    let [client, _] = mailboxes(&nodes).await.try_into().unwrap();
    let group = nodes[0].group("pool");
    let spec = PoolSpec::new("counters", "counter", 6);
    let mut pool = within("a pool", group.supervise(spec)).await.unwrap();
    let workers = settled(&mut pool, "six workers", |_| true).await;
    assert_eq!(spread(&workers).into_values().collect::<Vec<_>>(), [3, 3]);
    for worker in &workers {
        assert_eq!(count(&client, *worker).await, Ok(1));
    }

    let third = GroupSpec::open("pool").seed(nodes[0].addresses()[0].clone());
    let third = Node::builder("pool-2").group(third).start().await.unwrap();
    third.factory("counter", counter).await.unwrap();
    nodes.push(third);
    let even =
        |workers: &[Pid]| spread(workers).len() == 3 && spread(workers).values().all(|n| *n == 2);
    let workers = settled(&mut pool, "an even spread", even).await;
    for worker in &workers {
        assert_eq!(count(&client, *worker).await, Ok(2), "a state was lost");
    }
    shown(&group, &workers).await;

    // One fails, and is started again without a state.
    client.send(workers[0], "fail").await.unwrap();
    let failed = workers[0];
    let again = move |workers: &[Pid]| workers[0] != failed;
    let workers = settled(&mut pool, "a restart", again).await;
    assert_eq!(count(&client, workers[0]).await, Ok(1));
    // A node is killed: what it ran is started on the others.
    let lost = nodes[2].id();
    nodes[2].kill();
    let elsewhere = move |workers: &[Pid]| workers.iter().all(|worker| worker.node != lost);
    let workers = settled(&mut pool, "workers elsewhere", elsewhere).await;
    let mut counts = Vec::new();
    for worker in &workers {
        counts.push(count(&client, *worker).await.unwrap());
    }
    counts.sort_unstable();
    assert!(counts.ends_with(&[3, 3, 3]), "{counts:?}");
    pool.end();
    let gone = async {
        while !group.pool_workers("counters").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the workers' end", gone).await;
    shutdown(nodes).await;
}

/// U13, U31: workers outlive their supervisor and its node, and another one takes them over.
#[tokio::test]
async fn u13_u31_workers_outlive_their_supervisor() {
    let nodes = group_of("master", 3).await;
    for node in &nodes[1..] {
        node.factory("counter", counter).await.unwrap();
    }
    let spec = PoolSpec::new("counters", "counter", 4);
    let [here, there] = [0, 2].map(|index: usize| nodes[index].group("master"));
    let first = here.supervise(spec.clone());
    let mut first = within("a pool", first).await.unwrap();
    let before = settled(&mut first, "four workers", |_| true).await;
    nodes[0].kill();
    let client = nodes[1].mailbox().await.unwrap();
    for worker in &before {
        assert_eq!(count(&client, *worker).await, Ok(1));
    }
    shown(&there, &before).await;
    let second = there.supervise(spec);
    let mut second = within("a pool", second).await.unwrap();
    let after = settled(&mut second, "four workers", |_| true).await;
    assert_eq!(after, before);
    // It supervises them: who fails is started again.
    client.send(after[1], "fail").await.unwrap();
    let failed = after[1];
    let again = move |workers: &[Pid]| workers[1] != failed;
    let workers = settled(&mut second, "a restart", again).await;
    assert_eq!(count(&client, workers[1]).await, Ok(1));
    assert_eq!(count(&client, workers[2]).await, Ok(2));
    drop(second);
    assert_eq!(count(&client, workers[3]).await, Ok(2));
    shutdown(nodes).await;
}

/// U31: one restart too many: the supervisor says so and stops restarting; transient workers that
/// are done stay so.
#[tokio::test]
async fn u31_too_many_restarts_are_told() {
    let nodes = group_of("intensity", 2).await;
    nodes[1].factory("counter", counter).await.unwrap();
    let client = nodes[0].mailbox().await.unwrap();
    let group = nodes[0].group("intensity");
    let mut spec = PoolSpec::new("counters", "counter", 2);
    spec.config.restart = Restart::Transient;
    spec.config.restarts_max = 1;
    let mut pool = within("a pool", group.supervise(spec)).await.unwrap();
    let workers = settled(&mut pool, "two workers", |_| true).await;
    client.send(workers[0], "done").await.unwrap();
    let mut failing = workers[1];
    client.send(failing, "fail").await.unwrap();
    let mut endings = Vec::new();
    let gave_up = async {
        loop {
            match pool.next().await.unwrap() {
                SuperviseEvent::GaveUp { restarts, .. } => return restarts,
                SuperviseEvent::Ended { slot, ending, .. } => endings.push((slot, ending)),
                SuperviseEvent::Started { slot: 1, pid } if pid != failing => {
                    failing = pid;
                    client.send(failing, "fail").await.unwrap();
                }
                _ => {}
            }
        }
    };
    assert_eq!(within("its giving up", gave_up).await, 2);
    endings.sort_by_key(|(slot, _)| *slot);
    let expected = [(0, Ending::Done), (1, Ending::Failed), (1, Ending::Failed)];
    assert_eq!(endings, expected);
    let gone = count(&client, failing).await;
    assert_eq!(gone, Err(CallError::NotSent(SendError::NoMailbox)));
    shutdown(nodes).await;
}
