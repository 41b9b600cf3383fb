//! The sending half: the window of what was numbered and is not acknowledged, above the lanes.
//!
//! A frame gets its number when it enters the window and leaves it when it is acknowledged. On
//! whatever path is active, the window is sent from its beginning and then goes on from the lanes
//! (go-back-N), so a change of path only moves a cursor. It never sends more than the receiver
//! granted, and never gives up: what cannot be sent waits.
//!
//! Cost: O(1) per frame; about 120 bytes per frame in the window, payloads shared.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::burst::{Burst, FrameSink};
use super::codec::{FRAME_HEADER_LEN_MAX, data_len_max};
use super::config::{ChannelConfig, FRAME_COST, FrameError, HELD_COST, SendError, to_u64};
use super::frame::{Ack, Data, Frame, Part};
use super::lanes::{Chunk, Lanes, Pull, message_cost};
use super::pace::Pace;
use super::{ChannelOutput, Marks, Message, Path};
use crate::{LocalId, Time};

/// A timer doubles at most so often.
const BACKOFF_MAX: u32 = 4;

/// Full mailboxes of the peer that are remembered; more are only parked there.
const PAUSED_MAX: usize = 1024;

/// Why nothing more is pulled from the lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stall {
    #[default]
    None,
    /// The window is full: an acknowledgement ends it.
    Window,
    /// No credit for any message that could begin: an acknowledgement or a shorter one ends it.
    Credit,
}

/// The sending half of a channel that is not at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outbound {
    lanes: Lanes,
    window: VecDeque<Chunk>,
    window_bytes: usize,
    /// What the window takes of the credit.
    charged: u64,
    /// Frames of the window that were sent on the active path since it became active.
    cursor: usize,
    /// Frames of the window that were ever sent.
    sent: usize,
    /// As last told by the receiver; `None`: not told since the last rest.
    credit: Option<u64>,
    stall: Stall,
    pace: Pace,
    retransmit_at: Option<Time>,
    retransmit_backoff: u32,
    paused: BTreeSet<LocalId>,
    ask_at: Option<Time>,
    ask_backoff: u32,
    /// A message found no room in the queue.
    wants_writable: bool,
    /// One to a full mailbox found no room among those that wait for one.
    wants_paused_room: bool,
}

impl Outbound {
    pub(super) fn queued_bytes(&self) -> usize {
        self.lanes.bytes()
    }

    /// Whether the peer's mailbox is full.
    pub(super) fn is_paused(&self, to: LocalId) -> bool {
        !self.paused.is_empty() && self.paused.contains(&to)
    }

    pub(super) fn holds_from(&self, from: LocalId) -> bool {
        self.lanes.holds_from(from)
    }

    pub(super) fn queued_to(&self, to: LocalId) -> usize {
        self.lanes.bytes_to(to)
    }

    pub(super) const fn window_bytes(&self) -> usize {
        self.window_bytes
    }

    /// Nothing is under way, and nothing is known that a later message must know.
    pub(super) fn is_at_rest(&self, config: &ChannelConfig) -> bool {
        self.window.is_empty()
            && self.lanes.is_empty()
            && self.paused.is_empty()
            && !self.wants_writable
            && !self.wants_paused_room
            && !self.is_short(config)
    }

    /// Whether a pull could give a frame.
    pub(super) fn has_data(&self) -> bool {
        self.cursor < self.window.len()
            || (self.stall == Stall::None && self.lanes.is_ready())
            || self.pace.is_asking()
    }

    /// Whether a message of `len` bytes to that mailbox has room.
    pub(super) fn admit(
        &mut self,
        to: LocalId,
        len: usize,
        config: &ChannelConfig,
    ) -> Result<(), SendError> {
        let cost = message_cost(len);
        let is_paused = self.is_paused(to);
        let (queued, max) = if is_paused {
            (self.lanes.paused_bytes(), config.paused_bytes_max)
        } else {
            (self.lanes.ready_bytes(), config.queue_bytes_max)
        };
        if queued > 0 && queued.saturating_add(cost) > max {
            self.wants_writable |= !is_paused;
            self.wants_paused_room |= is_paused;
            return Err(SendError::Full);
        }
        Ok(())
    }

    /// Queues what was admitted.
    pub(super) fn push(&mut self, message: Message) {
        let is_paused = self.is_paused(message.to);
        self.lanes.push(message, is_paused);
        if self.stall == Stall::Credit {
            self.stall = Stall::None;
        }
    }

    /// Fills the burst: what the active path has not carried yet, then what the lanes give.
    pub(super) fn transmit<S: FrameSink>(
        &mut self,
        path: Path,
        burst: &mut Burst<'_, S>,
        marks: &mut Marks,
        config: &ChannelConfig,
        now: Time,
    ) {
        let mut is_sent = false;
        let is_direct = matches!(path, Path::Direct(_));
        self.pace.on_path(is_direct);
        self.ask_for_ack(burst);
        while !burst.is_full() && (self.cursor < self.window.len() || self.pull(marks, config, now))
        {
            let base = self.base(marks);
            let chunk = &self.window[self.cursor];
            let head = chunk.head(now);
            if !burst.fits(data_len_max(chunk.payload.len(), head)) {
                break;
            }
            if self.cursor < self.sent {
                marks.retransmitted = marks.retransmitted.saturating_add(1);
            }
            let data = Data {
                epoch: marks.tx_epoch,
                seq: base.saturating_add(to_u64(self.cursor)),
                is_fresh: base == 0,
                from: chunk.from,
                to: chunk.to,
                part: chunk.part,
                head,
                payload: Bytes::new(),
            };
            let (seq, len) = (data.seq, chunk.payload.len());
            burst.push_data(Frame::Data(data), &chunk.payload);
            if is_direct {
                self.pace.on_sent(seq, len, config, now);
                self.ask_for_ack(burst);
            }
            self.cursor += 1;
            self.sent = self.sent.max(self.cursor);
            is_sent = true;
        }
        // A window that is emptied ends with the question.
        self.ask_for_ack(burst);
        if is_sent && !is_direct && self.retransmit_at.is_none() {
            self.retransmit_at = Some(self.retransmit_after(config, now));
        }
        if self.stall == Stall::Credit && self.window.is_empty() {
            self.arm_ask(config, now);
        }
    }

    /// The question for an acknowledgement, if it is due and there is room.
    fn ask_for_ack<S: FrameSink>(&mut self, burst: &mut Burst<'_, S>) {
        if self.pace.is_asking() && burst.fits(FRAME_HEADER_LEN_MAX) {
            burst.push(Frame::AckAsk);
            self.pace.on_asked();
        }
    }

    /// Says `Writable` if somebody waits and half of the queue is free.
    pub(super) fn tell_writable(&mut self, config: &ChannelConfig, out: &mut Vec<ChannelOutput>) {
        let is_ready = self.lanes.ready_bytes() <= config.queue_bytes_max / 2;
        let is_roomy = self.lanes.paused_bytes() <= config.paused_bytes_max / 2;
        let (queue, paused) = (self.wants_writable, self.wants_paused_room);
        self.wants_writable &= !is_ready;
        self.wants_paused_room &= !is_roomy;
        if (queue && is_ready) || (paused && is_roomy) {
            out.push(ChannelOutput::Writable);
        }
    }

    /// The receiver has everything before `ack.expected`.
    pub(super) fn on_ack(
        &mut self,
        ack: Ack,
        marks: &Marks,
        is_direct: bool,
        config: &ChannelConfig,
        now: Time,
    ) -> Result<(), FrameError> {
        let base = self.base(marks);
        let Some(news) = ack.expected.checked_sub(base) else {
            return Ok(());
        };
        if news > to_u64(self.sent) {
            return Err(FrameError::Malformed);
        }
        self.stall = Stall::None;
        if news == 0 {
            // At one `expected` the receiver only ever frees memory: of two, the larger is later.
            self.credit = Some(self.credit.unwrap_or(0).max(ack.credit));
            return Ok(());
        }
        self.credit = Some(ack.credit);
        if self.is_short(config) {
            self.arm_ask(config, now);
        }
        let before = self.window_bytes;
        for _ in 0..news {
            self.pop();
        }
        let bytes = before.saturating_sub(self.window_bytes);
        self.pace.on_acked(bytes, ack.expected, config, now);
        self.retransmit_backoff = 0;
        self.retransmit_at = None;
        if self.sent > 0 && !is_direct {
            self.retransmit_at = Some(self.retransmit_after(config, now));
        }
        Ok(())
    }

    /// Another path is active, or none: all that is not acknowledged is sent again.
    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
        self.pace.forget();
        self.retransmit_at = None;
        self.retransmit_backoff = 0;
    }

    pub(super) fn on_flow_pause(
        &mut self,
        to: LocalId,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) {
        if self.paused.len() < PAUSED_MAX && self.paused.insert(to) {
            self.lanes.pause(to);
            self.arm_ask(config, now);
            out.push(ChannelOutput::Paused { to });
        }
    }

    pub(super) fn on_flow_resume(&mut self, to: LocalId, out: &mut Vec<ChannelOutput>) {
        if self.paused.remove(&to) {
            self.lanes.resume(to);
            self.ask_backoff = 0;
            if self.stall == Stall::Credit {
                self.stall = Stall::None;
            }
            out.push(ChannelOutput::Resumed { to });
        }
    }

    /// The peer forgot the epoch: how many messages are lost, or may be.
    pub(super) fn on_reset(&mut self) -> usize {
        let ended = self
            .window
            .iter()
            .filter(|chunk| is_end(chunk.part))
            .count();
        let open = self.lanes.drop_open();
        self.forget_window();
        ended + open
    }

    /// The peer started anew: how many messages are lost, or may be.
    pub(super) fn on_peer_restart(&mut self) -> usize {
        let lost = self.on_given_up();
        self.credit = None;
        lost
    }

    /// The peer is out of reach: how many messages are lost, or may be.
    pub(super) fn on_given_up(&mut self) -> usize {
        // What was under way may be held by the receiver and not told yet.
        let left = self
            .credit
            .map(|credit| credit.saturating_sub(self.charged));
        let lost = self.on_reset();
        self.credit = left;
        self.paused.clear();
        lost + self.lanes.clear()
    }

    /// Retransmissions and questions whose time has come; the questions go to `control`.
    pub(super) fn on_timeout(
        &mut self,
        config: &ChannelConfig,
        now: Time,
        control: &mut Vec<Frame>,
    ) {
        if self.retransmit_at.is_some_and(|at| at <= now) {
            self.cursor = 0;
            self.retransmit_at = None;
            self.retransmit_backoff = (self.retransmit_backoff + 1).min(BACKOFF_MAX + 1);
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = None;
            self.ask_backoff = (self.ask_backoff + 1).min(BACKOFF_MAX);
            self.ask(config, now, control);
        }
    }

    /// When `on_timeout` has something to do, and why.
    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let retransmit = self.retransmit_at.map(|at| (at, "retransmission"));
        let ask = self.ask_at.map(|at| (at, "question for room"));
        retransmit.into_iter().chain(ask).min()
    }

    /// Whether one more frame entered the window.
    fn pull(&mut self, marks: &mut Marks, config: &ChannelConfig, now: Time) -> bool {
        if self.stall != Stall::None || !self.lanes.is_ready() {
            return false;
        }
        let room = config.chunk_bytes_max.saturating_add(FRAME_COST);
        let is_full = self.window_bytes.saturating_add(room) > self.pace.window(config);
        if is_full && !self.window.is_empty() {
            self.stall = Stall::Window;
            self.pace.on_limited(now);
            return false;
        }
        let granted = self.credit.unwrap_or_else(|| config.credit_initial());
        let left = granted.saturating_sub(self.charged);
        let reserve = if self.lanes.open() == 0 {
            0
        } else {
            granted / 8
        };
        match self.lanes.pull(config, now, |len, part| match part {
            Part::Middle | Part::Last => true,
            Part::Whole => charge(len, part) <= left,
            // Long messages leave room for short ones, or one slow mailbox would stop all.
            Part::First { .. } => charge(len, part).saturating_add(reserve) <= left,
        }) {
            Pull::Chunk(chunk) => {
                self.number(chunk, marks, config, now);
                true
            }
            Pull::Empty => false,
            Pull::Blocked => {
                self.stall = Stall::Credit;
                false
            }
        }
    }

    fn number(&mut self, chunk: Chunk, marks: &mut Marks, config: &ChannelConfig, now: Time) {
        if marks.tx_epoch == 0 {
            marks.begin_epoch(now);
        }
        let len = chunk.payload.len();
        let under_way = self.window_bytes;
        self.pace
            .on_numbered(marks.tx_next, len, under_way, config, now);
        self.window_bytes = self.window_bytes.saturating_add(message_cost(len));
        self.charged = self.charged.saturating_add(charge(len, chunk.part));
        self.window.push_back(chunk);
        marks.tx_next = marks.tx_next.saturating_add(1);
    }

    fn pop(&mut self) {
        if let Some(chunk) = self.window.pop_front() {
            let len = chunk.payload.len();
            self.window_bytes = self.window_bytes.saturating_sub(message_cost(len));
            self.charged = self.charged.saturating_sub(charge(len, chunk.part));
            self.cursor = self.cursor.saturating_sub(1);
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// The number of the window's first frame.
    fn base(&self, marks: &Marks) -> u64 {
        marks.tx_next.saturating_sub(to_u64(self.window.len()))
    }

    fn forget_window(&mut self) {
        self.rewind();
        self.window.clear();
        self.window_bytes = 0;
        self.charged = 0;
        self.sent = 0;
        self.credit = None;
        self.stall = Stall::None;
    }

    fn ask(&mut self, config: &ChannelConfig, now: Time, control: &mut Vec<Frame>) {
        control.extend(self.paused.iter().map(|&to| Frame::FlowAsk { to }));
        let is_stalled = self.stall == Stall::Credit && self.window.is_empty();
        let is_short = is_stalled || self.is_short(config);
        if is_short {
            control.push(Frame::AckAsk);
        }
        if is_short || !self.paused.is_empty() {
            self.arm_ask(config, now);
        } else {
            self.ask_backoff = 0;
        }
    }

    /// The receiver granted less than is taken as granted after a rest.
    fn is_short(&self, config: &ChannelConfig) -> bool {
        self.credit
            .is_some_and(|credit| credit < config.credit_initial())
    }

    fn arm_ask(&mut self, config: &ChannelConfig, now: Time) {
        if self.ask_at.is_none() {
            let delay = config.retransmit_timeout * (1 << self.ask_backoff);
            self.ask_at = Some(now.after(delay));
        }
    }

    fn retransmit_after(&self, config: &ChannelConfig, now: Time) -> Time {
        // The second wait is as long as the first: a way that is silent is given up after it.
        now.after(config.retransmit_timeout * (1 << self.retransmit_backoff.saturating_sub(1)))
    }
}

/// What a frame takes of the credit: a message is charged whole when it begins.
fn charge(len: usize, part: Part) -> u64 {
    let held = match part {
        Part::Whole => len.saturating_add(HELD_COST),
        Part::First { len } => usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(HELD_COST),
        Part::Middle | Part::Last => 0,
    };
    to_u64(held)
}

const fn is_end(part: Part) -> bool {
    matches!(part, Part::Whole | Part::Last)
}
