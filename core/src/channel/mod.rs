//! The pair channel: one sequence per direction between two nodes, whatever path carries it.
//!
//! [`Channel`] is a machine of its own, one per busy peer; payloads never pass through the control
//! machine. Paths come and go ([`Channel::handle_path`]); what was sent is delivered in order,
//! once, without gaps within a channel epoch, or the sender is told.
//!
//! ```text
//!  send ─▶ lanes ─▶ window ─▶ poll_transmit ═ relay, detour or direct ═▶ handle_frames ─▶ Deliver
//!         (fair)   (numbered, until acked)                              (only what is expected)
//! ```
//!
//! *One rule keeps the order*: the receiver takes only the number that it expects. All else is for
//! progress: on a change of path the sender sends its whole window again, on a direct path only
//! after something came by it, by which it knows that the peer listens there. Whoever attaches a
//! direct path says `Resume` on it, and whoever gets one acknowledges: so the path is usable again
//! at both ends when only one of them had left it. A direct path is in order and loses only its
//! end; should one lose something in between all the same, a second `Resume` asks for it.
//!
//! *Epochs*: a sender begins one at its first message and after a reset. A receiver takes up an
//! epoch with number 0, or with a frame whose sender saw no acknowledgement yet (relays reorder);
//! any other frame of an unknown epoch is answered `Reset`, because then the receiver has
//! forgotten something.
//!
//! It never opens, closes or chooses a session, and never looks into a payload.
//! Cost: O(1) per frame; 72 bytes at rest and 16 per attached path. Sources: go-back-N (RFC 9293
//! for windows and probes), deficit round robin (see `lanes`).

mod burst;
mod busy;
mod codec;
mod config;
mod frame;
mod inbound;
mod kind;
mod lanes;
mod outbound;
mod pace;
mod paths;
mod types;

pub use burst::{Encoded, FrameSink};
pub use codec::{BATCH_FRAMES_MAX, FRAME_HEADER_LEN_MAX, FrameDecoder, FrameEncoder};
pub use config::{ChannelConfig, FrameError, SendError};
pub use frame::{Ack, Data, Frame, Part};
pub use kind::{CallId, Head, Kind, Outcome, StreamId};
pub use types::{ChannelOutput, ChannelStats, Message, Path, PathEvent};

use std::time::Duration;

use crate::{Boot, LocalId, Time};
use burst::Burst;
use busy::{Busy, Marks};
use inbound::{Taken, flow_frame};
use paths::Paths;

/// The machine between this node and one peer.
///
/// Inputs are `handle_*` and [`Channel::send`]; after each, ask [`Channel::poll_path`] whether
/// something is to be sent, and [`Channel::poll_timeout`] when to call
/// [`Channel::handle_timeout`]. Keep the value while a path is attached, and then, at rest, at
/// least twice as long as a frame may linger on a relay: its watermarks are what drops late
/// duplicates. A channel that was dropped earlier, or whose peer dropped its own, loses messages,
/// and says so by [`ChannelOutput::Reset`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    peer_boot: Boot,
    marks: Marks,
    paths: Paths,
    busy: Option<Box<Busy>>,
}

impl Channel {
    /// A channel at rest towards the peer's start `peer_boot`; `Boot(0)` if it is not known yet:
    /// the first that is heard of is taken then.
    pub fn new(peer_boot: Boot) -> Self {
        Self {
            peer_boot,
            marks: Marks::default(),
            paths: Paths::default(),
            busy: None,
        }
    }

    /// The start of the peer that this channel speaks to.
    pub const fn peer_boot(&self) -> Boot {
        self.peer_boot
    }

    /// Accepts a message for delivery.
    ///
    /// # Errors
    /// [`SendError`]; the channel is unchanged, but says [`ChannelOutput::Writable`] after `Full`.
    pub fn send(
        &mut self,
        message: Message,
        config: &ChannelConfig,
        _now: Time,
    ) -> Result<(), SendError> {
        self.admit(&message, config)?;
        self.busy().outbound.push(message);
        Ok(())
    }

    /// Whether [`Channel::send`] would accept the message now: for owners who keep what does not
    /// go.
    ///
    /// # Errors
    /// As there.
    pub fn admit(&mut self, message: &Message, config: &ChannelConfig) -> Result<(), SendError> {
        let len = message.payload.len();
        let max = config.message_bytes_max;
        if len > max {
            return Err(SendError::TooLong { len, max });
        }
        self.busy().outbound.admit(message.to, len, config)
    }

    /// A path was attached or detached, to the start `peer_boot` of the peer.
    ///
    /// Attach a path before its first frames are handed over, or its `Resume` is missed.
    pub fn handle_path(
        &mut self,
        event: PathEvent,
        peer_boot: Boot,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) {
        let is_current = self.on_boot(peer_boot, now, out);
        let active = self.paths.active();
        match event {
            PathEvent::Attached(path) if is_current => self.paths.attach(path),
            PathEvent::Attached(_) => {}
            PathEvent::Detached(path) => {
                self.paths.detach(path);
                self.on_detached();
            }
        }
        self.on_paths(active);
        self.settle(config, out);
    }

    /// Frames arrived by `path` from the start `peer_boot` of the peer; the batch is emptied.
    ///
    /// # Errors
    /// [`FrameError`]: close that session; the channel itself goes on.
    pub fn handle_frames(
        &mut self,
        path: Path,
        peer_boot: Boot,
        batch: &mut Vec<Frame>,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        if !self.on_boot(peer_boot, now, out) {
            batch.clear();
            return Ok(());
        }
        let active = self.paths.active();
        if self.paths.on_heard(path) {
            self.on_paths(active);
        }
        let mut result = Ok(());
        for frame in batch.drain(..) {
            result = match frame {
                Frame::Data(data) => self.on_data(path, data, config, now, out),
                other => self.on_control(path, other, config, now, out),
            };
            if result.is_err() {
                break;
            }
        }
        self.settle(config, out);
        result
    }

    /// What to put on `path` now, at most `bytes_max` encoded bytes (but one frame always fits).
    /// Pulled when the socket has room; returns how many bytes were taken, at most.
    pub fn poll_transmit<S: FrameSink>(
        &mut self,
        path: Path,
        bytes_max: usize,
        config: &ChannelConfig,
        now: Time,
        batch: &mut S,
        out: &mut Vec<ChannelOutput>,
    ) -> usize {
        let mut burst = Burst::new(batch, bytes_max);
        let is_resume = self.paths.take_resume(path);
        let is_active = self.paths.active() == Some(path);
        let (busy, marks) = self.parts();
        if is_resume {
            burst.push(Frame::Resume(busy.inbound.ack(marks, config)));
        }
        if is_active {
            busy.transmit_control(&mut burst, marks, config);
            busy.outbound.transmit(path, &mut burst, marks, config, now);
        }
        let taken = burst.taken();
        self.settle(config, out);
        taken
    }

    /// The path on which [`Channel::poll_transmit`] has something to send, if any.
    pub fn poll_path(&self) -> Option<Path> {
        self.paths.resume_due().or_else(|| {
            let busy = self.busy.as_ref()?;
            let active = self.paths.active()?;
            let is_ready =
                busy.inbound.is_ack_due() || !busy.control.is_empty() || busy.outbound.has_data();
            is_ready.then_some(active)
        })
    }

    /// The peer cannot be reached: all that was accepted and not acknowledged is given up.
    ///
    /// Without a path a channel waits for ever by itself. An owner gives up sooner than the peer's
    /// owner forgets its end, or what arrived unacknowledged could arrive again.
    pub fn handle_unreachable(
        &mut self,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) {
        let Some(busy) = &mut self.busy else {
            return;
        };
        let unacked = busy.outbound.on_given_up();
        if unacked > 0 {
            if self.marks.tx_epoch != 0 {
                self.marks.begin_epoch(now);
                let epoch = self.marks.tx_epoch;
                busy.say(Frame::Epoch { epoch });
            }
            out.push(ChannelOutput::Reset {
                unacked,
                boot: self.peer_boot,
            });
        }
        self.settle(config, out);
    }

    /// Acknowledgements, questions and retransmissions whose time has come.
    pub fn handle_timeout(
        &mut self,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) {
        if let Some(busy) = &mut self.busy {
            busy.inbound.on_timeout(now);
            let mut questions = Vec::new();
            busy.outbound.on_timeout(config, now, &mut questions);
            for question in questions {
                busy.say(question);
            }
        }
        self.settle(config, out);
    }

    /// When to call [`Channel::handle_timeout`], and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let busy = self.busy.as_ref()?;
        let ack = busy.inbound.ack_at().map(|at| (at, "acknowledgement"));
        ack.into_iter().chain(busy.outbound.poll_timeout()).min()
    }

    /// The receiver's mailbox `to` is full, or has room again: its flows stop, no others.
    ///
    /// Call it at the latest when a delivered message could not be queued; up to a window of
    /// messages that were delivered in the same call may follow. What waited is delivered with
    /// the call that says that there is room.
    pub fn handle_mailbox(
        &mut self,
        to: LocalId,
        is_full: bool,
        config: &ChannelConfig,
        out: &mut Vec<ChannelOutput>,
    ) {
        let busy = self.busy();
        let is_news = if is_full {
            busy.inbound.on_full(to)
        } else {
            busy.inbound.on_room(to, config, out)
        };
        if is_news {
            busy.say(flow_frame(to, is_full));
        }
        self.settle(config, out);
    }

    /// A delivered message found no mailbox: the peer is told. Best effort on relay and detour.
    pub fn handle_no_mailbox(&mut self, from: LocalId, to: LocalId) {
        self.busy().say(Frame::NoMailbox { from, to });
    }

    /// Gives up what was accepted and not acknowledged; returns how many messages. What is sent
    /// from now on begins a new epoch.
    pub fn abandon(&mut self, config: &ChannelConfig, now: Time) -> usize {
        let Some(busy) = &mut self.busy else {
            return 0;
        };
        let unacked = busy.outbound.on_peer_restart();
        self.new_epoch(now);
        // Who waits for room finds out by its next try.
        self.settle(config, &mut Vec::new());
        unacked
    }

    /// Whether a message of this mailbox was accepted and is not numbered yet: what is sent now to
    /// other mailboxes may arrive before it. Once it is `false`, nothing can. O(flows).
    pub fn holds_from(&self, from: LocalId) -> bool {
        let busy = self.busy.as_ref();
        busy.is_some_and(|busy| busy.outbound.holds_from(from))
    }

    /// Bytes queued for this mailbox of the peer and not numbered yet, bookkeeping included: for
    /// owners who give the queue no more than it needs. O(flows to the mailbox).
    pub fn queued_to(&self, to: LocalId) -> usize {
        let busy = self.busy.as_ref();
        busy.map_or(0, |busy| busy.outbound.queued_to(to))
    }

    /// Whether nothing is queued, unacknowledged, half received or waiting to be said.
    pub const fn is_at_rest(&self) -> bool {
        self.busy.is_none()
    }

    /// Whether a path is attached: then do not drop the value, or the peer's `Resume` by that path
    /// is forgotten and nothing can be sent by it.
    pub fn has_path(&self) -> bool {
        !self.paths.is_empty()
    }

    /// What it holds and did.
    pub fn stats(&self) -> ChannelStats {
        let busy = self.busy.as_ref();
        ChannelStats {
            queued_bytes: busy.map_or(0, |busy| busy.outbound.queued_bytes()),
            unacked_bytes: busy.map_or(0, |busy| busy.outbound.window_bytes()),
            held_bytes: busy.map_or(0, |busy| busy.inbound.held_bytes()),
            retransmitted: self.marks.retransmitted,
            duplicates: self.marks.duplicates,
        }
    }

    fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    fn parts(&mut self) -> (&mut Busy, &mut Marks) {
        (self.busy.get_or_insert_default(), &mut self.marks)
    }

    /// Ends an input: says `Writable`, and frees what rest does not need.
    fn settle(&mut self, config: &ChannelConfig, out: &mut Vec<ChannelOutput>) {
        if let Some(busy) = &mut self.busy {
            busy.outbound.tell_writable(config, out);
            if busy.is_at_rest(config) {
                self.busy = None;
            }
        }
    }

    /// Whether `boot` is the peer's start that we speak to; a higher one is from now on.
    fn on_boot(&mut self, boot: Boot, now: Time, out: &mut Vec<ChannelOutput>) -> bool {
        if boot > self.peer_boot {
            let known = std::mem::replace(&mut self.peer_boot, boot);
            if known != Boot(0) {
                self.on_peer_restart(known, now, out);
            }
        }
        boot == self.peer_boot
    }

    fn on_peer_restart(&mut self, known: Boot, now: Time, out: &mut Vec<ChannelOutput>) {
        let mut unacked = 0;
        if let Some(busy) = &mut self.busy {
            unacked = busy.outbound.on_peer_restart();
            busy.control.clear();
            for to in busy.inbound.on_peer_restart() {
                busy.say(flow_frame(to, true));
            }
        }
        self.paths.on_peer_restart();
        self.marks.rx_epoch = 0;
        self.marks.rx_expected = 0;
        self.new_epoch(now);
        out.push(ChannelOutput::Reset {
            unacked,
            boot: known,
        });
    }

    fn new_epoch(&mut self, now: Time) {
        if self.marks.tx_epoch != 0 {
            self.marks.begin_epoch(now);
        }
    }

    fn on_detached(&mut self) {
        let is_last = self.paths.is_empty();
        if is_last {
            if let Some(busy) = &mut self.busy {
                busy.inbound.forget_ack();
            }
        } else if self.marks.rx_epoch != 0 {
            // What the sender did not hear by the lost path it hears by another.
            self.busy().inbound.ask_ack();
        }
    }

    fn on_paths(&mut self, active_before: Option<Path>) {
        if self.paths.active() != active_before
            && let Some(busy) = &mut self.busy
        {
            busy.outbound.rewind();
        }
    }

    fn on_data(
        &mut self,
        path: Path,
        data: Data,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        let (epoch, to) = (data.epoch, data.to);
        let delay = ack_delay(path, config);
        let (busy, marks) = self.parts();
        match busy.inbound.on_data(data, delay, marks, config, now, out)? {
            Taken::InOrder if busy.inbound.is_full(to) => busy.say(flow_frame(to, true)),
            Taken::InOrder | Taken::Old => {}
            // On a relay the sender's timer repairs it. No direct path should lose anything.
            Taken::Gap => {
                if matches!(path, Path::Direct(_)) && busy.inbound.ask_missing(marks) {
                    self.paths.resume_again(path);
                }
            }
            Taken::Duplicate => marks.duplicates = marks.duplicates.saturating_add(1),
            Taken::Unknown => busy.say(Frame::Reset { epoch }),
        }
        Ok(())
    }

    fn on_control(
        &mut self,
        path: Path,
        frame: Frame,
        config: &ChannelConfig,
        now: Time,
        out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        match frame {
            Frame::Ack(ack) => self.on_ack(ack, config, now)?,
            Frame::Resume(ack) => {
                self.on_ack(ack, config, now)?;
                self.on_resume(path);
            }
            Frame::Reset { epoch } => self.on_reset(epoch, now, out),
            Frame::Epoch { epoch } => {
                let (busy, marks) = self.parts();
                busy.inbound.on_epoch(epoch, marks);
            }
            Frame::FlowPause { to } => {
                self.busy().outbound.on_flow_pause(to, config, now, out);
            }
            Frame::FlowResume { to } => self.busy().outbound.on_flow_resume(to, out),
            Frame::FlowAsk { to } => {
                let busy = self.busy();
                let is_full = busy.inbound.is_full(to);
                busy.say(flow_frame(to, is_full));
            }
            Frame::AckAsk => self.busy().inbound.ask_ack(),
            Frame::NoMailbox { from, to } => out.push(ChannelOutput::NoMailbox { from, to }),
            Frame::Data(_) => {}
        }
        Ok(())
    }

    fn on_ack(&mut self, ack: Ack, config: &ChannelConfig, now: Time) -> Result<(), FrameError> {
        if ack.epoch != self.marks.tx_epoch || ack.epoch == 0 {
            return Ok(());
        }
        if ack.expected > self.marks.tx_next {
            return Err(FrameError::Malformed);
        }
        let is_direct = matches!(self.paths.active(), Some(Path::Direct(_)));
        let Some(busy) = &mut self.busy else {
            return Ok(());
        };
        busy.outbound
            .on_ack(ack, &self.marks, is_direct, config, now)
    }

    /// The peer listens on a direct path anew: send all again from what it has, if that is the
    /// path in use, and let it hear that this end listens there as well.
    fn on_resume(&mut self, path: Path) {
        if self.paths.active() != Some(path) {
            return;
        }
        let busy = self.busy();
        busy.outbound.rewind();
        busy.inbound.ask_ack();
    }

    fn on_reset(&mut self, epoch: u32, now: Time, out: &mut Vec<ChannelOutput>) {
        if epoch != self.marks.tx_epoch || epoch == 0 {
            return;
        }
        let unacked = match &mut self.busy {
            Some(busy) => busy.outbound.on_reset(),
            None => 0,
        };
        self.new_epoch(now);
        out.push(ChannelOutput::Reset {
            unacked,
            boot: self.peer_boot,
        });
    }
}

const fn ack_delay(path: Path, config: &ChannelConfig) -> Duration {
    match path {
        Path::Relay | Path::Detour => config.ack_delay_relay,
        Path::Direct(_) => config.ack_delay_direct,
    }
}
