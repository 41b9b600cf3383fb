//! What of groups that keep themselves in size outlives the end of all their members: where this
//! node moved to, and what came of the groups that it is in. Logs end with their owners.

use std::sync::Arc;

use archipelago_core::wire::Lineage;
use archipelago_core::{GroupId, Time};
use archipelago_sgroup::GroupConfig;

use super::course::Course;
use super::{Regroup, lineage};

/// What a driver keeps of groups in size over a restart ([`Node::descent`](crate::Node::descent)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descent {
    /// Groups that this node left for another, and which; the latest last, 64 at most.
    pub moved: Vec<(GroupId, GroupId)>,
    /// What came of the groups that it is in.
    pub lineages: Vec<(GroupId, Lineage)>,
}

impl Descent {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty() && self.lineages.is_empty()
    }

    /// The group that this node is in instead of `group`, as far as it moved; `group` itself where
    /// it did not.
    pub fn present(&self, group: GroupId) -> GroupId {
        let next = |from: GroupId| self.moved.iter().rev().find(|(left, _)| *left == from);
        let mut found = group;
        // It may have come back to where it was: the list is no longer than its longest way.
        for _ in 0..self.moved.len() {
            match next(found) {
                Some((_, to)) => found = *to,
                None => break,
            }
        }
        found
    }

    /// The groups to join at a start: those `configured`, each that this node moved out of replaced by
    /// the one it moved to, and after them the others that were `kept`. A configured group counts for
    /// more than what was kept of it, whose members are further seeds: those that it is configured with
    /// may have moved.
    pub fn resume(
        &self,
        configured: &[Arc<GroupConfig>],
        kept: &[GroupConfig],
    ) -> Vec<Arc<GroupConfig>> {
        let find = |id: GroupId| kept.iter().find(|group| group.id() == id);
        let seeded: Vec<Arc<GroupConfig>> = configured
            .iter()
            .map(|group| with_seeds(group, find(group.id())))
            .collect();
        let kept: Vec<Arc<GroupConfig>> = kept.iter().cloned().map(Arc::new).collect();
        let mut groups: Vec<Arc<GroupConfig>> = Vec::new();
        for group in &seeded {
            let id = self.present(group.id());
            let mut all = seeded.iter().chain(&kept);
            match all.find(|it| it.id() == id && id != group.id()) {
                // Two that were one group's are one again.
                Some(_) if groups.iter().any(|known| known.id() == id) => {}
                Some(present) => groups.push(Arc::clone(present)),
                None => groups.push(Arc::clone(group)),
            }
        }
        let is_new = |group: &&Arc<GroupConfig>| !groups.iter().any(|it| it.id() == group.id());
        let new: Vec<Arc<GroupConfig>> = kept.iter().filter(is_new).cloned().collect();
        groups.extend(new);
        groups
    }
}

/// A configured group, asked for by those as well that were there last.
fn with_seeds(group: &Arc<GroupConfig>, kept: Option<&GroupConfig>) -> Arc<GroupConfig> {
    let Some(kept) = kept.filter(|_| group.place.standard.is_some()) else {
        return Arc::clone(group);
    };
    let mut config = GroupConfig::clone(group);
    let new = kept
        .seeds
        .iter()
        .filter(|seed| !group.seeds.iter().any(|it| it.address == seed.address));
    config.seeds.extend(new.cloned());
    Arc::new(config)
}

impl Regroup {
    /// As it was when `descent` was kept.
    pub(crate) fn resumed(descent: &Descent) -> Self {
        let mut regroup = Self::default();
        regroup.moved.extend(descent.moved.iter().copied());
        for (group, said) in &descent.lineages {
            let mut course = Course::new(*group, Time::START);
            lineage::merge(&mut course.lineage, said);
            regroup.courses.insert(*group, course);
        }
        regroup
    }

    /// What is to be kept; groups of which nothing is known but what they are to be are left out.
    pub(crate) fn descent(&self) -> Descent {
        let courses = self.courses.iter();
        let known = courses.filter(|(_, course)| {
            let lineage = &course.lineage;
            let standard = lineage.standard.clone();
            *lineage
                != Lineage {
                    standard,
                    ..Lineage::default()
                }
        });
        Descent {
            moved: self.moved.iter().copied().collect(),
            lineages: known
                .map(|(&group, course)| (group, course.lineage.clone()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use archipelago_core::wire::List;
    use archipelago_sgroup::{Place, Seed};

    use super::*;

    fn group(name: &str) -> GroupId {
        GroupId::new("realm", name)
    }

    #[test]
    fn what_was_kept_is_known_again() {
        let heirs = List::truncated([group("north~1")]);
        let lineage = Lineage {
            generation: 3,
            heirs,
            ..Lineage::default()
        };
        let kept = Descent {
            moved: vec![(group("old"), group("north"))],
            lineages: vec![(group("north"), lineage)],
        };
        let regroup = Regroup::resumed(&kept);
        assert_eq!(regroup.descent(), kept);
        assert_eq!(regroup.heirs(group("north")), [group("north~1")]);
        assert_eq!(regroup.successor(group("old")), Some(group("north")));
        assert!(Regroup::resumed(&Descent::default()).descent().is_empty());
    }

    fn config(name: &str, seeds: &[&str]) -> GroupConfig {
        let seed = |address: &&str| Seed {
            address: (*address).into(),
            node: None,
        };
        let seeds = seeds.iter().map(seed).collect();
        GroupConfig {
            name: name.into(),
            place: Place {
                standard: Some(Arc::default()),
                ..Place::default()
            },
            ..GroupConfig::commons("realm".into(), seeds, Arc::default())
        }
    }

    #[test]
    fn who_moved_starts_where_it_was_and_who_stayed_asks_those_who_did() {
        let configured = [config("north", &["a"]), config("south", &["b"])].map(Arc::new);
        let kept = [
            config("north~1", &["c"]),
            config("south", &["b", "d"]),
            config("made", &[]),
        ];
        let descent = Descent {
            moved: vec![(group("north"), group("north~1"))],
            lineages: Vec::new(),
        };
        let all = descent.resume(&configured, &kept);
        let said = |group: &Arc<GroupConfig>| (group.name.to_string(), group.seeds.len());
        let said: Vec<(String, usize)> = all.iter().map(said).collect();
        let expected = [("north~1", 1), ("south", 2), ("made", 0)];
        assert_eq!(said, expected.map(|(name, seeds)| (name.to_owned(), seeds)));
    }

    #[test]
    fn the_present_group_is_found_over_several_moves_and_no_circle_holds() {
        let way = |moved: &[(&str, &str)]| Descent {
            moved: moved.iter().map(|(a, b)| (group(a), group(b))).collect(),
            lineages: Vec::new(),
        };
        let on = way(&[("a", "b"), ("b", "c")]);
        assert_eq!(on.present(group("a")), group("c"));
        assert_eq!(on.present(group("x")), group("x"));
        let circle = way(&[("a", "b"), ("b", "a")]);
        assert!([group("a"), group("b")].contains(&circle.present(group("a"))));
    }
}
