//! A singleton: one instance of a service in a group, held by a strict name, moved on request.
//!
//! Every member that calls [`Group::singleton`] is a candidate. The one that holds the strict name
//! runs the service; when it dies, another one has the name when its life has passed (2.2 s by
//! default), and runs it. A candidate may ask to be the one ([`Singleton::take_over`]): the holder's
//! run is told to stop, what it returns goes to the candidate, and only then is the name let go.
//!
//! *Never* two with a valid fence: a run ends before its name is let go, and is dropped where it
//! waits when the name is lost. What a run that computes on writes in between carries a fence that
//! is lower than its successor's ([`Turn::fence`]); whoever keeps what is written refuses it.
//!
//! So that nobody else snatches the name in a take-over, the other candidates stand back for its
//! time; should the one that asked die, they go on. The state that goes over is lost if it does:
//! what must survive that is kept elsewhere.
//!
//! Cost: a mailbox and a task for each candidate; while nothing changes, one question to the council
//! every third of a life for the holder, and about one a second for each that waits.

mod candidate;
mod word;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Pid, Time};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::group::{AcquireError, SayError};
use crate::node::Shared;
use crate::{CallError, Group, Mailbox, NodeError};
use candidate::{Candidate, Order};

/// One turn at being the one.
#[derive(Debug)]
pub struct Turn {
    fence: u64,
    state: Option<Bytes>,
    shared: Arc<Shared>,
    until: watch::Receiver<Option<Time>>,
    stop: watch::Receiver<bool>,
}

impl Turn {
    /// Rises from turn to turn, wherever it is: what is written carries it, and whoever keeps what
    /// is written refuses lower ones.
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// What the last run returned, if it handed over to this one.
    pub const fn state(&self) -> Option<&Bytes> {
        self.state.as_ref()
    }

    /// Whether the name is held now, by this node's clock; to be asked before each act.
    pub fn is_held(&self) -> bool {
        let now = self.shared.clock.now();
        self.until.borrow().is_some_and(|until| until > now)
    }

    /// Ends when the run is to end and return its state: another one takes over, or this node is a
    /// candidate no more. What it yields may go to another task. Cancel safe.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move {
            // An error: the turn is over.
            let _ = stop.wait_for(|is_set| *is_set).await;
        }
    }
}

type Run = Pin<Box<dyn Future<Output = Bytes> + Send>>;
type Make = Arc<dyn Fn(Turn) -> Run + Send + Sync>;

/// A candidate for a singleton, which may be the one. Dropped, its run is told to stop, for 5 s at
/// most, the name is let go, and it is a candidate no more.
#[derive(Debug)]
pub struct Singleton {
    orders: mpsc::Sender<Order>,
    fence: watch::Receiver<Option<u64>>,
}

/// A candidate did not become the one by its asking; another one is, or will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// Who is the one could not be found out, or the name could not be had in the time.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The one did not answer; it may hand over yet, to whoever asks for the name first.
    #[error("the holder did not hand over: {0}")]
    Call(CallError),
    /// The node, or the candidate, has stopped.
    #[error("the candidate has stopped")]
    Stopped,
}

impl Group {
    /// Makes this node a candidate for the singleton `name` of this group, which must have a
    /// [council](crate::GroupSpec::council). While it is the one, what `run` makes of the [`Turn`]
    /// runs on the tokio runtime that this is called on (the node's own where there is none); a run
    /// that returns without having been told to stop gives the name up, and asks for it again after
    /// a pause of a second.
    ///
    /// Cancel safe: dropped before it returns, the node is no candidate.
    ///
    /// # Errors
    /// [`SayError`] where this node is not in the group; nothing changed.
    pub async fn singleton<F>(
        &self,
        name: impl AsRef<[u8]>,
        run: impl Fn(Turn) -> F + Send + Sync + 'static,
    ) -> Result<Singleton, SayError>
    where
        F: Future<Output = Bytes> + Send + 'static,
    {
        let name = Bytes::copy_from_slice(name.as_ref());
        let own = || self.shared.runtime.handle().clone();
        let on = tokio::runtime::Handle::try_current().unwrap_or_else(|_| own());
        let mailbox = Mailbox::open(&self.shared, None).await?;
        self.join_process_group(word::process_group(&name), mailbox.pid())
            .await?;
        let make: Make = Arc::new(move |turn| Box::pin(run(turn)));
        let (orders, waiting) = mpsc::channel(8);
        let (shown, fence) = watch::channel(None);
        let candidate = Candidate::new(self.clone(), name, mailbox, (make, on), shown);
        self.shared.runtime.handle().spawn(candidate.run(waiting));
        Ok(Singleton { orders, fence })
    }
}

impl Singleton {
    /// The fence, while this candidate is the one.
    pub fn fence(&self) -> Option<u64> {
        *self.fence.borrow()
    }

    /// Waits until this candidate is the one; its fence. Unbounded. Cancel safe.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn elected(&mut self) -> Result<u64, NodeError> {
        let elected = self.fence.wait_for(Option::is_some).await;
        let fence = elected.ok().and_then(|fence| *fence);
        fence.ok_or(NodeError::Stopped)
    }

    /// Asks the one to hand over to this candidate, and waits until it has; its fence. The other's
    /// run has at most `within` to return, and is dropped then. Returns at once if this candidate
    /// is the one.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`TakeOverError`]; a little after `within` at the latest.
    pub async fn take_over(&self, within: Duration) -> Result<u64, TakeOverError> {
        let (reply, done) = oneshot::channel();
        let sent = self.orders.send(Order { within, reply }).await;
        sent.map_err(|_| TakeOverError::Stopped)?;
        done.await.unwrap_or(Err(TakeOverError::Stopped))
    }
}

/// Who else is a candidate.
fn candidates(group: &Group, name: &[u8]) -> Vec<Pid> {
    group.members_of_process_group(word::process_group(name))
}
