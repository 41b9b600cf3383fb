//! The task of one peer with traffic: moves messages between queue, channel, streams and
//! mailboxes.
//!
//! It decides nothing of the protocol: the channel says what to send on which path, the node's
//! machine which paths there are. It ends when the channel is at rest and its streams are closed;
//! an idle peer costs no task, no buffer and no timer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use archipelago_core::channel::{
    Channel, ChannelOutput, Frame, FrameEncoder, Message, Part, Path, PathEvent, SendError,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Pid, Time};
use archipelago_router::{Command, Unreachable};
use bytes::Bytes;
use futures::Future;
use tokio::time::Sleep;

use super::handle::{Outgoing, Reach, Signal};
use super::inboxes::{Handed, Inboxes};
use super::registry::{Resting, RestingPath};
use super::streams::{ReadState, Reader, WriteState, Writer};
use super::{PeerHandle, demand::Demand};
use crate::actor::Request;
use crate::node::Shared;
use crate::{NodeEvent, Received};

/// Bytes taken from the channel for one write.
const BURST_BYTES: usize = 64 * 1024;

/// Bytes taken from the channel for one relayed envelope.
const RELAY_BYTES: usize = 20 * 1024;

/// Rounds of work before other tasks have their turn.
const ROUNDS_MAX: usize = 16;

/// How long a data stream stays open without use, and the task without traffic.
const LINGER: Duration = Duration::from_secs(5);

/// Pause before a way is looked for again, while accepted messages wait for one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How long accepted messages wait for a way before they are given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// The task, at work.
pub(crate) struct Task {
    shared: Arc<Shared>,
    handle: Arc<PeerHandle>,
    channel: Channel,
    boot: Boot,
    paths: Vec<Path>,
    /// Taken from the queue, and not yet accepted by the channel.
    pending: VecDeque<Outgoing>,
    writers: Vec<Writer>,
    /// The session on which a data stream is being opened.
    opening: Option<SessionId>,
    readers: Vec<Reader>,
    inboxes: Inboxes,
    demand: Demand,
    frames: Vec<Frame>,
    outputs: Vec<ChannelOutput>,
    requests: VecDeque<Request>,
    seeking: Seeking,
    /// The task's place is given up.
    is_over: bool,
    used_at: Time,
    reported_at: Option<(SessionId, Time)>,
    timer: Option<Pin<Box<Sleep>>>,
    timer_at: Time,
}

/// Whether a way is being looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seeking {
    /// A path is attached, or none is needed.
    No,
    /// The node's machine was asked; without a path since then.
    Asked { since: Time },
    /// It found none; it is asked again at `at`.
    Pausing { since: Time, at: Time },
}

/// What the task does next.
enum Step {
    Request(Request),
    End,
}

impl Task {
    pub(crate) fn new(shared: Arc<Shared>, handle: Arc<PeerHandle>, resting: Resting) -> Self {
        let now = shared.clock.now();
        let mut task = Self {
            channel: resting
                .channel
                .unwrap_or_else(|| Channel::new(resting.boot)),
            boot: resting.boot,
            paths: Vec::new(),
            pending: VecDeque::new(),
            writers: Vec::new(),
            opening: None,
            readers: Vec::new(),
            inboxes: Inboxes::default(),
            demand: Demand::new(&shared),
            frames: Vec::new(),
            outputs: Vec::new(),
            requests: VecDeque::new(),
            seeking: Seeking::No,
            is_over: false,
            used_at: now,
            reported_at: None,
            timer: None,
            timer_at: Time::NEVER,
            shared,
            handle,
        };
        for RestingPath { path, is_told } in resting.paths {
            if is_told {
                task.paths.push(path);
            } else {
                task.on_attach(path, resting.boot, now);
            }
        }
        if task.paths.is_empty() {
            task.seek(now);
        } else {
            task.handle.set_reach(Reach::Attached(task.boot));
        }
        task
    }

    /// Runs until nothing is left to do.
    pub(crate) async fn run(mut self) {
        loop {
            match std::future::poll_fn(|cx| self.poll(cx)).await {
                Step::End => return,
                Step::Request(request) => {
                    if self.shared.requests.send(request).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        self.handle.waker.register(cx.waker());
        for _ in 0..ROUNDS_MAX {
            if let Some(request) = self.requests.pop_front() {
                return Poll::Ready(Step::Request(request));
            }
            let now = self.shared.clock.now();
            if self.take_inbox(now) {
                return Poll::Ready(Step::End);
            }
            self.feed(now);
            let is_busy =
                self.poll_readers(cx, now) | self.poll_inboxes(cx, now) | self.transmit(cx, now);
            self.on_timeout(now);
            if is_busy || !self.requests.is_empty() {
                continue;
            }
            if self.is_done(now) {
                return Poll::Ready(Step::End);
            }
            if self.arm(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what other tasks left; `true` if the task is over, or this node has stopped.
    fn take_inbox(&mut self, now: Time) -> bool {
        let mut inbox = self.handle.lock();
        if inbox.is_ended {
            return true;
        }
        let signals = std::mem::take(&mut inbox.signals);
        let relayed = std::mem::take(&mut inbox.relayed);
        if self.pending.is_empty() && !self.paths.is_empty() {
            self.pending = std::mem::take(&mut inbox.outgoing);
        }
        drop(inbox);
        for signal in signals {
            self.on_signal(signal, now);
        }
        for (path, boot, frames) in relayed {
            self.on_relayed(path, boot, frames, now);
        }
        self.is_over
    }

    fn on_signal(&mut self, signal: Signal, now: Time) {
        match signal {
            Signal::Attach(path, boot) => self.on_attach(path, boot, now),
            Signal::Detach(path) => self.on_detach(path, now),
            Signal::Unreachable(reason) => self.on_unreachable(reason, now),
            Signal::Inbound(session, stream) => {
                let config = &self.shared.channel_config;
                self.readers.push(Reader::new(session, stream, config));
            }
            Signal::Outbound(session, stream) => {
                if self.opening == Some(session) {
                    self.opening = None;
                }
                if self.paths.contains(&Path::Direct(session)) {
                    self.writers.push(Writer::new(session, stream, now));
                }
            }
        }
    }

    fn on_attach(&mut self, path: Path, boot: Boot, now: Time) {
        self.boot = self.boot.max(boot);
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        self.seeking = Seeking::No;
        self.handle.set_reach(Reach::Attached(self.boot));
        self.on_path(PathEvent::Attached(path), boot, now);
    }

    fn on_detach(&mut self, path: Path, now: Time) {
        self.paths.retain(|known| *known != path);
        if let Path::Direct(session) = path {
            self.writers.retain(|writer| writer.session != session);
            self.readers.retain(|reader| reader.session != session);
            if self.opening == Some(session) {
                self.opening = None;
            }
        }
        self.on_path(PathEvent::Detached(path), self.boot, now);
        if self.paths.is_empty() {
            self.handle.set_reach(Reach::Seeking);
            self.seek(now);
        }
    }

    fn on_path(&mut self, event: PathEvent, boot: Boot, now: Time) {
        let config = &self.shared.channel_config;
        self.channel
            .handle_path(event, boot, config, now, &mut self.outputs);
        self.on_outputs();
    }

    /// Asks the node's machine for a way.
    fn seek(&mut self, now: Time) {
        let since = match self.seeking {
            Seeking::No => now,
            Seeking::Asked { since } | Seeking::Pausing { since, .. } => since,
        };
        self.seeking = Seeking::Asked { since };
        self.requests.push_back(Request::Command {
            command: Command::Contact {
                peer: self.handle.id,
                home: self.handle.home(),
            },
            reply: None,
        });
    }

    /// No way was found: what was not accepted yet fails at once, what was accepted waits for a
    /// while.
    fn on_unreachable(&mut self, reason: Unreachable, now: Time) {
        let Seeking::Asked { since } = self.seeking else {
            return;
        };
        self.handle.set_reach(Reach::Failed(reason));
        if self.channel.is_at_rest() {
            let resting = self.resting(now);
            let handle = self.handle.clone();
            let reach = Reach::Failed(reason);
            let left = self.shared.peers.fail(&handle, reach, resting);
            self.undelivered(left.len() + self.pending.len());
            self.is_over = true;
            return;
        }
        if now.since(since) >= GIVE_UP_AFTER {
            let lost = self.channel.abandon(&self.shared.channel_config, now);
            self.undelivered(lost);
        }
        let at = now.after(RETRY_PAUSE);
        self.seeking = Seeking::Pausing { since, at };
    }

    fn on_relayed(&mut self, path: Path, boot: Boot, mut bytes: Bytes, now: Time) {
        self.used_at = now;
        let len = bytes.len();
        self.shared.metrics.relay_bytes_received.add(len as u64);
        let config = &self.shared.channel_config;
        // Authenticated by its seal: a fault is its sender's, and costs it the frame.
        let decoded = Frame::decode_batch(&mut bytes, config.chunk_bytes_max, &mut self.frames);
        if decoded.is_err() {
            self.frames.clear();
            return;
        }
        let (frames, out) = (&mut self.frames, &mut self.outputs);
        let _ = self
            .channel
            .handle_frames(path, boot, frames, config, now, out);
        self.frames.clear();
        self.on_outputs();
    }

    /// Gives the channel what waits in the queue, as far as it takes it.
    fn feed(&mut self, now: Time) {
        let mut undelivered = 0;
        while let Some(outgoing) = self.pending.pop_front() {
            if outgoing.boot != self.channel.peer_boot() {
                self.handle.release(&outgoing);
                undelivered += 1;
                continue;
            }
            let config = &self.shared.channel_config;
            // Payloads are shared: a clone copies no bytes.
            match self.channel.send(outgoing.message.clone(), config, now) {
                Ok(()) => {
                    self.handle.release(&outgoing);
                    self.shared.metrics.messages_sent.add(1);
                    self.used_at = now;
                }
                Err(SendError::Full) => {
                    self.pending.push_front(outgoing);
                    break;
                }
                Err(_) => {
                    self.handle.release(&outgoing);
                    undelivered += 1;
                }
            }
        }
        self.undelivered(undelivered);
    }

    /// Whether anything was read.
    fn poll_readers(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
        let mut has_read = false;
        let mut index = 0;
        while let Some(reader) = self.readers.get_mut(index) {
            let session = reader.session;
            match reader.poll(cx, &mut self.frames) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(ReadState::Ended)) => {
                    self.readers.remove(index);
                }
                Poll::Ready(Ok(ReadState::Read(count))) => {
                    has_read = true;
                    self.shared.metrics.data_bytes_received.add(count as u64);
                    if self.on_frames(session, now) {
                        index += 1;
                    } else {
                        self.readers.remove(index);
                    }
                }
                Poll::Ready(Err(_)) => {
                    self.frames.clear();
                    self.readers.remove(index);
                    self.requests.push_back(Request::Abused { session });
                }
            }
        }
        has_read
    }

    /// Whether the stream may be read on.
    fn on_frames(&mut self, session: SessionId, now: Time) -> bool {
        self.on_activity(session, now);
        let config = &self.shared.channel_config;
        let (frames, out) = (&mut self.frames, &mut self.outputs);
        let path = Path::Direct(session);
        let taken = self
            .channel
            .handle_frames(path, self.boot, frames, config, now, out);
        self.frames.clear();
        self.on_outputs();
        if taken.is_err() {
            self.requests.push_back(Request::Abused { session });
        }
        taken.is_ok()
    }

    fn poll_inboxes(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
        let mut has_moved = false;
        while let Poll::Ready(to) = self.inboxes.poll_emptied(cx) {
            has_moved = true;
            self.used_at = now;
            let config = &self.shared.channel_config;
            self.channel
                .handle_mailbox(to, false, config, &mut self.outputs);
            self.on_outputs();
        }
        has_moved
    }

    /// Puts on each path what the channel has for it; whether a stream took anything.
    fn transmit(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
        let mut has_moved = false;
        while let Some(path) = self.channel.poll_path() {
            let has_taken = match path {
                Path::Direct(session) => self.transmit_direct(session, now),
                Path::Relay | Path::Detour => self.transmit_forward(path, now),
            };
            if !has_taken {
                break;
            }
            if matches!(path, Path::Direct(_)) {
                let is_blocked = self.poll_writers(cx, false);
                has_moved = true;
                if is_blocked {
                    break;
                }
            } else {
                break;
            }
        }
        self.poll_writers(cx, true);
        has_moved
    }

    /// Whether the writer took a burst; opens a stream if there is none.
    fn transmit_direct(&mut self, session: SessionId, now: Time) -> bool {
        let Some(index) = self.writer(session) else {
            self.open(session);
            return false;
        };
        if !self.writers.get(index).is_some_and(Writer::has_room) {
            return false;
        }
        self.take_burst(Path::Direct(session), BURST_BYTES, now);
        if self.frames.is_empty() {
            return false;
        }
        if let Some(writer) = self.writers.get_mut(index) {
            let count = writer.put(&mut self.frames, now);
            self.shared.metrics.data_bytes_sent.add(count as u64);
        }
        self.on_activity(session, now);
        true
    }

    /// The stream on which the session's frames go out.
    fn writer(&self, session: SessionId) -> Option<usize> {
        let mut writers = self.writers.iter();
        writers.position(|writer| writer.session == session && !writer.is_closing())
    }

    fn open(&mut self, session: SessionId) {
        if self.opening != Some(session) {
            self.opening = Some(session);
            self.requests.push_back(Request::OpenData { session });
        }
    }

    fn transmit_forward(&mut self, path: Path, now: Time) -> bool {
        self.take_burst(path, RELAY_BYTES, now);
        if self.frames.is_empty() {
            return false;
        }
        let mut encoder = FrameEncoder::new();
        let mut bytes = Vec::new();
        let mut messages = 0;
        for frame in self.frames.drain(..) {
            if let Frame::Data(data) = &frame
                && matches!(data.part, Part::Whole | Part::First { .. })
            {
                messages += 1;
            }
            encoder.encode(&frame, &mut bytes);
        }
        self.used_at = now;
        self.shared.metrics.relay_bytes_sent.add(bytes.len() as u64);
        let peer = self.handle.id;
        let len = bytes.len();
        self.requests.push_back(Request::Command {
            command: Command::Forward {
                peer,
                path,
                frames: bytes.into(),
            },
            reply: None,
        });
        if path == Path::Relay
            && let Some((messages, bytes)) = self.demand.on_sent(messages, len, now)
        {
            self.requests.push_back(Request::Command {
                command: Command::Demand {
                    peer,
                    messages,
                    bytes,
                },
                reply: None,
            });
        }
        true
    }

    fn take_burst(&mut self, path: Path, bytes_max: usize, now: Time) {
        let config = &self.shared.channel_config;
        let (frames, out) = (&mut self.frames, &mut self.outputs);
        self.channel
            .poll_transmit(path, bytes_max, config, now, frames, out);
        self.on_outputs();
    }

    /// Whether any has no room.
    fn poll_writers(&mut self, cx: &mut Context<'_>, is_last: bool) -> bool {
        let mut is_blocked = false;
        self.writers.retain_mut(|writer| {
            let state = writer.poll(cx, is_last);
            is_blocked |= state == WriteState::Blocked;
            state != WriteState::Ended
        });
        is_blocked
    }

    fn on_outputs(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        while !outputs.is_empty() {
            for output in outputs.drain(..) {
                match output {
                    ChannelOutput::Deliver(message) => self.on_deliver(message),
                    ChannelOutput::NoMailbox { .. } => self.undelivered(1),
                    ChannelOutput::Reset { unacked } => self.undelivered(unacked),
                    // The queue is offered anew in every round.
                    _ => {}
                }
            }
            std::mem::swap(&mut outputs, &mut self.outputs);
        }
        self.outputs = outputs;
    }

    fn on_deliver(&mut self, message: Message) {
        let Message { from, to, payload } = message;
        let received = Received {
            from: Pid {
                node: self.handle.id,
                boot: self.channel.peer_boot(),
                local: from,
                home: self.handle.home(),
            },
            payload,
        };
        match self.inboxes.deliver(&self.shared.mailboxes, to, received) {
            Handed::Over => self.shared.metrics.messages_delivered.add(1),
            Handed::Nobody => self.channel.handle_no_mailbox(from, to),
            Handed::Waits => {
                self.shared.metrics.messages_delivered.add(1);
                let config = &self.shared.channel_config;
                self.channel
                    .handle_mailbox(to, true, config, &mut self.outputs);
            }
        }
    }

    fn undelivered(&self, messages: usize) {
        if messages > 0 {
            let metrics = &self.shared.metrics;
            metrics.messages_undelivered.add(messages as u64);
            let peer = self.handle.id;
            self.shared
                .hub
                .tell(&NodeEvent::Undelivered { peer, messages });
        }
    }

    /// Data went on a session: the node's machine hears of it once a second.
    fn on_activity(&mut self, session: SessionId, now: Time) {
        self.used_at = now;
        let is_known = self.reported_at.is_some_and(|(reported, at)| {
            reported == session && now.since(at) < Duration::from_secs(1)
        });
        if !is_known {
            self.reported_at = Some((session, now));
            self.requests.push_back(Request::Command {
                command: Command::Activity(session),
                reply: None,
            });
        }
    }

    fn on_timeout(&mut self, now: Time) {
        if self.channel.poll_timeout().is_some_and(|(at, _)| at <= now) {
            let config = &self.shared.channel_config;
            self.channel.handle_timeout(config, now, &mut self.outputs);
            self.on_outputs();
        }
        if let Seeking::Pausing { at, .. } = self.seeking
            && at <= now
        {
            self.seek(now);
        }
        let is_at_rest = self.channel.is_at_rest();
        for writer in &mut self.writers {
            if is_at_rest && now.since(writer.used_at) >= LINGER {
                writer.close();
            }
        }
    }

    /// Nothing is under way or expected: gives up the task's place, if nobody wants it.
    fn is_done(&mut self, now: Time) -> bool {
        let is_idle = self.channel.is_at_rest()
            && self.pending.is_empty()
            && self.inboxes.is_empty()
            && self.readers.is_empty()
            && self.writers.is_empty()
            && self.opening.is_none()
            && !matches!(self.seeking, Seeking::Asked { .. })
            && now.since(self.used_at) >= LINGER;
        is_idle && {
            let handle = self.handle.clone();
            let shared = self.shared.clone();
            shared.peers.rest(&handle, || self.resting(now))
        }
    }

    fn resting(&mut self, now: Time) -> Resting {
        let paths = self.paths.drain(..);
        let paths = paths.map(|path| RestingPath {
            path,
            is_told: true,
        });
        let boot = self.boot;
        let channel = std::mem::replace(&mut self.channel, Channel::new(boot));
        Resting::new(boot, paths.collect(), Some(channel), now)
    }

    /// When to look again, even if nothing comes in.
    fn deadline(&self, now: Time) -> Time {
        let channel = self
            .channel
            .poll_timeout()
            .map_or(Time::NEVER, |(at, _)| at);
        let retry = match self.seeking {
            Seeking::Pausing { at, .. } => at,
            Seeking::No | Seeking::Asked { .. } => Time::NEVER,
        };
        let linger = if self.channel.is_at_rest() {
            let used = self.writers.iter().map(|writer| writer.used_at);
            let first = used.chain([self.used_at]).min().unwrap_or(now);
            // What should have ended by now waits for something else, which wakes the task.
            Some(first.after(LINGER)).filter(|at| *at > now)
        } else {
            None
        };
        channel.min(retry).min(linger.unwrap_or(Time::NEVER))
    }

    /// Sets the timer; ready when it has run out already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Time) -> Poll<()> {
        let deadline = self.deadline(now);
        if deadline == Time::NEVER {
            self.timer = None;
            self.timer_at = deadline;
            return Poll::Pending;
        }
        let instant = self.shared.clock.instant(deadline);
        match &mut self.timer {
            Some(timer) if self.timer_at != deadline => timer.as_mut().reset(instant),
            Some(_) => {}
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(instant))),
        }
        self.timer_at = deadline;
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
