//! The log that this node owns: its keys, when each was last written, and which deletions are
//! still remembered.
//!
//! Every write gets the next number. Only the last write of a key is kept, so "the log from number
//! n on" is the set of keys whose last write came after n, and a receiver that has everything up
//! to n becomes current by it, whatever it missed. Deletions are entries too, but only the last
//! `deletions_max` of them are kept. The number of the last one that was forgotten is the *floor*:
//! a receiver below it gets a snapshot in pages, each authoritative for its range of keys.
//!
//! Cost: O(log n) per write; a page costs O(log n + its entries). Memory: about 150 bytes and the
//! key and value per entry.
//! Source: delta-state replication (Almeida, Shoker, Baquero 2018) for the single-writer case.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use archipelago_core::wire::{List, LogEntry, LogPull, LogUpdate};
use archipelago_core::{Boot, Era};

use super::config::{
    KEY_BYTES_MAX, LogConfig, LogError, PAGE_BYTES, PAGE_ENTRIES_MAX, VALUE_BYTES_MAX, weight,
    wire_bytes,
};

/// One owner's log at its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnLog {
    boot: Boot,
    era: Era,
    /// The number of the last write.
    head: u64,
    /// The highest number of a deletion that is no longer remembered.
    floor: u64,
    entries: BTreeMap<Bytes, Written>,
    /// Keys by the number of their last write.
    order: BTreeMap<u64, Bytes>,
    /// Numbers of the deletions that are remembered.
    deletions: BTreeSet<u64>,
    /// Weight of the live entries.
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Written {
    seq: u64,
    value: Option<Bytes>,
}

impl OwnLog {
    /// An empty log of this start and era.
    pub fn new(boot: Boot, era: Era) -> Self {
        Self {
            boot,
            era,
            ..Self::default()
        }
    }

    /// The number of the last write; 0 before the first.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The highest number of a deletion that is forgotten: below it, only snapshots help.
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// The start and era under which the log goes out.
    pub const fn epoch(&self) -> (Boot, Era) {
        (self.boot, self.era)
    }

    /// Goes on under a later start or era: receivers begin afresh. Keys and numbers stay.
    pub const fn set_epoch(&mut self, boot: Boot, era: Era) {
        self.boot = boot;
        self.era = era;
    }

    /// Bytes of the live keys and values, with an allowance for each entry.
    pub const fn weight(&self) -> usize {
        self.bytes
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.entries.get(key)?.value.as_ref()
    }

    /// Live keys that begin with `prefix`, in order, with their values.
    pub fn range(&self, prefix: &[u8]) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        super::prefixed(&self.entries, prefix)
            .filter_map(|(key, written)| Some((key, written.value.as_ref()?)))
    }

    /// Writes `value` under `key`; returns the number of the write. A value that is there already
    /// is not written again: its number is returned.
    ///
    /// # Errors
    /// [`LogError`]; nothing changed.
    pub fn put(&mut self, key: Bytes, value: Bytes, config: &LogConfig) -> Result<u64, LogError> {
        let old = self.entries.get(&key);
        if let Some(written) = old.filter(|written| written.value.as_ref() == Some(&value)) {
            return Ok(written.seq);
        }
        let old_value = old.and_then(|written| written.value.as_ref());
        let old_bytes = old_value.map_or(0, |value| weight(&key, value));
        let is_new = old_value.is_none();
        check_sizes(&key, &value)?;
        if is_new && self.live() >= config.entries_max {
            let max = config.entries_max;
            return Err(LogError::Entries { max });
        }
        let bytes = self.bytes - old_bytes + weight(&key, &value);
        if bytes > config.bytes_max {
            let max = config.bytes_max;
            return Err(LogError::Bytes { max });
        }
        self.bytes = bytes;
        Ok(self.write(key, Some(value)))
    }

    /// Deletes `key`; returns the number of the deletion, or `None` if the key was not there.
    pub fn delete(&mut self, key: &[u8], config: &LogConfig) -> Option<u64> {
        let (key, written) = self.entries.get_key_value(key)?;
        let value = written.value.as_ref()?;
        self.bytes -= weight(key, value);
        let seq = self.write(key.clone(), None);
        self.deletions.insert(seq);
        while self.deletions.len() > config.deletions_max {
            self.forget_deletion();
        }
        Some(seq)
    }

    /// What brings a receiver from `pull` closer to this log's head: a delta, or below the floor
    /// (or in the midst of a snapshot) a page of a snapshot. `None` when it has everything, or
    /// asks for what follows no key.
    pub fn page(&self, pull: &LogPull, config: &LogConfig) -> Option<LogUpdate> {
        if pull.after.len() > KEY_BYTES_MAX {
            return None;
        }
        if (pull.mark.boot, pull.mark.era) != self.epoch() {
            return self.page_from(0, &[], config);
        }
        self.page_from(pull.mark.seq, &pull.after, config)
    }

    /// As [`OwnLog::page`], for a receiver of this start and era.
    pub fn page_from(&self, seq: u64, after: &[u8], config: &LogConfig) -> Option<LogUpdate> {
        if !after.is_empty() || seq < self.floor {
            Some(self.snapshot(after, config))
        } else if seq < self.head {
            Some(self.delta(seq, config))
        } else {
            None
        }
    }

    /// Live keys.
    pub fn live(&self) -> usize {
        self.entries.len() - self.deletions.len()
    }

    fn write(&mut self, key: Bytes, value: Option<Bytes>) -> u64 {
        self.head += 1;
        let seq = self.head;
        let written = Written { seq, value };
        if let Some(old) = self.entries.insert(key.clone(), written) {
            self.order.remove(&old.seq);
            self.deletions.remove(&old.seq);
        }
        self.order.insert(seq, key);
        seq
    }

    fn forget_deletion(&mut self) {
        let Some(seq) = self.deletions.pop_first() else {
            return;
        };
        if let Some(key) = self.order.remove(&seq) {
            self.entries.remove(&key);
        }
        self.floor = seq;
    }

    fn delta(&self, from_seq: u64, config: &LogConfig) -> LogUpdate {
        let mut page = Page::new(config);
        let later = (Bound::Excluded(from_seq), Bound::Unbounded);
        let mut to_seq = self.head;
        for (&seq, key) in self.order.range(later) {
            let value = self
                .entries
                .get(key)
                .and_then(|written| written.value.clone());
            if !page.push(seq, key, value) {
                to_seq = page.entries.last().map_or(from_seq, |entry| entry.seq);
                break;
            }
        }
        self.update(from_seq, to_seq, page)
    }

    fn snapshot(&self, after: &[u8], config: &LogConfig) -> LogUpdate {
        let mut page = Page::new(config);
        let mut range_to = None;
        let rest = (Bound::Excluded(after), Bound::Unbounded);
        for (key, written) in self.entries.range::<[u8], _>(rest) {
            if written.value.is_some() && !page.push(written.seq, key, written.value.clone()) {
                range_to = page.entries.last().map(|entry| entry.key.clone());
                break;
            }
        }
        LogUpdate {
            range_after: Bytes::copy_from_slice(after),
            range_to,
            snapshot: true,
            ..self.update(0, self.head, page)
        }
    }

    fn update(&self, from_seq: u64, to_seq: u64, page: Page) -> LogUpdate {
        LogUpdate {
            boot: self.boot,
            era: self.era,
            from_seq,
            to_seq,
            range_after: Bytes::new(),
            range_to: None,
            snapshot: false,
            entries: List::truncated(page.entries),
        }
    }
}

/// The entries of one message while it fills.
struct Page {
    entries: Vec<LogEntry>,
    entries_max: usize,
    bytes: usize,
}

impl Page {
    fn new(config: &LogConfig) -> Self {
        Self {
            entries: Vec::new(),
            entries_max: config.page_entries.clamp(1, PAGE_ENTRIES_MAX),
            bytes: 0,
        }
    }

    /// Appends unless the page is full; any one entry fits an empty page.
    fn push(&mut self, seq: u64, key: &Bytes, value: Option<Bytes>) -> bool {
        let key = key.clone();
        let entry = LogEntry { seq, key, value };
        let bytes = self.bytes + wire_bytes(&entry);
        if bytes > PAGE_BYTES || self.entries.len() >= self.entries_max {
            return false;
        }
        self.bytes = bytes;
        self.entries.push(entry);
        true
    }
}

fn check_sizes(key: &[u8], value: &[u8]) -> Result<(), LogError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(LogError::Key { bytes: key.len() });
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(LogError::Value { bytes: value.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
