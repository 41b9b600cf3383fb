//! What the group lends to whoever keeps it in size: what members say of that, what they are
//! labelled with, and all that this node says here, to say it in another group as well.

use std::collections::BTreeSet;

use archipelago_core::wire::Value;
use archipelago_core::{Context, LocalId, NodeId, Peer, Peers};
use bytes::Bytes;

use super::{Group, GroupOutputs};
use crate::join::Phase;
use crate::log::keys;
use crate::names::{NameAct, Registration};
use crate::registry::{Entry, RegistryCommand, property_key, readable};

/// All that a node says in one group without being asked by the group itself: names that its
/// processes hold or stand by for, services, process groups, properties, counters, attributes,
/// load, and the application's own keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Luggage {
    entries: Vec<(Bytes, Entry)>,
    claims: Vec<Registration>,
}

/// What was said of that in another group: taken back there when it is taken back here.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    keys: BTreeSet<Bytes>,
    names: BTreeSet<Bytes>,
}

impl Group {
    /// What all members, this one included, say of the group's size and its changes: who, under
    /// which key, what; by name.
    pub fn regroup_notes(&self, peers: &Peers) -> Vec<(NodeId, Bytes, Bytes)> {
        let prefix = [keys::REGROUP];
        let me = self.id_of_me();
        let own = self.logs.own().into_iter().flat_map(|log| {
            let said = log.range(&prefix);
            said.map(|(key, value)| (me, key.clone(), value.clone()))
        });
        let present = self.view.present();
        let others = present.filter_map(|member| {
            let said = self.logs.peer(member.peer)?.range(&prefix);
            let node = peers.id(member.peer);
            Some(said.map(move |(key, value)| (node, key.clone(), value.clone())))
        });
        let mut notes: Vec<_> = own.chain(others.flatten()).collect();
        notes.sort_unstable();
        notes
    }

    /// An attribute that a member, or this node, gave itself.
    pub fn attribute(&self, of: Option<Peer>, key: &[u8]) -> Option<Value> {
        let key = property_key(key, LocalId::default());
        let value = match of {
            Some(peer) => self.logs.peer(peer)?.get(&key)?,
            None => self.logs.own()?.get(&key)?,
        };
        Value::from_bytes(value).ok()
    }

    /// All that this node says here.
    pub fn luggage(&self) -> Luggage {
        let own = self.logs.own().into_iter();
        let own = own.flat_map(|log| log.range(&[]));
        let read = own.filter_map(|(key, value)| Some((key.clone(), readable(key, value)?)));
        let names = self.names.iter();
        Luggage {
            entries: read.collect(),
            claims: names
                .flat_map(|names| names.claims(&self.logs, self.id_of_me()))
                .map(|(claim, _)| claim)
                .collect(),
        }
    }

    /// Says here what this node says in another group, and takes back what it no longer says
    /// there. Claims are answered under `request`. Whether all of it is known here to all members;
    /// to be called again until it is. A name that another process holds here counts as known.
    pub fn handle_luggage(
        &mut self,
        luggage: &Luggage,
        brought: &mut Brought,
        request: u64,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        if self.phase != Phase::Up {
            return false;
        }
        let are_said = self.say_entries(luggage, brought, cx, out);
        self.claim_names(luggage, brought, request, cx, out);
        let others: Vec<Peer> = self.view.present().map(|member| member.peer).collect();
        let are_known = self.logs.is_confirmed(self.logs.head(), others);
        let has_any = !luggage.entries.is_empty() || !luggage.claims.is_empty();
        are_said && (are_known || !has_any) && self.hold_all(luggage, cx)
    }

    fn say_entries(
        &mut self,
        luggage: &Luggage,
        brought: &mut Brought,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        let mut are_said = true;
        let wanted: BTreeSet<Bytes> = luggage.entries.iter().map(|(key, _)| key.clone()).collect();
        for key in brought
            .keys
            .difference(&wanted)
            .cloned()
            .collect::<Vec<_>>()
        {
            if let Some(gone) = Entry::gone(&key) {
                are_said &= self.say(gone, cx, out);
            }
            brought.keys.remove(&key);
        }
        for (key, entry) in &luggage.entries {
            let own = self.logs.own();
            let said = own.and_then(|log| readable(key, log.get(key)?));
            if said.as_ref() != Some(entry) {
                are_said &= self.say(entry.clone(), cx, out);
            }
            brought.keys.insert(key.clone());
        }
        are_said
    }

    fn say(&mut self, entry: Entry, cx: &mut Context<'_>, out: &mut GroupOutputs) -> bool {
        let command = RegistryCommand::Say(entry);
        self.handle_registry(command, cx, out).is_ok()
    }

    fn claim_names(
        &mut self,
        luggage: &Luggage,
        brought: &mut Brought,
        request: u64,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let wanted: BTreeSet<Bytes> = luggage.claims.iter().map(|it| it.name.clone()).collect();
        for name in brought
            .names
            .difference(&wanted)
            .cloned()
            .collect::<Vec<_>>()
        {
            brought.names.remove(&name);
            self.handle_name(request, NameAct::Unregister { name }, cx, out);
        }
        let here = self.claims(cx);
        for claim in &luggage.claims {
            let is_made = here.iter().any(|(made, _)| made == claim);
            if !is_made && !self.is_held_by_another(&claim.name, cx) {
                brought.names.insert(claim.name.clone());
                self.handle_name(request, NameAct::Register(claim.clone()), cx, out);
            }
        }
    }

    fn hold_all(&self, luggage: &Luggage, cx: &Context<'_>) -> bool {
        let here = self.claims(cx);
        luggage.claims.iter().all(|claim| {
            let mut made = here.iter().filter(|(made, _)| made.name == claim.name);
            made.next().map_or_else(
                || self.is_held_by_another(&claim.name, cx),
                |(made, is_confirmed)| *is_confirmed && made == claim,
            )
        })
    }

    fn is_held_by_another(&self, name: &[u8], cx: &Context<'_>) -> bool {
        let holder = self.whereis(name, cx.peers);
        holder.is_some_and(|holder| holder.pid.node != cx.me)
    }

    fn claims(&self, cx: &Context<'_>) -> Vec<(Registration, bool)> {
        let names = self.names.iter();
        let claims = names.flat_map(|names| names.claims(&self.logs, cx.me));
        claims.collect()
    }
}
