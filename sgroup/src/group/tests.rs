//! One group, one call, the entire list of outputs.

use std::time::Duration;

use archipelago_core::wire::{
    Entry, Join, JoinRole, Life, List, LogEntry, LogUpdate, Probe, ProbeOutcome, ProbeReport,
    RefuseReason, SessionId, Suspicion,
};
use archipelago_core::{Address, Boot, Era, NodeRecord, Peers, Rng, Roles, SealingKey, ToyCrypto};

use bytes::Bytes;

use super::*;
use crate::admission::Encounter;
use crate::{Cookies, DialTarget, GroupEvent as Event, GroupOutput as Out, Place, Seed, Timing};

mod gone;

const ME: u8 = 5;

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn record(number: u8, boot: u64) -> Arc<SignedRecord> {
    let record = NodeRecord {
        node: node(number),
        boot: Boot(boot),
        seq: 1,
        name: "n".into(),
        groups: List::new(),
        addresses: List::truncated([Address::from(format!("/memory/{number}").as_str())]),
        roles: Roles::default(),
        sealing_key: SealingKey::default(),
        wire: (1, 1),
        life_s: 60,
    };
    Arc::new(SignedRecord::new(record, &ToyCrypto::of(node(number))).unwrap())
}

fn cookies(text: &str) -> Option<Cookies> {
    Some(Cookies {
        current: text.as_bytes().into(),
        previous: None,
    })
}

fn config(seeds: &[u8], size: u32) -> Arc<GroupConfig> {
    let seed = |number: &u8| Seed {
        address: Address::from(format!("/memory/{number}").as_str()),
        node: None,
    };
    Arc::new(GroupConfig {
        realm: "realm".into(),
        name: "group".into(),
        cookies: cookies("secret"),
        seeds: seeds.iter().map(seed).collect(),
        size,
        members_max: 16,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

struct Fixture {
    group: Group,
    peers: Peers,
    rng: Rng,
    crypto: ToyCrypto,
    now: Time,
}

impl Fixture {
    fn new(config: Arc<GroupConfig>) -> Self {
        let mut peers = Peers::new(64);
        let mut rng = Rng::from_u64(1);
        let crypto = ToyCrypto::of(node(ME));
        let now = Time::from_micros(1_000_000);
        let mut cx = Context {
            now,
            me: node(ME),
            rng: &mut rng,
            crypto: &crypto,
            peers: &mut peers,
        };
        let group = Group::new(config, record(ME, 1), &mut cx);
        Self {
            group,
            peers,
            rng,
            crypto,
            now,
        }
    }

    /// A founder, up, with these members up and admitted.
    fn with_members(numbers: &[u8]) -> Self {
        let mut fixture = Self::new(config(&[], 0));
        fixture.call(Group::handle_start);
        for &number in numbers {
            fixture.join(number, JoinRole::Joiner, "secret");
            fixture.hear(number, alive(0));
        }
        fixture
    }

    fn call(
        &mut self,
        act: impl FnOnce(&mut Group, &mut Context<'_>, &mut GroupOutputs),
    ) -> GroupOutputs {
        let mut out = GroupOutputs::new();
        let mut cx = Context {
            now: self.now,
            me: node(ME),
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        };
        act(&mut self.group, &mut cx, &mut out);
        out
    }

    fn connect(&mut self, number: u8) -> Peer {
        let peer = self.peers.intern(node(number)).unwrap();
        let state = self.peers.get_mut(peer).unwrap();
        state.session = Some(SessionId {
            slot: u32::from(number),
            generation: 0,
        });
        state.transcript = [number; 16];
        state.set_boot(Boot(1));
        state.set_record(record(number, 1));
        state.last_heard = self.now;
        peer
    }

    fn peer(&self, number: u8) -> Peer {
        self.peers.find(&node(number)).unwrap()
    }

    fn join(&mut self, number: u8, role: JoinRole, cookie: &str) -> GroupOutputs {
        self.connect(number);
        let admission = Admission::new(self.group.id(), cookies(cookie));
        let encounter = Encounter {
            transcript: [number; 16],
            prover: node(number),
            verifier: node(ME),
            role: role.into(),
        };
        let join = Join {
            role,
            proof: admission.prove(&encounter, &ToyCrypto::of(node(number))),
            charter: charter::id_of(&self.group.charter),
            boot: Boot(1),
            era: Era(0),
            incarnation: Incarnation(0),
            log_seq: 0,
        };
        self.hear(number, GroupBody::Join(Box::new(join)))
    }

    /// The member of this number says something now.
    fn hear(&mut self, number: u8, body: GroupBody) -> GroupOutputs {
        let peer = self.peer(number);
        self.peers.get_mut(peer).unwrap().last_heard = self.now;
        let from = Origin {
            peer,
            transcript: [number; 16],
            by: super::By::Session,
        };
        self.call(|group, cx, out| group.handle_message(from, body, cx, out))
    }

    fn pass(&mut self, span: Duration) {
        // In steps, or the group would take it for a pause of its own.
        for _ in 0..10 {
            self.now = self.now.after(span / 10);
            self.call(Group::handle_timeout);
        }
    }

    fn lives(&self) -> Vec<(u8, Life)> {
        let members = self.group.members(&self.peers);
        members
            .iter()
            .map(|info| (info.node.0[0], info.life))
            .collect()
    }
}

fn alive(incarnation: u32) -> GroupBody {
    GroupBody::Alive {
        boot: Boot(1),
        era: Era(0),
        incarnation: Incarnation(incarnation),
    }
}

fn suspect(number: u8, incarnation: u32) -> GroupBody {
    GroupBody::Suspect(Box::new(Suspicion {
        node: node(number),
        boot: Boot(1),
        era: Era(0),
        incarnation: Incarnation(incarnation),
    }))
}

fn entry(number: u8, life: Life, with_record: bool) -> Entry {
    Entry {
        node: node(number),
        boot: Boot(1),
        era: Era(0),
        incarnation: Incarnation(0),
        life,
        record: with_record.then(|| record(number, 1)),
    }
}

fn view(entries: Vec<Entry>) -> GroupBody {
    GroupBody::View(Arc::new(List::truncated(entries)))
}

fn info(number: u8, life: Life) -> MemberInfo {
    MemberInfo {
        node: node(number),
        boot: Boot(1),
        era: Era(0),
        life,
        record: Some(record(number, 1)),
    }
}

fn sent_to(out: &[Out]) -> Vec<u32> {
    let to = |output: &Out| match output {
        Out::Send { to, .. } => Some(to.0),
        _ => None,
    };
    out.iter().filter_map(to).collect()
}

#[test]
fn a_node_without_seeds_or_among_them_founds() {
    for seeds in [&[][..], &[3, ME]] {
        let mut fixture = Fixture::new(config(seeds, 0));
        let out = fixture.call(Group::handle_start);
        let mut expected = vec![Out::Event(Event::Joined { missing: 0 })];
        if !seeds.is_empty() {
            let target = DialTarget::Seed(0);
            expected.push(Out::Dial { target });
        }
        assert_eq!(out, expected);
        assert!(fixture.group.is_up());
    }
}

#[test]
fn a_node_with_a_seed_dials_it_says_once_that_it_is_away_and_asks_when_it_is_there() {
    let mut fixture = Fixture::new(config(&[3], 0));
    let target = DialTarget::Seed(0);
    assert_eq!(fixture.call(Group::handle_start), [Out::Dial { target }]);
    let failed = |group: &mut Group, cx: &mut Context<'_>, out: &mut GroupOutputs| {
        group.handle_dial_failed(target, cx, out);
    };
    assert_eq!(
        fixture.call(failed),
        [Out::Event(Event::SeedUnreachable(0))]
    );
    assert_eq!(fixture.call(failed), []);
    let peer = fixture.connect(3);
    let out = fixture.call(|group, cx, out| {
        group.handle_session_ready(peer, Some(target), cx, out);
    });
    assert!(matches!(
        &out[..],
        [Out::Send { to, body: GroupBody::Join(join) }]
            if *to == peer && join.role == JoinRole::Joiner
    ));
}

/// A1: nothing of the group is said to who has no cookie, or a wrong one.
#[test]
fn a1_a_wrong_proof_is_refused_and_learns_nothing() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let out = fixture.join(3, JoinRole::Joiner, "guess");
    let to = fixture.peer(3);
    let body = GroupBody::Refused(RefuseReason::NotAdmitted);
    assert_eq!(out, [Out::Send { to, body }]);
    assert_eq!(fixture.hear(3, GroupBody::ViewDigest(Arc::default())), []);
    assert!(!fixture.group.holds(to));
}

#[test]
fn a_joiner_is_welcomed_with_the_view_and_told_of_to_the_others() {
    let mut fixture = Fixture::with_members(&[1]);
    let out = fixture.join(2, JoinRole::Joiner, "secret");
    let (first, second) = (fixture.peer(1), fixture.peer(2));
    let [
        Out::Send {
            to,
            body: GroupBody::Welcome(welcome),
        },
        rest @ ..,
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!((*to, welcome.entries), (second, 3));
    let me = Entry {
        record: None,
        ..entry(ME, Life::Alive, false)
    };
    assert_eq!(welcome.view[..], [me, entry(1, Life::Alive, true)]);
    assert_eq!(
        rest,
        [
            Out::Admitted { peer: second },
            Out::Ping { peer: second },
            Out::Send {
                to: first,
                body: view(vec![entry(2, Life::Joining, true)]),
            },
        ]
    );
    assert_eq!(fixture.lives(), [(1, Life::Alive), (ME, Life::Alive)]);
    let up = Out::Event(Event::MemberUp(info(2, Life::Alive)));
    assert_eq!(fixture.hear(2, alive(0)), [up]);
}

#[test]
fn a_heartbeat_is_answered_by_nothing() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let body = GroupBody::Heartbeat {
        incarnation: Incarnation(0),
        view_hash: fixture.group.view_hash(),
        log_hash: 0,
    };
    assert_eq!(fixture.hear(1, body), []);
}

/// E5: a member that left is released, and no third party brings it back.
#[test]
fn e5_a_member_that_left_is_not_added_again() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let peer = fixture.peer(1);
    let left = Event::MemberDown(info(1, Life::Left), DownReason::Left);
    let out = fixture.hear(1, GroupBody::Leave);
    assert_eq!(out, [Out::Event(left), Out::Released { peer }]);
    assert_eq!(fixture.hear(2, view(vec![entry(1, Life::Alive, true)])), []);
    assert!(!fixture.group.holds(peer));
}

#[test]
fn leaving_tells_every_member_and_releases_it() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let (first, second) = (fixture.peer(1), fixture.peer(2));
    let body = GroupBody::Leave;
    let expected = [
        Out::Send {
            to: first,
            body: body.clone(),
        },
        Out::Send { to: second, body },
        Out::Released { peer: first },
        Out::Released { peer: second },
    ];
    assert_eq!(fixture.call(Group::handle_leave), expected);
    assert_eq!(fixture.lives(), []);
    assert_eq!(fixture.group.poll_timeout(), None);
}

/// A8: a suspicion of me is refuted by one bounded step, whatever number it names.
#[test]
fn a8_a_suspicion_of_me_is_refuted_by_a_bounded_step() {
    let mut fixture = Fixture::with_members(&[1]);
    let to = fixture.peer(1);
    for (suspected, raised) in [(0, 1), (u32::MAX, 66)] {
        let body = alive(raised);
        let out = fixture.hear(1, suspect(ME, suspected));
        assert_eq!(out, [Out::Send { to, body }]);
    }
}

/// A8: a member that claims the last incarnation dies by votes like any other.
#[test]
fn a8_the_last_incarnation_makes_nobody_immortal() {
    let mut fixture = Fixture::with_members(&[1, 2, 3, 4]);
    fixture.hear(1, alive(u32::MAX));
    let peer = fixture.peer(1);
    fixture.peers.get_mut(peer).unwrap().session = None;
    fixture.call(|group, cx, out| group.handle_session_closed(peer, cx, out));
    let suspected = Event::MemberSuspect(info(1, Life::Suspect));
    let first = fixture.hear(2, suspect(1, u32::MAX));
    assert!(first.contains(&Out::Event(suspected)), "{first:?}");
    let second = fixture.hear(3, suspect(1, u32::MAX));
    let down = Event::MemberDown(info(1, Life::Down), DownReason::Dead);
    assert_eq!(second, [Out::Event(down), Out::Released { peer }]);
}

/// Votes bind the tenure and the incarnation that the voter knew.
#[test]
fn votes_about_an_earlier_incarnation_do_not_count() {
    let mut fixture = Fixture::with_members(&[1, 2, 3, 4]);
    fixture.hear(1, alive(7));
    for voter in [2, 3, 4] {
        assert_eq!(fixture.hear(voter, suspect(1, 6)), []);
        assert_eq!(fixture.hear(voter, suspect(1, 7 + 65)), []);
    }
}

/// A9: the views of others, however many agree, do not make a member dead that answers here.
#[test]
fn a9_hearsay_of_an_end_only_makes_this_node_look() {
    let mut fixture = Fixture::with_members(&[1, 2, 3, 4]);
    for liar in [2, 3, 4] {
        fixture.hear(liar, view(vec![entry(1, Life::Down, false)]));
    }
    fixture.pass(Duration::from_millis(600));
    let peer = fixture.peer(1);
    fixture.peers.get_mut(peer).unwrap().last_heard = fixture.now;
    fixture.call(|group, cx, out| group.handle_pong(peer, cx, out));
    assert!(fixture.lives().contains(&(1, Life::Alive)));
}

#[test]
fn an_unknown_member_is_only_believed_with_its_signed_record() {
    let mut fixture = Fixture::with_members(&[1]);
    let from = fixture.peer(1);
    let out = fixture.hear(1, view(vec![entry(7, Life::Alive, false)]));
    assert!(matches!(
        &out[..],
        [Out::Send { to, body: GroupBody::ViewDigest(_) }] if *to == from
    ));
    let forged = Entry {
        record: Some(record(8, 1)),
        ..entry(7, Life::Alive, false)
    };
    assert_eq!(fixture.hear(1, view(vec![forged])), []);
    assert!(!fixture.lives().iter().any(|&(number, _)| number == 7));
    let out = fixture.hear(1, view(vec![entry(7, Life::Alive, true)]));
    let target = DialTarget::Peer(fixture.peer(7));
    let up = Out::Event(Event::MemberUp(info(7, Life::Alive)));
    assert_eq!(out, [up, Out::Dial { target }]);
}

/// F1: a session that closes is looked into at once: redialled, and others are asked.
#[test]
fn f1_a_closed_session_is_redialled_and_asked_about_at_once() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let (peer, helper) = (fixture.peer(1), fixture.peer(2));
    fixture.peers.get_mut(peer).unwrap().session = None;
    let out = fixture.call(|group, cx, out| group.handle_session_closed(peer, cx, out));
    let target = node(1);
    let id = 1;
    assert_eq!(
        out,
        [
            Out::Send {
                to: helper,
                body: GroupBody::Probe(Box::new(Probe { id, target })),
            },
            Out::Dial {
                target: DialTarget::Peer(peer),
            },
        ]
    );
    let outcome = ProbeOutcome::Closed;
    let report = GroupBody::ProbeReport(Box::new(ProbeReport {
        id,
        target,
        outcome,
    }));
    assert_eq!(fixture.hear(2, report), []);
    let out = fixture.call(|group, cx, out| {
        group.handle_dial_failed(DialTarget::Peer(peer), cx, out);
    });
    let suspected = Event::MemberSuspect(info(1, Life::Suspect));
    let vote = suspect(1, 0);
    let to_all = |to| Out::Send {
        to,
        body: vote.clone(),
    };
    assert_eq!(out, [to_all(helper), Out::Event(suspected)]);
    let down = Event::MemberDown(info(1, Life::Down), DownReason::Dead);
    let out = fixture.hear(2, suspect(1, 0));
    assert_eq!(out, [Out::Event(down), Out::Released { peer }]);
}

/// F5: a helper that hears the member makes it a broken path, told once.
#[test]
fn f5_a_member_that_others_hear_is_a_broken_path() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let peer = fixture.peer(1);
    fixture.peers.get_mut(peer).unwrap().session = None;
    fixture.call(|group, cx, out| group.handle_session_closed(peer, cx, out));
    fixture.call(|group, cx, out| {
        group.handle_dial_failed(DialTarget::Peer(peer), cx, out);
    });
    let report = GroupBody::ProbeReport(Box::new(ProbeReport {
        id: 1,
        target: node(1),
        outcome: ProbeOutcome::Heard { ago_ms: 0 },
    }));
    let event = Out::Event(Event::PathDown(node(1)));
    assert_eq!(fixture.hear(2, report.clone()), [event]);
    assert_eq!(fixture.hear(2, report), []);
    assert!(fixture.group.is_path_down(peer));
    let key = crate::log::keys::path_down(&node(1));
    let own = fixture.group.logs().own().unwrap();
    assert!(own.get(&key).is_some(), "published in the own log");
}

/// A probe is answered at once where the session closed too, else by what is heard afterwards.
#[test]
fn a_helper_answers_closed_at_once_and_heard_after_a_pong() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let (peer, asker) = (fixture.peer(1), fixture.peer(2));
    let target = node(1);
    let probe = |id| GroupBody::Probe(Box::new(Probe { id, target }));
    let report = |id, outcome| Out::Send {
        to: asker,
        body: GroupBody::ProbeReport(Box::new(ProbeReport {
            id,
            target,
            outcome,
        })),
    };
    assert_eq!(fixture.hear(2, probe(1)), [Out::Ping { peer }]);
    fixture.now = fixture.now.after(Duration::from_millis(5));
    fixture.peers.get_mut(peer).unwrap().last_heard = fixture.now;
    let out = fixture.call(|group, cx, out| group.handle_pong(peer, cx, out));
    assert_eq!(out, [report(1, ProbeOutcome::Heard { ago_ms: 0 })]);
    fixture.peers.get_mut(peer).unwrap().session = None;
    let out = fixture.hear(2, probe(2));
    assert_eq!(out, [report(2, ProbeOutcome::Closed)]);
}

#[test]
fn quorum_is_told_when_it_changes() {
    let mut fixture = Fixture::new(config(&[], 3));
    let out = fixture.call(Group::handle_start);
    let told = |quorum| Out::Event(Event::Quorum(quorum));
    assert_eq!(
        out,
        [
            Out::Event(Event::Joined { missing: 0 }),
            told(Quorum::Minority)
        ]
    );
    let out = fixture.join(1, JoinRole::Joiner, "secret");
    assert_eq!(out.last(), Some(&told(Quorum::Majority)));
    let out = fixture.hear(1, GroupBody::Leave);
    assert_eq!(out.last(), Some(&told(Quorum::Minority)));
}

/// The members of a full group stay, and one more is refused.
#[test]
fn a_full_group_refuses() {
    let mut fixture = Fixture::new(config(&[], 0));
    fixture.call(Group::handle_start);
    for number in 10..25 {
        fixture.join(number, JoinRole::Joiner, "secret");
    }
    let out = fixture.join(30, JoinRole::Joiner, "secret");
    let to = fixture.peer(30);
    let body = GroupBody::Refused(RefuseReason::GroupFull);
    assert_eq!(out, [Out::Send { to, body }]);
    assert_eq!(sent_to(&out), [to.0]);
}

fn write(seq: u64, key: Bytes, value: Option<Bytes>) -> GroupBody {
    GroupBody::Log(Arc::new(LogUpdate {
        boot: Boot(1),
        era: Era(0),
        from_seq: seq - 1,
        to_seq: seq,
        range_after: Bytes::new(),
        range_to: None,
        snapshot: false,
        entries: List::truncated([LogEntry { key, seq, value }]),
    }))
}

/// F5: what a member publishes of its broken paths is told whole, and again when they heal.
#[test]
fn f5_published_broken_paths_are_told_whole() {
    let mut fixture = Fixture::with_members(&[1, 2, 3]);
    let told = |numbers: &[u8]| Out::PathsBroken {
        member: node(1),
        broken: numbers.iter().map(|&number| node(number)).collect(),
    };
    let key = |number| crate::log::keys::path_down(&node(number));
    let out = fixture.hear(1, write(1, key(3), Some(Bytes::new())));
    assert!(out.contains(&told(&[3])), "{out:?}");
    let out = fixture.hear(1, write(2, key(2), Some(Bytes::new())));
    assert!(out.contains(&told(&[2, 3])), "{out:?}");
    let out = fixture.hear(1, write(3, key(3), None));
    assert!(out.contains(&told(&[2])), "{out:?}");
}

/// An update that contradicts itself ends its sender's session and changes nothing.
#[test]
fn a_malformed_log_update_is_told_as_a_breach() {
    let mut fixture = Fixture::with_members(&[1]);
    let peer = fixture.peer(1);
    let GroupBody::Log(update) = write(1, Bytes::from_static(b"\x80k"), None) else {
        panic!("a log update");
    };
    let mut update = Arc::unwrap_or_clone(update);
    update.from_seq = 9;
    let out = fixture.hear(1, GroupBody::Log(Arc::new(update)));
    assert_eq!(out, [Out::Misbehaved { peer }]);
    assert_eq!(fixture.group.logs().counts().malformed, 1);
}
