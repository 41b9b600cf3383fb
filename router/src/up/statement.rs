//! What this node says in its groups' logs: which parents it can join, and what it leads to.
//!
//! Withdrawals are said at once, anything else at most once in the damping time. An edge to a
//! parent that is no higher than the group, or has the group among its own ancestors, is cut.

use std::time::Duration;

use archipelago_core::wire::{Ancestor, List, Uplink, UplinkParent};
use archipelago_core::{Address, Context, GroupId, NodeId};
use archipelago_sgroup::log::keys;
use archipelago_sgroup::{GroupConfig, Seed};

use super::level::Level;
use super::{Up, UpOutput, UpOutputs};

impl Up {
    /// Says what is to be said of the parents of `group`, if it is anything new.
    pub(super) fn state(&mut self, group: GroupId, cx: &Context<'_>, out: &mut UpOutputs) {
        self.cut_miswired(group, cx);
        let desired = self.uplink(group, cx.me);
        let damping = self.config.damping;
        let Some(level) = self.levels.get_mut(&group) else {
            return;
        };
        let (said, said_at) = &level.said;
        if *said == desired || !level.is_up {
            return;
        }
        let ready_at = said_at.after(damping);
        let is_first = said.parents.is_empty();
        if !is_first && ready_at > cx.now && !is_withdrawal(said, &desired) {
            return self.wake(ready_at);
        }
        let value = (!desired.parents.is_empty()).then(|| desired.to_bytes().into());
        level.said = (desired, cx.now);
        out.push(UpOutput::Write {
            group,
            key: keys::key(keys::UPLINK, &[]),
            value,
        });
    }

    /// What this node can say of the parents of `group` now.
    pub(super) fn uplink(&self, group: GroupId, me: NodeId) -> Uplink {
        let Some(level) = self.levels.get(&group).filter(|_| self.is_capable()) else {
            return Uplink::default();
        };
        let mut parents: Vec<GroupId> = level.charter.parents.to_vec();
        // Who is still in a former parent leads there until it leaves.
        let said = level.said.0.parents.iter();
        let joined = said.filter(|said| !said.ancestors.is_empty());
        let joined = joined.map(|said| said.group);
        parents.extend(joined.filter(|parent| self.levels.contains_key(parent)));
        parents.sort_unstable();
        parents.dedup();
        let addresses = &self.record.record.addresses;
        let said = parents.into_iter().filter_map(|parent| {
            let config = level.parent_config(parent);
            let above = self.levels.get(&parent);
            if level.cut.contains_key(&parent) || (config.is_none() && above.is_none()) {
                return None;
            }
            Some(UplinkParent {
                group: parent,
                is_seed: config.is_some_and(|config| is_seed(config, me, addresses)),
                ancestors: above.map_or_else(List::new, |above| ancestors(parent, above)),
            })
        });
        Uplink {
            parents: List::truncated(said),
        }
    }

    /// Cuts the edges to parents that cannot be parents, and tries those again that were cut long
    /// enough ago.
    fn cut_miswired(&mut self, group: GroupId, cx: &Context<'_>) {
        let Some(level) = self.levels.get(&group) else {
            return;
        };
        let configured = level.config.place.parents.iter();
        let configured = configured.map(|config| (config.id(), config.place.tier));
        let joined = level.charter.parents.iter();
        let joined = joined.filter_map(|&parent| Some((parent, self.levels.get(&parent)?.tier())));
        let is_miswired = |&(parent, tier): &(GroupId, u8)| {
            let above = self.levels.get(&parent);
            parent == group
                || tier <= level.tier()
                || above.is_some_and(|above| above.lead().iter().any(|a| a.group == group))
        };
        let all = configured.chain(joined);
        let miswired: Vec<GroupId> = all.filter(is_miswired).map(|(id, _)| id).collect();
        self.cut(group, &miswired, self.config.cut, cx);
    }

    fn cut(&mut self, group: GroupId, parents: &[GroupId], time: Duration, cx: &Context<'_>) {
        let Some(level) = self.levels.get_mut(&group) else {
            return;
        };
        level.cut.retain(|_, until| *until > cx.now);
        for &parent in parents {
            if level.cut.insert(parent, cx.now.after(time)).is_none() {
                self.counters.cut += 1;
            }
            level.elected.remove(&parent);
        }
        if let Some(&until) = level.cut.values().min() {
            self.wake(until);
        }
    }
}

/// Whether others look for the group at the node `me` with these addresses.
pub(super) fn is_seed(config: &GroupConfig, me: NodeId, addresses: &[Address]) -> bool {
    let is_own = |seed: &Seed| seed.node == Some(me) || addresses.contains(&seed.address);
    config.seeds.is_empty() || config.seeds.iter().any(is_own)
}

/// A parent that this node is up in, with all that lies above it.
fn ancestors(parent: GroupId, above: &Level) -> List<Ancestor, 16> {
    if above.is_up {
        route((parent, above.tier()), above.lead())
    } else {
        List::new()
    }
}

/// A parent and what its members lead to.
pub(super) fn route((group, tier): (GroupId, u8), lead: Vec<Ancestor>) -> List<Ancestor, 16> {
    List::truncated([Ancestor { group, tier }].into_iter().chain(lead))
}

/// Whether something that was said is no longer so.
fn is_withdrawal(said: &Uplink, desired: &Uplink) -> bool {
    said.parents.iter().any(|old| {
        let mut parents = desired.parents.iter();
        let new = parents.find(|new| new.group == old.group);
        new.is_none_or(|new| old.ancestors.iter().any(|a| !new.ancestors.contains(a)))
    })
}
