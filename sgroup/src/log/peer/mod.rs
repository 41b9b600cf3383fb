//! One owner's log as it is replicated here.
//!
//! A replica remembers no deletions. It needs none: an entry whose number is not above what was
//! applied is either here already or was written over, so a late or repeated message changes
//! nothing. A delta that begins beyond what was applied is a gap and is not applied: the owner is
//! asked ([`PeerLog::pull`]).
//!
//! A snapshot comes in pages, one asked for at a time by the key where the last one ended. Each
//! tells the state of its range of keys as of its own number; the owner may write in between. The
//! replica remembers which range it has as of which number (the *walk*) and when the last page is
//! in, counts as having applied what the first page was made of; the rest follows as a delta, of
//! which it passes over what a page was newer than. So no page, late, repeated or lost, can lose a
//! key or bring one back.
//!
//! Limits: an owner whose log exceeds twice what [`LogConfig`] allows is not followed further
//! ([`UpdateError::TooLarge`]); what was applied stays. Cost: O(entries · log n) per update; a
//! replica takes 24 bytes beside what it holds.

mod form;
mod formed;
mod replica;

use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::wire::{LogMark, LogPull, LogUpdate};
use archipelago_core::{Boot, Era, NodeId, Peer};

use super::config::{LogConfig, UpdateError, weight};
pub(crate) use replica::Replica;

/// A key that changed in a replica; `None`: it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChange {
    /// The key.
    pub key: Bytes,
    /// What it has now.
    pub value: Option<Bytes>,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is of an earlier start or era: nothing is to be said to it.
    Ignored,
    /// Everything in it was applied before: acknowledge, the owner seems not to know.
    Known,
    /// It begins beyond what was applied, or does not continue the snapshot: pull.
    Gap,
    /// A page of a snapshot, with more to come: pull the next.
    Page,
    /// What is applied went up: acknowledge.
    Advanced,
}

/// One owner's log here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerLog {
    boot: Boot,
    /// Nodes of one process that were formed together share it until one of them changes it.
    data: Option<Arc<Replica>>,
    owner: Peer,
    era: Era,
}

impl PeerLog {
    /// An empty replica of `owner`'s log in this start and era.
    pub const fn new(owner: Peer, boot: Boot, era: Era) -> Self {
        Self {
            boot,
            data: None,
            owner,
            era,
        }
    }

    /// Whose log.
    pub const fn owner(&self) -> Peer {
        self.owner
    }

    /// The start and era that the replica is of.
    pub const fn epoch(&self) -> (Boot, Era) {
        (self.boot, self.era)
    }

    /// Whether the owner has written nothing that is known of, in this start and era.
    pub const fn is_silent(&self) -> bool {
        self.data.is_none()
    }

    /// Everything up to this number is here that was not written over since.
    pub fn applied(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.applied)
    }

    /// How far the owner said that its log goes.
    pub fn head(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.head)
    }

    /// What it holds on the heap, its part of what is shared; nothing while it is empty.
    pub fn heap_bytes(&self) -> usize {
        let part = |data: &Arc<Replica>| {
            let bytes = size_of::<Replica>() + data.bytes;
            bytes / Arc::strong_count(data)
        };
        self.data.as_ref().map_or(0, part)
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        Some(&self.data.as_ref()?.entries.get(key)?.value)
    }

    /// Keys that begin with `prefix`, in order, with their values.
    pub fn range(&self, prefix: &[u8]) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        let data = self.data.as_ref();
        data.into_iter()
            .flat_map(move |data| super::prefixed(&data.entries, prefix))
            .map(|(key, held)| (key, &held.value))
    }

    /// What to ask the owner for.
    pub fn pull(&self, owner: NodeId) -> LogPull {
        let walk = self.data.as_ref().and_then(|data| data.walk.as_ref());
        LogPull {
            mark: self.mark(owner),
            after: walk
                .and_then(|walk| walk.cursor.clone())
                .unwrap_or_default(),
        }
    }

    /// How far the replica is.
    pub fn mark(&self, owner: NodeId) -> LogMark {
        LogMark {
            owner,
            boot: self.boot,
            era: self.era,
            seq: self.applied(),
        }
    }

    /// The owner says that its log goes up to `head` in this start and era.
    pub fn on_head(&mut self, head: u64) {
        if head > 0 {
            let data = Arc::make_mut(self.data.get_or_insert_default());
            data.head = data.head.max(head);
        }
    }

    /// The owner is known in this start and era: a later one begins afresh, an earlier one is
    /// nothing. What vanishes is appended to `changes`.
    pub fn on_epoch(&mut self, boot: Boot, era: Era, changes: &mut Vec<LogChange>) {
        if (boot, era) > self.epoch() {
            self.clear(changes);
            self.boot = boot;
            self.era = era;
        }
    }

    /// Empties the replica; what vanishes is appended to `changes`.
    pub fn clear(&mut self, changes: &mut Vec<LogChange>) {
        if let Some(data) = self.data.take() {
            let keys = Arc::unwrap_or_clone(data).entries.into_keys();
            changes.extend(keys.map(|key| LogChange { key, value: None }));
        }
    }

    /// Applies what the owner sent; what becomes visible by it is appended to `changes`.
    ///
    /// # Errors
    /// [`UpdateError`]; nothing changed, but that a later start or era begins afresh.
    pub fn apply(
        &mut self,
        update: &LogUpdate,
        config: &LogConfig,
        changes: &mut Vec<LogChange>,
    ) -> Result<Applied, UpdateError> {
        form::check(update)?;
        let epoch = (update.boot, update.era);
        if epoch < self.epoch() {
            return Ok(Applied::Ignored);
        }
        self.on_epoch(update.boot, update.era, changes);
        if update.to_seq == 0 {
            return Ok(Applied::Known);
        }
        let data = Arc::make_mut(self.data.get_or_insert_default());
        data.head = data.head.max(update.to_seq);
        if update.to_seq <= data.applied {
            Ok(Applied::Known)
        } else if update.snapshot {
            data.apply_page(update, config, changes)
        } else {
            data.apply_delta(update, config, changes)
        }
    }
}

#[cfg(test)]
mod tests;
