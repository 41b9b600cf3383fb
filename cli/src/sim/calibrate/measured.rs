//! What one side found: for each figure a value of each trial, and the worst there was.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::demo::faults::Known;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    Sessions,
    ControlForming,
    ControlIdle,
    Join,
    Killed,
    Stopped,
    FirstMessage,
}

impl Figure {
    pub(super) const ALL: [Self; 7] = [
        Self::Sessions,
        Self::ControlForming,
        Self::ControlIdle,
        Self::Join,
        Self::Killed,
        Self::Stopped,
        Self::FirstMessage,
    ];

    /// For people, with the unit.
    pub(super) const fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Sessions => ("sessions a node", ""),
            Self::ControlForming => ("control messages a node to form", ""),
            Self::ControlIdle => ("control messages a node and second, idle", "/s"),
            Self::Join => ("join of one more node", "ms"),
            Self::Killed => ("a killed member known dead", "ms"),
            Self::Stopped => ("a stopped member known dead", "ms"),
            Self::FirstMessage => ("look-up and first message across groups", "ms"),
        }
    }

    /// Why the two sides may differ by more than the limit, where the machine's own work is part
    /// of the figure and the simulator does not count it.
    pub(super) const fn structural(self) -> Option<&'static str> {
        match self {
            Self::Join => Some(
                "on loopback a join is processor time: the joiner and all members it dials share this machine's cores, \
                 while the simulator gives every node a core of its own for its handshakes",
            ),
            Self::Killed => Some(
                "closed sockets are known after a few messages: live their latency is processor time on cores that all \
                 members share at that instant, while the simulator has the latency of an idle pair",
            ),
            Self::FirstMessage => Some(
                "live each hop takes a node's processor and the first message is sealed and opened (X25519 and \
                 ChaCha20-Poly1305); the simulator counts latency, not processor time",
            ),
            _ => None,
        }
    }
}

/// The trials of one figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trials {
    /// One value each: the mean, where several nodes saw the same.
    pub(super) values: Vec<f64>,
    /// The worst that any node saw.
    pub(super) worst: f64,
}

/// All figures of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    trials: BTreeMap<Figure, Trials>,
}

impl Measured {
    /// One trial, and the worst within it.
    pub(super) fn note(&mut self, figure: Figure, value: f64, worst: f64) {
        let trials = self.trials.entry(figure).or_default();
        trials.values.push(value);
        trials.worst = trials.worst.max(worst);
    }

    /// How long something took, once.
    pub(super) fn note_time(&mut self, figure: Figure, took: Duration) {
        let ms = millis(took);
        self.note(figure, ms, ms);
    }

    /// When the others knew: nothing is noted where not all of them did.
    pub(super) fn note_known(&mut self, figure: Figure, known: &Known) {
        let count = known.after.len();
        if count > 0 && count == known.witnesses {
            let all = known.after.iter().map(|&after| millis(after));
            let worst = all.clone().fold(0.0, f64::max);
            self.note(figure, all.sum::<f64>() / count as f64, worst);
        }
    }

    /// Sessions of each node.
    pub(super) fn note_sessions(&mut self, counts: &[usize]) {
        let most = counts.iter().copied().max().unwrap_or(0);
        let mean = counts.iter().sum::<usize>() as f64 / counts.len().max(1) as f64;
        self.note(Figure::Sessions, mean, most as f64);
    }

    /// Messages that each node heard until it had formed, and at rest; what would have been said
    /// at rest meanwhile is not the cost of forming.
    pub(super) fn note_control(
        &mut self,
        (formed, formed_s): (f64, f64),
        (rested, rested_s): (f64, f64),
    ) {
        let idle = rested / rested_s.max(1e-9);
        let forming = formed - idle * formed_s;
        self.note(Figure::ControlIdle, idle, idle);
        self.note(Figure::ControlForming, forming, forming);
    }

    /// The trials of a figure, if there were any.
    pub(super) fn of(&self, figure: Figure) -> Option<&Trials> {
        self.trials.get(&figure)
    }
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
