//! The receiving end: records as they come, each once, and the word that one is done with them.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use archipelago_core::{NodeId, Pid};
use archipelago_router::outbox::{
    Answer, Arrival, Batch, Change, Mark, Marks, RecordId, Store, StoreError, StreamId,
    forget_mark, load_marks, mark, set_aside,
};
use bytes::Bytes;

use super::shared::SharedStore;
use super::{Disk, OutboxError, blocking};
use crate::{Mailbox, Node, Reply};

/// Streams whose marks are kept.
const STREAMS_MAX: usize = 65_536;

/// A mailbox for records of outboxes. Register its pid under the name that they are sent to.
///
/// Records of one stream come in order; each comes again until [`Intake::done`] is told of it, and
/// never after. Where the effect of a record and its [`Mark`] are stored in one transaction
/// ([`Node::intake_with`]), the effect happens exactly once, whatever crashes. With marks in a file
/// of their own ([`Node::intake`]) a crash between the effect and `done` lets it happen twice.
#[derive(Debug)]
pub struct Intake {
    mailbox: Mailbox,
    marks: Marks,
    store: Option<Kept>,
    queue: VecDeque<Taken>,
    /// Per stream the number of the last record of the batch that waits, and how to answer it.
    open: BTreeMap<StreamId, (u64, Reply)>,
    malformed: u64,
}

/// Marks in a store of ours.
struct Kept {
    store: SharedStore,
    /// Marks that rose and are not safe yet.
    unsaved: BTreeMap<StreamId, u64>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("unsaved", &self.unsaved.len())
            .finish_non_exhaustive()
    }
}

/// A record, as its receiver has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// Its stream, and its number there.
    pub id: RecordId,
    /// The node that sent it.
    pub from: NodeId,
    /// What it says.
    pub payload: Bytes,
}

impl Taken {
    /// What to store with the record's effect, in one transaction: give the highest of each stream
    /// to [`Node::intake_with`] after a restart.
    pub const fn mark(&self) -> Mark {
        Mark {
            stream: self.id.stream,
            done: self.id.seq,
        }
    }
}

impl Node {
    /// A new intake that keeps its marks in the file `path`, made if it is not there.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`OutboxError::Store`], [`OutboxError::Node`]. Marks that are corrupt are set aside in the
    /// file; what their streams send again is taken as new.
    pub async fn intake(&self, path: impl AsRef<Path>) -> Result<Intake, OutboxError> {
        let path = path.as_ref().to_owned();
        let (marks, store) = blocking(self.shared(), move || {
            let mut disk = Disk::open(&path)?;
            let (marks, corrupt) = load_marks(&mut disk)?;
            let aside: Vec<_> = corrupt.iter().flat_map(set_aside).collect();
            if !aside.is_empty() {
                disk.commit(&aside)?;
            }
            Ok::<_, StoreError>((marks, disk))
        })
        .await??;
        let mut intake = self.intake_with(marks).await?;
        // Every write of an intake is waited for: with it goes its last hand on the store.
        let (store, _) = SharedStore::new(Box::new(store));
        intake.store = Some(Kept {
            store,
            unsaved: BTreeMap::new(),
        });
        Ok(intake)
    }

    /// A new intake whose marks its caller keeps, beside the effects of the records: it begins
    /// after `marks`, as read from there.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`OutboxError::Node`].
    pub async fn intake_with(
        &self,
        marks: impl IntoIterator<Item = Mark>,
    ) -> Result<Intake, OutboxError> {
        Ok(Intake {
            mailbox: self.mailbox().await?,
            marks: Marks::new(STREAMS_MAX, marks),
            store: None,
            queue: VecDeque::new(),
            open: BTreeMap::new(),
            malformed: 0,
        })
    }
}

impl Intake {
    /// What to register.
    pub const fn pid(&self) -> Pid {
        self.mailbox.pid()
    }

    /// The next record that is new; `None` when the node has stopped. Several may be taken before
    /// the first is done.
    ///
    /// Cancel safe: a record is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Taken> {
        loop {
            if let Some(taken) = self.queue.pop_front() {
                return Some(taken);
            }
            let received = self.mailbox.recv().await?;
            let decoded = Batch::decode(received.payload);
            let (Ok(batch), Some(reply)) = (decoded, received.reply) else {
                // Who asked hears that nobody answers.
                self.malformed += 1;
                continue;
            };
            let stream = batch.stream;
            self.take(received.from.node, batch, reply);
            self.answer(stream).await;
        }
    }

    /// The effect of a record, and of all before it in its stream, is safe: its sender may forget
    /// them, and they do not come again.
    ///
    /// Not cancel safe: dropped before it returns, the mark may be stored; call it again. Until the
    /// disk has ended what it began, the file is not free either.
    ///
    /// # Errors
    /// [`StoreError`]: the mark is not safe and the sender was not told. Call it again, with this
    /// record or a later one of the stream. Never, where the caller keeps the marks.
    pub async fn done(&mut self, taken: &Taken) -> Result<(), StoreError> {
        let risen = self.marks.handle_done(taken.id);
        let stream = taken.id.stream;
        if let Some(kept) = self.store.as_mut() {
            kept.unsaved
                .extend(risen.map(|mark| (mark.stream, mark.done)));
            let forgotten = self.marks.take_forgotten();
            let saved: Vec<_> = kept.unsaved.keys().copied().collect();
            let changes = kept.changes(&forgotten);
            let store = kept.store.clone();
            let shared = self.mailbox.sender().shared().clone();
            blocking(&shared, move || store.with(|s| s.commit(&changes))).await??;
            kept.unsaved.clear();
            for stream in saved {
                self.answer(stream).await;
            }
        }
        self.answer(stream).await;
        Ok(())
    }

    /// Gives back what was taken of a record's stream and is not done: it comes again, after a
    /// pause of its sender.
    ///
    /// Cancel safe.
    pub async fn give_back(&mut self, taken: &Taken) {
        let stream = taken.id.stream;
        self.queue.retain(|waiting| waiting.id.stream != stream);
        self.marks.handle_returned(stream);
        if let Some((_, reply)) = self.open.remove(&stream) {
            let done = self.marks.done(stream);
            // A sender that waits no longer tries again anyway.
            let _ = reply.send(Answer { done }.encode()).await;
        }
    }

    /// Messages that were no records of an outbox; they were dropped.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    fn take(&mut self, from: NodeId, batch: Batch, reply: Reply) {
        let (stream, mut last) = (batch.stream, 0);
        for (seq, payload) in batch.records {
            let id = RecordId { stream, seq };
            last = seq;
            if self.marks.handle_record(id) == Arrival::Fresh {
                self.queue.push_back(Taken { id, from, payload });
            }
        }
        // An earlier batch of the stream was given up by its sender.
        self.open.insert(stream, (last, reply));
    }

    /// Answers the batch of a stream, if all of it is done, and safely.
    async fn answer(&mut self, stream: StreamId) {
        let done = self.marks.done(stream);
        let is_safe = self
            .store
            .as_ref()
            .is_none_or(|kept| !kept.unsaved.contains_key(&stream));
        let is_done = self
            .open
            .get(&stream)
            .is_some_and(|(last, _)| *last <= done);
        if !is_safe || !is_done {
            return;
        }
        if let Some((_, reply)) = self.open.remove(&stream) {
            // A sender that waits no longer sends again, and is answered then.
            let _ = reply.send(Answer { done }.encode()).await;
        }
    }
}

impl Kept {
    fn changes(&self, forgotten: &[StreamId]) -> Vec<Change> {
        let forgotten = forgotten.iter().map(|&stream| forget_mark(stream));
        let unsaved = self.unsaved.iter();
        let saved = unsaved.map(|(&stream, &done)| mark(Mark { stream, done }));
        forgotten.chain(saved).collect()
    }
}
