//! The form of an update: numbers that rise, keys in their range, sizes within their limits.

use archipelago_core::wire::LogUpdate;

use crate::log::config::{KEY_BYTES_MAX, UpdateError, is_sized};

/// Whether an update keeps to its own form; says nothing of whether it fits here.
pub(super) fn check(update: &LogUpdate) -> Result<(), UpdateError> {
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
    // The ends of ranges are kept, so they are bounded as keys are.
    let ends_bytes = update.range_to.as_ref().map_or(0, |to| to.len());
    let is_short = update.range_after.len().max(ends_bytes) <= KEY_BYTES_MAX;
    rises && ends_within && moves_on && is_short && update.from_seq == 0
}
