//! `Join` and `Welcome`: mutual proof of membership in one round trip.
//!
//! Every pair of members does this once per session. A joiner gets the view with the answer and
//! all members hear of it; a member only attaches its session. Who is remembered as ended, or as
//! a later start than it says, is told so and asks again as somebody new.

use archipelago_core::wire::{Entry, GroupBody, Join, JoinRole, Life, List, RefuseReason, Welcome};
use archipelago_core::{Boot, Context, Peer, PeerState};

use super::{
    By, DownReason, Group, GroupEvent, GroupOutput, GroupOutputs, Origin, around, charter,
};
use crate::admission::{Encounter, ProofRole};
use crate::detector::{Fact, Surroundings};
use crate::join::Phase;
use crate::view::{Standing, digest, entry_of, own_entry, pages};

/// Entries of a view with their records in a `Welcome`; the rest follows.
const WELCOME_LEN: usize = 96;
/// Unanswered `Join`s to one peer that are remembered: as a joiner, and then as a member.
const ASKED_MAX: usize = 2;

impl Group {
    /// Proves to the peer, on the session that is there.
    pub(super) fn say_join(
        &mut self,
        peer: Peer,
        role: JoinRole,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(state) = cx.peers.get(peer) else {
            return;
        };
        let encounter = Encounter {
            transcript: state.transcript,
            prover: cx.me,
            verifier: state.id(),
            role: role.into(),
        };
        let own = self.view.own();
        let join = Join {
            role,
            proof: self.admission.prove(&encounter, cx.crypto),
            charter: charter::id_of(&self.charter),
            boot: own.boot,
            era: own.era,
            incarnation: own.incarnation,
            log_seq: self.logs.head(),
        };
        let asked = self.asked.iter().filter(|&&asked| asked == peer);
        if asked.count() < ASKED_MAX {
            self.asked.push(peer);
        }
        let body = GroupBody::Join(Box::new(join));
        out.push(GroupOutput::Send { to: peer, body });
    }

    pub(super) fn on_join(
        &mut self,
        from: Origin,
        join: &Join,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let peer = from.peer;
        if matches!(self.phase, Phase::Idle | Phase::Left) {
            return refuse(peer, RefuseReason::UnknownGroup, out);
        }
        let way = (peer, from.transcript);
        let checked = self
            .admission
            .check_from(way, join.role.into(), &join.proof, cx);
        let by = match checked {
            Ok(by) => by,
            Err(error) => {
                refuse(peer, error.reason(), out);
                return self.on_unproved(peer, cx, out);
            }
        };
        if self.marks.out_by(&cx.peers.id(peer)).is_some() {
            return self.refuse_as_out(peer, cx, out);
        }
        if join.role == JoinRole::Client {
            return self.on_client(from, by, cx, out);
        }
        self.on_proved(peer, by);
        if self.phase == Phase::Asking && !self.on_join_while_asking(peer, join, cx, out) {
            return;
        }
        self.let_in(from, join, cx, out);
        self.help_to_secret(peer, by, cx, out);
    }

    /// Two nodes outside meet. Whether this one begins the group, and so can let the other in.
    fn on_join_while_asking(
        &mut self,
        peer: Peer,
        join: &Join,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        if join.role == JoinRole::Member {
            // There is a group already, and the peer is in it.
            self.say_join(peer, JoinRole::Joiner, cx, out);
            return false;
        }
        if self.seeds.is_beginning_with(peer, &self.config.timing, cx) {
            self.found(cx, out);
            return true;
        }
        refuse(peer, RefuseReason::UnknownGroup, out);
        false
    }

    fn let_in(&mut self, from: Origin, join: &Join, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let peer = from.peer;
        let known = self.view.find(peer);
        let is_new = known.is_none_or(|known| !known.is_present());
        let members_max = self.charter.members_max as usize;
        if is_new && self.view.present_count() + 1 >= members_max {
            return refuse(peer, RefuseReason::GroupFull, out);
        }
        let standing = known.map(|member| member.standing);
        let said = self_said(join.boot, join, standing);
        let is_stale = standing.is_some_and(|known| is_stale(&said, &known));
        if !is_stale {
            self.merge(peer, said, DownReason::Replaced, cx, out);
        }
        let remembered = known
            .filter(|_| is_stale)
            .map(|member| entry_of(&member, cx.peers, true));
        self.welcome(from, join.role, remembered, cx, out);
        self.admit(peer, is_direct(&from, cx), cx, out);
        self.with_logs(cx, out, |logs, cx, said| {
            logs.handle_head(peer, join.log_seq, cx, said);
        });
        let is_news = !is_stale && standing.map(|known| known.tenure()) != Some(said.tenure());
        if is_news {
            self.tell_of_newcomer(peer, join.role, cx, out);
        }
    }

    /// Members hear of a joiner at once; of a member that was unknown here, its view is asked for.
    fn tell_of_newcomer(
        &mut self,
        peer: Peer,
        role: JoinRole,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        match role {
            JoinRole::Joiner => self.flood(&[peer], peer, cx, out),
            JoinRole::Member | JoinRole::Client => self.ask_view(peer, cx, out),
        }
    }

    pub(super) fn ask_view(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.sync.may_ask(peer, &self.config.timing, cx.now) {
            let body = GroupBody::ViewDigest(digest(&self.view, cx.peers));
            out.push(GroupOutput::Send { to: peer, body });
        }
    }

    pub(super) fn welcome(
        &mut self,
        from: Origin,
        role: JoinRole,
        known: Option<Entry>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let encounter = Encounter {
            transcript: from.transcript,
            prover: cx.me,
            verifier: cx.peers.id(from.peer),
            role: ProofRole::Welcome,
        };
        let own = self.view.own();
        let mut entries = match role {
            JoinRole::Client => self.entries_for_client(from.peer, cx),
            JoinRole::Joiner | JoinRole::Member => vec![own_entry(&self.view, None)],
        };
        if role == JoinRole::Joiner {
            let others = self.view.iter().filter(|member| member.peer != from.peer);
            entries.extend(others.map(|member| entry_of(&member, cx.peers, true)));
        }
        let rest = entries.split_off(entries.len().min(WELCOME_LEN));
        let welcome = Welcome {
            proof: self.admission.prove(&encounter, cx.crypto),
            charter: self.charter.clone(),
            boot: own.boot,
            era: own.era,
            incarnation: own.incarnation,
            log_seq: self.logs.head(),
            known,
            view: List::truncated(entries),
            entries: u32::try_from(self.view.entries_count()).unwrap_or(u32::MAX),
        };
        let to = from.peer;
        let body = GroupBody::Welcome(Box::new(welcome));
        out.push(GroupOutput::Send { to, body });
        for page in pages(rest) {
            let body = GroupBody::View(page);
            out.push(GroupOutput::Send { to, body });
        }
        if role != JoinRole::Client {
            self.tell_councils(to, out);
        }
    }

    pub(super) fn on_welcome(
        &mut self,
        from: Origin,
        welcome: Welcome,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let peer = from.peer;
        let Some(index) = self.asked.iter().position(|&asked| asked == peer) else {
            return;
        };
        self.asked.swap_remove(index);
        if self.asked.is_empty() {
            self.asked = Vec::new();
        }
        let way = (peer, from.transcript);
        let checked = self
            .admission
            .check_from(way, ProofRole::Welcome, &welcome.proof, cx);
        let by = match checked {
            Ok(by) => by,
            Err(error) => return self.on_refused(peer, error.reason(), cx, out),
        };
        self.on_proved(peer, by);
        let was_asking = self.phase == Phase::Asking;
        if was_asking {
            self.phase = Phase::CatchingUp(cx.now.after(self.config.timing.join_timeout));
            let is_paged = welcome.entries as usize > WELCOME_LEN;
            self.announced = if is_paged {
                welcome.entries as usize
            } else {
                0
            };
        }
        if !self.adopt(&welcome.charter, out) {
            self.on_lower_charter(&welcome.charter, cx);
        }
        self.on_welcomed(from, &welcome, was_asking, cx, out, facts);
        self.help_to_secret(peer, by, cx, out);
    }

    /// Proved: takes over what the peer says of itself, of others, and of this node.
    fn on_welcomed(
        &mut self,
        from: Origin,
        welcome: &Welcome,
        was_asking: bool,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let peer = from.peer;
        let known = self.view.find(peer).map(|member| member.standing);
        let id = cx.peers.id(peer);
        let own_line = welcome.view.iter().find(|entry| entry.node == id);
        let life = own_line.map_or(Life::Joining, |entry| entry.life);
        let life = if life == Life::Joining {
            life
        } else {
            Life::Alive
        };
        let said = Standing::new(welcome.boot, welcome.era, welcome.incarnation, life);
        self.merge(peer, said, DownReason::Replaced, cx, out);
        self.admit(peer, is_direct(&from, cx), cx, out);
        self.with_logs(cx, out, |logs, cx, said| {
            logs.handle_head(peer, welcome.log_seq, cx, said);
        });
        if known.is_some_and(|known| is_stale(&said, &known)) {
            self.tell_end(peer, cx, out);
        }
        let role = if was_asking {
            JoinRole::Joiner
        } else {
            JoinRole::Member
        };
        if let Some(entry) = &welcome.known
            && self.on_about_me(&Standing::of(entry), entry.record.as_ref(), cx, out)
        {
            self.say_join(peer, role, cx, out);
        }
        let before = self.view.present_count();
        let news = self.on_entries(peer, &welcome.view, cx, out, facts).news;
        if self.phase == Phase::Up {
            self.tell_own_life(peer, out);
        }
        let is_bridge = !was_asking && known.is_none() && before > 1;
        if is_bridge {
            self.bridge(peer, &news, cx, out);
        }
    }

    /// Two islands of the group met: each hears of the other at once.
    fn bridge(&mut self, peer: Peer, news: &[Peer], cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let mut theirs = news.to_vec();
        theirs.push(peer);
        self.flood(&theirs, peer, cx, out);
        let ours = self
            .view
            .present()
            .filter(|m| m.peer != peer && !news.contains(&m.peer));
        let entries = ours
            .map(|member| entry_of(&member, cx.peers, true))
            .collect();
        for page in pages(entries) {
            let body = GroupBody::View(page);
            out.push(GroupOutput::Send { to: peer, body });
        }
    }

    pub(super) fn on_refused(
        &mut self,
        peer: Peer,
        reason: RefuseReason,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        // The answer to the first of them: the peer may have come in since, and welcome the next.
        if let Some(index) = self.asked.iter().position(|&asked| asked == peer) {
            self.asked.remove(index);
        }
        if self.view.find(peer).is_none() {
            // It was thought to be in the group, and is not.
            self.mesh.forget(peer);
        }
        match reason {
            RefuseReason::Removed => self.on_told_out(peer, cx, out),
            RefuseReason::UnknownGroup => self.on_forgotten(peer, cx, out),
            RefuseReason::NotAdmitted | RefuseReason::BackOff => {
                self.on_shut_out(peer, reason, cx, out);
            }
            _ => {}
        }
        if self.seeds.contains(peer) && !self.holds(peer) {
            let may_move = self.phase == Phase::Up && self.config.place.standard.is_some();
            let refusal = (reason, may_move);
            self.seeds
                .on_refused(peer, refusal, &self.config.timing, cx);
            out.push(GroupOutput::Event(GroupEvent::Refused(reason)));
        }
        self.found_if_first(cx, out);
    }

    /// A member takes this node's cookie for none. Who is shut out by all was away while the cookie
    /// changed, or is meant to be out.
    fn on_shut_out(
        &mut self,
        peer: Peer,
        reason: RefuseReason,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if self.is_to_prove(peer) {
            return;
        }
        self.mesh.on_refused(peer, &self.config.timing, cx);
        if self.holds(peer) && !self.seeds.contains(peer) {
            out.push(GroupOutput::Event(GroupEvent::Refused(reason)));
        }
    }

    /// This node goes on as a later start, before it was up anywhere: asks again.
    pub(super) fn on_new_boot(&mut self, boot: Boot, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        use archipelago_core::{Era, Incarnation};
        let life = self.view.own().life();
        self.set_own(Standing::new(boot, Era(0), Incarnation(0), life), cx, out);
        let admitted: Vec<Peer> = self
            .view
            .present()
            .filter(|member| member.is_admitted)
            .map(|member| member.peer)
            .collect();
        for peer in admitted {
            self.say_join(peer, JoinRole::Joiner, cx, out);
        }
    }

    /// The peer proved itself, on its session or on a detour.
    pub(super) fn admit(
        &mut self,
        peer: Peer,
        is_direct: bool,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let admitted = self.view.change(peer, |member| {
            member.is_unreachable = false;
            let was_admitted = std::mem::replace(&mut member.is_admitted, true);
            (was_admitted, member.is_present())
        });
        let Some((was_admitted, is_present)) = admitted else {
            return;
        };
        if is_direct {
            self.on_direct(peer, cx, out);
        }
        if is_present && is_direct {
            self.mesh.forget(peer);
        } else if is_present {
            // Admitted on a detour: the session of their own is still to come.
            self.mesh
                .on_dial_failed(peer, &self.view, &self.config.timing, cx);
        }
        if is_present {
            self.seeds.on_member(peer);
            out.push(GroupOutput::Admitted { peer });
            self.detector.on_admitted(peer, &around!(self), cx);
        }
        if !was_admitted {
            self.tell_marks(peer, cx, out);
            self.mesh.hurry(&self.config.timing, cx);
            out.push(GroupOutput::Ping { peer });
        }
    }
}

/// Whether something came by a session of which there still is one.
fn is_direct(from: &Origin, cx: &Context<'_>) -> bool {
    let has_session = |state: &PeerState| state.session.is_some();
    from.by == By::Session && cx.peers.get(from.peer).is_some_and(has_session)
}

/// What a node says of itself when it joins; that it is up already is remembered from before.
fn self_said(boot: Boot, join: &Join, known: Option<Standing>) -> Standing {
    let joining = Standing::new(boot, join.era, join.incarnation, Life::Joining);
    match known {
        Some(known) if known.tenure() == joining.tenure() && known.life() == Life::Alive => {
            joining.with_life(Life::Alive)
        }
        _ => joining,
    }
}

/// Whether what a node says of itself is behind what the group remembers.
fn is_stale(said: &Standing, known: &Standing) -> bool {
    known.tenure() > said.tenure() || (known.is_ended() && known.tenure() == said.tenure())
}

pub(super) fn refuse(peer: Peer, reason: RefuseReason, out: &mut GroupOutputs) {
    let body = GroupBody::Refused(reason);
    out.push(GroupOutput::Send { to: peer, body });
}
