//! Each input of [`Logs`] with the whole list of what comes out, then small groups over a network
//! that loses.

use std::time::Duration;

use archipelago_core::wire::{GroupBody, List, LogAck};

use super::*;
use crate::log::{LogChange, keys};
use crate::testing::{TestNode, node};

const SECOND: Duration = Duration::from_secs(1);
const EPOCH: (Boot, Era) = (Boot(1), Era(0));

/// One node of a group: its logs and what they are lent.
struct End {
    node: TestNode,
    logs: Logs,
    out: LogOutputs,
}

impl End {
    /// Node `me` in a group with `others`.
    fn new(me: u8, others: &[u8]) -> Self {
        let mut end = Self {
            node: TestNode::new(me),
            logs: Logs::new(EPOCH.0, EPOCH.1, Arc::new(Timing::default())),
            out: Vec::new(),
        };
        for &other in others {
            let peer = end.node.peer(other);
            let cx = end.node.cx();
            end.logs.handle_member(peer, EPOCH, &cx, &mut end.out);
        }
        end
    }

    fn put(&mut self, key: &'static [u8], value: &'static [u8]) -> u64 {
        let (key, value) = (Bytes::from_static(key), Bytes::from_static(value));
        self.logs.put(key, value, &self.node.cx()).unwrap()
    }

    fn delete(&mut self, key: &[u8]) -> Option<u64> {
        self.logs.delete(key, &self.node.cx())
    }

    fn tick(&mut self) -> LogOutputs {
        self.logs.handle_timeout(&self.node.cx(), &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn pass(&mut self, delay: Duration) {
        self.node.now = self.node.now.after(delay);
    }

    /// The message from node `from`, and all that comes of it.
    fn hear(&mut self, from: u8, body: &GroupBody) -> LogOutputs {
        let from = self.node.peer(from);
        let (cx, out) = (self.node.cx(), &mut self.out);
        match body {
            GroupBody::Log(update) => {
                let sound = self.logs.handle_update(from, update, &cx, out);
                assert_eq!(sound, Ok(()));
            }
            GroupBody::LogAck(ack) => {
                self.logs.handle_ack(from, (&ack.mark, ack.head), &cx, out);
            }
            GroupBody::LogPull(pull) => self.logs.handle_pull(from, pull, &cx, out),
            GroupBody::LogDigest(marks) => self.logs.handle_digest(from, marks, &cx, out),
            other => panic!("no business of logs: {other:?}"),
        }
        std::mem::take(&mut self.out)
    }

    fn get(&mut self, owner: u8, key: &[u8]) -> Option<Bytes> {
        let owner = self.node.peer(owner);
        self.logs.peer(owner)?.get(key).cloned()
    }

    fn id_of(&self, peer: Peer) -> u8 {
        self.node.peers.id(peer).0[0]
    }
}

fn ack(mark: LogMark) -> GroupBody {
    GroupBody::LogAck(Box::new(LogAck { mark, head: 0 }))
}

fn mark(owner: u8, seq: u64) -> LogMark {
    LogMark {
        owner: node(owner),
        boot: EPOCH.0,
        era: EPOCH.1,
        seq,
    }
}

/// The only output, a message.
fn sent(out: &LogOutputs) -> &GroupBody {
    match &out[..] {
        [LogOutput::Send { body, .. }] => body,
        other => panic!("not one message: {other:?}"),
    }
}

fn update(out: &LogOutputs) -> &LogUpdate {
    match sent(out) {
        GroupBody::Log(update) => update,
        other => panic!("no update: {other:?}"),
    }
}

#[test]
fn writes_of_one_call_leave_in_one_message_to_all_and_are_shared() {
    let mut owner = End::new(1, &[2, 3]);
    assert_eq!(owner.logs.poll_timeout(), None);
    assert_eq!((owner.put(b"a", b"1"), owner.put(b"b", b"2")), (1, 2));
    let due = owner.logs.poll_timeout();
    assert_eq!(due, Some((owner.node.now, "log update")));
    let out = owner.tick();
    let [
        LogOutput::Send {
            to: first,
            body: GroupBody::Log(one),
        },
        LogOutput::Send {
            to: second,
            body: GroupBody::Log(other),
        },
    ] = &out[..]
    else {
        panic!("not two updates: {out:?}")
    };
    assert_eq!((owner.id_of(*first), owner.id_of(*second)), (2, 3));
    assert!(Arc::ptr_eq(one, other));
    assert_eq!((one.from_seq, one.to_seq, one.entries.len()), (0, 2, 2));
    assert_eq!(owner.tick(), [], "nothing twice");
}

#[test]
fn an_update_is_applied_told_and_acknowledged() {
    let mut owner = End::new(1, &[2]);
    let mut reader = End::new(2, &[1]);
    owner.put(b"a", b"1");
    let out = owner.tick();
    let told = reader.hear(1, sent(&out));
    let peer = reader.node.peer(1);
    let change = LogChange {
        key: Bytes::from_static(b"a"),
        value: Some(Bytes::from_static(b"1")),
    };
    let expected = [
        LogOutput::Changed {
            owner: peer,
            changes: vec![change],
        },
        LogOutput::Send {
            to: peer,
            body: ack(mark(1, 1)),
        },
    ];
    assert_eq!(told, expected);
    assert_eq!(reader.get(1, b"a").as_deref(), Some(&b"1"[..]));

    let again = reader.hear(1, sent(&out));
    assert_eq!(again, expected[1..], "a repetition is only acknowledged");

    let by = owner.node.peer(2);
    assert!(!owner.logs.is_confirmed(1, [by]));
    let out = owner.hear(2, &ack(mark(1, 1)));
    assert_eq!(
        out,
        [LogOutput::Acked {
            by,
            seq: 1,
            head: 0
        }]
    );
    assert!(owner.logs.is_confirmed(1, [by]));
    assert_eq!(owner.logs.hash(), reader.logs.hash());
    owner.pass(SECOND * 100);
    assert_eq!(owner.tick(), [], "nothing is repeated");
    assert_eq!(owner.logs.poll_timeout(), None);
}

#[test]
fn writes_during_a_flight_wait_for_its_acknowledgement_and_share_a_message() {
    let mut owner = End::new(1, &[2]);
    owner.put(b"a", b"1");
    owner.tick();
    owner.put(b"b", b"2");
    owner.put(b"c", b"3");
    assert_eq!(owner.tick(), []);
    let out = owner.hear(2, &ack(mark(1, 1)));
    let [LogOutput::Acked { seq: 1, .. }, rest @ ..] = &out[..] else {
        panic!("not acknowledged: {out:?}")
    };
    let next = update(&rest.to_vec()).clone();
    assert_eq!((next.from_seq, next.to_seq), (1, 3));
}

#[test]
fn what_is_not_acknowledged_is_repeated_with_doubling_waits() {
    let mut owner = End::new(1, &[2]);
    owner.put(b"a", b"1");
    owner.tick();
    for wait in [1, 2, 4, 8, 16, 16, 16] {
        owner.pass(SECOND * wait - Duration::from_micros(1));
        assert_eq!(owner.tick(), [], "before {wait} s");
        owner.pass(Duration::from_micros(1));
        assert_eq!(update(&owner.tick()).to_seq, 1, "after {wait} s");
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_written_or_of_another_era_is_nothing() {
    let mut owner = End::new(1, &[2]);
    owner.put(b"a", b"1");
    owner.tick();
    let later = LogMark {
        era: Era(1),
        ..mark(1, 1)
    };
    for lie in [mark(1, 2), mark(1, u64::MAX), mark(1, 0), mark(3, 1), later] {
        assert_eq!(owner.hear(2, &ack(lie)), [], "{lie:?}");
    }
    assert_eq!(owner.hear(9, &ack(mark(1, 1))), []);
}

#[test]
fn a_gap_is_asked_for_once_and_again_when_nothing_comes() {
    let mut owner = End::new(1, &[2]);
    let mut reader = End::new(2, &[1]);
    owner.put(b"a", b"1");
    owner.tick();
    owner.hear(2, &ack(mark(1, 1)));
    owner.put(b"b", b"2");
    let out = owner.tick();
    let pull = LogPull {
        mark: mark(1, 0),
        after: Bytes::new(),
    };
    let to = reader.node.peer(1);
    let asked = [LogOutput::Send {
        to,
        body: GroupBody::LogPull(Box::new(pull)),
    }];
    assert_eq!(reader.hear(1, sent(&out)), asked);
    assert_eq!(reader.hear(1, sent(&out)), [], "it is asked already");
    assert!(!reader.logs.is_caught_up(to));
    let due = reader.node.now.after(SECOND);
    assert_eq!(reader.logs.poll_timeout(), Some((due, "log pull")));
    reader.pass(SECOND);
    assert_eq!(reader.tick(), asked);

    let answer = owner.hear(2, sent(&asked.to_vec()));
    reader.hear(1, sent(&answer));
    assert!(reader.logs.is_caught_up(to));
    assert_eq!(reader.get(1, b"a").as_deref(), Some(&b"1"[..]));
    reader.pass(SECOND * 100);
    assert_eq!(reader.tick(), []);
}

#[test]
fn below_the_floor_a_snapshot_is_walked_page_by_page() {
    let mut timing = Timing::default();
    timing.log.deletions_max = 1;
    timing.log.page_entries = 2;
    let mut owner = End::new(1, &[2]);
    owner.logs.timing = Arc::new(timing);
    let mut reader = End::new(2, &[1]);
    for key in [b"a", b"b", b"c", b"d", b"e"] {
        owner.put(key, b"x");
    }
    owner.delete(b"a");
    owner.delete(b"c");
    let mut out = owner.tick();
    assert!(update(&out).snapshot);
    let mut pages = 0;
    while let [.., LogOutput::Send { body, .. }] = &out[..] {
        pages += 1;
        let reply = reader.hear(1, body);
        let Some(LogOutput::Send { body, .. }) = reply.last() else {
            panic!("no reply: {reply:?}")
        };
        out = owner.hear(2, body);
    }
    assert_eq!(pages, 2);
    let peer = owner.node.peer(2);
    assert!(owner.logs.is_confirmed(7, [peer]));
    assert_eq!(owner.logs.hash(), reader.logs.hash());
    assert_eq!(reader.get(1, b"c"), None);
    assert_eq!(reader.get(1, b"e").as_deref(), Some(&b"x"[..]));
}

/// I1: nothing of an earlier start or era shows, whether the view or the log tells first.
#[test]
fn i1_a_return_begins_afresh_and_nothing_of_the_dead_shows() {
    let mut owner = End::new(1, &[2]);
    let mut reader = End::new(2, &[1]);
    owner.put(b"a", b"1");
    let old = owner.tick();
    reader.hear(1, sent(&old));
    let peer = reader.node.peer(1);
    let cx = reader.node.cx();
    let mut out = Vec::new();
    reader
        .logs
        .handle_member(peer, (Boot(1), Era(1)), &cx, &mut out);
    let gone = LogChange {
        key: Bytes::from_static(b"a"),
        value: None,
    };
    let vanished = LogOutput::Changed {
        owner: peer,
        changes: vec![gone],
    };
    assert_eq!(out, [vanished]);
    assert_eq!(reader.logs.hash(), 0);
    assert_eq!(reader.hear(1, sent(&old)), [], "it is of the buried era");
    assert_eq!(reader.get(1, b"a"), None);

    let cx = owner.node.cx();
    owner.logs.set_epoch(Boot(1), Era(1), &cx);
    let new = owner.tick();
    reader.hear(1, sent(&new));
    assert_eq!(reader.get(1, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(reader.logs.hash(), owner.logs.hash());
}

#[test]
fn a_member_that_goes_takes_its_log_with_it() {
    let mut owner = End::new(1, &[2]);
    let mut reader = End::new(2, &[1]);
    reader.put(b"r", b"r");
    owner.put(b"a", b"1");
    let out = owner.tick();
    reader.hear(1, sent(&out));
    let peer = reader.node.peer(1);
    let cx = reader.node.cx();
    let mut told = Vec::new();
    reader.logs.handle_member_removed(peer, &cx, &mut told);
    assert!(matches!(&told[..], [LogOutput::Changed { changes, .. }] if changes.len() == 1));
    assert!(reader.logs.peer(peer).is_none());
    assert_eq!(reader.hear(1, sent(&out)), [], "it is a stranger now");
    assert_eq!(reader.logs.counts().strangers, 1);
    assert_eq!(reader.tick(), [], "nothing is sent to it");
}

#[test]
fn a_head_that_is_ahead_is_asked_for_and_one_that_is_not_is_acknowledged() {
    let mut reader = End::new(2, &[1]);
    let peer = reader.node.peer(1);
    let mut out = Vec::new();
    reader
        .logs
        .handle_head(peer, 0, &reader.node.cx(), &mut out);
    assert_eq!(out, []);
    reader
        .logs
        .handle_head(peer, 3, &reader.node.cx(), &mut out);
    assert!(matches!(sent(&out), GroupBody::LogPull(pull) if pull.mark == mark(1, 0)));
    assert!(!reader.logs.is_caught_up(peer));
}

/// V1: a third member's log that neither pushes nor is asked for is found by the hashes.
#[test]
fn v1_a_difference_that_lasts_is_looked_into() {
    let mut owner = End::new(1, &[2, 3]);
    let mut knows = End::new(2, &[1, 3]);
    let mut lacks = End::new(3, &[1, 2]);
    owner.put(b"a", b"1");
    let out = owner.tick();
    let LogOutput::Send { body, .. } = &out[0] else {
        panic!("no update")
    };
    knows.hear(1, body);

    let peer = knows.node.peer(3);
    let theirs = lacks.logs.hash();
    let mut told = Vec::new();
    // At first the other is merely late: its hash was ours a moment ago.
    for _ in 0..10 {
        let cx = knows.node.cx();
        knows.logs.handle_hash(peer, theirs, &cx, &mut told);
        knows.pass(SECOND);
    }
    assert_eq!(told, []);
    for _ in 0..4 {
        let cx = knows.node.cx();
        knows.logs.handle_hash(peer, theirs, &cx, &mut told);
        knows.pass(SECOND);
    }
    let digest = sent(&told).clone();
    let GroupBody::LogDigest(marks) = &digest else {
        panic!("no digest: {digest:?}")
    };
    assert_eq!(marks[..], [mark(1, 1)]);
    let asked = lacks.hear(2, &digest);
    let to = lacks.node.peer(1);
    assert!(matches!(&asked[..], [LogOutput::Send { to: asked, .. }] if *asked == to));
    let answer = owner.hear(3, sent(&asked));
    lacks.hear(1, sent(&answer));
    assert_eq!(lacks.logs.hash(), owner.logs.hash());
    assert_eq!(lacks.hear(2, &digest), [], "nothing is missing any more");
}

#[test]
fn who_gets_a_digest_that_lacks_something_says_what_it_has_once() {
    let mut knows = End::new(2, &[1, 3]);
    knows.put(b"k", b"v");
    knows.tick();
    let empty = GroupBody::LogDigest(Arc::new(List::new()));
    let out = knows.hear(3, &empty);
    assert!(matches!(sent(&out), GroupBody::LogDigest(marks) if marks[..] == [mark(2, 1)]));
    assert_eq!(knows.hear(3, &empty), [], "not twice within the delay");
}

/// A9: a lie about numbers is refused and counted, and costs nobody else anything.
#[test]
fn a9_updates_that_contradict_themselves_are_refused() {
    let mut reader = End::new(2, &[1]);
    let from = reader.node.peer(1);
    let sound = LogUpdate {
        boot: EPOCH.0,
        era: EPOCH.1,
        from_seq: 0,
        to_seq: 1,
        range_after: Bytes::new(),
        range_to: None,
        snapshot: false,
        entries: List::new(),
    };
    let lies = [
        LogUpdate {
            from_seq: 2,
            ..sound.clone()
        },
        LogUpdate {
            range_after: Bytes::from_static(b"k"),
            ..sound.clone()
        },
        LogUpdate {
            snapshot: true,
            range_after: Bytes::from_static(b"k"),
            range_to: Some(Bytes::from_static(b"k")),
            ..sound
        },
    ];
    for lie in &lies {
        let cx = reader.node.cx();
        let refused = reader.logs.handle_update(from, lie, &cx, &mut reader.out);
        assert_eq!(refused, Err(UpdateError::Malformed), "{lie:?}");
    }
    assert_eq!(reader.out, []);
    assert_eq!(reader.logs.counts().malformed, 3);
}

#[test]
fn at_rest_silent_members_cost_24_bytes_together_and_a_group_88() {
    assert_eq!((size_of::<PeerLog>(), size_of::<Logs>()), (24, 88));
    let end = End::new(1, &[2, 3, 4]);
    assert!(end.logs.own.is_none() && end.logs.repair.is_none());
    assert!(end.logs.peers.is_empty());
    assert!(end.logs.heap_bytes() <= 2 * 24, "a run of three, and room");
}

/// Who has written is one of the silent again when it begins afresh, and is a member all the while.
#[test]
fn a_log_that_vanishes_costs_what_it_cost_before_it_was_written() {
    let mut owner = End::new(1, &[2]);
    let mut reader = End::new(2, &[1, 3]);
    let peer = reader.node.peer(1);
    owner.put(b"a", b"1");
    let out = owner.tick();
    reader.hear(1, sent(&out));
    assert_eq!(reader.logs.peers.len(), 1);
    let later = (Boot(1), Era(7));
    let (cx, mut said) = (reader.node.cx(), Vec::new());
    reader.logs.handle_member(peer, later, &cx, &mut said);
    assert!(reader.logs.peers.is_empty());
    assert_eq!(reader.logs.epoch(peer), Some(later));
    assert!(reader.logs.is_caught_up(peer));
}

/// V1, by the timers alone: a group of five whose messages are lost half the time, and at last not.
#[test]
fn v1_all_logs_become_equal_after_a_network_that_loses_half() {
    for seed in 0..50 {
        let ids = [1, 2, 3, 4, 5];
        let mut rng = archipelago_core::Rng::from_u64(seed);
        let mut ends: Vec<End> = ids.iter().map(|&id| End::new(id, &others(id))).collect();
        for round in 0..400 {
            for index in 0..ends.len() {
                if round < 100 && rng.chance(1, 4) {
                    write(&mut ends[index], &mut rng);
                }
                let out = ends[index].tick();
                let losses = u64::from(round < 300);
                relay(&mut ends, index, out, (losses, &mut rng));
                ends[index].pass(SECOND / 2);
            }
        }
        let hashes: Vec<u32> = ends.iter().map(|end| end.logs.hash()).collect();
        assert!(hashes.iter().all(|&hash| hash == hashes[0]), "seed={seed}");
        for end in &mut ends {
            assert_eq!(end.tick(), [], "seed={seed}: not quiet");
            assert_eq!(end.logs.poll_timeout(), None, "seed={seed}");
        }
    }
}

fn others(id: u8) -> Vec<u8> {
    (1..=5).filter(|&other| other != id).collect()
}

fn write(end: &mut End, rng: &mut archipelago_core::Rng) {
    let key = keys::key(keys::USER, &[u8::try_from(rng.below(4)).unwrap()]);
    let cx = end.node.cx();
    if rng.chance(1, 3) {
        end.logs.delete(&key, &cx);
    } else {
        let value = rng.u64().to_le_bytes().to_vec().into();
        end.logs.put(key, value, &cx).unwrap();
    }
}

/// Delivers what `from` sent, and what comes of it; of two messages, `losses` are lost.
fn relay(
    ends: &mut [End],
    from: usize,
    out: LogOutputs,
    (losses, rng): (u64, &mut archipelago_core::Rng),
) {
    for output in out {
        let LogOutput::Send { to, body } = output else {
            continue;
        };
        if rng.chance(losses, 2) {
            continue;
        }
        let (sender, receiver) = (ends[from].node.me.0[0], ends[from].id_of(to));
        let index = usize::from(receiver - 1);
        let replies = ends[index].hear(sender, &body);
        relay(ends, index, replies, (losses, rng));
    }
}
