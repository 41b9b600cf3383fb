//! How this node gets on: sessions that come and go, what the detector found, when it is up.

use archipelago_core::wire::JoinRole;
use archipelago_core::{Context, Peer, Time};
use bytes::Bytes;

use super::{
    DialTarget, DownReason, Fact, Group, GroupEvent, GroupOutput, GroupOutputs, MeshAct, Quorum,
    around, membership,
};
use crate::detector::{OTHERS_DELAY, Surroundings};
use crate::join::{Phase, SeedAct};
use crate::view::Member;
use archipelago_core::wire::Life;

impl Group {
    pub(super) fn on_session_ready(
        &mut self,
        peer: Peer,
        dialled: Option<DialTarget>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if matches!(self.phase, Phase::Idle | Phase::Left) {
            return;
        }
        if let Some(setup) = self.seeds.dialled_for(dialled, cx.now) {
            self.mesh.on_setup(setup);
        }
        let is_seed = self.seeds.on_ready(peer, dialled, &self.config, cx);
        if self.mesh.contains(peer) {
            let is_first = dialled.is_some() || cx.me < cx.peers.id(peer);
            if let Some(act) = self.mesh.on_ready(peer, is_first, cx.now) {
                self.do_mesh(act, cx, out);
            }
        } else if is_seed && !self.holds(peer) {
            self.say_join(peer, JoinRole::Joiner, cx, out);
        }
    }

    pub(super) fn on_session_closed(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.asked.retain(|&asked| asked != peer);
        self.drop_client(peer, cx, out);
        let closed = self.view.change(peer, |member| {
            let was_admitted = std::mem::replace(&mut member.is_admitted, false);
            (*member, was_admitted)
        });
        let Some((member, was_admitted)) = closed else {
            self.seeds.on_absent(peer, &self.config.timing, cx);
            return;
        };
        let is_present = member.is_present();
        match member.standing.life() {
            Life::Left => return,
            Life::Down => self
                .mesh
                .pursue_lost(peer, cx.now.after(self.config.timing.redial.0)),
            _ => {
                let wait = OTHERS_DELAY + cx.rng.jitter(OTHERS_DELAY);
                self.mesh.pursue(peer, cx.now.after(wait));
            }
        }
        if is_present && was_admitted {
            self.detector
                .on_closed(peer, &around!(self), cx, out, facts);
        }
    }

    pub(super) fn on_dial_failed(
        &mut self,
        target: DialTarget,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        match target {
            DialTarget::Seed(index) => {
                if self.seeds.on_dial_failed(index, &self.config.timing, cx) {
                    let event = GroupEvent::SeedUnreachable(index);
                    out.push(GroupOutput::Event(event));
                }
                self.found_if_first(cx, out);
            }
            DialTarget::Peer(peer) => {
                if cx
                    .peers
                    .get(peer)
                    .is_some_and(|state| state.session.is_some())
                {
                    return;
                }
                self.mesh
                    .on_dial_failed(peer, &self.view, &self.config.timing, cx);
                if self.holds(peer) {
                    self.detector
                        .on_dial_failed(peer, &around!(self), cx, out, facts);
                }
            }
        }
    }

    /// Is the group's beginning where nobody else will be.
    pub(super) fn found_if_first(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let is_asking = self.phase == Phase::Asking;
        if is_asking && self.seeds.is_first_of_all(&self.config.timing, cx) {
            self.found(cx, out);
        }
    }

    /// This node is the group's beginning.
    pub(super) fn found(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.phase = Phase::CatchingUp(cx.now);
        self.go_up(cx, out);
    }

    /// After every input: draws the conclusions, and does what has come due.
    pub(super) fn settle(
        &mut self,
        facts: Vec<Fact>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        for fact in facts {
            self.on_fact(fact, cx, out);
        }
        if let Phase::CatchingUp(deadline) = self.phase
            && (deadline <= cx.now || self.is_caught_up())
        {
            self.go_up(cx, out);
        }
        if !matches!(self.phase, Phase::Idle | Phase::Left) {
            while let Some(act) = self.seeds.poll(&self.view, &self.config.timing, cx) {
                self.do_seed(act, cx, out);
            }
            while let Some(act) = self.mesh.poll(&self.view, &self.config.timing, cx) {
                self.do_mesh(act, cx, out);
            }
        }
        self.settle_names(cx, out);
        self.settle_duties(cx, out);
        self.tell_quorum(out);
        self.settle_due();
    }

    fn tell_quorum(&mut self, out: &mut GroupOutputs) {
        let size = self.charter.size as usize;
        if self.phase != Phase::Up || size == 0 {
            return;
        }
        let here = self.view.present_count() + 1;
        let quorum = if here * 2 > size {
            Quorum::Majority
        } else {
            Quorum::Minority
        };
        if self.quorum.replace(quorum) != Some(quorum) {
            out.push(GroupOutput::Event(GroupEvent::Quorum(quorum)));
        }
    }

    /// When the detector is next due.
    pub(super) fn next_of_detector(&self) -> (Time, &'static str) {
        let is_in = self.phase.is_in();
        let next = is_in.then(|| self.detector.next());
        (next.unwrap_or(Time::NEVER), "failure detector")
    }

    /// When anything else is.
    pub(super) fn next_of_rest(&self) -> (Time, &'static str) {
        if matches!(self.phase, Phase::Idle | Phase::Left) {
            return (Time::NEVER, "nothing");
        }
        let names = self.names.as_ref();
        let names = names.map_or(Time::NEVER, |names| names.poll_timeout());
        let strict = self.strict.as_ref();
        let strict = strict.and_then(|strict| strict.poll_timeout());
        let log = self.logs.poll_timeout().map_or(Time::NEVER, |(due, _)| due);
        let duties = self.duties.as_ref().map_or(Time::NEVER, |d| d.next());
        let registry = self.registry.as_ref().map_or(Time::NEVER, |r| r.next());
        [
            (log, "owner-log"),
            (names, "claims to confirm"),
            (registry, "registry"),
            (strict.unwrap_or(Time::NEVER), "strict names"),
            (self.council_due(), "councils to ask"),
            (duties, "runs to start again"),
            (self.mesh.next(&self.config.timing), "members to dial"),
            (self.seeds.next(), "seeds to ask"),
            (self.phase.next(), "join time-out"),
            (self.view.next_expiry(), "tombstones"),
            (self.marks.next_expiry(), "marks of removals"),
            (self.rotation_due(), "rotation of the cookie"),
        ]
        .into_iter()
        .min_by_key(|&(due, _)| due)
        .unwrap_or((Time::NEVER, "nothing"))
    }

    fn do_seed(&mut self, act: SeedAct, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        match act {
            SeedAct::Dial(index) => out.push(GroupOutput::Dial {
                target: DialTarget::Seed(index),
            }),
            SeedAct::Ask(peer) => self.say_join(peer, JoinRole::Joiner, cx, out),
        }
    }

    fn do_mesh(&mut self, act: MeshAct, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        match act {
            MeshAct::Dial(peer) => out.push(GroupOutput::Dial {
                target: DialTarget::Peer(peer),
            }),
            MeshAct::Prove(peer) => self.say_join(peer, JoinRole::Member, cx, out),
        }
    }

    fn on_fact(&mut self, fact: Fact, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        match fact {
            Fact::Suspected(peer) => self.on_suspicion(peer, true, cx, out),
            Fact::Cleared(peer) => self.on_suspicion(peer, false, cx, out),
            Fact::Dead(peer) => {
                if let Some(member) = self.view.find(peer) {
                    let down = member.standing.with_life(Life::Down);
                    self.merge(peer, down, DownReason::Dead, cx, out);
                }
            }
            Fact::PathDown(peer) => self.on_path_down(peer, cx, out),
            Fact::Unreachable(peer) => {
                self.view
                    .change(peer, |member| member.is_unreachable = true);
            }
            Fact::Redial(peer) => self.mesh.pursue(peer, cx.now),
        }
    }

    fn on_suspicion(
        &mut self,
        peer: Peer,
        is_suspect: bool,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(mut member) = self.view.find(peer).filter(Member::is_present) else {
            return;
        };
        if member.is_suspect == is_suspect {
            return;
        }
        member.is_suspect = is_suspect;
        self.view.change(peer, |known| *known = member);
        self.detector.on_view_changed(cx.now);
        if member.is_told {
            let info = membership::info(&member, cx.peers);
            out.push(GroupOutput::Event(if is_suspect {
                GroupEvent::MemberSuspect(info)
            } else {
                GroupEvent::MemberAlive(info)
            }));
        }
    }

    /// Others hear the member, this node does not: traffic takes a detour, and all may know.
    pub(super) fn on_path_down(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let was_path_down = self.view.change(peer, |member| {
            std::mem::replace(&mut member.is_path_down, true)
        });
        if was_path_down != Some(false) {
            return;
        }
        let node = cx.peers.id(peer);
        // A full log costs the detours of others, not ours.
        let _ = self
            .logs
            .put(crate::log::keys::path_down(&node), Bytes::new(), cx);
        out.push(GroupOutput::Event(GroupEvent::PathDown(node)));
    }

    /// Whether everything that can be had of the present members is here.
    fn is_caught_up(&self) -> bool {
        let is_done = |member: Member| {
            if member.is_admitted {
                self.logs.is_caught_up(member.peer)
            } else {
                member.is_path_down || member.is_suspect || member.is_unreachable
            }
        };
        self.view.entries_count() >= self.announced && self.view.present().all(is_done)
    }

    fn go_up(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.phase = Phase::Up;
        self.set_own(self.view.own().with_life(Life::Alive), cx, out);
        let missing = self.view.present().filter(|m| !m.is_admitted).count();
        out.push(GroupOutput::Event(GroupEvent::Joined { missing }));
    }
}
