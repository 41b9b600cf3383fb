//! Streams of bytes between two nodes, beyond what a message may hold: credit, limits, ends, idle
//! times.
//!
//! [`Streams`] is the machine for all streams with one peer, both ways. It holds no bytes: it says
//! which stream may send how many, and how each one ends; its driver moves them. Everything rides
//! in the pair channel, whose order, resumption and epochs hold whatever the path:
//!
//! ```text
//!  writer                                                                 reader
//!    │ Kind::Stream{id} from pid to pid: in the order of their messages      │
//!    │────────────────────────────────────────────────────────────────────▶ │ Grant, or Stop
//!    │ pieces from id to LocalId::STREAMS, a flow each: fair to all others   │
//!    │────────────────────────────────────────────────────────────────────▶ │ Grant as they are read
//!    │ words between the two LocalId::STREAMS: Finish or Abort               │
//!    │────────────────────────────────────────────────────────────────────▶ │ Taken or Stop
//! ```
//!
//! *Memory*: a reader's end holds at most a window of each stream. A writer's end sends only what
//! was granted, and is asked only for what the channel has room for: the rest stays with the
//! writer. A reader that stands still holds its own stream and nothing else.
//!
//! *Ends*: a stream is finished when the reader has read as many bytes as the writer says it had,
//! and only then does the writer hear so. Anything else is said with its reason: aborted or
//! stopped by either side, idle for too long, lost with the channel's epoch, refused beyond the
//! limit. Each end hears of exactly one.
//!
//! It never looks into a byte, and never waits for a reader. Cost: O(streams) for a piece's turn,
//! O(log streams) for all else; streams are few.

mod config;
mod inbound;
mod outbound;
mod word;

pub use config::StreamsConfig;
pub use word::{Abort, Stop, Word, WordError};

use std::collections::{BTreeMap, VecDeque};

use crate::Time;
use crate::channel::StreamId;
use inbound::Inbound;
use outbound::{Finish, Outbound};

/// Words that wait for the channel at most; more are dropped, and the streams they are of end by
/// their idle time.
const WORDS_MAX: usize = 1_024;

/// How a stream ended for its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteEnd {
    /// The reader has read all of it.
    Taken,
    /// The reader's end takes no more.
    Stopped(Stop),
    /// Nothing moved for too long.
    Idle,
    /// What was under way between the nodes is lost.
    Lost,
}

/// How a stream ended for its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// All of it came. It stays until it is read.
    Whole,
    /// The writer's end sends no more, and it is not whole.
    Aborted(Abort),
    /// Nothing moved for too long.
    Idle,
    /// What was under way between the nodes is lost.
    Lost,
    /// More came than was granted or announced.
    Broken,
}

/// What the machine tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamsOutput {
    /// A stream to the peer is over.
    Wrote {
        /// Which.
        id: StreamId,
        /// How it ended.
        end: WriteEnd,
    },
    /// A stream from the peer is over, or whole.
    Read {
        /// Which.
        id: StreamId,
        /// How it ended.
        end: ReadEnd,
    },
}

/// All streams with one peer; see the module.
///
/// Inputs are `handle_*`. After each ask [`Streams::poll_word`] and [`Streams::poll_piece`] for
/// what is to be given to the channel, and [`Streams::poll_timeout`] for when to call
/// [`Streams::handle_timeout`]. A driver that can box it needs it only while it is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    outbound: BTreeMap<StreamId, Outbound>,
    inbound: BTreeMap<StreamId, Inbound>,
    words: VecDeque<Word>,
    /// The stream that sent last.
    turn: StreamId,
}

impl Streams {
    /// The channel accepted the message that opens a stream to the peer; `false` beyond the limit,
    /// or if there is one of that number: then nothing is known of it here.
    pub fn handle_opened(&mut self, id: StreamId, config: &StreamsConfig, now: Time) -> bool {
        let has_room = self.outbound.len() < config.len_max && !self.outbound.contains_key(&id);
        if has_room {
            self.outbound.insert(id, Outbound::new(now));
        }
        has_room
    }

    /// The writer has given so many bytes from the stream's beginning on.
    pub fn handle_written(&mut self, id: StreamId, total: u64, now: Time) {
        if let Some(stream) = self.outbound.get_mut(&id)
            && total > stream.written
            && stream.finish == Finish::No
        {
            stream.written = total;
            stream.moved_at = now;
        }
    }

    /// The writer gives no more: what it has given is the whole stream.
    pub fn handle_finished(&mut self, id: StreamId, now: Time) {
        if let Some(stream) = self.outbound.get_mut(&id)
            && stream.finish == Finish::No
        {
            stream.finish = Finish::Written;
            stream.moved_at = now;
            self.say_finish(id);
        }
    }

    /// The writer gives up; it is told nothing more.
    pub fn handle_aborted(&mut self, id: StreamId, why: Abort) {
        let Some(stream) = self.outbound.get_mut(&id) else {
            return;
        };
        if stream.is_taken() {
            self.outbound.remove(&id);
            self.say(Word::Abort { id, why });
        } else {
            stream.aborted = Some(why);
        }
    }

    /// Which stream sends next, and how many bytes at most: they go to the channel as a message
    /// from `LocalId(id)` to [`LocalId::STREAMS`](crate::LocalId::STREAMS). O(streams).
    pub fn poll_piece(&self, config: &StreamsConfig) -> Option<(StreamId, usize)> {
        let later = self
            .outbound
            .range(self.turn..)
            .skip_while(|(id, _)| **id == self.turn);
        let all = later.chain(self.outbound.range(..=self.turn));
        let mut ready = all.filter(|(_, stream)| stream.sendable() > 0);
        ready.next().map(|(&id, stream)| {
            let len = usize::try_from(stream.sendable()).unwrap_or(usize::MAX);
            (id, len.min(config.piece_bytes_max.max(1)))
        })
    }

    /// The channel accepted a piece of so many bytes, at most what was polled.
    pub fn handle_sent(&mut self, id: StreamId, len: usize, now: Time) {
        self.turn = id;
        if let Some(stream) = self.outbound.get_mut(&id) {
            stream.sent = stream.sent.saturating_add(to_u64(len));
            stream.moved_at = now;
            self.say_finish(id);
        }
    }

    /// The peer opens a stream; `false` if it is refused, of which it is told.
    pub fn handle_open(&mut self, id: StreamId, config: &StreamsConfig, now: Time) -> bool {
        let why = if self.inbound.contains_key(&id) {
            Stop::Broken
        } else if self.inbound.len() >= config.inbound_len_max() {
            Stop::TooMany
        } else {
            let stream = Inbound::new(config, now);
            let upto = stream.granted;
            self.inbound.insert(id, stream);
            self.say(Word::Grant { id, upto });
            return true;
        };
        self.say(Word::Stop { id, why });
        false
    }

    /// A piece of so many bytes came; whether its bytes are to be kept for the reader.
    pub fn handle_piece(
        &mut self,
        id: StreamId,
        len: usize,
        now: Time,
        out: &mut Vec<StreamsOutput>,
    ) -> bool {
        let Some(stream) = self.inbound.get_mut(&id) else {
            // Of a stream that is over here pieces may be under way still; of one that was given up
            // with its peer out of reach, that peer has not heard.
            let why = Stop::Lost;
            self.say(Word::Stop { id, why });
            return false;
        };
        stream.moved_at = now;
        let taken = stream.receive(to_u64(len));
        let is_whole = stream.is_whole();
        if taken.is_err() {
            self.on_broken(id, out);
        } else if is_whole && len > 0 {
            let end = ReadEnd::Whole;
            out.push(StreamsOutput::Read { id, end });
        }
        taken.is_ok()
    }

    /// The reader has read so many bytes from the stream's beginning on.
    pub fn handle_read(&mut self, id: StreamId, total: u64, config: &StreamsConfig, now: Time) {
        let Some(stream) = self.inbound.get_mut(&id) else {
            return;
        };
        if total > stream.read {
            stream.read = total.min(stream.received);
            stream.moved_at = now;
        }
        self.on_progress(id, config, now);
    }

    /// The reader takes no more; it is told nothing more.
    pub fn handle_stopped(&mut self, id: StreamId, why: Stop) {
        if self.inbound.remove(&id).is_some() {
            self.say(Word::Stop { id, why });
        }
    }

    /// A word of the peer.
    pub fn handle_word(
        &mut self,
        word: Word,
        config: &StreamsConfig,
        now: Time,
        out: &mut Vec<StreamsOutput>,
    ) {
        match word {
            Word::Grant { id, upto } => self.on_grant(id, upto, now),
            Word::Taken { id } => self.on_taken(id, out),
            Word::Stop { id, why } => {
                let stream = self.outbound.remove(&id);
                if stream.is_some_and(|stream| stream.aborted.is_none()) {
                    let end = WriteEnd::Stopped(why);
                    out.push(StreamsOutput::Wrote { id, end });
                }
            }
            Word::Finish { id, len } => self.on_finish(id, len, config, now, out),
            Word::Abort { id, why } => {
                if self.inbound.remove(&id).is_some() {
                    let end = ReadEnd::Aborted(why);
                    out.push(StreamsOutput::Read { id, end });
                }
            }
        }
    }

    /// The channel lost what was under way, in one direction or the other: all streams are over,
    /// and the peer is told.
    pub fn handle_reset(&mut self, out: &mut Vec<StreamsOutput>) {
        self.words.clear();
        let mut words = Vec::new();
        for (&id, stream) in &self.outbound {
            let why = stream.aborted.clone().unwrap_or(Abort::Lost);
            words.push(Word::Abort { id, why });
        }
        let why = Stop::Lost;
        words.extend(self.inbound.keys().map(|&id| Word::Stop { id, why }));
        self.handle_unreachable(out);
        words.into_iter().for_each(|word| self.say(word));
    }

    /// The peer cannot be reached: all streams are over, and nobody can be told.
    pub fn handle_unreachable(&mut self, out: &mut Vec<StreamsOutput>) {
        self.words.clear();
        for (id, stream) in std::mem::take(&mut self.outbound) {
            if stream.aborted.is_none() {
                let end = WriteEnd::Lost;
                out.push(StreamsOutput::Wrote { id, end });
            }
        }
        for (id, stream) in std::mem::take(&mut self.inbound) {
            if !stream.is_whole() {
                let end = ReadEnd::Lost;
                out.push(StreamsOutput::Read { id, end });
            }
        }
    }

    /// Idle times that are over, and what is to be told by now.
    pub fn handle_timeout(
        &mut self,
        config: &StreamsConfig,
        now: Time,
        out: &mut Vec<StreamsOutput>,
    ) {
        let is_idle = |moved_at: Time| moved_at.after(config.idle_max) <= now;
        let idle = self
            .outbound
            .iter()
            .filter(|(_, one)| is_idle(one.moved_at));
        for id in idle.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.on_idle_writer(id, out);
        }
        let idle = self.inbound.iter().filter(|(_, one)| is_idle(one.moved_at));
        for id in idle.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.inbound.remove(&id);
            let (why, end) = (Stop::Idle, ReadEnd::Idle);
            self.say(Word::Stop { id, why });
            out.push(StreamsOutput::Read { id, end });
        }
        for id in self.inbound.keys().copied().collect::<Vec<_>>() {
            self.on_progress(id, config, now);
        }
    }

    /// When to call [`Streams::handle_timeout`], and why; never late. O(streams).
    pub fn poll_timeout(&self, config: &StreamsConfig) -> Option<(Time, &'static str)> {
        let idle = |moved_at: Time| (moved_at.after(config.idle_max), "idle stream");
        let outbound = self.outbound.values().map(|one| idle(one.moved_at));
        let inbound = self.inbound.values().map(|one| idle(one.moved_at));
        let grants = self.inbound.values().filter_map(|one| one.grant_at(config));
        let grants = grants.map(|at| (at, "what a reader took"));
        outbound.chain(inbound).chain(grants).min()
    }

    /// What is to be said to the peer next.
    pub fn poll_word(&self) -> Option<&Word> {
        self.words.front()
    }

    /// The channel accepted the word that was polled.
    pub fn handle_word_sent(&mut self) {
        self.words.pop_front();
    }

    /// Whether there is no stream, and nothing to be said of one.
    pub fn is_empty(&self) -> bool {
        self.outbound.is_empty() && self.inbound.is_empty() && self.words.is_empty()
    }

    /// Streams to the peer, and from it.
    pub fn len(&self) -> (usize, usize) {
        (self.outbound.len(), self.inbound.len())
    }

    /// Whether a stream from the peer is not over.
    pub fn is_reading(&self, id: StreamId) -> bool {
        self.inbound.contains_key(&id)
    }

    /// Bytes that came and were not read, of all streams.
    pub fn unread_bytes(&self) -> u64 {
        let unread = self.inbound.values().map(|one| one.received - one.read);
        unread.fold(0, u64::saturating_add)
    }

    fn on_grant(&mut self, id: StreamId, upto: u64, now: Time) {
        let Some(stream) = self.outbound.get_mut(&id) else {
            // It was given up before the peer heard of it.
            let why = Abort::Dropped;
            return self.say(Word::Abort { id, why });
        };
        stream.granted = stream.granted.max(upto);
        stream.moved_at = now;
        if let Some(why) = stream.aborted.take() {
            self.outbound.remove(&id);
            return self.say(Word::Abort { id, why });
        }
        self.say_finish(id);
    }

    fn on_taken(&mut self, id: StreamId, out: &mut Vec<StreamsOutput>) {
        let Some(stream) = self.outbound.remove(&id) else {
            return;
        };
        let end = if stream.finish == Finish::Said {
            WriteEnd::Taken
        } else {
            WriteEnd::Stopped(Stop::Broken)
        };
        if stream.aborted.is_none() {
            out.push(StreamsOutput::Wrote { id, end });
        }
    }

    fn on_finish(
        &mut self,
        id: StreamId,
        len: u64,
        config: &StreamsConfig,
        now: Time,
        out: &mut Vec<StreamsOutput>,
    ) {
        let Some(stream) = self.inbound.get_mut(&id) else {
            return;
        };
        stream.moved_at = now;
        if stream.end_at(len).is_err() {
            return self.on_broken(id, out);
        }
        if stream.is_whole() {
            let end = ReadEnd::Whole;
            out.push(StreamsOutput::Read { id, end });
        }
        self.on_progress(id, config, now);
    }

    /// Says what a reader took: all, or more than was told.
    fn on_progress(&mut self, id: StreamId, config: &StreamsConfig, now: Time) {
        let Some(stream) = self.inbound.get_mut(&id) else {
            return;
        };
        if stream.is_read() {
            self.inbound.remove(&id);
            self.say(Word::Taken { id });
        } else if let Some(upto) = stream.take_grant(config, now) {
            self.say(Word::Grant { id, upto });
        }
    }

    fn on_broken(&mut self, id: StreamId, out: &mut Vec<StreamsOutput>) {
        self.inbound.remove(&id);
        let why = Stop::Broken;
        self.say(Word::Stop { id, why });
        let end = ReadEnd::Broken;
        out.push(StreamsOutput::Read { id, end });
    }

    fn on_idle_writer(&mut self, id: StreamId, out: &mut Vec<StreamsOutput>) {
        let Some(stream) = self.outbound.remove(&id) else {
            return;
        };
        if stream.aborted.is_none() {
            let end = WriteEnd::Idle;
            out.push(StreamsOutput::Wrote { id, end });
        }
        if stream.is_taken() {
            let why = Abort::Idle;
            self.say(Word::Abort { id, why });
        }
    }

    fn say_finish(&mut self, id: StreamId) {
        let stream = self.outbound.get_mut(&id);
        if let Some(stream) = stream.filter(|stream| stream.aborted.is_none())
            && stream.take_finish()
        {
            let len = stream.written;
            self.say(Word::Finish { id, len });
        }
    }

    fn say(&mut self, word: Word) {
        if let Some(known) = self.words.iter_mut().find(|known| word.replaces(known)) {
            *known = word;
        } else if self.words.len() < WORDS_MAX {
            self.words.push_back(word);
        }
    }
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
