//! Every interleaving of a small world of owner-logs, by model checking (stateright).
//!
//! The model drives the product's own [`OwnLog`] and [`PeerLog`] through their public inputs. Its
//! network keeps every message: each may arrive at any time, any number of times, or never. Owners
//! put, delete, restart with nothing and return in a later era; replicas restart with nothing and
//! ask. One deletion is remembered and one entry fits a message, so two deletions make snapshots of
//! several pages. Held in every state: I1 (by the [`Witness`]), and V1: were messages to get
//! through from there on, the replica would become equal.
//!
//! Each mutant tampers with messages at the model's edge, as a missing check would, and must be
//! caught; so the model can see what it is for.

mod log_support;

use std::hash::{Hash, Hasher};

use archipelago_core::wire::{LogPull, LogUpdate};
use archipelago_core::{Boot, Era, NodeId, Peer};
use archipelago_sgroup::log::{LogConfig, PeerLog};
use log_support::{Owner, Witness, tiny};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// A world: each replica is of one owner, given by its index.
#[derive(Clone, Debug)]
struct Logs {
    config: LogConfig,
    keys: u8,
    owners: usize,
    /// For each replica, the index of the owner.
    replicas: Vec<usize>,
    /// Writes, messages, and restarts or new eras, in all.
    budget: Budget,
    /// Whether a question may arrive late and repeatedly, or is answered when asked.
    questions: Questions,
    /// What the replicas have at first.
    start: Start,
    mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Questions {
    AnsweredAtOnce,
    UnderWay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    writes: u8,
    messages: u8,
    restarts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Empty,
    CaughtUp,
}

/// A check that is missing.
#[derive(Clone, Copy, Debug)]
enum Mutant {
    /// What start and era a message is of is not looked at.
    EraForgotten,
    /// A delta is applied wherever it begins.
    GapUnseen,
    /// A page is taken for the next one wherever it begins.
    PageUnordered,
    /// Below the floor a delta is sent instead of a snapshot.
    FloorForgotten,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    owners: Vec<Owner>,
    replicas: Vec<(PeerLog, Witness)>,
    /// Ordered by nothing but when they were sent: any may arrive.
    network: Vec<Message>,
    left: Budget,
    broken: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    /// To the replica of this index.
    Update(usize, LogUpdate),
    /// From the replica of this index.
    Pull(usize, LogPull),
}

impl Hash for Message {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The wire types need no hash but here; what is left out differs seldom.
        match self {
            Self::Pull(replica, pull) => {
                (
                    replica,
                    pull.mark.boot,
                    pull.mark.era,
                    pull.mark.seq,
                    &pull.after,
                )
                    .hash(state);
            }
            Self::Update(replica, update) => {
                (
                    replica,
                    update.boot,
                    update.era,
                    update.from_seq,
                    update.to_seq,
                )
                    .hash(state);
                (&update.range_after, &update.range_to, update.snapshot).hash(state);
                for entry in update.entries.iter() {
                    (entry.seq, &entry.key, &entry.value).hash(state);
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Put(usize, u8),
    Delete(usize, u8),
    Restart(usize),
    RaiseEra(usize),
    /// The owner sends the newest write to one that may lack what came before.
    Push(usize),
    Ask(usize),
    Forget(usize),
    Arrive(usize),
}

fn id(owner: usize) -> NodeId {
    NodeId([u8::try_from(owner).unwrap_or(u8::MAX); 32])
}

fn fresh() -> PeerLog {
    PeerLog::new(Peer(0), Boot(1), Era(0))
}

impl Logs {
    fn push(&self, world: &mut World, replica: usize) {
        let log = &world.owners[self.replicas[replica]].log;
        let update = log.page_from(log.head().saturating_sub(1), &[], &self.config);
        world.send(update.map(|update| Message::Update(replica, update)));
    }

    fn answer(&self, owner: &Owner, pull: &LogPull) -> Option<LogUpdate> {
        let log = &owner.log;
        let answer = log.page(pull, &self.config)?;
        if answer.snapshot && matches!(self.mutant, Some(Mutant::FloorForgotten)) {
            let mut delta = log.page_from(log.floor(), &[], &self.config)?;
            delta.from_seq = pull.mark.seq;
            return Some(delta);
        }
        Some(answer)
    }

    fn arrive(&self, world: &mut World, message: &Message) {
        match message {
            Message::Pull(replica, pull) => {
                let owner = &world.owners[self.replicas[*replica]];
                let answer = self.answer(owner, pull);
                world.send(answer.map(|update| Message::Update(*replica, update)));
            }
            Message::Update(replica, update) => {
                let owner = &world.owners[self.replicas[*replica]];
                world.broken = self.apply(owner, &mut world.replicas[*replica], update);
            }
        }
    }

    /// What is broken by it, if anything.
    fn apply(
        &self,
        owner: &Owner,
        (log, witness): &mut (PeerLog, Witness),
        update: &LogUpdate,
    ) -> Option<&'static str> {
        let update = self.tamper(update, log);
        if log.apply(&update, &self.config, &mut Vec::new()).is_err() {
            return Some("an owner's own update is refused");
        }
        witness.look(log, owner, self.keys).err()
    }

    fn tamper(&self, update: &LogUpdate, log: &PeerLog) -> LogUpdate {
        let mut update = update.clone();
        match self.mutant {
            Some(Mutant::EraForgotten) => (update.boot, update.era) = log.epoch(),
            Some(Mutant::GapUnseen) if !update.snapshot => {
                update.from_seq = update.from_seq.min(log.applied());
            }
            Some(Mutant::PageUnordered) if update.snapshot => {
                let expected = log.pull(id(0)).after;
                if update.range_to.as_ref().is_none_or(|to| *to > expected) {
                    update.range_after = expected;
                }
            }
            _ => {}
        }
        update
    }

    /// Whether the replica becomes equal when every question is answered at once.
    fn heals(&self, world: &World, replica: usize) -> bool {
        let owner = &world.owners[self.replicas[replica]];
        self.ask_all(
            owner,
            id(self.replicas[replica]),
            world.replicas[replica].clone(),
        )
        .is_some_and(|(log, _)| owner.is_shown_by(&log))
    }

    fn catch_up(&self, world: &mut World, replica: usize) {
        let of = self.replicas[replica];
        let healed = self.ask_all(&world.owners[of], id(of), world.replicas[replica].clone());
        world.replicas[replica] = healed.unwrap_or((fresh(), Witness::default()));
    }

    /// The replica when the owner has no more to say; `None` if it never ends or breaks.
    fn ask_all(
        &self,
        owner: &Owner,
        name: NodeId,
        mut replica: (PeerLog, Witness),
    ) -> Option<(PeerLog, Witness)> {
        let (boot, era) = owner.log.epoch();
        // A later start is told by the view, too.
        replica.0.on_epoch(boot, era, &mut Vec::new());
        for _ in 0..50 {
            let Some(update) = self.answer(owner, &replica.0.pull(name)) else {
                return Some(replica);
            };
            if self.apply(owner, &mut replica, &update).is_some() {
                return None;
            }
        }
        None
    }
}

impl World {
    fn send(&mut self, message: Option<Message>) {
        let Some(message) = message else { return };
        if self.left.messages > 0 && !self.network.contains(&message) {
            self.left.messages -= 1;
            self.network.push(message);
        }
    }
}

impl Model for Logs {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut first = World {
            owners: vec![Owner::new(); self.owners],
            replicas: vec![(fresh(), Witness::default()); self.replicas.len()],
            network: Vec::new(),
            left: self.budget,
            broken: None,
        };
        for owner in &mut first.owners {
            (0..self.keys).for_each(|key| owner.put(key, &self.config));
        }
        for replica in 0..self.replicas.len() {
            if self.start == Start::CaughtUp {
                self.catch_up(&mut first, replica);
            }
        }
        vec![first]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        if world.broken.is_some() {
            return;
        }
        for owner in 0..self.owners {
            if world.left.writes > 0 {
                actions.extend((0..self.keys).map(|key| Step::Put(owner, key)));
                actions.extend((0..self.keys).map(|key| Step::Delete(owner, key)));
            }
            if world.left.restarts > 0 {
                actions.extend([Step::Restart(owner), Step::RaiseEra(owner)]);
            }
        }
        for replica in 0..self.replicas.len() {
            if world.left.messages > 0 {
                actions.extend([Step::Push(replica), Step::Ask(replica)]);
            }
            if world.left.restarts > 0 {
                actions.push(Step::Forget(replica));
            }
        }
        actions.extend((0..world.network.len()).map(Step::Arrive));
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Put(owner, key) => {
                world.left.writes -= 1;
                world.owners[owner].put(key, &self.config);
            }
            Step::Delete(owner, key) => {
                world.left.writes -= 1;
                world.owners[owner].delete(key, &self.config);
            }
            Step::Restart(owner) => {
                world.left.restarts -= 1;
                world.owners[owner].restart();
            }
            Step::RaiseEra(owner) => {
                world.left.restarts -= 1;
                world.owners[owner].raise_era();
            }
            Step::Push(replica) => self.push(&mut world, replica),
            Step::Ask(replica) => {
                let pull = world.replicas[replica].0.pull(id(self.replicas[replica]));
                let question = Message::Pull(replica, pull);
                if self.questions == Questions::UnderWay {
                    world.send(Some(question));
                } else {
                    self.arrive(&mut world, &question);
                }
            }
            Step::Forget(replica) => {
                world.left.restarts -= 1;
                world.replicas[replica] = (fresh(), Witness::default());
            }
            Step::Arrive(index) => {
                let message = world.network[index].clone();
                self.arrive(&mut world, &message);
            }
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("a replica never goes back", |_, world: &World| {
                world.broken.is_none()
            }),
            Property::always(
                "a replica can become equal",
                |model: &Self, world: &World| {
                    let mut replicas = 0..model.replicas.len();
                    world.broken.is_some() || replicas.all(|replica| model.heals(world, replica))
                },
            ),
            Property::sometimes(
                "a snapshot of several pages is under way",
                |_, world: &World| {
                    world.network.iter().any(|message| {
                        matches!(message, Message::Update(_, update)
                        if update.snapshot && update.range_to.is_some())
                    })
                },
            ),
        ];
        if self.budget.restarts > 0 {
            properties.push(Property::sometimes(
                "a replica is in its owner's second boot",
                |_, world: &World| {
                    let mut replicas = world.replicas.iter();
                    replicas.any(|(log, _)| log.epoch().0 == Boot(2) && log.applied() > 0)
                },
            ));
        }
        properties
    }
}

/// One owner, one replica, pages of snapshots in every interleaving with writes.
fn one_owner() -> Logs {
    Logs {
        config: LogConfig {
            deletions_max: 0,
            ..tiny()
        },
        keys: 3,
        owners: 1,
        replicas: vec![0],
        budget: Budget {
            writes: 2,
            messages: 4,
            restarts: 0,
        },
        questions: Questions::AnsweredAtOnce,
        start: Start::Empty,
        mutant: None,
    }
}

/// The same with a replica that has everything at first, more writes and fewer messages.
fn caught_up() -> Logs {
    Logs {
        budget: Budget {
            writes: 3,
            messages: 3,
            restarts: 0,
        },
        start: Start::CaughtUp,
        ..one_owner()
    }
}

/// The same with less of it, and with a restart of either or a new era.
fn restarts() -> Logs {
    Logs {
        budget: Budget {
            writes: 2,
            messages: 3,
            restarts: 1,
        },
        ..one_owner()
    }
}

/// The same with questions that come late.
fn late_questions() -> Logs {
    Logs {
        budget: Budget {
            writes: 2,
            messages: 5,
            restarts: 0,
        },
        questions: Questions::UnderWay,
        ..one_owner()
    }
}

/// Two nodes, each with its own log and a replica of the other's.
fn two_owners() -> Logs {
    Logs {
        owners: 2,
        replicas: vec![1, 0],
        budget: Budget {
            writes: 2,
            messages: 2,
            restarts: 0,
        },
        ..one_owner()
    }
}

fn check(model: Logs) -> impl Checker<Logs> {
    let checker = model
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{} states, depth {}",
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker
}

#[test]
fn i1_v1_snapshots_and_writes_interleave() {
    check(one_owner()).assert_properties();
}

#[test]
fn i1_v1_a_replica_that_falls_behind() {
    check(caught_up()).assert_properties();
}

#[test]
fn i1_v1_owners_and_replicas_restart() {
    check(restarts()).assert_properties();
}

#[test]
fn i1_v1_questions_come_late() {
    check(late_questions()).assert_properties();
}

#[test]
fn i1_v1_two_nodes_with_each_others_logs() {
    check(two_owners()).assert_properties();
}

/// Whether the sound model holds is for the tests above; here, each mutant must break it.
fn assert_caught(mutant: Mutant, model: Logs) {
    let checker = check(Logs {
        mutant: Some(mutant),
        ..model
    });
    let caught = checker.discovery("a replica never goes back").is_some()
        || checker.discovery("a replica can become equal").is_some();
    assert!(caught, "{mutant:?} goes unseen");
}

#[test]
fn the_mutant_that_forgets_the_era_is_caught() {
    assert_caught(Mutant::EraForgotten, restarts());
}

#[test]
fn the_mutant_that_sees_no_gap_is_caught() {
    assert_caught(Mutant::GapUnseen, one_owner());
}

#[test]
fn the_mutant_that_takes_pages_in_any_order_is_caught() {
    assert_caught(Mutant::PageUnordered, one_owner());
}

#[test]
fn the_mutant_that_forgets_the_floor_is_caught() {
    assert_caught(Mutant::FloorForgotten, one_owner());
}
