//! I2: each watcher hears of each (boot, era) once up and at most once down, in order;
//! who left a group, or was put out of it, and is in it again begins afresh.

use std::collections::BTreeMap;

use archipelago_core::{Boot, Era, GroupId, NodeId};
use archipelago_router::{Event, Regrouped};
use archipelago_sgroup::{GroupEvent, MemberInfo};

use super::Violation;
use crate::observe::{Observation, Observed};
use crate::world::World;

/// One member as one process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Watch {
    watcher: u32,
    watcher_boot: Boot,
    group: GroupId,
    member: NodeId,
}

/// The last news of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Up(Boot, Era),
    Down(Boot, Era),
}

/// Checks the whole log.
pub fn check(world: &World) -> Vec<Violation> {
    let mut last: BTreeMap<Watch, Last> = BTreeMap::new();
    let mut found = Vec::new();
    for observed in world.log() {
        if let Some(group) = left(&observed.what) {
            let is_its = |watch: &Watch| (watch.watcher, watch.group) == (observed.node, group);
            last.retain(|watch, _| !is_its(watch));
        }
        if let Observation::Formed { group, members } = &observed.what {
            form(&mut last, world, *group, members);
        }
        let Observation::Event(Event::Group { group, event }) = &observed.what else {
            continue;
        };
        let next = match event {
            GroupEvent::MemberUp(info) => (info, Last::Up(info.boot, info.era)),
            GroupEvent::MemberDown(info, _) => (info, Last::Down(info.boot, info.era)),
            _ => continue,
        };
        found.extend(step(&mut last, world, observed, *group, next));
    }
    found
}

/// Which group the watcher is in no more: what it hears of it afterwards is a beginning.
fn left(what: &Observation) -> Option<GroupId> {
    match what {
        Observation::GroupLeft { group } | Observation::Event(Event::ParentLeft { group }) => {
            Some(*group)
        }
        Observation::Event(Event::Regrouped { group, change }) => {
            let is_over = matches!(change, Regrouped::Moved { .. } | Regrouped::Withdrawn);
            is_over.then_some(*group)
        }
        Observation::Event(Event::Group { group, event }) => {
            let is_over = matches!(
                event,
                GroupEvent::Removed { .. } | GroupEvent::Deleted { .. }
            );
            is_over.then_some(*group)
        }
        _ => None,
    }
}

/// All members of a group were told of all others before the log begins.
fn form(
    last: &mut BTreeMap<Watch, Last>,
    world: &World,
    group: GroupId,
    members: &[(NodeId, Boot)],
) {
    for &(watcher, watcher_boot) in members {
        for &(member, boot) in members.iter().filter(|&&(member, _)| member != watcher) {
            let watch = Watch {
                watcher: world.node_of(&watcher).0,
                watcher_boot,
                group,
                member,
            };
            last.insert(watch, Last::Up(boot, Era(0)));
        }
    }
}

fn step(
    last: &mut BTreeMap<Watch, Last>,
    world: &World,
    observed: &Observed,
    group: GroupId,
    (info, next): (&MemberInfo, Last),
) -> Option<Violation> {
    let watch = Watch {
        watcher: observed.node,
        watcher_boot: observed.boot,
        group,
        member: info.node,
    };
    let before = last.insert(watch, next);
    let is_right = match (before, next) {
        (None, Last::Up(..)) => true,
        (None, Last::Down(..)) => false,
        (Some(Last::Up(boot, era)), Last::Down(b, e)) => (b, e) == (boot, era),
        (Some(Last::Down(boot, era)), Last::Up(b, e)) => (b, e) > (boot, era),
        (Some(Last::Up(..)), Last::Up(..)) | (Some(Last::Down(..)), Last::Down(..)) => false,
    };
    let text = format!(
        "at {} ms group {group}: n{} heard {next:?} of n{} after {before:?}",
        observed.time.as_micros() / 1_000,
        observed.node,
        world.node_of(&info.node).0,
    );
    (!is_right).then(|| Violation::new("I2", text))
}
