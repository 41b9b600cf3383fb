//! The strict name of a service with leases: every host asks for it, and the one that holds it lets.

use std::time::Duration;

use archipelago_core::{Pid, Time};
use archipelago_sgroup::keyed;
use archipelago_sgroup::strict::StrictError;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::Group;
use crate::group::AcquireError;

/// The term and its end, by this node's clock, while this node holds the name.
pub(super) type Term = Option<(u64, Time)>;

/// How long one request for the name is kept up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two of them, where the first did not last.
const PAUSE: Duration = Duration::from_millis(500);

/// One host's part in it; dropped, it asks no more and lets the name go.
#[derive(Debug)]
pub(super) struct Office {
    term: watch::Receiver<Term>,
    task: AbortHandle,
}

impl Office {
    /// Whether there can be one.
    pub(super) async fn check(group: &Group, service: &[u8]) -> Result<(), AcquireError> {
        match group.strict_holder(keyed::office(service)).await {
            // It may be had when the split is over.
            Ok(_) | Err(AcquireError::Strict(StrictError::NoQuorum)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(group: Group, service: &[u8], pid: Pid) -> Self {
        let (told, term) = watch::channel(None);
        let handle = group.shared.runtime.handle().clone();
        let name = keyed::office(service);
        let task = handle.spawn(async move {
            // Until the node has stopped, or nobody listens any more.
            while hold(&group, &name, pid, &told).await.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        let task = task.abort_handle();
        Self { term, task }
    }

    /// The next change; never, where the node has stopped. Cancel safe.
    pub(super) async fn changed(&mut self) -> Term {
        if self.term.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.term.borrow_and_update()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the name once and keeps it while that goes; `None`: there will be no other time.
async fn hold(group: &Group, name: &[u8], pid: Pid, told: &watch::Sender<Term>) -> Option<()> {
    let tenure = match group.acquire(name, pid, PATIENCE).await {
        Ok(tenure) => tenure,
        Err(AcquireError::Stopped | AcquireError::NoProcess) => return None,
        Err(_) => return Some(()),
    };
    let (fence, mut until) = (tenure.fence(), tenure.until());
    loop {
        let end = *until.borrow_and_update();
        told.send_replace(end.map(|end| (fence, end)));
        if end.is_none() {
            return Some(());
        }
        if until.changed().await.is_err() {
            told.send_replace(None);
            return None;
        }
    }
}
