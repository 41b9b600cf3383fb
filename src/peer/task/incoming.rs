//! What comes from the peer: frames to the channel, messages to mailboxes.

use std::task::{Context, Poll};
use std::time::Duration;

use archipelago_core::channel::{
    CallId, ChannelOutput, FrameDecoder, Kind, Message, Outcome, Path,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, LocalId, Pid, Time};
use archipelago_router::Command;
use bytes::Bytes;

use super::Task;
use super::streams::fail_stream;
use crate::actor::Request;
use crate::call::Reply;
use crate::groupcast;
use crate::peer::Outgoing;
use crate::peer::streams::ReadState;
use crate::{NodeEvent, Received, SendError};

impl Task {
    pub(super) fn on_relayed(&mut self, path: Path, boot: Boot, mut bytes: Bytes, now: Time) {
        self.used_at = now;
        let len = bytes.len();
        self.shared.metrics.relay_bytes_received.add(len as u64);
        let mut decoder = FrameDecoder::new(self.shared.channel_config.chunk_bytes_max);
        let mut has_more = true;
        while has_more {
            let config = &self.shared.channel_config;
            // Authenticated by its seal: a fault is its sender's, and costs it the frames.
            has_more = match decoder.decode(&mut bytes, &mut self.frames) {
                Ok(has_more) if has_more || bytes.is_empty() => has_more,
                _ => return self.frames.clear(),
            };
            let (frames, out) = (&mut self.frames, &mut self.outputs);
            let taken = self
                .channel
                .handle_frames(path, boot, frames, config, now, out);
            self.frames.clear();
            self.on_outputs();
            has_more &= taken.is_ok();
        }
    }

    /// Whether anything was read.
    pub(super) fn poll_readers(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
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
                    self.brought = 0;
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
    pub(super) fn on_frames(&mut self, session: SessionId, now: Time) -> bool {
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

    pub(super) fn poll_inboxes(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
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

    pub(super) fn on_outputs(&mut self) {
        if self.outputs.is_empty() {
            return;
        }
        let mut outputs = std::mem::take(&mut self.outputs);
        // Handing messages over may pause their senders, which is one more output.
        while !outputs.is_empty() {
            for output in outputs.drain(..) {
                match output {
                    ChannelOutput::Deliver(message) => self.on_deliver(message),
                    ChannelOutput::NoMailbox { .. } => self.undelivered(1),
                    ChannelOutput::Paused { to } => self.handle.set_full(to, true),
                    ChannelOutput::Resumed { to } => self.handle.set_full(to, false),
                    ChannelOutput::Reset { unacked, boot } => {
                        self.handle.clear_full();
                        self.lose_letters(None, false);
                        self.on_streams_reset();
                        self.on_lost(boot, unacked);
                    }
                    // The queue is offered anew in every round.
                    _ => {}
                }
            }
            self.hand_over();
            std::mem::swap(&mut outputs, &mut self.outputs);
        }
        self.outputs = outputs;
    }

    pub(super) fn on_deliver(&mut self, message: Message) {
        self.brought += 1;
        if message.to == LocalId::STREAMS {
            return self.on_stream_message(&message);
        }
        let is_reply = matches!(message.kind, Kind::Reply { .. });
        if is_reply || message.to == LocalId::NODE || message.to == groupcast::MAILBOX {
            // What came before them is in its mailbox when they are heard of.
            self.hand_over();
            return self.on_other(message);
        }
        let Message {
            from,
            to,
            kind,
            payload,
        } = message;
        let is_call = matches!(kind, Kind::Call { .. });
        if is_call && kind.is_expired(self.shared.clock.now()) {
            return self.shared.metrics.calls_expired.add(1);
        }
        if !self.inboxes.may_join(to) {
            self.hand_over();
        }
        let mut received = self.received(from, to, kind, payload);
        if let Kind::Stream { id } = kind {
            received.stream = self.on_stream_open(id);
            if received.stream.is_none() {
                return;
            }
        }
        self.inboxes.add(to, received);
    }

    /// What no mailbox of the user takes.
    fn on_other(&mut self, message: Message) {
        if message.to == LocalId::NODE {
            self.on_letter(&message);
        } else if message.to == groupcast::MAILBOX {
            self.on_groupcast(message);
        } else if let Kind::Reply { id, outcome } = message.kind {
            self.on_reply(id, outcome, message.payload);
        }
    }

    /// Hands the messages that were delivered in a row to their mailbox.
    fn hand_over(&mut self) {
        let Some(handed) = self.inboxes.hand_over(&self.shared.mailboxes) else {
            return;
        };
        let metrics = &self.shared.metrics;
        metrics.messages_delivered.add(handed.taken as u64);
        // A call that found nobody was answered so.
        for from in handed.strays {
            self.channel.handle_no_mailbox(from, handed.to);
        }
        if handed.is_full {
            metrics.mailbox_pauses.add(1);
            let config = &self.shared.channel_config;
            self.channel
                .handle_mailbox(handed.to, true, config, &mut self.outputs);
        }
    }

    fn received(&self, from: LocalId, to: LocalId, kind: Kind, payload: Bytes) -> Received {
        let from = Pid {
            node: self.handle.id,
            boot: self.channel.peer_boot(),
            local: from,
            home: self.handle.home(),
        };
        let received = Received::cast(from, payload);
        let Kind::Call { id, deadline } = kind else {
            return received;
        };
        let reply = Reply::new(&self.shared, to, from, id, deadline);
        let reply = Some(reply.by(&self.handle));
        Received { reply, ..received }
    }

    fn on_groupcast(&self, message: Message) {
        let groupcasts = &self.shared.groupcasts;
        let is_taken = message.from == groupcast::MAILBOX
            && groupcasts.on_packet(self.handle.id, message.payload);
        if !is_taken {
            self.shared.metrics.groupcast_words_dropped.add(1);
        }
    }

    fn on_reply(&self, id: CallId, outcome: Outcome, payload: Bytes) {
        let from = (self.handle.id, self.channel.peer_boot());
        if !self.shared.calls.on_reply(from, id, outcome, payload) {
            self.shared.metrics.replies_late.add(1);
        }
    }

    /// What was accepted from senders here cannot be sent: who waits for an answer hears it at
    /// once.
    pub(super) fn unsent(&self, outgoing: &Outgoing, error: &SendError) {
        match outgoing.message.kind {
            Kind::Call { id, .. } => self.shared.calls.fail(id, error.clone()),
            Kind::Stream { .. } => fail_stream(outgoing, error),
            _ => self.undelivered(1),
        }
    }

    /// What the channel had accepted for the start `boot` of the peer is lost, or may be.
    pub(super) fn on_lost(&self, boot: Boot, messages: usize) {
        self.shared.calls.on_reset(&self.handle.id, boot);
        self.undelivered(messages);
    }

    pub(super) fn undelivered(&self, messages: usize) {
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
    pub(super) fn on_activity(&mut self, session: SessionId, now: Time) {
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
}
