//! Streams of the peer: between users' pipes, the machine that gives credit, and the channel.
//!
//! Words go before pieces, and pieces fill only a part of the channel's queue that is theirs: so
//! neither long messages nor many streams keep the others out.

use std::collections::HashMap;
use std::sync::Arc;

use archipelago_core::channel::{Kind, Message, StreamId};
use archipelago_core::streams::{Abort, Streams, StreamsConfig, StreamsOutput, Word};
use archipelago_core::{LocalId, Time};
use archipelago_router::Unreachable;

use super::Task;
use crate::SendError;
use crate::peer::figures::Counted;
use crate::peer::{Opening, Outgoing, Place};
use crate::stream::{Far, Pipe, QUEUE_BYTES, StreamError, StreamReader, Way, read, written};

/// Streams of this task.
#[derive(Debug, Default)]
pub(super) struct TaskStreams {
    machine: Streams,
    /// What users write and the task reads, each with its place among the streams to the peer.
    writers: HashMap<StreamId, (Arc<Pipe>, Place)>,
    /// What the task writes and users read.
    readers: HashMap<StreamId, Arc<Pipe>>,
    outputs: Vec<StreamsOutput>,
}

impl TaskStreams {
    /// Whether there is no stream, and nothing to be said of one.
    pub(super) fn is_empty(&self) -> bool {
        self.machine.is_empty()
    }

    /// When to look at them again.
    pub(super) fn deadline(&self, config: &StreamsConfig) -> Time {
        let due = self.machine.poll_timeout(config);
        due.map_or(Time::NEVER, |(at, _)| at)
    }

    /// What is held for the peer beside its channel.
    pub(super) fn counted(&self, waiting_bytes: usize) -> Counted {
        Counted {
            writers_bytes: self.writers.values().map(|(pipe, _)| pipe.len()).sum(),
            readers_bytes: self.readers.values().map(|pipe| pipe.len()).sum(),
            waiting_bytes,
            streams: (self.writers.len(), self.readers.len()),
        }
    }

    fn end_writer(&mut self, id: StreamId, end: Result<(), StreamError>) {
        if let Some((pipe, _)) = self.writers.remove(&id) {
            pipe.end(end);
        }
    }

    /// Tells users how their streams ended.
    fn on_outputs(&mut self) {
        for output in std::mem::take(&mut self.outputs) {
            match output {
                StreamsOutput::Wrote { id, end } => self.end_writer(id, written(end)),
                StreamsOutput::Read { id, end } => {
                    if let Some(pipe) = self.readers.get(&id) {
                        pipe.end(read(end));
                    }
                    if !self.machine.is_reading(id) {
                        self.readers.remove(&id);
                    }
                }
            }
        }
    }

    fn end_all(&mut self, error: &StreamError) {
        let writers = self.writers.drain().map(|(_, (pipe, _))| pipe);
        for pipe in writers.chain(self.readers.drain().map(|(_, pipe)| pipe)) {
            pipe.end(Err(error.clone()));
        }
    }
}

impl Drop for TaskStreams {
    fn drop(&mut self) {
        self.end_all(&StreamError::Stopped);
    }
}

impl Task {
    /// A user did something with a stream.
    pub(super) fn on_touched(&mut self, way: Way, id: StreamId, now: Time) {
        match way {
            Way::Out => self.on_writer(id, now),
            Way::In => self.on_reader(id, now),
        }
    }

    fn on_writer(&mut self, id: StreamId, now: Time) {
        let streams = &mut self.streams;
        // Before it is opened it is looked at when it is; after its end nobody needs to.
        let Some((pipe, _)) = streams.writers.get(&id) else {
            return;
        };
        let looked = pipe.look();
        if let Some(why) = looked.aborted {
            streams.machine.handle_aborted(id, why);
            streams.writers.remove(&id);
            return;
        }
        streams.machine.handle_written(id, looked.written, now);
        if looked.is_finished {
            streams.machine.handle_finished(id, now);
        }
    }

    fn on_reader(&mut self, id: StreamId, now: Time) {
        let streams = &mut self.streams;
        let Some(pipe) = streams.readers.get(&id) else {
            return;
        };
        let looked = pipe.look();
        let config = &self.shared.streams_config;
        match looked.stopped {
            Some(why) => streams.machine.handle_stopped(id, why),
            None => streams.machine.handle_read(id, looked.read, config, now),
        }
        if !streams.machine.is_reading(id) {
            streams.readers.remove(&id);
        }
    }

    /// The channel accepted a message, which may open a stream.
    pub(super) fn on_stream_sent(&mut self, kind: Kind, opening: Option<Box<Opening>>, now: Time) {
        let (Kind::Stream { id }, Some(opening)) = (kind, opening) else {
            return;
        };
        let config = &self.shared.streams_config;
        if !self.streams.machine.handle_opened(id, config, now) {
            return opening.fail(StreamError::TooMany);
        }
        if let Some(taken) = opening.take() {
            self.shared.metrics.streams_opened.add(1);
            self.streams.writers.insert(id, taken);
            self.on_writer(id, now);
        }
    }

    /// The peer opens a stream; `None`: it is refused.
    pub(super) fn on_stream_open(&mut self, id: StreamId) -> Option<StreamReader> {
        let (shared, streams) = (&self.shared, &mut self.streams);
        let now = shared.clock.now();
        let config = &shared.streams_config;
        if !streams.machine.handle_open(id, config, now) {
            shared.metrics.streams_refused.add(1);
            return None;
        }
        shared.metrics.streams_accepted.add(1);
        let far = Far {
            peer: self.handle.clone(),
            way: Way::In,
            id,
        };
        let pipe = Pipe::new(shared.limits.stream_window_bytes, Some(far));
        streams.readers.insert(id, pipe.clone());
        Some(StreamReader::new(pipe))
    }

    /// A word about streams, or a piece of one.
    pub(super) fn on_stream_message(&mut self, message: &Message) {
        let (shared, streams) = (&self.shared, &mut self.streams);
        let now = shared.clock.now();
        let config = &shared.streams_config;
        let out = &mut streams.outputs;
        if message.from == LocalId::STREAMS {
            match Word::from_bytes(&message.payload) {
                Ok(word) => streams.machine.handle_word(word, config, now, out),
                Err(_) => shared.metrics.stream_words_ignored.add(1),
            }
        } else {
            let (id, len) = (StreamId(message.from.0), message.payload.len());
            if streams.machine.handle_piece(id, len, now, out)
                && let Some(pipe) = streams.readers.get(&id)
            {
                pipe.put(&message.payload);
            }
        }
        streams.on_outputs();
    }

    /// Gives the channel words, and pieces as far as there is room for them; whether it took any.
    pub(super) fn feed_streams(&mut self, now: Time) -> bool {
        if self.streams.is_empty() || self.paths.is_empty() {
            return false;
        }
        let has_said = self.feed_words(now);
        self.feed_pieces(now) | has_said
    }

    fn feed_words(&mut self, now: Time) -> bool {
        let mut has_said = false;
        let config = &self.shared.channel_config_short;
        while let Some(word) = self.streams.machine.poll_word() {
            let message = Message {
                from: LocalId::STREAMS,
                to: LocalId::STREAMS,
                kind: Kind::Cast,
                payload: word.to_bytes(),
            };
            if self.channel.send(message, config, now).is_err() {
                break;
            }
            self.streams.machine.handle_word_sent();
            has_said = true;
        }
        has_said
    }

    fn feed_pieces(&mut self, now: Time) -> bool {
        let shared = &self.shared;
        let streams = &mut self.streams;
        let mut queued = self.channel.queued_to(LocalId::STREAMS);
        let mut has_sent = false;
        while queued < QUEUE_BYTES
            && let Some((id, len_max)) = streams.machine.poll_piece(&shared.streams_config)
        {
            let Some((pipe, _)) = streams.writers.get(&id) else {
                break;
            };
            let payload = pipe.take(len_max);
            let len = payload.len();
            let message = Message {
                from: LocalId(id.0),
                to: LocalId::STREAMS,
                kind: Kind::Cast,
                payload,
            };
            let config = &shared.channel_config_stream;
            if len == 0 || self.channel.send(message, config, now).is_err() {
                // Never so while the queue has room for all: better ended than with a gap.
                streams.machine.handle_aborted(id, Abort::Lost);
                streams.end_writer(id, Err(StreamError::Lost));
                break;
            }
            streams.machine.handle_sent(id, len, now);
            queued += len;
            has_sent = true;
        }
        if has_sent {
            self.used_at = now;
        }
        has_sent
    }

    pub(super) fn on_streams_timeout(&mut self, now: Time) {
        let config = &self.shared.streams_config;
        let streams = &mut self.streams;
        let is_due = |(at, _): (Time, _)| at <= now;
        if streams.machine.poll_timeout(config).is_some_and(is_due) {
            let out = &mut streams.outputs;
            streams.machine.handle_timeout(config, now, out);
            streams.on_outputs();
        }
    }

    /// What was under way to the peer or from it is lost.
    pub(super) fn on_streams_reset(&mut self) {
        let streams = &mut self.streams;
        streams.machine.handle_reset(&mut streams.outputs);
        streams.on_outputs();
        streams.readers.clear();
    }

    /// No way to the peer was found for long.
    pub(super) fn on_streams_unreachable(&mut self, reason: Unreachable) {
        let streams = &mut self.streams;
        streams.end_all(&reason.into());
        streams.machine.handle_unreachable(&mut streams.outputs);
        streams.outputs.clear();
    }
}

/// A message that was to open a stream cannot be sent.
pub(super) fn fail_stream(outgoing: &Outgoing, error: &SendError) {
    if let Some(opening) = &outgoing.stream {
        opening.fail(error.into());
    }
}
