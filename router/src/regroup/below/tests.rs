//! A parent, seen by one of its members: which groups leave it, and what they are given at each stage.

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::wire::{Intent, Movers, RegroupKind};

use super::super::sight::{intent_key, movers_key};
use super::*;

const REALM: &str = "realm";

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

fn below(number: u8) -> GroupId {
    id(&format!("below {number}"))
}

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

/// A parent of groups that are to be 4, so that 6 may be, each with one member here.
fn sight(count: u8, is_free: bool) -> Sight {
    let seen = |number| Seen {
        node: node(number),
        rtt_us: u64::from(number),
        labels: Vec::new(),
        leads: false,
        stands: vec![Stand {
            group: below(number),
            is_free,
        }],
    };
    Sight {
        name: "top".into(),
        tier: 1,
        is_up: true,
        standard: Some(Arc::new(Standard {
            size: 4,
            span: None,
            reflectors: 1,
            parent_size: 4,
            by: List::new(),
        })),
        members: (1..=count).map(seen).collect(),
        ..Sight::default()
    }
}

fn look(course: &mut Course, sight: &Sight, me: NodeId, seconds: u64) -> Vec<RegroupOutput> {
    let lent = Lent {
        now: Time::START.after(Duration::from_secs(seconds)),
        me,
        realm: REALM,
    };
    let mut out = Vec::new();
    course.settle(sight, &RegroupConfig::default(), lent, &mut out);
    out
}

/// All members' courses after the keeper had time to begin, and what they asked for.
fn settled(sight: &mut Sight) -> (Vec<Course>, Vec<RegroupOutput>) {
    let members: Vec<NodeId> = sight.members.iter().map(|seen| seen.node).collect();
    let course = |_| Course::new(id("top"), Time::START);
    let mut courses: Vec<Course> = members.iter().map(course).collect();
    let mut all = Vec::new();
    for seconds in [0, 6, 6, 6] {
        for (course, &me) in courses.iter_mut().zip(&members) {
            let out = look(course, sight, me, seconds);
            for output in &out {
                if let RegroupOutput::Write { key, value, .. } = output {
                    sight.notes.retain(|(by, said, _)| *by != me || said != key);
                    let written = value.iter().map(|value| (me, key.clone(), value.clone()));
                    sight.notes.extend(written);
                }
            }
            all.extend(out);
        }
    }
    (courses, all)
}

type Lifted = (GroupId, u64, Vec<String>);

fn lifted(out: &[RegroupOutput]) -> Vec<Lifted> {
    let lifts = out.iter().filter_map(|it| match it {
        RegroupOutput::Lift {
            group,
            epoch,
            parents,
        } => {
            let names = parents.iter().map(|(name, _)| name.to_string()).collect();
            Some((*group, *epoch, names))
        }
        _ => None,
    });
    lifts.collect()
}

#[test]
fn a_parent_of_too_many_groups_is_given_a_parent_before_it_parts_them() {
    let (courses, out) = settled(&mut sight(7, true));
    assert!(courses.iter().all(|course| course.change.is_none()));
    let above = super::super::split::name_above("top", id("top"));
    let raised = (id("top"), 1, vec![above.to_string()]);
    let all = lifted(&out);
    assert!(
        !all.is_empty() && all.iter().all(|lift| *lift == raised),
        "{all:?}"
    );
    let mut below_another = sight(7, true);
    below_another.parents = vec![id(&above)];
    let (courses, out) = settled(&mut below_another);
    assert_eq!(lifted(&out), []);
    for course in &courses {
        let change = course.change.as_ref().unwrap();
        let moving = (1..=7).filter(|&number| change.moves_group(&below(number)));
        assert!((2..=4).contains(&moving.count()));
    }
}

#[test]
fn a_parent_in_size_or_whose_groups_are_bound_is_left_alone() {
    for (count, is_free) in [(6, true), (7, false)] {
        let (courses, out) = settled(&mut sight(count, is_free));
        let is_still = |course: &Course| course.change.is_none();
        assert!(courses.iter().all(is_still), "{count} {is_free}");
        assert_eq!(lifted(&out), []);
    }
}

/// A member of a parent whose split is at a stage, for a group that moves and has these parents.
fn at_stage(stage: RegroupStage, parents: &[&str], is_led: bool) -> (Sight, NodeId) {
    let mut sight = sight(7, true);
    sight.parents = vec![id("above")];
    sight.joinable = sight.parents.clone();
    let intent = Intent {
        generation: 1,
        kind: RegroupKind::Split,
        stage,
        other: "other".into(),
    };
    let moving = (5..=7).map(|number| Movers::short_of(&below(number)));
    let movers = Movers {
        generation: 1,
        nodes: List::truncated(moving),
    };
    sight.notes = vec![
        (node(1), intent_key(), intent.to_bytes().into()),
        (node(1), movers_key(), movers.to_bytes().into()),
    ];
    sight.wards = vec![Ward {
        group: below(5),
        parents: parents.iter().map(|name| id(name)).collect(),
        epoch: 3,
        names: parents.iter().map(|&name| name.into()).collect(),
        given: 3,
        is_kept: true,
        is_led,
    }];
    (sight, node(5))
}

#[test]
fn a_group_that_moves_has_both_parents_before_it_has_the_new_one_only() {
    use RegroupStage::{Break, Make, Undo};
    let cases: [(_, &[&str], &[Lifted]); 7] = [
        (
            Make,
            &["top"],
            &[(below(5), 4, vec!["top".into(), "other".into()])],
        ),
        (Make, &["top", "other"], &[]),
        (
            Break,
            &["top", "other"],
            &[(below(5), 5, vec!["other".into()])],
        ),
        (Break, &["other"], &[]),
        (
            Undo,
            &["top", "other"],
            &[(below(5), 4, vec!["top".into()])],
        ),
        (Undo, &["top"], &[]),
        // The word to leave came after the one to stay: it counts for more.
        (Break, &["top"], &[(below(5), 4, vec!["other".into()])]),
    ];
    for (stage, parents, expected) in cases {
        let (sight, me) = at_stage(stage, parents, false);
        let mut course = Course::new(id("top"), Time::START);
        let out = look(&mut course, &sight, me, 0);
        assert_eq!(lifted(&out), expected, "{stage:?} {parents:?}");
    }
}

#[test]
fn a_member_is_ready_once_its_group_is_led_by_the_new_parent() {
    for (parents, is_led, is_ready) in [
        (&["top", "other"][..], false, false),
        (&["top", "other"], true, true),
        (&["top"], true, false),
    ] {
        let (sight, me) = at_stage(RegroupStage::Make, parents, is_led);
        let mut course = Course::new(id("top"), Time::START);
        let out = look(&mut course, &sight, me, 0);
        let says = out.iter().any(|it| {
            let RegroupOutput::Write { key, value, .. } = it else {
                return false;
            };
            *key == ready_key() && value.is_some()
        });
        assert_eq!(says, is_ready, "{parents:?} {is_led}");
    }
}

/// Who was elected when all was over finds a group with two parents: it goes where the change ended.
#[test]
fn a_group_left_between_two_parents_goes_where_the_change_ended() {
    for (is_made, expected) in [(true, (5, "other")), (false, (4, "top"))] {
        let (mut sight, me) = at_stage(RegroupStage::Make, &["top", "other"], true);
        sight.notes.clear();
        let mut course = Course::new(id("top"), Time::START);
        course.lineage.generation = 1;
        if is_made {
            course.lineage.heirs = List::truncated([id("other")]);
        }
        assert_eq!(lifted(&look(&mut course, &sight, me, 0)), [], "it waits");
        let out = look(&mut course, &sight, me, 6);
        let (epoch, name) = expected;
        assert_eq!(lifted(&out), [(below(5), epoch, vec![name.to_owned()])]);
    }
}
