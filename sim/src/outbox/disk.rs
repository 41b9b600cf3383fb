//! A disk that keeps only what was synced, and that only as far as its faults let it.
//!
//! A write is begun, and finished a while later; what a crash finds in between may be there, not be
//! there, or be there in part, torn inside a value, unless the disk is one of transactions.

use std::collections::BTreeMap;

use archipelago_router::outbox::{Change, Entry, Store, StoreError, Table};
use bytes::Bytes;

use crate::Random;

/// What goes wrong with writes until it is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room (ENOSPC): nothing is written.
    Full,
    /// An error (EIO): nothing is written.
    Error,
    /// The sync fails, and nobody knows whether it was written; this disk wrote it.
    SyncAfter,
    /// The sync fails, and nobody knows whether it was written; this disk did not.
    SyncBefore,
}

/// A simulated disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    entries: BTreeMap<Bytes, Bytes>,
    writing: Option<Vec<Change>>,
    fault: Option<Fault>,
    is_transactional: bool,
}

impl Disk {
    /// An empty one, which writes a batch whole or not at all if it `is_transactional`.
    pub fn new(is_transactional: bool) -> Self {
        Self {
            is_transactional,
            ..Self::default()
        }
    }

    /// What goes wrong from now on; `None`: nothing.
    pub const fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// Begins to write.
    pub(super) fn begin(&mut self, changes: Vec<Change>) {
        assert!(self.writing.is_none(), "one write is under way at a time");
        self.writing = Some(changes);
    }

    /// What was begun is synced, or fails.
    pub(super) fn finish(&mut self) -> (Vec<Change>, Result<(), StoreError>) {
        let changes = self.writing.take().unwrap_or_default();
        let result = self.commit(&changes);
        (changes, result)
    }

    /// As it is found after a crash: without what was not synced, or with a part of that.
    #[must_use]
    pub fn crashed(mut self, random: &mut Random) -> Self {
        self.fault = None;
        let mut changes = self.writing.take().unwrap_or_default();
        let part = random.index(3);
        if part == 0 {
            return self;
        }
        if part == 1 && !self.is_transactional {
            changes.truncate(random.index(changes.len() + 1));
            if let Some(Change::Put(_, value)) = changes.last_mut() {
                value.truncate(random.index(value.len() + 1));
            }
        }
        self.apply(&changes);
        self
    }

    /// Flips one bit of one stored record's value; the record's key, if there is one.
    pub fn flip(&mut self, random: &mut Random) -> Option<Bytes> {
        let records = |key: &&Bytes| key.first() == Some(&(Table::Records as u8));
        let keys: Vec<_> = self.entries.keys().filter(records).cloned().collect();
        let key = keys.get(random.index(keys.len()))?;
        let value = self.entries.get_mut(key)?;
        let mut bytes = value.to_vec();
        let at = random.index(bytes.len());
        *bytes.get_mut(at)? ^= 1 << random.below(8);
        *value = bytes.into();
        Some(key.clone())
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.clone() {
                Change::Put(key, value) => self.entries.insert(key, value),
                Change::Delete(key) => self.entries.remove(&key),
            };
        }
    }
}

impl Store for Disk {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let failed = |reason: &str, is_uncertain, is_full| {
            Err(StoreError {
                reason: reason.to_owned(),
                is_uncertain,
                is_full,
            })
        };
        match self.fault {
            Some(Fault::Full) => failed("no room", false, true),
            Some(Fault::Error) => failed("an error", false, false),
            Some(Fault::SyncBefore) => failed("a failed sync", true, false),
            Some(Fault::SyncAfter) => {
                self.apply(changes);
                failed("a failed sync", true, false)
            }
            None => {
                self.apply(changes);
                Ok(())
            }
        }
    }

    fn read(&mut self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.entries.get(key).cloned())
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let from = self.entries.range(Bytes::copy_from_slice(prefix)..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}
