//! What this node makes of an invitation into a group.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{Admittance, DeclineReason, Invite, InviteAnswer, InviteReply};
use archipelago_core::{GroupId, Peer, Time};
use archipelago_sgroup::{Cookies, GroupConfig, Place, Route, Secret, Seed};

use super::InvitePolicy;
use super::asking::Word;
use crate::change::Ask;
use crate::node::{Life, Node, Outputs};

/// Who was invited and is not up in the group by then stays out of it.
const ENTER_TIMEOUT: Duration = Duration::from_secs(60);
impl Node {
    /// A node asks this one to enter a group.
    pub(in crate::node) fn on_invite(
        &mut self,
        from: Peer,
        id: GroupId,
        invite: &Invite,
        now: Time,
        out: &mut Outputs,
    ) {
        if GroupId::new(&self.config.realm, &invite.charter.name) != id {
            return;
        }
        let answer = match self.judge_invite(from, id, invite, now, out) {
            Ok(answer) => answer,
            Err(reason) => InviteAnswer::Declined(reason),
        };
        if invite.ticket == 0 {
            return;
        }
        let reply = InviteReply {
            ticket: invite.ticket,
            group: id,
            answer,
        };
        let home = self.home_of(from);
        self.deliver(from, home, (id, Word::Reply(Box::new(reply))), now, out);
    }

    fn judge_invite(
        &mut self,
        from: Peer,
        id: GroupId,
        invite: &Invite,
        now: Time,
        out: &mut Outputs,
    ) -> Result<InviteAnswer, DeclineReason> {
        if !matches!(self.life, Life::Starting(_) | Life::Settled | Life::Running) {
            return Err(DeclineReason::Busy);
        }
        let inviter = self.base.peers.id(from);
        let changes = self.changes.as_ref();
        let is_asked = changes.is_some_and(|changes| changes.asks(id, &inviter));
        if !self.may_invite(from) && !is_asked {
            return Err(DeclineReason::Policy);
        }
        if let Some(grave) = self.grave(&id, now)
            && invite.charter.epoch <= grave.epoch
        {
            return Err(DeclineReason::Deleted { epoch: grave.epoch });
        }
        let is_in = self.groups.get(&id).map(|group| group.is_up());
        match is_in {
            Some(true) => self.on_invite_of_member(from, id, invite, now, out),
            Some(false) => Err(DeclineReason::Busy),
            None if self.is_full_of_groups() => Err(DeclineReason::TooManyGroups),
            None => self.enter_invited(from, id, invite, now),
        }
    }

    fn may_invite(&self, from: Peer) -> bool {
        match self.config.invites {
            InvitePolicy::Nobody => false,
            InvitePolicy::Members => {
                let mut groups = self.groups.values();
                groups.any(|group| group.is_admitted(from) || group.holds(from))
            }
            InvitePolicy::Realm => true,
        }
    }

    fn enter_invited(
        &mut self,
        from: Peer,
        id: GroupId,
        invite: &Invite,
        now: Time,
    ) -> Result<InviteAnswer, DeclineReason> {
        if invite.admission == Admittance::Ask {
            return Ok(InviteAnswer::Willing(Box::new((*self.record).clone())));
        }
        let secret = self.opened(from, id, &invite.admission)?;
        let cookies = secret.as_ref().map(|secret| secret.cookies.clone());
        let config = self.invited_config(from, invite, cookies);
        let joined = self.join(Arc::new(config), now);
        joined.map_err(|_| DeclineReason::Unusable)?;
        if let Some(secret) = secret {
            self.with_group(id, now, |group, cx, _| group.handle_invited(&secret, cx));
        }
        self.changes_mut()
            .note_entered(id, now.after(ENTER_TIMEOUT));
        Ok(InviteAnswer::Accepted)
    }

    /// The group's secret as the inviter gave it; `None` for an open group.
    fn opened(
        &self,
        from: Peer,
        id: GroupId,
        admission: &Admittance,
    ) -> Result<Option<Secret>, DeclineReason> {
        let sealed = match admission {
            Admittance::Open => return Ok(None),
            Admittance::Ask => return Err(DeclineReason::Unusable),
            Admittance::Secret(sealed) => sealed,
        };
        let state = self.base.peers.get(from);
        let record = state.and_then(|state| state.record());
        let key = record.ok_or(DeclineReason::Unusable)?.record.sealing_key;
        let route = Route {
            group: id,
            from: self.base.peers.id(from),
            to: self.base.me,
        };
        let opened = Secret::open(sealed, &key, &route, &*self.base.crypto);
        opened.map(Some).ok_or(DeclineReason::Unusable)
    }

    fn invited_config(&self, from: Peer, invite: &Invite, cookies: Option<Cookies>) -> GroupConfig {
        let node = Some(self.base.peers.id(from));
        let addresses = invite.addresses.iter().take(2).cloned();
        let mut seeds: Vec<Seed> = addresses.map(|address| Seed { address, node }).collect();
        if seeds.is_empty() {
            // Its session is there; it is never dialled.
            let address = "/unknown".into();
            seeds.push(Seed { address, node });
        }
        let charter = &invite.charter;
        let first = self.config.groups.first();
        GroupConfig {
            realm: self.config.realm.clone(),
            name: charter.name.clone(),
            cookies,
            seeds,
            size: charter.size,
            members_max: charter.members_max,
            is_closed: invite.closed,
            timing: first.map(|group| group.timing.clone()).unwrap_or_default(),
            place: Place {
                epoch: charter.epoch,
                tier: charter.tier,
                parents: Vec::new(),
                reflectors: charter.reflectors,
                pinned: charter.pinned.to_vec(),
                council: charter.council.to_vec(),
                // Told by the members' logs, if it has one.
                standard: None,
            },
        }
    }

    /// Two nodes made one group, or two sides of a split added the same node: the secrets are
    /// compared, all keep the higher one, and the two sides become one.
    fn on_invite_of_member(
        &mut self,
        from: Peer,
        id: GroupId,
        invite: &Invite,
        now: Time,
        out: &mut Outputs,
    ) -> Result<InviteAnswer, DeclineReason> {
        let with = self.base.peers.id(from);
        if self
            .groups
            .get(&id)
            .is_some_and(|group| group.is_out(&with))
        {
            return Err(DeclineReason::Removed);
        }
        if invite.admission == Admittance::Ask {
            return Ok(InviteAnswer::Willing(Box::new((*self.record).clone())));
        }
        let theirs = self.opened(from, id, &invite.admission)?;
        let mut is_ours_higher = false;
        self.with_group(id, now, |group, cx, said| {
            if let Some(theirs) = &theirs {
                is_ours_higher = group.handle_other_secret(with, theirs, cx, said);
            }
            group.handle_meeting(from, cx, said);
        });
        if is_ours_higher && invite.ticket != 0 {
            let ask = Ask::member(with);
            self.invite(id, 0, &ask, now, out);
        }
        Ok(InviteAnswer::Member)
    }
}
