//! The first words between two nodes.

use archipelago_router::Event;

use super::world::{SECOND, World, config};
use archipelago_core::Boot;

#[test]
fn a_free_node_starts_with_its_own_boot_e0() {
    let world = World::started(vec![config(0, &[])]);
    let started = Event::Started { boot: Boot(1_000) };
    assert_eq!(world.hosts[0].events(), [started]);
}

#[test]
fn a_session_that_no_group_and_no_introduction_justifies_ends_d10() {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    world.connect(0, 1, None);
    world.run(SECOND);
    assert_eq!(world.hosts[0].node.sessions().len(), 1);
    world.run(20 * SECOND);
    assert_eq!(world.hosts[0].node.sessions(), []);
    assert_eq!(
        world.hosts[0].connections() + world.hosts[1].connections(),
        0
    );
}
