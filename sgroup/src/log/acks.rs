//! How far each receiver has this node's own log, and what it is to be sent next.
//!
//! One flight at a time: while a receiver has not acknowledged what is on its way, further writes
//! wait and leave together with the acknowledgement's arrival, so that writes faster than the
//! round trip share messages. What stays unacknowledged is repeated, one message at a time, with
//! doubling waits; a sign of the receiver (an acknowledgement, a pull, a new session) starts anew.
//!
//! Receivers at the same mark get the same message, made once.
//! Cost: 32 bytes per receiver, only while the own log is not empty; O(receivers) per flight.

use std::sync::Arc;

use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::{GroupBody, LogPull, LogUpdate};
use archipelago_core::{Peer, Time};

use super::config::LogConfig;
use super::{LogOutput, LogOutputs, OwnLog};

/// The own log with its receivers.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) log: OwnLog,
    /// Ordered by peer.
    receivers: Vec<Receiver>,
    /// No receiver is due before this; may be early.
    next_due: Time,
}

#[derive(Clone, Copy, Debug)]
struct Receiver {
    peer: Peer,
    tries: u8,
    acked: u64,
    /// The last number on its way.
    sent: u64,
    /// When to send (again); `NEVER` if it has everything.
    due: Time,
}

impl Sender {
    pub(super) fn new(log: OwnLog, receivers: impl IntoIterator<Item = Peer>, now: Time) -> Self {
        let mut receivers: Vec<Receiver> = receivers
            .into_iter()
            .map(|peer| Receiver::new(peer, now))
            .collect();
        receivers.sort_by_key(|receiver| receiver.peer);
        Self {
            log,
            receivers,
            next_due: now,
        }
    }

    /// Everybody has the whole log.
    pub(super) fn formed(log: OwnLog, receivers: impl IntoIterator<Item = Peer>) -> Self {
        let mut sender = Self::new(log, receivers, Time::NEVER);
        let head = sender.log.head();
        for receiver in &mut sender.receivers {
            (receiver.acked, receiver.sent) = (head, head);
        }
        sender
    }

    /// A receiver that nothing is known of; its own pull usually comes before `due`.
    pub(super) fn add(&mut self, peer: Peer, due: Time) {
        let fresh = Receiver::new(peer, due);
        match self.search(peer) {
            Ok(index) => self.receivers[index] = fresh,
            Err(index) => self.receivers.insert(index, fresh),
        }
        self.next_due = self.next_due.min(due);
    }

    pub(super) fn remove(&mut self, peer: Peer) {
        if let Ok(index) = self.search(peer) {
            self.receivers.remove(index);
        }
    }

    /// The log went up: who waits for nothing is to be sent to now.
    pub(super) fn on_write(&mut self, now: Time) {
        for receiver in &mut self.receivers {
            if receiver.due == Time::NEVER {
                receiver.due = now;
            }
        }
        self.next_due = self.next_due.min(now);
    }

    /// All receivers begin afresh.
    pub(super) fn on_epoch(&mut self, now: Time) {
        for receiver in &mut self.receivers {
            *receiver = Receiver::new(receiver.peer, now);
        }
        self.next_due = now;
    }

    /// A session with the peer is there: what it misses need not wait any longer than its pull.
    pub(super) fn on_contact(&mut self, peer: Peer, due: Time) {
        if let Ok(index) = self.search(peer) {
            let receiver = &mut self.receivers[index];
            if receiver.due != Time::NEVER {
                receiver.tries = 0;
                receiver.due = receiver.due.min(due);
                self.next_due = self.next_due.min(due);
            }
        }
    }

    /// The peer has everything up to `seq`; returns whether that is news. What waited for the
    /// acknowledgement leaves with the next call of [`Sender::poll`].
    pub(super) fn on_ack(&mut self, peer: Peer, seq: u64, now: Time, config: &LogConfig) -> bool {
        let head = self.log.head();
        let Ok(index) = self.search(peer) else {
            return false;
        };
        let receiver = &mut self.receivers[index];
        if seq > head || seq <= receiver.acked {
            return false;
        }
        receiver.acked = seq;
        receiver.tries = 0;
        receiver.due = if seq == head {
            Time::NEVER
        } else if seq >= receiver.sent {
            now
        } else {
            now.after(config.wait(0))
        };
        self.next_due = self.next_due.min(receiver.due);
        true
    }

    /// Answers a pull: by the next page of a snapshot, or by a flight of deltas.
    pub(super) fn on_pull(
        &mut self,
        from: Peer,
        pull: &LogPull,
        now: Time,
        config: &LogConfig,
        out: &mut LogOutputs,
    ) {
        let Ok(index) = self.search(from) else { return };
        let Some(first) = self.log.page(pull, config) else {
            return;
        };
        let flight = self.flight(first, config);
        let due = now.after(config.wait(0));
        let receiver = &mut self.receivers[index];
        receiver.tries = 0;
        receiver.due = due;
        receiver.send(&flight, out);
        self.next_due = self.next_due.min(due);
    }

    /// Sends what is due.
    pub(super) fn poll(&mut self, now: Time, config: &LogConfig, out: &mut LogOutputs) {
        if now < self.next_due {
            return;
        }
        let head = self.log.head();
        let mut flights: Vec<(u64, Vec<Arc<LogUpdate>>)> = Vec::new();
        self.next_due = Time::NEVER;
        for index in 0..self.receivers.len() {
            let mut receiver = self.receivers[index];
            if receiver.acked >= head {
                receiver.due = Time::NEVER;
            } else if receiver.due <= now {
                let flight = self.flight_from(receiver.acked, config, &mut flights);
                let len = if receiver.tries == 0 {
                    config.window
                } else {
                    1
                };
                receiver.send(&flight[..len.min(flight.len())], out);
                receiver.due = now.after(config.wait(receiver.tries));
                receiver.tries = receiver.tries.saturating_add(1);
            }
            self.receivers[index] = receiver;
            self.next_due = self.next_due.min(receiver.due);
        }
    }

    /// Itself, its receivers and what its log weighs.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + vec_bytes(&self.receivers) + self.log.weight()
    }

    /// When to call [`Sender::poll`]; may be early.
    pub(super) const fn next_due(&self) -> Time {
        self.next_due
    }

    /// Up to which number the peer is known to have the log.
    pub(super) fn acked(&self, peer: Peer) -> u64 {
        self.search(peer)
            .map_or(0, |index| self.receivers[index].acked)
    }

    fn flight_from<'a>(
        &self,
        seq: u64,
        config: &LogConfig,
        flights: &'a mut Vec<(u64, Vec<Arc<LogUpdate>>)>,
    ) -> &'a [Arc<LogUpdate>] {
        let index = flights.iter().position(|(from, _)| *from == seq);
        let index = index.unwrap_or_else(|| {
            let first = self.log.page_from(seq, &[], config);
            let flight = first.map(|first| self.flight(first, config));
            flights.push((seq, flight.unwrap_or_default()));
            flights.len() - 1
        });
        &flights[index].1
    }

    /// `first` and what follows it, up to the window. A page of a snapshot goes alone: the
    /// receiver asks for the next.
    fn flight(&self, first: LogUpdate, config: &LogConfig) -> Vec<Arc<LogUpdate>> {
        let is_snapshot = first.snapshot;
        let mut seq = first.to_seq;
        let mut flight = vec![Arc::new(first)];
        while !is_snapshot && flight.len() < config.window {
            let Some(next) = self.log.page_from(seq, &[], config) else {
                break;
            };
            seq = next.to_seq;
            flight.push(Arc::new(next));
        }
        flight
    }

    fn search(&self, peer: Peer) -> Result<usize, usize> {
        self.receivers
            .binary_search_by_key(&peer, |receiver| receiver.peer)
    }
}

impl Receiver {
    const fn new(peer: Peer, due: Time) -> Self {
        Self {
            peer,
            tries: 0,
            acked: 0,
            sent: 0,
            due,
        }
    }

    fn send(&mut self, flight: &[Arc<LogUpdate>], out: &mut LogOutputs) {
        for update in flight {
            self.sent = update.to_seq;
            out.push(LogOutput::Send {
                to: self.peer,
                body: GroupBody::Log(Arc::clone(update)),
            });
        }
    }
}
