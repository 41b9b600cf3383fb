//! Forwarding end to end and by hops: what carriers can do and cannot (A14), limits, ways round.

use std::collections::BTreeMap;
use std::sync::Arc;

use archipelago_core::wire::{Control, Envelope, List, Sealed};
use archipelago_core::{Boot, NodeId, Peer, Roles};
use archipelago_router::forward::{
    Arrival, Dropped, Forward, ForwardConfig, ForwardError, ForwardOutput, Way,
};
use bytes::Bytes;

use super::kit::{Bench, Map, group, node, record};

const SECRET: &[u8] = b"a secret that nobody on the way may read";

/// Sender 1 in group 1, receiver 2 in group 2, both with reflectors 10 and 11 between them.
struct End {
    bench: Bench,
    map: Map,
    forward: Forward,
    peers: BTreeMap<u64, Peer>,
}

impl End {
    fn new(number: u64, home: u64) -> Self {
        let mut bench = Bench::new(number);
        let peers = [10, 11].map(|n| (n, bench.know(n, Roles::REFLECTOR, &[1, 2])));
        let slots: Vec<Peer> = peers.iter().map(|&(_, peer)| peer).collect();
        let mut map = Map {
            reflectors: slots.clone(),
            ..Map::default()
        };
        map.enter(group(home), false, &slots);
        map.next_hops.insert(group(3 - home), slots);
        let own = record(number, (1, 1), Roles::default(), &[home]);
        let config = Arc::new(ForwardConfig::default());
        let forward = Forward::new(config, own, bench.cx().rng.u64());
        Self {
            bench,
            map,
            forward,
            peers: BTreeMap::from(peers),
        }
    }

    fn send(&mut self, target: u64, way: Way) -> Result<Vec<ForwardOutput>, ForwardError> {
        let mut out = Vec::new();
        let frames = Bytes::from_static(SECRET);
        let cx = &mut self.bench.cx();
        let sent = self
            .forward
            .handle_frames(node(target), way, frames, &self.map, cx, &mut out);
        sent.map(|()| out)
    }

    /// Sends one that must go, and says to whom.
    fn envelope(&mut self, target: u64, way: Way) -> (Peer, Box<Envelope>) {
        let out = self.send(target, way).unwrap();
        match out.into_iter().next_back() {
            Some(ForwardOutput::Send { to, envelope }) => (to, envelope),
            other => panic!("nothing sent but {other:?}"),
        }
    }

    fn take(&mut self, from: u64, envelope: &Envelope) -> Vec<ForwardOutput> {
        let from = self.peers[&from];
        let mut out = Vec::new();
        let cx = &mut self.bench.cx();
        let envelope = Box::new(envelope.clone());
        self.forward
            .handle_envelope(from, envelope, &self.map, cx, &mut out);
        out
    }

    fn dropped(&self) -> Dropped {
        self.forward.counters().dropped
    }
}

fn ends() -> (End, End) {
    let (mut sender, receiver) = (End::new(1, 1), End::new(2, 2));
    let target = record(2, (1, 1), Roles::default(), &[2]);
    sender.forward.handle_located(&target, group(2));
    (sender, receiver)
}

/// As the last reflector hands it over: one hop less.
fn arrived(source: u64, home: u64, via: Peer) -> ForwardOutput {
    let arrival = Arrival {
        source: node(source),
        boot: Boot(1),
        group: group(home),
        way: Way::Relay,
        via,
    };
    let frames = Bytes::from_static(SECRET);
    ForwardOutput::FramesArrived { arrival, frames }
}

#[test]
fn frames_arrive_opened_and_answers_find_their_way_without_a_look_up() {
    let (mut sender, mut receiver) = ends();
    assert_eq!(receiver.send(1, Way::Relay), Err(ForwardError::Unknown));
    let (to, envelope) = sender.envelope(2, Way::Relay);
    assert_eq!(to, sender.peers[&10]);
    assert!(
        envelope.sealed.record.is_some(),
        "a stranger introduces itself"
    );
    // It came by the second reflector: so goes the answer.
    let via = receiver.peers[&11];
    assert_eq!(receiver.take(11, &envelope), [arrived(1, 2, via)]);
    let (to, answer) = receiver.envelope(1, Way::Relay);
    assert_eq!((to, answer.group), (via, group(1)));
    assert_eq!(sender.take(10, &answer), [arrived(2, 1, sender.peers[&10])]);
    let (_, second) = sender.envelope(2, Way::Relay);
    assert!(
        second.sealed.record.is_none(),
        "and once it was answered, no more"
    );
}

#[test]
fn a14_what_is_carried_shows_nothing_of_what_is_inside() {
    let (mut sender, _) = ends();
    let (_, envelope) = sender.envelope(2, Way::Relay);
    let message = Control::Envelope(envelope);
    let mut bytes = Vec::new();
    archipelago_core::wire::codec::encode(&message, &mut bytes).unwrap();
    for part in SECRET.windows(8) {
        assert!(!bytes.windows(8).any(|window| window == part));
    }
}

#[test]
fn a14_whatever_is_altered_does_not_open() {
    let (mut sender, mut receiver) = ends();
    let (_, good) = sender.envelope(2, Way::Relay);
    let mut bad: Vec<Envelope> = Vec::new();
    for position in 0..good.sealed.bytes.len() {
        let mut bytes = good.sealed.bytes.to_vec();
        bytes[position] ^= 1;
        let mut envelope = (*good).clone();
        envelope.sealed.bytes = bytes.into();
        bad.push(envelope);
    }
    for position in 0..24 {
        let mut envelope = (*good).clone();
        envelope.sealed.nonce[position] ^= 1;
        bad.push(envelope);
    }
    let mut truncated = (*good).clone();
    truncated.sealed.bytes = Bytes::new();
    let mut as_another = (*good).clone();
    as_another.sealed.record = Some(record(3, (1, 1), Roles::default(), &[1]));
    let mut with_later_record = (*good).clone();
    with_later_record.sealed.record = Some(record(1, (2, 1), Roles::default(), &[1]));
    let mut as_detour = (*good).clone();
    as_detour.route = List::truncated([node(2)]);
    bad.extend([truncated, as_another, with_later_record, as_detour]);
    let count = bad.len() as u64;
    for envelope in bad {
        assert_eq!(receiver.take(10, &envelope), []);
    }
    assert_eq!(
        receiver.dropped(),
        Dropped {
            altered: count,
            ..Dropped::default()
        }
    );
    let via = receiver.peers[&10];
    assert_eq!(
        receiver.take(10, &good),
        [arrived(1, 2, via)],
        "no lie stays"
    );
}

#[test]
fn a14_replays_and_other_boots_are_refused() {
    let (mut sender, mut receiver) = ends();
    let (_, first) = sender.envelope(2, Way::Relay);
    let (_, second) = sender.envelope(2, Way::Relay);
    assert_eq!(receiver.take(10, &second).len(), 1);
    assert_eq!(receiver.take(10, &first).len(), 1, "late is not replayed");
    for _ in 0..3 {
        assert_eq!(receiver.take(11, &first), []);
        assert_eq!(receiver.take(11, &second), []);
    }
    assert_eq!(
        receiver.dropped(),
        Dropped {
            replayed: 6,
            ..Dropped::default()
        }
    );
    // The target restarts: what was meant for its earlier start is nobody's.
    receiver
        .forward
        .handle_record(record(2, (2, 1), Roles::default(), &[2]));
    let (_, third) = sender.envelope(2, Way::Relay);
    assert_eq!(receiver.take(10, &third), []);
    assert_eq!(receiver.dropped().boot, 1);
}

#[test]
fn a14_who_withholds_is_gone_round_and_who_never_answers_is_told() {
    let (mut sender, mut receiver) = ends();
    let [first, second] = [10, 11].map(|number| sender.peers[&number]);
    let mut ways = Vec::new();
    let mut silent = Vec::new();
    for second in 0..13 {
        let out = sender.send(2, Way::Relay).unwrap();
        for output in out {
            match output {
                ForwardOutput::Send { to, envelope } => ways.push((to, envelope.attempt)),
                ForwardOutput::Silent { target } => silent.push((second, target)),
                other => panic!("unexpected {other:?}"),
            }
        }
        sender.bench.pass(1_000);
    }
    // With the second repetition of the channel a silent way is given up.
    let tried = [first, second].into_iter().cycle().zip(0..);
    let expected = tried.flat_map(|way| [way; 2]);
    assert_eq!(ways, expected.take(13).collect::<Vec<_>>());
    assert_eq!(
        silent,
        [(4, node(2)), (8, node(2)), (12, node(2))],
        "after every reflector once"
    );
    // An answer keeps the way.
    let (_, envelope) = sender.envelope(2, Way::Relay);
    receiver.take(10, &envelope);
    let (_, answer) = receiver.envelope(1, Way::Relay);
    sender.take(11, &answer);
    let kept = sender.envelope(2, Way::Relay).0;
    assert_eq!(kept, first);
    sender.bench.disconnect(first);
    assert_eq!(
        sender.envelope(2, Way::Relay).0,
        second,
        "a lost session is left at once"
    );
    sender.bench.disconnect(second);
    assert_eq!(sender.send(2, Way::Relay), Err(ForwardError::NoPath));
}

#[test]
fn more_than_an_envelope_holds_is_refused() {
    let (mut sender, _) = ends();
    let frames = Bytes::from(vec![0; Sealed::LEN_MAX]);
    let cx = &mut sender.bench.cx();
    let mut out = Vec::new();
    let sent = sender
        .forward
        .handle_frames(node(2), Way::Relay, frames, &sender.map, cx, &mut out);
    assert_eq!((sent, out), (Err(ForwardError::TooLong), vec![]));
}

/// Reflector 10 of groups 1 (with the sender, and reflector 11) and 2 (with the receiver).
fn reflector(config: ForwardConfig) -> End {
    let mut bench = Bench::new(10);
    let peers: Vec<(u64, Peer)> = [1, 2, 11, 12].map(|n| (n, bench.connect(n))).to_vec();
    let slot = |number: u64| peers.iter().find(|(n, _)| *n == number).unwrap().1;
    let mut map = Map {
        reflects: true,
        reflectors: vec![slot(11), slot(12)],
        ..Map::default()
    };
    map.enter(group(1), false, &[slot(1), slot(11), slot(12)]);
    map.enter(group(2), false, &[slot(2)]);
    map.next_hops.insert(group(5), vec![slot(11), slot(12)]);
    let own = record(10, (1, 1), Roles::REFLECTOR, &[1, 2]);
    let forward = Forward::new(Arc::new(config), own, bench.cx().rng.u64());
    End {
        bench,
        map,
        forward,
        peers: peers.into_iter().collect(),
    }
}

#[test]
fn a_reflector_hands_over_unread_and_with_one_hop_less() {
    let (mut sender, _) = ends();
    let (_, envelope) = sender.envelope(2, Way::Relay);
    let mut reflector = reflector(ForwardConfig::default());
    let mut expected = envelope.clone();
    expected.hops -= 1;
    let to = reflector.peers[&2];
    let output = ForwardOutput::Send {
        to,
        envelope: expected,
    };
    assert_eq!(reflector.take(1, &envelope), [output]);
    assert_eq!(reflector.forward.counters().passed_on, 1);
}

#[test]
fn attempts_choose_other_next_hops_and_the_same_attempt_the_same_one() {
    let (mut sender, _) = ends();
    let (_, mut envelope) = sender.envelope(2, Way::Relay);
    envelope.group = group(5);
    let mut reflector = reflector(ForwardConfig::default());
    let mut next = |attempt| {
        envelope.attempt = attempt;
        match &reflector.take(1, &envelope)[..] {
            [ForwardOutput::Send { to, .. }] => *to,
            other => panic!("unexpected {other:?}"),
        }
    };
    let chosen: Vec<Peer> = (0..8).map(&mut next).collect();
    assert_eq!(chosen, (0..8).map(&mut next).collect::<Vec<_>>());
    assert_eq!(chosen[0], reflector.peers[&11], "the nearest first");
    assert!(chosen.contains(&reflector.peers[&12]));
}

#[test]
fn what_is_not_passed_on_is_counted_by_its_reason() {
    let (mut sender, _) = ends();
    let (_, good) = sender.envelope(2, Way::Relay);
    let change = |change: fn(&mut Envelope)| {
        let mut envelope = (*good).clone();
        change(&mut envelope);
        envelope
    };
    let mut reflector = reflector(ForwardConfig::default());
    let target = reflector.peers[&2];
    assert_eq!(reflector.take(1, &change(|e| e.hops = 0)), []);
    assert_eq!(reflector.take(1, &change(|e| e.source = node(3))), []);
    assert_eq!(reflector.take(1, &change(|e| e.target = node(3))), []);
    assert_eq!(reflector.take(1, &change(|e| e.group = group(9))), []);
    let not_here = change(|e| e.route = List::truncated([node(3), node(2)]));
    let not_there = change(|e| e.route = List::truncated([node(10), node(3)]));
    let broken = [ForwardOutput::Broken(reflector.peers[&1])];
    assert_eq!(reflector.take(1, &not_here), broken);
    assert_eq!(reflector.take(1, &not_there), broken);
    assert_eq!(reflector.take(11, &change(|e| e.group = group(9))), []);
    reflector.bench.disconnect(target);
    assert_eq!(reflector.take(1, &good), []);
    reflector.bench.connect(2);
    reflector.map.enter(group(2), true, &[target]);
    assert_eq!(reflector.take(1, &good), []);
    reflector.map.reflects = false;
    assert_eq!(reflector.take(1, &good), []);
    let expected = Dropped {
        hops: 1,
        impostor: 1,
        no_target: 1,
        no_route: 2,
        malformed: 2,
        no_session: 1,
        closed: 1,
        not_reflecting: 1,
        ..Dropped::default()
    };
    assert_eq!(reflector.dropped(), expected);
}

#[test]
fn a_greedy_source_is_held_to_its_quota() {
    let config = ForwardConfig {
        quota_envelopes: 10,
        ..ForwardConfig::default()
    };
    let mut reflector = reflector(config);
    let (mut sender, _) = ends();
    let (_, envelope) = sender.envelope(2, Way::Relay);
    let passed = (0..100).filter(|_| !reflector.take(1, &envelope).is_empty());
    assert_eq!(passed.count(), 20);
    assert_eq!(reflector.dropped().quota, 80);
    reflector.bench.pass(1_000);
    let passed = (0..100).filter(|_| !reflector.take(1, &envelope).is_empty());
    assert_eq!(passed.count(), 10);
}

#[test]
fn a_relay_that_no_reflector_brings_does_not_arrive() {
    let (mut sender, mut receiver) = ends();
    let (_, envelope) = sender.envelope(2, Way::Relay);
    let stranger = receiver.bench.connect(9);
    receiver.peers.insert(9, stranger);
    assert_eq!(receiver.take(9, &envelope), []);
    assert_eq!(receiver.dropped().impostor, 1);
}

/// Members 1 to 5 of one group, all connected but 1 and 2.
fn members() -> BTreeMap<u64, End> {
    let member = |number: u64| {
        let mut bench = Bench::new(number);
        let others = (1..=5).filter(|&other| other != number);
        let peers: Vec<(u64, Peer)> = others
            .map(|other| (other, bench.know(other, Roles::default(), &[1])))
            .collect();
        for &(other, peer) in &peers {
            if number + other == 3 {
                bench.disconnect(peer);
            }
        }
        let slots: Vec<Peer> = peers.iter().map(|&(_, peer)| peer).collect();
        let mut map = Map::default();
        map.enter(group(1), false, &slots);
        let own = record(number, (1, 1), Roles::default(), &[1]);
        let config = Arc::new(ForwardConfig::default());
        let forward = Forward::new(config, own, bench.cx().rng.u64());
        let end = End {
            bench,
            map,
            forward,
            peers: peers.into_iter().collect(),
        };
        (number, end)
    };
    (1..=5).map(member).collect()
}

fn number(id: NodeId) -> u64 {
    (1..=5).find(|&number| node(number) == id).unwrap()
}

/// Carries an envelope to its target; says who carried it.
fn carry(
    members: &mut BTreeMap<u64, End>,
    from: u64,
    to: Peer,
    envelope: Box<Envelope>,
) -> (Vec<u64>, Vec<ForwardOutput>) {
    let mut carriers = Vec::new();
    let (mut from, mut to, mut envelope) = (from, to, envelope);
    loop {
        let at = number(members[&from].bench.peers.id(to));
        let out = members.get_mut(&at).unwrap().take(from, &envelope);
        match &out[..] {
            [
                ForwardOutput::Send {
                    to: next,
                    envelope: copy,
                },
            ] => {
                carriers.push(at);
                (from, to, envelope) = (at, *next, copy.clone());
            }
            _ => return (carriers, out),
        }
    }
}

#[test]
fn a_detour_goes_by_one_that_hears_both_and_answers_come_back() {
    let mut members = members();
    for member in members.values_mut() {
        member
            .forward
            .handle_paths(group(1), node(2), &[node(1), node(3)]);
    }
    let (to, envelope) = members.get_mut(&1).unwrap().envelope(2, Way::Detour);
    let (carriers, out) = carry(&mut members, 1, to, envelope);
    assert_eq!(carriers.len(), 1);
    assert_ne!(carriers, [3], "which does not hear the target");
    let via = members[&2].peers[&carriers[0]];
    let arrival = Arrival {
        source: node(1),
        boot: Boot(1),
        group: group(1),
        way: Way::Detour,
        via,
    };
    let frames = Bytes::from_static(SECRET);
    assert_eq!(out, [ForwardOutput::FramesArrived { arrival, frames }]);
    let (to, envelope) = members.get_mut(&2).unwrap().envelope(1, Way::Detour);
    assert_eq!(to, via, "back as it came");
    let (_, out) = carry(&mut members, 2, to, envelope);
    assert!(matches!(out[..], [ForwardOutput::FramesArrived { .. }]));
}

#[test]
fn where_nobody_hears_both_ends_a_detour_takes_two() {
    let mut members = members();
    let sender = members.get_mut(&1).unwrap();
    for far in [4, 5] {
        let peer = sender.peers[&far];
        sender.bench.disconnect(peer);
    }
    sender
        .forward
        .handle_paths(group(1), node(2), &[node(1), node(3)]);
    sender.forward.handle_paths(group(1), node(4), &[node(3)]);
    let (to, envelope) = sender.envelope(2, Way::Detour);
    assert_eq!(&envelope.route[..], [node(3), node(5), node(2)]);
    let (carriers, out) = carry(&mut members, 1, to, envelope);
    assert_eq!(carriers, [3, 5]);
    assert!(matches!(out[..], [ForwardOutput::FramesArrived { .. }]));
    // Nobody left: said so.
    let sender = members.get_mut(&1).unwrap();
    sender
        .forward
        .handle_paths(group(1), node(3), &[node(5), node(4)]);
    assert_eq!(sender.send(2, Way::Detour), Err(ForwardError::NoPath));
    sender.forward.handle_group_left(group(1));
    assert!(sender.send(2, Way::Detour).is_ok());
}

#[test]
fn control_goes_by_detour_only_and_never_as_an_envelope_in_an_envelope() {
    let mut members = members();
    let sender = members.get_mut(&1).unwrap();
    let mut out = Vec::new();
    let (ping, wrapped) = (Control::Ping(7), sender.envelope(2, Way::Detour).1);
    for control in [ping.clone(), Control::Envelope(wrapped)] {
        let cx = &mut sender.bench.cx();
        let target = node(2);
        let sent =
            sender
                .forward
                .handle_control(target, group(1), control, &sender.map, cx, &mut out);
        assert_eq!(sent, Ok(()));
    }
    let arrived: Vec<_> = out
        .into_iter()
        .map(|output| match output {
            ForwardOutput::Send { to, envelope } => carry(&mut members, 1, to, envelope).1,
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    let [ForwardOutput::ControlArrived { control, .. }] = &arrived[0][..] else {
        panic!("unexpected {arrived:?}")
    };
    assert_eq!((&**control, arrived[1].len()), (&ping, 0));
    assert_eq!(members[&2].dropped().malformed, 1);
}

#[test]
fn one_that_joins_may_use_a_detour_but_sends_no_frames_by_it() {
    let mut members = members();
    // 2 does not know 1 as a member yet, nor does the helper.
    for at in [2, 3, 4, 5] {
        let end = members.get_mut(&at).unwrap();
        let joiner = end.peers[&1];
        end.map
            .members
            .get_mut(&group(1))
            .unwrap()
            .retain(|&peer| peer != joiner);
    }
    let sender = members.get_mut(&1).unwrap();
    let (to, frames) = sender.envelope(2, Way::Detour);
    let mut out = Vec::new();
    let cx = &mut sender.bench.cx();
    let ping = Control::Ping(1);
    sender
        .forward
        .handle_control(node(2), group(1), ping, &sender.map, cx, &mut out)
        .unwrap();
    let (_, arrived) = carry(&mut members, 1, to, frames);
    assert_eq!((arrived.len(), members[&2].dropped().impostor), (0, 1));
    let Some(ForwardOutput::Send { to, envelope }) = out.pop() else {
        panic!("nothing sent")
    };
    let (_, arrived) = carry(&mut members, 1, to, envelope);
    assert!(matches!(
        arrived[..],
        [ForwardOutput::ControlArrived { .. }]
    ));
}
