//! Limits and times of an outbox.

use std::time::Duration;

/// How much an outbox holds, for how long, and how it insists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Bytes of payload held in all streams. Default 64 MiB.
    pub bytes_max: u64,
    /// Records held in all streams. Default 65,536; each costs some 40 bytes of memory.
    pub records_max: usize,
    /// Bytes of one payload. Default 1 MiB; at most 15 MiB, which one message carries.
    pub record_bytes_max: usize,
    /// Streams, one for each name that was sent to. Default 1,024. At the limit one that is empty
    /// makes room.
    pub streams_max: usize,
    /// What happens to a record that finds the outbox full. Default [`WhenFull::Refuse`].
    pub when_full: WhenFull,
    /// How long a record is kept, counted while its outbox is open. Default 7 days.
    pub age_max: Duration,
    /// Payload bytes sent at once to one name, unless one record is longer. Default 64 KiB.
    pub batch_bytes_max: usize,
    /// Streams that wait for an answer at once. Default 64.
    pub flights_max: usize,
    /// The first pause after a failure. Default 200 ms; each further one doubles it.
    pub retry_min: Duration,
    /// The longest pause. Default 30 s; a name that is held again ends it at once.
    pub retry_max: Duration,
    /// How long a receiver may take for what was sent at once. Default 30 s; then it is sent again.
    pub answer_timeout: Duration,
}

/// What happens to a record that finds the outbox full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is refused, and its sender told: nothing that was acknowledged is ever lost to room.
    Refuse,
    /// The oldest records of the outbox make room, acknowledged as they are; they are counted.
    DropOldest,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            records_max: 65_536,
            record_bytes_max: 1 << 20,
            streams_max: 1_024,
            when_full: WhenFull::Refuse,
            age_max: Duration::from_secs(7 * 86_400),
            batch_bytes_max: 64 << 10,
            flights_max: 64,
            retry_min: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
        }
    }
}
