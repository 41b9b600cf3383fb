//! Handler tests of the `up` export: who joins, what is said, what goes up, what is cut (U25, A9).

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{
    Ancestor, GroupRecord, List, SignedGroupRecord, Uplink, UplinkParent,
};
use archipelago_core::{Boot, GroupId, NodeId, Peer, Roles, ToyCrypto};
use archipelago_router::up::{Up, UpConfig, UpOutput};
use archipelago_sgroup::log::keys;
use archipelago_sgroup::{GroupConfig, Place, Timing, charter_of};
use bytes::Bytes;

use super::kit::{Bench, Map, node, record};

/// What the machine asked for, in words that can be compared.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Join(GroupId, Vec<NodeId>),
    Leave(GroupId),
    Meet(GroupId, Vec<NodeId>),
    Write(GroupId, Bytes, Option<Bytes>),
}

fn config(name: &str, tier: u8, parents: &[&Arc<GroupConfig>]) -> Arc<GroupConfig> {
    Arc::new(GroupConfig {
        realm: "realm".into(),
        name: name.into(),
        cookies: None,
        // A seed that is none of these nodes.
        seeds: vec![archipelago_sgroup::Seed {
            address: "/memory/99".into(),
            node: Some(node(99)),
        }],
        size: 0,
        members_max: 1_024,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place {
            tier,
            parents: parents.iter().map(|&parent| Arc::clone(parent)).collect(),
            ..Place::default()
        },
    })
}

/// Node 0, up in `leaf` below `parent`.
struct Scene {
    bench: Bench,
    map: Map,
    up: Up,
    leaf: GroupId,
    parent: Arc<GroupConfig>,
}

impl Scene {
    fn new() -> Self {
        Self::of("leaf")
    }

    fn of(leaf: &str) -> Self {
        let parent = config("parent", 1, &[]);
        let leaf = config(leaf, 0, &[&parent]);
        let mut bench = Bench::new(0);
        bench.pass(10_000);
        let own = record(0, (1, 1), Roles::REFLECTOR, &[1]);
        let mut up = Up::new(Arc::new(UpConfig::default()), own);
        let mut map = Map {
            reflects: true,
            ..Map::default()
        };
        let members: Vec<Peer> = (1..10).map(|number| bench.meet(number)).collect();
        map.enter(leaf.id(), false, &members);
        let charter = Arc::new(charter_of(&leaf));
        up.handle_group(leaf.id(), &leaf, &charter, bench.now);
        up.handle_joined(leaf.id(), bench.now);
        Self {
            bench,
            map,
            up,
            leaf: leaf.id(),
            parent,
        }
    }

    /// As [`Scene::new`], joined to the parent and at rest.
    fn joined() -> Self {
        Self::new().rested()
    }

    fn rested(mut self) -> Self {
        let scene = &mut self;
        scene.pass(0);
        scene.pass(500);
        scene.join_parent(1);
        scene.pass(2_000);
        scene.pass(2_000);
        self
    }

    fn join_parent(&mut self, tier: u8) {
        let mut charter = charter_of(&self.parent);
        charter.tier = tier;
        let id = self.parent.id();
        let now = self.bench.now;
        self.up
            .handle_group(id, &self.parent, &Arc::new(charter), now);
        self.up.handle_joined(id, now);
    }

    fn pass(&mut self, millis: u64) -> Vec<Said> {
        self.bench.pass(millis);
        let mut out = Vec::new();
        let (up, map) = (&mut self.up, &self.map);
        up.handle_timeout(map, &mut self.bench.cx(), &mut out);
        let said = out.into_iter().map(|output| match output {
            UpOutput::Join { config, helpers } => Said::Join(config.id(), helpers),
            UpOutput::Leave(group) => Said::Leave(group),
            UpOutput::Meet(group, nodes) => Said::Meet(group, nodes),
            UpOutput::Write { group, key, value } => Said::Write(group, key, value),
        });
        said.collect()
    }

    /// What follows where these say in the leaf that they are in the parent, as this node is.
    fn meet(&self, others: &[u64]) -> Said {
        let mut nodes: Vec<NodeId> = others.iter().map(|&other| node(other)).collect();
        nodes.sort_unstable();
        Said::Meet(self.parent.id(), nodes)
    }

    fn told(&mut self, group: GroupId, owner: u64, key: &[u8], value: Option<Vec<u8>>) {
        let value = value.map(Bytes::from);
        let (up, value) = (&mut self.up, value.as_ref());
        up.handle_told(group, node(owner), key, value, &mut self.bench.cx());
    }

    /// Member `owner` of the leaf says how it stands to the parent.
    fn says(&mut self, owner: u64, is_seed: bool, is_in: bool) {
        let value = self.uplink(is_seed, is_in).to_vec();
        self.told(self.leaf, owner, &[keys::UPLINK], Some(value));
    }

    fn uplink(&self, is_seed: bool, is_in: bool) -> Bytes {
        let group = self.parent.id();
        let ancestor = Ancestor { group, tier: 1 };
        let said = UplinkParent {
            group,
            is_seed,
            ancestors: List::truncated(is_in.then_some(ancestor)),
        };
        let parents = List::truncated([said]);
        Uplink { parents }.to_bytes().into()
    }

    fn write_uplink(&self, is_in: bool) -> Said {
        let key = keys::key(keys::UPLINK, &[]);
        Said::Write(self.leaf, key, Some(self.uplink(false, is_in)))
    }

    /// The record of the leaf as node 0 tells it in the parent.
    fn write_record(&self, seq: u64, others: &[u64]) -> Said {
        let signed = self.record(self.leaf, 0, seq, others);
        let key = keys::below(&self.leaf);
        Said::Write(self.parent.id(), key, Some(signed.to_bytes().into()))
    }

    fn record(&self, group: GroupId, number: u64, seq: u64, others: &[u64]) -> SignedGroupRecord {
        let crypto = ToyCrypto::new(number);
        let mut others: Vec<NodeId> = others.iter().map(|&number| node(number)).collect();
        others.sort_unstable();
        let record = GroupRecord {
            group,
            epoch: 0,
            tier: 0,
            reflector: crypto.id(),
            boot: Boot(1),
            seq,
            reflectors: List::truncated([crypto.id()].into_iter().chain(others)),
            size: 10,
            closed: false,
        };
        SignedGroupRecord::new(record, &crypto)
    }
}

#[test]
fn a_member_says_that_it_can_be_elected_and_joins_after_a_while() {
    let mut scene = Scene::new();
    assert_eq!(scene.pass(0), [scene.write_uplink(false)]);
    assert_eq!(scene.pass(499), []);
    let parent = scene.parent.id();
    assert_eq!(scene.pass(1), [Said::Join(parent, vec![])]);
    assert_eq!(scene.pass(10_000), []);
}

#[test]
fn who_is_up_in_the_parent_tells_of_it_below_and_of_the_group_above() {
    let mut scene = Scene::new();
    scene.pass(0);
    scene.pass(500);
    scene.join_parent(1);
    // Both are additions: what was said below half a second ago waits for its second.
    assert_eq!(scene.pass(0), []);
    let both = [scene.write_uplink(true), scene.write_record(1, &[])];
    assert_eq!(scene.pass(500), both);
    assert_eq!(scene.pass(60_000), [], "at rest nothing is said again");
}

#[test]
fn three_are_elected_and_those_who_are_in_stick() {
    let mut scene = Scene::new();
    for owner in [1, 2, 3] {
        scene.says(owner, false, true);
    }
    assert_eq!(scene.pass(0), [scene.write_uplink(false)]);
    assert_eq!(scene.pass(60_000), [], "three others are in");
    let leaf = scene.leaf;
    scene.told(leaf, 2, &[keys::UPLINK], None);
    assert_eq!(scene.pass(0), []);
    let [Said::Join(parent, helpers)] = &scene.pass(500)[..] else {
        panic!("it takes the place of the lost one")
    };
    assert_eq!(*parent, scene.parent.id());
    let others = [node(1), node(3)];
    assert!(helpers.len() == 2 && others.iter().all(|other| helpers.contains(other)));
}

#[test]
fn a_seed_outranks_an_incumbent_who_leaves_only_when_it_is_in() {
    let mut scene = Scene::joined();
    for owner in [1, 2] {
        scene.says(owner, true, true);
    }
    scene.says(3, true, false);
    assert_eq!(
        scene.pass(0),
        [scene.meet(&[1, 2]), scene.write_record(2, &[1, 2])],
        "the other reflectors are named, and met"
    );
    assert_eq!(
        scene.pass(10_000),
        [scene.meet(&[1, 2])],
        "the third is not in yet: this one stays"
    );
    scene.says(3, true, true);
    let leaving = scene.pass(0);
    assert_eq!(
        leaving,
        [
            scene.meet(&[1, 2, 3]),
            scene.write_uplink(false),
            Said::Leave(scene.parent.id())
        ]
    );
}

#[test]
fn two_of_the_reflectors_tell_and_the_next_one_takes_over_at_once() {
    let mut telling = 0;
    // Whoever it is among three: the two with the highest hash tell, in each group others.
    for number in 0..20 {
        let others = [1, 2];
        let mut scene = Scene::of(&format!("leaf {number}")).rested();
        for owner in others {
            scene.says(owner, false, true);
        }
        let said = scene.pass(0);
        let met = scene.meet(&others);
        if said == [met.clone(), scene.write_record(2, &others)] {
            telling += 1;
            continue;
        }
        let key = keys::below(&scene.leaf);
        let withdrawn = Said::Write(scene.parent.id(), key, None);
        assert_eq!(said, [met, withdrawn], "the third tells nothing");
        let leaf = scene.leaf;
        scene.told(leaf, others[0], &[keys::UPLINK], None);
        let left = &others[1..];
        assert_eq!(
            scene.pass(0),
            [scene.meet(left), scene.write_record(2, left)]
        );
    }
    assert!((1..20).contains(&telling), "{telling} of 20");
}

#[test]
fn records_from_below_go_further_up_as_they_are_and_go_with_who_told_them() {
    let top = config("top", 2, &[]);
    let middle = config("middle", 1, &[&top]);
    let mut scene = Scene::new();
    for group in [&middle, &top] {
        let charter = Arc::new(charter_of(group));
        scene
            .up
            .handle_group(group.id(), group, &charter, scene.bench.now);
        scene.up.handle_joined(group.id(), scene.bench.now);
    }
    scene.pass(0);
    scene.pass(1_500);
    let (below, key) = (super::kit::group(5), keys::below(&super::kit::group(5)));
    let signed = scene.record(below, 5, 1, &[]);
    let value = signed.to_bytes();
    scene.told(middle.id(), 5, &key, Some(value.clone()));
    let told = Said::Write(top.id(), key.clone(), Some(value.into()));
    assert_eq!(scene.pass(0), [told]);
    scene.told(middle.id(), 5, &key, None);
    assert_eq!(scene.pass(0), [Said::Write(top.id(), key, None)]);
}

#[test]
fn a9_what_is_forged_malformed_or_from_above_is_counted_and_nothing_else() {
    let mut scene = Scene::joined();
    let parent = scene.parent.id();
    let below = super::kit::group(5);
    let key = keys::below(&below);
    let mut forged = scene.record(below, 5, 1, &[]);
    forged.record.size += 1;
    let mut high = scene.record(below, 5, 1, &[]).record;
    high.tier = 1;
    let high = SignedGroupRecord::new(high, &ToyCrypto::new(5));
    let other = scene.record(super::kit::group(6), 5, 1, &[]);
    let lies = [
        forged.to_bytes(),
        high.to_bytes(),
        other.to_bytes(),
        vec![7],
    ];
    for lie in lies {
        scene.told(parent, 5, &key, Some(lie));
        assert_eq!(scene.pass(0), []);
    }
    let leaf = scene.leaf;
    scene.told(leaf, 5, &[keys::UPLINK], Some(vec![9]));
    assert_eq!(scene.pass(0), []);
    assert_eq!(scene.up.counters().malformed, 5);
    assert!(scene.up.below().is_empty());
}

#[test]
fn f8_a_parent_that_is_no_higher_is_left_and_tried_again_later() {
    let mut scene = Scene::new();
    scene.pass(0);
    scene.pass(500);
    scene.join_parent(0);
    let (key, parent) = (keys::key(keys::UPLINK, &[]), scene.parent.id());
    let said = scene.pass(0);
    assert_eq!(
        said,
        [Said::Write(scene.leaf, key, None), Said::Leave(parent)]
    );
    assert_eq!(scene.up.counters().cut, 1);
    assert_eq!(scene.pass(59_000), []);
    assert_eq!(scene.pass(2_000), [scene.write_uplink(false)]);
    assert_eq!(scene.pass(500), [Said::Join(parent, vec![])]);
}

#[test]
fn f8_a_group_above_itself_cuts_the_edge() {
    let mut scene = Scene::joined();
    let (parent, leaf) = (scene.parent.id(), scene.leaf);
    let said = UplinkParent {
        group: super::kit::group(9),
        is_seed: false,
        ancestors: List::truncated([Ancestor {
            group: leaf,
            tier: 2,
        }]),
    };
    let uplink = Uplink {
        parents: List::truncated([said]),
    };
    scene.told(parent, 5, &[keys::UPLINK], Some(uplink.to_bytes()));
    let key = keys::key(keys::UPLINK, &[]);
    assert_eq!(
        scene.pass(0),
        [Said::Write(leaf, key, None), Said::Leave(parent)]
    );
}

#[test]
fn a_node_without_the_role_says_nothing_and_joins_nothing() {
    let mut scene = Scene::new();
    let plain = record(0, (1, 2), Roles::default(), &[1]);
    scene.up.handle_record(plain);
    assert_eq!(scene.pass(0), []);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn flat_groups_cost_nothing() {
    let own = record(0, (1, 1), Roles::REFLECTOR, &[1]);
    let mut up = Up::new(Arc::new(UpConfig::default()), own);
    let flat = config("flat", 0, &[]);
    let now = archipelago_core::Time::START.after(Duration::from_secs(1));
    up.handle_group(flat.id(), &flat, &Arc::new(charter_of(&flat)), now);
    up.handle_joined(flat.id(), now);
    assert_eq!(up.poll_timeout(), None);
    assert_eq!(up.tiers(node(0)), []);
}
