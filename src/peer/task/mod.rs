//! The task of one peer with traffic: moves messages between queue, channel, streams and
//! mailboxes.
//!
//! It decides nothing of the protocol: the channel says what to send on which path, the node's
//! machine which paths there are. It ends when the channel is at rest and its streams are closed;
//! an idle peer costs no task, no buffer and no timer.

mod ahead;
mod incoming;
mod letters;
mod outgoing;
mod rest;
mod streams;
mod ways;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use archipelago_core::channel::{Channel, ChannelOutput, Frame, Path};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Time};
use tokio::time::Sleep;

use super::handle::{Reach, Signal};
use super::inbox::Inbox;
use super::inboxes::Inboxes;
use super::registry::{Resting, RestingPath};
use super::streams::{Reader, Writer};
use super::{Outgoing, PeerHandle, demand::Demand};
use crate::actor::Request;
use crate::node::Shared;
use ahead::Ahead;
use letters::Letters;
use streams::TaskStreams;

/// Rounds of work before other tasks have their turn.
const ROUNDS_MAX: usize = 16;

/// The task, at work.
pub(crate) struct Task {
    shared: Arc<Shared>,
    handle: Arc<PeerHandle>,
    channel: Channel,
    boot: Boot,
    paths: Vec<Path>,
    /// Taken from the queues, and not yet accepted by the channel.
    short: VecDeque<Outgoing>,
    long: VecDeque<Outgoing>,
    /// Those of them that are for a later start of the peer.
    ahead: Ahead,
    letters: Letters,
    streams: TaskStreams,
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
    /// Wakes the task.
    waker: Waker,
    /// Messages that the last read brought.
    brought: usize,
    /// The last turn was left to those who send.
    has_waited: bool,
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
pub(super) enum Step {
    /// It has something for the node's task.
    Request(Request),
    /// It is over; its last word.
    End(Option<Request>),
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
            short: VecDeque::new(),
            long: VecDeque::new(),
            ahead: Ahead::default(),
            letters: Letters::default(),
            streams: TaskStreams::default(),
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
            waker: Waker::noop().clone(),
            brought: 0,
            has_waited: false,
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

    /// Ready when there is something for the node's task, or nothing left to do.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        self.waker.clone_from(cx.waker());
        if self.waits_for_more() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.shared.metrics.peer_wakes.add(1);
        self.brought = 0;
        for _ in 0..ROUNDS_MAX {
            if let Some(request) = self.requests.pop_front() {
                return Poll::Ready(Step::Request(request));
            }
            let now = self.shared.clock.now();
            if self.take_inbox(now) {
                return Poll::Ready(Step::End(self.last_word()));
            }
            let is_busy = self.feed(now)
                | self.poll_readers(cx, now)
                | self.poll_inboxes(cx, now)
                | self.transmit(cx, now);
            let is_due = self.on_timeout(now);
            if is_busy || is_due || !self.requests.is_empty() {
                continue;
            }
            if self.is_done(now) {
                return Poll::Ready(Step::End(self.last_word()));
            }
            if self.arm(cx, now).is_pending() {
                self.note_figures();
                return Poll::Pending;
            }
        }
        self.note_figures();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// For a sender, in place of a turn: sends what waits if nothing is under way. Whether the task
    /// has nothing to do for it any more.
    pub(super) fn send_now(&mut self) -> bool {
        if !self.may_send_now() {
            return false;
        }
        let handle = self.handle.clone();
        {
            let mut inbox = handle.lock();
            if inbox.has_words() {
                return false;
            }
            self.take_messages(&mut inbox);
        }
        let now = self.shared.clock.now();
        let waker = std::mem::replace(&mut self.waker, Waker::noop().clone());
        self.feed(now);
        self.transmit(&mut Context::from_waker(&waker), now);
        self.waker = waker;
        self.shared.metrics.peer_turns_saved.add(1);
        self.note_figures();
        self.is_fed() && self.requests.is_empty() && self.deadline(now) >= self.timer_at
    }

    /// Whether other tasks have a turn first: while something is under way, who sends is seldom
    /// alone, and what comes meanwhile leaves in the same piece.
    fn waits_for_more(&mut self) -> bool {
        let is_next =
            || self.channel.stats().unacked_bytes > 0 && !self.handle.lock().short.is_empty();
        self.has_waited = !self.has_waited && is_next();
        self.has_waited
    }

    /// Whether a direct way is open, nothing sent is unacknowledged, and nothing waits. Several
    /// messages that came together are answered together: by the task.
    fn may_send_now(&self) -> bool {
        let stats = self.channel.stats();
        let is_quiet = stats.queued_bytes == 0 && stats.unacked_bytes == 0;
        let is_open = self.writers.iter().any(Writer::has_room);
        let is_alone = is_quiet && self.brought <= 1;
        let is_idle = self.is_fed() && self.requests.is_empty() && self.streams.is_empty();
        is_alone && is_open && is_idle && !self.is_over
    }

    fn note_figures(&self) {
        let counted = self.streams.counted(self.inboxes.waiting_bytes());
        self.handle.figures.set(self.channel.stats(), counted);
    }

    /// Takes what other tasks left; `true` if the task is over, or this node has stopped.
    fn take_inbox(&mut self, now: Time) -> bool {
        let (signals, relayed, touched) = {
            let mut inbox = self.handle.lock();
            if inbox.is_ended {
                return true;
            }
            let signals = std::mem::take(&mut inbox.signals);
            let relayed = std::mem::take(&mut inbox.relayed);
            (signals, relayed, std::mem::take(&mut inbox.touched))
        };
        for signal in signals {
            self.on_signal(signal, now);
        }
        for (path, boot, frames) in relayed {
            self.on_relayed(path, boot, frames, now);
        }
        for (way, id) in touched {
            self.on_touched(way, id, now);
        }
        if !self.is_over && !self.paths.is_empty() {
            let handle = self.handle.clone();
            self.take_messages(&mut handle.lock());
        }
        self.is_over || self.on_pathless(now)
    }

    /// Takes what is to be sent, once there is nothing left of what was taken before.
    fn take_messages(&mut self, inbox: &mut Inbox) {
        inbox.wants_short = self.short.is_empty();
        inbox.wants_long = self.long.is_empty();
        // Swapped, so that neither queue grows anew each time.
        if self.short.is_empty() {
            std::mem::swap(&mut self.short, &mut inbox.short);
        }
        if self.long.is_empty() {
            std::mem::swap(&mut self.long, &mut inbox.long);
        }
        self.letters.take(&mut inbox.letters);
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
}
