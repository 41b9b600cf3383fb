//! What a receiver has seen: per stream the number up to which it is done.
//!
//! A record is new if its number is above the mark. Between being handed to the application and
//! being done it is neither: sent again meanwhile, it is not handed out twice. Marks outlive the
//! process in a store of the receiver's, best in the one that holds its effects: then both change
//! in one transaction.
//!
//! Cost: some 100 bytes per stream, O(log s) per record.

use std::collections::BTreeMap;

use super::{RecordId, StreamId};

/// The number up to which a receiver is done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which stream.
    pub stream: StreamId,
    /// The last number.
    pub done: u64,
}

/// What a record is to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen yet: it is handed to the application.
    Fresh,
    /// The application has it and is not done.
    Handed,
    /// Done before.
    Done,
}

/// The marks of one receiver.
#[derive(Debug)]
pub struct Marks {
    streams: BTreeMap<StreamId, Progress>,
    /// Streams by when they were used last.
    order: BTreeMap<u64, StreamId>,
    streams_max: usize,
    uses: u64,
    forgotten: Vec<StreamId>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    done: u64,
    /// At least `done`; what lies between the two is with the application.
    handed: u64,
    /// Its place in the order of uses; the lowest is forgotten first.
    used: u64,
}

impl Marks {
    /// With the marks of an earlier run; of several for one stream the highest counts.
    ///
    /// At `streams_max` streams (1 at least) the one unused for longest is forgotten: what its
    /// sender still sends again would then be taken as new.
    pub fn new(streams_max: usize, known: impl IntoIterator<Item = Mark>) -> Self {
        let mut marks = Self {
            streams: BTreeMap::new(),
            order: BTreeMap::new(),
            streams_max: streams_max.max(1),
            uses: 0,
            forgotten: Vec::new(),
        };
        for Mark { stream, done } in known {
            let progress = marks.progress(stream);
            progress.done = progress.done.max(done);
            progress.handed = progress.done;
        }
        marks
    }

    /// A record came; if it is fresh, it counts as handed to the application from now on.
    pub fn handle_record(&mut self, id: RecordId) -> Arrival {
        let progress = self.progress(id.stream);
        if id.seq <= progress.done {
            Arrival::Done
        } else if id.seq <= progress.handed {
            Arrival::Handed
        } else {
            progress.handed = id.seq;
            Arrival::Fresh
        }
    }

    /// The application is done with a record, and with all before it in its stream. The mark that
    /// says so, if it rose.
    pub fn handle_done(&mut self, id: RecordId) -> Option<Mark> {
        let progress = self.progress(id.stream);
        let is_news = id.seq > progress.done;
        progress.done = progress.done.max(id.seq);
        progress.handed = progress.handed.max(progress.done);
        is_news.then_some(Mark {
            stream: id.stream,
            done: id.seq,
        })
    }

    /// The application gave back all that it has of a stream: it is new when it comes again.
    pub fn handle_returned(&mut self, stream: StreamId) {
        let progress = self.progress(stream);
        progress.handed = progress.done;
    }

    /// The number up to which all is done.
    pub fn done(&self, stream: StreamId) -> u64 {
        self.streams.get(&stream).map_or(0, |one| one.done)
    }

    /// Streams that are remembered.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Streams that were forgotten for want of room since this was asked last: their marks may go
    /// from the store.
    pub fn take_forgotten(&mut self) -> Vec<StreamId> {
        std::mem::take(&mut self.forgotten)
    }

    fn progress(&mut self, stream: StreamId) -> &mut Progress {
        let is_full = self.streams.len() >= self.streams_max;
        if is_full
            && !self.streams.contains_key(&stream)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.streams.remove(&oldest);
            self.forgotten.push(oldest);
        }
        self.uses += 1;
        let progress = self.streams.entry(stream).or_insert(Progress {
            done: 0,
            handed: 0,
            used: self.uses,
        });
        self.order.remove(&progress.used);
        progress.used = self.uses;
        self.order.insert(self.uses, stream);
        progress
    }
}
