//! The receiving half: takes frames in order, puts messages together, holds what a full mailbox
//! cannot take, and decides when to acknowledge.
//!
//! It delivers only what it expects, and never a part of a message. Memory grows with bytes that
//! arrived, never with lengths that were announced; announced lengths are counted all the same.
//! Cost: O(1) for a message in one frame; one copy for a longer one.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::config::{ChannelConfig, FRAME_COST, FrameError, HELD_COST, to_u64};
use super::frame::{Ack, Data, Frame, Part};
use super::{ChannelOutput, Head, Kind, Marks, Message};
use crate::{LocalId, Time};

/// A message of which some chunks arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Partial {
    len: usize,
    kind: Kind,
    bytes: Vec<u8>,
}

/// What became of a data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// As expected.
    InOrder,
    /// Taken before.
    Duplicate,
    /// Its epoch is over: dropped.
    Old,
    /// Something before it is missing: dropped.
    Gap,
    /// Its epoch is not known, but should be.
    Unknown,
}

/// The receiving half of a channel that is not at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inbound {
    partials: BTreeMap<(LocalId, LocalId), Partial>,
    /// Full mailboxes, and the whole messages that wait for them.
    full: BTreeMap<LocalId, Vec<Message>>,
    /// Lengths of `partials` and of what waits in `full`, with the cost of each.
    held: u64,
    /// What arrived since the last acknowledgement.
    unacked_bytes: usize,
    ack_at: Option<Time>,
    is_ack_due: bool,
    credit_told: Option<u64>,
    /// The missing frame that was asked for last.
    asked_for: Option<u64>,
}

impl Inbound {
    pub(super) const fn held_bytes(&self) -> u64 {
        self.held
    }

    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_ack_owed() && self.partials.is_empty() && self.full.is_empty()
    }

    /// An acknowledgement should leave now.
    pub(super) const fn is_ack_due(&self) -> bool {
        self.is_ack_due
    }

    /// An acknowledgement may ride on what leaves now.
    pub(super) const fn is_ack_owed(&self) -> bool {
        self.is_ack_due || self.ack_at.is_some()
    }

    pub(super) const fn ack_at(&self) -> Option<Time> {
        self.ack_at
    }

    pub(super) const fn ask_ack(&mut self) {
        self.is_ack_due = true;
    }

    /// No path is left: the next one begins with a `Resume`, or with a retransmission.
    pub(super) const fn forget_ack(&mut self) {
        self.is_ack_due = false;
        self.ack_at = None;
        self.unacked_bytes = 0;
    }

    pub(super) fn on_timeout(&mut self, now: Time) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.is_ack_due = true;
        }
    }

    /// What to tell the sender; nothing is owed afterwards.
    pub(super) fn take_ack(&mut self, marks: &Marks, config: &ChannelConfig) -> Ack {
        self.forget_ack();
        self.ack(marks, config)
    }

    /// What `Resume` says, which is no substitute for an acknowledgement on another path.
    pub(super) fn ack(&mut self, marks: &Marks, config: &ChannelConfig) -> Ack {
        let credit = config.held_bytes_max().saturating_sub(self.held);
        self.credit_told = Some(credit);
        Ack {
            epoch: marks.rx_epoch,
            expected: marks.rx_expected,
            credit,
        }
    }

    /// The sender begins an epoch: what is half received of the one before never completes.
    pub(super) fn on_epoch(&mut self, epoch: u32, marks: &mut Marks) {
        if epoch <= marks.rx_epoch {
            return;
        }
        let partials = std::mem::take(&mut self.partials);
        let freed = partials
            .values()
            .map(|partial| held_cost(partial.len))
            .sum();
        self.held = self.held.saturating_sub(freed);
        marks.rx_epoch = epoch;
        marks.rx_expected = 0;
    }

    /// The sender's process is gone: nothing more of it is delivered. Returns the mailboxes that
    /// are full still.
    pub(super) fn on_peer_restart(&mut self) -> Vec<LocalId> {
        let full: Vec<LocalId> = self.full.keys().copied().collect();
        *self = Self::default();
        self.full = full.iter().map(|&to| (to, Vec::new())).collect();
        full
    }

    /// Takes one frame. An error leaves it untaken.
    pub(super) fn on_data(
        &mut self,
        data: Data,
        delay: std::time::Duration,
        marks: &mut Marks,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<Taken, FrameError> {
        if data.epoch > marks.rx_epoch {
            if data.seq != 0 && !data.is_fresh {
                return Ok(Taken::Unknown);
            }
            self.on_epoch(data.epoch, marks);
        }
        if data.epoch < marks.rx_epoch {
            return Ok(Taken::Old);
        }
        if data.seq < marks.rx_expected {
            // The sender may have lost our acknowledgement.
            self.is_ack_due = true;
            return Ok(Taken::Duplicate);
        }
        self.owe_ack(now.after(delay));
        if data.seq > marks.rx_expected {
            return Ok(Taken::Gap);
        }
        let len = data.payload.len();
        if len > config.chunk_bytes_max {
            return Err(FrameError::TooLong);
        }
        self.accept(data, config, now, out)?;
        marks.rx_expected = marks.rx_expected.saturating_add(1);
        self.unacked_bytes = self.unacked_bytes.saturating_add(len + FRAME_COST);
        // Of half a window that is not full by a chunk, half would always be waited for.
        if self.unacked_bytes >= config.window_bytes_max / 4 {
            self.is_ack_due = true;
        }
        Ok(Taken::InOrder)
    }

    /// Whether the mailbox is one of the full ones.
    pub(super) fn is_full(&self, to: LocalId) -> bool {
        !self.full.is_empty() && self.full.contains_key(&to)
    }

    /// Marks a mailbox as full; whether it was not.
    pub(super) fn on_full(&mut self, to: LocalId) -> bool {
        let is_new = !self.full.contains_key(&to);
        self.full.entry(to).or_default();
        is_new
    }

    /// Delivers what waited for a mailbox that has room again; whether it was full.
    pub(super) fn on_room(
        &mut self,
        to: LocalId,
        config: &ChannelConfig,
        out: &mut Vec<ChannelOutput>,
    ) -> bool {
        let Some(waiting) = self.full.remove(&to) else {
            return false;
        };
        for message in waiting {
            self.release(message.payload.len());
            out.push(ChannelOutput::Deliver(message));
        }
        self.tell_credit(config);
        true
    }

    /// Whether what is missing was not asked for before; it is now.
    pub(super) fn ask_missing(&mut self, marks: &Marks) -> bool {
        let missing = Some(marks.rx_expected);
        std::mem::replace(&mut self.asked_for, missing) != missing
    }

    fn owe_ack(&mut self, at: Time) {
        self.ack_at = Some(self.ack_at.map_or(at, |known| known.min(at)));
    }

    fn accept(
        &mut self,
        data: Data,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        let flow = (data.from, data.to);
        let kind = data.head.kind(now);
        match data.part {
            Part::Whole => {
                if !self.partials.is_empty() && self.partials.contains_key(&flow) {
                    return Err(FrameError::Malformed);
                }
                if data.payload.len() > config.message_bytes_max {
                    return Err(FrameError::TooLong);
                }
                self.hand_over(flow, kind, data.payload, config, out)
            }
            Part::First { len } => self.begin(flow, kind, len, &data.payload, config),
            // What a message is for is said once.
            Part::Middle | Part::Last if data.head != Head::Cast => Err(FrameError::Malformed),
            Part::Middle => self.go_on(flow, &data.payload),
            Part::Last => self.finish(flow, &data.payload, config, out),
        }
    }

    fn begin(
        &mut self,
        flow: (LocalId, LocalId),
        kind: Kind,
        len: u32,
        payload: &[u8],
        config: &ChannelConfig,
    ) -> Result<(), FrameError> {
        let len = usize::try_from(len).map_err(|_| FrameError::TooLong)?;
        if len > config.message_bytes_max {
            return Err(FrameError::TooLong);
        }
        if payload.is_empty() || payload.len() >= len || self.partials.contains_key(&flow) {
            return Err(FrameError::Malformed);
        }
        self.hold(len, config)?;
        let bytes = payload.to_vec();
        self.partials.insert(flow, Partial { len, kind, bytes });
        Ok(())
    }

    fn go_on(&mut self, flow: (LocalId, LocalId), payload: &[u8]) -> Result<(), FrameError> {
        let partial = self.partials.get_mut(&flow).ok_or(FrameError::Malformed)?;
        let arrived = partial.bytes.len().saturating_add(payload.len());
        if payload.is_empty() || arrived >= partial.len {
            return Err(FrameError::Malformed);
        }
        partial.append(payload);
        Ok(())
    }

    fn finish(
        &mut self,
        flow: (LocalId, LocalId),
        payload: &[u8],
        config: &ChannelConfig,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        let partial = self.partials.get_mut(&flow).ok_or(FrameError::Malformed)?;
        if partial.bytes.len().saturating_add(payload.len()) != partial.len {
            return Err(FrameError::Malformed);
        }
        partial.append(payload);
        if let Some(partial) = self.partials.remove(&flow) {
            self.release(partial.len);
            let payload = Bytes::from(partial.bytes);
            self.hand_over(flow, partial.kind, payload, config, out)?;
            self.tell_credit(config);
        }
        Ok(())
    }

    /// Delivers a whole message, or keeps it while its mailbox is full.
    fn hand_over(
        &mut self,
        (from, to): (LocalId, LocalId),
        kind: Kind,
        payload: Bytes,
        config: &ChannelConfig,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        let len = payload.len();
        let message = Message {
            from,
            to,
            kind,
            payload,
        };
        if self.full.is_empty() || !self.full.contains_key(&to) {
            out.push(ChannelOutput::Deliver(message));
            return Ok(());
        }
        self.hold(len, config)?;
        // A slice would keep all of what was read with it for as long as the mailbox is full.
        let message = Message {
            payload: Bytes::copy_from_slice(&message.payload),
            ..message
        };
        self.full.entry(to).or_default().push(message);
        Ok(())
    }

    fn hold(&mut self, len: usize, config: &ChannelConfig) -> Result<(), FrameError> {
        let held = self.held.saturating_add(held_cost(len));
        if held > config.held_bytes_max() {
            return Err(FrameError::OverCredit);
        }
        self.held = held;
        Ok(())
    }

    fn release(&mut self, len: usize) {
        self.held = self.held.saturating_sub(held_cost(len));
    }

    /// Memory was freed: a sender that may be short of credit hears of it at once.
    fn tell_credit(&mut self, config: &ChannelConfig) {
        let credit = config.held_bytes_max().saturating_sub(self.held);
        let is_short = |told| told < config.credit_initial() && told < credit;
        if self.credit_told.is_some_and(is_short) {
            self.is_ack_due = true;
        }
    }
}

impl Partial {
    /// Grows by doubling, up to the length announced and not beyond.
    fn append(&mut self, payload: &[u8]) {
        let needed = self.bytes.len().saturating_add(payload.len());
        if needed > self.bytes.capacity() {
            let doubled = needed.saturating_mul(2).min(self.len);
            self.bytes.reserve_exact(doubled - self.bytes.len());
        }
        self.bytes.extend_from_slice(payload);
    }
}

fn held_cost(len: usize) -> u64 {
    to_u64(len.saturating_add(HELD_COST))
}

/// The frame that says whether a mailbox is full.
pub(super) const fn flow_frame(to: LocalId, is_full: bool) -> Frame {
    if is_full {
        Frame::FlowPause { to }
    } else {
        Frame::FlowResume { to }
    }
}
