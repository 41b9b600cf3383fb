//! Look-ups that go on from a group to its heirs: what was not found in the one may be in another
//! that was split off it, or took it in.
//!
//! One trail for each thing that is sought: the groups that are still to be asked, each once and at
//! most [`STEPS_MAX`] in all, so that it ends whatever groups say of each other.
//! Limit: [`TRAILS_MAX`] at once; beyond it a look-up ends where it is. Cost: nothing where nothing
//! was split.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use archipelago_core::{Boot, GroupId, NodeId};
use bytes::Bytes;

/// Look-ups that go on at once.
const TRAILS_MAX: usize = 1_024;
/// Groups that one look-up asks.
const STEPS_MAX: usize = 32;

/// What is sought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// A node, no older than this.
    Node(NodeId, (Boot, u64)),
    /// A name's holder.
    Name(Bytes),
    /// Who offers a service.
    Service(Bytes),
}

/// A look-up that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    pub(crate) sought: Sought,
    rest: VecDeque<GroupId>,
    seen: BTreeSet<GroupId>,
}

/// All of them, by the key that is sought now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trails {
    open: BTreeMap<NodeId, Trail>,
}

impl Trail {
    /// From `group`, which does not have it.
    pub(crate) fn new(sought: Sought, group: GroupId) -> Self {
        Self {
            sought,
            rest: VecDeque::new(),
            seen: BTreeSet::from([group]),
        }
    }

    /// It may be in these, too.
    pub(crate) fn extend(&mut self, heirs: &[GroupId]) {
        for &heir in heirs {
            if self.seen.len() < STEPS_MAX && self.seen.insert(heir) {
                self.rest.push_back(heir);
            }
        }
    }

    /// After those, `group` itself is asked.
    pub(crate) fn return_to(&mut self, group: GroupId) {
        self.seen.insert(group);
        self.rest.push_back(group);
    }

    /// Whom to ask next.
    pub(crate) fn next(&mut self) -> Option<GroupId> {
        self.rest.pop_front()
    }
}

impl Trails {
    /// Notes that `key` is sought along a trail; what another one had left is asked as well.
    pub(crate) fn insert(&mut self, key: NodeId, mut trail: Trail) {
        if let Some(other) = self.open.remove(&key) {
            let rest: Vec<GroupId> = other.rest.into_iter().collect();
            trail.extend(&rest);
        }
        if self.open.len() < TRAILS_MAX {
            self.open.insert(key, trail);
        }
    }

    /// What is sought under `key` was found, or not: its trail, if it has one.
    pub(crate) fn remove(&mut self, key: &NodeId) -> Option<Trail> {
        self.open.remove(key)
    }

    /// Whether nothing is sought.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_asked_once_and_a_trail_ends() {
        let group = |number: usize| GroupId::new("realm", &number.to_string());
        let mut trail = Trail::new(Sought::Name(Bytes::new()), group(0));
        trail.extend(&[group(1), group(0), group(2), group(1)]);
        assert_eq!(trail.next(), Some(group(1)));
        trail.extend(&[group(2), group(0)]);
        assert_eq!((trail.next(), trail.next()), (Some(group(2)), None));
        let many: Vec<GroupId> = (0..100).map(group).collect();
        trail.extend(&many);
        assert_eq!(std::iter::from_fn(|| trail.next()).count(), STEPS_MAX - 3);
    }
}
