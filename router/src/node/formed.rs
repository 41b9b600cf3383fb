//! A node as it is once its groups have formed, made instead of joined message by message.
//!
//! For simulations of very many nodes. Sessions, peers, views, observers and membership are put in
//! place by the machines' own constructors of that name; whatever lies between groups (adjacency,
//! rows, routes) is made by the inputs that would have told of it, and spreads by messages.
//! A test of the simulator holds the result against joined nodes.

use std::sync::Arc;

use archipelago_core::{FormedPeer, Peer, PeerState, Peers, Time};
use archipelago_sgroup::{Formed, Group};

use super::shutdown::Life;
use super::{Node, Outputs};
use crate::reflect::{GroupChange, MemberChange};
use crate::up::FormedTiers;

impl Node {
    /// Begins as a running node with these sessions, up in those of its configured groups that are
    /// among `groups` and placed as `tiers` says; the others it joins. Parents that it was elected
    /// for are among the configured groups. Nothing is told to watchers of what lies before.
    ///
    /// # Panics
    /// When the node was started already.
    pub fn form(
        &mut self,
        mut peers: Vec<FormedPeer>,
        (groups, tiers): (&[&Formed], &FormedTiers),
        now: Time,
        out: &mut Outputs,
    ) {
        assert!(
            matches!(self.life, Life::Configured),
            "a node is formed or started, once"
        );
        self.life = Life::Running;
        self.stir();
        self.base.peers = Peers::formed(self.config.peers_max, &mut peers);
        let oldest_use = peers.iter().map(|peer| peer.used_at).min();
        let slots = (0u32..).map(Peer);
        let sessions = peers.iter().zip(slots);
        let sessions: Vec<_> = sessions
            .map(|(peer, slot)| (peer.session, slot, peer.is_ours))
            .collect();
        self.sessions
            .form(&sessions, oldest_use.unwrap_or(now), now);
        for config in self.config.groups.clone() {
            let mut formed = groups.iter();
            let formed = formed.find(|formed| formed.id() == config.id());
            let record = Arc::clone(&self.record);
            let mut cx = self.base.context(now);
            let group =
                formed.and_then(|formed| Group::formed(config.clone(), record, formed, &mut cx));
            match group {
                Some(group) => {
                    let id = group.id();
                    self.take_formed(group, config.is_closed, now);
                    self.up.form(id, tiers, self.base.me, now);
                }
                None => self.enter_group(config, now),
            }
        }
        self.do_work(now, out);
    }

    /// What a group and its sessions are to the map of reflection.
    fn take_formed(&mut self, group: Group, is_closed: bool, now: Time) {
        let id = group.id();
        let members: Vec<Peer> = group.reachable().collect();
        self.groups.insert(id, Box::new(group));
        self.place_group(id, now);
        self.up.handle_joined(id, now);
        self.with_reflect(now, |reflect, cx, said| {
            reflect.handle_group(id, GroupChange::Up { is_closed }, cx, said);
            for peer in members {
                let record = cx.peers.get(peer).and_then(PeerState::record);
                let roles = record.map(|signed| signed.record.roles);
                let change = MemberChange::Up(roles.unwrap_or_default());
                reflect.handle_member(id, peer, change, cx, said);
                reflect.handle_session_ready(peer, cx, said);
            }
        });
    }
}
