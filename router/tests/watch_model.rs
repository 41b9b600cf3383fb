//! Every interleaving of one watch across groups, by model checking (stateright).
//!
//! The model drives the product's own [`Watch`] of a watcher, a watched node and three reflectors
//! of its group. Channels between them are in order; one may be reset and lose all that is in it.
//! The process may end, the watched node and a reflector may crash at any point, the group's word
//! of a death reaches each reflector whenever it likes, and timers fire. Held in every state: I9 (a
//! monitor fires at most once, with a true reason), and from every state on, were letters to get
//! through: it fires if and only if its target has ended; without waiting for any timer where both
//! wardens had been asked and at most one of them is lost with the node.
//!
//! Each mutant lacks one rule, and must be caught; so the model can see what it is for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use archipelago_core::wire::{Exit, Locals, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid, Time};
use archipelago_router::watch::{
    EndReason, MonitorRef, Society, Target, Watch, WatchConfig, WatchLent, WatchOutput,
};
use stateright::{Checker, HasDiscoveries, Model, Property};

const WATCHER: usize = 0;
const WATCHED: usize = 1;
const NODES: usize = 5;
const GROUP: GroupId = GroupId([9; 16]);
const BOOT: Boot = Boot(1);
const PROCESS: LocalId = LocalId(7);
const MONITOR: MonitorRef = MonitorRef(1);

fn id(node: usize) -> NodeId {
    NodeId([node as u8; 32])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// A renewal does not reach the lease.
    LeaseNotRenewed,
    /// Only the first warden is asked.
    OneWarden,
    /// A monitor that fired is not forgotten, and renewed.
    NotForgotten,
    /// A warden tells of whom it does not hear from, without its group's word.
    WardenAlone,
}

#[derive(Clone, Debug)]
struct Watching {
    config: WatchConfig,
    /// Timers, crashed reflectors, and resets of channels, in all.
    left: Budget,
    mutant: Option<Mutant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: Time,
    watches: Vec<Watch>,
    crashed: BTreeSet<usize>,
    /// Which reflector heard which node declared dead.
    declared: BTreeSet<(usize, usize)>,
    network: BTreeMap<(usize, usize), VecDeque<WatchLetter>>,
    has_exited: bool,
    downs: Vec<EndReason>,
    /// Both wardens had been asked when the watched node crashed.
    was_guarded: bool,
    left: Budget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    ticks: u8,
    reflectors: u8,
    resets: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Deliver(usize, usize),
    Reset(usize, usize),
    Exit,
    Crash(usize),
    Declare { at: usize, dead: usize },
    Tick,
}

/// What one node knows of the watched node's group.
struct Seen<'a> {
    state: &'a BTreeSet<(usize, usize)>,
    at: usize,
}

impl Seen<'_> {
    fn is_member(&self) -> bool {
        self.at != WATCHER
    }

    fn alive(&self, node: usize) -> bool {
        node != WATCHER && node < NODES && !self.state.contains(&(self.at, node))
    }
}

impl Society for Seen<'_> {
    fn member(&self, node: &NodeId) -> Option<Boot> {
        self.member_of(GROUP, node).flatten()
    }

    fn member_of(&self, group: GroupId, node: &NodeId) -> Option<Option<Boot>> {
        (self.is_member() && group == GROUP)
            .then(|| self.alive(usize::from(node.0[0])).then_some(BOOT))
    }

    fn wardens(&self) -> Option<(GroupId, Vec<NodeId>)> {
        let alive = (WATCHED + 1..NODES).filter(|&node| self.alive(node));
        self.is_member().then(|| (GROUP, alive.map(id).collect()))
    }
}

impl Watching {
    fn new(mutant: Option<Mutant>, left: (u8, u8, u8)) -> Self {
        let config = WatchConfig {
            lease: Duration::from_secs(15),
            ..WatchConfig::default()
        };
        let (ticks, reflectors, resets) = left;
        let left = Budget {
            ticks,
            reflectors,
            resets,
        };
        Self {
            config,
            left,
            mutant,
        }
    }

    /// Gives one node an input, and does what it says.
    fn call(
        &self,
        state: &mut State,
        at: usize,
        call: impl FnOnce(&mut Watch, &WatchLent<'_>, &mut Vec<WatchOutput>),
    ) {
        let out = self.input(state, at, call);
        self.perform(state, at, out);
    }

    fn input(
        &self,
        state: &mut State,
        at: usize,
        call: impl FnOnce(&mut Watch, &WatchLent<'_>, &mut Vec<WatchOutput>),
    ) -> Vec<WatchOutput> {
        let mut out = Vec::new();
        let seen = Seen {
            state: &state.declared,
            at,
        };
        let lent = WatchLent {
            now: state.now,
            me: id(at),
            boot: BOOT,
            home: None,
            society: &seen,
            config: &self.config,
        };
        call(&mut state.watches[at], &lent, &mut out);
        out
    }

    fn perform(&self, state: &mut State, at: usize, out: Vec<WatchOutput>) {
        for output in out {
            match output {
                WatchOutput::Letter { to, letter, .. } => {
                    let to = usize::from(to.0[0]);
                    let queue = state.network.entry((at, to)).or_default();
                    queue.push_back(letter);
                }
                WatchOutput::Observe(local) if state.has_exited => {
                    let out = self.input(state, at, |watch, lent, out| {
                        watch.handle_ended(local, None, lent, out);
                    });
                    self.perform(state, at, out);
                }
                WatchOutput::Observe(_) | WatchOutput::Unobserve(_) => {}
                WatchOutput::Down { reason, .. } => self.on_down(state, reason),
            }
        }
    }

    fn on_down(&self, state: &mut State, reason: EndReason) {
        state.downs.push(reason);
        if self.mutant == Some(Mutant::NotForgotten) && state.downs.len() == 1 {
            self.monitor(state);
        }
    }

    fn monitor(&self, state: &mut State) {
        let pid = Pid {
            node: id(WATCHED),
            boot: BOOT,
            local: PROCESS,
            home: Some(GROUP),
        };
        self.call(state, WATCHER, |watch, lent, out| {
            let begun = watch.handle_monitor(MONITOR, Target::Process(pid), lent, out);
            begun.expect("below the limit");
        });
    }

    fn deliver(&self, state: &mut State, from: usize, to: usize) {
        let Some(queue) = state.network.get_mut(&(from, to)) else {
            return;
        };
        let Some(mut letter) = queue.pop_front() else {
            return;
        };
        if queue.is_empty() {
            state.network.remove(&(from, to));
        }
        if state.crashed.contains(&to) {
            return;
        }
        match (&mut letter, self.mutant) {
            (WatchLetter::Watch { seq, locals, .. }, Some(Mutant::LeaseNotRenewed)) if *seq > 1 => {
                *locals = Locals::new();
            }
            (WatchLetter::Guard { .. }, Some(Mutant::OneWarden)) if to != WATCHED + 1 => return,
            _ => {}
        }
        self.call(state, to, |watch, lent, out| {
            watch.handle_letter(id(from), BOOT, letter, lent, out);
        });
    }

    fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver(from, to) => self.deliver(state, from, to),
            Action::Reset(from, to) => {
                state.left.resets -= 1;
                state.network.remove(&(from, to));
                self.call(state, from, |watch, lent, out| {
                    watch.handle_lost(id(to), None, lent, out);
                });
            }
            Action::Exit => {
                state.has_exited = true;
                self.call(state, WATCHED, |watch, lent, out| {
                    watch.handle_ended(PROCESS, Some(&Exit::Normal), lent, out);
                });
            }
            Action::Crash(node) => {
                if node == WATCHED {
                    state.was_guarded = is_guarded(state);
                } else {
                    state.left.reflectors -= 1;
                }
                state.crashed.insert(node);
                state.network.retain(|&(from, _), _| from != node);
                if self.mutant == Some(Mutant::WardenAlone) && node != WATCHED {
                    self.declare(state, (WATCHED + 1..NODES).find(|at| *at != node), WATCHED);
                }
            }
            Action::Declare { at, dead } => self.declare(state, Some(at), dead),
            Action::Tick => {
                state.left.ticks -= 1;
                self.tick(state);
            }
        }
    }

    fn declare(&self, state: &mut State, at: Option<usize>, dead: usize) {
        let Some(at) = at else { return };
        state.declared.insert((at, dead));
        self.call(state, at, |watch, lent, out| {
            watch.handle_member_down(GROUP, (id(dead), BOOT), true, lent, out);
        });
    }

    /// The next timer of all fires.
    fn tick(&self, state: &mut State) {
        let alive: Vec<usize> = (0..NODES)
            .filter(|node| !state.crashed.contains(node))
            .collect();
        let due = |&node: &usize| state.watches[node].poll_timeout().map(|(at, _)| at);
        let Some(next) = alive.iter().filter_map(due).min() else {
            return;
        };
        state.now = state.now.max(next);
        for node in alive {
            self.call(state, node, |watch, lent, out| {
                watch.handle_timeout(lent, out);
            });
        }
    }

    /// Letters arrive and deaths are declared, until nothing is left to.
    fn settle(&self, state: &mut State) {
        loop {
            let mut actions = Vec::new();
            self.actions(state, &mut actions);
            let next = actions
                .into_iter()
                .find(|action| matches!(action, Action::Deliver(..) | Action::Declare { .. }));
            let Some(action) = next else { return };
            self.apply(state, action);
        }
    }

    fn is_told_in_the_end(&self, state: &State) -> bool {
        let mut state = state.clone();
        let has_ended = state.has_exited || state.crashed.contains(&WATCHED);
        self.settle(&mut state);
        if state.was_guarded
            && has_ended
            && !are_both_wardens_lost(&state)
            && state.downs.is_empty()
        {
            return false;
        }
        for _ in 0..24 {
            self.tick(&mut state);
            self.settle(&mut state);
        }
        state.downs.len() == usize::from(has_ended)
    }

    fn is_true(&self, state: &State) -> bool {
        state.downs.len() <= 1
            && state.downs.iter().all(|reason| match reason {
                EndReason::Exited(_) | EndReason::NoProc => state.has_exited,
                EndReason::NodeDown | EndReason::Unreachable => state.crashed.contains(&WATCHED),
                _ => false,
            })
    }
}

/// Two reflectors hold the watch of the node, and no word about that is under way.
fn is_guarded(state: &State) -> bool {
    let wardens = state.watches[WATCHER].wardens_of(&id(WATCHED));
    state.network.is_empty() && wardens.len() == 2
}

/// Both wardens are lost: then only the lease tells.
fn are_both_wardens_lost(state: &State) -> bool {
    let lost = state.crashed.iter().filter(|&&node| node > WATCHED);
    lost.count() > 1
}

impl Model for Watching {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            now: Time::START,
            watches: vec![Watch::default(); NODES],
            crashed: BTreeSet::new(),
            declared: BTreeSet::new(),
            network: BTreeMap::new(),
            has_exited: false,
            downs: Vec::new(),
            was_guarded: false,
            left: self.left,
        };
        self.monitor(&mut state);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for &(from, to) in state.network.keys() {
            actions.push(Action::Deliver(from, to));
            if state.left.resets > 0 {
                actions.push(Action::Reset(from, to));
            }
        }
        let is_alive = |node: &usize| !state.crashed.contains(node);
        if is_alive(&WATCHED) {
            actions.push(Action::Crash(WATCHED));
            if !state.has_exited {
                actions.push(Action::Exit);
            }
        }
        if state.left.reflectors > 0 {
            let reflectors = (WATCHED + 1..NODES).filter(is_alive);
            actions.extend(reflectors.map(Action::Crash));
        }
        for at in (WATCHED..NODES).filter(is_alive) {
            for &dead in &state.crashed {
                if !state.declared.contains(&(at, dead)) {
                    actions.push(Action::Declare { at, dead });
                }
            }
        }
        // A letter takes less than any timer, unless its channel was reset.
        if state.left.ticks > 0 && state.network.is_empty() {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.apply(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I9: once, and true", |model: &Self, state| {
                model.is_true(state)
            }),
            Property::always("it is told in the end", |model: &Self, state| {
                model.is_told_in_the_end(state)
            }),
            Property::sometimes("a warden tells", |_, state: &State| {
                state.was_guarded && state.downs == [EndReason::NodeDown]
            }),
        ]
    }
}

fn check(mutant: Option<Mutant>, left: (u8, u8, u8)) -> (usize, bool) {
    let model = Watching::new(mutant, left);
    let checker = model.checker().threads(1);
    let checker = match mutant {
        Some(_) => checker.finish_when(HasDiscoveries::AnyFailures),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let unique = checker.unique_state_count();
    let discoveries = checker.discoveries();
    let is_broken = discoveries.keys().any(|name| !name.starts_with("a warden"));
    if mutant.is_none() {
        for (name, path) in discoveries {
            assert!(
                name.starts_with("a warden"),
                "{name}: {:?}",
                path.into_actions()
            );
        }
    }
    println!("{mutant:?}: {unique} states");
    (unique, is_broken)
}

#[test]
fn i9_u8_every_interleaving_of_a_watch_tells_once() {
    // A reflector's crash, a lost channel, and timers: each with the node's crash and the exit.
    for left in [(0, 1, 0), (1, 0, 0), (0, 0, 1)] {
        let (states, is_broken) = check(None, left);
        assert!(states > 20, "{states} states");
        assert!(!is_broken);
    }
}

#[test]
fn i9_a_lease_that_is_not_renewed_is_caught() {
    assert!(check(Some(Mutant::LeaseNotRenewed), (4, 0, 0)).1);
}

#[test]
fn i9_a_second_warden_that_is_not_asked_is_caught() {
    assert!(check(Some(Mutant::OneWarden), (0, 1, 0)).1);
}

#[test]
fn i9_a_monitor_that_is_not_forgotten_is_caught() {
    assert!(check(Some(Mutant::NotForgotten), (0, 0, 0)).1);
}

#[test]
fn i9_a_warden_that_speaks_for_itself_is_caught() {
    assert!(check(Some(Mutant::WardenAlone), (0, 1, 0)).1);
}
