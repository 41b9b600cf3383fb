//! The mailboxes of one node by their local ids.
//!
//! Read at every delivery, written when a mailbox is made or dropped.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use archipelago_core::LocalId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Received;

/// All mailboxes of a node.
#[derive(Debug)]
pub(crate) struct Table {
    entries: RwLock<HashMap<LocalId, mpsc::Sender<Received>>>,
    mailboxes_max: usize,
    len_max: usize,
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) enum Deliver {
    /// It is in the mailbox.
    Done,
    /// The mailbox is full: wait for room in `queue`, and deliver `message` first then.
    Full {
        message: Received,
        queue: mpsc::Sender<Received>,
    },
    /// There is no such mailbox.
    NoMailbox,
}

impl Table {
    pub(crate) fn new(mailboxes_max: usize, len_max: usize) -> Self {
        Self {
            entries: RwLock::default(),
            mailboxes_max,
            len_max: len_max.max(1),
        }
    }

    /// A new mailbox under `local`; `None` at the limit, or if the id is taken.
    pub(crate) fn insert(&self, local: LocalId) -> Option<mpsc::Receiver<Received>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.mailboxes_max || entries.contains_key(&local) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(self.len_max);
        entries.insert(local, sender);
        Some(receiver)
    }

    pub(crate) fn remove(&self, local: LocalId) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&local);
    }

    /// Ends all mailboxes: what is in them can still be read.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
    }

    /// The way into a mailbox.
    pub(crate) fn find(&self, local: LocalId) -> Option<mpsc::Sender<Received>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&local).cloned()
    }

    /// Hands a message over, if its mailbox has room.
    pub(crate) fn deliver(&self, to: LocalId, message: Received) -> Deliver {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = entries.get(&to) else {
            return Deliver::NoMailbox;
        };
        match queue.try_send(message) {
            Ok(()) => Deliver::Done,
            Err(TrySendError::Closed(_)) => Deliver::NoMailbox,
            Err(TrySendError::Full(message)) => Deliver::Full {
                message,
                queue: queue.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archipelago_core::{Boot, NodeId, Pid};

    fn message() -> Received {
        Received {
            from: Pid {
                node: NodeId([1; 32]),
                boot: Boot(1),
                local: LocalId(1),
                home: None,
            },
            payload: bytes::Bytes::from_static(b"m"),
        }
    }

    #[test]
    fn a_full_mailbox_hands_the_message_back() {
        let table = Table::new(1, 1);
        let mut queue = table.insert(LocalId(7)).unwrap();
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Done
        ));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Full { .. }
        ));
        assert_eq!(queue.try_recv().unwrap(), message());
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Done
        ));
    }

    #[test]
    fn the_limit_holds_and_a_removed_mailbox_is_nobody() {
        let table = Table::new(1, 1);
        let _queue = table.insert(LocalId(7)).unwrap();
        assert!(table.insert(LocalId(8)).is_none());
        table.remove(LocalId(7));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::NoMailbox
        ));
    }
}
