//! The sending half: what is taken, in what order it goes, when it goes again, what is too old.
//!
//! Its driver keeps what was accepted and then says so ([`Outbox::handle_stored`]), sends what
//! [`Output::Deliver`] names to whoever holds the name, and reports what came of it. Each input
//! looks at every stream once, O(s): some microseconds at the default limit.

use std::collections::BTreeMap;

use archipelago_core::{Rng, Time};

use super::stream::{Entry, Flight, Stream};
use super::{Answer, Destination, Loaded, OutboxConfig, RecordId, StreamId, WhenFull};

/// One try to deliver a batch; no two of a running outbox are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u64);

/// What an outbox wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Read these records and send them, in this order, to whoever holds the name; then report by
    /// [`Outbox::handle_answer`] or [`Outbox::handle_failure`].
    Deliver {
        /// Which try.
        attempt: Attempt,
        /// To whom.
        to: Destination,
        /// Of which stream.
        stream: StreamId,
        /// Numbers, rising; at least one.
        seqs: Vec<u64>,
    },
    /// Forget this record in the store; there is no hurry, and it may be forgotten twice.
    Forget(RecordId),
    /// Forget the head of this name's stream in the store, before anything that is accepted later
    /// is stored.
    ForgetHead(Destination),
}

/// A record has its place, once it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its stream and number.
    pub id: RecordId,
    /// The number after it, to be kept in the stream's head together with the record.
    pub next: u64,
}

/// A record was not taken; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The outbox is full.
    #[error("the outbox is full, with {records} records of {bytes} bytes: try again later")]
    Full {
        /// Records in it.
        records: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// The record is longer than one may be.
    #[error("a record of {bytes} bytes, where {bytes_max} are allowed")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// As many streams as may be have records waiting.
    #[error("{streams} streams have records waiting: send to fewer names, or raise the limit")]
    TooManyStreams {
        /// Streams with records.
        streams: usize,
    },
    /// A name of this many bytes can be nobody's.
    #[error("a name of {bytes} bytes: 1 to 255 are allowed")]
    Name {
        /// Its length in bytes.
        bytes: usize,
    },
}

/// What an outbox counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxCounters {
    /// Records accepted and stored.
    pub stored: u64,
    /// Records that a receiver is done with.
    pub delivered: u64,
    /// Records sent once more.
    pub repeated: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Records refused.
    pub refused: u64,
    /// Records dropped to make room ([`WhenFull::DropOldest`]), acknowledged as they were.
    pub dropped: u64,
    /// Records that grew too old, acknowledged as they were.
    pub expired: u64,
    /// Records that the store lost or returned with a wrong checksum.
    pub corrupt: u64,
    /// Records that the store did not take; their senders were told.
    pub not_stored: u64,
}

/// The sending half of an outbox.
#[derive(Debug)]
pub struct Outbox {
    config: OutboxConfig,
    streams: BTreeMap<StreamId, Stream>,
    /// The stream that takes what is sent to a name. Others to it only run dry: they come from a
    /// store whose last changes are lost.
    open: BTreeMap<Destination, StreamId>,
    flights: BTreeMap<Attempt, StreamId>,
    attempts: u64,
    bytes: u64,
    records: usize,
    counters: OutboxCounters,
}

impl Outbox {
    /// An outbox with what an earlier run left. Records that were corrupt are counted; the driver
    /// sets them aside.
    pub fn new(config: OutboxConfig, loaded: &Loaded) -> Self {
        let mut outbox = Self {
            config,
            streams: BTreeMap::new(),
            open: BTreeMap::new(),
            flights: BTreeMap::new(),
            attempts: 0,
            bytes: 0,
            records: 0,
            counters: OutboxCounters::default(),
        };
        for (to, id, next) in &loaded.heads {
            outbox.restore_stream(*id, to, *next);
        }
        for &(id, ref to, at, bytes) in &loaded.records {
            outbox.restore(id, to, at, bytes);
        }
        for id in loaded.corrupt.iter().filter_map(|(id, _)| *id) {
            outbox.counters.corrupt += 1;
            if let Some(stream) = outbox.streams.get_mut(&id.stream) {
                stream.next = stream.next.max(id.seq.saturating_add(1));
            }
        }
        outbox
    }

    /// The time at which the outbox goes on: that of its newest record. Times that it is given
    /// begin here, so that ages go on over a restart whatever clocks say.
    pub fn start(loaded: &Loaded) -> Time {
        let times = loaded.records.iter().map(|&(_, _, at, _)| at);
        times.max().unwrap_or(Time::START)
    }

    /// Takes a record of `bytes` bytes, or says why not. The driver stores it, with the stream's
    /// head, and forgets what [`Output::Forget`] names in the same batch.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed but a counter.
    pub fn handle_send(
        &mut self,
        to: &Destination,
        bytes: usize,
        now: Time,
        rng: &mut Rng,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refused> {
        let checked = self.check(to, bytes);
        let checked = checked.and_then(|()| self.make_room(bytes, out));
        let stream = checked.and_then(|()| self.open_stream(to, (now, rng), out));
        let stream = stream.inspect_err(|_| self.counters.refused += 1)?;
        let queue = self.streams.get_mut(&stream);
        let queue = queue.expect("every open stream has its queue");
        let seq = queue.next;
        queue.next = seq.saturating_add(1);
        queue.used_at = now;
        queue.entries.push_back(Entry {
            seq,
            bytes,
            at: now,
            is_stored: false,
        });
        self.records += 1;
        self.bytes += bytes as u64;
        Ok(Accepted {
            id: RecordId { stream, seq },
            next: seq.saturating_add(1),
        })
    }

    /// The store has a record safely.
    pub fn handle_stored(&mut self, id: RecordId, now: Time, out: &mut Vec<Output>) {
        if let Some(entry) = self.entry_mut(id) {
            entry.is_stored = true;
            self.counters.stored += 1;
        }
        self.pump(now, out);
    }

    /// The store did not take a record. Its number is used up: it may be on the disk all the same,
    /// and is forgotten there as soon as that can be done.
    pub fn handle_not_stored(&mut self, id: RecordId, now: Time, out: &mut Vec<Output>) {
        self.counters.not_stored += 1;
        self.remove(id, out);
        self.pump(now, out);
    }

    /// The store does not have a record that was to be sent, or has it with a wrong checksum. The
    /// rest of its batch may go without it.
    pub fn handle_corrupt(&mut self, id: RecordId) {
        let mut unused = Vec::new();
        if self.remove(id, &mut unused) {
            self.counters.corrupt += 1;
        }
    }

    /// A receiver answered a try. An answer to an earlier one changes nothing.
    pub fn handle_answer(
        &mut self,
        attempt: Attempt,
        answer: Answer,
        (now, rng): (Time, &mut Rng),
        out: &mut Vec<Output>,
    ) {
        let Some(id) = self.flights.remove(&attempt) else {
            return;
        };
        let delivered = self.settle(id, answer.done, out);
        match self.streams.get_mut(&id) {
            Some(stream) if delivered > 0 => stream.go_on(now),
            _ => self.fail(id, now, rng),
        }
        self.pump(now, out);
    }

    /// A try came to nothing: nobody holds the name, or it did not answer.
    pub fn handle_failure(
        &mut self,
        attempt: Attempt,
        (now, rng): (Time, &mut Rng),
        out: &mut Vec<Output>,
    ) {
        if let Some(id) = self.flights.remove(&attempt) {
            self.fail(id, now, rng);
        }
        self.pump(now, out);
    }

    /// Somebody holds a name, as far as is known: its stream pauses no longer.
    pub fn handle_holder(&mut self, to: &Destination, now: Time, out: &mut Vec<Output>) {
        let stream = self.open.get(to).copied();
        if let Some(stream) = stream.and_then(|id| self.streams.get_mut(&id)) {
            stream.hurry(now);
        }
        self.pump(now, out);
    }

    /// Goes on with what is due; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, now: Time, rng: &mut Rng, out: &mut Vec<Output>) {
        self.expire(now, out);
        let streams = self.streams.values();
        let late: Vec<_> = streams.filter_map(|one| overdue(one, now)).collect();
        for (attempt, id) in late {
            self.flights.remove(&attempt);
            self.fail(id, now, rng);
        }
        self.pump(now, out);
    }

    /// When to call [`Outbox::handle_timeout`], and why; unchanged until the next input.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let can_fly = self.flights.len() < self.config.flights_max;
        let streams = self.streams.values();
        streams.filter_map(|one| self.deadline(one, can_fly)).min()
    }

    /// Records that wait or are out, and their bytes of payload.
    pub const fn len(&self) -> (usize, u64) {
        (self.records, self.bytes)
    }

    /// Whether no record waits.
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// What was counted.
    pub const fn counters(&self) -> &OutboxCounters {
        &self.counters
    }

    /// Names with records waiting.
    pub fn waiting(&self) -> impl Iterator<Item = &Destination> {
        let streams = self.streams.values();
        let waiting = streams.filter(|stream| !stream.entries.is_empty());
        waiting.map(|stream| &stream.to)
    }

    fn check(&self, to: &Destination, bytes: usize) -> Result<(), Refused> {
        let bytes_max = self.config.record_bytes_max;
        if bytes > bytes_max || bytes as u64 > self.config.bytes_max {
            return Err(Refused::TooLong { bytes, bytes_max });
        }
        let bytes = to.name.len();
        if !(1..=255).contains(&bytes) {
            return Err(Refused::Name { bytes });
        }
        Ok(())
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.records >= self.config.records_max
            || self.bytes.saturating_add(bytes as u64) > self.config.bytes_max
    }

    fn make_room(&mut self, bytes: usize, out: &mut Vec<Output>) -> Result<(), Refused> {
        while self.is_full(bytes) {
            let oldest = match self.config.when_full {
                WhenFull::Refuse => None,
                WhenFull::DropOldest => self.oldest(),
            };
            let Some(oldest) = oldest else {
                return Err(Refused::Full {
                    records: self.records,
                    bytes: self.bytes,
                });
            };
            self.remove(oldest, out);
            self.counters.dropped += 1;
        }
        Ok(())
    }

    /// The oldest record that is stored.
    fn oldest(&self) -> Option<RecordId> {
        let streams = self.streams.values();
        let first = streams.filter_map(|stream| {
            let first = stream.entries.front().filter(|first| first.is_stored)?;
            let (stream, seq) = (stream.id, first.seq);
            Some((first.at, RecordId { stream, seq }))
        });
        first.min().map(|(_, id)| id)
    }

    fn open_stream(
        &mut self,
        to: &Destination,
        (now, rng): (Time, &mut Rng),
        out: &mut Vec<Output>,
    ) -> Result<StreamId, Refused> {
        if let Some(&open) = self.open.get(to) {
            return Ok(open);
        }
        if self.streams.len() >= self.config.streams_max {
            self.close_idle(out)?;
        }
        let id = StreamId::random(rng);
        self.open.insert(to.clone(), id);
        let stream = Stream::new(id, to.clone(), now);
        self.streams.insert(id, stream);
        Ok(id)
    }

    /// Closes the empty stream that was used least lately.
    fn close_idle(&mut self, out: &mut Vec<Output>) -> Result<(), Refused> {
        let streams = self.streams.values();
        let idle = streams.filter(|stream| stream.entries.is_empty());
        let idle = idle.min_by_key(|stream| stream.used_at).map(|idle| idle.id);
        let closed = idle.and_then(|id| self.streams.remove(&id));
        let Some(closed) = closed else {
            let streams = self.streams.len();
            return Err(Refused::TooManyStreams { streams });
        };
        if self.open.get(&closed.to) == Some(&closed.id) {
            self.open.remove(&closed.to);
            out.push(Output::ForgetHead(closed.to));
        }
        Ok(())
    }

    /// A stream that an earlier run left; the first of a name takes what is sent to it.
    fn restore_stream(&mut self, id: StreamId, to: &Destination, next: u64) {
        self.open.entry(to.clone()).or_insert(id);
        let new = || Stream::new(id, to.clone(), Time::START);
        let stream = self.streams.entry(id).or_insert_with(new);
        stream.next = stream.next.max(next);
    }

    fn restore(&mut self, id: RecordId, to: &Destination, at: Time, bytes: usize) {
        self.restore_stream(id.stream, to, id.seq.saturating_add(1));
        if let Some(stream) = self.streams.get_mut(&id.stream) {
            stream.entries.push_back(Entry {
                seq: id.seq,
                bytes,
                at,
                is_stored: true,
            });
            self.records += 1;
            self.bytes += bytes as u64;
        }
    }

    fn entry_mut(&mut self, id: RecordId) -> Option<&mut Entry> {
        let stream = self.streams.get_mut(&id.stream)?;
        let at = stream.position(id.seq)?;
        stream.entries.get_mut(at)
    }

    /// Forgets what of a batch that was out its receiver is done with; how many records.
    fn settle(&mut self, id: StreamId, done: u64, out: &mut Vec<Output>) -> u64 {
        let Some(stream) = self.streams.get(&id) else {
            return 0;
        };
        // Nobody is done with what was not sent, whatever it says.
        let last = stream.flight.map_or(0, |flight| flight.last).min(done);
        let entries = stream.entries.iter();
        let settled: Vec<_> = entries
            .map(|one| one.seq)
            .take_while(|&seq| seq <= last)
            .collect();
        for &seq in &settled {
            self.remove(RecordId { stream: id, seq }, out);
        }
        self.counters.delivered += settled.len() as u64;
        settled.len() as u64
    }

    fn remove(&mut self, id: RecordId, out: &mut Vec<Output>) -> bool {
        let removed = self.streams.get_mut(&id.stream).and_then(|stream| {
            let at = stream.position(id.seq)?;
            stream.entries.remove(at)
        });
        if let Some(entry) = removed {
            self.records -= 1;
            self.bytes -= entry.bytes as u64;
            out.push(Output::Forget(id));
        }
        removed.is_some()
    }

    fn fail(&mut self, id: StreamId, now: Time, rng: &mut Rng) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.pause(&self.config, now, rng);
            self.counters.failures += 1;
        }
    }

    fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(oldest) = self.oldest() {
            let at = self.entry_mut(oldest).map_or(Time::NEVER, |entry| entry.at);
            if at.after(self.config.age_max) > now {
                break;
            }
            self.remove(oldest, out);
            self.counters.expired += 1;
        }
    }

    /// Sends what may go, those that are due for longest first.
    fn pump(&mut self, now: Time, out: &mut Vec<Output>) {
        while self.flights.len() < self.config.flights_max {
            let streams = self.streams.values();
            let due = streams.filter_map(|stream| Some((stream.due()?, stream.id)));
            let Some((_, id)) = due.filter(|(at, _)| *at <= now).min() else {
                return;
            };
            self.launch(id, now, out);
        }
    }

    fn launch(&mut self, id: StreamId, now: Time, out: &mut Vec<Output>) {
        let attempt = Attempt(self.attempts);
        self.attempts += 1;
        self.flights.insert(attempt, id);
        let stream = self.streams.get_mut(&id);
        let stream = stream.expect("only a stream that is there is due");
        let (seqs, repeated) = stream.batch(&self.config);
        self.counters.repeated += repeated;
        stream.flight = Some(Flight {
            attempt,
            last: seqs.last().copied().unwrap_or(0),
            deadline: now.after(self.config.answer_timeout),
        });
        out.push(Output::Deliver {
            attempt,
            to: stream.to.clone(),
            stream: id,
            seqs,
        });
    }

    fn deadline(&self, stream: &Stream, can_fly: bool) -> Option<(Time, &'static str)> {
        let first = stream.entries.front().filter(|first| first.is_stored);
        let age = first.map(|first| (first.at.after(self.config.age_max), "an old record"));
        let flight = stream.flight.map(|flight| (flight.deadline, "an answer"));
        let due = stream.due().filter(|_| can_fly).map(|at| (at, "a stream"));
        [age, flight, due].into_iter().flatten().min()
    }
}

fn overdue(stream: &Stream, now: Time) -> Option<(Attempt, StreamId)> {
    let flight = stream.flight.filter(|flight| flight.deadline <= now)?;
    Some((flight.attempt, stream.id))
}
