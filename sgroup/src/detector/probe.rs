//! Rounds of questions about one member: to itself, and to helpers.

use std::time::Duration;

use archipelago_core::wire::{GroupBody, Probe};
use archipelago_core::{Context, Peer, Time};

use super::case::{Case, Cause, Stage};
use super::{Detector, Fact, OTHERS_DELAY, Surroundings};
use crate::view::rendezvous;
use crate::{GroupOutput, GroupOutputs};

/// How much longer than a question to the member itself an answer by way of a helper may take.
const HELPER_EXTRA: Duration = Duration::from_millis(400);

impl Detector {
    /// Looks into a member: at once as its observer, else after those have had their turn.
    pub(super) fn examine_soon(
        &mut self,
        peer: Peer,
        cause: Cause,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let is_mine = self.watches.observes(peer) || !around.is_voter;
        let delay = if is_mine && !self.health.is_mute(cx.now) {
            Duration::ZERO
        } else {
            OTHERS_DELAY + cx.rng.jitter(OTHERS_DELAY)
        };
        self.examine(peer, cause, delay, cx);
        if let Some(index) = self.position(peer) {
            self.check(index, around, cx, out, facts);
        }
    }

    /// Opens a case, or brings its next round forward.
    pub(super) fn examine(&mut self, peer: Peer, cause: Cause, delay: Duration, cx: &Context<'_>) {
        let due = cx.now.after(delay);
        match self.position(peer) {
            Some(index) => {
                let case = &mut self.cases[index];
                if case.cause == Cause::Used {
                    case.cause = cause;
                }
                // A case after its vote has its own rhythm.
                if case.stage == Stage::Held && case.mine.is_none() {
                    case.due = case.due.min(due);
                }
            }
            None => self.cases.push(Case::new(peer, cause, due)),
        }
    }

    /// Moves one case as far as it goes now.
    pub(super) fn check(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let Some(case) = self.cases.get(index) else {
            return;
        };
        let (peer, stage) = (case.peer, case.stage);
        if !around
            .view
            .find(peer)
            .is_some_and(|member| member.is_present())
        {
            self.cases.remove(index);
            return;
        }
        if stage != Stage::Held && self.heard(peer, cx) > case.started {
            return self.close(index, around, cx, facts);
        }
        let is_due = case.due <= cx.now;
        match stage {
            Stage::Held if is_due => self.begin(index, around, cx, out, facts),
            Stage::Held => self.tally(index, around, cx, facts),
            Stage::Pinging if is_due => self.ask_helpers(index, around, cx, out),
            Stage::Pinging => {}
            Stage::Probing => self.conclude(index, around, cx, out, facts),
        }
    }

    fn begin(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.probe_id = self.probe_id.wrapping_add(1);
        let case = &mut self.cases[index];
        let peer = case.peer;
        let state = cx.peers.get(peer);
        let has_session = state.is_some_and(|state| state.session.is_some());
        case.restart(self.probe_id, Stage::Pinging, cx.now);
        if has_session {
            out.push(GroupOutput::Ping { peer });
        } else if !around
            .view
            .find(peer)
            .is_some_and(|member| member.is_path_down)
        {
            facts.push(Fact::Redial(peer));
        }
        // Others are troubled by one of its observers, not by who was one before others came.
        let is_doubtful = matches!(case.cause, Cause::Swept | Cause::Used)
            || (case.cause == Cause::Silent
                && !super::watch::is_observer(peer, around.view, cx.peers, around.timing));
        if has_session && is_doubtful && case.rounds == 1 {
            case.due = cx
                .now
                .after(self.health.patience(state, around.timing, cx.now));
        } else {
            self.ask_helpers(index, around, cx, out);
        }
    }

    fn ask_helpers(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let peer = self.cases[index].peer;
        let helpers = helpers(peer, around, cx);
        let own = self
            .health
            .patience(cx.peers.get(peer), around.timing, cx.now);
        let helped = own.max(around.timing.probe_timeout.1) + HELPER_EXTRA;
        let case = &mut self.cases[index];
        case.stage = Stage::Probing;
        case.asked = helpers.len();
        case.due = cx.now.after(if helpers.is_empty() { own } else { helped });
        let (id, target) = (case.id, cx.peers.id(peer));
        for to in helpers {
            let body = GroupBody::Probe(Box::new(Probe { id, target }));
            out.push(GroupOutput::Send { to, body });
        }
    }

    /// Ends a round when everybody has answered or had the time to.
    fn conclude(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let case = &self.cases[index];
        let peer = case.peer;
        let state = cx.peers.get(peer);
        let has_session = state.is_some_and(|state| state.session.is_some());
        let own_end = case
            .started
            .after(self.health.patience(state, around.timing, cx.now));
        let is_over = case.due <= cx.now;
        let is_direct_over = is_over || case.has_dial_failed || (has_session && own_end <= cx.now);
        if !is_direct_over || !(is_over || case.was_heard_elsewhere || case.answered == case.asked)
        {
            if case.answered == case.asked || case.was_heard_elsewhere {
                let end = case
                    .due
                    .min(own_end.max(cx.now.after(Duration::from_micros(1))));
                self.cases[index].due = end;
            }
            return;
        }
        let vote_at = self.vote_at(peer, around, cx);
        if case.was_heard_elsewhere {
            facts.push(Fact::PathDown(peer));
            self.close(index, around, cx, facts);
        } else if case.cause == Cause::Used {
            self.cases.remove(index);
        } else if has_session && vote_at > cx.now {
            self.cases[index].due = vote_at;
        } else {
            self.vote(index, around, cx, out, facts);
        }
    }

    /// A process that is only stopped for a period, and keeps its session, is not voted against:
    /// it may have been about to beat when it was last heard of, and has to answer afterwards.
    fn vote_at(&self, peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) -> Time {
        let patience = self
            .health
            .patience(cx.peers.get(peer), around.timing, cx.now);
        let wait = around.timing.heartbeat_period * 2 + patience / 2;
        self.heard(peer, cx).after(wait)
    }

    /// The member lives, or others say so.
    pub(super) fn close(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        facts: &mut Vec<Fact>,
    ) {
        let case = self.cases.swap_remove(index);
        if self.cases.is_empty() {
            self.cases = Vec::new();
        }
        let late = case.started.after(around.timing.probe_timeout.1);
        if case.started != Time::NEVER && case.was_heard_elsewhere && cx.now > late {
            self.health.worsen();
        }
        if around
            .view
            .find(case.peer)
            .is_some_and(|member| member.is_suspect)
            || case.mine.is_some()
        {
            facts.push(Fact::Cleared(case.peer));
        }
        let is_needed = super::watch::is_observer(case.peer, around.view, cx.peers, around.timing);
        if !is_needed {
            self.watches.remove(case.peer);
        }
    }
}

/// Whom to ask about `peer`: its other observers first, since they heard it last.
fn helpers(peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>) -> Vec<Peer> {
    let observed = cx.peers.id(peer).prefix();
    let mut ranked: Vec<(u64, Peer)> = around
        .view
        .present()
        .filter(|member| member.peer != peer && member.is_admitted)
        .filter(|member| !member.is_suspect && !member.is_path_down)
        .map(|member| {
            let observer = cx.peers.id(member.peer).prefix();
            (rendezvous(observed, observer), member.peer)
        })
        .collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.truncate(around.timing.helpers);
    ranked.into_iter().map(|(_, helper)| helper).collect()
}
