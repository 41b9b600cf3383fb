//! Keyed workers under random schedules: hosts join, leave in order and crash while requests go on
//! (U11).

use std::time::Duration;

use crate::support::{formed, ms, restart, s, within};
use archipelago_core::wire::Offer;
use archipelago_core::{GroupId, LocalId};
use archipelago_sgroup::keyed::HostConfig;
use archipelago_sgroup::registry::{Entry, RegistryCommand};
use archipelago_sim::check::views;
use archipelago_sim::keyed::{KeyedConfig, KeyedNode, KeyedReport};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, Random, World};
use bytes::Bytes;

const NODES: u32 = 6;
const KEYS: u64 = 300;

/// Nodes of one service, and which of them host.
struct Cluster {
    world: World,
    group: GroupId,
    locals: Vec<Option<LocalId>>,
    is_host: Vec<bool>,
    has_hosted: Vec<bool>,
    /// Protocols put on nodes so far: each is an entry of its own.
    entries: u32,
    /// Of nodes that have crashed since.
    before: KeyedReport,
}

fn config(group: GroupId) -> KeyedConfig {
    KeyedConfig {
        group,
        service: Bytes::from_static(b"count"),
        keys: KEYS,
        rate: 200,
        state_bytes: 100,
        work: ms(2),
        patience: s(10),
        host: HostConfig {
            idle_timeout: s(1),
            ..HostConfig::default()
        },
    }
}

impl Cluster {
    fn new(seed: u64, hosts: u32) -> Self {
        let topology = Topology::group(NODES);
        let group = topology.id(0);
        let mut cluster = Self {
            world: formed(&topology, seed),
            group,
            locals: vec![None; NODES as usize],
            is_host: vec![false; NODES as usize],
            has_hosted: vec![false; NODES as usize],
            entries: 0,
            before: KeyedReport::default(),
        };
        for node in (0..NODES).map(NodeIx) {
            cluster.install(node, node.0 < hosts);
        }
        cluster.world.run_for(s(2));
        cluster
    }

    fn install(&mut self, node: NodeIx, is_host: bool) {
        self.entries += 1;
        let keyed = KeyedNode::new(config(self.group), self.entries);
        let pid = self.world.install(node, keyed).expect("it runs");
        self.locals[node.0 as usize] = Some(pid.local);
        self.is_host[node.0 as usize] = false;
        self.world.prompt(node, |keyed: &mut KeyedNode, turn| {
            keyed.begin(false, turn);
            keyed.set_asking(true);
        });
        if is_host {
            self.host(node);
        }
    }

    fn host(&mut self, node: NodeIx) {
        self.offer(node, Some(Offer::default()));
        self.is_host[node.0 as usize] = true;
        self.has_hosted[node.0 as usize] = true;
        self.world
            .prompt(node, |keyed: &mut KeyedNode, turn| keyed.begin(true, turn));
    }

    fn offer(&mut self, node: NodeIx, offer: Option<Offer>) {
        let local = self.locals[node.0 as usize].expect("it was installed");
        let service = Bytes::from_static(b"count");
        let entry = Entry::Service {
            service,
            local,
            offer,
        };
        let said = RegistryCommand::Say(entry);
        self.world
            .say(node, self.group, said)
            .expect("it is a member");
    }

    /// Leaves in order, and goes on as an entry.
    fn leave(&mut self, node: NodeIx) {
        self.offer(
            node,
            Some(Offer {
                is_leaving: true,
                ..Offer::default()
            }),
        );
        self.world
            .prompt(node, |keyed: &mut KeyedNode, turn| keyed.leave(turn));
        within(&mut self.world, "handing over", s(20), |world| {
            let keyed: &KeyedNode = world.protocol(node).expect("it was installed");
            keyed.has_left()
        });
        self.offer(node, None);
        self.is_host[node.0 as usize] = false;
    }

    fn crash(&mut self, node: NodeIx, hosts_again: bool) {
        let gone = *self.keyed(node).report();
        self.before.add(&gone);
        self.world.crash(node);
        self.watch(s(4));
        restart(&mut self.world, node);
        within(&mut self.world, "coming back", s(30), views::all_agree);
        self.install(node, hosts_again);
    }

    fn keyed(&self, node: NodeIx) -> &KeyedNode {
        self.world.protocol(node).expect("it was installed")
    }

    /// Runs on, and looks all the time that no key is run twice.
    fn watch(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 20 {
            self.world.run_for(ms(20));
            for key in (0..KEYS).step_by(13) {
                let running = self.world.running().into_iter();
                let serving = running.filter(|node| {
                    let keyed: Option<&KeyedNode> = self.world.protocol(*node);
                    keyed.is_some_and(|keyed| keyed.is_serving(key))
                });
                let serving: Vec<NodeIx> = serving.collect();
                assert!(serving.len() <= 1, "{key} is run by {serving:?}");
            }
        }
    }

    /// Nobody asks any more; all that was asked ends.
    fn finish(mut self) -> KeyedReport {
        for node in self.world.running() {
            self.world
                .prompt(node, |keyed: &mut KeyedNode, _| keyed.set_asking(false));
        }
        within(&mut self.world, "the end of all requests", s(30), |world| {
            let mut nodes = world.running().into_iter();
            nodes.all(|node| {
                let keyed: &KeyedNode = world.protocol(node).expect("it was installed");
                keyed.pending_len() == 0
            })
        });
        let mut sum = self.before;
        for node in self.world.running() {
            sum.add(self.keyed(node).report());
        }
        sum
    }
}

/// U11: hosts come and leave in order under load, at random: every request is done, once and in its
/// place; no worker starts afresh that had a state; no key is run by two at any time.
#[test]
fn u11_nothing_is_lost_or_disordered_while_hosts_come_and_leave() {
    crate::support::seeds("u11_nothing_is_lost_or_disordered", 12, |seed| {
        let mut cluster = Cluster::new(seed, 2);
        let mut random = Random::new(seed ^ 0x6b65);
        for _ in 0..5 {
            cluster.watch(random.duration(ms(200), s(2)));
            let node = NodeIx(u32::try_from(random.below(NODES.into())).unwrap());
            let hosts = cluster.is_host.iter().filter(|is_host| **is_host).count();
            match cluster.is_host[node.0 as usize] {
                false if !cluster.has_hosted[node.0 as usize] => cluster.host(node),
                true if hosts > 1 => cluster.leave(node),
                _ => {}
            }
        }
        cluster.watch(s(2));
        let sum = cluster.finish();
        let lost = (sum.disordered, sum.refused, sum.unanswered);
        assert_eq!(lost, (0, 0, 0), "{sum:?}");
        assert_eq!(
            (sum.done, sum.asked),
            (sum.answered, sum.answered),
            "{sum:?}"
        );
        assert!(sum.fresh <= KEYS && sum.resumed > 0, "{sum:?}");
        assert!(sum.answered > 3_000, "{sum:?}");
    });
}

/// U11: hosts that crash lose what they were at, and their workers start afresh elsewhere; whatever
/// is asked afterwards is done, in order, and by one.
#[test]
fn u11_a_crash_loses_what_was_there_and_no_more() {
    crate::support::seeds("u11_a_crash_loses_what_was_there", 8, |seed| {
        let mut cluster = Cluster::new(seed, 3);
        let mut random = Random::new(seed ^ 0x6372);
        for _ in 0..3 {
            cluster.watch(random.duration(ms(200), s(2)));
            let node = NodeIx(u32::try_from(random.below(NODES.into())).unwrap());
            let was_host = cluster.is_host[node.0 as usize];
            cluster.crash(node, was_host);
        }
        cluster.watch(s(2));
        let sum = cluster.finish();
        assert_eq!(sum.disordered, 0, "{sum:?}");
        assert!(sum.answered * 10 > sum.asked * 8, "{sum:?}");
    });
}
