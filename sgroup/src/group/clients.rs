//! Hidden nodes that use the group through this member, as [`client`](crate::client) does.
//!
//! Each has proved the cookie in a role of its own and has a session that the group justifies. They
//! are in no view: what all members are told, by this member's log, is that it serves them, so that
//! anybody finds the way to them. Whoever cannot prove a rotated cookie is let go with the members
//! who cannot.
//!
//! Limit: 4,096 for each member; beyond it a client is refused as by a full group, and tries the next.
//! Cost: 16 bytes here and one entry of the log for each; nothing while there are none.

use std::collections::BTreeMap;

use archipelago_core::wire::{Entry, GroupBody, JoinRole, Life, RefuseReason};
use archipelago_core::{Context, Peer};
use bytes::Bytes;

use super::handshake::refuse;
use super::{Group, GroupOutput, GroupOutputs, Origin};
use crate::admission::{Admitted, CookieId};
use crate::client::REMEMBERED;
use crate::join::Phase;
use crate::log::keys;
use crate::view::{entry_of, own_entry, rendezvous};

/// Hidden nodes that one member serves.
const CLIENTS_MAX: usize = 4_096;

/// Those that are served, and the cookie that each proved last.
#[derive(Debug, Default)]
pub(super) struct Clients(BTreeMap<Peer, CookieId>);

impl Clients {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + archipelago_core::footprint::map_bytes(&self.0)
    }
}

#[cfg(test)]
impl Clients {
    /// As many as there can be.
    pub(super) fn full() -> Self {
        let peers = (0..CLIENTS_MAX).filter_map(|index| u32::try_from(index).ok());
        Self(
            peers
                .map(|index| (Peer(1_000 + index), CookieId::OPEN))
                .collect(),
        )
    }
}

impl Group {
    /// Whether the peer uses the group through this member without being in it.
    pub fn serves(&self, peer: Peer) -> bool {
        let clients = self.clients.as_ref();
        clients.is_some_and(|clients| clients.0.contains_key(&peer))
    }

    /// Hidden nodes that this member serves, by slot.
    pub fn clients(&self) -> impl Iterator<Item = Peer> {
        let clients = self.clients.iter();
        clients.flat_map(|clients| clients.0.keys().copied())
    }

    /// A hidden node proved the cookie, for the first time or anew.
    pub(super) fn on_client(
        &mut self,
        from: Origin,
        by: Admitted,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let peer = from.peer;
        if self.phase != Phase::Up || self.holds(peer) {
            return refuse(peer, RefuseReason::UnknownGroup, out);
        }
        let clients = self.clients.get_or_insert_default();
        let is_new = !clients.0.contains_key(&peer);
        if is_new && clients.0.len() >= CLIENTS_MAX {
            return refuse(peer, RefuseReason::GroupFull, out);
        }
        clients.0.insert(peer, by.by);
        self.welcome(from, JoinRole::Client, None, cx, out);
        if !is_new {
            return;
        }
        let key = keys::client(&cx.peers.id(peer));
        // A full log costs the way to this client by others, not its own way to them.
        let _ = self.logs.put(key, Bytes::new(), cx);
        let is_served = true;
        out.push(GroupOutput::Serves { peer, is_served });
        out.push(GroupOutput::Admitted { peer });
    }

    /// Members that are drawn to serve the client, with their records; this one last.
    pub(super) fn entries_for_client(&self, client: Peer, cx: &Context<'_>) -> Vec<Entry> {
        let name = cx.peers.id(client).prefix();
        let up = self.view.present();
        let up = up.filter(|member| member.is_admitted && member.standing.life() == Life::Alive);
        let mut drawn: Vec<_> = up
            .map(|member| (rendezvous(name, cx.peers.id(member.peer).prefix()), member))
            .collect();
        drawn.sort_by_key(|&(draw, ref member)| (std::cmp::Reverse(draw), member.peer));
        let drawn = drawn.iter().take(REMEMBERED);
        let mut entries: Vec<Entry> = drawn
            .map(|(_, member)| entry_of(member, cx.peers, true))
            .collect();
        entries.push(own_entry(&self.view, Some(self.record.clone())));
        entries
    }

    /// What a client says beside its proofs: that it goes.
    pub(super) fn on_client_message(
        &mut self,
        peer: Peer,
        body: &GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if matches!(body, GroupBody::Leave) {
            self.drop_client(peer, cx, out);
        }
    }

    /// The client is gone, or no client any more.
    pub(super) fn drop_client(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let Some(clients) = &mut self.clients else {
            return;
        };
        if clients.0.remove(&peer).is_none() {
            return;
        }
        if clients.0.is_empty() {
            self.clients = None;
        }
        self.logs.delete(&keys::client(&cx.peers.id(peer)), cx);
        let is_served = false;
        out.push(GroupOutput::Serves { peer, is_served });
        out.push(GroupOutput::Released { peer });
    }

    /// This member leaves: its clients look for another one.
    pub(super) fn drop_clients(&self, out: &mut GroupOutputs) {
        for peer in self.clients() {
            let (to, body) = (peer, GroupBody::Leave);
            out.push(GroupOutput::Send { to, body });
            let is_served = false;
            out.push(GroupOutput::Serves { peer, is_served });
            out.push(GroupOutput::Released { peer });
        }
    }

    /// The window of a rotation has closed, and the grace after it.
    pub(super) fn evict_clients(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let Some(clients) = &self.clients else { return };
        let unproved = clients.0.iter();
        let unproved = unproved.filter(|&(_, by)| !self.admission.is_current(*by));
        let unproved: Vec<Peer> = unproved.map(|(&peer, _)| peer).collect();
        for peer in unproved {
            refuse(peer, RefuseReason::NotAdmitted, out);
            self.drop_client(peer, cx, out);
        }
    }
}
