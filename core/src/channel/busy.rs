//! What a channel keeps: watermarks for ever, and the rest only while something is under way.
//!
//! Control frames wait here and go before data; there are few, and what is lost or dropped of them
//! is asked for again. Cost: 32 bytes at rest; the rest is in one box and freed with it.

use super::burst::{Burst, FrameSink};
use super::codec::FRAME_HEADER_LEN_MAX;
use super::config::ChannelConfig;
use super::frame::Frame;
use super::inbound::Inbound;
use super::outbound::Outbound;
use crate::{LocalId, Time};

/// Control frames that wait at most; more are dropped, and asked for again.
const CONTROL_MAX: usize = 256;

/// What must survive rest: the watermarks of both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Marks {
    /// The epoch of what we send; 0 before the first message.
    pub(super) tx_epoch: u32,
    /// The epoch of what we receive; 0 before the first message.
    pub(super) rx_epoch: u32,
    /// The number of the next frame that enters the window.
    pub(super) tx_next: u64,
    pub(super) rx_expected: u64,
    pub(super) retransmitted: u32,
    pub(super) duplicates: u32,
}

impl Marks {
    /// Epochs rise within a start of this node, even if the channel was forgotten in between.
    pub(super) fn begin_epoch(&mut self, now: Time) {
        let second = u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX);
        self.tx_epoch = self.tx_epoch.max(second).saturating_add(1);
        self.tx_next = 0;
    }
}

/// What exists only while something is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Busy {
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    /// Frames that go before data, each at most once.
    pub(super) control: Vec<Frame>,
}

impl Busy {
    pub(super) fn is_at_rest(&self, config: &ChannelConfig) -> bool {
        self.control.is_empty() && self.outbound.is_at_rest(config) && self.inbound.is_at_rest()
    }

    /// Queues a control frame behind the others; it replaces one that tells of the same mailbox.
    pub(super) fn say(&mut self, frame: Frame) {
        let subject = subject(&frame);
        self.control.retain(|known| {
            *known != frame && (subject.is_none() || self::subject(known) != subject)
        });
        if self.control.len() < CONTROL_MAX {
            self.control.push(frame);
        }
    }
}

impl Busy {
    /// Acknowledgement and control frames, which go before data.
    pub(super) fn transmit_control<S: FrameSink>(
        &mut self,
        burst: &mut Burst<'_, S>,
        marks: &Marks,
        config: &ChannelConfig,
    ) {
        let rides = self.inbound.is_ack_owed() && self.outbound.has_data();
        if self.inbound.is_ack_due() || rides {
            burst.push(Frame::Ack(self.inbound.take_ack(marks, config)));
        }
        let mut sent = 0;
        while sent < self.control.len() && burst.fits(FRAME_HEADER_LEN_MAX) {
            burst.push(self.control[sent].clone());
            sent += 1;
        }
        self.control.drain(..sent);
    }
}

/// Which mailbox of ours a frame tells of.
const fn subject(frame: &Frame) -> Option<LocalId> {
    match frame {
        Frame::FlowPause { to } | Frame::FlowResume { to } => Some(*to),
        _ => None,
    }
}
