//! Hands messages from one peer to this node's mailboxes, and waits for full ones.
//!
//! What a full mailbox could not take waits here, in order; its sender is paused meanwhile, so
//! that at most a window of messages waits. Other mailboxes are served on.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use archipelago_core::LocalId;
use futures::stream::FuturesUnordered;
use futures::{Future, Stream};
use tokio::sync::mpsc;

use crate::Received;
use crate::mailbox::{Deliver, Table};

/// Room for one message, or `None` when the mailbox is gone.
type Room = Option<mpsc::OwnedPermit<Received>>;

type WaitForRoom = Pin<Box<dyn Future<Output = (LocalId, Room)> + Send>>;

/// Messages that wait for mailboxes with room.
#[derive(Default)]
pub(crate) struct Inboxes {
    waiting: HashMap<LocalId, VecDeque<Received>>,
    rooms: FuturesUnordered<WaitForRoom>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It is in its mailbox.
    Over,
    /// Its mailbox is full: it waits here.
    Waits,
    /// There is no such mailbox.
    Nobody,
}

impl Inboxes {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands a message over, or keeps it behind those that wait for the same mailbox.
    pub(crate) fn deliver(&mut self, table: &Table, to: LocalId, message: Received) -> Handed {
        if let Some(waiting) = self.waiting.get_mut(&to) {
            waiting.push_back(message);
            return Handed::Waits;
        }
        match table.deliver(to, message) {
            Deliver::Done => Handed::Over,
            Deliver::NoMailbox => Handed::Nobody,
            Deliver::Full { message, queue } => {
                self.waiting.insert(to, VecDeque::from([message]));
                self.wait(to, queue);
                Handed::Waits
            }
        }
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
    fn on_room(&mut self, to: LocalId, mut room: Room) -> bool {
        let mut waiting = self.waiting.remove(&to).unwrap_or_default();
        while let (Some(permit), Some(message)) = (room.take(), waiting.pop_front()) {
            match permit.send(message).try_reserve_owned() {
                Ok(permit) => room = Some(permit),
                Err(mpsc::error::TrySendError::Full(queue)) if !waiting.is_empty() => {
                    self.waiting.insert(to, waiting);
                    self.wait(to, queue);
                    return false;
                }
                Err(_) => {}
            }
        }
        true
    }

    fn wait(&self, to: LocalId, queue: mpsc::Sender<Received>) {
        self.rooms.push(Box::pin(
            async move { (to, queue.reserve_owned().await.ok()) },
        ));
    }
}

impl std::fmt::Debug for Inboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inboxes")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
