//! Handler tests of on-demand sessions: whole output lists.

use archipelago_core::wire::Introduction;
use archipelago_core::{Boot, NodeId, Peers, Rng, Signature, ToyCrypto};

use super::OnDemandOutput::*;
use super::*;

const HOME: GroupId = GroupId([7; 16]);
const SECOND: Duration = Duration::from_secs(1);

/// The machine with what it is lent.
struct Bench {
    table: OnDemand,
    crypto: ToyCrypto,
    rng: Rng,
    peers: Peers,
    now: Time,
}

impl Bench {
    fn new(sessions_max: usize, relay: bool) -> Self {
        let config = OnDemandConfig {
            idle_timeout: 60 * SECOND,
            sessions_max,
            life_min: 5 * SECOND,
            threshold: (2, 4_096),
            relay,
        };
        Self {
            table: OnDemand::new(config),
            crypto: ToyCrypto::new(0),
            rng: Rng::from_u64(1),
            peers: Peers::new(64),
            now: Time::START.after(100 * SECOND),
        }
    }

    fn peer(&mut self, number: u8) -> Peer {
        let peer = self.peers.intern(NodeId([number; 32])).unwrap();
        self.peers.get_mut(peer).unwrap().set_boot(Boot(1));
        peer
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut OnDemand, &mut Context<'_>, &mut OnDemandOutputs),
    ) -> OnDemandOutputs {
        let mut out = OnDemandOutputs::new();
        let mut cx = Context {
            now: self.now,
            me: self.crypto.id(),
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        };
        call(&mut self.table, &mut cx, &mut out);
        out
    }

    fn contact(&mut self, peer: Peer) -> OnDemandOutputs {
        self.call(|table, cx, out| table.handle_contact(peer, Some(HOME), cx, out))
    }

    fn found(&mut self, peer: Peer) -> OnDemandOutputs {
        self.call(|table, cx, out| table.handle_found(peer, key(), cx, out))
    }

    fn demand(&mut self, peer: Peer) -> OnDemandOutputs {
        self.call(|table, cx, out| table.handle_demand(peer, (3, 10), cx, out))
    }

    fn ready(&mut self, peer: Peer) -> OnDemandOutputs {
        self.call(|table, cx, out| table.handle_session_ready(peer, cx, out))
    }

    fn ended(&mut self, peer: Peer, end: SessionEnd) -> OnDemandOutputs {
        self.call(|table, cx, out| table.handle_session_ended(peer, end, cx.now, out))
    }

    /// Until the next thing is due.
    fn due(&mut self) -> OnDemandOutputs {
        self.now = self.table.poll_timeout().unwrap().0;
        self.call(|table, cx, out| table.handle_timeout(cx, out))
    }

    fn up(&mut self, number: u8) -> Peer {
        let peer = self.peer(number);
        self.contact(peer);
        self.found(peer);
        self.demand(peer);
        self.ready(peer);
        assert!(self.table.has_session(peer));
        peer
    }
}

fn key() -> Arc<SignedIntroduction> {
    let introduction = Introduction {
        requester: NodeId([0; 32]),
        target: NodeId([1; 32]),
        target_boot: Boot(1),
        group: HOME,
        reflector: NodeId([2; 32]),
        life_s: 300,
    };
    let signature = Signature([0; 64]);
    Arc::new(SignedIntroduction {
        introduction,
        signature,
    })
}

#[test]
fn first_by_relay_then_by_a_session_of_its_own() {
    let mut bench = Bench::new(64, true);
    let peer = bench.peer(1);
    assert_eq!(bench.contact(peer), [LookUp(peer, HOME)]);
    assert_eq!(bench.contact(peer), []);
    assert_eq!(bench.found(peer), [AttachRelay(peer)]);
    let few = bench.call(|table, cx, out| table.handle_demand(peer, (2, 10), cx, out));
    assert_eq!(few, []);
    assert_eq!(bench.demand(peer), [Dial(peer)]);
    assert_eq!(bench.demand(peer), []);
    assert_eq!(bench.ready(peer), [Introduce(peer, key()), Hold(peer)]);
}

#[test]
fn without_relay_it_dials_at_once() {
    let mut bench = Bench::new(64, false);
    let peer = bench.peer(1);
    bench.contact(peer);
    assert_eq!(bench.found(peer), [Dial(peer)]);
    let failed = bench.call(|table, cx, out| table.handle_dial_failed(peer, cx, out));
    assert_eq!(failed, [Unreachable(peer, super::Unreachable::DialFailed)]);
    assert!(!bench.table.knows(peer));
}

#[test]
fn without_a_home_nobody_can_be_asked() {
    let mut bench = Bench::new(64, true);
    let peer = bench.peer(1);
    let out = bench.call(|table, cx, out| table.handle_contact(peer, None, cx, out));
    assert_eq!(out, [Unreachable(peer, super::Unreachable::NoHome)]);
}

#[test]
fn a_node_that_cannot_be_dialled_stays_on_relay() {
    let mut bench = Bench::new(64, true);
    let peer = bench.peer(1);
    bench.contact(peer);
    bench.found(peer);
    bench.demand(peer);
    let failed = bench.call(|table, cx, out| table.handle_dial_failed(peer, cx, out));
    assert_eq!(failed, []);
    assert_eq!(bench.demand(peer), []);
    assert_eq!(bench.contact(peer), [AttachRelay(peer)]);
    bench.now = bench.now.after(REDIAL);
    assert_eq!(bench.demand(peer), [Dial(peer)]);
}

#[test]
fn an_idle_session_is_proposed_and_closed_in_agreement_d6() {
    let mut bench = Bench::new(64, true);
    let peer = bench.up(1);
    let start = bench.now;
    assert_eq!(bench.due(), [ProposeIdle(peer)]);
    let idle = bench.now.since(start);
    assert!(idle >= 48 * SECOND && idle <= 72 * SECOND, "{idle:?}");
    let out = bench.call(|table, cx, out| table.handle_idle_propose(peer, cx, out));
    assert_eq!(out, [AgreeIdle(peer)]);
    let ended = bench.ended(peer, SessionEnd::Agreed);
    assert_eq!(ended, []);
    assert_eq!(bench.contact(peer), [AttachRelay(peer)]);
    assert_eq!(bench.demand(peer), [Dial(peer)]);
}

#[test]
fn a_session_in_use_is_not_given_up_f18() {
    let mut bench = Bench::new(64, true);
    let peer = bench.up(1);
    bench.now = bench.now.after(40 * SECOND);
    let now = bench.now;
    bench.table.handle_activity(peer, now);
    let out = bench.call(|table, cx, out| table.handle_idle_propose(peer, cx, out));
    assert_eq!(out, []);
    assert_eq!(bench.due(), []);
    assert_eq!(bench.due(), [ProposeIdle(peer)]);
    assert!(bench.now.since(now) >= 48 * SECOND);
    assert_eq!(bench.due(), [], "no answer: goes on");
    assert!(bench.table.has_session(peer));
}

#[test]
fn over_budget_the_least_recently_used_goes_but_not_before_its_least_life() {
    let mut bench = Bench::new(2, true);
    let (first, second, third) = (bench.up(1), bench.up(2), bench.peer(3));
    bench.contact(third);
    bench.found(third);
    assert_eq!(bench.demand(third), [], "stays on relay");
    bench.now = bench.now.after(REDIAL);
    let now = bench.now;
    bench.table.handle_activity(first, now);
    assert_eq!(
        bench.demand(third),
        [End(second, ByeReason::Evicted), Dial(third)]
    );
}

#[test]
fn a_target_over_budget_says_so() {
    let mut bench = Bench::new(1, true);
    bench.up(1);
    let peer = bench.peer(2);
    let out = bench.call(|table, cx, out| table.handle_introduced(peer, None, cx, out));
    assert_eq!(out, [End(peer, ByeReason::Overloaded)]);
    bench.now = bench.now.after(5 * SECOND);
    let out = bench.call(|table, cx, out| table.handle_introduced(peer, None, cx, out));
    assert!(matches!(out[..], [End(_, ByeReason::Evicted), Hold(kept)] if kept == peer));
}

#[test]
fn a_lost_session_is_looked_up_anew() {
    let mut bench = Bench::new(64, true);
    let peer = bench.up(1);
    let ended = bench.ended(peer, SessionEnd::Lost);
    assert_eq!(ended, [DetachRelay(peer)]);
    assert_eq!(bench.contact(peer), [LookUp(peer, HOME)]);
}

#[test]
fn a_relay_that_nobody_uses_ends_after_two_lives() {
    let mut bench = Bench::new(64, true);
    let peer = bench.peer(1);
    let taken = bench.call(|table, cx, out| {
        assert!(table.handle_relayed(peer, Some(HOME), cx, out));
    });
    assert_eq!(taken, [AttachRelay(peer)]);
    let start = bench.now;
    assert_eq!(bench.due(), [DetachRelay(peer)]);
    assert_eq!(bench.now.since(start), 120 * SECOND);
    assert!(!bench.table.knows(peer));
}

#[test]
fn a_peer_that_refuses_is_relayed_to_and_left_alone_for_a_while() {
    let mut bench = Bench::new(64, true);
    let peer = bench.up(1);
    assert_eq!(bench.ended(peer, SessionEnd::Refused), []);
    assert_eq!(bench.contact(peer), [AttachRelay(peer)]);
    assert_eq!(bench.demand(peer), []);
    bench.now = bench.now.after(REDIAL);
    assert_eq!(bench.demand(peer), [LookUp(peer, HOME)]);
    assert_eq!(bench.found(peer), [Dial(peer)]);
}

#[test]
fn another_start_than_was_looked_up_is_looked_up_anew_before_it_is_introduced() {
    let mut bench = Bench::new(64, true);
    let peer = bench.peer(1);
    bench.contact(peer);
    bench.found(peer);
    bench.demand(peer);
    bench.peers.get_mut(peer).unwrap().set_boot(Boot(2));
    assert_eq!(bench.ready(peer), [LookUp(peer, HOME)]);
    assert_eq!(bench.found(peer), [Dial(peer)]);
}
