//! What the nodes of a measurement write to each other, and what is kept of it when it arrives.
//!
//! A letter is 64 bytes: its kind, and when it was sent by the clock that all processes share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archipelago::{Bytes, Mailbox, Pid, Sender};

use super::super::order::Arrived;
use crate::machine::clock;

const BYTES: usize = 64;
const FIRST: u8 = 1;
const FLOOD: u8 = 2;

/// Letters taken out of a mailbox at once.
const BATCH: usize = 256;

/// Before a letter is offered again that nobody took.
const AGAIN: Duration = Duration::from_millis(50);

/// What has arrived in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Letters {
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    first_us: Mutex<Vec<u64>>,
    in_time: AtomicU64,
    until_us: AtomicU64,
}

impl Letters {
    /// Reads a mailbox until its node ends.
    pub(super) fn follow(&self, mut mailbox: Mailbox) {
        let kept = self.kept.clone();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while mailbox.recv_many(&mut batch, BATCH).await > 0 {
                let now = clock::now_us();
                let letters = batch.drain(..).filter_map(|one| read(&one.payload));
                kept.enter(letters, now);
            }
        });
    }

    /// Letters of a flood count until then, beginning now.
    pub(super) fn count_until(&self, until_us: u64) {
        self.kept.in_time.store(0, Ordering::Relaxed);
        self.kept.until_us.store(until_us, Ordering::Relaxed);
    }

    /// What was kept; latencies are told once.
    pub(super) fn take(&self) -> Arrived {
        let mut first = self.kept.first();
        Arrived {
            first_us: std::mem::take(&mut *first),
            in_time: self.kept.in_time.load(Ordering::Relaxed),
        }
    }
}

impl Kept {
    fn enter(&self, letters: impl Iterator<Item = (u8, u64)>, now: u64) {
        let is_counted = now <= self.until_us.load(Ordering::Relaxed);
        let mut flooded = 0;
        for (kind, sent_us) in letters {
            match kind {
                FIRST => self.first().push(now.saturating_sub(sent_us)),
                _ => flooded += u64::from(is_counted),
            }
        }
        self.in_time.fetch_add(flooded, Ordering::Relaxed);
    }

    fn first(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.first_us.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first letter of a pair.
pub(super) fn first() -> Bytes {
    letter(FIRST)
}

/// Writes without a pause until then; how many were taken.
pub(super) async fn flood(from: Sender, to: Pid, until_us: u64) -> u64 {
    let mut sent = 0;
    while clock::now_us() < until_us {
        match from.send(to, letter(FLOOD)).await {
            Ok(()) => sent += 1,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
    sent
}

fn letter(kind: u8) -> Bytes {
    let mut letter = vec![0; BYTES];
    letter[0] = kind;
    letter[1..9].copy_from_slice(&clock::now_us().to_le_bytes());
    letter.into()
}

fn read(payload: &[u8]) -> Option<(u8, u64)> {
    let (&kind, rest) = payload.split_first()?;
    let sent = rest.first_chunk::<8>()?;
    Some((kind, u64::from_le_bytes(*sent)))
}
