//! What every member of a group runs: factories of this node, and the tasks that run.
//!
//! The machine decides what is to run when ([`DutyOutput`]); this starts and stops tasks, and says
//! how they ended. Runs live on the executor that the factory was given on, never on the node's:
//! what they compute delays no heartbeat.
//! Cost: one task and one watcher of it per run.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use archipelago_core::GroupId;
use archipelago_router::Command;
use archipelago_sgroup::duty::{DutyCommand, DutyOutput, RunEnd};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::actor::Request;
use crate::node::Shared;

/// How a run says that it failed.
pub type ServiceError = Box<dyn Error + Send + Sync>;

type Run = Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>>;
type Factory = Arc<dyn Fn(Bytes) -> Run + Send + Sync>;

/// Factories and runs of one node.
#[derive(Default)]
pub(crate) struct Services {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    factories: HashMap<(GroupId, Bytes), (Factory, Handle)>,
    runs: HashMap<(GroupId, u64), AbortHandle>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Services")
            .field("factories", &state.factories.len())
            .field("runs", &state.runs.len())
            .finish()
    }
}

impl Services {
    /// How a service of a group is run on this node, on the executor `on`.
    pub(crate) fn add<F>(
        &self,
        (group, name): (GroupId, Bytes),
        on: Handle,
        factory: impl Fn(Bytes) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let factory: Factory = Arc::new(move |arguments| Box::pin(factory(arguments)));
        let mut state = self.state();
        state.factories.insert((group, name), (factory, on));
    }

    /// It is run no more.
    pub(crate) fn remove(&self, group: GroupId, name: &Bytes) {
        self.state().factories.remove(&(group, name.clone()));
    }

    /// Does what the machine says.
    pub(crate) fn perform(&self, shared: &Arc<Shared>, group: GroupId, output: DutyOutput) {
        match output {
            DutyOutput::Start {
                name,
                run,
                arguments,
            } => self.start(shared, (group, name, run), arguments),
            DutyOutput::Stop { name, run } => {
                if let Some(task) = self.state().runs.remove(&(group, run)) {
                    task.abort();
                } else {
                    tell(shared, (group, name, run), RunEnd::Stopped);
                }
            }
            _ => {}
        }
    }

    /// Ends everything: the node has stopped.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.factories.clear();
        for (_, task) in state.runs.drain() {
            task.abort();
        }
    }

    fn start(
        &self,
        shared: &Arc<Shared>,
        (group, name, run): (GroupId, Bytes, u64),
        arguments: Bytes,
    ) {
        let mut state = self.state();
        let Some((factory, on)) = state.factories.get(&(group, name.clone())).cloned() else {
            drop(state);
            return tell(shared, (group, name, run), RunEnd::Failed);
        };
        // The factory itself runs in the task: what it does wrong is the run's.
        let task = on.spawn(async move { factory(arguments).await });
        state.runs.insert((group, run), task.abort_handle());
        drop(state);
        let node = Arc::downgrade(shared);
        on.spawn(async move {
            let end = match task.await {
                Ok(Ok(())) => RunEnd::Done,
                Err(error) if error.is_cancelled() => RunEnd::Stopped,
                Ok(Err(_)) | Err(_) => RunEnd::Failed,
            };
            report(&node, (group, name, run), end).await;
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run has ended: tells the node, if it is still there.
async fn report(node: &Weak<Shared>, of: (GroupId, Bytes, u64), end: RunEnd) {
    let Some(shared) = node.upgrade() else { return };
    shared.services.state().runs.remove(&(of.0, of.2));
    // A node that has stopped wants to know nothing.
    let _ = shared.requests.send(request(of, end)).await;
}

/// Tells the node from within its own task: on its own executor, since its queue may be full.
fn tell(shared: &Arc<Shared>, of: (GroupId, Bytes, u64), end: RunEnd) {
    let requests = shared.requests.clone();
    let told = async move {
        let _ = requests.send(request(of, end)).await;
    };
    shared.runtime.handle().spawn(told);
}

fn request((group, name, run): (GroupId, Bytes, u64), end: RunEnd) -> Request {
    Request::Command {
        command: Command::Duty(group, DutyCommand::Ended { name, run, end }),
        reply: None,
    }
}
