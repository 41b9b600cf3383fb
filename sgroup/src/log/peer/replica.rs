//! The state of one replica: what it holds, and how far a snapshot of it is.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use archipelago_core::wire::{LogEntry, LogUpdate};

use super::{Applied, LogChange};
use crate::log::config::{LogConfig, UpdateError, weight};

/// Pages of one snapshot; an owner within the limits needs a quarter of that.
const PAGES_MAX: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    /// Everything up to this is here.
    pub(super) applied: u64,
    /// The owner has written up to this, by its own word.
    pub(super) head: u64,
    pub(super) entries: BTreeMap<Bytes, Held>,
    /// Weight of the entries.
    pub(super) bytes: usize,
    pub(super) walk: Option<Box<Walk>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) seq: u64,
    pub(super) value: Bytes,
}

/// How far a snapshot is, and after its end, which ranges are newer than what counts as applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    /// What the first page was made of.
    pub(super) base: u64,
    /// What the last page was made of; never falls.
    pub(super) newest: u64,
    /// Where the last page ended; `None` when the snapshot is complete.
    pub(super) cursor: Option<Bytes>,
    /// The last key of each page (`None`: no bound) and what the page was made of.
    pub(super) pages: Vec<(Option<Bytes>, u64)>,
}

impl Replica {
    /// Applies a delta that ends beyond what was applied.
    pub(super) fn apply_delta(
        &mut self,
        update: &LogUpdate,
        config: &LogConfig,
        changes: &mut Vec<LogChange>,
    ) -> Result<Applied, UpdateError> {
        let is_walking = self.walk.as_ref().is_some_and(|walk| walk.cursor.is_some());
        if is_walking || update.from_seq > self.applied {
            return Ok(Applied::Gap);
        }
        let news: Vec<&LogEntry> = update
            .entries
            .iter()
            .filter(|entry| entry.seq > self.applied && !self.is_covered(entry))
            .collect();
        let outgoing = news
            .iter()
            .filter_map(|entry| self.weight_of(&entry.key))
            .sum();
        self.check_room(&news, outgoing, config)?;
        for entry in news {
            self.write(entry, changes);
        }
        self.advance(update.to_seq);
        Ok(Applied::Advanced)
    }

    /// Applies a page that tells of more than what was applied.
    pub(super) fn apply_page(
        &mut self,
        update: &LogUpdate,
        config: &LogConfig,
        changes: &mut Vec<LogChange>,
    ) -> Result<Applied, UpdateError> {
        if !self.continues_walk(update) {
            return Ok(Applied::Gap);
        }
        let is_long = |walk: &Walk| walk.cursor.is_some() && walk.pages.len() >= PAGES_MAX;
        if self.walk.as_deref().is_some_and(is_long) {
            return Err(UpdateError::TooLarge);
        }
        let entries: Vec<&LogEntry> = update.entries.iter().collect();
        let outgoing = self
            .in_range(update)
            .map(|(key, held)| weight(key, &held.value))
            .sum();
        self.check_room(&entries, outgoing, config)?;
        self.remove_absent(update, changes);
        for entry in entries {
            if self
                .entries
                .get(&entry.key)
                .is_none_or(|held| held.seq != entry.seq)
            {
                self.write(entry, changes);
            }
        }
        Ok(self.advance_walk(update))
    }

    /// Whether the page is the next one of the walk, or the first one of a new walk, and not
    /// older than what a page told before.
    fn continues_walk(&self, update: &LogUpdate) -> bool {
        let Some(walk) = &self.walk else {
            return update.range_after.is_empty();
        };
        let expected = walk.cursor.as_deref().unwrap_or_default();
        update.range_after == expected && update.to_seq >= walk.newest
    }

    fn advance_walk(&mut self, update: &LogUpdate) -> Applied {
        let walk = self.walk.get_or_insert_default();
        if update.range_after.is_empty() {
            walk.base = update.to_seq;
            walk.pages.clear();
        }
        walk.newest = update.to_seq;
        walk.cursor.clone_from(&update.range_to);
        walk.pages.push((update.range_to.clone(), update.to_seq));
        if walk.cursor.is_some() {
            return Applied::Page;
        }
        let base = walk.base;
        self.advance(base);
        Applied::Advanced
    }

    fn advance(&mut self, seq: u64) {
        self.applied = self.applied.max(seq);
        if self
            .walk
            .as_ref()
            .is_some_and(|walk| walk.newest <= self.applied)
        {
            self.walk = None;
        }
    }

    /// Whether a page told of the entry's key as of a later number than the entry's.
    fn is_covered(&self, entry: &LogEntry) -> bool {
        let Some(walk) = &self.walk else { return false };
        let ends_before =
            |(last, _): &(Option<Bytes>, u64)| last.as_ref().is_some_and(|last| *last < entry.key);
        let page = walk.pages.partition_point(ends_before);
        walk.pages
            .get(page)
            .is_some_and(|&(_, as_of)| entry.seq <= as_of)
    }

    fn in_range<'a>(
        &'a self,
        update: &'a LogUpdate,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Held)> {
        let after = Bound::Excluded(&update.range_after[..]);
        let to = match &update.range_to {
            Some(last) => Bound::Included(&last[..]),
            None => Bound::Unbounded,
        };
        self.entries.range::<[u8], _>((after, to))
    }

    fn remove_absent(&mut self, update: &LogUpdate, changes: &mut Vec<LogChange>) {
        let is_absent = |key: &Bytes| {
            let found = update.entries.binary_search_by(|entry| entry.key.cmp(key));
            found.is_err()
        };
        let absent: Vec<Bytes> = self
            .in_range(update)
            .filter(|(key, _)| is_absent(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in absent {
            self.remove(&key, changes);
        }
    }

    fn write(&mut self, entry: &LogEntry, changes: &mut Vec<LogChange>) {
        let Some(value) = &entry.value else {
            self.remove(&entry.key, changes);
            return;
        };
        let held = Held {
            seq: entry.seq,
            value: value.clone(),
        };
        self.bytes += weight(&entry.key, value);
        if let Some(old) = self.entries.insert(entry.key.clone(), held) {
            self.bytes -= weight(&entry.key, &old.value);
        }
        changes.push(LogChange {
            key: entry.key.clone(),
            value: Some(value.clone()),
        });
    }

    fn remove(&mut self, key: &Bytes, changes: &mut Vec<LogChange>) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= weight(key, &old.value);
            changes.push(LogChange {
                key: key.clone(),
                value: None,
            });
        }
    }

    fn weight_of(&self, key: &Bytes) -> Option<usize> {
        Some(weight(key, &self.entries.get(key)?.value))
    }

    /// Whether the entries fit when `outgoing` bytes of what is here go.
    fn check_room(
        &self,
        entries: &[&LogEntry],
        outgoing: usize,
        config: &LogConfig,
    ) -> Result<(), UpdateError> {
        let live = entries
            .iter()
            .filter_map(|entry| Some((entry, entry.value.as_ref()?)));
        let incoming: usize = live.map(|(entry, value)| weight(&entry.key, value)).sum();
        let bytes = self.bytes.saturating_sub(outgoing) + incoming;
        let bytes_max = config.bytes_max.saturating_mul(2);
        let entries_max = config.entries_max.saturating_mul(2);
        let is_growing = incoming > outgoing;
        if is_growing && (bytes > bytes_max || self.entries.len() > entries_max) {
            return Err(UpdateError::TooLarge);
        }
        Ok(())
    }
}
