//! What a receiver answers a call by.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use archipelago_core::channel::{CallId, Kind, Outcome};
use archipelago_core::{LocalId, Pid, Time};
use bytes::Bytes;

use super::table::Caller;
use super::{Answer, CallError, Deadline};
use crate::node::Shared;
use crate::peer::PeerHandle;
use crate::{SendError, Sender};

/// The way back to a caller. Dropped unanswered, it tells the caller so at once.
///
/// It may go to another task or thread, and outlive the mailbox that the call came to.
pub struct Reply {
    /// `None`: answered, or of no interest any more.
    open: Option<Box<Open>>,
}

struct Open {
    shared: Arc<Shared>,
    /// The way to a caller on another node, if the call came by it.
    way: Option<Arc<PeerHandle>>,
    /// The mailbox that was called.
    local: LocalId,
    caller: Pid,
    id: CallId,
    deadline: Time,
}

impl Reply {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        local: LocalId,
        caller: Pid,
        id: CallId,
        deadline: Time,
    ) -> Self {
        Self {
            open: Some(Box::new(Open {
                shared: shared.clone(),
                way: None,
                local,
                caller,
                id,
                deadline,
            })),
        }
    }

    /// The same, for a call that came by `way`.
    pub(crate) fn by(mut self, way: &Arc<PeerHandle>) -> Self {
        if let Some(open) = &mut self.open {
            open.way = Some(way.clone());
        }
        self
    }

    /// When the caller stops waiting, by this process's clock: for calls on its behalf.
    pub fn deadline(&self) -> Deadline {
        let open = self.open.as_ref();
        let left = open.map(|open| open.deadline.since(open.shared.clock.now()));
        Deadline::after(left.unwrap_or_default())
    }

    /// Whether the caller has stopped waiting.
    pub fn is_expired(&self) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.deadline <= open.shared.clock.now())
    }

    /// Answers the call, waiting while a queue on the way is full, until the caller's deadline at
    /// most.
    ///
    /// `Ok` says that the answer is under way. Cancel safe: dropped before it returns, the caller
    /// hears that the call was dropped unanswered.
    ///
    /// # Errors
    /// [`SendError::TooLate`] when nobody waits any more; other [`SendError`]s as for
    /// [`Sender::send`]. The caller gets no answer.
    pub async fn send(mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let Some(open) = self.open.as_ref().filter(|_| !self.is_expired()) else {
            self.open = None;
            return Err(SendError::TooLate);
        };
        let sent = open.answer(payload.into()).await;
        // Who has heard nothing hears that nothing follows.
        if sent.is_ok() || sent == Err(SendError::TooLate) {
            self.open = None;
        }
        sent
    }

    /// Does not take the call now, before anything was done: the caller may try later or
    /// elsewhere. Does not wait.
    pub fn refuse(mut self) {
        self.end(Outcome::Refused);
    }

    /// As a value of this node, if the caller is here and takes values of its type; otherwise the
    /// bytes that `encode` makes of it.
    pub(crate) async fn send_value<R: Any + Send>(
        mut self,
        value: R,
        encode: impl FnOnce(&R) -> Result<Vec<u8>, SendError>,
    ) -> Result<(), SendError> {
        let is_here = |open: &Open| open.caller.node == open.shared.id;
        if !self.open.as_deref().is_some_and(is_here) {
            let bytes = encode(&value)?;
            return self.send(bytes).await;
        }
        let caller = self.open.take().and_then(|open| open.take_caller());
        let caller = caller.ok_or(SendError::TooLate)?;
        if caller.wants == Some(value.type_id()) {
            caller.end(Ok(Answer::Value(Box::new(value))));
            return Ok(());
        }
        match encode(&value) {
            Ok(bytes) => caller.end(Ok(Answer::Bytes(bytes.into()))),
            Err(error) => {
                caller.end(Err(CallError::NoReply));
                return Err(error);
            }
        }
        Ok(())
    }

    /// The mailbox takes messages of another type.
    pub(crate) fn wrong_type(mut self) {
        self.end(Outcome::WrongType);
    }

    /// The mailbox ended before anybody took the call.
    pub(crate) fn no_mailbox(mut self) {
        self.end(Outcome::NoMailbox);
    }

    /// Nobody waits for it.
    pub(crate) fn forget(mut self) {
        self.open = None;
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(open) = self.open.take() {
            open.end(outcome);
        }
    }
}

impl Open {
    fn take_caller(&self) -> Option<Caller> {
        self.shared.calls.cancel(self.id)
    }

    async fn answer(&self, payload: Bytes) -> Result<(), SendError> {
        if self.caller.node == self.shared.id {
            let caller = self.take_caller().ok_or(SendError::TooLate)?;
            caller.end(Ok(Answer::Bytes(payload)));
            return Ok(());
        }
        self.by_channel(Outcome::Done, payload).await
    }

    /// Bounded by the deadline, whatever the caller's executor knows of time.
    async fn by_channel(&self, outcome: Outcome, payload: Bytes) -> Result<(), SendError> {
        let sender = self.sender();
        let payload = sender.checked(payload)?;
        let kind = Kind::Reply {
            id: self.id,
            outcome,
        };
        let Err(payload) = sender.deliver_now(self.caller, kind, payload) else {
            return Ok(());
        };
        let deadline = self.shared.clock.instant(self.deadline);
        let late = {
            let _timers = self.shared.runtime.handle().enter();
            tokio::time::sleep_until(deadline)
        };
        tokio::select! {
            biased;
            sent = sender.deliver(self.caller, kind, payload) => sent,
            () = late => Err(SendError::TooLate),
        }
    }

    fn sender(&self) -> Sender {
        let pid = Pid {
            node: self.shared.id,
            boot: self.shared.boot(),
            local: self.local,
            home: self.shared.home(),
        };
        match &self.way {
            Some(way) => Sender::towards(self.shared.clone(), pid, way.clone()),
            None => Sender::new(self.shared.clone(), pid),
        }
    }

    /// Says how it ended, without an answer and without waiting: where a queue is full, a task of
    /// the node waits, until the deadline at most.
    fn end(self: Box<Self>, outcome: Outcome) {
        if self.caller.node == self.shared.id {
            if let Some(caller) = self.take_caller() {
                caller.end(Err(CallError::from_outcome(outcome)));
            }
            return;
        }
        let kind = Kind::Reply {
            id: self.id,
            outcome,
        };
        let tried = self.sender().try_deliver(self.caller, kind, Bytes::new());
        if tried == Err(SendError::Full) {
            let handle = self.shared.runtime.handle().clone();
            handle.spawn(async move { self.by_channel(outcome, Bytes::new()).await });
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.end(Outcome::NoReply);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caller = self.open.as_ref().map(|open| open.caller);
        f.debug_struct("Reply")
            .field("caller", &caller)
            .finish_non_exhaustive()
    }
}
