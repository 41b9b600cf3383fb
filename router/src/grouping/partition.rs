//! Groups by label, and by round-trip time where labels leave too many together.

use std::collections::BTreeMap;

use super::cut::{bisect, cut};
use super::{Candidate, Distance, Wish};

/// How many of a crowd stand for it where two crowds are compared.
const SAMPLE: usize = 4;

/// The groups of `nodes`: each within the wished range if labels leave so many together.
pub(super) fn partition(
    candidates: &[Candidate],
    nodes: Vec<usize>,
    wish: &Wish,
    distance: &dyn Distance,
) -> Vec<Vec<usize>> {
    let mut done = Vec::new();
    let mut open = vec![(nodes, 0)];
    while let Some((nodes, level)) = open.pop() {
        if nodes.is_empty() {
            continue;
        }
        if nodes.len() <= wish.size_max() {
            done.push(nodes);
        } else if nodes.iter().all(|&it| candidates[it].labels.len() <= level) {
            done.extend(even(nodes, wish, distance));
        } else {
            let crowds = by_label(candidates, nodes, level);
            let crowds = bring_together(crowds, wish, distance);
            open.extend(crowds.into_iter().rev().map(|crowd| (crowd, level + 1)));
        }
    }
    done
}

/// Parts of about the wished size.
fn even(nodes: Vec<usize>, wish: &Wish, distance: &dyn Distance) -> Vec<Vec<usize>> {
    let count = nodes.len();
    let parts = (count + wish.size / 2) / wish.size;
    let (fewest, most) = (count.div_ceil(wish.size_max()), count / wish.size_min());
    cut(
        nodes,
        parts.clamp(fewest, most.max(fewest)).max(1),
        distance,
    )
}

/// Those that say the same, in the order of what they say.
fn by_label(candidates: &[Candidate], nodes: Vec<usize>, level: usize) -> Vec<Vec<usize>> {
    let mut crowds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for node in nodes {
        let label = candidates[node].labels.get(level);
        let label = label.map_or("", String::as_str);
        crowds.entry(label).or_default().push(node);
    }
    crowds.into_values().collect()
}

/// Crowds too small for a group are brought together with others as small, near ones first; what
/// is too small even then joins the nearest crowd that stays within the largest size, or stays.
fn bring_together(
    crowds: Vec<Vec<usize>>,
    wish: &Wish,
    distance: &dyn Distance,
) -> Vec<Vec<usize>> {
    let (small, mut crowds): (Vec<_>, Vec<_>) = crowds
        .into_iter()
        .partition(|crowd| crowd.len() < wish.size_min());
    for crowd in gather(small, wish, distance) {
        crowds.push(crowd);
        let last = crowds.len() - 1;
        if crowds[last].len() < wish.size_min()
            && let Some(other) = nearest(&crowds, last, wish.size_max(), distance)
        {
            let joining = crowds.swap_remove(last);
            crowds[other].extend(joining);
        }
    }
    crowds.sort_by_key(|crowd| crowd.iter().copied().min());
    crowds
}

/// Small crowds in as few crowds of at most the largest size as halving them makes; none is torn.
fn gather(small: Vec<Vec<usize>>, wish: &Wish, distance: &dyn Distance) -> Vec<Vec<usize>> {
    let mut done = Vec::new();
    let mut open = vec![small];
    while let Some(mut part) = open.pop() {
        let total: usize = part.iter().map(Vec::len).sum();
        if total <= wish.size_max() || part.len() < 2 {
            done.push(part.concat());
            continue;
        }
        let between = |one: usize, other: usize| match (part[one].first(), part[other].first()) {
            (Some(&one), Some(&other)) => distance.micros(one, other),
            _ => 0,
        };
        let all = (0..part.len()).collect();
        let (order, _) = bisect(all, part.len(), &between);
        let mut before = 0;
        let is_near = |&&place: &&usize| {
            let is_near = before < total / 2;
            before += part[place].len();
            is_near
        };
        let near = order.iter().take_while(is_near).count();
        let (near, far) = order.split_at(near.clamp(1, order.len() - 1));
        let mut taken = |places: &[usize]| -> Vec<Vec<usize>> {
            let places = places.iter();
            places
                .map(|&place| std::mem::take(&mut part[place]))
                .collect()
        };
        let (near, far) = (taken(near), taken(far));
        open.extend([far, near]);
    }
    done.retain(|crowd| !crowd.is_empty());
    done
}

/// The crowd nearest to one of those with which it has at most `size_max`; of equally near ones the
/// smallest.
pub(super) fn nearest(
    crowds: &[Vec<usize>],
    place: usize,
    size_max: usize,
    distance: &dyn Distance,
) -> Option<usize> {
    let mine = &crowds[place];
    let others = crowds.iter().enumerate().filter(|&(other, crowd)| {
        other != place && !crowd.is_empty() && crowd.len() + mine.len() <= size_max
    });
    others
        .min_by_key(|&(other, crowd)| (apart(mine, crowd, distance), crowd.len(), other))
        .map(|(other, _)| other)
}

/// How far two crowds are from each other, by a few of each: a sum that is compared only.
fn apart(one: &[usize], other: &[usize], distance: &dyn Distance) -> u64 {
    let some = |crowd: &[usize]| -> Vec<usize> {
        let stride = crowd.len().div_ceil(SAMPLE).max(1);
        crowd.iter().step_by(stride).copied().collect()
    };
    let (one, other) = (some(one), some(other));
    let pairs = (one.len() * other.len()).max(1) as u64;
    let sum: u64 = one
        .iter()
        .flat_map(|&from| other.iter().map(move |&to| distance.micros(from, to)))
        .fold(0, u64::saturating_add);
    sum / pairs
}
