//! Who leaves a group that is too large, and what their group is called.
//!
//! The parts are those of [`grouping`](crate::grouping): by label, then by round-trip time. Of
//! times between others only this node's own to both are known, whose difference is the least that
//! it can be. The part with more of those who lead up stays, and those of the other part stay with it
//! where enough leave without them: so the group is led as well as ever at every moment, and the
//! other one elects its own before it goes.
//! Cost: that of a plan of one group.

use std::sync::Arc;

use archipelago_core::wire::{MOVERS_MAX, Standard};
use archipelago_core::{GroupId, NodeId};

use super::sight::{Seen, Sight};
use crate::grouping::{Candidate, Resize, Wish};

/// Between a name and the digits that tell groups of one origin apart.
const MARK: char = '~';
/// Those digits.
const DIGITS: usize = 8;
/// The longest origin that leaves room for them.
const ORIGIN_BYTES_MAX: usize = 240;

/// What a group of this standard is wished to be.
pub(super) fn wish(standard: &Standard) -> Wish {
    Wish {
        size: standard.size as usize,
        span: standard.span.map(|(min, max)| (min as usize, max as usize)),
        reflectors: standard.reflectors.into(),
        parent_size: standard.parent_size as usize,
    }
}

/// Those who leave, by name; none where the group is not too large, or cannot be parted.
pub(super) fn leaving(sight: &Sight, standard: &Standard) -> Vec<NodeId> {
    let places = leaving_of(&sight.members, &wish(standard));
    let chosen = places
        .into_iter()
        .filter_map(|place| sight.members.get(place));
    chosen.map(|seen| seen.node).take(MOVERS_MAX).collect()
}

/// The places of those who leave; none where they are not too many.
pub(super) fn leaving_of(members: &[Seen], wish: &Wish) -> Vec<usize> {
    let candidates: Vec<Candidate> = members.iter().map(candidate).collect();
    let far = |one: usize, other: usize| {
        let at = |place: usize| members.get(place).map_or(0, |seen| seen.rtt_us);
        at(one).abs_diff(at(other))
    };
    let all: Vec<usize> = (0..members.len()).collect();
    let resizes = Resize::of(&[all], &candidates, wish, &far);
    let part = resizes
        .unwrap_or_default()
        .into_iter()
        .find_map(|resize| match resize {
            Resize::Split { leaving, .. } => Some(leaving),
            Resize::Merge { .. } => None,
        });
    let Some(part) = part else { return Vec::new() };
    let leads = |in_part: bool| {
        let counted = members.iter().enumerate();
        let counted = counted.filter(|(place, seen)| seen.leads && part.contains(place) == in_part);
        counted.count()
    };
    let leaves = leads(true) <= leads(false);
    let chosen = members.iter().enumerate();
    let chosen = chosen.filter(|(place, _)| part.contains(place) == leaves);
    let mut chosen: Vec<(usize, &Seen)> = chosen.collect();
    let leading = chosen.iter().filter(|(_, seen)| seen.leads).count();
    if chosen.len() - leading >= wish.size_min() {
        chosen.retain(|(_, seen)| !seen.leads);
    }
    chosen.into_iter().map(|(place, _)| place).collect()
}

fn candidate(seen: &Seen) -> Candidate {
    Candidate {
        labels: seen.labels.clone(),
    }
}

/// The name of the group that comes of the change `generation` of the group `id`: the same wherever
/// it is asked for, and never longer than a name may be.
pub(super) fn name_of(name: &str, id: GroupId, generation: u64) -> Arc<str> {
    let origin = origin_of(name);
    let drawn = GroupId::new(&format!("{origin}/{generation}"), &hex(&id.0));
    format!("{origin}{MARK}{}", &hex(&drawn.0)[..DIGITS]).into()
}

/// The name of a group above the group `id`.
pub(super) fn name_above(name: &str, id: GroupId) -> Arc<str> {
    let origin = origin_of(name);
    let drawn = GroupId::new(&format!("{origin}/above"), &hex(&id.0));
    format!("{origin}^{MARK}{}", &hex(&drawn.0)[..DIGITS]).into()
}

/// What a name was before it was told apart.
fn origin_of(name: &str) -> &str {
    let origin = name.rsplit_once(MARK).map_or(name, |(origin, digits)| {
        let is_drawn = digits.len() == DIGITS && digits.bytes().all(|it| it.is_ascii_hexdigit());
        if is_drawn { origin } else { name }
    });
    let mut end = origin.len().min(ORIGIN_BYTES_MAX);
    while !origin.is_char_boundary(end) {
        end -= 1;
    }
    &origin[..end]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u8, label: &str, leads: bool) -> Seen {
        Seen {
            node: NodeId([number; 32]),
            rtt_us: u64::from(number),
            labels: vec![label.to_owned()],
            leads,
            stands: Vec::new(),
        }
    }

    fn standard(size: u32) -> Standard {
        Standard {
            size,
            span: None,
            reflectors: 2,
            parent_size: size,
            ..Standard::default()
        }
    }

    #[test]
    fn labels_part_a_group_and_who_leads_up_stays() {
        let label = |number: u8| ["even", "odd"][usize::from(number % 2)];
        for leader in [2, 3] {
            let members = (0..16).map(|it| seen(it, label(it), it == leader || it == leader + 2));
            let sight = Sight {
                members: members.collect(),
                ..Sight::default()
            };
            let leaving = leaving(&sight, &standard(10));
            let stays = leader % 2;
            assert_eq!(leaving.len(), 8);
            assert!(
                leaving.iter().all(|node| node.0[0] % 2 != stays),
                "{leaving:?}"
            );
        }
    }

    #[test]
    fn a_group_within_the_range_is_left_alone() {
        let sight = Sight {
            members: (0..15).map(|it| seen(it, "", false)).collect(),
            ..Sight::default()
        };
        assert_eq!(leaving(&sight, &standard(10)), []);
    }

    #[test]
    fn names_of_later_groups_do_not_grow_and_differ() {
        let id = |name: &str| GroupId::new("realm", name);
        let first = name_of("north", id("north"), 1);
        let second = name_of(&first, id(&first), 1);
        assert_eq!((first.len(), second.len()), (14, 14));
        assert!(first.starts_with("north~"));
        let again = name_of("north", id("north"), 2);
        let names = [&first, &second, &again, &name_above("north", id("north"))];
        assert!(
            names
                .iter()
                .enumerate()
                .all(|(at, one)| !names[..at].contains(one))
        );
        assert_eq!(name_of("north", id("north"), 1), first);
        let long = "ü".repeat(127);
        assert!(name_of(&long, id("x"), 1).len() <= 255);
    }
}
