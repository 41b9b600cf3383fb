//! The limits and times of owner-logs, and what happens at the limits.

use std::time::Duration;

use archipelago_core::wire::{LogEntry, LogUpdate};

/// Longest key in bytes; the shortest has one.
pub const KEY_BYTES_MAX: usize = LogEntry::KEY_BYTES_MAX;
/// Largest value in bytes.
pub const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of entries that one message carries, encoded: with its head it stays below 48 KiB, three
/// quarters of a control frame.
pub(super) const PAGE_BYTES: usize = 46 * 1024;
/// Most entries in one message, as its type says: more would be cut off by it, and be lost.
pub const PAGE_ENTRIES_MAX: usize = LogUpdate::ENTRIES_MAX;
/// What an entry counts for beside its key and its value, in bytes: about what it costs in memory.
pub(super) const ENTRY_BYTES: usize = 64;

/// Limits and times of the logs of one group. A writer keeps to them; a reader bears twice as much
/// from each owner, because in the middle of a snapshot it holds keys of two states.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Live keys of one owner. Default 65,536.
    pub entries_max: usize,
    /// Bytes of one owner's live keys and values, with 64 more for each. Default 8 MiB.
    pub bytes_max: usize,
    /// Deletions that an owner remembers. Default 1,024: whoever missed more than that gets a
    /// snapshot.
    pub deletions_max: usize,
    /// Messages on their way to one receiver that has not acknowledged them. Default 4, about
    /// 200 KiB.
    pub window: usize,
    /// Entries in one message, 1 to 1,024. Default 1,024; it ends at 46 KiB in any case.
    pub page_entries: usize,
    /// First and longest wait before something unacknowledged or asked for is repeated; the wait
    /// doubles. Default 1 s (beyond any round trip) to 16 s.
    pub repeat: (Duration, Duration),
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            entries_max: 65_536,
            bytes_max: 8 * 1024 * 1024,
            deletions_max: 1_024,
            window: 4,
            page_entries: PAGE_ENTRIES_MAX,
            repeat: (Duration::from_secs(1), Duration::from_secs(16)),
        }
    }
}

impl LogConfig {
    /// The wait before the repetition of number `tries`, from 0.
    pub(super) fn wait(&self, tries: u8) -> Duration {
        let factor = 1_u32 << tries.min(16);
        self.repeat.0.saturating_mul(factor).min(self.repeat.1)
    }
}

/// Why something is not written; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The key is empty or too long.
    #[error("a key of {bytes} bytes: 1 to {KEY_BYTES_MAX} are allowed")]
    Key {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The value is too large.
    #[error("a value of {bytes} bytes: at most {VALUE_BYTES_MAX} are allowed")]
    Value {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The log has as many keys as it may.
    #[error("the log has {max} keys already: delete some, or raise `entries_max` in the group")]
    Entries {
        /// The limit.
        max: usize,
    },
    /// The log would be larger than it may.
    #[error("the log would exceed {max} bytes: delete something, or raise `bytes_max`")]
    Bytes {
        /// The limit.
        max: usize,
    },
}

/// Why an update is not applied; nothing changed. Its owner breaks the protocol or has wider
/// limits than we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// Its numbers or keys are out of order or out of range.
    #[error("the update contradicts itself")]
    Malformed,
    /// The owner has more keys or bytes than one owner may have.
    #[error("the owner's log is larger than it may be")]
    TooLarge,
}

/// What an entry counts for in memory, in bytes.
pub(super) const fn weight(key: &[u8], value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

/// At least what an entry takes on the wire, in bytes.
pub(super) fn wire_bytes(entry: &LogEntry) -> usize {
    // seq ≤ 10, two lengths ≤ 3 each, one tag.
    17 + entry.key.len() + entry.value.as_ref().map_or(0, |value| value.len())
}

/// Whether key and value have lengths that an entry may have.
pub(super) fn is_sized(entry: &LogEntry) -> bool {
    let value_bytes = entry.value.as_ref().map_or(0, |value| value.len());
    (1..=KEY_BYTES_MAX).contains(&entry.key.len()) && value_bytes <= VALUE_BYTES_MAX
}
