//! Joins parents that this node is elected for, and leaves those that it is no longer: only after
//! who came instead is in.

use std::collections::BTreeSet;
use std::sync::Arc;

use archipelago_core::{Context, GroupId, NodeId, Time};
use archipelago_sgroup::charter_of;

use super::election::{candidates, elect};
use super::level::Level;
use super::{Up, UpOutput, UpOutputs};

impl Up {
    pub(super) fn join_and_leave(&mut self, cx: &Context<'_>, out: &mut UpOutputs) {
        let groups: Vec<GroupId> = self.levels.keys().copied().collect();
        let mut wanted = BTreeSet::new();
        for group in groups {
            for parent in self.hold_election(group, cx) {
                wanted.insert(parent);
                self.join(group, parent, cx, out);
            }
            self.meet(group, out);
        }
        self.leave_idle(&wanted, cx, out);
    }

    /// The parents that this node is in as others of `group` say to be.
    fn meet(&self, group: GroupId, out: &mut UpOutputs) {
        let Some(level) = self.levels.get(&group) else {
            return;
        };
        for &parent in level.charter.parents.iter() {
            let is_in = self.levels.get(&parent).is_some_and(|above| above.is_up);
            let others: Vec<NodeId> = level.joined(parent).filter(|_| is_in).collect();
            if !others.is_empty() {
                out.push(UpOutput::Meet(parent, others));
            }
        }
    }

    /// The parents of `group` that this node is elected for.
    fn hold_election(&mut self, group: GroupId, cx: &Context<'_>) -> Vec<GroupId> {
        let own = self.uplink(group, cx.me);
        let Some(level) = self.levels.get_mut(&group).filter(|level| level.is_up) else {
            return Vec::new();
        };
        let parents = level.charter.parents.to_vec();
        let is_elected = |parent: &GroupId| {
            let elected = elect(group, *parent, level, (cx.me, &own));
            elected.contains(&cx.me)
        };
        let elected: Vec<GroupId> = parents.into_iter().filter(is_elected).collect();
        level.elected.retain(|parent, _| elected.contains(parent));
        for &parent in &elected {
            level.elected.entry(parent).or_insert(cx.now);
        }
        elected
    }

    /// Joins a parent once this node has been elected for long enough.
    fn join(&mut self, group: GroupId, parent: GroupId, cx: &Context<'_>, out: &mut UpOutputs) {
        if self.levels.contains_key(&parent) {
            return;
        }
        let own = self.uplink(group, cx.me);
        let Some(level) = self.levels.get(&group) else {
            return;
        };
        let Some(config) = level.parent_config(parent).cloned() else {
            return;
        };
        let since = level.elected.get(&parent).copied().unwrap_or(cx.now);
        let ready_at = since.after(self.config.settle);
        if ready_at > cx.now {
            return self.wake(ready_at);
        }
        let mut helpers: Vec<NodeId> = level.joined(parent).collect();
        if helpers.is_empty() {
            helpers = elect(group, parent, level, (cx.me, &own));
            helpers.retain(|&elected| elected != cx.me);
        }
        // The charter follows when the caller enters the group.
        let charter = charter_of(&config);
        let mut above = Level::new(config.clone(), Arc::new(charter));
        above.is_elected = true;
        self.levels.insert(parent, Box::new(above));
        self.counters.joined += 1;
        out.push(UpOutput::Join { config, helpers });
    }

    fn leave_idle(&mut self, wanted: &BTreeSet<GroupId>, cx: &Context<'_>, out: &mut UpOutputs) {
        let joined: Vec<GroupId> = self.levels.keys().copied().collect();
        for parent in joined {
            let Some(level) = self.levels.get_mut(&parent).filter(|l| l.is_elected) else {
                continue;
            };
            if wanted.contains(&parent) {
                level.idle_since = None;
                continue;
            }
            let since = *level.idle_since.get_or_insert(cx.now);
            match self.may_leave_at(parent, since, cx) {
                Some(at) if at <= cx.now => self.leave(parent, cx, out),
                Some(at) => self.wake(at),
                None => self.wake(since.after(self.config.linger_max)),
            }
        }
    }

    /// The groups below hear first that this node leads there no longer.
    fn leave(&mut self, parent: GroupId, cx: &Context<'_>, out: &mut UpOutputs) {
        self.counters.left += 1;
        self.levels.remove(&parent);
        let groups: Vec<GroupId> = self.levels.keys().copied().collect();
        for group in groups {
            self.state(group, cx, out);
        }
        out.push(UpOutput::Leave(parent));
    }

    /// When this node may leave a parent that nothing wants it in: at once where it stands for no
    /// group there, else when others do; `None` while they do not.
    fn may_leave_at(&self, parent: GroupId, since: Time, cx: &Context<'_>) -> Option<Time> {
        let mut children = self
            .levels
            .values()
            .filter(|level| level.is_up && leads_to(level, parent))
            .filter(|level| !level.cut.contains_key(&parent))
            .peekable();
        if children.peek().is_none() {
            return Some(cx.now);
        }
        let are_replaced = children.all(|level| is_replaced(level, parent, cx.me));
        let linger = if are_replaced {
            self.config.linger
        } else {
            self.config.linger_max
        };
        let at = since.after(linger);
        (are_replaced || at <= cx.now).then_some(at)
    }
}

/// Whether this node says in the group's log that it is up in `parent`.
fn leads_to(level: &Level, parent: GroupId) -> bool {
    let mut said = level.said.0.parents.iter();
    said.any(|said| said.group == parent && !said.ancestors.is_empty())
}

/// Whether others lead the group up as well as this node did: to `parent`, or to each of its new
/// ones.
fn is_replaced(level: &Level, parent: GroupId, me: NodeId) -> bool {
    if level.charter.parents.contains(&parent) {
        let others = candidates(parent, level, (me, &level.said.0)).filter(|(id, ..)| *id != me);
        let places = usize::from(level.charter.reflectors).min(others.count());
        return level.joined(parent).count() >= places;
    }
    let mut parents = level.charter.parents.iter();
    parents.all(|&new| level.joined(new).next().is_some() || leads_to(level, new))
}
