//! What a driver keeps records and marks in.
//!
//! A map from short keys to values, changed in batches. Tables are told apart by their first byte
//! ([`Table`](super::Table)); values carry their own checksums, so a store that returns wrong bytes
//! is found out.

use bytes::Bytes;

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value from now on.
    Put(Bytes, Bytes),
    /// The key has none.
    Delete(Bytes),
}

/// A durable map. Its caller is one, and waits.
pub trait Store: Send {
    /// Makes all changes, in order; when it returns, they survive the loss of power.
    ///
    /// # Errors
    /// [`StoreError`], whose `is_uncertain` says whether they may have been made all the same. The
    /// next commit may succeed again: a store mends itself where it can.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(&mut self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// All entries whose keys begin like this, in order of the keys.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError>;

    /// Whether entries may be missing that nobody can name, since more than values was damaged
    /// when the store was opened. Default: never.
    fn is_damaged(&self) -> bool {
        false
    }
}

/// A store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", if *.is_uncertain { " (it may have been written all the same)" } else { "" })]
pub struct StoreError {
    /// Why, for people.
    pub reason: String,
    /// Whether changes may have been made all the same.
    pub is_uncertain: bool,
    /// There is no room: it will work again when there is.
    pub is_full: bool,
}
