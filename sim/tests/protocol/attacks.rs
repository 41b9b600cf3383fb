//! Attacks at the level of the world: who may not enter does not, who is let in may not hurt
//! others, and who forwards may only withhold (A1, A2, A5, A8, A14, U2).

use std::sync::Arc;

use crate::support::puppet::Puppet;
use crate::support::{formed, ms, none, s, start, within};
use archipelago_core::wire::{Control, GroupBody, Proof, RefuseReason};
use archipelago_core::{Boot, Era, Incarnation};
use archipelago_sgroup::GroupConfig;
use archipelago_sgroup::admission::ProofRole;
use archipelago_sim::check::{self, deaths, sessions, views};
use archipelago_sim::topology::{Topology, cookies, start_all};
use archipelago_sim::{NodeIx, Tamper, World, WorldConfig, trace};

const COOKIE: &str = "cookie of g0";

/// A1, U2: with no cookie, a wrong one, or that of another group, nobody enters: nothing of the
/// group is said to them, and they find out in less than 1 kB.
#[test]
fn a1_u2_no_wrong_or_foreign_cookie_does_not_open_a_group() {
    let (mut world, topology, attacker) = world_with_puppet(1);
    let group = topology.id(0);
    let cases = [None, Some("a guess"), Some("cookie of g1")];
    for secret in cases {
        let puppet = Puppet::connect(&mut world, attacker, NodeIx(1));
        let proof = secret.map_or(Proof::Open, |secret| {
            puppet.proof(&world, group, secret, ProofRole::Joiner)
        });
        puppet.join(&mut world, group, proof);
        assert_eq!(
            puppet.refusal(&world, group),
            Some(RefuseReason::NotAdmitted)
        );
        let said = puppet.heard_of(&world, group);
        assert!(
            said.iter()
                .all(|body| matches!(body, GroupBody::Refused(_))),
            "{said:?}"
        );
        let bytes: usize = said.iter().map(|body| trace::digest(body).1).sum();
        assert!(bytes <= 1_000, "{bytes} bytes before the refusal");
        world.run_for(s(20));
        assert!(
            !world.is_session_open(attacker, puppet.session),
            "unwanted sessions are closed"
        );
    }
    none("the group", check::quiet(&world));
}

/// A1: who goes on guessing is not listened to any more.
#[test]
fn a1_guesses_are_backed_off() {
    let (mut world, topology, attacker) = world_with_puppet(2);
    let puppet = Puppet::connect(&mut world, attacker, NodeIx(1));
    for guess in 0..8u8 {
        puppet.join(&mut world, topology.id(0), Proof::Cookie([guess; 32]));
    }
    assert_eq!(
        puppet.refusal(&world, topology.id(0)),
        Some(RefuseReason::BackOff)
    );
    let right = puppet.proof(&world, topology.id(0), COOKIE, ProofRole::Joiner);
    puppet.join(&mut world, topology.id(0), right);
    assert_eq!(
        puppet.refusal(&world, topology.id(0)),
        Some(RefuseReason::BackOff)
    );
    world.run_for(s(15));
    none("the group", check::quiet(&world));
}

/// A1, U2: real nodes that are configured wrongly stay outside, for as long as they try.
#[test]
fn a1_u2_a_misconfigured_node_stays_outside() {
    let topology = Topology::group(5);
    let wrong = [None, Some(cookies("something else"))];
    for (seed, cookies) in (1..).zip(wrong) {
        let mut world = topology.build(WorldConfig::new(seed), |node, config| {
            if node == NodeIx(4) {
                let mut group: GroupConfig = (*config.groups[0]).clone();
                group.cookies = cookies.clone();
                config.groups = vec![Arc::new(group)];
            }
        });
        start_all(&mut world);
        world.run_for(s(60));
        let outsider = world.id(NodeIx(4));
        for node in [0, 1, 2, 3].map(NodeIx) {
            let view = views::alive(&world, node, topology.id(0));
            assert_eq!(view.len(), 4);
            assert!(view.iter().all(|(id, ..)| *id != outsider));
        }
        let theirs = views::alive(&world, NodeIx(4), topology.id(0));
        assert!(
            theirs.iter().all(|(id, ..)| *id == outsider),
            "it sees nobody: {theirs:?}"
        );
    }
}

/// A2: a proof recorded in one session is worth nothing in another, at the same member or at a
/// third one; and a member's own words, reflected, are worth nothing either.
#[test]
fn a2_replayed_relayed_and_reflected_proofs_are_refused() {
    let (mut world, topology, attacker) = world_with_puppet(3);
    let group = topology.id(0);
    let first = Puppet::connect(&mut world, attacker, NodeIx(1));
    let recorded = first.proof(&world, group, COOKIE, ProofRole::Joiner);
    let again = Puppet::connect(&mut world, attacker, NodeIx(1));
    again.join(&mut world, group, recorded);
    assert_eq!(
        again.refusal(&world, group),
        Some(RefuseReason::NotAdmitted),
        "replayed"
    );
    let third = Puppet::connect(&mut world, attacker, NodeIx(2));
    third.join(&mut world, group, recorded);
    assert_eq!(
        third.refusal(&world, group),
        Some(RefuseReason::NotAdmitted),
        "relayed"
    );
    let other_role = third.proof(&world, group, COOKIE, ProofRole::Welcome);
    third.join(&mut world, group, other_role);
    assert_eq!(
        third.refusal(&world, group),
        Some(RefuseReason::NotAdmitted),
        "another role"
    );
    world.run_for(s(15));
    none("the group", check::quiet(&world));
}

/// A2: a man in the middle whom a joiner takes for its seed can do nothing with the joiner's
/// proof, nor with the joiner itself.
#[test]
fn a2_a_false_seed_learns_nothing_that_opens_the_group() {
    let mut topology = Topology::group(4);
    let seed = topology.take(1)[0];
    let mut world = topology.build(WorldConfig::new(4), |_, _| {});
    for node in [0, 1, 2].map(NodeIx) {
        start(&mut world, node);
    }
    within(&mut world, "forming", s(10), views::all_agree);
    world.make_puppet(seed);
    let false_seed = archipelago_sgroup::Seed {
        address: world.address(seed),
        node: None,
    };
    world.configure(NodeIx(3), |config| {
        let mut group: GroupConfig = (*config.groups[0]).clone();
        group.seeds = vec![false_seed];
        config.groups = vec![Arc::new(group)];
    });
    start(&mut world, NodeIx(3));
    world.run_for(s(1));
    let (session, joiner) = world
        .puppet_heard(seed)
        .iter()
        .find_map(|(session, peer, message)| {
            matches!(message, Control::Hello(_)).then_some((*session, *peer))
        })
        .expect("the joiner dials its seed");
    let puppet = Puppet::greet(&mut world, seed, session, joiner);
    world.run_for(s(1));
    let group = topology.id(0);
    let joins = puppet.heard_of(&world, group);
    let join = joins.iter().find_map(|body| match body {
        GroupBody::Join(join) => Some(join.clone()),
        _ => None,
    });
    let join = join.expect("the joiner proves that it knows the cookie");
    puppet.say(
        &mut world,
        Control::Group(group, GroupBody::Join(join.clone())),
    );
    let relayed = Puppet::connect(&mut world, seed, NodeIx(1));
    relayed.join(&mut world, group, join.proof);
    assert_eq!(
        relayed.refusal(&world, group),
        Some(RefuseReason::NotAdmitted)
    );
    world.run_for(s(2));
    let said = puppet.heard_of(&world, group);
    let is_harmless = |body: &GroupBody| matches!(body, GroupBody::Join(_) | GroupBody::Refused(_));
    assert!(said.iter().all(is_harmless), "{said:?}");
}

/// A5: a flood inside a session costs the flooder that session, and nobody else anything.
#[test]
fn a5_a_flood_closes_its_own_session_only() {
    let (mut world, topology, attacker) = world_with_puppet(5);
    let begin = world.now();
    let puppet = Puppet::connect(&mut world, attacker, NodeIx(1));
    for number in 0..100_000 {
        puppet.say(&mut world, Control::Ping(number));
    }
    world.run_for(s(8));
    assert!(
        !world.is_session_open(attacker, puppet.session),
        "the flooder is cut off"
    );
    none("nobody died", deaths::none_but(&world, begin, &[]));
    assert!(views::agree(&world, topology.id(0)));
    none("the group", check::quiet(&world));
}

/// A8: a member that says the highest numbers of everything is no immortal: when it falls silent
/// it is declared dead like everybody else, and a later boot of its own is still let in.
#[test]
fn a8_the_highest_numbers_make_nobody_immortal() {
    let (mut world, topology, attacker) = world_with_puppet(6);
    let group = topology.id(0);
    let mut puppets = Vec::new();
    for victim in [0, 1, 2, 3].map(NodeIx) {
        let puppet = Puppet::connect(&mut world, attacker, victim);
        let proof = puppet.proof(&world, group, COOKIE, ProofRole::Joiner);
        puppet.join(&mut world, group, proof);
        let said = puppet.heard_of(&world, group);
        assert!(
            said.iter()
                .any(|body| matches!(body, GroupBody::Welcome(_))),
            "{said:?}"
        );
        puppets.push(puppet);
    }
    for puppet in &puppets {
        let boast = GroupBody::Alive {
            boot: Boot(u64::MAX),
            era: Era(u32::MAX),
            incarnation: Incarnation(u32::MAX),
        };
        puppet.say(&mut world, Control::Group(group, boast));
        let boast = GroupBody::Alive {
            boot: Boot(1),
            era: Era(0),
            incarnation: Incarnation(u32::MAX),
        };
        puppet.say(&mut world, Control::Group(group, boast));
        let beat = GroupBody::Heartbeat {
            incarnation: Incarnation(u32::MAX),
            view_hash: u32::MAX,
            log_hash: u32::MAX,
        };
        puppet.say(&mut world, Control::Group(group, beat));
    }
    world.run_for(s(10));
    let liar = world.id(attacker);
    for node in [0, 1, 2, 3].map(NodeIx) {
        let view = views::alive(&world, node, group);
        assert!(
            view.iter().all(|(id, ..)| *id != liar),
            "{node:?} still holds it alive"
        );
    }
}

/// A14: reflectors that alter, forge, replay or withhold what they relay: nothing wrong arrives,
/// nothing arrives twice, and with an honest second reflector everything arrives.
#[test]
fn a14_a_dishonest_relay_can_only_withhold() {
    for tamper in [
        Tamper::Alter,
        Tamper::Forge,
        Tamper::Replay,
        Tamper::Withhold,
    ] {
        let topology = Topology::backbone(2, 4, 2);
        let mut world = formed(&topology, 7);
        world.tamper(NodeIx(0), Some(tamper));
        world.tamper(NodeIx(4), Some(tamper));
        for (from, to) in [(2, 6), (2, 7), (3, 6), (3, 7), (6, 3), (7, 2)] {
            let (from, to) = (NodeIx(from), NodeIx(to));
            let flow = world.flow(from, to, (2, ms(300), 300));
            world.run_for(s(12));
            let received = world.received(to, from, flow);
            assert_eq!(received.delivered, 2, "{tamper:?} {from:?} to {to:?}");
            assert_eq!(received.misordered, 0);
        }
        let times = world.tampered(NodeIx(0)) + world.tampered(NodeIx(4));
        println!("{tamper:?}: {times} envelopes");
        assert!(
            times > 0,
            "{tamper:?}: no envelope came by the dishonest relays"
        );
        none("safety", check::safety(&world));
    }
}

/// A14: members that do the same on a detour, all but one of those that could help. Another helper
/// is taken, and who had to is counted.
#[test]
fn a14_a_dishonest_detour_can_only_withhold() {
    let tampers = [
        Tamper::Alter,
        Tamper::Forge,
        Tamper::Replay,
        Tamper::Withhold,
    ];
    for (tamper, seed) in tampers
        .into_iter()
        .flat_map(|t| (1..9).map(move |s| (t, s)))
    {
        let mut world = formed(&Topology::group(6), seed);
        let begin = world.now();
        let liars = [2, 3, 4].map(NodeIx);
        for liar in liars {
            world.tamper(liar, Some(tamper));
        }
        world.cut_pair(NodeIx(0), NodeIx(1));
        let flow = world.flow(NodeIx(0), NodeIx(1), (30, s(1), 300));
        let back = world.flow(NodeIx(1), NodeIx(0), (30, s(1), 300));
        world.run_for(s(75));
        for (from, to, flow) in [(0, 1, flow), (1, 0, back)] {
            let received = world.received(NodeIx(to), NodeIx(from), flow);
            assert_eq!(received.delivered, 30, "seed={seed} {tamper:?}");
            assert_eq!((received.skipped, received.misordered), (0, 0));
        }
        let times: u64 = liars.iter().map(|&liar| world.tampered(liar)).sum();
        let rerouted = [0, 1].map(|end| world.node(NodeIx(end)).unwrap().counters().rerouted);
        println!("seed={seed} {tamper:?}: {times} envelopes, {rerouted:?} ways left");
        if tamper == Tamper::Withhold && times > 20 {
            assert!(rerouted.iter().sum::<u64>() > 0, "seed={seed}: reported");
        }
        none("no death", deaths::none_but(&world, begin, &[]));
        none("safety", check::safety(&world));
    }
}

/// A group of four that has formed, and one more node that a test speaks for.
fn world_with_puppet(seed: u64) -> (World, Topology, NodeIx) {
    let mut topology = Topology::group(4);
    let attacker = topology.take(1)[0];
    let mut world = topology.build(WorldConfig::new(seed), |_, _| {});
    for node in [0, 1, 2, 3].map(NodeIx) {
        start(&mut world, node);
    }
    within(&mut world, "forming", s(20), |world| {
        views::all_agree(world) && sessions::mesh(world).is_empty()
    });
    world.run_for(s(3));
    world.make_puppet(attacker);
    (world, topology, attacker)
}
