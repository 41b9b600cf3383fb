//! Nodes invited into a group: by whatever leads to them, and what they answer.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{
    Admittance, Control, DeclineReason, GroupBody, Invite, InviteAnswer, InviteReply, Letter, List,
};
use archipelago_core::{GroupId, NodeId, Peer, SignedRecord, Time};

use crate::change::{Ask, ChangeFault, ChangeKind, Changed, NodeChange};
use crate::node::{Node, Outputs, Unreachable};
use crate::sessions::{Purpose, Whom, remember_record};

/// By so much an invited node may raise the epoch of a group that it knows as deleted.
const EPOCH_STEP_MAX: u64 = 1 << 32;

impl Node {
    pub(super) fn invite_all(
        &mut self,
        what: (u64, ChangeKind, GroupId),
        mut nodes: Vec<Ask>,
        limit: Duration,
        now: Time,
        out: &mut Outputs,
    ) {
        let (ticket, _, group) = what;
        nodes.sort_unstable();
        nodes.dedup_by_key(|ask| ask.node);
        let is_here = |node: &NodeId| *node == self.base.me || self.is_up_in(group, node);
        let (here, asked): (Vec<Ask>, Vec<Ask>) =
            nodes.into_iter().partition(|ask| is_here(&ask.node));
        let results = here.into_iter().map(|ask| NodeChange {
            node: ask.node,
            result: Ok(Changed::Member),
        });
        let results = results.collect();
        self.begin_change(what, asked.clone(), results, now.after(limit));
        for ask in asked {
            self.with_group(group, now, |group, cx, said| {
                group.handle_readmit(ask.node, cx, said);
            });
            self.invite(group, ticket, &ask, now, out);
        }
    }

    /// Whether a member is up in a group, as this node sees it.
    fn is_up_in(&self, group: GroupId, node: &NodeId) -> bool {
        let peer = self.base.peers.find(node);
        let group = self.groups.get(&group);
        group
            .zip(peer)
            .is_some_and(|(group, peer)| group.is_told(peer))
    }

    /// Invites one node, by whatever leads to it.
    pub(in crate::node) fn invite(
        &mut self,
        id: GroupId,
        ticket: u64,
        ask: &Ask,
        now: Time,
        out: &mut Outputs,
    ) {
        let Ok(peer) = self.base.peers.intern(ask.node) else {
            let fault = ChangeFault::Unreachable(Unreachable::Overloaded);
            return self.settle_change(ticket, ask.node, Err(fault));
        };
        self.sweep_later(now);
        let is_stranger = self.session_of(peer).is_none()
            && self.common_group(peer).is_none()
            && ask.home.is_none();
        if let (true, Some(address)) = (is_stranger, &ask.address) {
            let purpose = Purpose::Invite(id, ticket, ask.node);
            return self.dial(Whom::Peer(peer), vec![address.clone()], purpose, now, out);
        }
        if let Some(invite) = self.invitation(id, ticket, peer, now) {
            self.deliver(
                peer,
                ask.home,
                (id, Word::Invite(Box::new(invite))),
                now,
                out,
            );
        }
    }

    /// The session that was dialled for an invitation is there.
    pub(in crate::node) fn on_invite_ready(
        &mut self,
        (id, ticket, node): (GroupId, u64, NodeId),
        now: Time,
        out: &mut Outputs,
    ) {
        if let Some((_, ask)) = self.asked(ticket, &node) {
            self.invite(id, ticket, &ask, now, out);
        }
    }

    /// It could not be dialled.
    pub(in crate::node) fn on_invite_failed(&mut self, ticket: u64, node: NodeId) {
        let fault = ChangeFault::Unreachable(Unreachable::DialFailed);
        self.settle_change(ticket, node, Err(fault));
    }

    fn invitation(&mut self, id: GroupId, ticket: u64, peer: Peer, now: Time) -> Option<Invite> {
        let mut configs = self.config.groups.iter();
        let config = configs.find(|config| config.id() == id)?;
        let (closed, is_open) = (config.is_closed, config.cookies.is_none());
        let group = self.groups.get_mut(&id)?;
        let mut cx = self.base.context(now);
        let admission = if is_open {
            Admittance::Open
        } else {
            let sealed = group.sealed_secret(peer, &mut cx);
            sealed.map_or(Admittance::Ask, Admittance::Secret)
        };
        Some(Invite {
            ticket,
            charter: (**group.charter()).clone(),
            closed,
            addresses: List::truncated(self.config.addresses.iter().cloned()),
            admission,
        })
    }

    /// By the session, else by letter.
    pub(super) fn deliver(
        &mut self,
        peer: Peer,
        home: Option<GroupId>,
        (id, word): (GroupId, Word),
        now: Time,
        out: &mut Outputs,
    ) {
        let is_bypassed = self.detours.is_bypassed(peer);
        let session = self.session_of(peer).filter(|_| !is_bypassed);
        match session {
            Some(session) => self.send(session, Control::Group(id, word.into_body()), now, out),
            None => {
                let to = self.base.peers.id(peer);
                self.post(to, home, None, word.into_letter(), out);
            }
        }
    }

    /// What an invited node answers.
    pub(in crate::node) fn on_invite_reply(
        &mut self,
        from: Peer,
        reply: InviteReply,
        now: Time,
        out: &mut Outputs,
    ) {
        let node = self.base.peers.id(from);
        let Some((group, ask)) = self.asked(reply.ticket, &node) else {
            return;
        };
        if group != reply.group {
            return;
        }
        match reply.answer {
            InviteAnswer::Accepted => {}
            InviteAnswer::Member if self.is_up_in(group, &node) => {
                self.settle_change(reply.ticket, node, Ok(Changed::Member));
            }
            // It is on the other side of the group: told when the sides have met.
            InviteAnswer::Member => {}
            InviteAnswer::Willing(record) => {
                self.on_willing(from, *record, (group, reply.ticket), &ask, now, out);
            }
            InviteAnswer::Declined(DeclineReason::Deleted { epoch })
                if self.outlive(group, epoch, now) =>
            {
                self.invite(group, reply.ticket, &ask, now, out);
            }
            InviteAnswer::Declined(reason) => {
                let fault = ChangeFault::NotAdmitted(reason);
                self.settle_change(reply.ticket, node, Err(fault));
            }
        }
    }

    fn on_willing(
        &mut self,
        from: Peer,
        record: SignedRecord,
        (group, ticket): (GroupId, u64),
        ask: &Ask,
        now: Time,
        out: &mut Outputs,
    ) {
        let mut cx = self.base.context(now);
        let is_own = record.record.node == ask.node && record.verify(cx.crypto);
        if is_own {
            remember_record(from, &Arc::new(record), &mut cx);
        }
        let state = self.base.peers.get(from);
        if state.is_some_and(|state| state.record().is_some()) {
            return self.invite(group, ticket, ask, now, out);
        }
        let fault = ChangeFault::NotAdmitted(DeclineReason::Unusable);
        self.settle_change(ticket, ask.node, Err(fault));
    }

    /// A group that is made anew begins after the epoch in which it was deleted. Whether it does
    /// from now on, and did not before.
    fn outlive(&mut self, id: GroupId, epoch: u64, now: Time) -> bool {
        let mut configs = Arc::make_mut(&mut self.config).groups.iter_mut();
        let Some(config) = configs.find(|config| config.id() == id) else {
            return false;
        };
        let own = config.place.epoch;
        if epoch < own || epoch - own > EPOCH_STEP_MAX {
            return false;
        }
        let config = Arc::make_mut(config);
        config.place.epoch = epoch.saturating_add(1);
        let config = config.clone();
        self.recharter(&config, now).is_ok()
    }
}

/// What goes between the inviter and the invited.
pub(super) enum Word {
    Invite(Box<Invite>),
    Reply(Box<InviteReply>),
}

impl Word {
    fn into_body(self) -> GroupBody {
        match self {
            Self::Invite(invite) => GroupBody::Invite(invite),
            Self::Reply(reply) => GroupBody::InviteReply(reply),
        }
    }

    fn into_letter(self) -> Letter {
        match self {
            Self::Invite(invite) => Letter::Invite(invite),
            Self::Reply(reply) => Letter::InviteReply(reply),
        }
    }
}
