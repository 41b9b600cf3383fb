//! The order of a shutdown (F19).

use archipelago_core::wire::{ByeReason, Control};
use archipelago_router::{CloseReason, Command, Output, Refused};

use super::world::{SECOND, World, config};

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
