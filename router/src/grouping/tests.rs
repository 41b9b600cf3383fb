use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn labelled(labels: &[&str]) -> Candidate {
    Candidate {
        labels: labels.iter().map(|&it| it.to_owned()).collect(),
    }
}

/// `count` of each of these.
fn crowd(kinds: &[(&[&str], usize)]) -> Vec<Candidate> {
    let kinds = kinds.iter();
    kinds
        .flat_map(|&(labels, count)| std::iter::repeat_n(labelled(labels), count))
        .collect()
}

fn names(groups: &[Grouped]) -> Vec<&str> {
    groups.iter().map(|group| group.name.as_str()).collect()
}

#[test]
fn a_crowd_of_one_group_is_one_group_without_a_tier() {
    let groups = plan(&crowd(&[(&["eu"], 30)]), &Wish::of(20), &Unknown).unwrap();
    assert_eq!(names(&groups), ["eu"]);
    assert_eq!(groups[0].members.len(), 30);
    assert_eq!((groups[0].parent, groups[0].tier), (None, 0));
}

#[test]
fn labels_come_before_anything_else() {
    let candidates = crowd(&[
        (&["eu", "a"], 18),
        (&["eu", "b"], 25),
        (&["us", "a"], 20),
        (&["us", "b"], 20),
    ]);
    let groups = plan(&candidates, &Wish::of(20), &Unknown).unwrap();
    let lowest: Vec<_> = groups.iter().filter(|group| group.tier == 0).collect();
    assert_eq!(
        lowest.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["eu/a", "eu/b", "us/a", "us/b"]
    );
    assert_eq!(lowest[1].members, (18..43).collect::<Vec<_>>());
    assert_eq!(names(&groups)[4..], ["all^1"]);
}

#[test]
fn what_labels_leave_together_is_cut_into_even_parts() {
    let groups = plan(&crowd(&[(&["eu"], 65)]), &Wish::of(20), &Unknown).unwrap();
    let sizes: Vec<_> = groups.iter().map(|group| group.members.len()).collect();
    assert_eq!(sizes, [21, 22, 22, 6]);
    assert_eq!(names(&groups), ["eu#1", "eu#2", "eu#3", "eu^1"]);
}

#[test]
fn small_racks_come_together_whole() {
    let racks: Vec<String> = (0..12).map(|rack| format!("r{rack}")).collect();
    let candidates: Vec<Candidate> = racks
        .iter()
        .flat_map(|rack| std::iter::repeat_n(labelled(&["eu", rack]), 4))
        .collect();
    let groups = plan(&candidates, &Wish::of(12), &Unknown).unwrap();
    for group in groups.iter().filter(|group| group.tier == 0) {
        assert!(Wish::of(12).range().contains(&group.members.len()));
        let racks: BTreeSet<_> = group.members.iter().map(|node| node / 4).collect();
        assert_eq!(
            group.members.len(),
            4 * racks.len(),
            "a rack is torn: {group:?}"
        );
    }
}

#[test]
fn round_trip_times_find_the_sites_that_labels_do_not_tell() {
    // Three sites, nodes dealt in turn; 1 ms inside a site, 50 ms and more between them.
    let site = |node: usize| node % 3;
    let micros =
        |one: usize, other: usize| 1_000 + 50_000 * (site(one).abs_diff(site(other)) as u64);
    let groups = plan(&crowd(&[(&[], 60)]), &Wish::of(20), &micros).unwrap();
    let lowest: Vec<_> = groups.iter().filter(|group| group.tier == 0).collect();
    assert_eq!(lowest.len(), 3);
    for group in lowest {
        let sites: BTreeSet<_> = group.members.iter().map(|&node| site(node)).collect();
        assert_eq!(sites.len(), 1, "{group:?}");
    }
}

#[test]
fn u25_tiers_follow_the_regions_and_reflectors_stand_apart() {
    let regions = ["eu", "us", "ap"];
    let mut kinds = Vec::new();
    for region in &regions {
        for rack in 0..12 {
            kinds.push((vec![(*region).to_owned(), format!("r{rack}")], 10));
        }
    }
    let candidates: Vec<Candidate> = kinds
        .into_iter()
        .flat_map(|(labels, count)| std::iter::repeat_n(Candidate { labels }, count))
        .collect();
    let wish = Wish {
        parent_size: 24,
        ..Wish::of(10)
    };
    let groups = plan(&candidates, &wish, &Unknown).unwrap();
    let parents: Vec<_> = groups.iter().filter(|group| group.tier == 1).collect();
    let names: Vec<_> = parents.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["eu^1", "us^1", "ap^1"]);
    assert!(parents.iter().all(|parent| parent.members.len() == 24));
    let top = groups.last().unwrap();
    assert_eq!((top.tier, top.members.len(), top.parent), (2, 6, None));
    for parent in parents {
        let racks: BTreeSet<_> = parent
            .reflectors
            .iter()
            .map(|&node| &candidates[node].labels[1])
            .collect();
        assert_eq!(
            racks.len(),
            2,
            "both reflectors of {} in one rack",
            parent.name
        );
    }
}

#[test]
fn wishes_out_of_range_are_refused() {
    let of = |size, reflectors, parent_size| Wish {
        span: None,
        size,
        reflectors,
        parent_size,
    };
    let refused = |wish: Wish| plan(&[], &wish, &Unknown).unwrap_err();
    assert_eq!(refused(of(1, 2, 20)), WishError::Size(1));
    assert_eq!(refused(of(20, 9, 20)), WishError::Reflectors(9));
    assert_eq!(refused(of(20, 4, 7)), WishError::ParentSize(7));
    assert_eq!(plan(&[], &Wish::of(20), &Unknown), Ok(Vec::new()));
}

#[test]
fn a_group_that_grew_is_split_and_one_that_shrank_is_merged() {
    let candidates = crowd(&[(&["eu", "a"], 31), (&["eu", "b"], 9), (&["us", "a"], 15)]);
    let groups: Vec<Vec<usize>> = vec![(0..31).collect(), (31..40).collect(), (40..55).collect()];
    let wish = Wish::of(20);
    let changes = Resize::of(&groups, &candidates, &wish, &Unknown).unwrap();
    let [
        Resize::Split { group: 0, leaving },
        Resize::Merge { group: 1, into: 2 },
    ] = &changes[..]
    else {
        panic!("{changes:?}");
    };
    assert_eq!(leaving.len(), 15);
}

#[test]
fn a_group_merges_with_one_of_its_own_region_first() {
    let candidates = crowd(&[(&["us"], 12), (&["eu"], 9), (&["eu"], 20)]);
    let groups: Vec<Vec<usize>> = vec![(0..12).collect(), (12..21).collect(), (21..41).collect()];
    let changes = Resize::of(&groups, &candidates, &Wish::of(20), &Unknown).unwrap();
    assert_eq!(changes, [Resize::Merge { group: 1, into: 2 }]);
}

/// Applies what is said, as members who do as they are told would.
fn apply(groups: &mut Vec<Vec<usize>>, changes: &[Resize]) {
    for change in changes {
        match change {
            Resize::Split { group, leaving } => {
                groups[*group].retain(|node| !leaving.contains(node));
                groups.push(leaving.clone());
            }
            Resize::Merge { group, into } => {
                let moved = std::mem::take(&mut groups[*group]);
                groups[*into].extend(moved);
            }
        }
    }
    groups.retain(|group| !group.is_empty());
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0u8..4, 0u8..3, 0u8..6).prop_map(|(region, zone, rack)| {
        let level = |kind: char, number: u8| format!("{kind}{number}");
        let labels = vec![level('r', region), level('z', zone), level('k', rack)];
        Candidate {
            labels: labels.into_iter().take(usize::from(region)).collect(),
        }
    });
    proptest::collection::vec(one, 0..400)
}

fn wishes() -> impl Strategy<Value = Wish> {
    (2usize..40, 1usize..4, 0usize..40).prop_map(|(size, reflectors, more)| Wish {
        span: None,
        size,
        reflectors,
        parent_size: 2 * reflectors + more,
    })
}

proptest! {
    #[test]
    fn a_plan_holds_what_it_promises(
        candidates in candidates(), wish in wishes(), spread in 1u64..1_000,
    ) {
        let micros = |a: usize, b: usize| (a as u64 * spread % 997).abs_diff(b as u64 * spread % 997);
        let groups = plan(&candidates, &wish, &micros).unwrap();
        prop_assert_eq!(&plan(&candidates, &wish, &micros).unwrap(), &groups);
        let mut placed: Vec<usize> = groups.iter().filter(|it| it.tier == 0)
            .flat_map(|group| group.members.iter().copied()).collect();
        placed.sort_unstable();
        prop_assert_eq!(placed, (0..candidates.len()).collect::<Vec<_>>());
        let names: BTreeSet<_> = groups.iter().map(|group| &group.name).collect();
        prop_assert_eq!(names.len(), groups.len());
        for group in groups.iter().filter(|it| it.tier == 0) {
            prop_assert!((1..=wish.size_max()).contains(&group.members.len()));
        }
        // One top, and every other group leads to it, tier by tier.
        prop_assert_eq!(groups.iter().filter(|it| it.parent.is_none()).count(), groups.len().min(1));
        for (place, group) in groups.iter().enumerate() {
            let Some(parent) = group.parent else { continue };
            prop_assert!(parent > place);
            prop_assert!(groups[parent].tier > group.tier);
            let wanted = wish.reflectors.min(group.members.len());
            prop_assert_eq!(group.reflectors.len(), wanted);
            for reflector in &group.reflectors {
                prop_assert!(group.members.contains(reflector));
                prop_assert!(groups[parent].members.contains(reflector));
            }
        }
    }

    #[test]
    fn resizing_ends_and_leaves_sizes_in_range(
        candidates in candidates(), wish in wishes(), deal in 1usize..30,
    ) {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); deal];
        for node in 0..candidates.len() {
            groups[node * node % deal].push(node);
        }
        groups.retain(|group| !group.is_empty());
        let mut rounds = 0;
        loop {
            let changes = Resize::of(&groups, &candidates, &wish, &Unknown).unwrap();
            if changes.is_empty() {
                break;
            }
            apply(&mut groups, &changes);
            rounds += 1;
            prop_assert!(rounds < 64, "still changing: {:?}", groups);
        }
        let small = groups.iter().filter(|it| it.len() < wish.size_min()).count();
        prop_assert!(small <= 1 || wish.size < 4, "{:?}", groups);
        prop_assert!(groups.iter().all(|it| it.len() <= wish.size_max()));
    }
}

/// Any number of nodes fits into groups of so few to so many.
#[test]
fn groups_are_within_the_sizes_that_are_asked_for() {
    for (min, max) in [(1, 2), (2, 3), (5, 9), (10, 19), (7, 40)] {
        let wish = Wish::within(min, max);
        wish.check().unwrap();
        for count in min..=6 * max {
            let candidates = vec![Candidate::default(); count];
            let groups = plan(&candidates, &wish, &Unknown).unwrap();
            let lowest = groups.iter().filter(|group| group.tier == 0);
            let sizes: Vec<usize> = lowest.map(|group| group.members.len()).collect();
            let are_within = sizes.iter().all(|size| (min..=max).contains(size));
            assert!(are_within, "{min} to {max}: {sizes:?}");
        }
    }
}

#[test]
fn sizes_that_swing_are_refused() {
    for (min, max) in [(10, 18), (0, 5), (20, 10), (600, 1_200)] {
        let error = Wish::within(min, max).check().unwrap_err();
        assert!(matches!(error, WishError::Span { .. }), "{error}");
    }
}
