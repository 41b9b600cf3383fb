//! Keyed workers under random schedules: hosts join, leave in order and crash while requests go on
//! (U11), and with leases through splits (F6).

use std::time::Duration;

use crate::strict::with_council;
use crate::support::{formed, ms, restart, s, within};
use archipelago_core::wire::Offer;
use archipelago_core::{GroupId, LocalId, Pid};
use archipelago_sgroup::keyed::{HostConfig, office};
use archipelago_sgroup::registry::{Entry, RegistryCommand};
use archipelago_sgroup::strict::StrictEvent;
use archipelago_sim::check::views;
use archipelago_sim::keyed::{KeyedConfig, KeyedDraw, KeyedNode, KeyedReport};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, Observation, Random, World};
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
    /// With leases: for so long each.
    lease: Option<Duration>,
    /// What was seen of the office so far: each node's term.
    seen: usize,
    terms: Vec<u64>,
}

fn config(group: GroupId) -> KeyedConfig {
    KeyedConfig {
        group,
        service: Bytes::from_static(b"count"),
        keys: KEYS,
        draw: KeyedDraw::Alike,
        rate: 200.0,
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
        Self::on(formed(&topology, seed), topology.id(0), hosts, None)
    }

    /// All host, with leases, and the first three are the council.
    fn leased(seed: u64) -> Self {
        let (world, group) = with_council(NODES, seed);
        let mut cluster = Self::on(world, group, NODES, Some(s(4)));
        for node in (0..NODES).map(NodeIx) {
            cluster.ask_for_office(node);
        }
        cluster
    }

    fn on(world: World, group: GroupId, hosts: u32, lease: Option<Duration>) -> Self {
        let mut cluster = Self {
            world,
            group,
            lease,
            seen: 0,
            terms: vec![0; NODES as usize],
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
        let mut config = config(self.group);
        config.host.lease = self.lease;
        let keyed = KeyedNode::new(config, self.entries);
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
        let begun = self.world.now();
        while !self.keyed(node).has_left() {
            self.watch(ms(20));
            let took = self.world.now().since(begun);
            assert!(took < s(20), "{node:?} has not handed over");
        }
        self.offer(node, None);
        self.is_host[node.0 as usize] = false;
        if self.lease.is_some() {
            let released = self
                .world
                .release_strict(node, self.group, &office(b"count"));
            released.expect("it is a member");
        }
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

    fn ask_for_office(&mut self, node: NodeIx) {
        let local = self.locals[node.0 as usize].expect("it was installed");
        let pid = self.world.pid(node).map(|pid| Pid { local, ..pid });
        let name = office(b"count");
        if let Some(pid) = pid {
            // Who holds it or asks already is told so.
            let _ = self.world.claim_strict(pid, self.group, &name, s(60));
        }
    }

    /// Tells hosts what has become of the service's strict name, as the live driver does.
    fn tell_offices(&mut self) {
        let log = self.world.log();
        let news = log[self.seen..].iter().filter_map(|seen| match &seen.what {
            Observation::Strict { event, .. } => Some((NodeIx(seen.node), event.clone())),
            _ => None,
        });
        let news: Vec<_> = news.collect();
        self.seen = log.len();
        for (node, event) in news {
            let term = &mut self.terms[node.0 as usize];
            let office = match event {
                StrictEvent::Held { fence, until, .. } => {
                    *term = fence;
                    Some((fence, until))
                }
                StrictEvent::Renewed { until, .. } => Some((*term, until)),
                StrictEvent::Lost { .. } | StrictEvent::NotHeld { .. } => None,
                _ => continue,
            };
            self.world.prompt(node, |keyed: &mut KeyedNode, turn| {
                keyed.set_office(office, turn)
            });
            if office.is_none() && self.is_host[node.0 as usize] {
                self.ask_for_office(node);
            }
        }
    }

    fn keyed(&self, node: NodeIx) -> &KeyedNode {
        self.world.protocol(node).expect("it was installed")
    }

    fn answered(&self) -> u64 {
        let nodes = self.world.nodes().into_iter();
        nodes.map(|node| self.keyed(node).report().answered).sum()
    }

    fn fresh(&self) -> u64 {
        let nodes = self.world.nodes().into_iter();
        nodes.map(|node| self.keyed(node).report().fresh).sum()
    }

    /// Runs on, and looks all the time that no key is run twice.
    fn watch(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 20 {
            self.world.run_for(ms(20));
            if self.lease.is_some() {
                self.tell_offices();
            }
            for key in (0..KEYS).step_by(13) {
                let running = self.world.running().into_iter();
                let serving = running.filter(|node| {
                    let keyed: Option<&KeyedNode> = self.world.protocol(*node);
                    keyed.is_some_and(|keyed| keyed.is_serving(key, self.world.now()))
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
        if self.lease.is_some() {
            // Offices are told of here only.
            self.watch(s(12));
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

/// U11, F6: with leases no key is run by two at any time, whoever is cut off from whom; the side
/// without the council's majority refuses, and after each heal all is done again, in order.
#[test]
fn u11_f6_leases_keep_one_activation_through_splits() {
    crate::support::seeds("u11_f6_leases", 4, |seed| {
        let mut cluster = Cluster::leased(seed);
        let mut random = Random::new(seed ^ 0x6c65);
        cluster.watch(s(12));
        let mut answered = cluster.answered();
        assert!(answered > 0, "nothing is done before the first split");
        for _ in 0..3 {
            let cut = random.below(u64::from(NODES) - 1);
            let nodes = cluster.world.nodes().into_iter();
            let (here, there) = nodes.partition(|node| u64::from(node.0) <= cut);
            cluster.world.partition(&[here, there]);
            cluster.watch(random.duration(s(3), s(9)));
            cluster.world.heal();
            cluster.watch(s(16));
            let now = cluster.answered();
            assert!(now > answered + 500, "{now} after {answered}");
            answered = now;
        }
        let sum = cluster.finish();
        assert_eq!(sum.disordered, 0, "{sum:?}");
        assert!(sum.unleased > 100, "{sum:?}");
    });
}

/// U11: with leases workers take their states along as well, and nothing is refused, when hosts
/// come and leave in order.
#[test]
fn u11_leases_let_states_move() {
    crate::support::seeds("u11_leases_let_states_move", 4, |seed| {
        let mut cluster = Cluster::leased(seed);
        cluster.watch(s(12));
        let before = cluster.fresh();
        // Not one of the council, which would be missed.
        for node in [NodeIx(4), NodeIx(5)] {
            cluster.leave(node);
            // Were it the one that lets, its successor would have a quiet time.
            cluster.watch(s(7));
        }
        let now = cluster.world.now();
        let is_leased = |key: &u64| {
            let nodes = cluster.world.nodes().into_iter();
            let fences = nodes.filter_map(|node| cluster.keyed(node).fence(*key, now));
            fences.count() == 1
        };
        assert!(
            (0..KEYS).all(|key| is_leased(&key)),
            "some key is not leased"
        );
        assert_eq!(cluster.fresh(), before, "a state was left behind");
        let sum = cluster.finish();
        assert_eq!((sum.disordered, sum.unanswered), (0, 0), "{sum:?}");
        assert!(sum.resumed > 0, "{sum:?}");
    });
}
