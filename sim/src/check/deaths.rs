//! V2, F2–F5: who was declared dead, by whom, how soon, and whether it was.

use std::time::Duration;

use archipelago_core::{GroupId, Time};
use archipelago_router::Event;
use archipelago_sgroup::{DownReason, GroupEvent};

use super::Violation;
use crate::observe::{Observation, Observed};
use crate::world::{NodeIx, World};

/// A member that a watcher was told is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// When.
    pub time: Time,
    /// Who was told.
    pub watcher: NodeIx,
    /// Who is said to be dead.
    pub member: NodeIx,
    /// In which group.
    pub group: GroupId,
    /// Why.
    pub reason: DownReason,
}

/// Everything that was told since `since`.
pub fn since(world: &World, since: Time) -> Vec<Death> {
    let log = world.log().iter().filter(|observed| observed.time >= since);
    log.filter_map(|observed| death(world, observed)).collect()
}

/// No member was declared dead by votes since `start`, but for those in `excused`.
pub fn none_but(world: &World, start: Time, excused: &[NodeIx]) -> Vec<Violation> {
    let deaths = since(world, start).into_iter();
    deaths
        .filter(|death| death.reason == DownReason::Dead && !excused.contains(&death.member))
        .map(|death| Violation::new("no false death", death.to_string()))
        .collect()
}

/// Every running node that shares a group with `member` was told of its end within `bound` after
/// `ended`; how long the last one took.
///
/// # Errors
/// Who was not told, or too late.
pub fn within(
    world: &World,
    member: NodeIx,
    ended: Time,
    bound: Duration,
) -> Result<Duration, Vec<Violation>> {
    let deaths = since(world, ended);
    let mut worst = Duration::ZERO;
    let mut found = Vec::new();
    for group in &world.node_config(member).groups {
        let watchers = world.members_of(group.id()).into_iter();
        for watcher in watchers.filter(|&watcher| watcher != member) {
            let mut told = deaths.iter().filter(|death| {
                (death.watcher, death.member, death.group) == (watcher, member, group.id())
            });
            let took = told.next().map(|death| death.time.since(ended));
            worst = worst.max(took.unwrap_or_default());
            if took.is_none_or(|took| took > bound) {
                let text = format!(
                    "n{} heard of the end of n{} after {took:?}",
                    watcher.0, member.0
                );
                found.push(Violation::new("V2", text));
            }
        }
    }
    if found.is_empty() {
        Ok(worst)
    } else {
        Err(found)
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "at {} ms group {}: n{} was told that n{} is down ({:?})",
            self.time.as_micros() / 1_000,
            self.group,
            self.watcher.0,
            self.member.0,
            self.reason
        )
    }
}

fn death(world: &World, observed: &Observed) -> Option<Death> {
    let Observation::Event(Event::Group { group, event }) = &observed.what else {
        return None;
    };
    let GroupEvent::MemberDown(info, reason) = event else {
        return None;
    };
    Some(Death {
        time: observed.time,
        watcher: NodeIx(observed.node),
        member: world.node_of(&info.node),
        group: *group,
        reason: *reason,
    })
}
