//! What the demo's nodes send each other, and what is found when it arrives.
//!
//! Every stream between two nodes is numbered; its receiver checks the numbers. Senders and
//! receivers share one clock, since they live in one process, so that a one-way latency is real.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archipelago::Mailbox;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::live::latency::Latency;

/// A message of the demo.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Letter {
    /// One of a numbered stream.
    Stream {
        pair: u32,
        number: u32,
        sent_us: u64,
        is_direct: bool,
    },
    /// One that needs a look-up.
    Probe { id: u64 },
}

/// What has arrived, everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    arrived: Mutex<Arrived>,
    changed: Notify,
}

/// The account of all streams and probes.
#[derive(Debug)]
pub(crate) struct Arrived {
    streams: Vec<Stream>,
    probes: BTreeSet<u64>,
    /// Of the first message of each stream.
    pub(crate) first: Latency,
    /// Of messages sent when a direct session was up.
    pub(crate) direct: Latency,
    pub(crate) received: u64,
    pub(crate) reordered: u64,
    pub(crate) duplicated: u64,
    /// Messages that are no letter of the demo.
    pub(crate) foreign: u64,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    next: u32,
    /// Numbers that came before their turn.
    early: BTreeSet<u32>,
}

impl Ledger {
    /// An empty one for so many streams.
    pub(crate) fn new(streams: usize) -> Self {
        let arrived = Arrived {
            streams: vec![Stream::default(); streams],
            probes: BTreeSet::new(),
            first: Latency::new(),
            direct: Latency::new(),
            received: 0,
            reordered: 0,
            duplicated: 0,
            foreign: 0,
        };
        Self {
            shared: Arc::new(Shared {
                epoch: Instant::now(),
                arrived: Mutex::new(arrived),
                changed: Notify::new(),
            }),
        }
    }

    /// Microseconds by the clock that all letters carry.
    pub(crate) fn now_us(&self) -> u64 {
        self.shared.epoch.elapsed().as_micros() as u64
    }

    /// The account, locked: look and let go.
    pub(crate) fn arrived(&self) -> MutexGuard<'_, Arrived> {
        let arrived = self.shared.arrived.lock();
        arrived.unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters everything that arrives in `mailbox` until its node ends.
    pub(crate) fn follow(&self, mut mailbox: Mailbox) {
        let ledger = self.clone();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while mailbox.recv_many(&mut batch, 256).await > 0 {
                for received in batch.drain(..) {
                    match received.decode() {
                        Ok((_, letter)) => ledger.enter(letter),
                        Err(_) => ledger.arrived().foreign += 1,
                    }
                }
                ledger.shared.changed.notify_waiters();
            }
        });
    }

    fn enter(&self, letter: Letter) {
        let now_us = self.now_us();
        let mut arrived = self.arrived();
        match letter {
            Letter::Probe { id } => {
                arrived.probes.insert(id);
            }
            Letter::Stream {
                pair,
                number,
                sent_us,
                is_direct,
            } => {
                let took = Duration::from_micros(now_us.saturating_sub(sent_us));
                arrived.check(pair, number);
                if number == 0 {
                    arrived.first.record(took);
                } else if is_direct {
                    arrived.direct.record(took);
                }
            }
        }
    }

    /// Waits until `holds`, or for `patience`; returns whether it came to hold.
    pub(crate) async fn until(&self, patience: Duration, holds: impl Fn(&Arrived) -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.shared.changed.notified();
            if holds(&self.arrived()) {
                return true;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return holds(&self.arrived());
            }
        }
    }
}

impl Arrived {
    /// Whether the probe came.
    pub(crate) fn has_probe(&self, id: u64) -> bool {
        self.probes.contains(&id)
    }

    /// Different messages that came, of all streams.
    pub(crate) fn distinct(&self) -> u64 {
        let count = |stream: &Stream| u64::from(stream.next) + stream.early.len() as u64;
        self.streams.iter().map(count).sum()
    }

    fn check(&mut self, pair: u32, number: u32) {
        self.received += 1;
        let Some(stream) = self.streams.get_mut(pair as usize) else {
            self.foreign += 1;
            return;
        };
        if number < stream.next || stream.early.contains(&number) {
            self.duplicated += 1;
        } else if number > stream.next {
            self.reordered += 1;
            stream.early.insert(number);
        } else {
            stream.next += 1;
            while stream.early.remove(&stream.next) {
                stream.next += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_tells_what_is_reordered_twice_or_missing() {
        let ledger = Ledger::new(1);
        let mut arrived = ledger.arrived();
        for number in [0, 2, 1, 1, 4] {
            arrived.check(0, number);
        }
        assert_eq!((arrived.reordered, arrived.duplicated), (2, 1));
        assert_eq!(arrived.distinct(), 4, "number 3 is missing");
    }
}
