//! Requests for sessions, and their answers.

use archipelago_core::wire::SessionId;
use archipelago_core::{Address, GroupId, NodeId, Peer, Time};
use archipelago_sgroup::DialTarget;

use super::{DialId, Life, Node, Output, Outputs};
use crate::sessions::{Booked, Purpose, Whom};

impl Node {
    pub(super) fn on_group_dial(
        &mut self,
        group: GroupId,
        target: DialTarget,
        now: Time,
        out: &mut Outputs,
    ) {
        let purpose = Purpose::Group(group, target);
        let Some((whom, addresses)) = self.resolve(group, target) else {
            return self.fail_purposes(vec![purpose], now);
        };
        if let Some(peer) = self.answered_by(group, &whom, target) {
            self.with_client(group, now, |client, cx, said| {
                client.handle_session_ready(peer, Some(target), cx, said);
            });
            return self.with_group(group, now, |group, cx, said| {
                group.handle_session_ready(peer, Some(target), cx, said);
            });
        }
        self.dial(whom, addresses, purpose, now, out);
    }

    /// Whom a group means, and where to dial.
    fn resolve(&mut self, group: GroupId, target: DialTarget) -> Option<(Whom, Vec<Address>)> {
        match target {
            DialTarget::Peer(peer) => {
                let record = self.base.peers.get(peer)?.record()?;
                let addresses = record.record.addresses.to_vec();
                Some((Whom::Peer(peer), addresses))
            }
            DialTarget::Seed(index) => {
                let mut configs = self.config.groups.iter().chain(&self.config.clients);
                let config = configs.find(|config| config.id() == group)?;
                let seed = config.seeds.get(index)?.clone();
                let known = match seed.node {
                    Some(node) if node == self.config.id => return None,
                    Some(node) => Some(self.base.peers.intern(node).ok()?),
                    None => self.listening_at(&seed.address),
                };
                let by_address = || Whom::Address(seed.address.clone());
                Some((
                    known.map_or_else(by_address, Whom::Peer),
                    vec![seed.address],
                ))
            }
        }
    }

    /// The peer with a session whose record names the address.
    fn listening_at(&self, address: &Address) -> Option<Peer> {
        let mut used = self
            .base
            .peers
            .iter()
            .filter(|(_, state)| state.session.is_some());
        used.find_map(|(peer, state)| {
            let record = state.record()?;
            record.record.addresses.contains(address).then_some(peer)
        })
    }

    /// A session that is there serves a group that has not used it yet. A group that has asks
    /// again because it doubts the session: only a new connection answers that.
    fn answered_by(&self, group: GroupId, whom: &Whom, target: DialTarget) -> Option<Peer> {
        let Whom::Peer(peer) = *whom else {
            return None;
        };
        self.base.peers.get(peer)?.session?;
        let Some(group) = self.groups.get(&group) else {
            return Some(peer);
        };
        let doubts = matches!(target, DialTarget::Peer(_)) && group.is_admitted(peer);
        (!doubts).then_some(peer)
    }

    /// Dials, or lets a dial or connection that is under way serve the purpose too.
    pub(super) fn dial(
        &mut self,
        whom: Whom,
        addresses: Vec<Address>,
        purpose: Purpose,
        now: Time,
        out: &mut Outputs,
    ) {
        if addresses.is_empty() || matches!(self.life, Life::Stopping(_) | Life::Stopped) {
            return self.fail_purposes(vec![purpose], now);
        }
        let peer = match whom {
            // It dialled us, and its Hello is on the way.
            Whom::Peer(peer) if self.sessions.is_opening(peer) => {
                return self.dials.wait(peer, vec![purpose]);
            }
            Whom::Peer(peer) => Some(self.base.peers.id(peer)),
            Whom::Address(_) => None,
        };
        match self.dials.book(whom, purpose) {
            Booked::New(dial) => out.push(Output::Dial {
                dial,
                peer,
                addresses: addresses.into(),
            }),
            Booked::Shared => {}
            Booked::Full => self.fail_purposes(vec![purpose], now),
        }
    }

    pub(super) fn on_opened(
        &mut self,
        session: SessionId,
        node: NodeId,
        dial: Option<DialId>,
        now: Time,
        out: &mut Outputs,
    ) {
        let is_refused =
            node == self.config.id || matches!(self.life, Life::Stopping(_) | Life::Stopped);
        let peer = self.base.peers.intern(node);
        let booked = dial.and_then(|dial| self.dials.finish(dial));
        let (Ok(peer), false) = (peer, is_refused) else {
            let purposes = booked.map_or_else(Vec::new, |(_, purposes)| purposes);
            self.fail_purposes(purposes, now);
            return self.refuse_session(session, out);
        };
        let own = self.own();
        self.with_sessions(now, |sessions, cx, said| {
            sessions.handle_opened(session, peer, dial.is_some(), (own.0, &own.1), cx, said);
        });
        if let Some((_, purposes)) = booked {
            self.dials.wait(peer, purposes);
        }
    }

    pub(super) fn on_open_failed(&mut self, dial: DialId, now: Time) {
        let Some((whom, purposes)) = self.dials.finish(dial) else {
            return;
        };
        self.note_cut_off(&whom);
        self.fail_purposes(purposes, now);
    }

    /// A member that cannot be dialled is spoken to by detour.
    fn note_cut_off(&mut self, whom: &Whom) {
        if let Whom::Peer(peer) = *whom {
            let is_member = self.common_group(peer).is_some();
            if is_member && self.session_of(peer).is_none() {
                self.detours.note_cut_off(peer);
            }
        }
    }

    /// Nothing leads to the peer any more: everybody who waits for it is told.
    pub(super) fn fail_waiting(&mut self, peer: Peer, now: Time) {
        let purposes = self.dials.take_waiting(peer);
        self.fail_purposes(purposes, now);
    }

    fn fail_purposes(&mut self, purposes: Vec<Purpose>, now: Time) {
        for purpose in purposes {
            match purpose {
                Purpose::Group(id, target) => {
                    self.with_group(id, now, |group, cx, said| {
                        group.handle_dial_failed(target, cx, said);
                    });
                    self.with_client(id, now, |client, cx, said| {
                        client.handle_dial_failed(target, cx, said);
                    });
                }
                Purpose::Invite(_, ticket, node) => self.on_invite_failed(ticket, node),
                Purpose::OnDemand(peer) => self.with_on_demand(now, |on_demand, cx, said| {
                    on_demand.handle_dial_failed(peer, cx, said);
                }),
            }
        }
    }
}
