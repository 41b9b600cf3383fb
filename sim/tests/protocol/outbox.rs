//! The outbox under crashes, cuts and bad disks: what was acknowledged arrives, once and in order
//! (U13, F11, F12).
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds each takes, `ARCHIPELAGO_SEED` runs one.

use std::collections::BTreeSet;

use crate::support::{formed, ms, restart, s, seeds, within};
use archipelago_core::{GroupId, LocalId};
use archipelago_router::outbox::{Destination, OutboxConfig};
use archipelago_sgroup::names::{Mode, Registration};
use archipelago_sim::check::views;
use archipelago_sim::outbox::{Disk, Fault, ReceivingNode, SendingNode};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, ProcessState, Random, Turn, World};
use bytes::Bytes;

const SENDER: NodeIx = NodeIx(0);
const NAME: &[u8] = b"recorder";

/// A sender and a receiver that moves between two nodes, with all that outlives them.
struct Bench {
    world: World,
    group: GroupId,
    random: Random,
    seed: u64,
    sent: u64,
    acknowledged: BTreeSet<u64>,
    /// The disks of who is down.
    sender_disk: Option<Disk>,
    receiver_disk: Option<Disk>,
    receiver: NodeIx,
    crashes: u32,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let topology = Topology::group(4);
        let mut bench = Self {
            world: formed(&topology, seed),
            group: topology.id(0),
            random: Random::split(seed, 77),
            seed,
            sent: 0,
            acknowledged: BTreeSet::new(),
            sender_disk: Some(Disk::new(false)),
            receiver_disk: Some(Disk::new(true)),
            receiver: NodeIx(1),
            crashes: 0,
        };
        bench.open_sender();
        bench.open_receiver();
        bench
    }

    fn to(&self) -> Destination {
        let name = Bytes::from_static(NAME);
        let group = self.group;
        Destination { group, name }
    }

    fn open_sender(&mut self) {
        let disk = self.sender_disk.take().expect("the sender is down");
        let config = OutboxConfig {
            answer_timeout: s(2),
            retry_max: s(3),
            batch_bytes_max: 64,
            ..OutboxConfig::default()
        };
        let at = (self.world.now(), self.seed ^ u64::from(self.crashes));
        let node = SendingNode::open(config, disk, self.to(), at);
        self.world.install(SENDER, node).expect("the node runs");
    }

    fn open_receiver(&mut self) {
        let disk = self.receiver_disk.take().expect("the receiver is down");
        let node = ReceivingNode::open(disk);
        let pid = self.world.install(self.receiver, node);
        let local = pid.expect("the node runs").local;
        self.claim(local);
    }

    fn claim(&mut self, local: LocalId) {
        let claim = Registration::new(NAME.to_vec(), local);
        let mode = Mode::Move;
        let claim = Registration { mode, ..claim };
        self.world.register(self.receiver, self.group, claim);
    }

    fn is_up(&self, node: NodeIx) -> bool {
        self.world.state(node) == ProcessState::Running
    }

    fn sender(&mut self) -> &SendingNode {
        let sender = self.world.protocol::<SendingNode>(SENDER);
        let sender = sender.expect("the sender is up");
        self.acknowledged.extend(sender.acknowledged());
        sender
    }

    fn send(&mut self, count: u64) {
        for number in self.sent..self.sent + count {
            let send = |node: &mut SendingNode, turn: &mut Turn<'_>| node.send(number, turn);
            self.world.prompt(SENDER, send);
        }
        self.sent += count;
    }

    fn crash_sender(&mut self) {
        let disk = self.sender().disk().clone();
        self.sender_disk = Some(disk.crashed(&mut self.random));
        self.world.crash(SENDER);
        self.crashes += 1;
    }

    fn crash_receiver(&mut self) {
        let node = self.world.protocol::<ReceivingNode>(self.receiver);
        let disk = node.expect("the receiver is up").disk().clone();
        self.receiver_disk = Some(disk.crashed(&mut self.random));
        self.world.crash(self.receiver);
        self.crashes += 1;
    }

    /// Goes on for so long; the sender looks the name up every 50 ms, as live ones watch it.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(50) {
            if self.sender_disk.is_none() {
                let holder = self.world.whereis(SENDER, self.group, NAME);
                let holder = holder.map(|info| info.pid);
                let set =
                    |node: &mut SendingNode, turn: &mut Turn<'_>| node.set_holder(holder, turn);
                self.world.prompt(SENDER, set);
            }
            self.world.run_for(ms(50));
        }
    }

    fn fault(&mut self, fault: Option<Fault>) {
        if self.sender_disk.is_none() {
            let set = |node: &mut SendingNode, _: &mut Turn<'_>| node.disk_mut().set_fault(fault);
            self.world.prompt(SENDER, set);
        }
    }

    fn receiver_fault(&mut self, fault: Option<Fault>) {
        if self.receiver_disk.is_none() {
            let set = |node: &mut ReceivingNode, _: &mut Turn<'_>| node.disk_mut().set_fault(fault);
            self.world.prompt(self.receiver, set);
        }
    }

    /// Starts again who is down, the receiver on another node.
    fn come_back(&mut self) {
        if self.sender_disk.is_some() && !self.is_up(SENDER) {
            restart(&mut self.world, SENDER);
            self.open_sender();
        }
        if self.receiver_disk.is_some() {
            restart(&mut self.world, self.receiver);
            self.receiver = NodeIx(1 + (self.receiver.0 % 3));
            self.open_receiver();
        }
    }

    fn step(&mut self) {
        let faults = [
            Fault::Full,
            Fault::Error,
            Fault::SyncAfter,
            Fault::SyncBefore,
        ];
        let fault = faults[self.random.index(faults.len())];
        match self.random.below(12) {
            0 if self.sender_disk.is_none() => self.crash_sender(),
            1 if self.receiver_disk.is_none() => self.crash_receiver(),
            2 | 3 => self.come_back(),
            4 => self.fault(Some(fault)),
            5 => self.receiver_fault(Some(fault)),
            6 => self.fault(None),
            7 => self.receiver_fault(None),
            8 => self.world.cut_pair(SENDER, self.receiver),
            9 => self.world.heal(),
            _ if self.sender_disk.is_none() => {
                let count = 1 + self.random.below(20);
                self.send(count);
            }
            _ => {}
        }
        let millis = 1 + self.random.below(400);
        self.run(millis);
    }

    /// Mends everything, and waits until the outbox is empty.
    fn mend(&mut self) {
        self.world.heal();
        self.come_back();
        self.fault(None);
        self.receiver_fault(None);
        within(&mut self.world, "agreeing", s(60), views::all_agree);
        let node = self.receiver;
        let holder = self.world.whereis(SENDER, self.group, NAME);
        if holder.is_none_or(|info| self.world.node_of(&info.pid.node) != node) {
            // A claim that was made while the group was apart may have been lost with it.
            self.crash_receiver();
            self.come_back();
        }
        for _ in 0..120 {
            self.run(500);
            if self.sender().machine().is_empty() {
                return;
            }
        }
        let left = self.sender().machine().len();
        panic!("not empty after a minute: {left:?}");
    }

    fn received(&self) -> Vec<u64> {
        let node = self.world.protocol::<ReceivingNode>(self.receiver);
        ReceivingNode::numbers(node.expect("the receiver is up").disk())
    }
}

/// F11, F12, U13: sender and receiver crash at any point, the receiver comes back elsewhere, disks
/// fill, fail and lose what was not synced, links are cut: whatever was acknowledged has its effect
/// exactly once, in order.
#[test]
fn f12_acknowledged_is_delivered_once_whatever_crashes() {
    seeds("f12_acknowledged_is_delivered_once", 100, |seed| {
        let mut bench = Bench::new(seed);
        // Some schedules keep the disk broken throughout: each has something to lose.
        bench.send(5);
        bench.run(100);
        for _ in 0..60 {
            bench.step();
        }
        bench.mend();
        let received = bench.received();
        let rising = received.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rising, "twice, or out of order: {received:?}");
        let received: BTreeSet<_> = received.into_iter().collect();
        let lost: Vec<_> = bench.acknowledged.difference(&received).collect();
        assert!(lost.is_empty(), "lost: {lost:?} of {}", bench.sent);
        assert!(!bench.acknowledged.is_empty());
    });
}

/// F11: a record whose bits flipped on the disk is never delivered: it is counted and set aside, and
/// what was acknowledged beside it arrives.
#[test]
fn f11_flipped_records_are_set_aside_and_the_rest_arrives() {
    seeds("f11_flipped_records_are_set_aside", 100, |seed| {
        let mut bench = Bench::new(seed);
        bench.crash_receiver();
        bench.send(40);
        bench.run(500);
        let mut flipped = BTreeSet::new();
        let mut random = Random::split(seed, 3);
        for _ in 0..5 {
            let flip = |node: &mut SendingNode, _: &mut Turn<'_>| {
                flipped.extend(node.disk_mut().flip(&mut random));
            };
            bench.world.prompt(SENDER, flip);
        }
        if seed % 2 == 0 {
            // Found when it is opened; otherwise when it is sent.
            bench.crash_sender();
        }
        bench.mend();
        let counted = bench.sender().machine().counters().corrupt;
        let received = bench.received();
        // A bit flipped twice is whole again.
        assert!(counted <= flipped.len() as u64 && counted > 0, "{counted}");
        assert_eq!(received.len() as u64, 40 - counted);
        assert!(received.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(received.iter().all(|number| *number < 40));
    });
}
