//! One group, seen by one of its members: what it is told, and the whole list of what it asks for.

use std::time::Duration;

use archipelago_core::wire::{Intent, Lineage, List, Movers, RegroupKind, RegroupStage, Standard};
use archipelago_core::{GroupId, NodeId, Time};

use super::change::Change;
use super::course::Course;
use super::sight::{Lent, Other, Seen, Sight, intent_key, lineage_key, movers_key, ready_key};
use super::{RegroupConfig, RegroupOutput, Regrouped};

const REALM: &str = "realm";

fn id() -> GroupId {
    GroupId::new(REALM, "north")
}

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

/// A group of `count` that is to have 4, below a parent that all can join.
fn sight(count: u8) -> Sight {
    let parent = GroupId::new(REALM, "top");
    let standard = Standard {
        size: 4,
        span: None,
        reflectors: 1,
        parent_size: 4,
        by: List::new(),
    };
    let seen = |number| Seen {
        node: node(number),
        rtt_us: u64::from(number),
        labels: Vec::new(),
        leads: number == 1,
        stands: Vec::new(),
    };
    Sight {
        name: "north".into(),
        parents: vec![parent],
        joinable: vec![parent],
        is_up: true,
        standard: Some(std::sync::Arc::new(standard)),
        members: (1..=count).map(seen).collect(),
        ..Sight::default()
    }
}

fn at(seconds: u64) -> Time {
    Time::START.after(Duration::from_secs(seconds))
}

/// One look of `me`; what it writes is in its log from then on.
fn look(course: &mut Course, sight: &mut Sight, me: NodeId, now: Time) -> Vec<RegroupOutput> {
    let lent = Lent {
        now,
        me,
        realm: REALM,
    };
    let mut out = Vec::new();
    course.settle(sight, &RegroupConfig::default(), lent, &mut out);
    for output in &out {
        if let RegroupOutput::Write { key, value, .. } = output {
            sight.notes.retain(|(by, said, _)| *by != me || said != key);
            let written = value.iter().map(|value| (me, key.clone(), value.clone()));
            sight.notes.extend(written);
        }
    }
    out
}

fn keeper(sight: &Sight) -> NodeId {
    Course::new(id(), at(0)).ranked(sight)[0]
}

fn said<T>(
    sight: &Sight,
    key: &bytes::Bytes,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Vec<(NodeId, T)> {
    let notes = sight.notes.iter().filter(|(_, said, _)| said == key);
    notes
        .filter_map(|(by, _, value)| Some((*by, read(value)?)))
        .collect()
}

fn intents(sight: &Sight) -> Vec<(NodeId, Intent)> {
    said(sight, &intent_key(), |bytes| Intent::from_bytes(bytes).ok())
}

/// A group of 8 whose keeper, who leads it up, has just begun a split, with its course.
fn begun() -> (Course, Sight, NodeId) {
    let mut sight = sight(8);
    let me = keeper(&sight);
    for seen in &mut sight.members {
        seen.leads = seen.node == me;
    }
    let mut course = Course::new(id(), at(0));
    look(&mut course, &mut sight, me, at(0));
    look(&mut course, &mut sight, me, at(6));
    look(&mut course, &mut sight, me, at(6));
    (course, sight, me)
}

fn movers(sight: &Sight) -> Vec<NodeId> {
    let said = said(sight, &movers_key(), |bytes| Movers::from_bytes(bytes).ok());
    let short = &said[0].1.nodes;
    let members = sight.members.iter().map(|seen| seen.node);
    members
        .filter(|node| short.contains(&Movers::short(node)))
        .collect()
}

#[test]
fn only_the_keeper_of_a_group_that_is_settled_begins() {
    for (me, seconds, is_begun) in [(true, 4, false), (true, 6, true), (false, 6, false)] {
        let mut sight = sight(8);
        let keeper = keeper(&sight);
        let other = if keeper == node(1) { node(2) } else { node(1) };
        let me = if me { keeper } else { other };
        let mut course = Course::new(id(), at(0));
        look(&mut course, &mut sight, me, at(0));
        look(&mut course, &mut sight, me, at(seconds));
        assert_eq!(course.change.is_some(), is_begun);
    }
}

#[test]
fn a_split_is_said_with_who_moves_and_the_heir_is_named_at_once() {
    let (course, sight, me) = begun();
    let said = intents(&sight);
    assert_eq!(said.len(), 1);
    let (by, intent) = &said[0];
    assert_eq!((*by, intent.generation), (me, 1));
    assert_eq!(
        (intent.kind, intent.stage),
        (RegroupKind::Split, RegroupStage::Make)
    );
    let moving = movers(&sight);
    assert_eq!(moving.len(), 4);
    assert!(!moving.contains(&me), "who leads up stays");
    assert_eq!(course.heirs(), [GroupId::new(REALM, &intent.other)]);
}

#[test]
fn who_moves_enters_is_ready_with_all_others_and_leaves_only_then() {
    let (_, mut sight, _) = begun();
    let moving = movers(&sight);
    let me = moving[0];
    let mut course = Course::new(id(), at(6));
    let out = look(&mut course, &mut sight, me, at(7));
    assert!(
        out.iter()
            .any(|it| matches!(it, RegroupOutput::Enter { is_new: true, .. }))
    );
    let mut other = Other {
        is_up: true,
        members: moving[..3].iter().copied().collect(),
        is_led: true,
        is_carried: true,
        ..Other::default()
    };
    sight.other = Some(other.clone());
    look(&mut course, &mut sight, me, at(8));
    let ready = |sight: &Sight| said(sight, &ready_key(), |_| Some(())).len();
    assert_eq!(ready(&sight), 0, "one of them is not there yet");
    other.members.insert(moving[3]);
    sight.other = Some(other.clone());
    let out = look(&mut course, &mut sight, me, at(9));
    assert_eq!(ready(&sight), 1);
    let leaves = |out: &[RegroupOutput]| {
        let mut all = out.iter();
        all.any(|it| matches!(it, RegroupOutput::Leave { .. }))
    };
    assert!(!leaves(&out), "it was not told to");
    let (by, mut intent) = intents(&sight).remove(0);
    intent.stage = RegroupStage::Break;
    sight.notes.retain(|(_, key, _)| *key != intent_key());
    sight
        .notes
        .push((by, intent_key(), intent.to_bytes().into()));
    other.is_carried = false;
    sight.other = Some(other.clone());
    assert!(
        !leaves(&look(&mut course, &mut sight, me, at(10))),
        "a name is not there yet"
    );
    other.is_carried = true;
    sight.other = Some(other);
    assert!(leaves(&look(&mut course, &mut sight, me, at(11))));
}

#[test]
fn what_is_not_made_in_time_is_undone_and_the_next_try_is_another_group() {
    let (mut course, mut sight, me) = begun();
    let first = intents(&sight).remove(0).1;
    look(&mut course, &mut sight, me, at(52));
    assert_eq!(intents(&sight)[0].1.stage, RegroupStage::Undo);
    assert_eq!(course.heirs(), []);
    let out = look(&mut course, &mut sight, me, at(56));
    let is_undone = |it: &RegroupOutput| {
        let RegroupOutput::Event { change, .. } = it else {
            return false;
        };
        matches!(change, Regrouped::Undone { .. })
    };
    assert!(out.iter().any(is_undone));
    look(&mut course, &mut sight, me, at(77));
    look(&mut course, &mut sight, me, at(77));
    let second = intents(&sight).remove(0).1;
    assert_eq!(second.generation, 2);
    assert_ne!(second.other, first.other);
}

#[test]
fn where_members_went_is_remembered_though_others_called_the_change_off() {
    let (mut course, mut sight, me) = begun();
    let (by, mut intent) = intents(&sight).remove(0);
    intent.stage = RegroupStage::Break;
    sight.notes.retain(|(_, key, _)| *key != intent_key());
    let value = intent.to_bytes().into();
    sight.notes.push((by, intent_key(), value));
    look(&mut course, &mut sight, me, at(7));
    // Those whom a cut kept from hearing the word ended the change without an heir.
    let undone = Lineage {
        generation: intent.generation,
        ..Lineage::default()
    };
    let others = sight.members.iter().map(|seen| seen.node);
    let other = others.rev().find(|node| *node != me).unwrap();
    let value = undone.to_bytes().into();
    sight.notes.push((other, lineage_key(), value));
    look(&mut course, &mut sight, me, at(8));
    assert!(course.change.is_none());
    let heir = GroupId::new(REALM, &intent.other);
    assert_eq!(course.heirs(), [heir]);
    let said = said_lineages(&sight);
    assert!(said.iter().any(|lineage| lineage.heirs.contains(&heir)));
}

#[test]
fn a_merger_that_would_make_too_large_a_group_is_undone() {
    for (count, stage) in [(2, RegroupStage::Make), (4, RegroupStage::Undo)] {
        let mut sight = sight(3);
        let me = keeper(&sight);
        let intent = Intent {
            generation: 1,
            kind: RegroupKind::Merge,
            stage: RegroupStage::Make,
            other: "south".into(),
        };
        let other = GroupId::new(REALM, &intent.other);
        let mut course = Course::new(id(), at(0));
        course.change = Some(Change::new(intent, other, me, at(0)));
        sight.other = Some(Other {
            is_up: true,
            members: (10..10 + count).map(node).collect(),
            ..Other::default()
        });
        look(&mut course, &mut sight, me, at(1));
        let change = course.change.as_ref().unwrap();
        assert_eq!(change.intent.stage, stage, "3 and {count}");
    }
}

#[test]
fn the_next_keeper_goes_on_when_the_first_is_lost() {
    let (_, mut sight, first) = begun();
    let moving = movers(&sight);
    let staying = sight.members.iter().map(|seen| seen.node);
    let staying: Vec<NodeId> = staying
        .filter(|it| !moving.contains(it) && *it != first)
        .collect();
    let mut courses: Vec<Course> = staying.iter().map(|_| Course::new(id(), at(6))).collect();
    for (course, &me) in courses.iter_mut().zip(&staying) {
        look(course, &mut sight, me, at(7));
    }
    sight.members.retain(|seen| seen.node != first);
    sight.notes.retain(|(by, ..)| *by != first);
    for (course, &me) in courses.iter_mut().zip(&staying) {
        look(course, &mut sight, me, at(8));
    }
    let said = intents(&sight);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(staying.contains(&said[0].0));
    sight.members.retain(|seen| !moving.contains(&seen.node));
    let place = staying.iter().position(|it| *it == said[0].0).unwrap();
    let mut broken = said[0].1.clone();
    broken.stage = RegroupStage::Break;
    let by = said[0].0;
    sight.notes.retain(|(_, key, _)| *key != intent_key());
    sight
        .notes
        .push((by, intent_key(), broken.to_bytes().into()));
    look(&mut courses[place], &mut sight, by, at(9));
    assert_eq!(intents(&sight), []);
    let lineages = said_lineages(&sight);
    assert!(
        lineages
            .iter()
            .any(|it| it.generation == 1 && it.heirs.len() == 1)
    );
}

fn said_lineages(sight: &Sight) -> Vec<Lineage> {
    let read = |bytes: &[u8]| Lineage::from_bytes(bytes).ok();
    let said = said(sight, &lineage_key(), read);
    said.into_iter().map(|(_, lineage)| lineage).collect()
}
