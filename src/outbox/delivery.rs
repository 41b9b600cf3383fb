//! One try to deliver a batch: read it, find the holder, call it.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::Pid;
use archipelago_router::outbox::{
    Answer, Attempt, Batch, Destination, Found, RecordId, StoreError, StreamId, set_aside,
};
use bytes::Bytes;

use super::blocking;
use super::shared::SharedStore;
use crate::node::Shared;
use crate::{CallError, Group, Sender};

/// A batch that is to go.
pub(super) struct Delivery {
    pub(super) attempt: Attempt,
    pub(super) to: Destination,
    pub(super) stream: StreamId,
    pub(super) seqs: Vec<u64>,
}

/// What came of it.
pub(super) struct Tried {
    pub(super) attempt: Attempt,
    pub(super) to: Destination,
    /// Who was asked.
    pub(super) holder: Option<Pid>,
    /// What it said, if anything.
    pub(super) answer: Option<Answer>,
    /// Records that the store has not, or not whole; those are set aside.
    pub(super) corrupt: Vec<RecordId>,
}

impl Delivery {
    /// Ends within `timeout` and a look-up's time.
    pub(super) async fn run(
        self,
        shared: Arc<Shared>,
        (store, sender): (SharedStore, Sender),
        timeout: Duration,
    ) -> Tried {
        let mut tried = Tried {
            attempt: self.attempt,
            to: self.to.clone(),
            holder: None,
            answer: None,
            corrupt: Vec::new(),
        };
        let (stream, seqs) = (self.stream, self.seqs);
        let read = blocking(&shared, move || read(&store, stream, &seqs)).await;
        let Ok(Ok((records, corrupt))) = read else {
            return tried;
        };
        tried.corrupt = corrupt;
        if records.is_empty() {
            return tried;
        }
        let group = Group::by_id(shared, self.to.group);
        let held = group.lookup(&self.to.name).await.ok().flatten();
        let Some(holder) = held.map(|held| held.pid) else {
            return tried;
        };
        tried.holder = Some(holder);
        let batch = Batch { stream, records };
        match sender.call(holder, batch.encode(), timeout).await {
            Ok(answer) => tried.answer = Answer::decode(&answer).ok(),
            // What was said of the name may not hold any more.
            Err(CallError::NotSent(_) | CallError::NodeDown) => group.forget(&self.to.name).await,
            Err(_) => {}
        }
        tried
    }
}

type Records = Vec<(u64, Bytes)>;

fn read(
    store: &SharedStore,
    stream: StreamId,
    seqs: &[u64],
) -> Result<(Records, Vec<RecordId>), StoreError> {
    store.with(|store| {
        let (mut records, mut corrupt) = (Vec::new(), Vec::new());
        for &seq in seqs {
            let id = RecordId { stream, seq };
            match id.read(store)? {
                Some(Found::Record(record)) => records.push((seq, record.payload)),
                Some(Found::Corrupt(_, entry)) => {
                    store.commit(&set_aside(&entry))?;
                    corrupt.push(id);
                }
                None => corrupt.push(id),
            }
        }
        Ok((records, corrupt))
    })
}
