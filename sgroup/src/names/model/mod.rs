//! Names in directory mode, every interleaving of three members, by model checking (stateright).
//!
//! The model drives the product's own [`Names`] over the product's own [`Logs`]. Sessions are
//! queues in order; what is written leaves, what was sent arrives and time passes when the checker
//! likes. One session, any, may be cut once: what is in it is lost, either end may see that or not,
//! and when it is mended both ends say how far their logs go, as they do when they join.
//!
//! Held in every state: while nothing was cut, no two claims are ever confirmed (I3); members with the
//! same logs see the same holder (I4); and where nothing is under way any more, every question is
//! answered, one claim holds the name, and every other one that was confirmed was told so.
//!
//! Each mutant tampers at the model's edge, as a missing rule would, and must be caught.

mod world;

use std::collections::VecDeque;

use archipelago_core::wire::GroupBody;
use archipelago_core::{LocalId, Time};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Around, NameAct, NameOutput, NamesConfig, Registration};
use crate::log::LogOutput;
use crate::testing::TestNode;
use world::{Claim, MEMBERS, Said, Session, State, World, name, number, slot, with_node};

/// A rule that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// An acknowledgement counts at once, whatever its sender wrote before it.
    AckIsEnough,
    /// A member whose session is whole is not waited for either.
    NobodyAwaited,
    /// A better claim is not compared with one's own.
    RivalUnseen,
    /// Who finds its session mended does not say how far its log goes.
    HeadsUnsaid,
}

#[derive(Clone, Debug)]
struct Directory {
    /// Who may claim the name, once each.
    claimants: [bool; MEMBERS],
    /// Who may withdraw its claim.
    withdraws: bool,
    /// Between which two the session may be cut.
    cut: Option<(usize, usize)>,
    /// Whether what is due leaves at once, which spares the checker most orders of it.
    is_prompt: bool,
    /// How often time passes, by as much as a doubtful member is waited for.
    ticks: u8,
    mutant: Option<Mutant>,
}
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Claim(usize),
    Withdraw(usize),
    /// What is due leaves.
    Flush(usize),
    Deliver(usize, usize),
    Cut,
    /// One end of the cut session sees that it is.
    Notice(usize),
    Mend,
    Tick,
}
impl Directory {
    /// One member takes an input, and all that follows from it.
    fn step(
        &self,
        world: &mut World,
        me: usize,
        act: impl FnOnce(&mut State, &mut TestNode, &mut Vec<LogOutput>, &mut Vec<NameOutput>),
    ) {
        let (mut said, mut told) = (Vec::new(), Vec::new());
        let state = &mut world.members[me];
        with_node(me, world.now, |it| {
            act(state, it, &mut said, &mut told);
            for output in &said {
                self.on_log(state, it, output, &mut told);
            }
            let view = state.view(me, self.mutant);
            let mut cx = it.cx();
            let mut around = Around {
                logs: &mut state.logs,
                cx: &mut cx,
                out: &mut told,
            };
            state.names.settle(&view, &mut around);
        });
        state.on_told(told);
        if self.is_prompt {
            with_node(me, world.now, |it| {
                state.logs.handle_timeout(&it.cx(), &mut said)
            });
        }
        for output in said {
            if let LogOutput::Send { to, body } = output {
                world.send(self, me, number(to), Said::Body(body));
            }
        }
    }

    fn on_log(
        &self,
        state: &mut State,
        it: &mut TestNode,
        output: &LogOutput,
        told: &mut Vec<NameOutput>,
    ) {
        match output {
            LogOutput::Changed { owner, changes } if self.mutant != Some(Mutant::RivalUnseen) => {
                let mut cx = it.cx();
                let mut around = Around {
                    logs: &mut state.logs,
                    cx: &mut cx,
                    out: told,
                };
                state.names.handle_changes(*owner, changes, &mut around);
            }
            LogOutput::Acked { by, seq, head } => {
                let is_careless = self.mutant == Some(Mutant::AckIsEnough);
                let head = if is_careless { 0 } else { *head };
                state.names.handle_ack(*by, *seq, head);
            }
            LogOutput::Changed { .. } | LogOutput::Send { .. } => {}
        }
    }

    fn act(&self, world: &mut World, me: usize, act: NameAct) {
        self.step(world, me, |state, it, _, told| {
            let mut cx = it.cx();
            let mut around = Around {
                logs: &mut state.logs,
                cx: &mut cx,
                out: told,
            };
            state.names.handle_act(1, act, &mut around);
        });
    }

    fn deliver(&self, world: &mut World, from: usize, to: usize) {
        let Some(said) = world.wires[from][to].pop_front() else {
            return;
        };
        self.step(world, to, |state, it, out, _| {
            let (cx, logs, from) = (it.cx(), &mut state.logs, slot(from));
            match &said {
                Said::Head(head) => logs.handle_head(from, *head, &cx, out),
                Said::Body(GroupBody::Log(update)) => {
                    let taken = logs.handle_update(from, update, &cx, out);
                    assert!(taken.is_ok(), "a member keeps to the protocol");
                }
                Said::Body(GroupBody::LogAck(ack)) => {
                    logs.handle_ack(from, (&ack.mark, ack.head), &cx, out);
                }
                Said::Body(GroupBody::LogPull(pull)) => logs.handle_pull(from, pull, &cx, out),
                Said::Body(other) => unreachable!("logs do not send {other:?}"),
            }
        });
    }

    fn mend(&self, world: &mut World) {
        world.session = Session::Mended;
        let Some((one, other)) = self.cut else { return };
        for (me, peer) in [(one, other), (other, one)] {
            world.members[me].path_down[peer] = false;
            if self.mutant != Some(Mutant::HeadsUnsaid) {
                let head = world.members[me].logs.head();
                world.send(self, me, peer, Said::Head(head));
            }
        }
    }
}
impl Model for Directory {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: Time::from_micros(0),
            ticks_left: self.ticks,
            session: Session::Whole,
            members: (0..MEMBERS).map(|me| State::new(me, self)).collect(),
            wires: vec![vec![VecDeque::new(); MEMBERS]; MEMBERS],
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        for (me, state) in world.members.iter().enumerate() {
            if state.may_claim {
                actions.push(Act::Claim(me));
            }
            if state.may_withdraw && state.claim == Claim::Holds {
                actions.push(Act::Withdraw(me));
            }
            if world.is_flush_due(me) {
                actions.push(Act::Flush(me));
            }
            let wires = world.wires[me].iter().enumerate();
            let full = wires.filter(|(_, wire)| !wire.is_empty());
            actions.extend(full.map(|(to, _)| Act::Deliver(me, to)));
        }
        let Some((one, other)) = self.cut else { return };
        match world.session {
            Session::Whole => actions.push(Act::Cut),
            Session::Cut => {
                actions.push(Act::Mend);
                let ends = [(one, other), (other, one)].into_iter();
                let blind = ends.filter(|&(me, peer)| !world.members[me].path_down[peer]);
                actions.extend(blind.map(|(me, _)| Act::Notice(me)));
            }
            Session::Mended => {}
        }
        if world.ticks_left > 0 && world.session == Session::Cut {
            actions.push(Act::Tick);
        }
    }

    fn next_state(&self, before: &World, act: Act) -> Option<World> {
        let mut world = before.clone();
        match act {
            Act::Claim(me) => {
                let state = &mut world.members[me];
                (state.may_claim, state.claim) = (false, Claim::Waiting);
                let asked = Registration::new(name(), LocalId(9));
                self.act(&mut world, me, NameAct::Register(asked));
            }
            Act::Withdraw(me) => {
                let state = &mut world.members[me];
                (state.may_withdraw, state.claim) = (false, Claim::Withdrawn);
                self.act(&mut world, me, NameAct::Unregister { name: name() });
            }
            Act::Flush(me) => self.step(&mut world, me, |state, it, out, _| {
                state.logs.handle_timeout(&it.cx(), out);
            }),
            Act::Deliver(from, to) => self.deliver(&mut world, from, to),
            Act::Cut => {
                world.session = Session::Cut;
                if let Some((one, other)) = self.cut {
                    world.wires[one][other].clear();
                    world.wires[other][one].clear();
                }
            }
            Act::Notice(me) => {
                let (one, other) = self.cut?;
                let peer = if me == one { other } else { one };
                world.members[me].path_down[peer] = true;
                self.step(&mut world, me, |_, _, _, _| {});
            }
            Act::Mend => self.mend(&mut world),
            Act::Tick => {
                world.ticks_left -= 1;
                world.now = world.now.after(NamesConfig::default().grace);
                for me in 0..MEMBERS {
                    self.step(&mut world, me, |_, _, _, _| {});
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I3: one claim holds a name", |_, world: &World| {
                world.session != Session::Whole || world.is_held_by_one()
            }),
            Property::always("I4: the same logs, the same holder", |_, world: &World| {
                world.agrees()
            }),
            Property::always("all is answered in the end", |_, world: &World| {
                !world.is_quiet() || world.is_settled()
            }),
            Property::sometimes("somebody holds the name", |_, world: &World| {
                world.holding() == 1
            }),
            Property::sometimes("all has been said", |_, world: &World| {
                world.is_quiet()
                    && world
                        .members
                        .iter()
                        .all(|state| state.claim != Claim::Waiting && !state.may_claim)
            }),
        ]
    }
}

/// Two claim one name at once, and the third looks on.
fn two_claims() -> Directory {
    Directory {
        claimants: [true, true, false],
        withdraws: false,
        cut: None,
        is_prompt: false,
        ticks: 0,
        mutant: None,
    }
}

/// The same, and the session of this pair is cut at any time.
fn with_cut(one: usize, other: usize) -> Directory {
    Directory {
        cut: Some((one, other)),
        is_prompt: true,
        ticks: 1,
        ..two_claims()
    }
}

fn check(model: Directory) -> impl Checker<Directory> {
    let checker = model
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{states} states, depth {depth}");
    checker
}

#[test]
fn i3_i4_two_members_claim_a_name() {
    check(two_claims()).assert_properties();
}

#[test]
fn i3_i4_a_name_is_claimed_withdrawn_and_claimed() {
    let model = Directory {
        withdraws: true,
        ..two_claims()
    };
    check(model).assert_properties();
}

#[test]
fn i3_i4_the_session_of_the_claimants_is_cut() {
    check(with_cut(0, 1)).assert_properties();
}

#[test]
fn i3_i4_the_session_of_one_claimant_is_cut() {
    let model = Directory {
        ticks: 0,
        ..with_cut(1, 2)
    };
    check(model).assert_properties();
}

fn assert_caught(mutant: Mutant, model: Directory) {
    let checker = check(Directory {
        mutant: Some(mutant),
        ..model
    });
    let held = [
        "I3: one claim holds a name",
        "I4: the same logs, the same holder",
        "all is answered in the end",
    ];
    let caught = held
        .iter()
        .any(|property| checker.discovery(property).is_some());
    assert!(caught, "{mutant:?} goes unseen");
}

#[test]
fn the_mutant_that_takes_any_acknowledgement_is_caught() {
    assert_caught(Mutant::AckIsEnough, two_claims());
}

#[test]
fn the_mutant_that_awaits_nobody_is_caught() {
    assert_caught(Mutant::NobodyAwaited, two_claims());
}

#[test]
fn the_mutant_that_sees_no_rival_is_caught() {
    assert_caught(Mutant::RivalUnseen, two_claims());
}

#[test]
fn the_mutant_that_says_no_heads_is_caught() {
    assert_caught(Mutant::HeadsUnsaid, with_cut(0, 1));
}
