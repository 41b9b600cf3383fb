//! Groups that keep themselves in size (U6, L1, L22): they split and merge under traffic, with
//! crashes and cuts in the middle, and no name is missed and no message lost meanwhile.

mod parents;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{ms, none, restart, s, seeds, start, within};
use archipelago_core::wire::{List, Standard};
use archipelago_core::{GroupId, LocalId, Roles, Time};
use archipelago_router::{Command, Regrouped};
use archipelago_sgroup::names::Registration;
use archipelago_sgroup::{GroupConfig, Timing};
use archipelago_sim::check::{self, views};
use archipelago_sim::tiers::Hierarchy;
use archipelago_sim::topology::{self, REALM, start_all};
use archipelago_sim::{NameRequest, NodeIx, World, WorldConfig};
use bytes::Bytes;

/// Members of a group: 10 to 30.
const SIZE: u32 = 20;

/// A group that grows, and one that watches it from outside, below one parent.
struct Scene {
    world: World,
    hierarchy: Hierarchy,
    /// The place of the group that changes, and of those who ask.
    growing: usize,
    watching: Vec<usize>,
}

impl Scene {
    fn new(size: u32, seed: u64) -> Self {
        Self::with_beside(size, None, seed)
    }

    /// As `new`, with one more group below the parent.
    fn with_beside(size: u32, beside: Option<u32>, seed: u64) -> Self {
        let mut hierarchy = Hierarchy::default();
        (hierarchy.reflectors, hierarchy.capable) = (2, usize::MAX);
        hierarchy.standard = Some(standard());
        let top = hierarchy.parent("top", 1, &[]);
        let growing = hierarchy.leaf("growing", size, &[top]);
        let watching = hierarchy.leaf("watching", 12, &[top]);
        if let Some(size) = beside {
            hierarchy.leaf("beside", size, &[top]);
        }
        let mut world = hierarchy.build(WorldConfig::new(seed), |_, _| {});
        start_all(&mut world);
        within(&mut world, "forming", s(20), views::all_agree);
        world.run_for(s(5));
        Self {
            world,
            hierarchy,
            growing,
            watching: vec![watching],
        }
    }

    /// A group that has no parent, and nobody beside it; it is asked by its own members.
    fn alone(size: u32, seed: u64) -> Self {
        let mut hierarchy = Hierarchy::default();
        (hierarchy.reflectors, hierarchy.capable) = (2, usize::MAX);
        hierarchy.standard = Some(standard());
        let growing = hierarchy.leaf("growing", size, &[]);
        let mut world = hierarchy.build(WorldConfig::new(seed), |_, _| {});
        start_all(&mut world);
        within(&mut world, "forming", s(20), views::all_agree);
        Self {
            world,
            hierarchy,
            growing,
            watching: vec![growing],
        }
    }

    fn id(&self) -> GroupId {
        self.hierarchy.id(self.growing)
    }

    /// Members of the group that watches.
    fn outside(&self) -> Vec<NodeIx> {
        let watching = self.watching.iter();
        let members = watching.flat_map(|&place| self.hierarchy.plans[place].members.clone());
        members.collect()
    }

    /// One more node in the group that grows.
    fn grow(&mut self) -> NodeIx {
        let timing = Arc::new(Timing::default());
        let config = self
            .hierarchy
            .config(&self.world, self.growing, &timing, (0, 0));
        let node = self.world.add(REALM, |node| {
            node.groups = vec![config];
            node.roles = Roles::REFLECTOR;
            node.on_demand_max = 512;
        });
        start(&mut self.world, node);
        node
    }

    /// The lowest groups and their members: of each node the first of its groups.
    fn leaves(&self) -> BTreeMap<GroupId, Vec<NodeIx>> {
        let mut leaves: BTreeMap<GroupId, Vec<NodeIx>> = BTreeMap::new();
        for node in self.world.running() {
            let home = self.world.groups_of(node)[0];
            leaves.entry(home).or_default().push(node);
        }
        leaves
    }

    fn is_within_range(&self) -> bool {
        let range = SIZE as usize / 2..=SIZE as usize * 3 / 2;
        self.leaves()
            .values()
            .all(|members| range.contains(&members.len()))
    }

    fn changes(&self) -> Vec<(Time, NodeIx, GroupId, Regrouped)> {
        self.world.regrouped()
    }

    fn count(&self, is_it: impl Fn(&Regrouped) -> bool) -> usize {
        self.changes()
            .iter()
            .filter(|(.., change)| is_it(change))
            .count()
    }
}

fn standard() -> Arc<Standard> {
    Arc::new(Standard {
        size: SIZE,
        span: None,
        reflectors: 2,
        parent_size: SIZE,
        by: List::new(),
    })
}

/// A name, who registered it first in which group.
type Known = (GroupId, Bytes, NodeIx);

/// Asks for every name every 100 ms from outside, never from a cache.
struct Seeker {
    names: Vec<Known>,
    asked: Vec<(Time, usize, NameRequest)>,
    turn: usize,
}

impl Seeker {
    fn new(scene: &mut Scene, holders: &[NodeIx]) -> Self {
        let group = scene.id();
        let holders = holders.iter().map(|&holder| (group, holder));
        let holders: Vec<_> = holders.collect();
        Self::of(scene, &holders)
    }

    /// Each holder has a name in its group.
    fn of(scene: &mut Scene, holders: &[(GroupId, NodeIx)]) -> Self {
        let mut names = Vec::new();
        for &(group, holder) in holders {
            let name = Bytes::from(format!("name of n{}", holder.0));
            let request =
                scene
                    .world
                    .register(holder, group, Registration::new(name.clone(), LocalId(7)));
            names.push((group, name, holder));
            within(&mut scene.world, "registering", s(5), |world| {
                world.name_result(request).is_some()
            });
        }
        scene.world.run_for(s(1));
        Self {
            names,
            asked: Vec::new(),
            turn: 0,
        }
    }

    /// Asks for some of the names, each time from another node.
    fn ask(&mut self, scene: &mut Scene) {
        let outside = scene.outside();
        for step in 0..4 {
            let place = (self.turn * 4 + step) % self.names.len();
            let from = outside[(self.turn + step) % outside.len()];
            let (group, name, holder) = self.names[place].clone();
            if scene.world.node(from).is_none() || scene.world.node(holder).is_none() {
                continue;
            }
            let forget = Command::ForgetName {
                group,
                name: name.clone(),
            };
            scene.world.command(from, forget).expect("it runs");
            let request = scene.world.find_name(from, group, &name);
            self.asked.push((scene.world.now(), place, request));
        }
        self.turn += 1;
    }

    /// Every question was answered with the name's holder. `is_excused` says of which instants no
    /// answer is asked for.
    fn check(&self, scene: &Scene, is_excused: impl Fn(Time, NodeIx) -> bool) {
        let mut late = Duration::ZERO;
        for &(at, place, request) in &self.asked {
            let (_, name, holder) = &self.names[place];
            if is_excused(at, *holder) {
                continue;
            }
            let found = scene.world.name_found(request);
            let id = scene.world.id(*holder);
            let (when, result) = found.unwrap_or_else(|| panic!("{name:?} at {at:?}: no answer"));
            let node = result.clone().ok().flatten().map(|info| info.pid.node);
            assert_eq!(
                node,
                Some(id),
                "{name:?} at {at:?} from n{}: {result:?}",
                request.0.0
            );
            late = late.max(when.since(at));
        }
        println!(
            "{} questions, the slowest answer after {late:?}",
            self.asked.len()
        );
        assert!(late < s(3), "{late:?}");
    }
}

/// Streams of messages that go on during all changes.
struct Streams {
    flows: Vec<(NodeIx, NodeIx, u32)>,
    messages: u64,
}

impl Streams {
    /// Each of `pairs` sends a message every 50 ms, for so long.
    fn start(scene: &mut Scene, pairs: &[(NodeIx, NodeIx)], duration: Duration) -> Self {
        let messages = u64::try_from(duration.as_millis() / 50).unwrap_or(0);
        let flows = pairs.iter().map(|&(from, to)| {
            let flow = scene.world.flow(from, to, (messages, ms(50), 200));
            (from, to, flow)
        });
        Self {
            flows: flows.collect(),
            messages,
        }
    }

    /// All arrived, in order: of those whose ends both ran all the while.
    fn check(&self, scene: &mut Scene, lost: &[NodeIx]) {
        let flows = self.flows.iter();
        let flows = flows.filter(|(from, to, _)| !lost.contains(from) && !lost.contains(to));
        let flows: Vec<_> = flows.collect();
        let are_through = |world: &World| {
            let mut sent = flows
                .iter()
                .map(|(from, _, flow)| world.flow_report(*from, *flow));
            sent.all(|report| report.sent == self.messages)
        };
        within(&mut scene.world, "sending", s(300), are_through);
        scene.world.run_for(s(15));
        for &(from, to, flow) in flows {
            let sent = scene.world.flow_report(from, flow);
            let received = scene.world.received(to, from, flow);
            let which = format!("n{} to n{}: {sent:?} {received:?}", from.0, to.0);
            assert_eq!(received.misordered, 0, "{which}");
            assert_eq!(received.delivered, self.messages, "{which}");
            assert_eq!(sent.told_lost, 0, "{which}");
        }
    }
}

/// Runs for so long, asking for names all the while.
fn run(scene: &mut Scene, seeker: &mut Seeker, duration: Duration) {
    let until = scene.world.now().after(duration);
    while scene.world.now() < until {
        seeker.ask(scene);
        scene.world.run_for(ms(100));
    }
}

/// Each with the next but one, and some with nodes outside.
fn pairs(inside: &[NodeIx], outside: &[NodeIx]) -> Vec<(NodeIx, NodeIx)> {
    let next = inside.iter().cycle().skip(2);
    let within = inside.iter().copied().zip(next.copied());
    let across = inside.iter().copied().zip(outside.iter().copied());
    let back = outside.iter().copied().zip(inside.iter().rev().copied());
    within.chain(across.take(4)).chain(back.take(4)).collect()
}

/// U6, L1, L22: a group grows from 10 to 60 and splits; names registered before are found at every
/// moment from outside, streams of messages lose nothing, and all groups end within their range.
#[test]
fn u6_l1_l22_a_group_that_grows_splits_and_nothing_is_missed() {
    seeds(
        "regroup::u6_l1_l22_a_group_that_grows_splits_and_nothing_is_missed",
        3,
        |seed| {
            let mut scene = Scene::new(10, seed);
            let first = scene.hierarchy.plans[scene.growing].members.clone();
            let mut seeker = Seeker::new(&mut scene, &first);
            let outside = scene.outside();
            let streams = Streams::start(&mut scene, &pairs(&first, &outside), s(200));
            for _ in 0..50 {
                scene.grow();
                run(&mut scene, &mut seeker, ms(200));
            }
            let mut left = 200;
            while left > 0 && !(scene.is_within_range() && scene.leaves().len() >= 4) {
                run(&mut scene, &mut seeker, s(1));
                left -= 1;
            }
            run(&mut scene, &mut seeker, s(40));
            let sizes: Vec<usize> = scene.leaves().values().map(Vec::len).collect();
            println!("{sizes:?} after {:?}", scene.world.now());
            for change in scene
                .changes()
                .iter()
                .filter(|(.., it)| !matches!(it, Regrouped::Moved { .. }))
            {
                println!("{change:?}");
            }
            assert!(scene.is_within_range(), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), 72);
            let undone = scene.count(|change| matches!(change, Regrouped::Undone { .. }));
            assert_eq!(undone, 0, "{:?}", scene.changes());
            scene.world.run_for(s(100));
            seeker.check(&scene, |_, _| false);
            streams.check(&mut scene, &[]);
            quiet(&mut scene);
            let named: BTreeSet<GroupId> = scene.leaves().into_keys().collect();
            assert!(
                named.contains(&scene.id()),
                "the group that was there stays"
            );
        },
    );
}

/// Sessions between groups have closed, and everything stands as it should.
fn quiet(scene: &mut Scene) {
    scene.world.run_for(s(150));
    none("a quiet world", check::quiet(&scene.world));
}

/// The keeper, which began the change last, and when that was.
fn keeper(scene: &Scene) -> Option<NodeIx> {
    let changes = scene.changes();
    let began = changes
        .iter()
        .rev()
        .find(|(.., it)| matches!(it, Regrouped::Began { .. }));
    began.map(|&(_, node, ..)| node)
}

/// A group of 40, which is too large, a moment of chance after its first change began; and names
/// and streams in it.
fn changing(seed: u64) -> (Scene, Seeker, Streams) {
    let mut scene = Scene::new(28, seed);
    let first = scene.hierarchy.plans[scene.growing].members.clone();
    let mut seeker = Seeker::new(&mut scene, &first[..10]);
    let outside = scene.outside();
    let streams = Streams::start(&mut scene, &pairs(&first[..10], &outside), s(60));
    for _ in 0..12 {
        scene.grow();
        run(&mut scene, &mut seeker, ms(100));
    }
    let mut left = 300;
    while keeper(&scene).is_none() && left > 0 {
        run(&mut scene, &mut seeker, ms(100));
        left -= 1;
    }
    assert!(keeper(&scene).is_some(), "it has 40 members");
    let moment = scene.world.random().index(6_000);
    run(&mut scene, &mut seeker, ms(moment as u64));
    (scene, seeker, streams)
}

/// Runs until all groups are within their range and nothing goes on, or fails.
fn end(scene: &mut Scene, seeker: &mut Seeker) {
    let mut left = 240;
    while left > 0 && !(scene.is_within_range() && scene.leaves().len() >= 3) {
        run(scene, seeker, s(1));
        left -= 1;
    }
    run(scene, seeker, s(30));
    let leaves = scene.leaves();
    assert!(scene.is_within_range(), "{leaves:?}\n{:?}", scene.changes());
    none("views", views::check(&scene.world));
}

/// The keeper crashes at any moment of a change: another one goes on, or all is as before; no name
/// of another node is missed, no message between others lost.
#[test]
fn l22_the_keeper_crashes_in_the_middle_of_a_change() {
    seeds(
        "regroup::l22_the_keeper_crashes_in_the_middle_of_a_change",
        12,
        |seed| {
            let (mut scene, mut seeker, streams) = changing(seed);
            let lost = keeper(&scene).expect("a change began");
            scene.world.crash(lost);
            end(&mut scene, &mut seeker);
            seeker.check(&scene, |_, holder| holder == lost);
            streams.check(&mut scene, &[lost]);
            quiet(&mut scene);
        },
    );
}

/// A cut through the group in the middle of a change, for 2 to 20 s: each side goes on or back by
/// itself, and afterwards every node is in one lowest group, every name found.
#[test]
fn l22_a_cut_in_the_middle_of_a_change_heals() {
    seeds(
        "regroup::l22_a_cut_in_the_middle_of_a_change_heals",
        12,
        |seed| {
            let (mut scene, mut seeker, _) = changing(seed);
            let all = scene.world.running();
            let at = 5 + scene.world.random().index(30);
            let (one, other) = (all[..at].to_vec(), all[at..].to_vec());
            scene.world.partition(&[one, other]);
            let cut = 2_000 + scene.world.random().index(18_000);
            scene.world.run_for(ms(cut as u64));
            scene.world.heal();
            scene.world.run_for(s(30));
            seeker.asked.clear();
            end(&mut scene, &mut seeker);
            seeker.check(&scene, |_, _| false);
            quiet(&mut scene);
        },
    );
}

/// U6, L1, L22: a group that lost members joins another one; its names are found at every moment,
/// under its own id, its streams lose nothing.
#[test]
fn u6_l1_l22_a_group_that_shrinks_joins_another_and_nothing_is_missed() {
    let test = "regroup::u6_l1_l22_a_group_that_shrinks_joins_another_and_nothing_is_missed";
    seeds(test, 6, |seed| {
        let mut scene = Scene::with_beside(13, Some(11), seed);
        let mut members = scene.hierarchy.plans[scene.growing].members.clone();
        let (lost, kept) = members.split_at_mut(5);
        let mut seeker = Seeker::new(&mut scene, kept);
        let outside = scene.outside();
        let streams = Streams::start(&mut scene, &pairs(kept, &outside), s(80));
        for &mut node in lost {
            scene.world.crash(node);
            scene.world.run_for(s(2));
        }
        // Those who led up were among the lost, and others were elected.
        seeker.asked.clear();
        let before = scene.id();
        let mut left = 90;
        while left > 0 && scene.leaves().contains_key(&before) {
            run(&mut scene, &mut seeker, s(1));
            left -= 1;
        }
        run(&mut scene, &mut seeker, s(20));
        let sizes: Vec<usize> = scene.leaves().values().map(Vec::len).collect();
        assert!(scene.is_within_range(), "{sizes:?} {:?}", scene.changes());
        assert_eq!(scene.leaves().len(), 2, "{sizes:?} {:?}", scene.changes());
        scene.world.run_for(s(5));
        seeker.check(&scene, |_, _| false);
        streams.check(&mut scene, &[]);
        quiet(&mut scene);
    });
}

/// U6, L22: a group without a parent gets one when it splits, so that either part finds the other's
/// names and no message is lost.
#[test]
fn u6_l22_a_group_without_a_parent_gets_one_when_it_splits() {
    let test = "regroup::u6_l22_a_group_without_a_parent_gets_one_when_it_splits";
    seeds(test, 6, |seed| {
        let mut scene = Scene::alone(28, seed);
        let first = scene.hierarchy.plans[scene.growing].members.clone();
        let mut seeker = Seeker::new(&mut scene, &first[..10]);
        let streams = Streams::start(&mut scene, &pairs(&first[..10], &first[10..]), s(90));
        for _ in 0..12 {
            scene.grow();
            run(&mut scene, &mut seeker, ms(100));
        }
        let mut left = 90;
        while left > 0 && !(scene.is_within_range() && scene.leaves().len() == 2) {
            run(&mut scene, &mut seeker, s(1));
            left -= 1;
        }
        run(&mut scene, &mut seeker, s(30));
        assert!(scene.is_within_range(), "{:?}", scene.changes());
        seeker.check(&scene, |_, _| false);
        streams.check(&mut scene, &[]);
        quiet(&mut scene);
    });
}

/// What is kept of a running node, as its next start is configured.
fn keep(world: &mut World, node: NodeIx) {
    let before = world.node_config(node);
    let configured: Vec<_> = before.groups.iter().take(1).cloned().collect();
    let id = configured[0].id();
    let machine = world.node(node).expect("it runs");
    let (kept, descent) = (machine.kept(&[id]), machine.descent());
    world.configure(node, |config| {
        config.groups = descent.resume(&configured, &kept);
        let resumed = kept.iter().map(GroupConfig::id);
        config.resumed = resumed.filter(|kept| *kept != id).collect();
        config.descent = Some(Box::new(descent));
    });
}

/// E1, L22: who starts anew is in the group that it had moved to, also after all ended at once; and
/// either part is found from outside as before.
#[test]
fn e1_l22_who_moved_is_where_it_was_after_a_restart() {
    let test = "regroup::e1_l22_who_moved_is_where_it_was_after_a_restart";
    seeds(test, 4, |seed| {
        let (mut scene, mut seeker, _) = changing(seed);
        end(&mut scene, &mut seeker);
        let before = scene.leaves();
        let outside = scene.outside();
        let all: Vec<NodeIx> = scene.world.running();
        let all: Vec<NodeIx> = all.into_iter().filter(|it| !outside.contains(it)).collect();
        for &node in &all {
            keep(&mut scene.world, node);
        }
        let (one, rest) = all.split_at(1 + scene.world.random().index(5));
        for back in [one, rest, &all[..]] {
            for &node in back {
                scene.world.crash(node);
            }
            for &node in back {
                restart(&mut scene.world, node);
                scene.world.run_for(ms(20));
            }
            within(&mut scene.world, "coming back", s(90), views::all_agree);
        }
        scene.world.run_for(s(10));
        assert_eq!(scene.leaves(), before);
        let holders: Vec<NodeIx> = before.values().flat_map(|it| [it[0], it[1]]).collect();
        let holders: Vec<NodeIx> = holders.into_iter().filter(|it| all.contains(it)).collect();
        let mut seeker = Seeker::new(&mut scene, &holders);
        run(&mut scene, &mut seeker, s(5));
        scene.world.run_for(s(5));
        seeker.check(&scene, |_, _| false);
        none("views", views::check(&scene.world));
    });
}

/// A split by hand, as a program would do it that does not know better: `steps` of each mover.
fn split_by_hand(seed: u64, makes_first: bool) -> (Scene, Seeker) {
    let mut scene = Scene::new(16, seed);
    let members = scene.hierarchy.plans[scene.growing].members.clone();
    let mut seeker = Seeker::new(&mut scene, &members[8..]);
    let group = scene.id();
    let config = scene.world.node_config(members[8]).groups[0].clone();
    let other = |first: bool, world: &World| {
        let seed = topology::seed(world, members[8]);
        Arc::new(GroupConfig {
            name: "other".into(),
            seeds: if first { Vec::new() } else { vec![seed] },
            ..(*config).clone()
        })
    };
    for step in [makes_first, !makes_first] {
        for &node in &members[8..] {
            let command = if step {
                Command::Join(other(node == members[8], &scene.world))
            } else {
                Command::Leave(group)
            };
            scene.world.command(node, command).expect("it runs");
        }
        run(&mut scene, &mut seeker, s(8));
    }
    scene.world.run_for(s(5));
    (scene, seeker)
}

/// The checkers see what they are to see: groups that break before they make, and names that are
/// not taken along, are caught.
#[test]
fn who_breaks_first_or_leaves_names_behind_is_caught() {
    for makes_first in [false, true] {
        let (scene, seeker) = split_by_hand(1, makes_first);
        let caught = catch_unwind(AssertUnwindSafe(|| seeker.check(&scene, |_, _| false)));
        assert!(caught.is_err(), "makes first: {makes_first}");
    }
}
