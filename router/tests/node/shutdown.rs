//! The order of a shutdown (F19).

use archipelago_core::GroupId;
use archipelago_core::wire::{ByeReason, Control, GroupBody};
use archipelago_router::{CloseReason, Command, Output, Refused};

use super::world::{REALM, SECOND, World, config, group};

#[test]
fn a_shutdown_says_bye_and_then_it_is_over_f19() {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    world.connect(0, 1, None);
    world.run(SECOND);
    world.hosts[0].log.clear();
    world.command(0, Command::Shutdown);
    world.run(SECOND / 2);
    let said: Vec<Output> = world.hosts[0]
        .log
        .iter()
        .map(|(_, output)| output.clone())
        .collect();
    let session = archipelago_core::wire::SessionId {
        slot: 0,
        generation: 0,
    };
    let reason = ByeReason::Shutdown;
    assert_eq!(
        said,
        [
            Output::Send {
                session,
                message: Control::Bye(reason),
            },
            Output::Close {
                session,
                reason: CloseReason::Bye(reason),
            },
            Output::Stopped,
        ]
    );
    let refused = world.hosts[0]
        .node
        .handle_command(Command::Start, world.now, &mut Vec::new());
    assert_eq!(refused, Err(Refused::Stopping));
    assert_eq!(world.hosts[1].closes(), [CloseReason::Bye(reason)]);
}

#[test]
fn a_shutdown_does_not_wait_for_a_peer_that_says_nothing_f19() {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    world.connect(0, 1, None);
    world.run(SECOND);
    world.cuts.insert((0, 1));
    world.command(0, Command::Shutdown);
    world.run(2 * SECOND);
    assert!(
        world.hosts[0]
            .log
            .iter()
            .any(|(_, output)| *output == Output::Stopped)
    );
}

#[test]
fn every_leave_goes_before_every_bye_and_nobody_is_missed_f19() {
    let configs = (0..4).map(|index| config(index, &[group("a", &[0])]));
    let mut world = World::started(configs.collect());
    let id = GroupId::new(REALM, "a");
    world.run_until(10 * SECOND, |world| world.has_formed(id, &[0, 1, 2, 3]));
    world.run(SECOND);
    world.hosts[1].log.clear();
    world.command(1, Command::Shutdown);
    let said: Vec<&Control> = world.hosts[1]
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    let leave = Control::Group(id, GroupBody::Leave);
    let bye = Control::Bye(ByeReason::Shutdown);
    let expected = [&leave, &leave, &leave, &bye, &bye, &bye];
    assert_eq!(said, expected);
    world.run(SECOND / 2);
    let log = &world.hosts[1].log;
    assert_eq!(log.last().map(|(_, output)| output), Some(&Output::Stopped));
    assert_eq!(world.hosts[1].connections(), 0);
    world.run(20 * SECOND);
    assert!(world.has_formed(id, &[0, 2, 3]), "nothing adds it again");
}
