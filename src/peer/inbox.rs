//! All that waits for a peer's task, under one short lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use archipelago_core::channel::{Path, StreamId};
use archipelago_core::{Boot, LocalId};
use archipelago_router::{LETTERS_BYTES_MAX, LETTERS_LEN_MAX};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::handle::Signal;
use super::outgoing::Outgoing;
use crate::stream::Way;

/// What waited for a task that ended.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) messages: VecDeque<Outgoing>,
    pub(crate) has_letters: bool,
    pub(crate) signals: VecDeque<Signal>,
}

/// All that waits for the task.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) short: VecDeque<Outgoing>,
    pub(crate) long: VecDeque<Outgoing>,
    /// Messages in the long queue or taken from it, and not in the channel yet, by their mailboxes.
    pub(super) long_flows: HashMap<(LocalId, LocalId), usize>,
    /// At most a few per session that lives: paths and streams come and go with sessions.
    pub(crate) signals: VecDeque<Signal>,
    pub(crate) letters: Letters,
    pub(crate) relayed: VecDeque<(Path, Boot, Bytes)>,
    /// Streams with which users did something; each once.
    pub(crate) touched: Vec<(Way, StreamId)>,
    /// The peer's full mailboxes; each gate closes, and lets all pass, when there is room.
    pub(super) full: HashMap<LocalId, Arc<Semaphore>>,
    /// The start of the peer that a path leads to.
    pub(super) attached: Option<Boot>,
    /// The task would take short messages: the next one wakes it, and those behind it need not.
    pub(crate) wants_short: bool,
    /// The same of long ones.
    pub(crate) wants_long: bool,
    pub(crate) is_ended: bool,
}

/// Letters of the control machine on their way into the channel.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    queue: VecDeque<Outgoing>,
    bytes: usize,
}

impl Letters {
    /// Whether there was room.
    pub(super) fn push(&mut self, letter: Outgoing) -> bool {
        let bytes = self.bytes.saturating_add(letter.message.payload.len());
        if self.queue.len() >= LETTERS_LEN_MAX || bytes > LETTERS_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.queue.push_back(letter);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes them out, first come first.
    pub(crate) fn take(&mut self) -> VecDeque<Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }
}

impl Inbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.short.is_empty()
            && self.long.is_empty()
            && self.signals.is_empty()
            && self.letters.is_empty()
            && self.relayed.is_empty()
            && self.touched.is_empty()
    }

    /// Whether something is to be looked at before messages are sent, or none is to be sent any
    /// more.
    pub(crate) fn has_words(&self) -> bool {
        let has_other = !self.relayed.is_empty() || !self.touched.is_empty();
        self.is_ended || !self.signals.is_empty() || has_other
    }

    pub(super) fn open_gates(&mut self) {
        for (_, gate) in self.full.drain() {
            gate.close();
        }
    }

    /// Whether the message may go at once: its receiver's start is the one that a path leads to,
    /// has room as far as is known, and nothing long goes before it.
    pub(super) fn takes_now(&self, outgoing: &Outgoing) -> bool {
        let is_reached = |attached| attached <= outgoing.boot || outgoing.boot == Boot::ANY;
        !self.is_ended
            && self.attached.is_some_and(is_reached)
            && (self.full.is_empty() || !self.full.contains_key(&outgoing.message.to))
            && (self.long_flows.is_empty() || !self.long_flows.contains_key(&outgoing.flow()))
    }

    /// Whether a message of this mailbox waits.
    pub(crate) fn holds_from(&self, local: LocalId) -> bool {
        let mut all = self.short.iter().chain(&self.long);
        all.any(|outgoing| outgoing.message.from == local)
    }

    pub(super) fn forget_long(&mut self, flow: (LocalId, LocalId)) {
        if let Some(count) = self.long_flows.get_mut(&flow) {
            *count -= 1;
            if *count == 0 {
                self.long_flows.remove(&flow);
            }
        }
    }
}
