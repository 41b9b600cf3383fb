//! This reflector's own row: when it is due, and its rising numbers.
//!
//! Damped by what others lose by waiting. What is withdrawn is told at once, since others send
//! there until they hear. A group, and a reflector that this one is to confirm, wait for one damping
//! time; what enough others confirm, and a size that is an eighth off, for the slow one. A row always
//! says the newest state.
//! Source: route flap damping (RFC 2439) for the idea that the originator waits; the rest is ours.
//! Cost: while r reflectors of a group come up, 1 to 3 rows each, and one per slow damping time.

use std::sync::Arc;

use archipelago_core::wire::{List, Row, RowGroup, SignedRow};
use archipelago_core::{Boot, Context, NodeId, Time};

use super::{CO_REFLECTORS_MAX, ReflectConfig};
use crate::routes::pair_hash;

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
    pub(super) fn plan(
        &mut self,
        desired: &[RowGroup],
        me: NodeId,
        now: Time,
        config: &ReflectConfig,
    ) -> bool {
        let wait = match self.urgency(desired, me, config.confirmers) {
            Urgency::Nothing => {
                self.due_at = None;
                return false;
            }
            Urgency::Now => return true,
            Urgency::Soon => config.damping,
            Urgency::Slow => config.damping_slow,
        };
        let ready_at = self.published_at.map_or(now, |earlier| earlier.after(wait));
        self.due_at = (ready_at > now).then_some(ready_at);
        ready_at <= now
    }

    fn urgency(&self, desired: &[RowGroup], me: NodeId, confirmers: usize) -> Urgency {
        if is_withdrawal(&self.published, desired) {
            return Urgency::Now;
        }
        let of = |new: &RowGroup| {
            let old = self.published.iter().find(|old| old.group == new.group);
            old.map_or(Urgency::Soon, |old| urgency_of(old, new, me, confirmers))
        };
        desired.iter().map(of).max().unwrap_or(Urgency::Nothing)
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

/// How long a change may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// There is none.
    Nothing,
    /// Nobody acts on it.
    Slow,
    /// Others wait for it.
    Soon,
    /// Others act wrongly until they hear.
    Now,
}

/// Of what a group gained, nothing being withdrawn.
fn urgency_of(old: &RowGroup, new: &RowGroup, me: NodeId, confirmers: usize) -> Urgency {
    let newcomers = new.reflectors.iter();
    let mut newcomers = newcomers.filter(|one| !old.reflectors.contains(one));
    if old.closed != new.closed || newcomers.any(|&one| confirms(me, one, new, confirmers)) {
        Urgency::Soon
    } else if old.reflectors != new.reflectors || old.size.abs_diff(new.size) > old.size / 8 {
        Urgency::Slow
    } else {
        Urgency::Nothing
    }
}

/// Whether this node is among the first of the group's reflectors, by a hash that all of them know,
/// to confirm a newcomer.
fn confirms(me: NodeId, newcomer: NodeId, group: &RowGroup, confirmers: usize) -> bool {
    let mine = (pair_hash(newcomer, me), me);
    let others = group.reflectors.iter().filter(|other| **other != newcomer);
    let earlier = others.filter(|other| (pair_hash(newcomer, **other), **other) < mine);
    earlier.take(confirmers).count() < confirmers
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

#[cfg(test)]
mod tests {
    use archipelago_core::{GroupId, ToyCrypto};

    use super::*;

    fn node(number: u64) -> NodeId {
        ToyCrypto::new(number).id()
    }

    fn of(size: u32, reflectors: &[u64]) -> RowGroup {
        RowGroup {
            group: GroupId::new("realm", "g"),
            size,
            closed: false,
            reflectors: List::truncated(reflectors.iter().map(|&number| node(number))),
        }
    }

    #[test]
    fn two_of_ten_confirm_a_newcomer_soon_and_the_others_slowly() {
        let all: Vec<u64> = (0..10).collect();
        let urgency = |me: u64, newcomer: u64| {
            let others: Vec<u64> = all.iter().copied().filter(|&other| other != me).collect();
            let with: Vec<u64> = others.iter().copied().chain([newcomer]).collect();
            urgency_of(&of(20, &others), &of(20, &with), node(me), 2)
        };
        for newcomer in 20..30 {
            let soon = all
                .iter()
                .filter(|&&me| urgency(me, newcomer) == Urgency::Soon);
            assert_eq!(soon.count(), 2, "newcomer {newcomer}");
            assert!(all.iter().all(|&me| urgency(me, newcomer) >= Urgency::Slow));
        }
    }

    #[test]
    fn a_size_alone_waits_for_the_slow_time_and_a_withdrawal_for_none() {
        let config = ReflectConfig::default();
        let told_at = Time::from_micros(1_000_000);
        let mut origin = Origin::new(Boot(1));
        origin.published = vec![of(20, &[1, 2])];
        origin.published_at = Some(told_at);
        let mut plan = |desired: &[RowGroup], now| {
            let is_now = origin.plan(desired, node(0), now, &config);
            (is_now, origin.due_at)
        };
        let soon = told_at.after(config.damping);
        let slow = told_at.after(config.damping_slow);
        assert_eq!(
            plan(&[of(22, &[1, 2])], told_at),
            (false, None),
            "an eighth"
        );
        assert_eq!(plan(&[of(23, &[1, 2])], soon), (false, Some(slow)));
        assert_eq!(plan(&[of(23, &[1, 2])], slow), (true, None));
        assert_eq!(plan(&[of(23, &[1, 2, 3])], told_at), (false, Some(soon)));
        assert!(plan(&[of(23, &[1])], told_at).0, "withdrawn");
        assert!(plan(&[], told_at).0, "withdrawn");
    }
}
