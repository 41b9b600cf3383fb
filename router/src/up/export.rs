//! What this node tells above: a record of each of its groups that it leads up, and of all groups
//! below them. Nothing from above, nothing that the `full` export knows.
//!
//! Of a group's reflectors in a parent the two with the highest rendezvous hash tell; when one of
//! them is lost the next one takes over. Withdrawals leave at once, changes are damped.

use std::collections::BTreeMap;
use std::sync::Arc;

use archipelago_core::wire::{GroupRecord, List, SignedGroupRecord};
use archipelago_core::{Context, GroupId, NodeId};
use archipelago_sgroup::log::keys;

use super::election::weight;
use super::level::Level;
use super::{Up, UpOutput, UpOutputs};
use crate::Routes;

type Records = BTreeMap<GroupId, Arc<SignedGroupRecord>>;

impl Up {
    /// Brings what this node tells in the log of `parent` up to date.
    pub(super) fn tell_above(
        &mut self,
        parent: GroupId,
        routes: &dyn Routes,
        cx: &Context<'_>,
        out: &mut UpOutputs,
    ) {
        let Some(above) = self.levels.get(&parent).filter(|level| level.is_up) else {
            return;
        };
        if above.tier() == 0 {
            return;
        }
        let desired = self.desired(parent, routes, cx);
        let has_any = !desired.is_empty();
        self.withdraw(parent, &desired, out);
        for (group, record) in desired {
            self.tell(parent, group, record, cx, out);
        }
        if has_any {
            self.wake(cx.now.after(self.config.refresh));
        }
    }

    /// All records that this node should tell in the log of `parent`.
    fn desired(&mut self, parent: GroupId, routes: &dyn Routes, cx: &Context<'_>) -> Records {
        let mut desired = Records::new();
        let Some(tier) = self.levels.get(&parent).map(|level| level.tier()) else {
            return desired;
        };
        let children: Vec<GroupId> = self
            .levels
            .iter()
            .filter(|&(&group, level)| self.is_teller(group, level, parent, cx.me))
            .map(|(&group, _)| group)
            .collect();
        for &group in &children {
            let own = self.own_record((group, group), parent, routes, cx);
            let Some(level) = self.levels.get(&group) else {
                continue;
            };
            let all = level.groups_below().into_iter();
            let below = all.filter_map(|id| level.best(id));
            let below = below.filter(|signed| signed.record.tier < tier);
            for signed in own.iter().chain(below) {
                let id = signed.record.group;
                if id != parent {
                    desired.entry(id).or_insert_with(|| Arc::clone(signed));
                }
            }
        }
        for group in children {
            let taken = self.levels.get(&group).map(|level| level.taken.clone());
            for id in taken.unwrap_or_default() {
                if id != parent && !desired.contains_key(&id) {
                    let record = self.own_record((group, id), parent, routes, cx);
                    desired.extend(record.map(|record| (id, record)));
                }
            }
        }
        desired
    }

    /// Whether this node is one of those that tell of `group` in `parent`.
    fn is_teller(&self, group: GroupId, level: &Level, parent: GroupId, me: NodeId) -> bool {
        let mut said = level.said.0.parents.iter();
        let leads = said.any(|said| said.group == parent && !said.ancestors.is_empty());
        if !leads || !level.is_up {
            return false;
        }
        let own = weight(group, me);
        let better = level.joined(parent).filter(|&id| weight(group, id) > own);
        better.count() < self.config.exporters
    }

    /// The record of `group` for `parent`: the one that is told already while it is good enough. Under
    /// the id of a group that it took in, without members.
    fn own_record(
        &mut self,
        (group, id): (GroupId, GroupId),
        parent: GroupId,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> Option<Arc<SignedGroupRecord>> {
        let level = self.levels.get(&group)?;
        let joined = level.joined(parent);
        let size = u32::try_from(routes.members(group).len() + 1).unwrap_or(u32::MAX);
        let record = GroupRecord {
            group: id,
            epoch: level.charter.epoch,
            tier: level.tier(),
            reflector: cx.me,
            boot: self.record.record.boot,
            seq: self.seq.saturating_add(1),
            reflectors: List::truncated([cx.me].into_iter().chain(joined)),
            size: if id == group { size } else { 0 },
            closed: routes.standing(group).is_some_and(|s| s.is_closed),
        };
        let told = self.levels.get(&parent)?.told.get(&id);
        if let Some((told, _)) = told
            && is_good_enough(&told.record, &record)
        {
            return Some(Arc::clone(told));
        }
        self.seq = record.seq;
        Some(Arc::new(SignedGroupRecord::new(record, cx.crypto)))
    }

    fn withdraw(&mut self, parent: GroupId, desired: &Records, out: &mut UpOutputs) {
        let Some(above) = self.levels.get_mut(&parent) else {
            return;
        };
        let told = above.told.keys();
        let gone = told.filter(|group| !desired.contains_key(group)).copied();
        for group in gone.collect::<Vec<_>>() {
            above.told.remove(&group);
            self.counters.withdrawn += 1;
            out.push(UpOutput::Write {
                group: parent,
                key: keys::below(&group),
                value: None,
            });
        }
    }

    fn tell(
        &mut self,
        parent: GroupId,
        group: GroupId,
        record: Arc<SignedGroupRecord>,
        cx: &Context<'_>,
        out: &mut UpOutputs,
    ) {
        let Some(above) = self.levels.get_mut(&parent) else {
            return;
        };
        if let Some((told, told_at)) = above.told.get(&group) {
            if *told == record {
                return;
            }
            let ready_at = told_at.after(self.config.damping);
            if ready_at > cx.now && !is_withdrawal(&told.record, &record.record) {
                return self.wake(ready_at);
            }
        }
        let value = Some(record.to_bytes().into());
        above.told.insert(group, (record, cx.now));
        self.counters.exported += 1;
        out.push(UpOutput::Write {
            group: parent,
            key: keys::below(&group),
            value,
        });
    }
}

/// Whether what was told needs no other record: a size alone is told when it is an eighth off.
fn is_good_enough(told: &GroupRecord, now: &GroupRecord) -> bool {
    told.reflector == now.reflector
        && told.epoch == now.epoch
        && told.tier == now.tier
        && told.boot == now.boot
        && told.closed == now.closed
        && told.reflectors == now.reflectors
        && told.size.abs_diff(now.size) <= told.size / 8
}

/// Whether others would go on to use what is no longer so.
fn is_withdrawal(told: &GroupRecord, now: &GroupRecord) -> bool {
    (now.closed && !told.closed) || told.reflectors.iter().any(|r| !now.reflectors.contains(r))
}
