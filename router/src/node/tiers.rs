//! The hierarchy: what groups say that it should know, and what it asks for, done.

use std::sync::Arc;

use archipelago_core::wire::Charter;
use archipelago_core::{GroupId, NodeId, Time};
use archipelago_sgroup::log::keys;
use archipelago_sgroup::{Group, GroupConfig, Seed};
use bytes::Bytes;

use super::{Event, Node, Outputs, Refused};
use crate::reflect::Place;
use crate::up::UpOutput;

impl Node {
    /// A group was entered or has another charter: whether it stands above or below others.
    pub(super) fn place_group(&mut self, id: GroupId, now: Time) {
        let mut configs = self.config.groups.iter();
        let config = configs.find(|config| config.id() == id).cloned();
        let charter = self
            .groups
            .get(&id)
            .map(|group| Arc::clone(group.charter()));
        let (Some(config), Some(charter)) = (config, charter) else {
            return;
        };
        let is_new = self.up.handle_group(id, &config, &charter, now);
        let place = place_of(&charter);
        if is_new {
            self.catch_up_with_place(id, now);
        }
        if let Some(regroup) = &mut self.regroup {
            regroup.handle_below(now);
        }
        if place != Place::Flat {
            self.with_reflect(now, |reflect, cx, said| {
                reflect.handle_place(id, place, cx, said);
            });
        }
    }

    /// A group that runs got parents, or children: what members said of them before counts.
    fn catch_up_with_place(&mut self, id: GroupId, now: Time) {
        let Some(group) = self.groups.get(&id).filter(|group| group.is_up()) else {
            return;
        };
        let told = group.others().filter_map(|(peer, _)| {
            let log = group.logs().peer(peer)?;
            let said = log.range(&[keys::UPLINK]).chain(log.range(&[keys::BELOW]));
            let said = said.map(|(key, value)| (key.clone(), value.clone()));
            Some((self.base.peers.id(peer), said.collect::<Vec<_>>()))
        });
        let told: Vec<(NodeId, Vec<(Bytes, Bytes)>)> = told.collect();
        self.up.handle_joined(id, now);
        let mut cx = self.base.context(now);
        for (owner, said) in told {
            for (key, value) in said {
                self.up.handle_told(id, owner, &key, Some(&value), &mut cx);
            }
        }
    }

    pub(super) fn on_up_output(&mut self, output: UpOutput, now: Time, out: &mut Outputs) {
        match output {
            UpOutput::Join { config, helpers } => self.join_parent(config, &helpers, now),
            UpOutput::Leave(group) => self.leave_parent(group, now, out),
            UpOutput::Meet(parent, nodes) => self.meet(parent, &nodes, now),
            UpOutput::Write { group, key, value } => {
                self.with_group(group, now, |group, cx, said| {
                    // A log at its limit keeps what it has; the next change tries again.
                    let _ = group.handle_write(key, value, cx, said);
                })
            }
        }
    }

    /// The parent's members that share a group with us serve as further seeds. Should all seeds be
    /// lost at once, those elected are the parent's new beginning.
    fn join_parent(&mut self, config: Arc<GroupConfig>, helpers: &[NodeId], now: Time) {
        let mut config = Arc::unwrap_or_clone(config);
        let seeds = helpers.iter().filter_map(|helper| self.seed_of(helper));
        config.seeds.extend(seeds);
        config.seeds.truncate(SEEDS_MAX);
        let id = config.id();
        if self.join(Arc::new(config), now).is_err() {
            self.up.handle_left(id, now);
        }
        if let Some(group) = self.groups.get_mut(&id) {
            group.handle_elected();
        }
    }

    fn meet(&mut self, parent: GroupId, nodes: &[NodeId], now: Time) {
        let found = |node: &NodeId| self.base.peers.find(node);
        let met: Vec<_> = nodes.iter().filter_map(found).collect();
        let is_whole = |group: &Group| met.iter().all(|&peer| group.holds(peer));
        if self
            .groups
            .get(&parent)
            .is_some_and(|group| !is_whole(group))
        {
            self.with_group(parent, now, |group, cx, said| {
                group.handle_met(&met, cx, said);
            });
        }
    }

    pub(super) fn seed_of(&self, node: &NodeId) -> Option<Seed> {
        let peer = self.base.peers.find(node)?;
        let record = self.base.peers.get(peer)?.record()?;
        Some(Seed {
            address: record.record.addresses.first()?.clone(),
            node: Some(*node),
        })
    }

    fn leave_parent(&mut self, id: GroupId, now: Time, out: &mut Outputs) {
        Arc::make_mut(&mut self.config)
            .groups
            .retain(|config| config.id() != id);
        self.leave_group(id, now, out);
        self.tell(Event::ParentLeft { group: id }, out);
        self.renew_record(now);
    }

    /// A group's place changes at run time: its charter of a later epoch is told to all members.
    pub(super) fn recharter(&mut self, config: &GroupConfig, now: Time) -> Result<(), Refused> {
        config.check().map_err(|_| Refused::InvalidGroup)?;
        let id = config.id();
        let mut configured = Arc::make_mut(&mut self.config).groups.iter_mut();
        let Some(own) = configured.find(|own| own.id() == id) else {
            return Err(Refused::UnknownGroup);
        };
        let own = Arc::make_mut(own);
        own.place = config.place.clone();
        (own.size, own.members_max) = (config.size, config.members_max);
        self.with_group(id, now, |group, cx, said| {
            group.handle_config(config, cx, said);
        });
        self.place_group(id, now);
        Ok(())
    }
}

/// Most seeds of a group, as its configuration allows.
const SEEDS_MAX: usize = 256;

fn place_of(charter: &Charter) -> Place {
    if charter.tier > 0 {
        Place::Parent
    } else if charter.parents.is_empty() {
        Place::Flat
    } else {
        Place::Child
    }
}
