//! A model check of look-ups across tiers while a reflector crashes: the product's own `Lookups` at
//! every node, every order of deliveries, one crash at any point (U25, F7, V5).
//!
//! ```text
//!   parent    r1 r2 ······ s1 s2        asker's group: r1, r2 lead up to the parent
//!   leaves  asker            target     target's group: s1, s2 lead up to the parent
//! ```
//! A state is the actions that led to it; two states are one if all machines and all messages are.
//! Mutants that must fail: one that asks a single reflector, and one whose map lets a question
//! that came down climb again.
#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "route/kit.rs"]
#[allow(dead_code, reason = "shared with the handler tests")]
mod kit;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use archipelago_core::wire::{Heading, Lookup, LookupReply, RouteBody};
use archipelago_core::{Boot, GroupId, NodeId, Peer, Peers, Roles, Time};
use archipelago_router::lookup::{LookupConfig, LookupOutput, Lookups};
use archipelago_router::{Hop, Membership, Routes, Standing};
use kit::{Bench, Map, group, node, record};
use stateright::{Checker, Model, Property};

const ASKER: u64 = 0;
const UP: [u64; 2] = [1, 2];
const DOWN: [u64; 2] = [3, 4];
const TARGET: u64 = 5;
const HOME: u64 = 7;

/// What is wrong with the machines, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// Asks one reflector only.
    OneTry,
    /// Reflectors of the target's group know nothing of it, and hand what came down up again.
    Climbs,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The oldest message from one node to another arrives: sessions keep the order.
    Deliver(u64, u64),
    /// Its sessions close.
    Crash(u64),
    /// Its sessions stay, and are silent.
    Stop(u64),
    /// Time passes until this node's next timer; only when no message is under way.
    Wake(u64),
}

/// A path to a state, and the state's fingerprint.
#[derive(Clone, Debug)]
struct Run {
    actions: Vec<Action>,
    print: String,
    found: usize,
    failed: usize,
    longest: u8,
    is_over: bool,
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Eq for Run {}

impl Hash for Run {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.print.hash(state);
    }
}

/// A node's map: as `Map`, with headings as the hierarchy gives them.
struct Tiered {
    map: Map,
    number: u64,
    mutant: Mutant,
}

impl Routes for Tiered {
    fn standing(&self, group: GroupId) -> Option<Standing> {
        self.map.standing(group)
    }
    fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership {
        self.map.membership(group, node, peers)
    }
    fn common_groups(&self, peer: Peer) -> Vec<GroupId> {
        self.map.common_groups(peer)
    }
    fn members(&self, group: GroupId) -> Vec<Peer> {
        self.map.members(group)
    }
    fn reflectors(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        self.map.reflectors(group, peers)
    }
    fn next_hops(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        self.map.next_hops(group, peers)
    }
    fn hops(&self, group: GroupId, heading: Option<Heading>, peers: &Peers) -> Vec<Hop> {
        let heading = match heading {
            None => Heading::Up(0),
            Some(Heading::Up(0)) => Heading::Down(1),
            _ if self.mutant == Mutant::Climbs => Heading::Up(0),
            _ => return Vec::new(),
        };
        let _ = self.number;
        let next_hops = self.next_hops(group, peers).into_iter();
        next_hops.map(|peer| Hop { peer, heading }).collect()
    }
    fn reflects(&self) -> bool {
        self.map.reflects
    }
    fn is_reflector(&self, peer: Peer) -> bool {
        self.map.is_reflector(peer)
    }
}

struct Machine {
    bench: Bench,
    routes: Tiered,
    lookups: Lookups,
}

/// Everything, replayed.
struct Stage {
    machines: BTreeMap<u64, Machine>,
    /// By sender and receiver, oldest first.
    flying: BTreeMap<(u64, u64), Vec<RouteBody>>,
    now: Time,
    stopped: Option<u64>,
    run: Run,
}

struct Tiers {
    mutant: Mutant,
}

fn links(number: u64) -> Vec<u64> {
    match number {
        ASKER => UP.to_vec(),
        1 | 2 => vec![ASKER, UP[(number % 2) as usize], 3, 4],
        3 | 4 => vec![1, 2, if number == 3 { 4 } else { 3 }, TARGET],
        _ => Vec::new(),
    }
}

fn machine(number: u64, mutant: Mutant) -> Machine {
    let mut bench = Bench::new(number);
    let peers: BTreeMap<u64, Peer> = links(number)
        .into_iter()
        .map(|other| {
            let roles = if other == ASKER || other == TARGET {
                Roles::default()
            } else {
                Roles::REFLECTOR
            };
            (other, bench.know(other, roles, &[HOME]))
        })
        .collect();
    let is_reflector = number != ASKER;
    let mut map = Map {
        reflects: is_reflector,
        reflectors: peers
            .iter()
            .filter(|(n, _)| (1..5).contains(*n))
            .map(|(_, &p)| p)
            .collect(),
        ..Map::default()
    };
    let next: Vec<u64> = match number {
        ASKER => UP.to_vec(),
        1 | 2 => DOWN.to_vec(),
        _ => UP.to_vec(),
    };
    map.next_hops
        .insert(group(HOME), next.iter().map(|n| peers[n]).collect());
    if DOWN.contains(&number) && mutant != Mutant::Climbs {
        let other = if number == 3 { 4 } else { 3 };
        map.enter(group(HOME), false, &[peers[&TARGET], peers[&other]]);
    }
    let config = LookupConfig {
        tries_max: if mutant == Mutant::OneTry { 1 } else { 3 },
        ..LookupConfig::default()
    };
    let roles = if is_reflector {
        Roles::REFLECTOR
    } else {
        Roles::default()
    };
    Machine {
        lookups: Lookups::new(Arc::new(config), record(number, (1, 1), roles, &[HOME])),
        routes: Tiered {
            map,
            number,
            mutant,
        },
        bench,
    }
}

impl Stage {
    fn new(mutant: Mutant) -> Self {
        let machines = (ASKER..=4).map(|number| (number, machine(number, mutant)));
        let run = Run {
            actions: Vec::new(),
            print: String::new(),
            found: 0,
            failed: 0,
            longest: 0,
            is_over: false,
        };
        let mut stage = Self {
            machines: machines.collect(),
            flying: BTreeMap::new(),
            now: Time::from_micros(1),
            stopped: None,
            run,
        };
        stage.with(ASKER, |lookups, routes, bench, out| {
            let since = (Boot(0), 0);
            lookups.handle_locate(
                node(TARGET),
                group(HOME),
                since,
                routes,
                &mut bench.cx(),
                out,
            );
        });
        stage
    }

    fn replay(mutant: Mutant, actions: &[Action]) -> Self {
        let mut stage = Self::new(mutant);
        for action in actions {
            stage.act(action);
            stage.lose();
        }
        stage.run.actions = actions.to_vec();
        stage.close();
        stage
    }

    fn with(
        &mut self,
        number: u64,
        call: impl FnOnce(&mut Lookups, &Tiered, &mut Bench, &mut Vec<LookupOutput>),
    ) {
        let Some(machine) = self.machines.get_mut(&number) else {
            return;
        };
        machine.bench.now = self.now;
        let mut out = Vec::new();
        call(
            &mut machine.lookups,
            &machine.routes,
            &mut machine.bench,
            &mut out,
        );
        let names: BTreeMap<Peer, u64> = (0..=TARGET)
            .filter_map(|n| Some((machine.bench.peers.find(&node(n))?, n)))
            .collect();
        for output in out {
            match output {
                LookupOutput::Send { to, body } => {
                    if let RouteBody::Lookup(lookup) = &body {
                        self.run.longest = self.run.longest.max(32 - lookup.hops);
                    }
                    self.flying
                        .entry((number, names[&to]))
                        .or_default()
                        .push(body);
                }
                LookupOutput::Found(_) => self.run.found += 1,
                LookupOutput::Failed { .. } | LookupOutput::Moved { .. } => self.run.failed += 1,
            }
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Deliver(from, to) => {
                let queue = self.flying.get_mut(&(from, to)).unwrap();
                let body = queue.remove(0);
                if queue.is_empty() {
                    self.flying.remove(&(from, to));
                }
                self.deliver(from, to, body);
            }
            Action::Crash(victim) => {
                self.machines.remove(&victim);
                self.flying
                    .retain(|&(from, to), _| from != victim && to != victim);
                for other in links(victim) {
                    self.with(other, |lookups, routes, bench, out| {
                        let peer = bench.peers.find(&node(victim)).unwrap();
                        bench.disconnect(peer);
                        lookups.handle_session_closed(peer, routes, &mut bench.cx(), out);
                    });
                }
            }
            Action::Stop(victim) => {
                self.machines.remove(&victim);
                self.stopped = Some(victim);
                self.lose();
            }
            Action::Wake(number) => {
                let due = self.machines[&number].lookups.poll_timeout().unwrap().0;
                self.now = self.now.max(due);
                self.with(number, |lookups, routes, bench, out| {
                    lookups.handle_timeout(routes, &mut bench.cx(), out);
                });
            }
        }
    }

    /// Nobody reads what is sent to a node that stopped.
    fn lose(&mut self) {
        let stopped = self.stopped;
        self.flying
            .retain(|&(from, to), _| Some(from) != stopped && Some(to) != stopped);
    }

    fn deliver(&mut self, from: u64, to: u64, body: RouteBody) {
        self.with(to, |lookups, routes, bench, out| {
            let peer = bench.peers.find(&node(from)).unwrap();
            match body {
                RouteBody::Lookup(lookup) => {
                    let lookup: Lookup = *lookup;
                    lookups.handle_lookup(peer, lookup, routes, &mut bench.cx(), out);
                }
                RouteBody::LookupReply(reply) => {
                    let reply: LookupReply = *reply;
                    lookups.handle_reply(peer, reply, routes, &mut bench.cx(), out);
                }
                _ => {}
            }
        });
    }

    /// What tells this state from others. Times are left out where nothing waits for them.
    fn close(&mut self) {
        let machines: Vec<_> = self
            .machines
            .iter()
            .map(|(number, machine)| (number, &machine.lookups))
            .collect();
        let (found, failed) = (self.run.found, self.run.failed);
        self.run.print = format!("{machines:?} {:?} {found} {failed}", self.flying);
        self.run.is_over = self.flying.is_empty() && found + failed > 0;
    }

    fn actions(&self) -> Vec<Action> {
        let deliveries = self
            .flying
            .keys()
            .map(|&(from, to)| Action::Deliver(from, to));
        let mut actions: Vec<Action> = deliveries.collect();
        let is_whole = self.machines.len() == 5;
        let alive: BTreeSet<u64> = self.machines.keys().copied().collect();
        if is_whole {
            actions.extend((1..5).map(Action::Crash));
            actions.extend((1..5).map(Action::Stop));
        }
        if self.flying.is_empty() && self.run.found + self.run.failed == 0 {
            let waiting = alive.into_iter().filter_map(|number| {
                Some((self.machines[&number].lookups.poll_timeout()?.0, number))
            });
            actions.extend(waiting.min().map(|(_, number)| Action::Wake(number)));
        }
        actions
    }
}

impl Model for Tiers {
    type State = Run;
    type Action = Action;

    fn init_states(&self) -> Vec<Run> {
        vec![Stage::replay(self.mutant, &[]).run]
    }

    fn actions(&self, state: &Run, actions: &mut Vec<Action>) {
        if !state.is_over && state.longest < 12 {
            actions.extend(Stage::replay(self.mutant, &state.actions).actions());
        }
    }

    fn next_state(&self, state: &Run, action: Action) -> Option<Run> {
        let mut actions = state.actions.clone();
        actions.push(action);
        Some(Stage::replay(self.mutant, &actions).run)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("V5: while a path lives, nothing fails", |_, run: &Run| {
                run.failed == 0
            }),
            Property::always("one answer", |_, run: &Run| run.found <= 1),
            Property::always("U22: nothing circles", |_, run: &Run| run.longest <= 1),
            Property::sometimes("found", |_, run: &Run| run.found == 1),
        ]
    }
}

fn check(mutant: Mutant) -> impl Checker<Tiers> {
    Tiers { mutant }.checker().spawn_bfs().join()
}

#[test]
fn u25_a_look_up_across_tiers_survives_the_crash_of_any_reflector_at_any_point() {
    let checker = check(Mutant::None);
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("{states} states");
    assert!(states > 50, "{states}");
}

#[test]
fn the_mutant_that_asks_one_reflector_fails() {
    let checker = check(Mutant::OneTry);
    checker.assert_any_discovery("V5: while a path lives, nothing fails");
}

#[test]
fn the_mutant_that_lets_what_came_down_climb_again_circles() {
    let checker = check(Mutant::Climbs);
    checker.assert_any_discovery("U22: nothing circles");
}
