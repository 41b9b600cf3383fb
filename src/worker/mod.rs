//! Workers: tasks with a mailbox, whose end is seen with its reason.
//!
//! A worker runs on the user's threads, never on the protocol's unless asked: one that computes for
//! minutes delays no heartbeat. Its mailbox ends with it. However it ends, by returning, failing,
//! panicking or being killed, whoever holds its [`Worker`] is told.
//!
//! Cost: one task and one mailbox for each, and some 200 bytes.

mod table;

pub(crate) use table::Workers;

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use archipelago_core::Pid;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::node::Shared;
use crate::{Exit, Mailbox, Node, NodeError, Runtime};

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEnd {
    /// Its work was done.
    Returned,
    /// It returned an error, which says so.
    Failed(String),
    /// It panicked, with this message.
    Panicked(String),
    /// It was killed, or its node or its threads ended.
    Killed,
}

/// What a worker gets to work with.
#[derive(Debug)]
pub struct WorkerContext {
    /// Its mailbox; the pid ends with the worker in any case.
    pub mailbox: Mailbox,
    name: Arc<str>,
}

impl WorkerContext {
    /// As it was spawned; for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its pid.
    pub const fn pid(&self) -> Pid {
        self.mailbox.pid()
    }
}

/// A worker, as whoever spawned it holds it. Dropping it changes nothing; clones are handles to
/// the same worker.
#[derive(Clone, Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    name: Arc<str>,
    pid: Pid,
    end: watch::Receiver<Option<WorkerEnd>>,
}

impl Worker {
    /// What others send to.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// As it was spawned; for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<WorkerEnd> {
        self.end.borrow().clone()
    }

    /// Waits until it has ended; unbounded, as a worker may run for ever. Cancel safe.
    pub async fn ended(&mut self) -> WorkerEnd {
        let ended = self.end.wait_for(Option::is_some).await;
        // The sender goes with the task, after it has said how it ended.
        let end = ended.ok().and_then(|end| end.clone());
        end.unwrap_or(WorkerEnd::Killed)
    }

    /// Kills it: its mailbox ends at once, its task where it waits next. Does nothing to one that
    /// has ended.
    pub fn kill(&self) {
        self.shared.mailboxes.remove(self.pid.local);
        self.shared.ended.note(self.pid.local, Exit::Killed);
        self.shared.workers.kill(self.pid.local);
    }
}

impl Node {
    /// Starts a worker on the tokio runtime that this is called on, or on the node's own where
    /// there is none; `name` is for people.
    ///
    /// The worker ends with its node: it is killed then. It does not keep its node running.
    ///
    /// Cancel safe: dropped before it returns, nothing was started.
    ///
    /// # Errors
    /// As for [`Node::mailbox`]; nothing was started.
    pub async fn spawn<F, Fut, E>(&self, name: &str, work: F) -> Result<Worker, NodeError>
    where
        F: FnOnce(WorkerContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let own = || self.shared().runtime.handle().clone();
        let handle = Handle::try_current().unwrap_or_else(|_| own());
        spawn_on(self.shared(), &handle, name, work).await
    }

    /// As [`Node::spawn`], on the threads of `runtime`. Give workers that compute threads of their
    /// own, not those that nodes run on.
    ///
    /// # Errors
    /// As there.
    pub async fn spawn_in<F, Fut, E>(
        &self,
        runtime: &Runtime,
        name: &str,
        work: F,
    ) -> Result<Worker, NodeError>
    where
        F: FnOnce(WorkerContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        spawn_on(self.shared(), runtime.handle(), name, work).await
    }
}

/// Starts a worker of a node on the executor of `handle`.
pub(crate) async fn spawn_on<F, Fut, E>(
    shared: &Arc<Shared>,
    handle: &Handle,
    name: &str,
    work: F,
) -> Result<Worker, NodeError>
where
    F: FnOnce(WorkerContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    let mut mailbox = Mailbox::open(shared, None).await?;
    mailbox.leave_end_to_worker();
    let (pid, shared) = (mailbox.pid(), shared.clone());
    let name: Arc<str> = name.into();
    let (teller, end) = watch::channel(None);
    let last_words = LastWords {
        shared: shared.clone(),
        pid,
        teller,
        end: WorkerEnd::Killed,
    };
    let context = WorkerContext {
        mailbox,
        name: name.clone(),
    };
    shared.workers.start(pid.local, || {
        let task = handle.spawn(async move {
            // Taken whole: dropped with the task, it tells of a kill.
            let mut last_words = last_words;
            last_words.end = run(context, work).await;
            drop(last_words);
        });
        task.abort_handle()
    });
    Ok(Worker {
        shared,
        name,
        pid,
        end,
    })
}

async fn run<F, Fut, E>(context: WorkerContext, work: F) -> WorkerEnd
where
    F: FnOnce(WorkerContext) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let working = async { work(context).await.map_err(|error| error.to_string()) };
    // What a panic left half done goes with the worker; nobody else sees it.
    match AssertUnwindSafe(working).catch_unwind().await {
        Ok(Ok(())) => WorkerEnd::Returned,
        Ok(Err(error)) => WorkerEnd::Failed(error),
        Err(panic) => WorkerEnd::Panicked(panic_text(panic.as_ref())),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The end as those who watch the pid hear of it.
fn exit(end: &WorkerEnd) -> Exit {
    match end {
        WorkerEnd::Returned => Exit::Normal,
        WorkerEnd::Failed(text) => Exit::failed(text),
        WorkerEnd::Panicked(text) => Exit::panicked(text),
        WorkerEnd::Killed => Exit::Killed,
    }
}

/// Says how a worker ended, also when its task is dropped where it stands.
struct LastWords {
    shared: Arc<Shared>,
    pid: Pid,
    teller: watch::Sender<Option<WorkerEnd>>,
    end: WorkerEnd,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.shared.mailboxes.remove(self.pid.local);
        self.shared.workers.end(self.pid.local);
        self.shared.ended.note(self.pid.local, exit(&self.end));
        let end = std::mem::replace(&mut self.end, WorkerEnd::Killed);
        self.teller.send_replace(Some(end));
    }
}
