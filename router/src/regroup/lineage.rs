//! What is known of a group's past, put together from what all members say: nothing of it is ever
//! taken back, so that members agree in the end whoever said what first.

use archipelago_core::GroupId;
use archipelago_core::wire::{GROUP_HEIRS_MAX, Lineage, List};

/// Takes in what another member says.
pub(super) fn merge(own: &mut Lineage, said: &Lineage) {
    let is_later = said.generation > own.generation;
    own.standard = own.standard.clone().max(said.standard.clone());
    own.heirs = union(&own.heirs, &said.heirs, is_later);
    own.taken = union(&own.taken, &said.taken, is_later);
    own.generation = own.generation.max(said.generation);
    own.above = own.above.take().max(said.above.clone());
}

/// One more group at the front of a list.
pub(super) fn add(list: &mut List<GroupId, GROUP_HEIRS_MAX>, group: GroupId) {
    *list = List::truncated([group].into_iter().chain(without(list, group)));
}

fn without(
    list: &List<GroupId, GROUP_HEIRS_MAX>,
    group: GroupId,
) -> impl Iterator<Item = GroupId> + '_ {
    list.iter().copied().filter(move |&it| it != group)
}

fn union(
    own: &List<GroupId, GROUP_HEIRS_MAX>,
    said: &List<GroupId, GROUP_HEIRS_MAX>,
    is_later: bool,
) -> List<GroupId, GROUP_HEIRS_MAX> {
    let (first, second) = if is_later { (said, own) } else { (own, said) };
    let new = second.iter().filter(|group| !first.contains(group));
    List::truncated(first.iter().chain(new).copied())
}

/// Whether `said` knows all that `own` does.
pub(super) fn covers(said: &Lineage, own: &Lineage) -> bool {
    let has = |list: &List<GroupId, GROUP_HEIRS_MAX>, other: &List<GroupId, GROUP_HEIRS_MAX>| {
        list.len() >= GROUP_HEIRS_MAX || other.iter().all(|group| list.contains(group))
    };
    said.generation >= own.generation
        && said.standard >= own.standard
        && said.above >= own.above
        && has(&said.heirs, &own.heirs)
        && has(&said.taken, &own.taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(generation: u64, heirs: &[&str]) -> Lineage {
        let heirs = heirs.iter().map(|name| GroupId::new("realm", name));
        Lineage {
            generation,
            heirs: List::truncated(heirs),
            ..Lineage::default()
        }
    }

    #[test]
    fn what_two_members_know_is_put_together_in_either_order() {
        let (one, other) = (lineage(2, &["b", "a"]), lineage(1, &["a", "c"]));
        let (mut left, mut right) = (one.clone(), other.clone());
        merge(&mut left, &other);
        merge(&mut right, &one);
        assert_eq!(left, right);
        assert_eq!(left, lineage(2, &["b", "a", "c"]));
        assert!(covers(&left, &one) && covers(&left, &other) && !covers(&one, &left));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut heirs = List::new();
        for number in 0..=GROUP_HEIRS_MAX {
            add(&mut heirs, GroupId::new("realm", &number.to_string()));
        }
        assert_eq!(heirs.len(), GROUP_HEIRS_MAX);
        assert_eq!(heirs[0], GroupId::new("realm", "16"));
        assert!(!heirs.contains(&GroupId::new("realm", "0")));
    }
}
