//! Reflectors and the groups above: the same grouping once more, with groups as the candidates.

use std::collections::BTreeSet;

use super::{Candidate, Distance, Grouped, Wish, partition::partition};

/// The most tiers above the lowest: with two children to a parent, 2^16 groups.
const TIERS_MAX: u8 = 16;

/// A group that is still without a parent.
struct Crowned {
    place: usize,
    /// The places of the groups below it.
    children: Vec<usize>,
}

impl Crowned {
    const fn leaf(place: usize) -> Self {
        Self {
            place,
            children: Vec::new(),
        }
    }
}

/// Adds parents until one group is above all. Groups learn their reflectors and their parent.
pub(super) fn add(
    groups: &mut Vec<Grouped>,
    candidates: &[Candidate],
    wish: &Wish,
    distance: &dyn Distance,
) {
    let mut row: Vec<Crowned> = (0..groups.len()).map(Crowned::leaf).collect();
    for tier in 1..=TIERS_MAX {
        if row.len() < 2 {
            return;
        }
        for one in &row {
            if groups[one.place].reflectors.is_empty() {
                let chosen = reflectors(groups, one, candidates, wish.reflectors, distance);
                groups[one.place].reflectors = chosen;
            }
        }
        row = next(groups, row, tier, candidates, (wish, distance));
    }
}

/// One more row of parents.
fn next(
    groups: &mut Vec<Grouped>,
    row: Vec<Crowned>,
    tier: u8,
    candidates: &[Candidate],
    (wish, distance): (&Wish, &dyn Distance),
) -> Vec<Crowned> {
    let mut row: Vec<Option<Crowned>> = row.into_iter().map(Some).collect();
    let mut above = Vec::new();
    for part in parts(groups, &row, candidates, (wish, distance)) {
        let mut part: Vec<Crowned> = part.iter().filter_map(|&it| row[it].take()).collect();
        if part.len() < 2 {
            // Alone it would be its own parent's only child: it waits for the next tier.
            above.append(&mut part);
            continue;
        }
        let place = groups.len();
        let mut members = BTreeSet::new();
        let children: Vec<usize> = part.iter().map(|child| child.place).collect();
        for &child in &children {
            groups[child].parent = Some(place);
            members.extend(groups[child].reflectors.iter().copied());
        }
        groups.push(Grouped {
            tier,
            ..Grouped::of(members.into_iter().collect())
        });
        above.push(Crowned { place, children });
    }
    above
}

/// Which of a row are to have the same parent, by their places in the row.
fn parts(
    groups: &[Grouped],
    row: &[Option<Crowned>],
    candidates: &[Candidate],
    (wish, distance): (&Wish, &dyn Distance),
) -> Vec<Vec<usize>> {
    let row: Vec<&Grouped> = row.iter().flatten().map(|it| &groups[it.place]).collect();
    let between = |one: usize, other: usize| {
        let delegate = |at: usize| row[at].reflectors.first().copied().unwrap_or_default();
        distance.micros(delegate(one), delegate(other))
    };
    let labelled: Vec<Candidate> = row
        .iter()
        .map(|group| Candidate {
            labels: shared_labels(candidates, &group.members),
        })
        .collect();
    let wish = wish.of_parents();
    let all = || (0..row.len()).collect();
    let parts = partition(&labelled, all(), &wish, &between);
    if parts.len() < row.len() {
        return parts;
    }
    // Labels keep each apart from all others: round-trip times alone decide.
    let unlabelled = vec![Candidate::default(); row.len()];
    partition(&unlabelled, all(), &wish, &between)
}

/// The labels that all of `members` share, from the widest on.
pub(super) fn shared_labels(candidates: &[Candidate], members: &[usize]) -> Vec<String> {
    let Some((&first, rest)) = members.split_first() else {
        return Vec::new();
    };
    let mut shared = candidates[first].labels.clone();
    for &member in rest {
        let labels = &candidates[member].labels;
        let same = shared.iter().zip(labels).take_while(|(a, b)| a == b);
        let same = same.count();
        shared.truncate(same);
    }
    shared
}

/// Those of a group that lead out of it: near to the others, and of as many different labels (of
/// different children, in a parent) as there are, so that one rack's loss is not the group's.
fn reflectors(
    groups: &[Grouped],
    of: &Crowned,
    candidates: &[Candidate],
    count: usize,
    distance: &dyn Distance,
) -> Vec<usize> {
    let mut ranked = groups[of.place].members.clone();
    ranked.sort_by_cached_key(|&node| {
        let others = groups[of.place].members.iter();
        let sum = others.map(|&other| distance.micros(node, other));
        (sum.fold(0, u64::saturating_add), node)
    });
    let is_of_one_child = |one: usize, other: usize| {
        let mut below = of.children.iter().map(|&child| &groups[child].reflectors);
        below.any(|it| it.contains(&one) && it.contains(&other))
    };
    let likeness = |one: usize, other: usize| {
        let labels = candidates[one].labels.iter().zip(&candidates[other].labels);
        let same = labels.take_while(|(a, b)| a == b).count();
        (is_of_one_child(one, other), same)
    };
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    while chosen.len() < count && !ranked.is_empty() {
        let rank = |&at: &usize| {
            let likest = chosen
                .iter()
                .map(|&other| likeness(ranked[at], other))
                .max();
            (likest, at)
        };
        let Some(best) = (0..ranked.len()).min_by_key(rank) else {
            break;
        };
        chosen.push(ranked.remove(best));
    }
    chosen.sort_unstable();
    chosen
}
