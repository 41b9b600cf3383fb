//! Messages for a start of the peer that no path leads to yet.
//!
//! Who restarted is known by its new names before the session to its old start is gone. What is
//! for the new one keeps its room in the queue and waits beside it, so that what is for the old
//! one passes.

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::{Boot, Time};

use super::Task;
use crate::SendError;
use crate::peer::outgoing::{Freed, Lane, Outgoing};

/// How long they wait for that start, as accepted messages do for a way.
const WAIT: Duration = Duration::from_secs(10);

/// What waits aside, in the order in which it was sent.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    waiting: VecDeque<(Outgoing, Time)>,
    /// The start that was alive when the last one was put aside.
    alive: Boot,
    bytes: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the first one is given up.
    pub(super) fn deadline(&self) -> Time {
        let first = self.waiting.front();
        first.map_or(Time::NEVER, |(_, until)| *until)
    }

    /// Gives it back if `bytes_max` of payload wait already.
    fn put(
        &mut self,
        outgoing: Outgoing,
        alive: Boot,
        bytes_max: usize,
        now: Time,
    ) -> Result<(), Outgoing> {
        let bytes = self.bytes + outgoing.cost(bytes_max);
        if bytes > bytes_max {
            return Err(outgoing);
        }
        self.bytes = bytes;
        self.alive = alive;
        self.waiting.push_back((outgoing, now.after(WAIT)));
        Ok(())
    }

    /// All of them, if another start than the one they passed is alive.
    fn take(&mut self, alive: Boot) -> VecDeque<(Outgoing, Time)> {
        if self.is_empty() || alive == self.alive {
            return VecDeque::new();
        }
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Those that waited for too long.
    fn expired(&mut self, bytes_max: usize, now: Time) -> Vec<Outgoing> {
        let len = self.waiting.partition_point(|(_, until)| *until <= now);
        let expired: Vec<_> = self.waiting.drain(..len).map(|(late, _)| late).collect();
        let bytes: usize = expired.iter().map(|late| late.cost(bytes_max)).sum();
        self.bytes -= bytes;
        expired
    }

    /// All of them, for the end of the task.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Outgoing> {
        self.waiting.iter().map(|(outgoing, _)| outgoing)
    }
}

impl Task {
    /// Half of a queue's room: the other half is for the start that is alive.
    fn ahead_bytes_max(&self) -> usize {
        self.handle.queue_bytes_max() / 2
    }

    /// The message is not for the start that is alive: it waits for a later one, or fails.
    pub(super) fn put_aside(&mut self, outgoing: Outgoing, freed: &mut Freed, now: Time) {
        let alive = self.channel.peer_boot();
        let bytes_max = self.ahead_bytes_max();
        let refused = if outgoing.boot > alive {
            self.ahead.put(outgoing, alive, bytes_max, now).err()
        } else {
            Some(outgoing)
        };
        if let Some(refused) = refused {
            self.handle.note_freed(&refused, freed);
            self.unsent(&refused, &SendError::NoMailbox);
        }
    }

    /// What waited is sorted again, before what came later, once a path leads to another start.
    pub(super) fn feed_ahead(&mut self) {
        let back = self.ahead.take(self.channel.peer_boot());
        for (outgoing, _) in back.into_iter().rev() {
            match outgoing.lane {
                Lane::Short => self.short.push_front(outgoing),
                Lane::Long => self.long.push_front(outgoing),
            }
        }
    }

    /// Nobody came as the start that they are for.
    pub(super) fn expire_ahead(&mut self, now: Time) {
        if self.ahead.deadline() > now {
            return;
        }
        let mut freed = Freed::default();
        for late in self.ahead.expired(self.ahead_bytes_max(), now) {
            self.handle.note_freed(&late, &mut freed);
            self.unsent(&late, &SendError::NoMailbox);
        }
        self.handle.release(freed);
    }
}
