//! Names in directory mode: one holder, everywhere, whatever happens (E7, E8, E11, E12, E15, L1,
//! L10, L13, L15, L17, L20, L22, D4, D8, D11, U3, F5, F6, Q23; I3, I4, I5, V4).
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds each takes, `ARCHIPELAGO_SEED` runs one.

use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::{GroupId, LocalId};
use archipelago_sgroup::names::{Mode, NameError, OnLoss, Registration, Standing, Verdict};
use archipelago_sim::check::{self, names, sessions, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NameNotice, NameRequest, NodeIx, World, WorldConfig};

/// Longer than any registration takes where nothing is broken.
const SOON: Duration = s(2);

fn claim(name: &str, local: u64) -> Registration {
    Registration::new(name.to_owned().into_bytes(), LocalId(local))
}

fn standby(name: &str, local: u64) -> Registration {
    let on_loss = OnLoss::Standby;
    let asked = claim(name, local);
    Registration { on_loss, ..asked }
}

fn moved(name: &str, local: u64) -> Registration {
    let mode = Mode::Move;
    let asked = claim(name, local);
    Registration { mode, ..asked }
}

/// Waits for the answer.
fn answer(world: &mut World, request: NameRequest) -> Result<Option<Standing>, NameError> {
    within(world, "a registration", s(12), |world| {
        world.name_result(request).is_some()
    });
    world.name_result(request).expect("it was just there")
}

fn holds(world: &mut World, request: NameRequest) {
    assert_eq!(answer(world, request), Ok(Some(Standing::Holder)));
}

/// Who holds the name: node and mailbox, as every running member sees it; all must agree.
fn everywhere(world: &World, group: GroupId, name: &str) -> Option<(NodeIx, u64)> {
    let seen: Vec<_> = world
        .members_of(group)
        .into_iter()
        .map(|node| {
            let holder = world.whereis(node, group, name.as_bytes())?;
            Some((world.node_of(&holder.pid.node), holder.pid.local.0))
        })
        .collect();
    let all_equal = seen.iter().all(|holder| *holder == seen[0]);
    assert!(all_equal, "members differ on {name}: {seen:?}");
    seen[0]
}

/// Runs for so long and looks every millisecond that nobody shares a name.
fn run_watched(world: &mut World, duration: Duration) {
    for _ in 0..duration.as_millis() {
        world.run_for(ms(1));
        none("at every instant", names::one_holder(world));
    }
}

/// E7, E8, Q23's half that is the machine's, E15, U3: a name is there on all members when the call
/// returns; a used one is refused and says who has it; a withdrawn one is gone everywhere.
#[test]
fn e7_e8_e15_a_name_is_everywhere_then_refused_then_gone() {
    let topology = Topology::group(5);
    let (mut world, group) = (formed(&topology, 1), topology.id(0));
    let odd = Registration {
        metadata: vec![0, 255, 10].into(),
        ..Registration::new(vec![0, 255, 10, 39], LocalId(7))
    };
    let asked = world.register(NodeIx(1), group, odd.clone());
    holds(&mut world, asked);
    for node in world.nodes() {
        let holder = world.whereis(node, group, &odd.name).unwrap();
        assert_eq!(holder.pid.node, world.id(NodeIx(1)));
        assert_eq!(holder.metadata, odd.metadata);
        let again = Registration {
            local: LocalId(8),
            ..odd.clone()
        };
        let asked = world.register(node, group, again);
        let refused = world.name_result(asked).expect("refused at once");
        assert_eq!(refused, Err(NameError::Taken(Box::new(holder))));
    }
    let asked = world.unregister(NodeIx(2), group, &odd.name);
    assert_eq!(world.name_result(asked), Some(Err(NameError::NotOurs)));
    let asked = world.unregister(NodeIx(1), group, &odd.name);
    assert_eq!(world.name_result(asked), Some(Ok(None)));
    let asked = world.unregister(NodeIx(1), group, b"never");
    assert_eq!(world.name_result(asked), Some(Ok(None)), "no error");
    world.run_for(ms(300));
    for node in world.nodes() {
        assert_eq!(world.whereis(node, group, &odd.name), None);
    }
    none("quiet", names::quiet(&world));
}

/// Limits are typed errors, and change nothing.
#[test]
fn a9_names_beyond_a_limit_are_refused_and_change_nothing() {
    let topology = Topology::group(2);
    let (mut world, group) = (formed(&topology, 2), topology.id(0));
    let long = Registration::new(vec![1; 256], LocalId(1));
    let empty = Registration::new(vec![], LocalId(1));
    let heavy = Registration {
        metadata: vec![0; 1_025].into(),
        ..claim("a", 1)
    };
    let expected = [
        (long, NameError::Length { bytes: 256 }),
        (empty, NameError::Length { bytes: 0 }),
        (heavy, NameError::Metadata { bytes: 1_025 }),
    ];
    for (asked, error) in expected {
        let asked = world.register(NodeIx(0), group, asked);
        assert_eq!(world.name_result(asked), Some(Err(error)));
    }
    let longest = Registration {
        metadata: vec![9; 1_024].into(),
        ..Registration::new(vec![255; 255], LocalId(1))
    };
    let asked = world.register(NodeIx(0), group, longest.clone());
    holds(&mut world, asked);
    assert!(world.whereis(NodeIx(1), group, &longest.name).is_some());
    assert_eq!(world.node(NodeIx(1)).unwrap().names(group).len(), 1);
}

/// E11, G7: one name in two groups, one process in two groups: independent of each other.
#[test]
fn e11_g7_groups_may_hold_the_same_names() {
    let topology = Topology::chain(2, 3, 1);
    let mut world = formed(&topology, 3);
    let (one, two) = (topology.id(0), topology.id(1));
    let both = world
        .nodes()
        .into_iter()
        .find(|&node| world.groups_of(node).len() == 2)
        .unwrap();
    let other = topology
        .members(1)
        .iter()
        .copied()
        .find(|&node| node != both)
        .unwrap();
    let asked = [
        world.register(both, one, claim("same", 1)),
        world.register(other, two, claim("same", 2)),
        world.register(both, two, claim("mine", 1)),
    ];
    for asked in asked {
        holds(&mut world, asked);
    }
    assert_eq!(everywhere(&world, one, "same"), Some((both, 1)));
    assert_eq!(everywhere(&world, two, "same"), Some((other, 2)));
    assert_eq!(everywhere(&world, one, "mine"), None);
    let asked = world.unregister(other, two, b"same");
    assert_eq!(world.name_result(asked), Some(Ok(None)));
    world.run_for(ms(300));
    assert_eq!(everywhere(&world, one, "same"), Some((both, 1)));
    assert_eq!(everywhere(&world, two, "same"), None);
    none("quiet", names::quiet(&world));
}

/// E12: a name that moves, within a node or between nodes, is held at every instant everywhere;
/// the one that lost it is told; a claim of higher priority is not moved away.
#[test]
fn e12_a_moved_name_has_no_gap() {
    seeds("e12_a_moved_name_has_no_gap", 50, |seed| {
        let topology = Topology::group(4);
        let (mut world, group) = (formed(&topology, seed), topology.id(0));
        let asked = world.register(NodeIx(0), group, claim("n", 1));
        holds(&mut world, asked);
        for (node, local) in [(0, 2), (1, 3), (3, 4), (0, 5)] {
            let asked = world.register(NodeIx(node), group, moved("n", local));
            while world.name_result(asked).is_none() {
                world.run_for(ms(1));
                for member in world.nodes() {
                    assert!(world.whereis(member, group, b"n").is_some(), "a gap");
                }
                none("at every instant", names::one_holder(&world));
            }
            holds(&mut world, asked);
            world.run_for(ms(200));
            assert_eq!(everywhere(&world, group, "n"), Some((NodeIx(node), local)));
        }
        assert_eq!(world.name_notices(NodeIx(1), group, b"n").len(), 1);
        let first = Registration {
            priority: 1,
            ..moved("n", 6)
        };
        let asked = world.register(NodeIx(2), group, first);
        holds(&mut world, asked);
        let asked = world.register(NodeIx(1), group, moved("n", 7));
        assert!(matches!(
            answer(&mut world, asked),
            Err(NameError::Taken(_))
        ));
        none("quiet", names::quiet(&world));
    });
}

/// I3: any number of members that claim few names at once: of each name exactly one claim is
/// confirmed, the others are refused with the winner, and at no instant do two believe to hold it.
#[test]
fn i3_of_claims_made_at_once_exactly_one_is_confirmed() {
    seeds(
        "i3_of_claims_made_at_once_exactly_one_is_confirmed",
        300,
        |seed| {
            let size = 2 + (seed % 7) as u32;
            let topology = Topology::group(size);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            let mut asked: Vec<(usize, NameRequest)> = Vec::new();
            for _ in 0..4 * size {
                let node = NodeIx(world.random().index(size as usize) as u32);
                let name = world.random().index(3);
                let local = u64::from(node.0) + 1;
                let request = world.register(node, group, claim(&format!("n{name}"), local));
                asked.push((name, request));
                let wait = world.random().duration(ms(0), ms(3));
                world.run_for(wait);
                none("at every instant", names::one_holder(&world));
            }
            run_watched(&mut world, ms(300));
            for name in 0..3 {
                let of_it = asked.iter().filter(|(of, _)| *of == name);
                let results: Vec<_> = of_it
                    .map(|&(_, request)| (request.0, world.name_result(request).expect("answered")))
                    .collect();
                let holder = everywhere(&world, group, &format!("n{name}"));
                for (node, result) in &results {
                    match result {
                        Ok(standing) => {
                            assert_eq!(*standing, Some(Standing::Holder));
                            assert_eq!(holder.map(|(holder, _)| holder), Some(*node));
                        }
                        Err(NameError::Taken(_)) => {}
                        Err(other) => panic!("n{name}: {other}"),
                    }
                }
                let is_any = results.iter().any(|(_, result)| result.is_ok());
                assert!(is_any || results.is_empty(), "n{name} is nobody's");
            }
            none("quiet", names::quiet(&world));
        },
    );
}

/// G7, E20, U5: a name of any group is found from any node, at once when it was asked for lately; one
/// that is nobody's, or private, is `None`; a moved one is found anew; nothing is opened for it.
#[test]
fn g7_e20_names_of_other_groups_are_found_from_any_node() {
    seeds(
        "g7_e20_names_of_other_groups_are_found_from_any_node",
        30,
        |seed| {
            let topology = Topology::chain(4, 4, 1);
            let mut world = formed(&topology, seed);
            let (group, last) = (topology.id(3), topology.members(3).to_vec());
            let (asker, holder) = (topology.members(0)[0], last[last.len() - 1]);
            let private = Registration {
                is_exported: false,
                ..claim("private", 2)
            };
            for asked in [claim("shown", 1), private] {
                let asked = world.register(holder, group, asked);
                holds(&mut world, asked);
            }
            let sessions_before = world.connections(asker).len();
            let found = find(&mut world, asker, group, "shown").expect("a route");
            let found = found.expect("a holder");
            assert_eq!(found.pid.node, world.id(holder));
            assert_eq!(found.pid.home, Some(group));
            for name in ["private", "nobody's"] {
                assert_eq!(find(&mut world, asker, group, name), Ok(None));
                // E20: the second time at once.
                let asked = world.find_name(asker, group, name.as_bytes());
                let (time, answer) = world.name_found(asked).expect("answered at once");
                assert_eq!((time, answer), (world.now(), Ok(None)));
            }
            assert_eq!(world.connections(asker).len(), sessions_before);
            let mover = last[0];
            let asked = world.register(mover, group, moved("shown", 9));
            holds(&mut world, asked);
            // What was found is served for 2 s, then once more while it is asked for anew.
            world.run_for(s(3));
            let _stale = find(&mut world, asker, group, "shown");
            world.run_for(s(1));
            let found = find(&mut world, asker, group, "shown").expect("a route");
            assert_eq!(found.map(|found| found.pid.local), Some(LocalId(9)));
            let member = find(&mut world, mover, group, "private").expect("one's own group");
            assert!(member.is_some(), "members see private names");
            let nowhere = GroupId::new("another", "realm");
            let asked = find(&mut world, asker, nowhere, "shown");
            assert_eq!(asked, Err(archipelago_router::Unreachable::NoRoute));
        },
    );
}

/// Asks, and waits for the answer.
fn find(world: &mut World, node: NodeIx, group: GroupId, name: &str) -> archipelago_sim::FoundName {
    let asked = world.find_name(node, group, name.as_bytes());
    within(world, "a look-up", s(3), |world| {
        world.name_found(asked).is_some()
    });
    let (_, answer) = world.name_found(asked).expect("it was just there");
    answer
}

/// L1: names of a process that ended and of a node that died vanish everywhere, and can be had
/// again; who stands by takes over.
#[test]
fn l1_names_of_the_dead_vanish_and_standbys_take_over() {
    seeds(
        "l1_names_of_the_dead_vanish_and_standbys_take_over",
        50,
        |seed| {
            let topology = Topology::group(6);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            let asked = [
                world.register(NodeIx(1), group, claim("process", 1)),
                world.register(NodeIx(2), group, claim("node", 1)),
                world.register(NodeIx(2), group, claim("guarded", 1)),
            ];
            for asked in asked {
                holds(&mut world, asked);
            }
            for node in [3, 4] {
                let asked = world.register(NodeIx(node), group, standby("guarded", 9));
                assert_eq!(answer(&mut world, asked), Ok(Some(Standing::Standby)));
            }
            world.end_claimant(NodeIx(1), LocalId(1));
            world.crash(NodeIx(2));
            within(&mut world, "forgetting", s(3), |world| {
                let gone = |name: &[u8]| {
                    let mut running = world.running().into_iter();
                    running.all(|node| world.whereis(node, group, name).is_none())
                };
                gone(b"process") && gone(b"node")
            });
            world.run_for(ms(300));
            assert_eq!(everywhere(&world, group, "guarded"), Some((NodeIx(3), 9)));
            let told = world.name_notices(NodeIx(3), group, b"guarded");
            assert_eq!(told, [NameNotice::Won]);
            let asked = world.register(NodeIx(5), group, claim("node", 2));
            holds(&mut world, asked);
            none("quiet", names::quiet(&world));
            let asked = world.unregister(NodeIx(3), group, b"guarded");
            assert_eq!(world.name_result(asked), Some(Ok(None)));
            world.run_for(ms(300));
            assert_eq!(everywhere(&world, group, "guarded"), Some((NodeIx(4), 9)));
        },
    );
}

/// L10, F6, D4, I5, V4: all sides of a split (halves, 70 to 30, three ways) register the same names;
/// after the heal one holder of each, within 2 s of the views' agreement and without traffic; losers
/// are told by their policy. `ARCHIPELAGO_SEEDS=1000` runs as many.
#[test]
fn l10_f6_d4_after_a_split_each_name_has_one_holder() {
    let worst = std::sync::atomic::AtomicU64::new(0);
    seeds(
        "l10_f6_d4_after_a_split_each_name_has_one_holder",
        300,
        |seed| {
            let topology = Topology::group(10);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            let mut nodes = world.nodes();
            world.random().shuffle(&mut nodes);
            let sides = [&[5, 5][..], &[7, 3], &[3, 7], &[4, 3, 3]][(seed % 4) as usize];
            let mut rest = nodes.iter().copied();
            let sides = sides.iter().map(|&len| rest.by_ref().take(len).collect());
            let sides: Vec<Vec<NodeIx>> = sides.collect();
            let asked = world.register(sides[0][0], group, claim("old", 1));
            holds(&mut world, asked);
            let asked = world.register(sides[1][0], group, claim("leaves", 1));
            holds(&mut world, asked);
            world.partition(&sides);
            world.run_for(s(4));
            let policies = [OnLoss::Unregister, OnLoss::Standby, OnLoss::Custom];
            let mut asked = Vec::new();
            for side in &sides {
                for (name, on_loss) in ["a", "b", "c"].into_iter().zip(policies) {
                    let node = side[world.random().index(side.len())];
                    let registration = Registration {
                        on_loss,
                        ..claim(name, 1)
                    };
                    asked.push(world.register(node, group, registration));
                }
            }
            for asked in asked {
                holds(&mut world, asked);
            }
            // L20: withdrawn during the split, on its side.
            let asked = world.unregister(sides[1][0], group, b"leaves");
            assert_eq!(world.name_result(asked), Some(Ok(None)));
            // The other side lost the old holder, and takes the name: the older claim wins.
            let asked = world.register(sides[1][0], group, claim("old", 2));
            holds(&mut world, asked);
            world.run_for(s(3));
            world.heal();
            within(&mut world, "agreeing", s(10), views::all_agree);
            let took = within(&mut world, "names", s(2), |world| {
                names::quiet(world).is_empty()
            });
            worst.fetch_max(
                took.as_micros() as u64,
                std::sync::atomic::Ordering::Relaxed,
            );
            world.run_for(s(1));
            none("after the heal", names::quiet(&world));
            assert_eq!(everywhere(&world, group, "old"), Some((sides[0][0], 1)));
            assert_eq!(
                everywhere(&world, group, "leaves"),
                None,
                "L20: it stays away"
            );
            let told = world.name_notices(sides[1][0], group, b"old");
            assert!(
                matches!(told[..], [NameNotice::Lost { .. }]),
                "the loser is told"
            );
            for name in ["a", "b", "c"] {
                let lost = nodes
                    .iter()
                    .flat_map(|&node| world.name_notices(node, group, name.as_bytes()));
                assert_eq!(lost.count(), sides.len() - 1, "all but one lose {name}");
            }
            resolve(&mut world, group, &nodes);
        },
    );
    let worst = worst.into_inner();
    println!("all agreed on every name at most {worst} us after they agreed on the members");
}

/// The loser of `c` decides by itself: it insists, and the other one is told in turn.
fn resolve(world: &mut World, group: GroupId, nodes: &[NodeIx]) {
    let (winner, _) = everywhere(world, group, "c").expect("one side has it");
    let loser = nodes
        .iter()
        .copied()
        .find(|&node| !world.name_notices(node, group, b"c").is_empty())
        .expect("one loser was told");
    let asked = world.resolve_name(loser, group, b"c", Verdict::Insist);
    holds(world, asked);
    world.run_for(ms(300));
    assert_eq!(everywhere(world, group, "c"), Some((loser, 1)));
    let told = world.name_notices(winner, group, b"c");
    assert!(matches!(told[..], [NameNotice::Lost { .. }]));
    let asked = world.resolve_name(winner, group, b"c", Verdict::Yield);
    assert_eq!(world.name_result(asked), Some(Ok(None)));
    none("after the verdict", names::quiet(world));
}

/// L13: rings and lines of nodes of which only neighbours hear each other, and everybody holds the
/// name: once all links are there, exactly one has it.
#[test]
fn l13_rings_and_lines_end_with_one_winner() {
    seeds("l13_rings_and_lines_end_with_one_winner", 60, |seed| {
        let size = 5 + (seed % 3) as u32;
        let topology = Topology::group(size);
        let (mut world, group) = (formed(&topology, seed), topology.id(0));
        let nodes = world.nodes();
        let alone: Vec<Vec<NodeIx>> = nodes.iter().map(|&node| vec![node]).collect();
        world.partition(&alone);
        world.run_for(s(6));
        let asked: Vec<_> = nodes
            .iter()
            .map(|&node| world.register(node, group, claim("all", u64::from(node.0))))
            .collect();
        for asked in asked {
            holds(&mut world, asked);
        }
        // Neighbours hear each other, nobody else; then the ring, or the line, is mended.
        world.partition(&[]);
        for (place, &a) in nodes.iter().enumerate() {
            for (other, &b) in nodes.iter().enumerate().skip(place + 1) {
                let is_closing = place == 0 && other + 1 == nodes.len() && seed % 2 == 0;
                if other != place + 1 && !is_closing {
                    world.cut_pair(a, b);
                }
            }
        }
        world.run_for(s(15));
        world.heal();
        within(&mut world, "agreeing", s(20), |world| {
            views::all_agree(world) && sessions::mesh(world).is_empty()
        });
        world.run_for(s(4));
        none("after the heal", names::quiet(&world));
        assert!(everywhere(&world, group, "all").is_some());
    });
}

/// L15, F5: with one link of the mesh cut, names live on, are registered round the cut, and no two
/// members share one.
#[test]
fn l15_f5_names_survive_a_cut_pair_and_go_round_it() {
    let worst = std::sync::atomic::AtomicU64::new(0);
    seeds(
        "l15_f5_names_survive_a_cut_pair_and_go_round_it",
        100,
        |seed| {
            let topology = Topology::group(5);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            let mut nodes = world.nodes();
            world.random().shuffle(&mut nodes);
            let (one, other) = (nodes[0], nodes[1]);
            let asked = world.register(one, group, claim("kept", 1));
            holds(&mut world, asked);
            world.cut(one, other);
            if seed % 2 == 0 {
                world.cut(other, one);
            }
            let wait = world.random().duration(s(0), s(5));
            world.run_for(wait);
            let mut pair = Vec::new();
            for node in [one, other] {
                pair.push(world.register(node, group, claim("new", 1)));
                let wait = world.random().duration(ms(0), s(1));
                world.run_for(wait);
            }
            let start = world.now();
            let results: Vec<_> = pair
                .iter()
                .map(|&asked| answer(&mut world, asked))
                .collect();
            let took = world.now().since(start).as_millis() as u64;
            worst.fetch_max(took, std::sync::atomic::Ordering::Relaxed);
            assert!(results.iter().any(Result::is_ok), "{results:?}");
            world.run_for(s(8));
            assert_eq!(everywhere(&world, group, "kept"), Some((one, 1)));
            none("with the cut", names::quiet(&world));
            world.heal();
            within(&mut world, "redialling", s(15), |world| {
                sessions::mesh(world).is_empty()
            });
            world.run_for(s(5));
            none("after the heal", check::quiet(&world));
            none("after the heal", names::quiet(&world));
        },
    );
    println!(
        "a registration round a cut took at most {} ms",
        worst.into_inner()
    );
}

/// L17, L22, G6: who joins while names are registered and withdrawn has them all when it is up; who
/// dies in the middle of its join leaves none.
#[test]
fn l17_l22_g6_joiners_have_all_names_and_leave_no_ghosts() {
    seeds(
        "l17_l22_g6_joiners_have_all_names_and_leave_no_ghosts",
        100,
        |seed| {
            let topology = Topology::group(6);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            let joiner = NodeIx(5);
            let asked = world.register(joiner, group, claim("ghost", 1));
            holds(&mut world, asked);
            world.crash(joiner);
            for round in 0..40_u32 {
                let node = NodeIx(round % 5);
                world.register(node, group, claim(&format!("n{round}"), 1));
                let wait = world.random().duration(ms(0), ms(100));
                world.run_for(wait);
                if round == 15 {
                    restart(&mut world, joiner);
                }
                if round == 20 && seed % 2 == 0 {
                    world.crash(joiner);
                }
                if round == 25 && seed % 2 == 0 {
                    restart(&mut world, joiner);
                }
                let is_up = world.node(joiner).is_some_and(|machine| {
                    let members = machine.members(group).unwrap_or_default();
                    members.iter().any(|member| member.node == machine.id())
                });
                if is_up {
                    // What was confirmed before it was up, or with it.
                    let seen = world.node(joiner).unwrap().names(group).len();
                    assert!(seen + 8 >= round as usize, "{seen} of {round} names");
                }
            }
            world.run_for(s(5));
            none("quiet", names::quiet(&world));
            assert_eq!(everywhere(&world, group, "ghost"), None);
            assert_eq!(world.node(joiner).unwrap().names(group).len(), 40);
        },
    );
}

/// D8: a look-up is answered at once while registrations are under way, and by what is confirmed.
#[test]
fn d8_lookups_wait_for_no_registration() {
    let topology = Topology::group(4);
    let (mut world, group) = (formed(&topology, 8), topology.id(0));
    let asked = world.register(NodeIx(0), group, claim("n", 1));
    holds(&mut world, asked);
    world.cut_pair(NodeIx(0), NodeIx(3));
    let pending = world.register(NodeIx(0), group, claim("m", 1));
    assert!(world.is_name_waiting(pending));
    // No time passes between question and answer.
    for node in world.nodes() {
        assert!(world.whereis(node, group, b"n").is_some());
    }
    holds(&mut world, pending);
}

/// D11: all members register and unregister as fast as they are answered: nobody gets less than
/// half of the mean, and almost every registration takes two round trips.
#[test]
fn d11_all_register_at_once_and_nobody_starves() {
    for size in [4, 16, 32] {
        let topology = Topology::group(size);
        let (mut world, group) = (formed(&topology, u64::from(size)), topology.id(0));
        for node in world.nodes() {
            world.start_names(node, group, 4, ms(300));
        }
        world.run_for(s(2));
        let loads: Vec<_> = world
            .nodes()
            .iter()
            .map(|&node| world.name_load(node))
            .collect();
        let total: u64 = loads.iter().map(|load| load.confirmed).sum();
        let least = loads.iter().map(|load| load.confirmed).min().unwrap();
        let failed: u64 = loads.iter().map(|load| load.failed).sum();
        let mut took: Vec<Duration> = loads.into_iter().flat_map(|load| load.took).collect();
        took.sort_unstable();
        let p999 = took[took.len() * 999 / 1_000];
        let median = took[took.len() / 2];
        let share = least as f64 * f64::from(size) / total as f64;
        println!(
            "{size} members: {total} in 0.3 s, p50 {median:?}, p99.9 {p999:?}, least {share:.2}"
        );
        assert_eq!(failed, 0);
        assert!(share >= 0.5, "the least served has {share} of the mean");
        assert!(p999 < ms(100), "{p999:?}");
        world.run_for(SOON);
        none("quiet", names::quiet(&world));
    }
}

/// F1, F2, F5, F6, I4, V4: processes that claim, move, withdraw and end; nodes that crash, restart
/// and stall; cuts and splits: after the heal the machines agree with what the processes were told.
#[test]
fn f6_v4_random_schedules_end_with_what_processes_were_told() {
    seeds(
        "f6_v4_random_schedules_end_with_what_processes_were_told",
        300,
        |seed| {
            let size = 3 + (seed % 5) as usize;
            let topology = Topology::group(size as u32);
            let (mut world, group) = (formed(&topology, seed), topology.id(0));
            for _ in 0..60 {
                step(&mut world, group, size);
                let wait = world.random().duration(ms(0), ms(800));
                world.run_for(wait);
                none("at any time", names::equal_logs_equal_answers(&world));
            }
            world.heal();
            for node in world.nodes() {
                match world.state(node) {
                    archipelago_sim::ProcessState::Down => restart(&mut world, node),
                    archipelago_sim::ProcessState::Stopped => world.resume(node),
                    archipelago_sim::ProcessState::Running => {}
                }
            }
            within(&mut world, "agreeing", s(30), |world| {
                views::all_agree(world) && sessions::mesh(world).is_empty()
            });
            // Claims that were under way may take their whole time-out.
            world.run_for(s(12));
            none("after the heal", names::quiet(&world));
        },
    );
}

/// One thing that a process, a node or a link does.
fn step(world: &mut World, group: GroupId, size: usize) {
    let node = NodeIx(world.random().index(size) as u32);
    let other = NodeIx(world.random().index(size) as u32);
    let name = format!("n{}", world.random().index(4));
    let local = world.random().index(3) as u64 + 1;
    let is_running = world.state(node) == archipelago_sim::ProcessState::Running;
    match world.random().index(24) {
        0..8 if is_running => {
            let asked = [claim, standby, moved][world.random().index(3)];
            let priority = i32::from(world.random().index(4) == 0);
            let asked = Registration {
                priority,
                ..asked(&name, local)
            };
            world.register(node, group, asked);
        }
        8..12 if is_running => {
            world.unregister(node, group, name.as_bytes());
        }
        12..14 if is_running => world.end_claimant(node, LocalId(local)),
        14 if is_running => world.crash(node),
        15 if is_running => world.stop(node),
        16..18 if world.state(node) == archipelago_sim::ProcessState::Stopped => {
            world.resume(node);
        }
        16..18 if !is_running => restart(world, node),
        18 if node != other => world.cut(node, other),
        19 if node != other => world.cut_pair(node, other),
        20 => {
            let mut nodes = world.nodes();
            world.random().shuffle(&mut nodes);
            let cut = world.random().index(size);
            world.partition(&[nodes[..cut].to_vec(), nodes[cut..].to_vec()]);
        }
        21..23 => world.heal(),
        _ => {}
    }
}

/// U3, L22: more names than one message holds, claimed at once, are all on every member when they are
/// confirmed, and on one that joins later.
#[test]
fn u3_l22_a_thousand_names_at_once_are_everywhere() {
    let topology = Topology::group(4);
    let mut world = topology.build(WorldConfig::new(1), |_, _| {});
    let late = NodeIx(3);
    for node in [NodeIx(0), NodeIx(1), NodeIx(2)] {
        world.start(node).unwrap();
    }
    world.run_for(s(3));
    let group = topology.id(0);
    let asked: Vec<NameRequest> = (0..1_000)
        .map(|number| world.register(NodeIx(0), group, claim(&format!("name {number}"), 1)))
        .collect();
    world.run_for(s(1));
    let is_held = |asked: &NameRequest| {
        let held = world.name_result(*asked);
        matches!(held, Some(Ok(Some(Standing::Holder))))
    };
    assert!(asked.iter().all(is_held));
    world.start(late).unwrap();
    world.run_for(s(3));
    assert_eq!(world.members_of(group).len(), 4);
    for number in 0..1_000 {
        let holder = everywhere(&world, group, &format!("name {number}"));
        assert_eq!(holder, Some((NodeIx(0), 1)), "name {number}");
    }
}
