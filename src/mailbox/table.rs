//! The mailboxes of one node by their local ids.
//!
//! Read at every delivery, written when a mailbox is made or dropped, or gets a name of the node.
//! A name is one more way into a mailbox, under an id that is made of the name; it goes with it.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archipelago_core::LocalId;
use bytes::Bytes;

use super::Received;
use super::queue::{Intake, Outlet, PutError, end, queue};

/// All mailboxes of a node.
#[derive(Debug)]
pub(crate) struct Table {
    entries: RwLock<Entries>,
    mailboxes_max: usize,
    len_max: usize,
}

#[derive(Debug, Default)]
struct Entries {
    slots: HashMap<LocalId, Slot>,
    /// Which mailbox has a name.
    names: BTreeMap<Bytes, LocalId>,
}

/// Why a mailbox did not get a name; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNamed {
    /// Another mailbox has it, or one that has it already.
    Taken(LocalId),
    /// There is no such mailbox.
    NoMailbox,
    /// There are as many ways into mailboxes as may be.
    Full,
}

/// The way into one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) queue: Intake,
    /// The type of the values that it takes without codec; `None`: bytes only.
    pub(crate) type_id: Option<TypeId>,
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) enum Deliver {
    /// It is in the mailbox.
    Done,
    /// The mailbox is full.
    Full,
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
    pub(crate) fn insert(&self, local: LocalId, type_id: Option<TypeId>) -> Option<Outlet> {
        let mut entries = self.write();
        if entries.slots.len() >= self.mailboxes_max || entries.slots.contains_key(&local) {
            return None;
        }
        let (queue, receiver) = queue(self.len_max);
        entries.slots.insert(local, Slot { queue, type_id });
        Some(receiver)
    }

    /// Ends a mailbox; its names go with it.
    pub(crate) fn remove(&self, local: LocalId) {
        let mut entries = self.write();
        let Entries { slots, names } = &mut *entries;
        slots.remove(&local);
        names.retain(|name, owner| {
            let is_kept = *owner != local;
            if !is_kept {
                slots.remove(&LocalId::named(name));
            }
            is_kept
        });
    }

    /// Ends all mailboxes: what is in them can still be read.
    pub(crate) fn clear(&self) {
        let mut entries = self.write();
        entries.slots.clear();
        entries.names.clear();
    }

    /// Gives a mailbox a name of this node.
    pub(crate) fn name(&self, name: Bytes, local: LocalId) -> Result<(), NotNamed> {
        let mut entries = self.write();
        if let Some(owner) = entries.names.get(&name) {
            return Err(NotNamed::Taken(*owner));
        }
        let alias = LocalId::named(&name);
        let slot = entries.slots.get(&local).cloned();
        let slot = slot.ok_or(NotNamed::NoMailbox)?;
        // Of two names with one hash the second is as good as taken.
        if entries.slots.contains_key(&alias) {
            return Err(NotNamed::Taken(alias));
        }
        if entries.slots.len() >= self.mailboxes_max {
            return Err(NotNamed::Full);
        }
        entries.slots.insert(alias, slot);
        entries.names.insert(name, local);
        Ok(())
    }

    /// Takes a name back; whose it was.
    pub(crate) fn unname(&self, name: &[u8]) -> Option<LocalId> {
        let mut entries = self.write();
        let owner = entries.names.remove(name)?;
        entries.slots.remove(&LocalId::named(name));
        Some(owner)
    }

    /// Whose a name is.
    pub(crate) fn named(&self, name: &[u8]) -> Option<LocalId> {
        self.read().names.get(name).copied()
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> Vec<Bytes> {
        self.read().names.keys().cloned().collect()
    }

    /// The way into a mailbox.
    pub(crate) fn find(&self, local: LocalId) -> Option<Slot> {
        self.read().slots.get(&local).cloned()
    }

    /// Hands a message over, if its mailbox has room.
    pub(crate) fn deliver(&self, to: LocalId, message: Received) -> Deliver {
        let entries = self.read();
        let Some(Slot { queue, .. }) = entries.slots.get(&to) else {
            drop(entries);
            return nobody(message);
        };
        let put = queue.try_put(message);
        drop(entries);
        match put {
            Ok(()) => Deliver::Done,
            Err(PutError::Full) => Deliver::Full,
            Err(PutError::Closed(message)) => nobody(*message),
        }
    }
}

impl Table {
    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call to nobody is answered so.
fn nobody(message: Received) -> Deliver {
    end([message]);
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
            Deliver::Full
        ));
        let taken = queue.try_recv().unwrap();
        assert_eq!((taken.from, taken.payload), (message().from, "m".into()));
        assert!(matches!(
            table.deliver(LocalId(7), message()),
            Deliver::Done
        ));
    }

    /// U28: a name is a way into its mailbox until it is taken back or the mailbox ends.
    #[test]
    fn u28_a_name_leads_to_its_mailbox_and_ends_with_it() {
        let table = Table::new(3, 8);
        let (one, two) = (LocalId(7), LocalId(8));
        let mut queue = table.insert(one, None).unwrap();
        let _other = table.insert(two, None).unwrap();
        let name = Bytes::from_static(b"n");
        let alias = LocalId::named(b"n");
        assert_eq!(table.name(name.clone(), one), Ok(()));
        assert_eq!(table.name(name.clone(), two), Err(NotNamed::Taken(one)));
        assert_eq!(table.name("m".into(), LocalId(9)), Err(NotNamed::NoMailbox));
        assert_eq!(table.name("m".into(), two), Err(NotNamed::Full));
        assert!(matches!(table.deliver(alias, message()), Deliver::Done));
        assert!(queue.try_recv().is_some());
        assert_eq!(table.unname(b"n"), Some(one));
        assert_eq!(table.unname(b"n"), None);
        assert!(matches!(
            table.deliver(alias, message()),
            Deliver::NoMailbox
        ));
        assert_eq!(table.name(name.clone(), one), Ok(()));
        table.remove(one);
        assert_eq!((table.named(b"n"), table.names()), (None, vec![]));
        assert!(table.find(alias).is_none());
        assert_eq!(table.name(name, two), Ok(()));
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
