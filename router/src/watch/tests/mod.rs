//! Handler tests: one input, the whole list of outputs.

use archipelago_core::Pid;
use archipelago_core::wire::{End, List, Locals};

use super::*;

const GROUP: GroupId = GroupId([9; 16]);

/// Whoever is in the list is a living member of `GROUP`; the first name is this node's.
struct Members(Vec<(NodeId, Boot)>);

impl Society for Members {
    fn member(&self, node: &NodeId) -> Option<Boot> {
        let mut members = self.0.iter();
        members.find(|(of, _)| of == node).map(|&(_, boot)| boot)
    }

    fn member_of(&self, group: GroupId, node: &NodeId) -> Option<Option<Boot>> {
        (group == GROUP && !self.0.is_empty()).then(|| self.member(node))
    }

    fn wardens(&self) -> Option<(GroupId, Vec<NodeId>)> {
        let named = self.0.iter().map(|&(node, _)| node).collect();
        (!self.0.is_empty()).then_some((GROUP, named))
    }
}

struct Bench {
    watch: Watch,
    config: WatchConfig,
    society: Members,
    now: Time,
}

fn node(byte: u8) -> NodeId {
    NodeId([byte; 32])
}

fn pid(byte: u8, local: u64) -> Pid {
    Pid {
        node: node(byte),
        boot: Boot(5),
        local: LocalId(local),
        home: Some(GROUP),
    }
}

impl Bench {
    fn new(members: &[(u8, u64)]) -> Self {
        let members = members.iter().map(|&(byte, boot)| (node(byte), Boot(boot)));
        Self {
            watch: Watch::default(),
            config: WatchConfig::default(),
            society: Members(members.collect()),
            now: Time::START,
        }
    }

    fn call<R>(
        &mut self,
        call: impl FnOnce(&mut Watch, &WatchLent<'_>, &mut WatchOutputs) -> R,
    ) -> (R, WatchOutputs) {
        let lent = WatchLent {
            now: self.now,
            me: node(0),
            boot: Boot(5),
            home: None,
            society: &self.society,
            config: &self.config,
        };
        let mut out = Vec::new();
        let result = call(&mut self.watch, &lent, &mut out);
        (result, out)
    }

    fn monitor(&mut self, monitor: u64, target: Target) -> WatchOutputs {
        let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
            watch.handle_monitor(MonitorRef(monitor), target, lent, out)
        };
        let (result, out) = self.call(call);
        assert_eq!(result, Ok(()));
        out
    }

    fn letter(&mut self, from: u8, boot: u64, letter: WatchLetter) -> WatchOutputs {
        let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
            watch.handle_letter(node(from), Boot(boot), letter, lent, out);
        };
        self.call(call).1
    }

    fn timeout(&mut self) -> WatchOutputs {
        let due = self.watch.poll_timeout().expect("something is due").0;
        self.now = self.now.max(due);
        self.call(|watch, lent, out| watch.handle_timeout(lent, out))
            .1
    }
}

fn letter(to: u8, home: Option<GroupId>, letter: WatchLetter) -> WatchOutput {
    WatchOutput::Letter {
        to: node(to),
        home,
        after: None,
        letter,
    }
}

fn watch(seq: u32, locals: &[u64]) -> WatchLetter {
    WatchLetter::Watch {
        seq,
        home: None,
        boot: Boot(if locals.is_empty() { 0 } else { 5 }),
        locals: Locals::truncated(locals.iter().map(|&local| LocalId(local))),
    }
}

fn watched(seq: u32, wardens: &[u8]) -> WatchLetter {
    WatchLetter::Watched {
        seq,
        refused: Locals::new(),
        group: Some(GROUP),
        wardens: List::truncated(wardens.iter().map(|&byte| node(byte))),
    }
}

fn guard(seq: u32, nodes: &[(u8, u64)]) -> WatchLetter {
    let nodes = nodes.iter().map(|&(byte, boot)| (node(byte), Boot(boot)));
    WatchLetter::Guard {
        seq,
        home: None,
        group: GROUP,
        nodes: List::truncated(nodes),
    }
}

fn down(monitor: u64, reason: EndReason) -> WatchOutput {
    WatchOutput::Down {
        monitor: MonitorRef(monitor),
        reason,
    }
}

fn fallen(byte: u8, boot: u64, is_dead: bool) -> WatchLetter {
    WatchLetter::Fallen {
        group: GROUP,
        node: node(byte),
        boot: Boot(boot),
        is_dead,
    }
}

#[test]
fn u8_a_far_watch_asks_the_node_and_two_wardens_that_it_names() {
    let mut bench = Bench::new(&[]);
    let asked = bench.monitor(1, Target::Process(pid(1, 7)));
    assert_eq!(asked, [letter(1, Some(GROUP), watch(1, &[7]))]);
    let guarded = bench.letter(1, 5, watched(1, &[2, 3, 4]));
    assert_eq!(
        guarded,
        [
            letter(2, Some(GROUP), guard(2, &[(1, 5), (3, 0)])),
            letter(3, Some(GROUP), guard(3, &[(1, 5), (2, 0)])),
        ]
    );
}

#[test]
fn u8_a_word_of_a_warden_fires_once_and_dismisses_the_other() {
    let mut bench = Bench::new(&[]);
    bench.monitor(1, Target::Process(pid(1, 7)));
    bench.letter(1, 5, watched(1, &[2, 3]));
    // A9: of somebody who was not asked nothing is believed.
    assert_eq!(bench.letter(9, 5, fallen(1, 5, true)), []);
    let told = bench.letter(2, 5, fallen(1, 5, true));
    assert_eq!(told[0], down(1, EndReason::NodeDown));
    assert_eq!(told.len(), 3, "and an Unguard to each: {told:?}");
    assert_eq!(bench.letter(3, 5, fallen(1, 5, true)), []);
    assert!(bench.watch.is_idle());
}

#[test]
fn u8_a_node_that_left_is_asked_itself() {
    let mut bench = Bench::new(&[]);
    bench.monitor(1, Target::Process(pid(1, 7)));
    bench.letter(1, 5, watched(1, &[2]));
    let asked = bench.letter(2, 5, fallen(1, 5, false));
    assert_eq!(asked, [letter(1, Some(GROUP), watch(3, &[7]))]);
    let told = bench.timeout();
    assert_eq!(told[0], down(1, EndReason::NodeDown));
    assert_eq!(bench.now, Time::START.after(bench.config.doubt_timeout));
}

#[test]
fn u8_a_lost_warden_is_replaced_at_once() {
    let mut bench = Bench::new(&[]);
    bench.monitor(1, Target::Process(pid(1, 7)));
    bench.letter(1, 5, watched(1, &[2, 3, 4]));
    // The other warden tells of its death.
    let asked = bench.letter(2, 5, fallen(3, 8, true));
    assert_eq!(
        asked,
        [
            letter(2, Some(GROUP), guard(4, &[(1, 5), (4, 0)])),
            letter(4, Some(GROUP), guard(5, &[(1, 5), (2, 0)])),
        ]
    );
}

#[test]
fn u8_a_node_that_never_answers_is_unreachable() {
    let mut bench = Bench::new(&[]);
    bench.monitor(1, Target::Process(pid(1, 7)));
    let mut told = Vec::new();
    while told.is_empty() {
        told = bench.timeout();
        told.retain(|output| matches!(output, WatchOutput::Down { .. }));
    }
    assert_eq!(told, [down(1, EndReason::Unreachable)]);
    assert_eq!(bench.now, Time::START.after(bench.config.answer_timeout));
    assert!(bench.watch.is_idle());
}

#[test]
fn f1_an_answer_of_a_later_start_ends_what_was_watched() {
    let mut bench = Bench::new(&[]);
    bench.monitor(1, Target::Process(pid(1, 7)));
    let told = bench.letter(1, 6, watched(1, &[]));
    assert_eq!(told, [down(1, EndReason::NoProc)]);
    bench.monitor(2, Target::Process(pid(2, 7)));
    bench.letter(2, 5, watched(1, &[]));
    bench.timeout();
    let told = bench.letter(2, 6, watched(2, &[]));
    assert_eq!(told, [down(2, EndReason::NodeDown)]);
}

#[test]
fn u8_in_a_group_the_process_is_leased_and_nobody_else_is_asked() {
    let mut bench = Bench::new(&[(0, 5), (1, 5), (2, 5)]);
    let home = None;
    let asked = bench.monitor(1, Target::Process(Pid { home, ..pid(1, 7) }));
    assert_eq!(asked, [letter(1, None, watch(1, &[7]))]);
    assert_eq!(bench.letter(1, 5, watched(1, &[2])), []);
    let of_node = Target::Node {
        node: node(2),
        home,
    };
    assert_eq!(bench.monitor(2, of_node), []);
    bench.society.0.truncate(1);
    for (byte, monitor) in [(1, 1), (2, 2)] {
        let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
            watch.handle_member_down(GROUP, (node(byte), Boot(5)), true, lent, out);
        };
        assert_eq!(bench.call(call).1, [down(monitor, EndReason::NodeDown)]);
    }
}

#[test]
fn u8_the_watched_tells_of_an_end_after_the_process_messages_until_it_was_heard() {
    let mut bench = Bench::new(&[]);
    let out = bench.letter(1, 3, watch(1, &[7]));
    let answer = WatchLetter::Watched {
        seq: 1,
        refused: Locals::new(),
        group: None,
        wardens: List::new(),
    };
    assert_eq!(
        out,
        [
            WatchOutput::Observe(LocalId(7)),
            letter(1, None, answer.clone())
        ]
    );
    let end = |exit| WatchOutput::Letter {
        to: node(1),
        home: None,
        after: Some(LocalId(7)),
        letter: WatchLetter::Ended {
            ended: List::truncated([End {
                local: LocalId(7),
                exit,
            }]),
        },
    };
    let killed = Some(Exit::Killed);
    let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
        watch.handle_ended(LocalId(7), Some(&Exit::Killed), lent, out);
    };
    assert_eq!(bench.call(call).1, [end(killed.clone())]);
    let lost = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
        watch.handle_lost(node(1), None, lent, out);
    };
    assert_eq!(bench.call(lost).1, [end(killed)]);
    let heard = WatchLetter::Unwatch {
        boot: Boot(5),
        locals: Locals::truncated([LocalId(7)]),
    };
    assert_eq!(bench.letter(1, 3, heard), []);
    assert_eq!(bench.call(lost).1, []);
    assert!(bench.watch.is_idle());
}

#[test]
fn u8_a_lease_that_nobody_renews_is_forgotten() {
    let mut bench = Bench::new(&[(0, 5), (2, 5)]);
    bench.letter(1, 3, watch(1, &[7]));
    bench.letter(1, 3, guard(2, &[(2, 5)]));
    assert_eq!(bench.watch.leases(), (1, 1));
    let mut out = Vec::new();
    while !bench.watch.is_idle() {
        out.extend(bench.timeout());
    }
    assert_eq!(out, [WatchOutput::Unobserve(LocalId(7))]);
    assert!(bench.now.since(Time::START) >= bench.config.lease);
}

#[test]
fn u8_a_warden_tells_at_once_of_whom_its_group_does_not_know() {
    let mut bench = Bench::new(&[(0, 5), (2, 5)]);
    let out = bench.letter(1, 3, guard(2, &[(2, 5), (3, 5)]));
    let answer = WatchLetter::Guarded {
        seq: 2,
        refused: List::new(),
    };
    assert_eq!(
        out,
        [letter(1, None, fallen(3, 5, true)), letter(1, None, answer)]
    );
    // The Guard of the living one stands.
    let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
        watch.handle_member_down(GROUP, (node(2), Boot(5)), true, lent, out);
    };
    assert_eq!(bench.call(call).1, [letter(1, None, fallen(2, 5, true))]);
}

#[test]
fn a9_quotas_refuse_by_name() {
    let mut bench = Bench::new(&[(0, 5), (2, 5), (3, 5)]);
    bench.config.watches_per_peer_max = 1;
    bench.config.guards_per_peer_max = 1;
    let out = bench.letter(1, 3, watch(1, &[7, 8]));
    let refused = Locals::truncated([LocalId(8)]);
    let WatchOutput::Letter { letter: answer, .. } = &out[1] else {
        panic!("{out:?}");
    };
    assert!(matches!(answer, WatchLetter::Watched { refused: of, .. } if *of == refused));
    let out = bench.letter(1, 3, guard(2, &[(2, 5), (3, 5)]));
    let answer = WatchLetter::Guarded {
        seq: 2,
        refused: List::truncated([node(3)]),
    };
    assert_eq!(out, [letter(1, None, answer)]);
    bench.config.monitors_max = 0;
    let call = |watch: &mut Watch, lent: &WatchLent<'_>, out: &mut WatchOutputs| {
        watch.handle_monitor(MonitorRef(1), Target::Process(pid(1, 7)), lent, out)
    };
    assert_eq!(bench.call(call), (Err(WatchRefused), Vec::new()));
}
