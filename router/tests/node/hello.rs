//! The first words between two nodes.

use archipelago_core::Boot;
use archipelago_core::wire::{ByeReason, Control, Hello, SessionId};
use archipelago_router::{CloseReason, Event, NodeConfig, Output};

use super::world::{SECOND, World, config};

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

#[test]
fn another_realm_is_refused() {
    let stranger = NodeConfig {
        realm: "elsewhere".into(),
        ..config(1, &[])
    };
    let mut world = World::started(vec![config(0, &[]), stranger]);
    world.connect(1, 0, None);
    world.run(SECOND);
    let refused = CloseReason::Bye(ByeReason::NotAdmitted);
    for host in &world.hosts {
        assert_eq!(host.closes(), [refused]);
        assert_eq!((host.connections(), host.node.sessions().len()), (0, 0));
    }
}

/// What node 0 says to a changed Hello of node 1.
fn answer_to(change: impl FnOnce(&mut Hello)) -> Vec<CloseReason> {
    let mut world = World::started(vec![config(0, &[]), config(1, &[])]);
    world.connect(1, 0, None);
    let hello = world.hosts[1]
        .log
        .iter()
        .find_map(|(_, output)| match output {
            Output::Send {
                message: Control::Hello(hello),
                ..
            } => Some(hello.clone()),
            _ => None,
        });
    let mut hello = hello.expect("the first word is a Hello");
    change(&mut hello);
    let session = SessionId {
        slot: 0,
        generation: 0,
    };
    world.inject(0, session, Control::Hello(hello));
    world.hosts[0].closes()
}

#[test]
fn a_hello_is_believed_only_as_far_as_it_is_signed_a6() {
    let refused = |reason| vec![CloseReason::Bye(reason)];
    assert_eq!(answer_to(|_| {}), []);
    assert_eq!(
        answer_to(|hello| hello.wire = (2, 9)),
        refused(ByeReason::Version)
    );
    assert_eq!(
        answer_to(|hello| hello.wire = (2, 1)),
        refused(ByeReason::Version)
    );
    assert_eq!(
        answer_to(|hello| hello.wire = (0, 0)),
        refused(ByeReason::Version)
    );
    assert_eq!(answer_to(|hello| hello.wire = (1, u16::MAX)), []);
    assert_eq!(
        answer_to(|hello| hello.boot = Boot(u64::MAX)),
        refused(ByeReason::Protocol)
    );
    let forge = |hello: &mut Hello| {
        let mut record = (*hello.record).clone();
        record.record.seq += 1;
        hello.record = std::sync::Arc::new(record);
    };
    assert_eq!(answer_to(forge), refused(ByeReason::Protocol));
    let steal = |hello: &mut Hello| {
        let mut record = (*hello.record).clone();
        record.record.node = archipelago_core::ToyCrypto::new(5).id();
        hello.record = std::sync::Arc::new(record);
    };
    assert_eq!(answer_to(steal), refused(ByeReason::Protocol));
}
