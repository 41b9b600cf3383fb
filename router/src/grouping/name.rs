//! Names for the groups of a plan.

use std::collections::BTreeMap;

use super::{Candidate, Grouped, tier::shared_labels};

/// The most bytes of the labels in a name; what is longer is cut at a letter.
const LABELS_BYTES_MAX: usize = 120;

/// Names each group after the labels that its members share, `all` where they share none, with its
/// tier above the lowest and a number where several would have the same name.
pub(super) fn give(groups: &mut [Grouped], candidates: &[Candidate]) {
    let stems: Vec<String> = groups.iter().map(|it| stem(it, candidates)).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stem in &stems {
        *counts.entry(stem).or_default() += 1;
    }
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    for (group, stem) in groups.iter_mut().zip(&stems) {
        let number = given.entry(stem).or_default();
        *number += 1;
        group.name = if counts.get(stem.as_str()) == Some(&1) {
            stem.clone()
        } else {
            format!("{stem}#{number}")
        };
    }
}

fn stem(group: &Grouped, candidates: &[Candidate]) -> String {
    let labels = shared_labels(candidates, &group.members);
    let labels: Vec<&str> = labels
        .iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    let mut stem = labels.join("/");
    let end = (0..=LABELS_BYTES_MAX.min(stem.len())).rev();
    let end = end.into_iter().find(|&at| stem.is_char_boundary(at));
    stem.truncate(end.unwrap_or_default());
    if stem.is_empty() {
        "all".clone_into(&mut stem);
    }
    if group.tier > 0 {
        stem.push_str(&format!("^{}", group.tier));
    }
    stem
}
