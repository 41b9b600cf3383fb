//! Two nodes with a channel and streams, in virtual time, for the tests of streams.
//!
//! It moves bytes as a driver does and decides nothing. Every byte of a body is known from its
//! place, so that a reader sees at once what is not in order. What may never be is checked at each
//! step: more held than a window, a second end, an end that says more than was read.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::channel::{
    Channel, ChannelConfig, ChannelOutput, Frame, Kind, Message, Path, PathEvent, StreamId,
};
use archipelago_core::streams::{
    Abort, ReadEnd, Stop, Streams, StreamsConfig, StreamsOutput, Word, WriteEnd,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, LocalId, Time};
use bytes::Bytes;

/// Bytes of pieces that wait in the channel's queue.
const QUEUE_BYTES: usize = 200;

/// The mailbox that streams are opened to.
const MAILBOX: LocalId = LocalId(1_000);

/// The writing end of one stream.
#[derive(Debug, Default)]
pub struct Writer {
    pub len: u64,
    pub written: u64,
    taken: u64,
    pub end: Option<WriteEnd>,
    pub is_aborted: bool,
}

/// The reading end of one stream.
#[derive(Debug, Default)]
pub struct Reader {
    held: VecDeque<u8>,
    pub read: u64,
    pub end: Option<ReadEnd>,
    pub is_dropped: bool,
}

/// One node.
#[derive(Debug)]
pub struct End {
    pub channel: Channel,
    pub streams: Streams,
    pub boot: Boot,
    pub writers: BTreeMap<StreamId, Writer>,
    pub readers: BTreeMap<StreamId, Reader>,
    pub resets: usize,
    /// Small messages that came.
    pub small: usize,
}

/// When frames arrive, by which path, and of which start of their sender.
type UnderWay = (Time, Path, Boot, Vec<Frame>);

/// Both nodes, and one path between them at a time.
#[derive(Debug)]
pub struct Pair {
    pub now: Time,
    pub ends: [End; 2],
    pub config: StreamsConfig,
    channel_config: ChannelConfig,
    path: Option<Path>,
    /// Towards each end.
    wires: [VecDeque<UnderWay>; 2],
    sessions: u32,
    next: u64,
}

impl Pair {
    pub fn new() -> Self {
        let end = || End {
            channel: Channel::new(Boot(1)),
            streams: Streams::default(),
            boot: Boot(1),
            writers: BTreeMap::new(),
            readers: BTreeMap::new(),
            resets: 0,
            small: 0,
        };
        Self {
            now: Time::START,
            ends: [end(), end()],
            config: StreamsConfig {
                window_bytes: 100,
                len_max: 3,
                piece_bytes_max: 16,
                ..StreamsConfig::default()
            },
            channel_config: ChannelConfig {
                queue_bytes_max: 1_000,
                window_bytes_max: 300,
                message_bytes_max: 100,
                chunk_bytes_max: 16,
                reassembly_bytes_max: 10_000,
                ..ChannelConfig::default()
            },
            path: None,
            wires: [VecDeque::new(), VecDeque::new()],
            sessions: 0,
            next: 256,
        }
    }

    /// What is under way is lost, and there is no path.
    pub fn cut(&mut self) {
        self.wires = [VecDeque::new(), VecDeque::new()];
        if let Some(path) = self.path.take() {
            for at in 0..2 {
                self.on_path(at, PathEvent::Detached(path));
            }
        }
    }

    /// Another path instead of the one that there is.
    pub fn connect(&mut self, is_direct: bool) {
        self.cut();
        self.sessions += 1;
        let path = if is_direct {
            let (slot, generation) = (self.sessions, 0);
            Path::Direct(SessionId { slot, generation })
        } else {
            Path::Relay
        };
        self.path = Some(path);
        for at in 0..2 {
            self.on_path(at, PathEvent::Attached(path));
        }
    }

    pub fn is_connected(&self) -> bool {
        self.path.is_some()
    }

    /// Opens a stream of `len` bytes; `None`: too many.
    pub fn open(&mut self, at: usize, len: u64) -> Option<StreamId> {
        let id = StreamId(self.next);
        let end = &mut self.ends[at];
        if end.streams.len().0 >= self.config.len_max {
            return None;
        }
        let message = Message {
            from: LocalId(1_001),
            to: MAILBOX,
            kind: Kind::Stream { id },
            payload: Bytes::new(),
        };
        end.channel
            .send(message, &self.channel_config, self.now)
            .ok()?;
        self.next += 1;
        assert!(end.streams.handle_opened(id, &self.config, self.now));
        let writer = Writer {
            len,
            ..Writer::default()
        };
        end.writers.insert(id, writer);
        Some(id)
    }

    /// Writes more of a stream, and finishes it when that is all.
    pub fn write(&mut self, at: usize, id: StreamId, len: u64) {
        let end = &mut self.ends[at];
        let writer = end.writers.get_mut(&id).unwrap();
        if writer.end.is_some() || writer.is_aborted {
            return;
        }
        writer.written = writer.written.saturating_add(len).min(writer.len);
        end.streams.handle_written(id, writer.written, self.now);
        if writer.written == writer.len {
            end.streams.handle_finished(id, self.now);
        }
    }

    /// Reads what there is of a stream, at most `len` bytes.
    pub fn read(&mut self, at: usize, id: StreamId, len: usize) {
        let end = &mut self.ends[at];
        let reader = end.readers.get_mut(&id).unwrap();
        let is_over = reader
            .end
            .as_ref()
            .is_some_and(|end| *end != ReadEnd::Whole);
        if is_over || reader.is_dropped {
            return;
        }
        let count = len.min(reader.held.len());
        for byte in reader.held.drain(..count) {
            assert_eq!(byte, byte_at(id, reader.read), "{id:?} at {}", reader.read);
            reader.read += 1;
        }
        let read = reader.read;
        end.streams.handle_read(id, read, &self.config, self.now);
    }

    pub fn abort(&mut self, at: usize, id: StreamId) {
        let end = &mut self.ends[at];
        let writer = end.writers.get_mut(&id).unwrap();
        if writer.end.is_none() && !writer.is_aborted {
            writer.is_aborted = true;
            end.streams.handle_aborted(id, Abort::Dropped);
        }
    }

    pub fn drop_reader(&mut self, at: usize, id: StreamId) {
        let end = &mut self.ends[at];
        let reader = end.readers.get_mut(&id).unwrap();
        reader.is_dropped = true;
        reader.held.clear();
        end.streams.handle_stopped(id, Stop::Dropped);
    }

    /// A small message beside all streams; whether there was room.
    pub fn send_small(&mut self, at: usize) -> bool {
        let message = Message {
            from: LocalId(1_002),
            to: MAILBOX,
            kind: Kind::Cast,
            payload: Bytes::from_static(b"small"),
        };
        let channel = &mut self.ends[at].channel;
        channel
            .send(message, &self.channel_config, self.now)
            .is_ok()
    }

    /// A node's process dies, and another one begins.
    pub fn restart(&mut self, at: usize) {
        self.cut();
        let peer_boot = self.ends[1 - at].boot;
        let end = &mut self.ends[at];
        end.boot = Boot(end.boot.0 + 1);
        end.channel = Channel::new(peer_boot);
        end.streams = Streams::default();
        end.writers.clear();
        end.readers.clear();
    }

    /// No way to the peer was found for long.
    pub fn give_up(&mut self, at: usize) {
        if self.path.is_some() {
            return;
        }
        let mut out = Vec::new();
        let end = &mut self.ends[at];
        end.channel.abandon(&self.channel_config, self.now);
        end.streams.handle_unreachable(&mut out);
        self.on_streams(at, out);
        self.ends[at].resets += 1;
    }

    /// Time passes, in which everything that is due happens.
    pub fn tick(&mut self, by: Duration) {
        let until = self.now.after(by);
        while self.now < until {
            self.step();
            let next = self.next_at().min(until);
            self.now = next
                .max(self.now.after(Duration::from_micros(1)))
                .min(until);
        }
        self.step();
    }

    /// All that can happen at this instant.
    fn step(&mut self) {
        loop {
            let mut is_busy = false;
            for at in 0..2 {
                is_busy |= self.feed(at) | self.pump(at) | self.arrive(at);
                self.fire(at);
            }
            if !is_busy {
                return;
            }
        }
    }

    fn next_at(&self) -> Time {
        let arrivals = self.wires.iter().filter_map(VecDeque::front);
        let arrivals = arrivals.map(|(at, ..)| *at);
        let ends = self.ends.iter();
        let timers = ends.flat_map(|end| {
            let channel = end.channel.poll_timeout().map(|(at, _)| at);
            channel
                .into_iter()
                .chain(end.streams.poll_timeout(&self.config).map(|(at, _)| at))
        });
        arrivals.chain(timers).min().unwrap_or(Time::NEVER)
    }

    fn feed(&mut self, at: usize) -> bool {
        let end = &mut self.ends[at];
        let mut has_fed = false;
        while let Some(word) = end.streams.poll_word() {
            let payload = word.to_bytes();
            let (from, to) = (LocalId::STREAMS, LocalId::STREAMS);
            if end.send(from, to, payload, &self.channel_config, self.now) {
                end.streams.handle_word_sent();
                has_fed = true;
            } else {
                break;
            }
        }
        while end.channel.queued_to(LocalId::STREAMS) < QUEUE_BYTES
            && let Some((id, len)) = end.streams.poll_piece(&self.config)
        {
            let writer = end.writers.get_mut(&id).unwrap();
            let from = writer.taken;
            let payload: Vec<u8> = (from..from + len as u64)
                .map(|offset| byte_at(id, offset))
                .collect();
            let (from, to) = (LocalId(id.0), LocalId::STREAMS);
            if !end.send(from, to, payload.into(), &self.channel_config, self.now) {
                break;
            }
            end.writers.get_mut(&id).unwrap().taken += len as u64;
            end.streams.handle_sent(id, len, self.now);
            has_fed = true;
        }
        has_fed
    }

    fn pump(&mut self, at: usize) -> bool {
        let Some(path) = self.ends[at].channel.poll_path() else {
            return false;
        };
        let (mut batch, mut out) = (Vec::new(), Vec::new());
        let end = &mut self.ends[at];
        let (config, now) = (&self.channel_config, self.now);
        end.channel
            .poll_transmit(path, 100, config, now, &mut batch, &mut out);
        let boot = end.boot;
        self.on_channel(at, out);
        if !batch.is_empty() && self.path == Some(path) {
            let arrival = now.after(Duration::from_millis(5));
            self.wires[1 - at].push_back((arrival, path, boot, batch));
        }
        true
    }

    fn arrive(&mut self, at: usize) -> bool {
        let front = self.wires[at].front();
        if front.is_none_or(|(arrival, ..)| *arrival > self.now) {
            return false;
        }
        let (_, path, boot, mut frames) = self.wires[at].pop_front().unwrap();
        let mut out = Vec::new();
        let (config, now) = (&self.channel_config, self.now);
        let channel = &mut self.ends[at].channel;
        let taken = channel.handle_frames(path, boot, &mut frames, config, now, &mut out);
        assert_eq!(taken, Ok(()));
        self.on_channel(at, out);
        true
    }

    fn fire(&mut self, at: usize) {
        let (now, mut out, mut ended) = (self.now, Vec::new(), Vec::new());
        let end = &mut self.ends[at];
        if end.channel.poll_timeout().is_some_and(|(at, _)| at <= now) {
            let config = &self.channel_config;
            end.channel.handle_timeout(config, now, &mut out);
        }
        end.streams.handle_timeout(&self.config, now, &mut ended);
        self.on_channel(at, out);
        self.on_streams(at, ended);
    }

    fn on_path(&mut self, at: usize, event: PathEvent) {
        let (config, now) = (&self.channel_config, self.now);
        let (boot, mut out) = (self.ends[1 - at].boot, Vec::new());
        let channel = &mut self.ends[at].channel;
        channel.handle_path(event, boot, config, now, &mut out);
        self.on_channel(at, out);
    }

    fn on_channel(&mut self, at: usize, out: Vec<ChannelOutput>) {
        for output in out {
            match output {
                ChannelOutput::Deliver(message) => self.on_message(at, &message),
                ChannelOutput::Reset { .. } => {
                    let mut ended = Vec::new();
                    let end = &mut self.ends[at];
                    end.resets += 1;
                    end.streams.handle_reset(&mut ended);
                    self.on_streams(at, ended);
                }
                _ => {}
            }
        }
    }

    fn on_message(&mut self, at: usize, message: &Message) {
        let (now, mut out) = (self.now, Vec::new());
        let end = &mut self.ends[at];
        if let Kind::Stream { id } = message.kind {
            if end.streams.handle_open(id, &self.config, now) {
                let known = end.readers.insert(id, Reader::default());
                assert!(known.is_none(), "{id:?} was opened twice");
            }
        } else if message.to != LocalId::STREAMS {
            end.small += 1;
        } else if message.from == LocalId::STREAMS {
            let word = Word::from_bytes(&message.payload).unwrap();
            end.streams.handle_word(word, &self.config, now, &mut out);
        } else {
            let (id, len) = (StreamId(message.from.0), message.payload.len());
            if end.streams.handle_piece(id, len, now, &mut out) {
                let reader = end.readers.get_mut(&id).unwrap();
                reader.held.extend(&message.payload);
                assert!(reader.held.len() as u64 <= self.config.window_bytes);
            }
        }
        self.on_streams(at, out);
    }

    fn on_streams(&mut self, at: usize, out: Vec<StreamsOutput>) {
        for output in out {
            match output {
                StreamsOutput::Wrote { id, end } => {
                    if end == WriteEnd::Taken {
                        let len = self.ends[at].writers[&id].len;
                        // A reader's end of an earlier start is gone with its account.
                        let reader = self.ends[1 - at].readers.get(&id);
                        assert!(reader.is_none_or(|reader| reader.read == len));
                    }
                    let writer = self.ends[at].writers.get_mut(&id).unwrap();
                    assert_eq!(writer.end.replace(end), None, "a second end of {id:?}");
                    assert!(!writer.is_aborted, "{id:?} was over for its writer");
                }
                StreamsOutput::Read { id, end } => {
                    let reader = self.ends[at].readers.get_mut(&id).unwrap();
                    if end != ReadEnd::Whole {
                        reader.held.clear();
                    }
                    let before = reader.end.replace(end);
                    assert!(
                        matches!(before, None | Some(ReadEnd::Whole)),
                        "a second end of {id:?} after {before:?}"
                    );
                    assert!(!reader.is_dropped, "{id:?} was over for its reader");
                }
            }
        }
    }
}

impl End {
    fn send(
        &mut self,
        from: LocalId,
        to: LocalId,
        payload: Bytes,
        config: &ChannelConfig,
        now: Time,
    ) -> bool {
        let kind = Kind::Cast;
        let message = Message {
            from,
            to,
            kind,
            payload,
        };
        self.channel.send(message, config, now).is_ok()
    }
}

/// What lies at a place of a stream.
fn byte_at(id: StreamId, offset: u64) -> u8 {
    (id.0.wrapping_mul(31).wrapping_add(offset) % 251) as u8
}
