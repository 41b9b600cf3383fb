//! I3, I4, V4: who holds a name, as members see it, as processes believe it, and as the rule says.
//!
//! Cost: O(names · members) for each group.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::{GroupId, Pid};
use archipelago_sgroup::names::Standing;
use bytes::Bytes;

use super::{Violation, views};
use crate::world::{NodeIx, World};

/// I3: two running processes both believe that they hold a name. True at every instant of a run in
/// which nothing was cut and nobody died, and again when it has healed.
pub fn one_holder(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((group, name), pids) in holders(world) {
        if pids.len() > 1 {
            let text = format!("group {group}: {} is held by {pids:?}", shown(&name));
            found.push(Violation::new("I3", text));
        }
    }
    found
}

/// I4: two members whose logs are equal answer differently.
pub fn equal_logs_equal_answers(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for group in views::groups(world) {
        let mut answers: BTreeMap<u32, (NodeIx, BTreeMap<Bytes, Pid>)> = BTreeMap::new();
        for node in world.members_of(group) {
            let hash = world.node(node).and_then(|machine| machine.log_hash(group));
            let Some(hash) = hash else { continue };
            let seen = names_of(world, node, group);
            match answers.get(&hash) {
                Some((other, known)) if *known != seen => {
                    let text = format!("group {group}: n{} and n{} differ", other.0, node.0);
                    found.push(Violation::new("I4", text));
                }
                Some(_) => {}
                None => {
                    answers.insert(hash, (node, seen));
                }
            }
        }
    }
    found
}

/// V4: in a whole and quiet world all members of a group answer alike, who is found believes that
/// it holds the name, nobody else does, and every process that stands by knows.
pub fn quiet(world: &World) -> Vec<Violation> {
    let mut found = one_holder(world);
    found.extend(equal_logs_equal_answers(world));
    let believed = holders(world);
    for group in views::groups(world) {
        let expected: BTreeMap<Bytes, Pid> = believed
            .iter()
            .filter(|((of, _), _)| *of == group)
            .filter_map(|((_, name), pids)| Some((name.clone(), *pids.first()?)))
            .collect();
        for node in world.members_of(group) {
            let seen = names_of(world, node, group);
            if seen != expected {
                found.push(differs(group, node, &seen, &expected));
            }
        }
    }
    found
}

/// Which processes believe that they hold each name.
fn holders(world: &World) -> BTreeMap<(GroupId, Bytes), BTreeSet<Pid>> {
    let mut holders: BTreeMap<(GroupId, Bytes), BTreeSet<Pid>> = BTreeMap::new();
    for node in world.running() {
        let Some(boot) = world.node(node).map(|machine| machine.boot()) else {
            continue;
        };
        for (group, name, belief) in world.name_beliefs(node) {
            if belief.standing == Standing::Holder {
                let pid = Pid {
                    node: world.id(node),
                    boot,
                    local: belief.local,
                    home: Some(group),
                };
                holders.entry((group, name)).or_default().insert(pid);
            }
        }
    }
    holders
}

fn names_of(world: &World, node: NodeIx, group: GroupId) -> BTreeMap<Bytes, Pid> {
    let Some(machine) = world.node(node) else {
        return BTreeMap::new();
    };
    let names = machine.names(group).into_iter();
    names
        .filter_map(|name| {
            let holder = machine.whereis(group, &name)?;
            Some((name, holder.pid))
        })
        .collect()
}

fn differs(
    group: GroupId,
    node: NodeIx,
    seen: &BTreeMap<Bytes, Pid>,
    expected: &BTreeMap<Bytes, Pid>,
) -> Violation {
    let names: BTreeSet<&Bytes> = seen.keys().chain(expected.keys()).collect();
    let wrong = names
        .into_iter()
        .filter(|name| seen.get(*name) != expected.get(*name))
        .take(4)
        .map(|name| {
            let (seen, expected) = (seen.get(name), expected.get(name));
            format!("{} at {seen:?} and not {expected:?}", shown(name))
        });
    let text = format!(
        "group {group}: n{} sees {}",
        node.0,
        wrong.collect::<Vec<_>>().join(", ")
    );
    Violation::new("V4", text)
}

/// Names are any bytes.
fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
