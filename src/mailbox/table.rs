//! The mailboxes of one node by their local ids.
//!
//! Read at every delivery, written when a mailbox is made or dropped.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use archipelago_core::LocalId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Received;

/// All mailboxes of a node.
#[derive(Debug)]
pub(crate) struct Table {
    entries: RwLock<HashMap<LocalId, Slot>>,
    mailboxes_max: usize,
    len_max: usize,
}

/// The way into one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) queue: mpsc::Sender<Received>,
    /// The type of the values that it takes without codec; `None`: bytes only.
    pub(crate) type_id: Option<TypeId>,
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
    pub(crate) fn insert(
        &self,
        local: LocalId,
        type_id: Option<TypeId>,
    ) -> Option<mpsc::Receiver<Received>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.mailboxes_max || entries.contains_key(&local) {
            return None;
        }
        let (queue, receiver) = mpsc::channel(self.len_max);
        entries.insert(local, Slot { queue, type_id });
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
    pub(crate) fn find(&self, local: LocalId) -> Option<Slot> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&local).cloned()
    }

    /// Hands a message over, if its mailbox has room.
    pub(crate) fn deliver(&self, to: LocalId, message: Received) -> Deliver {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Slot { queue, .. }) = entries.get(&to) else {
            drop(entries);
            return nobody(message);
        };
        match queue.try_send(message) {
            Ok(()) => Deliver::Done,
            Err(TrySendError::Full(message)) => Deliver::Full {
                message,
                queue: queue.clone(),
            },
            Err(TrySendError::Closed(message)) => {
                drop(entries);
                nobody(message)
            }
        }
    }
}

/// A call to nobody is answered so.
fn nobody(message: Received) -> Deliver {
    if let Some(reply) = message.reply {
        reply.no_mailbox();
    }
    Deliver::NoMailbox
}

#[cfg(test)]
mod tests {
    use super::*;
    use archipelago_core::{Boot, NodeId, Pid};

    fn message() -> Received {
        let from = Pid {
            node: NodeId([1; 32]),
            boot: Boot(1),
            local: LocalId(1),
            home: None,
        };
        Received::cast(from, bytes::Bytes::from_static(b"m"))
    }

    #[test]
    fn a_full_mailbox_hands_the_message_back() {
        let table = Table::new(1, 1);
        let mut queue = table.insert(LocalId(7), None).unwrap();
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Done
        ));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Full { .. }
        ));
        let taken = queue.try_recv().unwrap();
        assert_eq!((taken.from, taken.payload), (message().from, "m".into()));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Done
        ));
    }

    #[test]
    fn the_limit_holds_and_a_removed_mailbox_is_nobody() {
        let table = Table::new(1, 1);
        let _queue = table.insert(LocalId(7), None).unwrap();
        assert!(table.insert(LocalId(8), None).is_none());
        table.remove(LocalId(7));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::NoMailbox
        ));
    }
}
