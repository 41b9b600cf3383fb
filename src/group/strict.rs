//! Strict names: at most one holder in the whole group at any instant, also during a split.
//!
//! The price is a majority of the group's council (see
//! [`GroupSpec::council`](crate::GroupSpec::council)): without it a name can be neither had nor
//! kept. Names in directory mode ([`Group::register`]) go on without one, and may have two holders
//! while a split lasts.

use std::time::Duration;

use archipelago_core::Pid;
use archipelago_core::wire::Tenancy;
use archipelago_sgroup::strict::StrictError;
use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{oneshot, watch};

use super::Group;
use crate::Refused;
use crate::actor::{Request, StrictRequest};

/// A strict name was not had, or is not known. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// By the council, or for the lack of one.
    #[error(transparent)]
    Strict(#[from] StrictError),
    /// By the node: it is not in the group, or shutting down.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The pid is no living mailbox of this node.
    #[error("no such mailbox on this node: acquire names for its own mailboxes")]
    NoProcess,
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

/// A strict name, held for a process of this node. Dropping it lets the name go.
#[derive(Debug)]
pub struct Tenure {
    group: Group,
    name: Bytes,
    pid: Pid,
    fence: u64,
    until: watch::Receiver<Option<archipelago_core::Time>>,
    is_released: bool,
}

impl Group {
    /// Takes the strict name `name` for a process of this node, and keeps it until the
    /// [`Tenure`] or the process's mailbox is dropped, or it is lost. While somebody else holds
    /// it, asks again for `patience`.
    ///
    /// Two round trips to the council where the name is free. After a holder's death it is free
    /// when its life has passed, by default 2.2 s. For one life after the council's members have
    /// started they grant nothing, since they cannot know what they promised before.
    ///
    /// Cancel safe: dropped before it returns, the name is asked for no more, and let go should it
    /// be had.
    ///
    /// # Errors
    /// [`AcquireError`]: [`StrictError::Held`] says by whom; [`StrictError::NoQuorum`] where no
    /// majority of the council answered.
    pub async fn acquire(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
        patience: Duration,
    ) -> Result<Tenure, AcquireError> {
        if pid.node != self.shared.id || pid.boot != self.shared.boot() {
            return Err(AcquireError::NoProcess);
        }
        let name = Bytes::copy_from_slice(name.as_ref());
        // Dropped after what waits for the answer.
        let asking = Asking {
            group: self,
            name: Some(name.clone()),
        };
        let claim = |reply| StrictRequest::Claim {
            name: name.clone(),
            holder: pid.local,
            patience,
            reply,
        };
        let asked = self.strict(claim).await;
        asking.end();
        let (fence, until) = asked?;
        Ok(Tenure {
            group: self.clone(),
            name,
            pid,
            fence,
            until,
            is_released: false,
        })
    }

    /// Asks the council who holds a strict name; `None`: nobody does, or did when they answered.
    ///
    /// Takes a round trip, at most half a life. Cancel safe.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn strict_holder(
        &self,
        name: impl AsRef<[u8]>,
    ) -> Result<Option<Tenancy>, AcquireError> {
        let name = Bytes::copy_from_slice(name.as_ref());
        self.strict(|reply| StrictRequest::Ask { name, reply })
            .await
    }

    async fn strict<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, AcquireError>>) -> StrictRequest,
    ) -> Result<T, AcquireError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Strict {
            group: self.present(),
            request: request(reply),
        };
        let sent = self.shared.requests.send(request).await;
        sent.map_err(|_| AcquireError::Stopped)?;
        answer.await.map_err(|_| AcquireError::Stopped)?
    }
}

impl Tenure {
    /// Rises from holder to holder: what is written in the name's behalf carries it, and whoever
    /// keeps what is written refuses lower ones.
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// The name.
    pub const fn name(&self) -> &Bytes {
        &self.name
    }

    /// For which process.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it is held now, by this node's clock; to be asked before each act in its name.
    ///
    /// A machine that is suspended stops the clock that this looks at: where that happens, look at
    /// the fence.
    pub fn is_held(&self) -> bool {
        let now = self.group.shared.clock.now();
        self.until.borrow().is_some_and(|until| until > now)
    }

    /// What [`Tenure::is_held`] looks at.
    pub(crate) fn until(&self) -> watch::Receiver<Option<archipelago_core::Time>> {
        self.until.clone()
    }

    /// Waits until it is not held any more. Cancel safe.
    pub async fn lost(&mut self) {
        // An error: the node has stopped, and holds nothing.
        let _ = self.until.wait_for(Option::is_none).await;
    }

    /// Lets the name go, as dropping it does, and waits until the node has taken note. The next
    /// one to ask has it at once, should the council hear of it; else when its life has passed.
    ///
    /// Once begun it goes on even if the future is dropped.
    pub async fn release(mut self) {
        let request = self.release_request();
        // A node that has stopped holds nothing.
        let _ = self.group.shared.requests.send(request).await;
        self.is_released = true;
    }

    fn release_request(&self) -> Request {
        Request::Strict {
            group: self.group.id(),
            request: StrictRequest::Release {
                name: self.name.clone(),
            },
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        if self.is_released || self.until.borrow().is_none() {
            return;
        }
        say(&self.group, self.release_request());
    }
}

/// A name that is asked for; dropped unanswered, it is asked for no more.
struct Asking<'a> {
    group: &'a Group,
    name: Option<Bytes>,
}

impl Asking<'_> {
    /// It was answered.
    fn end(mut self) {
        self.name = None;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let request = Request::Strict {
                group: self.group.id(),
                request: StrictRequest::Withdraw { name },
            };
            say(self.group, request);
        }
    }
}

/// Tells the node from where nothing can be awaited.
fn say(group: &Group, request: Request) {
    let requests = &group.shared.requests;
    if let Err(TrySendError::Full(request)) = requests.try_send(request) {
        let requests = requests.clone();
        group.shared.runtime.handle().spawn(async move {
            // A node that has stopped holds nothing.
            let _ = requests.send(request).await;
        });
    }
}
