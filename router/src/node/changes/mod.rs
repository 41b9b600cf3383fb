//! Groups that change while they run: commands of a member, and what becomes of them, done.
//!
//! [`asking`]: who is invited, and what it answers. [`answering`]: what this node makes of an
//! invitation. An invitation goes by the session that there is, else by letter, else (where only
//! an address is known) by a session dialled for it. Its secret is sealed to the invited on every
//! way.

mod answering;
mod asking;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{Deletion, GroupBody, RefuseReason};
use archipelago_core::{GroupId, NodeId, Peer, Time};
use archipelago_sgroup::{Cookies, Group, GroupConfig, GroupEvent, RemoveError};

use super::work::Work;
use super::{Life, Node, Output, Outputs, Refused, Unreachable};
use crate::change::{Ask, ChangeFault, ChangeKind, ChangeOutput, Changed, Changes, NodeChange};

/// Nodes that one change may concern.
const NODES_MAX: usize = 1_024;

/// From whom a node takes invitations into groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvitePolicy {
    /// From nobody: it joins groups by itself only.
    Nobody,
    /// From members of groups that it is in.
    #[default]
    Members,
    /// From every node of its realm.
    Realm,
}

impl Node {
    pub(in crate::node) fn create_group(
        &mut self,
        ticket: u64,
        mut config: Arc<GroupConfig>,
        nodes: Vec<Ask>,
        limit: Duration,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        self.may_change(ticket, &nodes)?;
        let id = config.id();
        let own = Arc::make_mut(&mut config);
        own.seeds = Vec::new();
        if let Some(grave) = self.grave(&id, now) {
            own.place.epoch = own.place.epoch.max(grave.epoch.saturating_add(1));
        }
        self.join(config, now)?;
        self.do_work(now, out);
        self.invite_all((ticket, ChangeKind::Create, id), nodes, limit, now, out);
        Ok(())
    }

    pub(in crate::node) fn add_members(
        &mut self,
        (ticket, group): (u64, GroupId),
        nodes: Vec<Ask>,
        limit: Duration,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        self.may_change(ticket, &nodes)?;
        self.is_member_of(group)?;
        self.invite_all((ticket, ChangeKind::Add, group), nodes, limit, now, out);
        Ok(())
    }

    pub(in crate::node) fn remove_members(
        &mut self,
        (ticket, group): (u64, GroupId),
        nodes: &[NodeId],
        now: Time,
    ) -> Result<(), Refused> {
        self.may_change(ticket, nodes)?;
        self.is_member_of(group)?;
        let mut results = Vec::new();
        for &node in nodes {
            let result = self.remove_member(group, node, now);
            results.push(NodeChange { node, result });
        }
        let what = (ticket, ChangeKind::Remove, group);
        self.begin_change(what, Vec::new(), results, now);
        Ok(())
    }

    fn remove_member(
        &mut self,
        group: GroupId,
        node: NodeId,
        now: Time,
    ) -> Result<Changed, ChangeFault> {
        if node == self.base.me {
            return Err(ChangeFault::Myself);
        }
        let mut removed = Err(RemoveError::NotMember);
        self.with_group(group, now, |group, cx, said| {
            removed = group.handle_remove(node, cx, said);
        });
        match removed {
            Ok(true) => Ok(Changed::Left),
            Ok(false) => Ok(Changed::Away),
            Err(RemoveError::TooMany) => Err(ChangeFault::TooManyOut),
            Err(_) => Err(ChangeFault::NotMember),
        }
    }

    /// Tells all members, and leaves when they have left, or `limit` is over.
    pub(in crate::node) fn delete_group(
        &mut self,
        (ticket, id): (u64, GroupId),
        limit: Duration,
        now: Time,
    ) -> Result<(), Refused> {
        self.may_change::<NodeId>(ticket, &[])?;
        self.is_member_of(id)?;
        let (mut asked, mut results) = (Vec::new(), Vec::new());
        let mut proof = None;
        self.with_group(id, now, |group, cx, said| {
            proof = Some(group.handle_delete(cx, said));
            for (peer, is_here) in group.others() {
                let node = cx.peers.id(peer);
                if is_here {
                    asked.push(Ask::member(node));
                } else {
                    let result = Ok(Changed::Away);
                    results.push(NodeChange { node, result });
                }
            }
        });
        if let Some(deletion) = proof {
            self.changes_mut().bury(id, deletion, now);
        }
        let what = (ticket, ChangeKind::Delete, id);
        self.begin_change(what, asked, results, now.after(limit));
        Ok(())
    }

    fn may_change<T>(&self, ticket: u64, nodes: &[T]) -> Result<(), Refused> {
        if matches!(self.life, Life::Configured) {
            return Err(Refused::NotMember);
        }
        let changes = self.changes.as_ref();
        let may_begin = changes.is_none_or(|changes| changes.may_begin(ticket));
        if nodes.len() > NODES_MAX || !may_begin {
            return Err(Refused::Overloaded);
        }
        Ok(())
    }

    fn is_member_of(&self, group: GroupId) -> Result<(), Refused> {
        match self.groups.get(&group) {
            None => Err(Refused::UnknownGroup),
            Some(group) if group.is_up() => Ok(()),
            Some(_) => Err(Refused::NotMember),
        }
    }

    /// Made when a change first begins, or a group is first heard to be over.
    fn changes_mut(&mut self) -> &mut Changes {
        self.changes.get_or_insert_default()
    }

    /// Where nothing was ever changed there is nobody to tell.
    fn with_changes(&mut self, call: impl FnOnce(&mut Changes, &mut Vec<ChangeOutput>)) {
        let Some(changes) = &mut self.changes else {
            return;
        };
        let mut said = Vec::new();
        call(changes, &mut said);
        self.work.extend(said.into_iter().map(Work::Change));
    }

    /// Who has not answered under `ticket`, as it was asked, and in which group.
    fn asked(&self, ticket: u64, node: &NodeId) -> Option<(GroupId, Ask)> {
        self.changes.as_ref()?.asked(ticket, node)
    }

    /// The proof that a group is over.
    fn grave(&self, group: &GroupId, now: Time) -> Option<Deletion> {
        self.changes.as_ref()?.grave(group, now)
    }

    fn begin_change(
        &mut self,
        what: (u64, ChangeKind, GroupId),
        asked: Vec<Ask>,
        results: Vec<NodeChange>,
        due: Time,
    ) {
        let mut said = Vec::new();
        self.changes_mut()
            .begin(what, asked, results, due, &mut said);
        self.work.extend(said.into_iter().map(Work::Change));
    }

    pub(super) fn settle_change(
        &mut self,
        ticket: u64,
        node: NodeId,
        result: Result<Changed, ChangeFault>,
    ) {
        self.with_changes(|changes, said| changes.settle(ticket, node, result, said));
    }

    /// This node is in the group no more.
    pub(in crate::node) fn end_changes(&mut self, group: GroupId) {
        self.with_changes(|changes, said| changes.handle_left(group, said));
    }

    /// What groups tell that concerns changes under way.
    pub(in crate::node) fn note_change(&mut self, group: GroupId, event: &GroupEvent) {
        self.with_changes(|changes, said| match event {
            GroupEvent::MemberUp(info) => changes.handle_up(group, info.node, said),
            GroupEvent::MemberDown(info, _) => changes.handle_gone(group, info.node, said),
            GroupEvent::Joined { .. } => changes.handle_joined(group),
            _ => {}
        });
    }

    /// This node was put out, or the group is over: it is left, with what that brings.
    pub(in crate::node) fn on_put_out(&mut self, group: GroupId, now: Time, out: &mut Outputs) {
        let groups = &mut Arc::make_mut(&mut self.config).groups;
        groups.retain(|config| config.id() != group);
        self.leave_group(group, now, out);
        self.renew_record(now);
    }

    pub(in crate::node) fn on_group_deleted(
        &mut self,
        group: GroupId,
        deletion: Deletion,
        now: Time,
        out: &mut Outputs,
    ) {
        let changes = self.changes_mut();
        changes.bury(group, deletion, now);
        // Who deletes it is shown that by those who have left, and stays to hear of the others.
        if !changes.is_deleting(group) {
            self.on_put_out(group, now, out);
        }
    }

    /// A member came back without knowing of the group.
    pub(in crate::node) fn on_recalled(
        &mut self,
        group: GroupId,
        peer: Peer,
        now: Time,
        out: &mut Outputs,
    ) {
        let node = self.base.peers.id(peer);
        if self.changes_mut().may_recall(group, node, now) {
            self.invite(group, 0, &Ask::member(node), now, out);
        }
    }

    /// Letters to a node were lost.
    pub(in crate::node) fn on_invite_lost(&mut self, to: NodeId, reason: Option<Unreachable>) {
        let fault = reason.map_or(ChangeFault::Lost, ChangeFault::Unreachable);
        self.with_changes(|changes, said| changes.handle_lost(to, fault, said));
    }

    pub(in crate::node) fn on_changes_due(&mut self, now: Time, out: &mut Outputs) {
        let mut late = Vec::new();
        self.with_changes(|changes, said| {
            if changes.poll_timeout().is_some_and(|(at, _)| at <= now) {
                late = changes.handle_timeout(now, said);
            }
        });
        for group in late {
            if self.groups.get(&group).is_some_and(|group| !group.is_up()) {
                self.on_put_out(group, now, out);
            }
        }
    }

    pub(in crate::node) fn on_change_output(
        &mut self,
        output: ChangeOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        let ChangeOutput::Done {
            ticket,
            group,
            kind,
            results,
        } = output;
        if kind == ChangeKind::Delete && self.groups.contains_key(&group) {
            self.on_put_out(group, now, out);
        }
        out.push(Output::Changed {
            ticket,
            group,
            kind,
            results,
        });
    }

    /// Keeps what is configured in step with what counts.
    pub(in crate::node) fn keep_cookies(&mut self, id: GroupId, cookies: Option<Cookies>) {
        let config = Arc::make_mut(&mut self.config);
        let mut configs = config.groups.iter_mut().chain(&mut config.clients);
        if let Some(config) = configs.find(|config| config.id() == id) {
            Arc::make_mut(config).cookies = cookies;
        }
    }

    /// What a node that is in the group no more answers to a member that is.
    pub(in crate::node) fn answer_join(&self, id: GroupId, now: Time) -> GroupBody {
        let grave = self.grave(&id, now);
        grave.map_or(GroupBody::Refused(RefuseReason::UnknownGroup), |deletion| {
            GroupBody::Deleted(Box::new(deletion))
        })
    }

    /// Gives the group another secret, and hands it to every member that is here.
    pub(in crate::node) fn rotate(
        &mut self,
        id: GroupId,
        cookie: bytes::Bytes,
        window: Duration,
        now: Time,
    ) -> Result<(), Refused> {
        self.is_member_of(id)?;
        if cookie.is_empty() || cookie.len() > 4_096 {
            return Err(Refused::InvalidGroup);
        }
        self.with_group(id, now, |group: &mut Group, cx, said| {
            group.handle_rotate(cookie, window, cx, said);
        });
        Ok(())
    }
}
