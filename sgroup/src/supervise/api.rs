//! What passes between a [`Supervisor`](super::Supervisor) and its caller.

use std::time::Duration;

use archipelago_core::{NodeId, Pid, Time};
use bytes::Bytes;

/// A pool of workers: how many, where, and what becomes of those that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many, 1 to 65,536; each has a place with a number from 0 on.
    pub workers: u32,
    /// Which workers are started again when they end. Default: all.
    pub restart: Restart,
    /// Restarts within `restarts_window` beyond which the supervisor gives up. Default 10.
    pub restarts_max: u32,
    /// See `restarts_max`. Default 60 s.
    pub restarts_window: Duration,
    /// Most workers of the pool on one node; default: any number. Too few nodes: the rest waits.
    pub per_node_max: u32,
    /// How they lie on the nodes that qualify. Default: evenly.
    pub spread: Spread,
    /// Whether workers move when nodes come, or qualify no more. Default: yes.
    pub is_rebalanced: bool,
}

impl PoolConfig {
    /// So many workers, and the defaults.
    pub const fn new(workers: u32) -> Self {
        Self {
            workers,
            restart: Restart::Permanent,
            restarts_max: 10,
            restarts_window: Duration::from_secs(60),
            per_node_max: u32::MAX,
            spread: Spread::Even,
            is_rebalanced: true,
        }
    }
}

/// Which workers are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// All, however they end.
    Permanent,
    /// Those that failed, panicked, were killed, or were lost with their node.
    Transient,
    /// None.
    Temporary,
}

/// How workers lie on the nodes that qualify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// On the node with the fewest of the pool, the best one among equals.
    Even,
    /// On the best node, as many as it may have; then on the next one.
    Packed,
}

/// One start that is asked for; the same again when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAnswer {
    /// It runs; the same pid for the same ticket, also if it has ended since.
    Started(Pid),
    /// The node said no: nothing runs under this ticket.
    Refused,
    /// Nothing was sent this time.
    Unsent,
    /// It may run.
    Unsure,
}

/// What became of a request to hand over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// It has ended, and this is its state.
    State(Bytes),
    /// It had ended before, without a state.
    Gone,
    /// It may have ended; its node keeps the state.
    Unsure,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its work was done.
    Done,
    /// It failed, panicked or was killed.
    Failed,
    /// Its node is gone, or not to be reached.
    Lost,
}

/// The caller's buffer; a supervisor only appends to it.
pub type SuperviseOutputs = Vec<SuperviseOutput>;

/// What is asked of the caller, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuperviseOutput {
    /// Start a worker; answered by [`handle_started`](super::Supervisor::handle_started).
    Start {
        /// For which place.
        slot: u32,
        /// Where.
        on: NodeId,
        /// Under which ticket.
        ticket: Ticket,
        /// What its predecessor handed over.
        state: Option<Bytes>,
    },
    /// Say when it ends, by [`handle_ended`](super::Supervisor::handle_ended).
    Watch {
        /// Of which place.
        slot: u32,
        /// Whom.
        pid: Pid,
    },
    /// Have it end and hand over its state; answered by
    /// [`handle_drained`](super::Supervisor::handle_drained).
    Drain {
        /// Of which place.
        slot: u32,
        /// Whom.
        pid: Pid,
    },
    /// The state that this worker handed over is still needed.
    Keep {
        /// Whose.
        pid: Pid,
    },
    /// The state that this worker handed over has arrived: its node may forget it.
    Release {
        /// Whose.
        pid: Pid,
    },
    /// End it; its state is of no use.
    Discard {
        /// Whom.
        pid: Pid,
    },
    /// Something happened.
    Event(SuperviseEvent),
}

/// What a user of a pool is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuperviseEvent {
    /// A worker runs.
    Started {
        /// In which place.
        slot: u32,
        /// Which.
        pid: Pid,
    },
    /// A worker has ended.
    Ended {
        /// In which place.
        slot: u32,
        /// Which.
        pid: Pid,
        /// How.
        ending: Ending,
    },
    /// A worker goes on elsewhere, with its state.
    Moved {
        /// In which place.
        slot: u32,
        /// Which it was.
        from: Pid,
        /// Which it is.
        pid: Pid,
    },
    /// No node that qualifies has room for a worker: it waits for one.
    NoPlace {
        /// In which place.
        slot: u32,
        /// When it is tried again; [`Time::NEVER`]: when nodes change.
        until: Time,
    },
    /// Too many restarts: nothing is restarted any more, and what runs goes on.
    GaveUp {
        /// So many.
        restarts: u32,
        /// Within this time.
        window: Duration,
    },
}
