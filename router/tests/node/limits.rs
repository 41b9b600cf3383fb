//! What a peer may not do: its session is closed, never the node (A5).

use archipelago_core::GroupId;
use archipelago_core::wire::{ByeReason, Control, GroupBody, SessionId};
use archipelago_router::{CloseReason, Output, SessionEvent};

use super::world::{SECOND, World, config};

const FIRST: SessionId = SessionId {
    slot: 0,
    generation: 0,
};

fn connected() -> World {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    world.connect(0, 1, None);
    world.run(SECOND / 2);
    world
}

#[test]
fn a_word_before_the_hello_ends_the_session_a5() {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    let peer = world.id(1);
    let event = SessionEvent::Opened {
        session: FIRST,
        peer,
        dial: None,
    };
    let (now, mut out) = (world.now, Vec::new());
    let node = &mut world.hosts[0].node;
    node.handle_session(event, now, &mut out);
    assert!(matches!(
        out[..],
        [Output::Send {
            message: Control::Hello(_),
            ..
        }]
    ));
    out.clear();
    let mut batch = vec![Control::Ping(1), Control::Ping(2)];
    node.handle_messages(FIRST, &mut batch, now, &mut out);
    let reason = ByeReason::Protocol;
    assert_eq!(
        out,
        [
            Output::Send {
                session: FIRST,
                message: Control::Bye(reason),
            },
            Output::Close {
                session: FIRST,
                reason: CloseReason::Bye(reason),
            },
        ]
    );
    assert_eq!(batch, []);
}

#[test]
fn a_flood_of_tiny_messages_closes_the_session_and_not_the_node_a5() {
    let mut world = connected();
    for _ in 0..100_000 {
        world.inject(0, FIRST, Control::Ping(0));
    }
    let host = &world.hosts[0];
    assert_eq!(host.closes(), [CloseReason::Bye(ByeReason::Overloaded)]);
    assert_eq!(host.node.sessions(), []);
    world.connect(1, 0, None);
    world.run(SECOND);
    assert_eq!(world.hosts[0].node.sessions().len(), 1);
}

#[test]
fn messages_of_a_group_that_this_node_is_not_in_are_forgiven_only_for_a_while_a5() {
    let mut world = connected();
    let group = GroupId::new("test", "nobody's");
    for _ in 0..64 {
        world.inject(0, FIRST, Control::Group(group, GroupBody::Leave));
    }
    assert_eq!(world.hosts[0].closes(), []);
    world.inject(0, FIRST, Control::Group(group, GroupBody::Leave));
    let reason = CloseReason::Bye(ByeReason::Protocol);
    assert_eq!(world.hosts[0].closes(), [reason]);
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    let event = SessionEvent::Opened {
        session: FIRST,
        peer: world.id(1),
        dial: None,
    };
    let (now, mut out) = (world.now, Vec::new());
    let node = &mut world.hosts[0].node;
    node.handle_session(event, now, &mut out);
    let (due, _) = node.poll_timeout().unwrap();
    assert_eq!(due, now.after(5 * SECOND));
    out.clear();
    node.handle_timeout(due, &mut out);
    let reason = CloseReason::HelloTimeout;
    assert_eq!(
        out,
        [Output::Close {
            session: FIRST,
            reason,
        }]
    );
    let (due, why) = node.poll_timeout().unwrap();
    assert_eq!(why, "sweep");
    out.clear();
    node.handle_timeout(due, &mut out);
    assert_eq!(out, []);
    assert_eq!(node.poll_timeout(), None, "a node at rest has no timer");
}
