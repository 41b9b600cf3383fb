//! Handler tests of look-ups: caches, single flight, hedging, limits, lies (U21, E17, A8).

use std::sync::Arc;

use archipelago_core::wire::{
    Heading, Introduction, List, Lookup, LookupAnswer, LookupReply, RouteBody, SignedIntroduction,
};
use archipelago_core::{Boot, Peer, Roles, ToyCrypto};
use archipelago_router::lookup::{Located, LookupConfig, LookupError, LookupOutput, Lookups};

use super::kit::{Bench, Map, group, node, record};

const HOME: u64 = 7;
const TARGET: u64 = 50;

fn lookups(number: u64, roles: Roles) -> Lookups {
    let own = record(number, (1, 1), roles, &[1]);
    Lookups::new(Arc::new(LookupConfig::default()), own)
}

/// Node 0, a plain member with reflectors 1, 2 and 3, best first.
fn member() -> (Bench, Map, Lookups, [Peer; 3]) {
    let mut bench = Bench::new(0);
    let reflectors = [1, 2, 3].map(|number| bench.connect(number));
    let mut map = Map {
        reflectors: reflectors.to_vec(),
        ..Map::default()
    };
    map.enter(group(1), false, &reflectors);
    map.next_hops.insert(group(HOME), reflectors.to_vec());
    (bench, map, lookups(0, Roles::default()), reflectors)
}

fn question(to: Peer, id: u64, requester: u64, hops: u8) -> LookupOutput {
    let lookup = Lookup {
        id,
        target: node(TARGET),
        name: None,
        group: group(HOME),
        requester: node(requester),
        version_min: (Boot(0), 0),
        hops,
        heading: Heading::Sideways,
    };
    let body = RouteBody::Lookup(Box::new(lookup));
    LookupOutput::Send { to, body }
}

/// What reflector 60 of the target's group answers `requester`.
fn found(requester: u64, version: (u64, u64)) -> LookupAnswer {
    let introduction = Introduction {
        requester: node(requester),
        target: node(TARGET),
        target_boot: Boot(version.0),
        group: group(HOME),
        reflector: node(60),
        life_s: 300,
    };
    let introduction = SignedIntroduction::new(introduction, &ToyCrypto::new(60));
    LookupAnswer::Found {
        record: record(TARGET, version, Roles::default(), &[HOME]),
        reflectors: List::truncated([record(60, (1, 1), Roles::REFLECTOR, &[HOME])]),
        introduction: Arc::new(introduction),
    }
}

fn located(answer: &LookupAnswer) -> LookupOutput {
    let LookupAnswer::Found {
        record,
        reflectors,
        introduction,
    } = answer.clone()
    else {
        panic!("nothing found in {answer:?}")
    };
    LookupOutput::Found(Arc::new(Located {
        record,
        group: group(HOME),
        reflectors: reflectors.into_vec(),
        introduction,
        holding: None,
    }))
}

fn reply(id: u64, answer: LookupAnswer) -> LookupReply {
    let target = node(TARGET);
    LookupReply { id, target, answer }
}

fn failed(error: LookupError) -> LookupOutput {
    let target = node(TARGET);
    LookupOutput::Failed { target, error }
}

impl Scene {
    fn locate(&mut self) -> Vec<LookupOutput> {
        let mut out = Vec::new();
        let (target, home) = (node(TARGET), group(HOME));
        let since = (Boot(0), 0);
        let cx = &mut self.bench.cx();
        self.lookups
            .handle_locate(target, home, since, &self.map, cx, &mut out);
        out
    }

    fn reply(&mut self, from: Peer, reply: LookupReply) -> Vec<LookupOutput> {
        let mut out = Vec::new();
        let cx = &mut self.bench.cx();
        self.lookups
            .handle_reply(from, reply, &self.map, cx, &mut out);
        out
    }

    fn ask(&mut self, from: Peer, lookup: Lookup) -> Vec<LookupOutput> {
        let mut out = Vec::new();
        let cx = &mut self.bench.cx();
        self.lookups
            .handle_lookup(from, lookup, &self.map, cx, &mut out);
        out
    }

    fn wait(&mut self, millis: u64) -> Vec<LookupOutput> {
        self.bench.pass(millis);
        let mut out = Vec::new();
        let cx = &mut self.bench.cx();
        self.lookups.handle_timeout(&self.map, cx, &mut out);
        out
    }

    fn lose(&mut self, peer: Peer) -> Vec<LookupOutput> {
        self.bench.disconnect(peer);
        let mut out = Vec::new();
        let cx = &mut self.bench.cx();
        self.lookups
            .handle_session_closed(peer, &self.map, cx, &mut out);
        out
    }
}

struct Scene {
    bench: Bench,
    map: Map,
    lookups: Lookups,
    peers: [Peer; 3],
}

fn scene() -> Scene {
    let (bench, map, lookups, peers) = member();
    Scene {
        bench,
        map,
        lookups,
        peers,
    }
}

#[test]
fn one_question_for_many_and_then_none_while_the_answer_is_fresh() {
    let mut scene = scene();
    let [near, ..] = scene.peers;
    assert_eq!(scene.locate(), [question(near, 1, 0, 32)]);
    assert_eq!(scene.locate(), [], "single flight");
    let answer = found(0, (1, 1));
    assert_eq!(
        scene.reply(near, reply(1, answer.clone())),
        [located(&answer)]
    );
    assert_eq!(scene.lookups.poll_timeout(), None);
    assert_eq!(scene.locate(), [located(&answer)]);
    // Stale: served, and asked again; the renewed answer is told.
    scene.bench.pass(130_000);
    assert_eq!(scene.locate(), [located(&answer), question(near, 2, 0, 32)]);
    let newer = found(0, (1, 2));
    assert_eq!(
        scene.reply(near, reply(2, newer.clone())),
        [located(&newer)]
    );
    scene.lookups.handle_purge(&node(TARGET));
    assert_eq!(scene.locate(), [question(near, 3, 0, 32)]);
    assert_eq!(scene.lookups.len(), (1, 0));
}

#[test]
fn the_next_reflector_is_asked_after_100_ms_and_the_first_answer_wins() {
    let mut scene = scene();
    let [near, next, last] = scene.peers;
    scene.locate();
    assert_eq!(scene.wait(99), []);
    assert_eq!(scene.wait(1), [question(next, 2, 0, 32)]);
    assert_eq!(scene.wait(100), [question(last, 3, 0, 32)]);
    assert_eq!(scene.wait(100), [], "three tries");
    let answer = found(0, (1, 1));
    assert_eq!(
        scene.reply(next, reply(2, answer.clone())),
        [located(&answer)]
    );
    assert_eq!(scene.reply(near, reply(1, answer)), [], "late");
    assert_eq!(scene.lookups.counters().unasked, 1);
}

#[test]
fn u21_a_lost_reflector_costs_nothing_and_all_lost_fail_at_once() {
    let mut scene = scene();
    let [near, next, last] = scene.peers;
    scene.locate();
    assert_eq!(scene.lose(near), [question(next, 2, 0, 32)]);
    assert_eq!(scene.lose(next), [question(last, 3, 0, 32)]);
    assert_eq!(scene.lose(last), [failed(LookupError::NoRoute)]);
    assert_eq!(scene.locate(), [failed(LookupError::NoRoute)]);
    // It recovers by itself: no route is not kept.
    let near = scene.bench.connect(1);
    assert_eq!(scene.locate(), [question(near, 4, 0, 32)]);
}

#[test]
fn silence_ends_and_no_route_goes_on_at_once() {
    let mut scene = scene();
    let [near, next, last] = scene.peers;
    scene.locate();
    let no_route = |id| reply(id, LookupAnswer::NoRoute);
    assert_eq!(scene.reply(near, no_route(1)), [question(next, 2, 0, 32)]);
    assert_eq!(scene.reply(next, no_route(2)), [question(last, 3, 0, 32)]);
    assert_eq!(scene.wait(1_999), []);
    assert_eq!(scene.wait(1), [failed(LookupError::NoRoute)]);
}

#[test]
fn what_is_not_there_is_asked_of_all_and_remembered_shortly() {
    let mut scene = scene();
    let [near, next, last] = scene.peers;
    scene.locate();
    scene.reply(near, reply(1, LookupAnswer::NotFound));
    scene.reply(next, reply(2, LookupAnswer::NoRoute));
    let not_found = [failed(LookupError::NotFound)];
    let said = scene.reply(last, reply(3, LookupAnswer::NoRoute));
    assert_eq!(said, not_found);
    assert_eq!(scene.locate(), not_found);
    scene.bench.pass(1_001);
    assert_eq!(scene.locate(), [question(near, 4, 0, 32)]);
    let said = scene.reply(near, reply(4, LookupAnswer::Gone));
    assert_eq!(
        said,
        [failed(LookupError::Gone)],
        "a group's word on its dead is final"
    );
}

#[test]
fn lies_are_counted_and_the_next_reflector_is_asked() {
    let mut other_requester = found(9, (1, 1));
    let mut altered = found(0, (1, 1));
    let mut lies = vec![];
    if let LookupAnswer::Found { record, .. } = &mut altered {
        let mut forged = (**record).clone();
        forged.record.seq += 1;
        *record = Arc::new(forged);
    }
    lies.push(altered.clone());
    lies.push(other_requester.clone());
    if let LookupAnswer::Found { introduction, .. } = &mut other_requester {
        let mut forged = (**introduction).clone();
        forged.introduction.requester = node(0);
        *introduction = Arc::new(forged);
    }
    lies.push(other_requester);
    for lie in lies {
        let mut scene = scene();
        let [near, next, _] = scene.peers;
        scene.locate();
        assert_eq!(
            scene.reply(next, reply(1, found(0, (1, 1)))),
            [],
            "not asked"
        );
        assert_eq!(scene.reply(near, reply(1, lie)), [question(next, 2, 0, 32)]);
        assert_eq!(scene.lookups.counters().forged, 1);
    }
}

#[test]
fn e17_near_nodes_are_not_looked_up() {
    let mut scene = scene();
    let mut out = Vec::new();
    let cx = &mut scene.bench.cx();
    let any = (Boot(0), 0);
    scene
        .lookups
        .handle_locate(node(0), group(HOME), any, &scene.map, cx, &mut out);
    scene
        .lookups
        .handle_locate(node(1), group(1), any, &scene.map, cx, &mut out);
    let near = |number| LookupOutput::Failed {
        target: node(number),
        error: LookupError::Near,
    };
    assert_eq!(out, [near(0), near(1)]);
}

/// Reflector 0 of groups 1 (with reflectors 1 and 2, and plain 3) and `HOME` (with the target).
fn reflector() -> (Scene, Peer) {
    let mut bench = Bench::new(0);
    let peers = [1, 2].map(|number| bench.know(number, Roles::REFLECTOR, &[1]));
    let plain = bench.know(3, Roles::default(), &[1]);
    let target = bench.know(TARGET, Roles::default(), &[HOME]);
    let beside = bench.know(61, Roles::REFLECTOR, &[HOME]);
    let mut map = Map {
        reflects: true,
        reflectors: vec![peers[0], peers[1], beside],
        ..Map::default()
    };
    map.enter(group(1), false, &[peers[0], peers[1], plain]);
    map.enter(group(HOME), false, &[target, beside]);
    let scene = Scene {
        bench,
        map,
        lookups: lookups(0, Roles::REFLECTOR),
        peers: [peers[0], peers[1], plain],
    };
    (scene, target)
}

fn asked(id: u64, requester: u64, group_number: u64, hops: u8) -> Lookup {
    Lookup {
        id,
        target: node(TARGET),
        name: None,
        group: group(group_number),
        requester: node(requester),
        version_min: (Boot(0), 0),
        hops,
        heading: Heading::Sideways,
    }
}

fn answers(out: &[LookupOutput]) -> Vec<(Peer, u64, LookupAnswer)> {
    let replies = out.iter().filter_map(|output| match output {
        LookupOutput::Send {
            to,
            body: RouteBody::LookupReply(reply),
        } => Some((*to, reply.id, reply.answer.clone())),
        _ => None,
    });
    replies.collect()
}

#[test]
fn a_reflector_of_the_group_introduces_the_requester() {
    let (mut scene, _) = reflector();
    let [.., plain] = scene.peers;
    let out = scene.ask(plain, asked(7, 3, HOME, 0));
    let introduction = Introduction {
        requester: node(3),
        target: node(TARGET),
        target_boot: Boot(1),
        group: group(HOME),
        reflector: node(0),
        life_s: 300,
    };
    let signed = SignedIntroduction::new(introduction, &ToyCrypto::new(0));
    let answer = LookupAnswer::Found {
        record: record(TARGET, (1, 1), Roles::default(), &[HOME]),
        reflectors: List::truncated([
            record(0, (1, 1), Roles::REFLECTOR, &[1]),
            record(61, (1, 1), Roles::REFLECTOR, &[HOME]),
        ]),
        introduction: Arc::new(signed),
    };
    assert_eq!(answers(&out), [(plain, 7, answer)]);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_reflector_says_what_is_gone_closed_unknown_or_too_old() {
    let (mut scene, target) = reflector();
    let [near, ..] = scene.peers;
    let say = |scene: &mut Scene, lookup| {
        let out = scene.ask(near, lookup);
        let (to, id, answer) = answers(&out).pop().unwrap();
        assert_eq!((to, id, out.len()), (near, 7, 1));
        answer
    };
    let mut newer = asked(7, 9, HOME, 3);
    newer.version_min = (Boot(1), 2);
    assert_eq!(say(&mut scene, newer), LookupAnswer::NotFound);
    scene
        .map
        .members
        .get_mut(&group(HOME))
        .unwrap()
        .retain(|&p| p != target);
    assert_eq!(
        say(&mut scene, asked(7, 9, HOME, 3)),
        LookupAnswer::NotFound
    );
    scene.map.gone.push((group(HOME), node(TARGET)));
    assert_eq!(say(&mut scene, asked(7, 9, HOME, 3)), LookupAnswer::Gone);
    scene.map.enter(group(HOME), true, &[target]);
    assert_eq!(say(&mut scene, asked(7, 9, HOME, 3)), LookupAnswer::Closed);
    assert_eq!(say(&mut scene, asked(7, 9, 99, 3)), LookupAnswer::NoRoute);
    assert_eq!(say(&mut scene, asked(7, 9, 99, 0)), LookupAnswer::NoRoute);
}

#[test]
fn nobody_is_introduced_in_anothers_name() {
    let (mut scene, _) = reflector();
    let [near, _, plain] = scene.peers;
    let out = scene.ask(plain, asked(7, 4, HOME, 3));
    assert_eq!(answers(&out), [(plain, 7, LookupAnswer::NoRoute)]);
    assert_eq!(scene.lookups.counters().impostors, 1);
    // A reflector asks for others.
    let out = scene.ask(near, asked(8, 4, HOME, 3));
    assert!(matches!(
        answers(&out)[..],
        [(_, 8, LookupAnswer::Found { .. })]
    ));
}

#[test]
fn a_reflector_asks_on_once_for_all_that_ask_and_never_back() {
    let (mut scene, _) = reflector();
    let [near, next, plain] = scene.peers;
    let beyond = scene.bench.connect(62);
    scene
        .map
        .next_hops
        .insert(group(9), vec![plain, beyond, next]);
    let on = |to, id| LookupOutput::Send {
        to,
        body: RouteBody::Lookup(Box::new(asked(id, 3, 9, 4))),
    };
    assert_eq!(scene.ask(plain, asked(7, 3, 9, 5)), [on(beyond, 1)]);
    assert_eq!(scene.ask(near, asked(70, 3, 9, 5)), [], "joins");
    assert_eq!(scene.wait(200), [on(next, 2)], "the next choice in silence");
    // Who passes on believes any word and hands it to all that wait.
    let out = scene.reply(beyond, reply(1, LookupAnswer::NotFound));
    let expected = [
        (plain, 7, LookupAnswer::NotFound),
        (near, 70, LookupAnswer::NotFound),
    ];
    assert_eq!(answers(&out), expected);
    assert_eq!(scene.lookups.len(), (0, 0));
}

#[test]
fn a8_hops_of_any_size_and_questions_without_end_stay_within_limits() {
    let (mut scene, _) = reflector();
    let [near, next, _] = scene.peers;
    scene.map.next_hops.insert(group(9), vec![next]);
    let out = scene.ask(near, asked(1, 1_000, 9, u8::MAX));
    let hops = out.iter().map(|output| match output {
        LookupOutput::Send {
            body: RouteBody::Lookup(lookup),
            ..
        } => lookup.hops,
        other => panic!("unexpected {other:?}"),
    });
    assert_eq!(hops.collect::<Vec<_>>(), [31]);
    let mut refused = 0;
    for number in 1_001..1_200 {
        let out = scene.ask(near, asked(number, number, 9, 5));
        let answers = answers(&out);
        refused += usize::from(matches!(answers[..], [(_, _, LookupAnswer::Overloaded)]));
    }
    assert_eq!((refused, scene.lookups.len()), (200 - 64, (64, 0)));
    // Its end frees everything.
    scene.lose(near);
    assert_eq!(
        (scene.lookups.len(), scene.lookups.poll_timeout()),
        ((0, 0), None)
    );
}
