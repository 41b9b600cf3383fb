//! What goes to the peer: from the queue into the channel, from there onto a path.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use archipelago_core::channel::{
    ChannelConfig, Frame, FrameEncoder, Part, Path, PathEvent, SendError,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{LocalId, Time};
use archipelago_router::Command;

use super::Task;
use crate::actor::Request;
use crate::peer::outgoing::{Freed, Outgoing};
use crate::peer::streams::{WriteState, Writer};

/// Bytes taken from the channel for one write.
const BURST_BYTES: usize = 64 * 1024;

/// Bytes taken from the channel for one relayed envelope.
const RELAY_BYTES: usize = 20 * 1024;

impl Task {
    /// Gives the channel what waits in the queues, as far as it takes it: short messages first,
    /// for which the channel has some room that long ones cannot fill. Whether it took any: then
    /// there may be more to take.
    pub(super) fn feed(&mut self, now: Time) -> bool {
        self.feed_letters(now);
        let has_sent = self.feed_queues(now);
        self.feed_streams(now) | has_sent
    }

    fn feed_queues(&mut self, now: Time) -> bool {
        self.feed_ahead();
        let before = self.short.len() + self.long.len();
        if before == 0 {
            return false;
        }
        let shared = Arc::clone(&self.shared);
        let short = std::mem::take(&mut self.short);
        self.short = self.feed_from(short, &shared.channel_config_short, now);
        if self.short.is_empty() {
            let long = std::mem::take(&mut self.long);
            self.long = self.feed_from(long, &shared.channel_config, now);
        }
        self.short.len() + self.long.len() < before
    }

    /// Returns what the channel had no room for.
    fn feed_from(
        &mut self,
        mut queue: VecDeque<Outgoing>,
        config: &ChannelConfig,
        now: Time,
    ) -> VecDeque<Outgoing> {
        let (mut freed, mut sent) = (Freed::default(), 0);
        while let Some(mut outgoing) = queue.pop_front() {
            if !outgoing.boot.covers(self.channel.peer_boot()) {
                self.put_aside(outgoing, &mut freed, now);
                continue;
            }
            match self.channel.admit(&outgoing.message, config) {
                Err(SendError::Full) => {
                    queue.push_front(outgoing);
                    break;
                }
                Err(SendError::TooLong { len, max }) => {
                    self.handle.note_freed(&outgoing, &mut freed);
                    self.unsent(&outgoing, &crate::SendError::TooLong { len, max });
                }
                admitted => {
                    self.handle.note_freed(&outgoing, &mut freed);
                    let opening = outgoing.stream.take();
                    let kind = outgoing.message.kind;
                    let admitted =
                        admitted.and_then(|()| self.channel.send(outgoing.message, config, now));
                    match admitted {
                        Ok(()) => {
                            sent += 1;
                            self.on_stream_sent(kind, opening, now);
                        }
                        Err(_) => self.undelivered(1),
                    }
                }
            }
        }
        if sent > 0 {
            self.used_at = now;
            self.shared.metrics.messages_sent.add(sent);
        }
        self.handle.release(freed);
        queue
    }

    /// Whether nothing waits to enter the channel.
    pub(super) fn is_fed(&self) -> bool {
        self.short.is_empty()
            && self.long.is_empty()
            && self.ahead.is_empty()
            && self.letters.is_empty()
    }

    /// Puts on each path what the channel has for it; whether a stream took anything.
    pub(super) fn transmit(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
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
                let is_blocked = self.poll_writers(cx, false, now);
                has_moved = true;
                if is_blocked {
                    break;
                }
            } else {
                break;
            }
        }
        self.poll_writers(cx, true, now);
        has_moved
    }

    /// Whether the writer took a burst; opens a stream if there is none.
    pub(super) fn transmit_direct(&mut self, session: SessionId, now: Time) -> bool {
        let Some(index) = self.writer(session) else {
            self.open(session);
            return false;
        };
        if !self.writers.get(index).is_some_and(Writer::has_room) {
            return false;
        }
        let count = self.fill(index, session, now);
        self.on_outputs();
        if count == 0 {
            return false;
        }
        self.shared.metrics.data_bytes_sent.add(count as u64);
        self.on_activity(session, now);
        true
    }

    /// Has the channel write a burst into the writer; how many bytes it was.
    fn fill(&mut self, index: usize, session: SessionId, now: Time) -> usize {
        let Some(writer) = self.writers.get_mut(index) else {
            return 0;
        };
        let (config, out) = (&self.shared.channel_config, &mut self.outputs);
        writer.put(now, |burst| {
            let path = Path::Direct(session);
            self.channel
                .poll_transmit(path, BURST_BYTES, config, now, burst, out);
        })
    }

    /// The stream on which the session's frames go out.
    pub(super) fn writer(&self, session: SessionId) -> Option<usize> {
        let mut writers = self.writers.iter();
        writers.position(|writer| writer.session == session && !writer.is_closing())
    }

    pub(super) fn open(&mut self, session: SessionId) {
        if self.opening != Some(session) {
            self.opening = Some(session);
            self.requests.push_back(Request::OpenData { session });
        }
    }

    pub(super) fn transmit_forward(&mut self, path: Path, now: Time) -> bool {
        self.take_burst(path, RELAY_BYTES, now);
        if self.frames.is_empty() {
            return false;
        }
        let mut encoder = FrameEncoder::new();
        let mut bytes = Vec::new();
        let (mut messages, mut letter_bytes) = (0, 0);
        for frame in self.frames.drain(..) {
            if let Frame::Data(data) = &frame {
                if data.to == LocalId::NODE {
                    // Letters alone are no reason to open a session.
                    letter_bytes += data.payload.len();
                } else if matches!(data.part, Part::Whole | Part::First { .. }) {
                    messages += 1;
                }
            }
            encoder.encode(&frame, &mut bytes);
        }
        self.used_at = now;
        self.shared.metrics.relay_bytes_sent.add(bytes.len() as u64);
        let peer = self.handle.id;
        let len = bytes.len().saturating_sub(letter_bytes);
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

    pub(super) fn take_burst(&mut self, path: Path, bytes_max: usize, now: Time) {
        let config = &self.shared.channel_config;
        let (frames, out) = (&mut self.frames, &mut self.outputs);
        self.channel
            .poll_transmit(path, bytes_max, config, now, frames, out);
        self.on_outputs();
    }

    /// Whether any has no room.
    pub(super) fn poll_writers(&mut self, cx: &mut Context<'_>, is_last: bool, now: Time) -> bool {
        let (mut is_blocked, mut lost) = (false, Vec::new());
        self.writers.retain_mut(|writer| {
            let state = writer.poll(cx, is_last);
            is_blocked |= state == WriteState::Blocked;
            if state == WriteState::Ended && !writer.is_closing() {
                lost.push(writer.session);
            }
            state != WriteState::Ended
        });
        for session in lost {
            self.on_stream_lost(session, now);
        }
        is_blocked
    }

    /// A stream ended that was not closed here, and may have lost what was written to it. If the
    /// session ended with it, that is told in a moment; if not, the two ends begin on it anew.
    fn on_stream_lost(&mut self, session: SessionId, now: Time) {
        let path = Path::Direct(session);
        if self.paths.contains(&path) {
            self.shared.metrics.data_streams_lost.add(1);
            self.on_path(PathEvent::Detached(path), self.boot, now);
            self.on_path(PathEvent::Attached(path), self.boot, now);
        }
    }
}
