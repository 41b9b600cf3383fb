//! What a cluster that runs is to change: groups that grew too large are split, those that became
//! too small are merged.

use super::{Candidate, Distance, Wish, WishError, cut, partition, tier};

/// One change to the groups that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resize {
    /// The group at this place is too large: `leaving` form a group of their own, the others stay.
    Split {
        /// The place of the group.
        group: usize,
        /// Places of the candidates that leave it, rising; at most half of its members.
        leaving: Vec<usize>,
    },
    /// The group at this place is too small: its members join another, and it ends.
    Merge {
        /// The place of the group that ends.
        group: usize,
        /// The place of the group that takes its members.
        into: usize,
    },
}

impl Resize {
    /// What is to be changed at `groups`, each given by the places of its members. No group is in
    /// two changes; nothing is said of groups within [`Wish::range`], so that applying what is said
    /// and asking again ends.
    ///
    /// # Errors
    /// [`WishError`] where the wish is out of its range.
    pub fn of(
        groups: &[Vec<usize>],
        candidates: &[Candidate],
        wish: &Wish,
        distance: &dyn Distance,
    ) -> Result<Vec<Self>, WishError> {
        wish.check()?;
        let mut changes = Vec::new();
        let mut free: Vec<Vec<usize>> = groups.to_vec();
        for (group, members) in groups.iter().enumerate() {
            if members.len() > wish.size_max() {
                let leaving = leaving(members, candidates, wish, distance);
                changes.push(Self::Split { group, leaving });
                free[group].clear();
            }
        }
        let mut small: Vec<usize> = (0..groups.len())
            .filter(|&group| (1..wish.size_min()).contains(&groups[group].len()))
            .collect();
        small.sort_by_key(|&group| (groups[group].len(), group));
        for group in small {
            if free[group].is_empty() {
                continue;
            }
            let size_max = wish.size_max();
            if let Some(into) = alike(&free, group, size_max, candidates, distance) {
                changes.push(Self::Merge { group, into });
                free[group].clear();
                free[into].clear();
            }
        }
        Ok(changes)
    }
}

/// Those that leave a group that is too large: about half of it, and what labels keep together
/// leaves or stays together where that gives a half large enough.
fn leaving(
    members: &[usize],
    candidates: &[Candidate],
    wish: &Wish,
    distance: &dyn Distance,
) -> Vec<usize> {
    let half = members.len() / 2;
    let mut leaving = Vec::with_capacity(half);
    for part in partition::partition(candidates, members.to_vec(), wish, distance) {
        if leaving.len() + part.len() <= half {
            leaving.extend(part);
        }
    }
    if leaving.len() < wish.size_min() {
        leaving = cut::bisect(members.to_vec(), half, distance).0;
    }
    leaving.sort_unstable();
    leaving
}

/// The group to merge with: of those that share the most labels the nearest.
fn alike(
    groups: &[Vec<usize>],
    group: usize,
    size_max: usize,
    candidates: &[Candidate],
    distance: &dyn Distance,
) -> Option<usize> {
    let shared = |other: usize| {
        let both = [groups[group].as_slice(), groups[other].as_slice()].concat();
        tier::shared_labels(candidates, &both).len()
    };
    let fitting = |&other: &usize| {
        let len = groups[other].len();
        other != group && len > 0 && len + groups[group].len() <= size_max
    };
    let most = (0..groups.len()).filter(fitting).map(shared).max()?;
    // Those that are not to be chosen are shown empty.
    let kept: Vec<Vec<usize>> = (0..groups.len())
        .map(|other| {
            let is_kept = other == group || (fitting(&other) && shared(other) == most);
            if is_kept {
                groups[other].clone()
            } else {
                Vec::new()
            }
        })
        .collect();
    partition::nearest(&kept, group, size_max, distance)
}
