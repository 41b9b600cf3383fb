//! Hands messages from one peer to this node's mailboxes, and waits for full ones.
//!
//! Messages in a row for one mailbox are handed over together. What a full mailbox could not take
//! waits here, in order; when much waits its sender is to be paused, so that at most that and a
//! window of messages waits. Other mailboxes are served on.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use archipelago_core::LocalId;
use futures::stream::FuturesUnordered;
use futures::{Future, Stream};

use crate::Received;
use crate::mailbox::{Intake, Room, Table, end};

/// Messages for one full mailbox that wait before their senders are paused: a pause and its end
/// each take a round trip, in which a mailbox that is merely a little slow would run dry.
const WAITING_LEN: usize = 256;

/// Bytes that wait for all full mailboxes before senders are paused.
const WAITING_BYTES: usize = 64 * 1024;

type WaitForRoom = Pin<Box<dyn Future<Output = (LocalId, Option<Room>)> + Send>>;

/// Messages on their way into mailboxes.
#[derive(Default)]
pub(crate) struct Inboxes {
    /// Messages in a row for the mailbox `to`, not handed over yet.
    batch: VecDeque<Received>,
    to: LocalId,
    waiting: HashMap<LocalId, Waiting>,
    /// Payloads in `waiting`.
    waiting_bytes: usize,
    rooms: FuturesUnordered<WaitForRoom>,
}

/// What a full mailbox could not take.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Received>,
    /// Its senders are to be paused, and it was said so.
    is_told: bool,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// Whose.
    pub(crate) to: LocalId,
    /// Messages that are in the mailbox, or wait for it here.
    pub(crate) taken: usize,
    /// So much waits for it now that its senders are to be paused.
    pub(crate) is_full: bool,
    /// There is no such mailbox: who sent it casts.
    pub(crate) strays: Vec<LocalId>,
}

impl Inboxes {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Payloads that wait for full mailboxes.
    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether a message for `to` may join those that are not handed over yet.
    pub(crate) fn may_join(&self, to: LocalId) -> bool {
        self.batch.is_empty() || self.to == to
    }

    /// Adds a message to those for the same mailbox; others must have been handed over.
    pub(crate) fn add(&mut self, to: LocalId, message: Received) {
        debug_assert!(self.may_join(to), "a batch has one receiver");
        self.to = to;
        self.batch.push_back(message);
    }

    /// Hands over what was added; `None` if that is nothing.
    pub(crate) fn hand_over(&mut self, table: &Table) -> Option<Handed> {
        if self.batch.is_empty() {
            return None;
        }
        let to = self.to;
        let mut batch = std::mem::take(&mut self.batch);
        let mut handed = Handed {
            to,
            taken: batch.len(),
            ..Handed::default()
        };
        if !self.waiting.contains_key(&to) {
            let intake = table.find(to).map(|slot| slot.queue);
            match intake {
                Some(intake) if !intake.is_closed() => {
                    intake.put_some(&mut batch);
                    if !batch.is_empty() {
                        self.wait(to, intake, batch.len());
                    }
                }
                _ => {
                    handed.taken = 0;
                    let casts = batch
                        .iter()
                        .filter(|message| message.reply.is_none() && message.stream.is_none());
                    handed.strays = casts.map(|message| message.from.local).collect();
                    end(batch.drain(..));
                }
            }
        }
        handed.is_full = self.keep(to, &mut batch);
        self.batch = batch;
        Some(handed)
    }

    /// Keeps what a mailbox had no room for; whether its senders are to be paused.
    fn keep(&mut self, to: LocalId, batch: &mut VecDeque<Received>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let lens = batch.iter().map(|message| message.payload.len());
        self.waiting_bytes += lens.sum::<usize>();
        let waiting = self.waiting.entry(to).or_default();
        waiting.messages.append(batch);
        let is_much = waiting.messages.len() >= WAITING_LEN || self.waiting_bytes >= WAITING_BYTES;
        is_much && !std::mem::replace(&mut waiting.is_told, true)
    }

    /// A mailbox that has taken all that waited for it, or is gone.
    pub(crate) fn poll_emptied(&mut self, cx: &mut Context<'_>) -> Poll<LocalId> {
        loop {
            match Pin::new(&mut self.rooms).poll_next(cx) {
                Poll::Ready(Some((to, room))) => {
                    if self.on_room(to, room) {
                        return Poll::Ready(to);
                    }
                }
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether nothing waits for the mailbox any more.
    fn on_room(&mut self, to: LocalId, room: Option<Room>) -> bool {
        let mut waiting = self.waiting.remove(&to).unwrap_or_default();
        let messages = &mut waiting.messages;
        let before = bytes(messages);
        if let Some(room) = room {
            let intake = room.put_some(messages);
            intake.put_some(messages);
            if !messages.is_empty() {
                self.waiting_bytes -= before - bytes(messages);
                self.wait(to, intake, messages.len());
                self.waiting.insert(to, waiting);
                return false;
            }
        }
        self.waiting_bytes -= before;
        end(waiting.messages);
        true
    }

    fn wait(&self, to: LocalId, intake: Intake, len: usize) {
        self.rooms
            .push(Box::pin(async move { (to, intake.room(len).await) }));
    }
}

fn bytes(messages: &VecDeque<Received>) -> usize {
    messages.iter().map(|message| message.payload.len()).sum()
}

impl std::fmt::Debug for Inboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inboxes")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use archipelago_core::{Boot, NodeId, Pid};
    use std::task::Waker;

    use super::*;

    const TO: LocalId = LocalId(7);

    fn message(number: usize) -> Received {
        let from = Pid {
            node: NodeId([1; 32]),
            boot: Boot(1),
            local: LocalId(3),
            home: None,
        };
        Received::cast(from, number.to_le_bytes().to_vec().into())
    }

    fn deliver(inboxes: &mut Inboxes, table: &Table, numbers: std::ops::Range<usize>) -> Handed {
        for number in numbers {
            assert!(inboxes.may_join(TO));
            inboxes.add(TO, message(number));
        }
        inboxes.hand_over(table).unwrap()
    }

    /// F14: a mailbox that is a little slow is waited for; one that is far behind is said to be
    /// full, once, and gets everything in order.
    #[test]
    fn f14_a_full_mailbox_is_told_of_when_much_waits_and_takes_it_in_order() {
        let table = Table::new(2, 4);
        let mut queue = table.insert(TO, None).unwrap();
        let mut inboxes = Inboxes::default();
        assert!(inboxes.hand_over(&table).is_none());
        let handed = deliver(&mut inboxes, &table, 0..6);
        assert_eq!((handed.to, handed.taken, handed.is_full), (TO, 6, false));
        assert!(!inboxes.is_empty());
        assert!(!deliver(&mut inboxes, &table, 6..4 + WAITING_LEN - 1).is_full);
        let total = 4 + WAITING_LEN + 1;
        let handed = deliver(&mut inboxes, &table, 4 + WAITING_LEN - 1..total);
        assert!(handed.is_full && handed.taken == 2);
        assert!(!deliver(&mut inboxes, &table, total..total + 1).is_full);
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while taken.len() <= total {
            let is_over = inboxes.poll_emptied(&mut context) == Poll::Ready(TO);
            assert_eq!(is_over, inboxes.is_empty());
            taken.extend(std::iter::from_fn(|| queue.try_recv()));
        }
        let numbers = taken.iter().enumerate();
        assert!(
            numbers
                .clone()
                .all(|(at, one)| one.payload == message(at).payload)
        );
        assert!(inboxes.is_empty() && inboxes.waiting_bytes == 0);
    }

    #[test]
    fn who_sends_to_nobody_is_told_by_name_and_what_waits_for_the_dead_ends() {
        let table = Table::new(2, 1);
        let mut inboxes = Inboxes::default();
        let handed = deliver(&mut inboxes, &table, 0..2);
        assert_eq!((handed.taken, handed.strays), (0, vec![LocalId(3); 2]));
        let queue = table.insert(TO, None).unwrap();
        assert_eq!(deliver(&mut inboxes, &table, 0..3).taken, 3);
        table.remove(TO);
        drop(queue);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(inboxes.poll_emptied(&mut context), Poll::Ready(TO));
        assert!(inboxes.is_empty() && inboxes.waiting_bytes == 0);
    }
}
