//! Letters between the control machines: from their queue into the channel, and from the channel to
//! the node's task.
//!
//! They pass through the channel like messages, but never wait behind those: they have a queue of
//! their own. Only a letter that must follow a mailbox's messages waits until these are numbered.

use std::collections::VecDeque;

use archipelago_core::channel::Message;
use archipelago_core::wire::Letter;
use archipelago_core::{LocalId, Time};
use archipelago_router::{Command, Unreachable};

use super::Task;
use crate::actor::Request;
use crate::peer::Outgoing;
use crate::peer::inbox;

/// Letters of this task.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Taken from the queue, and not yet accepted by the channel.
    waiting: VecDeque<Outgoing>,
    /// Whether any was given to the channel since it was last at rest.
    has_sent: bool,
    /// What the node's task has not heard yet at the end of this one.
    lost: Option<Option<Unreachable>>,
}

impl Letters {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes what waits in the queue, once there is nothing left of what was taken before.
    pub(super) fn take(&mut self, queue: &mut inbox::Letters) {
        if self.waiting.is_empty() {
            self.waiting = queue.take();
        }
    }
}

impl Task {
    /// Gives the channel the letters that it takes.
    pub(super) fn feed_letters(&mut self, now: Time) {
        if self.channel.is_at_rest() {
            // What was acknowledged cannot be lost any more.
            self.letters.has_sent = false;
        }
        let waiting = std::mem::take(&mut self.letters.waiting);
        for letter in waiting {
            let must_wait = letter.after.is_some_and(|local| self.holds_from(local));
            if must_wait || !self.send_letter(&letter, now) {
                self.letters.waiting.push_back(letter);
            }
        }
    }

    fn send_letter(&mut self, letter: &Outgoing, now: Time) -> bool {
        let config = &self.shared.channel_config_short;
        let is_sent = self
            .channel
            .send(letter.message.clone(), config, now)
            .is_ok();
        if is_sent {
            self.letters.has_sent = true;
            self.used_at = now;
            self.shared.metrics.letters_sent.add(1);
        }
        is_sent
    }

    /// Whether a message of this node's mailbox is on its way to the peer and not numbered yet.
    fn holds_from(&self, local: LocalId) -> bool {
        let is_of = |outgoing: &Outgoing| outgoing.message.from == local;
        self.channel.holds_from(local)
            || self.short.iter().any(is_of)
            || self.long.iter().any(is_of)
            || self.handle.lock().holds_from(local)
    }

    /// A message for this node's control machine: only another one writes such.
    pub(super) fn on_letter(&mut self, message: &Message) {
        match Letter::from_bytes(&message.payload) {
            Ok(letter) if message.from == LocalId::NODE => {
                self.shared.metrics.letters_received.add(1);
                self.requests.push_back(Request::Letter {
                    from: self.handle.id,
                    boot: self.channel.peer_boot(),
                    letter: Box::new(letter),
                });
            }
            _ => self.shared.metrics.letters_ignored.add(1),
        }
    }

    /// What was written may be lost: the node's task hears of it, once.
    pub(super) fn lose_letters(&mut self, reason: Option<Unreachable>, has_left: bool) {
        let letters = &mut self.letters;
        let has_waited = reason.is_some() && (has_left || !letters.waiting.is_empty());
        if has_waited {
            letters.waiting.clear();
        }
        if std::mem::take(&mut letters.has_sent) || has_waited {
            letters.lost = Some(reason);
        }
        if let Some(reason) = letters.lost
            && !self.is_over
        {
            letters.lost = None;
            self.requests.push_back(lost(self.handle.id, reason));
        }
    }

    /// The last word of a task that found no way.
    pub(super) fn last_word(&self) -> Option<Request> {
        let reason = self.letters.lost?;
        Some(lost(self.handle.id, reason))
    }
}

fn lost(to: archipelago_core::NodeId, reason: Option<Unreachable>) -> Request {
    Request::Command {
        command: Command::LetterLost { to, reason },
        reply: None,
    }
}
