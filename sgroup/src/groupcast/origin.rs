//! What a node sent to its group, kept for those who miss some of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::{NodeId, Time};
use bytes::Bytes;

/// Pauses after the last message before everybody is told which it was.
const TELL_AFTER: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(3)];

/// Messages that are kept at most, whatever their bytes.
const KEPT_LEN_MAX: usize = 4_096;

/// The sending half.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    next: u64,
    kept: VecDeque<Bytes>,
    kept_bytes: usize,
    /// The first message that each member was sent: what came before it is not its own.
    first: BTreeMap<NodeId, u64>,
    tell_at: Option<Time>,
    told: usize,
}

impl Outgoing {
    /// Numbers a message to these members and keeps it, and others only while there is room.
    pub(super) fn push(
        &mut self,
        message: Bytes,
        members: &[NodeId],
        kept_bytes_max: usize,
        now: Time,
    ) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.kept_bytes += message.len();
        self.kept.push_back(message);
        while self.kept.len() > 1
            && (self.kept_bytes > kept_bytes_max || self.kept.len() > KEPT_LEN_MAX)
        {
            let gone = self.kept.pop_front().unwrap_or_default();
            self.kept_bytes -= gone.len();
        }
        let mut first = std::mem::take(&mut self.first);
        self.first = members
            .iter()
            .map(|member| (*member, first.remove(member).unwrap_or(seq)))
            .collect();
        self.told = 0;
        self.tell_at = TELL_AFTER.first().map(|&pause| now.after(pause));
        seq
    }

    /// The number of the next message.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// The first message that can be sent again to a member.
    pub(super) fn low(&self, member: &NodeId) -> u64 {
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        let oldest = self.next.saturating_sub(kept);
        self.first
            .get(member)
            .map_or(self.next, |first| oldest.max(*first))
    }

    /// A message that is kept still.
    pub(super) fn get(&self, seq: u64) -> Option<&Bytes> {
        let back = self.next.checked_sub(seq)?;
        let place = self.kept.len().checked_sub(usize::try_from(back).ok()?)?;
        self.kept.get(place)
    }

    /// Who is to be told which message was the last, if that is due.
    pub(super) fn on_timeout(&mut self, now: Time) -> Option<Vec<NodeId>> {
        self.tell_at.filter(|at| *at <= now)?;
        self.told += 1;
        self.tell_at = TELL_AFTER.get(self.told).map(|&pause| now.after(pause));
        Some(self.first.keys().copied().collect())
    }

    pub(super) const fn tell_at(&self) -> Option<Time> {
        self.tell_at
    }
}
