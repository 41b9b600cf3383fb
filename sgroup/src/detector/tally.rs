//! Votes: casting them, counting them, and the sweep when there are many.
//!
//! Death takes min(2, members that I do not suspect, me included) votes; where that is one, this
//! node's own after one more full round. Votes live three periods. Nothing is decided against a
//! member that I heard within half a period over a session that is still open.

use archipelago_core::wire::{GroupBody, Suspicion};
use archipelago_core::{Context, Peer, Time};

use super::case::{Cause, Stage};
use super::{Detector, Fact, Surroundings};
use crate::{GroupOutput, GroupOutputs};

const VOTE_LIFE_PERIODS: u32 = 3;
const SWEEP_PERIODS: u32 = 2;
const SUSPICIONS_MAX: usize = 64;

impl Detector {
    /// A member votes that another is dead.
    pub(crate) fn on_vote(
        &mut self,
        (voter, peer): (Peer, Peer),
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.on_suspicion(peer, false, around, cx);
        self.examine_soon(peer, Cause::Voted, around, cx, out, facts);
        if let Some(index) = self.position(peer) {
            self.cases[index].on_vote(voter, cx.now);
            facts.push(Fact::Suspected(peer));
            self.tally(index, around, cx, facts);
        }
    }

    /// A member's view has another one as ended, for votes that were missed here: reason to look,
    /// and a vote once this node found no life either.
    pub(crate) fn on_end_heard(
        &mut self,
        (voter, peer): (Peer, Peer),
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.examine_soon(peer, Cause::Voted, around, cx, out, facts);
        let index = self.position(peer);
        if let Some(index) = index.filter(|&index| self.cases[index].mine.is_some()) {
            self.cases[index].on_vote(voter, cx.now);
            self.tally(index, around, cx, facts);
        }
    }

    /// A full round found no sign of life.
    pub(super) fn vote(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let period = around.timing.heartbeat_period;
        let case = &mut self.cases[index];
        let peer = case.peer;
        case.stage = Stage::Held;
        case.due = cx.now.after(period);
        if !around.is_voter {
            facts.push(Fact::Unreachable(peer));
            return;
        }
        if self.health.is_mute(cx.now) {
            case.due = self.health.mute_until();
            return;
        }
        case.mine = Some(cx.now);
        let is_unheard = case.asked > 0 && case.answered == 0;
        facts.push(Fact::Suspected(peer));
        broadcast_vote(peer, around, cx, out);
        self.on_suspicion(peer, is_unheard, around, cx);
        if let Some(index) = self.position(peer) {
            self.tally(index, around, cx, facts);
        }
    }

    /// Decides, if the votes suffice.
    pub(super) fn tally(
        &mut self,
        index: usize,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        facts: &mut Vec<Fact>,
    ) {
        let period = around.timing.heartbeat_period;
        let peer = self.cases[index].peer;
        let heard = self.heard(peer, cx);
        let state = cx.peers.get(peer);
        let has_session = state.is_some_and(|state| state.session.is_some());
        let case = &mut self.cases[index];
        let votes = case.count(period * VOTE_LIFE_PERIODS, cx.now);
        let quorum = around
            .timing
            .votes
            .min(self.unsuspected(peer, around))
            .max(1);
        let case = &mut self.cases[index];
        if votes < quorum || !around.is_voter || self.health.is_mute(cx.now) {
            return;
        }
        let is_fresh = has_session && cx.now.since(heard) < period / 2 && heard > Time::START;
        if is_fresh {
            case.due = case.due.min(heard.after(period / 2));
        } else if quorum > 1 || (case.rounds >= 2 && case.mine.is_some()) {
            facts.push(Fact::Dead(peer));
        } else if case.stage == Stage::Held {
            case.due = cx.now;
        }
    }

    /// Members that I do not suspect, me included.
    fn unsuspected(&self, peer: Peer, around: &Surroundings<'_>) -> usize {
        let is_mine = |peer| {
            self.cases
                .iter()
                .any(|c| c.peer == peer && c.mine.is_some())
        };
        let others = around
            .view
            .present()
            .filter(|member| member.peer != peer && !member.is_suspect && !is_mine(member.peer))
            .filter(|member| member.standing.life() == archipelago_core::wire::Life::Alive);
        others.take(around.timing.votes).count() + 1
    }

    /// Many suspicions at once, or one that no helper answered to (`is_unheard`): looks at everybody
    /// who was not heard of late.
    fn on_suspicion(
        &mut self,
        peer: Peer,
        is_unheard: bool,
        around: &Surroundings<'_>,
        cx: &mut Context<'_>,
    ) {
        let window = around.timing.heartbeat_period * SWEEP_PERIODS;
        self.suspicions
            .retain(|&(at, _)| cx.now.since(at) <= window);
        let is_known = self.suspicions.iter().any(|&(_, known)| known == peer);
        if !is_known && self.suspicions.len() < SUSPICIONS_MAX {
            self.suspicions.push((cx.now, peer));
        }
        let members = around.view.present_count() + 1;
        let is_many = is_unheard || self.suspicions.len() >= members.div_ceil(4).min(3);
        let was_done = self.swept.is_some_and(|at| cx.now.since(at) < window);
        if !is_many || was_done || self.health.is_mute(cx.now) {
            return;
        }
        self.swept = Some(cx.now);
        let silent: Vec<Peer> = around
            .view
            .present()
            .map(|member| member.peer)
            .filter(|&other| cx.now.since(self.heard(other, cx)) > window)
            .collect();
        for other in silent {
            let delay = cx.rng.jitter(super::OTHERS_DELAY / 2);
            self.examine(other, Cause::Swept, delay, cx);
        }
    }
}

/// To every member, the suspected one included: it may refute.
fn broadcast_vote(peer: Peer, around: &Surroundings<'_>, cx: &Context<'_>, out: &mut GroupOutputs) {
    let Some(member) = around.view.find(peer) else {
        return;
    };
    let standing = member.standing;
    let body = GroupBody::Suspect(Box::new(Suspicion {
        node: cx.peers.id(peer),
        boot: standing.boot,
        era: standing.era,
        incarnation: standing.incarnation,
    }));
    let admitted = around.view.present().filter(|member| member.is_admitted);
    out.extend(admitted.map(|member| GroupOutput::Send {
        to: member.peer,
        body: body.clone(),
    }));
}
