//! Random changes of groups against a reference: whoever was added last is in, whoever was removed
//! last is out, whatever restarts and splits there were (E0, E5, E6, D5, D10).

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::GroupId;
use archipelago_router::Command;
use archipelago_sgroup::{GroupConfig, Place, Timing};
use archipelago_sim::check::{sessions, views};
use archipelago_sim::topology::{REALM, Topology, cookies};
use archipelago_sim::{NodeIx, World};

const NODES: u32 = 7;

fn config(name: &str) -> Arc<GroupConfig> {
    Arc::new(GroupConfig {
        realm: REALM.into(),
        name: name.into(),
        cookies: Some(cookies(name)),
        seeds: Vec::new(),
        size: 0,
        members_max: 64,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

fn pick(world: &mut World, of: &BTreeSet<NodeIx>) -> Option<NodeIx> {
    let place = world.random().below(of.len().max(1) as u64);
    of.iter().copied().nth(usize::try_from(place).ok()?)
}

/// Members as the nodes themselves have it.
fn members(world: &World) -> BTreeSet<NodeIx> {
    world.members_of(id("g")).into_iter().collect()
}

/// Makes a group of the same name. Where that reaches nobody, since the maker was put out of the
/// first one, it stands alone in its own; its user is told so, and gives it up.
fn create(world: &mut World, node: NodeIx, invited: NodeIx) {
    let Ok(creation) = world.create_group(node, config("g"), &[invited]) else {
        return;
    };
    let _ = world.run_until(s(11), |world| world.changed(creation).is_some());
    let results = world.changed(creation).unwrap_or_default();
    if results.iter().all(|(_, result)| result.is_err()) {
        // It may be in the first one by now.
        let _ = world.command(node, Command::Leave(id("g")));
    }
}

/// What was done (when in ms, action, by, to), and whom each member sees.
fn told(world: &World, steps: &[(u64, u64, u32, u32)]) -> String {
    let seen = members(world).into_iter().map(|node| {
        let seen = views::alive(world, node, id("g")).into_iter();
        let seen: Vec<u32> = seen.map(|(node, ..)| world.node_of(&node).0).collect();
        format!("n{} sees {seen:?}", node.0)
    });
    let seen: Vec<String> = seen.collect();
    format!("{steps:?}\n{}", seen.join("\n"))
}

/// One change after the other, with restarts between them: the reference says who is in.
fn one_after_the_other(seed: u64) {
    let mut world = formed(&Topology::group(NODES), seed);
    let all: BTreeSet<NodeIx> = world.nodes().into_iter().collect();
    let mut model: BTreeSet<NodeIx> = BTreeSet::new();
    let mut steps = Vec::new();
    for step in 0..12 {
        let outside: BTreeSet<NodeIx> = all.difference(&model).copied().collect();
        let action = world.random().below(6);
        let change = if model.is_empty() {
            let founder = pick(&mut world, &all).unwrap();
            let other = pick(&mut world, &all).unwrap();
            model.extend([founder, other]);
            Some(world.create_group(founder, config("g"), &[other]).unwrap())
        } else {
            let by = pick(&mut world, &model).unwrap();
            steps.push((world.now().as_micros() / 1_000, action, by.0, u32::MAX));
            match action {
                0..=2 => pick(&mut world, &outside).map(|node| {
                    model.insert(node);
                    world.add_members(by, id("g"), &[node]).unwrap()
                }),
                3 => pick(&mut world, &model)
                    .filter(|&node| node != by)
                    .map(|node| {
                        model.remove(&node);
                        world.remove_members(by, id("g"), &[node]).unwrap()
                    }),
                4 if model.len() > 2 => {
                    world.crash(by);
                    world.run_for(s(4));
                    restart(&mut world, by);
                    None
                }
                5 if step > 8 => {
                    model.clear();
                    Some(world.delete_group(by, id("g")).unwrap())
                }
                _ => None,
            }
        };
        if let Some(change) = change {
            within(&mut world, "the change", s(15), |world| {
                world.changed(change).is_some()
            });
            let results = world.changed(change).unwrap();
            assert!(
                results.iter().all(|(_, r)| r.is_ok()),
                "step {step}: {results:?}"
            );
        }
        let is_as_meant = |world: &World| members(world) == model && views::all_agree(world);
        let took = world.run_until(s(15), is_as_meant);
        assert!(
            took.is_some(),
            "not as the reference, {model:?}:\n{}",
            told(&world, &steps)
        );
    }
    world.run_for(s(30));
    assert_eq!(members(&world), model);
    none("stray sessions", sessions::none_beyond_groups(&world));
}

/// Changes at once from many members, splits and restarts in between; then all is healed, and
/// everybody agrees; who is put out last of all is out, who is added last is in.
fn at_once(seed: u64) {
    let mut world = formed(&Topology::group(NODES), seed);
    let all: BTreeSet<NodeIx> = world.nodes().into_iter().collect();
    let first = world.create_group(NodeIx(0), config("g"), &[NodeIx(1), NodeIx(2), NodeIx(3)]);
    first.unwrap();
    world.run_for(s(2));
    let (mut steps, mut is_split) = (Vec::new(), false);
    for _ in 0..14 {
        let inside = members(&world);
        let (Some(by), Some(node)) = (pick(&mut world, &inside), pick(&mut world, &all)) else {
            break;
        };
        // Some are refused: by who is not up yet, or twice in one group. That changes nothing.
        let action = world.random().below(8);
        steps.push((world.now().as_micros() / 1_000, action, by.0, node.0));
        let _ = match action {
            0..=2 => world.add_members(by, id("g"), &[node]),
            3 | 4 => world.remove_members(by, id("g"), &[node]),
            // Two that are made on two sides of a split do not know of each other.
            5 if is_split => continue,
            5 => {
                create(&mut world, node, by);
                continue;
            }
            6 => {
                let side: Vec<NodeIx> = all.iter().copied().filter(|n| n.0 % 2 == 0).collect();
                let rest: Vec<NodeIx> = all.iter().copied().filter(|n| n.0 % 2 == 1).collect();
                world.partition(&[side, rest]);
                is_split = true;
                continue;
            }
            _ => {
                world.heal();
                is_split = false;
                continue;
            }
        };
        let pause = world.random().below(3_000);
        world.run_for(ms(pause));
    }
    world.heal();
    let agreed = world.run_until(s(90), views::all_agree);
    assert!(
        agreed.is_some(),
        "no agreement after the heal:\n{}",
        told(&world, &steps)
    );
    world.run_for(s(15));
    // The last word counts.
    let inside = members(&world);
    if let Some(by) = inside.first().copied() {
        let last = inside.iter().copied().find(|&node| node != by);
        if let Some(node) = last {
            world.remove_members(by, id("g"), &[node]).unwrap();
            within(&mut world, "the last removal", s(5), |world| {
                !members(world).contains(&node) && views::all_agree(world)
            });
        }
        let outside = all.difference(&members(&world)).copied().next();
        if let Some(node) = outside {
            let change = world.add_members(by, id("g"), &[node]).unwrap();
            within(&mut world, "the last addition", s(15), |world| {
                world.changed(change).is_some()
            });
            let results = world.changed(change).unwrap();
            assert!(results.iter().all(|(_, r)| r.is_ok()), "{results:?}");
        }
    }
    world.run_for(s(60));
    none("views", views::check(&world));
    none("stray sessions", sessions::none_beyond_groups(&world));
}

#[test]
fn e0_e5_e6_changes_one_after_the_other_do_as_the_reference() {
    seeds(
        "e0_e5_e6_changes_one_after_the_other_do_as_the_reference",
        30,
        one_after_the_other,
    );
}

#[test]
fn d5_d10_changes_at_once_and_splits_converge() {
    seeds("d5_d10_changes_at_once_and_splits_converge", 30, at_once);
}
