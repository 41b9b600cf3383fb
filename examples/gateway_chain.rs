//! Five groups in a chain, A–B–C–D–E: a node of A calls a service of E by its name, and neither
//! end gains anybody else.
//!
//! With distributed Erlang a program would name its gateways, hop by hop. Here four reflectors join
//! two neighbours each; A asks its own for the name, the question goes from reflector to reflector
//! to E, and the first calls go the same way by relay. When more follow, one session opens between
//! the two ends, and closes when idle.

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Node, SessionKind};

const CHAIN: [&str; 5] = ["A", "B", "C", "D", "E"];
const CALLS: u32 = 50;
const PATIENCE: Duration = Duration::from_secs(10);
/// An end that was used within a second of the question is asked again 5 s later.
const CLOSING: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut members = Vec::new();
    for name in CHAIN {
        let builder = Node::builder(name).idle_timeout(Duration::from_secs(2));
        members.push(builder.group(GroupSpec::open(name)).start().await?);
    }
    let mut bridges = Vec::new();
    for (names, nodes) in CHAIN.windows(2).zip(members.windows(2)) {
        bridges.push(bridge(names, nodes).await?);
    }

    // E offers a clock under a name; other groups find it unless it is private.
    let mut clock = members[4].mailbox().await?;
    let group = members[4].group("E");
    group.register("clock", clock.pid()).await?;
    let serving = tokio::spawn(async move {
        while let Some(received) = clock.recv().await {
            if let Some(reply) = received.reply {
                reply.send("noon").await?;
            }
        }
        Ok::<(), archipelago::SendError>(())
    });

    // A has never heard of E: the bridges need a moment to hear of each other.
    let client = members[0].mailbox().await?;
    let elsewhere = members[0].group("E");
    let began = Instant::now();
    let clock = loop {
        match elsewhere.lookup("clock").await {
            Ok(Some(found)) => break found.pid,
            _ if began.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(None) => return Err("nobody holds the name".into()),
            Err(error) => return Err(error.into()),
        }
    };
    for number in 0..CALLS {
        let asked = Instant::now();
        let answer = client.call(clock, "what time is it?", PATIENCE).await?;
        if number == 0 || number == CALLS - 1 {
            let took = asked.elapsed().as_secs_f64() * 1e3;
            println!("call {number}: {answer:?} after {took:.1} ms");
        }
    }
    let on_demand = |node: &Node| -> Vec<_> {
        let sessions = node.sessions().into_iter();
        let direct = sessions.filter(|session| session.kind == SessionKind::OnDemand);
        direct.map(|session| session.peer).collect()
    };
    assert_eq!(on_demand(&members[0]), [members[4].id()]);
    for (name, node) in CHAIN.iter().zip(&members) {
        let (sessions, direct) = (node.sessions().len(), on_demand(node).len());
        println!("{name}: {sessions} sessions, {direct} of them on demand");
        assert!(sessions <= 3, "{name} gained a mesh");
    }
    let idle = Instant::now();
    while !on_demand(&members[0]).is_empty() {
        assert!(idle.elapsed() < CLOSING, "the session does not close");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "the direct session closed after {:.1} s",
        idle.elapsed().as_secs_f64()
    );

    for node in members.into_iter().chain(bridges) {
        node.shutdown().await;
    }
    Ok(serving.await??)
}

/// A reflector in two neighbouring groups.
async fn bridge(names: &[&str], nodes: &[Node]) -> Outcome<Node> {
    let mut builder = Node::builder(&names.join("-")).reflector();
    for (name, node) in names.iter().zip(nodes) {
        builder = builder.group(GroupSpec::open(name).seed(node.addresses()[0].clone()));
    }
    let bridge = builder.start().await?;
    for name in names {
        bridge.joined(name).await?;
    }
    Ok(bridge)
}
