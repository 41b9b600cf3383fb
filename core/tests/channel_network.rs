//! Two channels over a network that does everything short of forging (U6, F18, I7).
//!
//! Any interleaving of sends, pulls, arrivals, losses, repetitions, sessions that open and close
//! at each end at its own time, restarts and full mailboxes: what is delivered is in order, whole
//! and once, gapless unless a loss was announced; and when a path stays up, everything arrives and
//! both ends come to rest.

mod channel_support;

use std::time::Duration;

use archipelago_core::channel::{Path, PathEvent};
use channel_support::small_config;
use channel_support::world::{Heal, World};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Send {
        at: usize,
        flow: u64,
        len: usize,
    },
    Pump {
        at: usize,
        bytes_max: usize,
    },
    RelayArrives {
        at: usize,
        index: usize,
        repeats: bool,
    },
    RelayLost {
        at: usize,
        index: usize,
    },
    DirectArrives {
        at: usize,
        index: usize,
    },
    Relay {
        at: usize,
        is_attached: bool,
    },
    Open,
    Attach {
        at: usize,
    },
    Close {
        index: usize,
        keep: usize,
    },
    HearClosed {
        at: usize,
    },
    Mailbox {
        at: usize,
        to: u64,
        is_full: bool,
    },
    Tick {
        millis: u64,
    },
    Restart {
        at: usize,
    },
    Forget {
        at: usize,
    },
    GiveUp {
        at: usize,
    },
}

fn calm_step() -> impl Strategy<Value = Step> {
    let at = 0..2usize;
    let index = 0..8usize;
    prop_oneof![
        8 => (at.clone(), 0..3u64, 4..=100usize)
            .prop_map(|(at, flow, len)| Step::Send { at, flow, len }),
        12 => (at.clone(), prop_oneof![Just(1usize), Just(120), Just(1000)])
            .prop_map(|(at, bytes_max)| Step::Pump { at, bytes_max }),
        8 => (at.clone(), index.clone(), any::<bool>())
            .prop_map(|(at, index, repeats)| Step::RelayArrives { at, index, repeats }),
        3 => (at.clone(), index.clone()).prop_map(|(at, index)| Step::RelayLost { at, index }),
        12 => (at.clone(), index.clone())
            .prop_map(|(at, index)| Step::DirectArrives { at, index }),
        2 => (at.clone(), any::<bool>())
            .prop_map(|(at, is_attached)| Step::Relay { at, is_attached }),
        2 => Just(Step::Open),
        4 => at.clone().prop_map(|at| Step::Attach { at }),
        1 => (index, 0..3usize).prop_map(|(index, keep)| Step::Close { index, keep }),
        2 => at.clone().prop_map(|at| Step::HearClosed { at }),
        2 => (at, 0..2u64, any::<bool>())
            .prop_map(|(at, to, is_full)| Step::Mailbox { at, to, is_full }),
        3 => prop_oneof![Just(50u64), Just(1_000), Just(20_000)]
            .prop_map(|millis| Step::Tick { millis }),
    ]
}

fn rough_step() -> impl Strategy<Value = Step> {
    let at = 0..2usize;
    prop_oneof![
        30 => calm_step(),
        1 => at.clone().prop_map(|at| Step::Restart { at }),
        1 => at.clone().prop_map(|at| Step::GiveUp { at }),
        2 => at.prop_map(|at| Step::Forget { at }),
    ]
}

fn heal() -> impl Strategy<Value = Heal> {
    prop_oneof![
        Just(Heal::NewSession),
        Just(Heal::SurvivingSessions),
        Just(Heal::Relay)
    ]
}

fn take(world: &mut World, step: &Step) {
    match *step {
        // Two mailboxes on each side, three flows between them.
        Step::Send { at, flow, len } => {
            let _ = world.send(at, flow, flow % 2, len);
        }
        Step::Pump { at, bytes_max } => {
            world.pump(at, bytes_max);
        }
        Step::RelayArrives { at, index, repeats } => {
            world.deliver_relayed(at, index, repeats);
        }
        Step::RelayLost { at, index } => world.lose_relayed(at, index),
        Step::DirectArrives { at, index } => {
            world.deliver_direct(at, index);
        }
        Step::Relay {
            at,
            is_attached: true,
        } => {
            world.path(at, PathEvent::Attached(Path::Relay));
        }
        Step::Relay { at, .. } => world.path(at, PathEvent::Detached(Path::Relay)),
        Step::Open => {
            world.open();
        }
        Step::Attach { at } => {
            world.attach(at);
        }
        Step::Close { index, keep } => world.close(index, keep),
        Step::HearClosed { at } => world.detach_closed(at),
        Step::Mailbox { at, to, is_full } => world.mailbox(at, to, is_full),
        Step::Tick { millis } => world.tick(Duration::from_millis(millis)),
        Step::Restart { at } => world.restart(at),
        Step::Forget { at } => world.forget(at),
        Step::GiveUp { at } => world.give_up(at),
    }
}

fn check_rest(world: &mut World) {
    let boots = [world.ends[0].boot, world.ends[1].boot];
    for at in 0..2 {
        let end = &mut world.ends[at];
        end.account.check_complete(boots[at], boots[1 - at]);
        let stats = end.channel.stats();
        let held = (stats.queued_bytes, stats.unacked_bytes, stats.held_bytes);
        assert_eq!(held, (0, 0, 0), "bytes are left at rest");
    }
}

/// 1,500 cases each, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    let cases = if asked { default.cases } else { 1_500 };
    ProptestConfig { cases, ..default }
}

proptest! {
    #![proptest_config(config())]

    /// U6: without restarts nothing at all may be lost, whatever the paths do.
    #[test]
    fn all_is_delivered_in_order_and_once_over_any_paths(
        steps in prop::collection::vec(calm_step(), 1..150),
        heal in heal(),
    ) {
        let mut world = World::new(small_config());
        for step in &steps {
            take(&mut world, step);
        }
        world.heal(heal);
        world.run_to_rest();
        check_rest(&mut world);
        prop_assert!(world.ends.iter().all(|end| end.account.announced() == 0));
    }

    /// U6, I8: a restart of either end loses only what the sender is told of.
    #[test]
    fn a_restart_or_a_forgotten_channel_loses_only_what_is_announced(
        steps in prop::collection::vec(rough_step(), 1..150),
        heal in heal(),
    ) {
        let mut world = World::new(small_config());
        for step in &steps {
            take(&mut world, step);
        }
        world.heal(heal);
        world.run_to_rest();
        check_rest(&mut world);
    }
}
