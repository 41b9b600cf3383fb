//! Joining, leaving, restarting: E0, E5, D1, D2, G5, F20.

mod world;

use std::time::Duration;

use world::{SECOND, World, ms};

/// E0: nodes that start at once become a full mesh that agrees, whatever the seed.
#[test]
fn e0_twenty_nodes_form_a_mesh_through_one_seed() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        for _ in 0..20 {
            world.add(&[0]);
        }
        for node in 0..20 {
            world.start(node);
        }
        let took = world.run_while_not(SECOND * 5, World::is_mesh);
        assert!(took < SECOND * 2, "seed={seed}: {took:?}");
        world.assert_events_in_order();
    }
}

/// D1: two nodes that name each other, and a ring of three, find a beginning in under 1 s.
#[test]
fn d1_nodes_that_only_name_each_other_find_a_beginning() {
    for seed in 0..50 {
        for count in 2..5 {
            let mut world = World::new(seed);
            for node in 0..count {
                world.add(&[(node + 1) % count]);
            }
            for node in 0..count {
                world.start(node);
            }
            let limit = if count == 2 { SECOND } else { SECOND * 4 };
            world.run_while_not(limit, World::is_mesh);
        }
    }
}

/// Founders that find each other later become one group.
#[test]
fn d1_two_islands_become_one() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        for node in 0..12 {
            // Both 0 and 1 name themselves: two beginnings.
            world.add(if node % 2 == 0 { &[0, 1] } else { &[1, 0] });
        }
        world.partition(|node| node % 2);
        for node in 0..12 {
            world.start(node);
        }
        world.run_cut(SECOND * 6);
        assert!(world.is_mesh_of(&[0, 2, 4, 6, 8, 10]), "seed={seed}");
        world.heal();
        world.run_while_not(SECOND * 10, World::is_mesh);
    }
}

/// F20: a node whose only seed is away waits for it, and joins when it appears.
#[test]
fn f20_a_lone_node_waits_for_its_seed() {
    let mut world = World::new(1);
    world.add(&[0]);
    world.add(&[0]);
    world.start(1);
    world.run_for(SECOND * 30);
    assert!(!world.nodes[1].group.is_up());
    world.start(0);
    world.run_while_not(SECOND * 10, World::is_mesh);
}

/// U21: whoever was elected into a group founds it anew if all its seeds are lost, not at once but
/// without end of waiting; others who were elected are its further seeds, and nobody is left alone.
#[test]
fn u21_the_elected_found_a_group_anew_whose_seeds_are_lost() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.add(&[0]);
        world.kill(0);
        for seeds in [[0, 2], [0, 1]] {
            let node = world.add(&seeds);
            world.start(node);
            world.with(node, |group, _, _| group.handle_elected());
        }
        world.run_for(SECOND);
        assert!(!world.nodes[1].group.is_up() && !world.nodes[2].group.is_up());
        world.run_for(SECOND * 29);
        assert!(world.is_mesh_of(&[1, 2]), "seed={seed}");
        world.restart(0, archipelago_core::Boot(2));
        world.run_while_not(SECOND * 10, World::is_mesh);
    }
}

/// U21: two beginnings of a group that know nothing of each other become one when members meet in
/// another group.
#[test]
fn u21_beginnings_whose_members_meet_elsewhere_become_one() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        for _ in 0..2 {
            let node = world.add(&[]);
            world.start(node);
        }
        world.run_for(SECOND);
        world.connect(0, 1);
        world.run_for(SECOND);
        assert!(!world.is_mesh(), "seed={seed}");
        let met = world.peer(0, 1).expect("they have a session");
        world.with(0, |group, cx, out| group.handle_met(&[met], cx, out));
        world.run_while_not(SECOND, World::is_mesh);
    }
}

/// D2: a member that restarts is back with its new boot; everybody hears down, then up.
#[test]
fn d2_a_restarted_member_is_back() {
    for seed in 0..20 {
        for node in [0, 3] {
            let mut world = World::formed(seed, 8);
            let begin = world.now;
            world.kill(node);
            world.run_for(ms(seed * 100));
            world.restart(node, archipelago_core::Boot(2));
            world.run_while_not(SECOND * 12, World::is_mesh);
            assert_eq!(world.downs(node, begin).len(), 7, "seed={seed} node={node}");
            world.assert_events_in_order();
        }
    }
}

/// D2: a boot that went backwards is raised beyond what the group remembers.
#[test]
fn d2_a_start_with_an_older_boot_is_raised() {
    let mut world = World::formed(5, 5);
    world.kill(3);
    world.run_for(SECOND * 3);
    world.restart(3, archipelago_core::Boot(0));
    world.run_while_not(SECOND * 12, World::is_mesh);
    assert_eq!(world.nodes[3].boot, archipelago_core::Boot(2));
}

/// E5: who leaves is gone everywhere at once, and nothing brings it back.
#[test]
fn e5_a_member_that_left_stays_away() {
    for seed in 0..20 {
        let mut world = World::formed(seed, 10);
        let begin = world.now;
        world.leave(4);
        world.run_for(ms(200));
        let rest: Vec<usize> = (0..10).filter(|&node| node != 4).collect();
        assert!(world.is_mesh_of(&rest), "seed={seed}");
        world.run_for(Duration::from_secs(60));
        assert!(world.is_mesh_of(&rest), "seed={seed}");
        assert_eq!(world.downs(4, begin).len(), 9, "seed={seed}");
        world.assert_events_in_order();
    }
}
