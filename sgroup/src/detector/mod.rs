//! Finds out who is dead, and errs for the living.
//!
//! - [`beat`]: one-way heartbeats to my observers. [`watch`]: whose observer I am.
//! - [`case`], [`probe`], [`tally`]: silence → ping, redial and indirect probes → votes → death.
//! - [`helping`]: probes that I make for others. [`health`]: whether I may trust my own ears.
//!
//! It never changes the view: it says [`Fact`]s. It counts only what it heard itself, what helpers
//! report after being asked, and votes of admitted members bound to the same tenure.
//!
//! Cost: four messages per period at rest, nothing allocated; O(n) when the view changed and for
//! each round of probes.
//! Sources: SWIM (DSN 2002); Lifeguard (DSN 2018); observers by rendezvous and votes are ours.

mod beat;
mod case;
mod formed;
mod health;
mod helping;
mod probe;
mod tally;
mod watch;

use std::time::Duration;

use archipelago_core::ahead::fetch;
use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::ProbeOutcome;
use archipelago_core::{Context, Peer, Time};

pub(crate) use case::Cause;
pub(crate) use formed::Formation;

use crate::view::View;
use crate::{GroupOutputs, Timing};
use beat::Beats;
use case::Case;
use health::Health;
use helping::Helping;
use watch::Watches;

/// Those who do not observe a member wait for so long before they look into a suspicion.
pub(crate) const OTHERS_DELAY: Duration = Duration::from_millis(250);

/// What the detector is lent of its surroundings.
pub(crate) struct Surroundings<'a> {
    pub(crate) view: &'a View,
    pub(crate) timing: &'a Timing,
    /// Whether this node is up, and so has a vote.
    pub(crate) is_voter: bool,
    /// For heartbeats.
    pub(crate) log_hash: u32,
}

/// What the detector found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Votes against the member are alive.
    Suspected(Peer),
    /// They are not any more: it lives.
    Cleared(Peer),
    /// Enough votes.
    Dead(Peer),
    /// Others hear it, this node does not.
    PathDown(Peer),
    /// Nobody who was asked hears it, and this node has no vote yet.
    Unreachable(Peer),
    /// A session with it is wanted at once.
    Redial(Peer),
}

/// The failure detector of one group at one node; laid out as written, what a heartbeat reads first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Detector {
    beats: Beats,
    watches: Watches,
    health: Health,
    cases: Vec<Case>,
    helping: Helping,
    /// When to look whom the dead observed: some of those are this node's now.
    rewatch: Time,
    /// Who was suspected lately, for the sweep.
    suspicions: Vec<(Time, Peer)>,
    swept: Option<Time>,
    probe_id: u32,
}

impl Detector {
    pub(crate) fn new() -> Self {
        Self {
            beats: Beats::new(),
            watches: Watches::default(),
            cases: Vec::new(),
            helping: Helping::default(),
            health: Health::default(),
            suspicions: Vec::new(),
            swept: None,
            rewatch: Time::NEVER,
            probe_id: 0,
        }
    }

    /// Any input of the group arrived, which was to be woken at `due`: notices its own pauses.
    pub(crate) fn on_input(&mut self, timing: &Timing, due: Time, now: Time) {
        if !self.health.on_input(timing, due, now) {
            return;
        }
        let patient = now.after(timing.heartbeat_period + timing.probe_timeout.1);
        self.watches.postpone_all(patient);
        self.helping.clear();
        self.suspicions.clear();
        for case in &mut self.cases {
            case.stage = case::Stage::Held;
            case.mine = None;
            case.due = patient;
        }
    }

    /// Members came, went, or fell under suspicion.
    pub(crate) fn on_view_changed(&mut self, now: Time) {
        self.beats.on_view_changed(now);
    }

    /// A member proved itself: it may have chosen this node as an observer.
    pub(crate) fn on_admitted(&mut self, peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) {
        self.beats.on_view_changed(cx.now);
        if watch::is_observer(peer, around.view, cx.peers, around.timing) {
            self.watches.add(peer, self.silence(peer, around, cx));
        }
    }

    /// A member's heartbeat arrived: it chose this node as an observer.
    pub(crate) fn on_heartbeat(&mut self, peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) {
        let deadline = self.silence(peer, around, cx);
        if self.watches.observes(peer) {
            // This node is awake: it need not wake again only to find that the member was heard.
            self.health.improve(around.timing, cx.now);
            self.watches.postpone(peer, deadline);
        } else {
            self.watches.add(peer, deadline);
        }
    }

    /// There is traffic with a member: if nothing else is heard of it, its path is looked into.
    pub(crate) fn on_used(&mut self, peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) {
        self.watches
            .add_once(peer, self.silence(peer, around, cx).max(cx.now));
    }

    /// Anything of a member arrived (`peers` knows when).
    pub(crate) fn on_life(
        &mut self,
        peer: Peer,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        if self.cases.is_empty() && self.helping.next() == Time::NEVER {
            return;
        }
        self.helping.on_life(peer, cx, out);
        let Some(index) = self.position(peer) else {
            return;
        };
        let is_answer = self.heard(peer, cx) > self.cases[index].started;
        let is_held = self.cases[index].started == Time::NEVER;
        if is_answer || is_held {
            self.close(index, around, cx, facts);
        }
    }

    /// The last session with a member closed.
    pub(crate) fn on_closed(
        &mut self,
        peer: Peer,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.helping.on_closed(peer, cx, out);
        if self
            .position(peer)
            .is_some_and(|index| self.cases[index].stage != case::Stage::Held)
        {
            facts.push(Fact::Redial(peer));
        }
        self.examine_soon(peer, Cause::Closed, around, cx, out, facts);
    }

    /// A dial to a member failed.
    pub(crate) fn on_dial_failed(
        &mut self,
        peer: Peer,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        if let Some(index) = self.position(peer) {
            self.cases[index].has_dial_failed = true;
            self.check(index, around, cx, out, facts);
        } else if !around
            .view
            .find(peer)
            .is_some_and(|member| member.is_path_down)
        {
            self.examine_soon(peer, Cause::Closed, around, cx, out, facts);
        }
    }

    /// A member asks whether another lives.
    pub(crate) fn on_probe(
        &mut self,
        question: (Peer, u32, Peer),
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.helping
            .on_probe(question, &self.health, around, cx, out);
    }

    /// A helper answers.
    pub(crate) fn on_report(
        &mut self,
        (target, id): (Peer, u32),
        outcome: ProbeOutcome,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let Some(index) = self.position(target) else {
            return;
        };
        let case = &mut self.cases[index];
        if case.id != id || case.stage != case::Stage::Probing || case.answered >= case.asked {
            return;
        }
        case.answered += 1;
        case.was_heard_elsewhere |= matches!(outcome, ProbeOutcome::Heard { .. });
        self.check(index, around, cx, out, facts);
    }

    /// This node was suspected by others, and is not dead.
    pub(crate) fn on_suspected(&mut self) {
        self.health.worsen();
    }

    /// A member refuted: the votes were about an earlier incarnation.
    pub(crate) fn on_refuted(
        &mut self,
        peer: Peer,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        facts: &mut Vec<Fact>,
    ) {
        if let Some(index) = self.position(peer) {
            self.close(index, around, cx, facts);
        }
    }

    /// A member is gone, or another one than before.
    pub(crate) fn forget(&mut self, peer: Peer, now: Time) {
        self.beats.on_view_changed(now);
        self.rewatch = self.rewatch.min(now.after(OTHERS_DELAY));
        self.watches.remove(peer);
        self.cases.retain(|case| case.peer != peer);
        if self.cases.is_empty() {
            self.cases = Vec::new();
        }
        for case in &mut self.cases {
            case.forget_voter(peer);
        }
    }

    /// What has come due.
    pub(crate) fn handle_timeout(
        &mut self,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.beats.handle_timeout(around, cx, out);
        self.helping.handle_timeout(cx, out);
        if self.rewatch <= cx.now {
            self.rewatch = Time::NEVER;
            self.inherit(around, cx);
        }
        if self.watches.is_empty() {
            self.watch_an_observer(around, cx);
        }
        if self.watches.due(cx.now).is_some() {
            self.look_at_all(around, cx);
        }
        while let Some(peer) = self.watches.due(cx.now) {
            self.on_watch_due(peer, around, cx, out, facts);
        }
        for index in (0..self.cases.len()).rev() {
            if self.cases.get(index).is_some_and(|case| case.due <= cx.now) {
                self.check(index, around, cx, out, facts);
            }
        }
    }

    /// Who observes this node, and whom it observes.
    pub(crate) fn watch(&self) -> (Vec<Peer>, Vec<Peer>) {
        (self.observers().collect(), self.observed().collect())
    }

    /// Who observes this node.
    pub(crate) fn observers(&self) -> impl Iterator<Item = Peer> {
        self.beats.observers()
    }

    /// Whom this node observes.
    pub(crate) fn observed(&self) -> impl Iterator<Item = Peer> {
        self.watches.peers()
    }

    /// Has each line that an input reads fetched; see [`crate::Group::foresee`].
    pub(crate) fn foresee(&self) {
        fetch(&self.beats);
        fetch(&self.watches);
        fetch(&self.health);
        fetch(&self.cases);
        fetch(&self.rewatch);
    }

    /// The same for whom it observes.
    pub(crate) fn foresee_watches(&self) {
        self.watches.foresee();
    }

    /// The same for who observes this node.
    pub(crate) fn foresee_beats(&self) {
        self.beats.foresee();
    }

    /// What it holds on the heap, votes not counted.
    pub(crate) const fn heap_bytes(&self) -> usize {
        let tables = self.beats.heap_bytes() + self.watches.heap_bytes();
        tables + self.helping.heap_bytes() + vec_bytes(&self.cases) + vec_bytes(&self.suspicions)
    }

    /// When to call `handle_timeout`. At rest: the next beat or the next look at a member.
    pub(crate) fn next(&self) -> Time {
        let cases = self.cases.iter().map(|case| case.due).min();
        self.beats
            .next()
            .min(self.watches.next())
            .min(self.helping.next())
            .min(self.rewatch)
            .min(cases.unwrap_or(Time::NEVER))
    }

    /// Watches those whose observers died, if this node is among the next ones. They send their
    /// heartbeats here within a period, unless they are cut off: then nobody else would notice.
    fn inherit(&mut self, around: &Surroundings<'_>, cx: &Context<'_>) {
        let patience = around.timing.heartbeat_period + around.timing.probe_timeout.1;
        for member in around.view.present().filter(|member| member.is_admitted) {
            let peer = member.peer;
            if !self.watches.observes(peer)
                && watch::is_observer(peer, around.view, cx.peers, around.timing)
            {
                self.watches.add(peer, cx.now.after(patience));
            }
        }
    }

    /// A node that nobody chose would never notice that it is cut off: it looks at one of those that
    /// it chose itself, who do not beat to it, and so asks it about once in two periods.
    fn watch_an_observer(&mut self, around: &Surroundings<'_>, cx: &Context<'_>) {
        if let Some(peer) = self.beats.observers().next() {
            self.watches.add(peer, self.silence(peer, around, cx));
        }
    }

    /// One member's check is due: whoever was heard of since is put off as well, so that a node wakes
    /// about twice a period and not once for each that it watches.
    fn look_at_all(&mut self, around: &Surroundings<'_>, cx: &mut Context<'_>) {
        for index in 0.. {
            let Some((peer, check, cause)) = self.watches.at(index) else {
                return;
            };
            if cause != Cause::Silent {
                continue;
            }
            let deadline = self.silence(peer, around, cx);
            if deadline > check && deadline > cx.now {
                if check <= cx.now {
                    self.health.improve(around.timing, cx.now);
                }
                self.watches.postpone(peer, deadline);
            }
        }
    }

    /// Looks at a member that was due: heard in time, or the beginning of a case.
    fn on_watch_due(
        &mut self,
        peer: Peer,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let period = around.timing.heartbeat_period;
        let deadline = self.silence(peer, around, cx);
        let is_path_down = around
            .view
            .find(peer)
            .is_some_and(|member| member.is_path_down);
        let cause = self.watches.cause(peer).unwrap_or(Cause::Silent);
        let is_once = cause == Cause::Used;
        if is_once {
            self.watches.remove(peer);
        }
        if deadline > cx.now {
            self.health.improve(around.timing, cx.now);
            self.watches.postpone(peer, deadline);
            return;
        }
        if is_once && is_path_down {
            return;
        }
        let pause = if is_path_down { period * 2 } else { period };
        self.watches.postpone(peer, cx.now.after(pause));
        self.examine(peer, cause, Duration::ZERO, cx);
        if let Some(index) = self.position(peer) {
            self.check(index, around, cx, out, facts);
        }
    }

    /// When the member's silence becomes an alarm.
    fn silence(&self, peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) -> Time {
        let state = cx.peers.get(peer);
        let patience = self.health.patience(state, around.timing, cx.now);
        let wait = around.timing.heartbeat_period + patience;
        self.heard(peer, cx).after(wait)
    }

    fn heard(&self, peer: Peer, cx: &Context<'_>) -> Time {
        self.health.heard(cx.peers.get(peer))
    }

    fn position(&self, peer: Peer) -> Option<usize> {
        self.cases.iter().position(|case| case.peer == peer)
    }
}
