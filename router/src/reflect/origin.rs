//! This reflector's own row: when it is due, and its rising numbers.
//!
//! Damped: at most one row per damping time, with the newest state; but what is withdrawn is told
//! at once, since others send there until they hear. A size alone is told when it is an eighth off.

use std::sync::Arc;

use archipelago_core::wire::{List, Row, RowGroup, SignedRow};
use archipelago_core::{Boot, Context, Time};

use super::{CO_REFLECTORS_MAX, ReflectConfig};

/// The originator's state.
#[derive(Debug)]
pub(super) struct Origin {
    boot: Boot,
    /// Of the last row; 0 before the first.
    seq: u64,
    /// What the last row said; empty before it and after a withdrawal.
    published: Vec<RowGroup>,
    published_at: Option<Time>,
    /// When a damped change is told.
    due_at: Option<Time>,
    refresh_at: Option<Time>,
}

impl Origin {
    pub(super) const fn new(boot: Boot) -> Self {
        Self {
            boot,
            seq: 0,
            published: Vec::new(),
            published_at: None,
            due_at: None,
            refresh_at: None,
        }
    }

    /// The boot was raised: rows of it are newer than all of the earlier one's.
    pub(super) fn raise_boot(&mut self, boot: Boot) {
        self.boot = boot;
        self.seq = 0;
    }

    /// Another row of this boot is about with a number as high as `seq`: go beyond it.
    pub(super) fn outbid(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    pub(super) const fn boot(&self) -> Boot {
        self.boot
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn published(&self) -> &[RowGroup] {
        &self.published
    }

    /// Whether the state `desired` is to be told now; if later, [`Origin::poll_timeout`] says when.
    pub(super) fn plan(&mut self, desired: &[RowGroup], now: Time, config: &ReflectConfig) -> bool {
        if !is_worth_telling(&self.published, desired) {
            self.due_at = None;
            return false;
        }
        let ready_at = self
            .published_at
            .map_or(now, |earlier| earlier.after(config.damping));
        if ready_at <= now || is_withdrawal(&self.published, desired) {
            return true;
        }
        self.due_at = Some(ready_at);
        false
    }

    /// The next row, signed; says `desired`.
    pub(super) fn publish(
        &mut self,
        desired: Vec<RowGroup>,
        config: &ReflectConfig,
        cx: &mut Context<'_>,
    ) -> Arc<SignedRow> {
        self.seq = self.seq.saturating_add(1);
        self.published_at = Some(cx.now);
        self.due_at = None;
        let is_refreshed = !desired.is_empty();
        self.refresh_at = is_refreshed.then(|| cx.now.after(cx.rng.jitter(config.refresh)));
        self.published.clone_from(&desired);
        let row = Row {
            reflector: cx.me,
            boot: self.boot,
            seq: self.seq,
            groups: List::truncated(desired),
        };
        Arc::new(SignedRow::new(row, cx.crypto))
    }

    /// Whether a damped change or a refresh has come due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.poll_timeout().is_some_and(|(due_at, _)| due_at <= now)
    }

    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let damped = self.due_at.map(|due_at| (due_at, "own row damped"));
        let refresh = self.refresh_at.map(|due_at| (due_at, "own row refresh"));
        damped.into_iter().chain(refresh).min()
    }
}

fn is_worth_telling(published: &[RowGroup], desired: &[RowGroup]) -> bool {
    let is_same = |(old, new): (&RowGroup, &RowGroup)| {
        old.group == new.group
            && old.closed == new.closed
            && old.reflectors == new.reflectors
            && old.size.abs_diff(new.size) <= old.size / 8
    };
    published.len() != desired.len() || !published.iter().zip(desired).all(is_same)
}

/// Whether something that was published is no longer so.
fn is_withdrawal(published: &[RowGroup], desired: &[RowGroup]) -> bool {
    published.iter().any(|old| {
        let new = desired.iter().find(|new| new.group == old.group);
        new.is_none_or(|new| lost_reflector(old, new) || (new.closed && !old.closed))
    })
}

/// A full list may leave one out for another; only a list with room that lacks one has lost it.
fn lost_reflector(old: &RowGroup, new: &RowGroup) -> bool {
    new.reflectors.len() < CO_REFLECTORS_MAX
        && old.reflectors.iter().any(|r| !new.reflectors.contains(r))
}
