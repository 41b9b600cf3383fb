//! Asks other nodes' desks.

use std::time::Duration;

use archipelago_core::wire::Value;
use archipelago_core::{LocalId, NodeId, Pid};
use bytes::Bytes;
use serde::Serialize;

use super::StartWorkerError;
use super::wire::{self, Answer, Ask, Order};
use crate::{CallError, Deadline, Group, SendError, Sender};

/// A node that is asked, as a member of a group.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) group: Group,
    pub(super) from: Sender,
}

impl Remote {
    /// The desk of the start of `node` that the group knows.
    fn desk(&self, node: NodeId) -> Option<Pid> {
        let boots = self.group.shared.replica.boots(self.group.present())?;
        let boot = boots.get(&node).copied()?;
        let home = Some(self.group.present());
        Some(Pid {
            boot,
            ..Pid::named(node, home, wire::NAME)
        })
    }

    pub(super) async fn start(
        &self,
        on: NodeId,
        order: Order,
        deadline: Deadline,
    ) -> Result<Pid, StartWorkerError> {
        let desk = self.desk(on).ok_or(StartWorkerError::NoMember)?;
        let answer = self.ask(desk, &Ask::Start(Box::new(order)), deadline).await;
        match answer.map_err(StartWorkerError::from_call)? {
            Some(Answer::Started(local)) => Ok(Pid { local, ..desk }),
            Some(Answer::Refused(refusal)) => Err(StartWorkerError::from_refusal(refusal)),
            _ => Err(StartWorkerError::Answer),
        }
    }

    /// Asks something of the desk that a worker is under. `Ok(None)`: an answer that is none.
    pub(super) async fn of_worker(
        &self,
        worker: Pid,
        ask: impl FnOnce(LocalId) -> Ask,
        deadline: Deadline,
    ) -> Result<Option<Answer>, CallError> {
        let desk = Pid {
            boot: worker.boot,
            ..Pid::named(worker.node, Some(self.group.present()), wire::NAME)
        };
        self.ask(desk, &ask(worker.local), deadline).await
    }

    async fn ask(
        &self,
        desk: Pid,
        ask: &Ask,
        deadline: Deadline,
    ) -> Result<Option<Answer>, CallError> {
        let answer = self.from.call(desk, wire::encode(ask), deadline).await?;
        Ok(wire::decode(&answer))
    }
}

/// Work on other members.
impl Group {
    /// Starts a worker on the member `on`, by the name of a factory that is registered there
    /// ([`Node::factory`](crate::Node::factory)), with arguments; returns its pid. `from` is who
    /// asks. The worker outlives it and its node.
    ///
    /// Cancel safe insofar as dropping it withdraws nothing: dropped before it returns, the worker
    /// may have been started.
    ///
    /// # Errors
    /// [`StartWorkerError`], which says whether it
    /// [may have been started](StartWorkerError::may_be_started). Never later than `deadline`.
    pub async fn start_worker(
        &self,
        from: &Sender,
        on: NodeId,
        factory: impl AsRef<[u8]>,
        arguments: impl AsRef<[u8]>,
        deadline: impl Into<Deadline>,
    ) -> Result<Pid, StartWorkerError> {
        let order = Order {
            ticket: self.shared.tables.rng().u64(),
            factory: factory.as_ref().to_vec(),
            arguments: arguments.as_ref().to_vec(),
            state: None,
            place: None,
        };
        let (group, from) = (self.clone(), from.clone());
        Remote { group, from }
            .start(on, order, deadline.into())
            .await
    }

    /// As [`Group::start_worker`], with a value as its arguments, written with postcard;
    /// [`Job::arguments_as`](crate::Job::arguments_as) reads it.
    ///
    /// # Errors
    /// As there, and [`SendError::Encode`] within [`StartWorkerError::Call`].
    pub async fn start_worker_typed<T: Serialize + Sync>(
        &self,
        from: &Sender,
        on: NodeId,
        factory: impl AsRef<[u8]> + Send,
        arguments: &T,
        deadline: impl Into<Deadline> + Send,
    ) -> Result<Pid, StartWorkerError> {
        let written = postcard::to_stdvec(arguments).map_err(|error| {
            let error = SendError::Encode(error.to_string());
            StartWorkerError::Call(CallError::NotSent(error))
        })?;
        self.start_worker(from, on, factory, written, deadline)
            .await
    }

    /// The workers of a pool that run on members of this group, by their places, whoever
    /// supervises them, if anybody does. A local read; a worker is in it before its start is
    /// answered where it runs, and half a round trip later elsewhere.
    pub fn pool_workers(&self, pool: impl AsRef<[u8]>) -> Vec<(u32, Pid)> {
        let all = self.processes_with_property(wire::property(pool.as_ref()));
        let mut workers: Vec<(u32, Pid)> = all
            .into_iter()
            .filter_map(|(pid, value)| match value {
                Value::Int(slot) => Some((u32::try_from(slot).ok()?, pid)),
                _ => None,
            })
            .collect();
        workers.sort_unstable();
        workers
    }
}

/// How long a start may take.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a worker may take to hand over, until it is asked again.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// An empty or missing state is none.
pub(super) fn state(bytes: Option<Bytes>) -> Option<Vec<u8>> {
    bytes.map(|bytes| bytes.to_vec())
}
