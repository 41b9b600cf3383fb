#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::Rng;
use proptest::prelude::*;

use super::plan::{DIRECT_BYTES_MAX, FAN_OUT, direct, is_direct, tree};
use super::*;

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn nodes(count: u8) -> BTreeSet<NodeId> {
    (0..count).map(node).collect()
}

/// U18: small messages go straight, until the copies are more than a mebibyte.
#[test]
fn u18_a_tree_is_for_what_costs_the_origin_too_much() {
    assert!(is_direct(99, DIRECT_BYTES_MAX / 99));
    assert!(!is_direct(99, DIRECT_BYTES_MAX / 99 + 1));
    assert!(is_direct(FAN_OUT, usize::MAX), "a tree of one level");
    let all: Vec<NodeId> = nodes(3).into_iter().collect();
    assert_eq!(direct(&all).len(), 3);
}

proptest! {
    /// Everybody alive is in the tree once, nobody else is, and it is as deep as its fan-out says.
    #[test]
    fn u18_a_tree_reaches_each_of_the_living_once(count in 0..120u8, dead in any::<u64>()) {
        let all: Vec<NodeId> = nodes(count).into_iter().collect();
        let alive: BTreeSet<NodeId> = all
            .iter()
            .filter(|node| dead >> (node.0[0] % 64) & 1 == 0)
            .copied()
            .collect();
        let (mut reached, mut depth) = (Vec::new(), 0);
        let mut level = tree(&all, &alive);
        while !level.is_empty() {
            prop_assert!(level.iter().all(|branch| branch.below.len() <= alive.len()));
            depth += 1;
            reached.extend(level.iter().map(|branch| branch.to));
            level = level
                .iter()
                .flat_map(|branch| {
                    let below = tree(&branch.below, &alive);
                    assert!(below.len() <= FAN_OUT);
                    below
                })
                .collect();
        }
        reached.sort_unstable();
        prop_assert_eq!(reached, alive.iter().copied().collect::<Vec<_>>());
        prop_assert!(depth <= 4, "120 nodes by four are four levels, not {}", depth);
    }
}

/// Members, and a network that loses, repeats and reorders.
struct World {
    members: Vec<Groupcast>,
    alive: BTreeSet<NodeId>,
    wire: VecDeque<(u8, NodeId, Bytes)>,
    delivered: Vec<Vec<(NodeId, Bytes)>>,
    missed: Vec<u64>,
    copies: usize,
    now: Time,
    rng: Rng,
}

impl World {
    fn new(count: u8, seed: u64, config: &GroupcastConfig) -> Self {
        let member = |number| Groupcast::new(node(number), Boot(1), config.clone());
        Self {
            members: (0..count).map(member).collect(),
            alive: nodes(count),
            wire: VecDeque::new(),
            delivered: vec![Vec::new(); count.into()],
            missed: vec![0; count.into()],
            copies: 0,
            now: Time::START,
            rng: Rng::from_u64(seed),
        }
    }

    fn cast(&mut self, from: u8, message: Bytes) {
        let mut out = Vec::new();
        let member = &mut self.members[usize::from(from)];
        member
            .cast(message, &self.alive, self.now, &mut out)
            .unwrap();
        self.apply(from, out);
    }

    fn apply(&mut self, at: u8, out: Vec<GroupcastOutput>) {
        for output in out {
            match output {
                GroupcastOutput::Send { to, word } => {
                    self.copies += 1;
                    self.wire.push_back((at, to, word));
                }
                GroupcastOutput::Deliver { origin, message } => {
                    self.delivered[usize::from(at)].push((origin, message));
                }
                GroupcastOutput::Missed { messages, .. } => {
                    self.missed[usize::from(at)] += messages
                }
            }
        }
    }

    /// One word arrives; of a hundred, `lost` do not, and as many come twice or late.
    fn step(&mut self, lost: u64) {
        let Some((from, to, word)) = self.wire.pop_front() else {
            return;
        };
        let is_alive = self.alive.contains(&node(from)) && self.alive.contains(&to);
        let chance = self.rng.below(100);
        if !is_alive || chance < lost {
            return;
        }
        if chance < 2 * lost {
            self.wire.push_back((from, to, word.clone()));
        }
        let (mut out, at) = (Vec::new(), to.0[0]);
        let member = &mut self.members[usize::from(at)];
        member.handle_word(node(from), &word, &self.alive, self.now, &mut out);
        self.apply(at, out);
    }

    fn quiet(&mut self) {
        for _ in 0..400 {
            while !self.wire.is_empty() {
                self.step(0);
            }
            self.now = self.now.after(Duration::from_millis(100));
            for at in 0..self.members.len() {
                if !self.alive.contains(&self.members[at].me) {
                    continue;
                }
                let mut out = Vec::new();
                self.members[at].handle_timeout(self.now, &mut out);
                self.apply(u8::try_from(at).unwrap(), out);
            }
        }
        assert!(self.wire.is_empty());
    }
}

/// A message that names its sender and its number, as long as asked.
fn message(from: u8, number: u32, len: usize) -> Bytes {
    let mut bytes = vec![from; len.max(5)];
    bytes[1..5].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

/// U18: a megabyte to fifty members: four copies of it leave the origin, and each arrives once.
#[test]
fn u18_a_long_message_goes_by_a_tree() {
    let mut world = World::new(50, 1, &GroupcastConfig::default());
    let long = message(0, 0, 1_000_000);
    world.cast(0, long.clone());
    let pieces = long.len().div_ceil(PIECE_BYTES);
    assert_eq!(world.copies, FAN_OUT * pieces);
    while !world.wire.is_empty() {
        world.step(0);
    }
    assert_eq!(world.copies, 49 * pieces, "each piece once to each");
    let expected = vec![(node(0), long)];
    assert!(
        world
            .delivered
            .iter()
            .all(|delivered| *delivered == expected)
    );
}

/// U18: a node of the tree dies with what it was to forward: those below it ask, and miss nothing.
#[test]
fn u18_a_death_in_the_tree_costs_those_below_nothing() {
    let mut world = World::new(50, 2, &GroupcastConfig::default());
    let long = message(0, 0, 1_000_000);
    world.cast(0, long.clone());
    // The first child of the origin, with twelve below it.
    for _ in 0..10 {
        world.step(0);
    }
    let dead = node(1);
    world.alive.remove(&dead);
    world.quiet();
    for (at, delivered) in world.delivered.iter().enumerate() {
        if at != 1 {
            assert_eq!(*delivered, [(node(0), long.clone())], "member {at}");
        }
    }
    assert_eq!(world.missed, vec![0; 50]);
}

/// Who joins later gets what is sent from then on, and knows of no loss.
#[test]
fn a_late_member_misses_nothing_that_was_its_own() {
    let mut world = World::new(4, 3, &GroupcastConfig::default());
    world.alive.remove(&node(3));
    for number in 0..5 {
        world.cast(0, message(0, number, 100));
    }
    world.alive.insert(node(3));
    world.cast(0, message(0, 5, 100));
    world.quiet();
    assert_eq!(world.delivered[3], [(node(0), message(0, 5, 100))]);
    assert_eq!(world.delivered[2].len(), 6);
    assert_eq!(world.missed, [0, 0, 0, 0]);
}

/// What the origin no longer keeps is told as missed, and the rest comes.
#[test]
fn what_is_kept_no_longer_is_told_as_missed() {
    let config = GroupcastConfig {
        kept_bytes_max: 250,
        ..GroupcastConfig::default()
    };
    let mut world = World::new(2, 4, &config);
    world.cast(0, message(0, 0, 100));
    world.quiet();
    for number in 1..6 {
        world.cast(0, message(0, number, 100));
    }
    world.wire.clear();
    world.quiet();
    let kept = [0, 4, 5].map(|number| (node(0), message(0, number, 100)));
    assert_eq!(world.delivered[1], kept);
    assert_eq!(world.missed, [0, 3]);
}

#[test]
fn bytes_that_are_no_word_are_dropped() {
    let mut world = World::new(2, 5, &GroupcastConfig::default());
    world
        .wire
        .push_back((0, node(1), Bytes::from_static(&[9, 9])));
    world.step(0);
    assert_eq!(world.members[1].dropped(), 1);
    let max = GroupcastConfig::default().message_bytes_max;
    let long = Bytes::from(vec![0; max + 1]);
    let refused = world.members[0].cast(long, &world.alive, world.now, &mut Vec::new());
    assert_eq!(refused, Err(GroupcastTooLong { len: max + 1, max }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Through loss, repeats, reordering and a death, every living member gets every message of
    /// every living origin in order and once.
    #[test]
    fn u18_everybody_gets_everything_in_order(
        seed in any::<u64>(),
        count in 2..14u8,
        casts in prop::collection::vec((0..14u8, prop_oneof![Just(20usize), Just(300_000)]), 1..20),
        dead in 0..14u8,
        lost in 0..20u64,
    ) {
        let mut world = World::new(count, seed, &GroupcastConfig::default());
        let mut sent = vec![0u32; count.into()];
        let half = casts.len() / 2;
        for (at, (from, len)) in casts.into_iter().enumerate() {
            let from = from % count;
            if at == half && count > 2 {
                world.alive.remove(&node(dead % count));
            }
            if world.alive.contains(&node(from)) {
                let number = sent[usize::from(from)];
                world.cast(from, message(from, number, len));
                sent[usize::from(from)] += 1;
                for _ in 0..5 {
                    world.step(lost);
                }
            }
        }
        // The world heals: what the channels beneath promise then is that words arrive.
        world.quiet();
        for at in 0..count {
            if !world.alive.contains(&node(at)) {
                continue;
            }
            for from in 0..count {
                let numbers: Vec<u32> = world.delivered[usize::from(at)]
                    .iter()
                    .filter(|(origin, _)| *origin == node(from))
                    .map(|(_, bytes)| u32::from_le_bytes(bytes[1..5].try_into().unwrap()))
                    .collect();
                if world.alive.contains(&node(from)) {
                    let all: Vec<u32> = (0..sent[usize::from(from)]).collect();
                    prop_assert_eq!(numbers, all, "from {} at {}", from, at);
                } else {
                    prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
                }
            }
        }
    }
}
