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
//! replica of an empty log takes 24 bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use archipelago_core::wire::{LogEntry, LogMark, LogPull, LogUpdate};
use archipelago_core::{Boot, Era, NodeId, Peer};

use super::config::{LogConfig, UpdateError, is_sized, weight};

/// Pages of one snapshot; an owner within the limits needs a quarter of that.
const PAGES_MAX: usize = 1_024;

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
    data: Option<Box<Replica>>,
    owner: Peer,
    era: Era,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    /// Everything up to this is here.
    applied: u64,
    /// The owner has written up to this, by its own word.
    head: u64,
    entries: BTreeMap<Bytes, Held>,
    /// Weight of the entries.
    bytes: usize,
    walk: Option<Box<Walk>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    seq: u64,
    value: Bytes,
}

/// How far a snapshot is, and after its end, which ranges are newer than what counts as applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Walk {
    /// What the first page was made of.
    base: u64,
    /// What the last page was made of; never falls.
    newest: u64,
    /// Where the last page ended; `None` when the snapshot is complete.
    cursor: Option<Bytes>,
    /// The last key of each page (`None`: no bound) and what the page was made of.
    pages: Vec<(Option<Bytes>, u64)>,
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

    /// Everything up to this number is here that was not written over since.
    pub fn applied(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.applied)
    }

    /// How far the owner said that its log goes.
    pub fn head(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.head)
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
            let data = self.data.get_or_insert_default();
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
            changes.extend(
                data.entries
                    .into_keys()
                    .map(|key| LogChange { key, value: None }),
            );
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
        check(update)?;
        let epoch = (update.boot, update.era);
        if epoch < self.epoch() {
            return Ok(Applied::Ignored);
        }
        self.on_epoch(update.boot, update.era, changes);
        if update.to_seq == 0 {
            return Ok(Applied::Known);
        }
        let data = self.data.get_or_insert_default();
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

impl Replica {
    fn apply_delta(
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

    fn apply_page(
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

/// Whether an update keeps to its own form; says nothing of whether it fits here.
fn check(update: &LogUpdate) -> Result<(), UpdateError> {
    let is_sound = update.entries.iter().all(is_sized)
        && if update.snapshot {
            is_page(update)
        } else {
            is_delta(update)
        };
    if is_sound {
        Ok(())
    } else {
        Err(UpdateError::Malformed)
    }
}

fn is_delta(update: &LogUpdate) -> bool {
    let mut last = update.from_seq;
    let rises = update.entries.iter().all(|entry| {
        let is_later = entry.seq > last;
        last = entry.seq;
        is_later
    });
    let is_ranged = !update.range_after.is_empty() || update.range_to.is_some();
    rises && last <= update.to_seq && !is_ranged
}

fn is_page(update: &LogUpdate) -> bool {
    let mut last = &update.range_after;
    let rises = update.entries.iter().all(|entry| {
        let is_sound =
            entry.key > *last && entry.value.is_some() && (1..=update.to_seq).contains(&entry.seq);
        last = &entry.key;
        is_sound
    });
    let ends_within = update.range_to.as_ref().is_none_or(|to| *to >= *last);
    let moves_on = update
        .range_to
        .as_ref()
        .is_none_or(|to| *to > update.range_after);
    rises && ends_within && moves_on && update.from_seq == 0
}

#[cfg(test)]
mod tests;
