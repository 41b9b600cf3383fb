//! Look-ups that go on to the heirs of a group.

use archipelago_core::wire::{Name, name_key, service_key};
use archipelago_core::{Boot, GroupId, NodeId, Time};
use bytes::Bytes;

use super::{Node, Outputs};
use crate::regroup::trail::{Sought, Trail};

impl Node {
    /// The heirs of one of this node's groups; of another group, the one of this node's that took
    /// it in, unless that was a while ago and it is known to live: cuts may let two groups take in a
    /// part of each other.
    pub(super) fn heirs(&self, group: GroupId) -> Vec<GroupId> {
        let Some(regroup) = &self.regroup else {
            return Vec::new();
        };
        if self.groups.contains_key(&group) {
            return regroup.heirs(group);
        }
        let taker = regroup.taker(group).filter(|(taker, is_fresh)| {
            self.groups.contains_key(taker) && (*is_fresh || !self.up.is_alive(group))
        });
        taker.into_iter().map(|(taker, _)| taker).collect()
    }

    /// What is sought from `group` on, which may be in its `heirs`.
    pub(super) fn trail(&self, sought: Sought, group: GroupId, heirs: &[GroupId]) -> Trail {
        let mut trail = Trail::new(sought, group);
        trail.extend(heirs);
        if !self.groups.contains_key(&group) {
            // Who took it in may not have all of it.
            trail.return_to(group);
        }
        trail
    }

    /// The group in which this node says now what it said in `group` before it was split off it, or
    /// taken in: `group` itself where it still is in that.
    pub(super) fn present_group(&self, group: GroupId) -> GroupId {
        let Some(regroup) = &self.regroup else {
            return group;
        };
        let mut found = group;
        for _ in 0..8 {
            if self.groups.contains_key(&found) {
                return found;
            }
            match regroup.successor(found) {
                Some(next) => found = next,
                None => break,
            }
        }
        group
    }

    /// A group does not have what is sought, and names those that may.
    pub(super) fn on_moved_on(
        &mut self,
        (target, group): (NodeId, GroupId),
        (name, version_min): (Option<Bytes>, (Boot, u64)),
        heirs: &[GroupId],
        now: Time,
        out: &mut Outputs,
    ) {
        let open = self
            .trails
            .as_mut()
            .and_then(|trails| trails.remove(&target));
        let mut trail = open.unwrap_or_else(|| {
            let sought = match name {
                None => Sought::Node(target, version_min),
                Some(name) if name_key(&group, &name) == target => Sought::Name(name),
                Some(name) => Sought::Service(name),
            };
            Trail::new(sought, group)
        });
        trail.extend(heirs);
        self.follow(target, trail, now, out);
    }

    /// What is sought was not found; whether it is sought on elsewhere.
    pub(super) fn goes_on(&mut self, target: &NodeId, now: Time, out: &mut Outputs) -> bool {
        let Some(trail) = self
            .trails
            .as_mut()
            .and_then(|trails| trails.remove(target))
        else {
            return false;
        };
        self.follow_if_any(*target, trail, now, out)
    }

    /// What is sought was found.
    pub(super) fn end_trail(&mut self, target: &NodeId) {
        if let Some(trails) = &mut self.trails {
            trails.remove(target);
            if trails.is_empty() {
                self.trails = None;
            }
        }
    }

    /// Seeks on, or says that it is nowhere.
    pub(super) fn follow(&mut self, key: NodeId, trail: Trail, now: Time, out: &mut Outputs) {
        if !self.follow_if_any(key, trail, now, out) {
            self.on_sought_nowhere(key, crate::lookup::LookupError::NotFound, out, now);
        }
    }

    fn follow_if_any(
        &mut self,
        key: NodeId,
        mut trail: Trail,
        now: Time,
        out: &mut Outputs,
    ) -> bool {
        while let Some(next) = trail.next() {
            if !self.groups.contains_key(&next) {
                self.seek_in(key, next, trail, now);
                return true;
            }
            if self.find_here(key, next, &trail.sought, out) {
                return true;
            }
            let heirs = self.heirs(next);
            trail.extend(&heirs);
        }
        false
    }

    /// Asks the reflectors of another group; whoever waits for the one key waits for the other.
    fn seek_in(&mut self, key: NodeId, group: GroupId, trail: Trail, now: Time) {
        let sought = trail.sought.clone();
        let (name, next) = match &sought {
            Sought::Node(target, _) => (None, *target),
            Sought::Name(name) => (Some(name.clone()), name_key(&group, name)),
            Sought::Service(name) => (Some(name.clone()), service_key(&group, name)),
        };
        if let Some(waiting) = self.finding.remove(&key) {
            self.finding.entry(next).or_default().extend(waiting);
        }
        if let Some(waiting) = self.seeking.remove(&key) {
            self.seeking.entry(next).or_default().extend(waiting);
        }
        self.trails.get_or_insert_default().insert(next, trail);
        if name.is_none() {
            // What the last group said of the node holds for that group only.
            self.purge(&next);
        }
        self.with_lookups(now, |lookups, routes, cx, said| match (sought, name) {
            (Sought::Node(target, version_min), _) => {
                lookups.handle_locate(target, group, version_min, routes, cx, said);
            }
            (_, Some(name)) => lookups.handle_find(Name(name), next, group, routes, cx, said),
            _ => {}
        });
    }

    /// Looks in one of this node's own groups.
    fn find_here(
        &mut self,
        key: NodeId,
        group: GroupId,
        sought: &Sought,
        out: &mut Outputs,
    ) -> bool {
        match sought {
            // Its session, or the detour to it, is the group's.
            Sought::Node(..) => false,
            Sought::Name(name) => {
                let holder = self.whereis(group, name);
                holder.is_some() && self.answer_finders(&key, &Ok(holder), out)
            }
            Sought::Service(name) => {
                let found = self.exported_providers(group, name, self.base.me);
                !found.is_empty() && self.answer_seekers(&key, &Ok(found), out)
            }
        }
    }
}
