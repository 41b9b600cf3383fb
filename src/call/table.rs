//! The calls of one node under one short lock, and the task that ends them by their deadlines.
//!
//! Callers are woken outside the lock. The task sleeps until the earliest deadline that it knows
//! of; answered calls do not wake it. Cost: three short locks for each call.

use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archipelago_core::calls::{CallEnd, Calls};
use archipelago_core::channel::{CallId, Outcome};
use archipelago_core::{Boot, NodeId, Pid, Time};
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::CallError;
use crate::SendError;
use crate::node::{Life, Shared};

/// What a call brought.
#[derive(Debug)]
pub(crate) enum Answer {
    /// From another node, or for a caller who wants bytes.
    Bytes(Bytes),
    /// From this node, of the type that the caller wants.
    Value(Box<dyn Any + Send>),
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Caller {
    answer: oneshot::Sender<Result<Answer, CallError>>,
    /// The type that it takes as a value, without codec.
    pub(crate) wants: Option<TypeId>,
}

impl Caller {
    /// Ends the call; a caller that went away does not hear of it.
    pub(crate) fn end(self, result: Result<Answer, CallError>) {
        let _ = self.answer.send(result);
    }
}

type Begun = (CallId, oneshot::Receiver<Result<Answer, CallError>>);

/// The calls of one node.
#[derive(Debug)]
pub(crate) struct CallTable {
    inner: Mutex<Inner>,
    /// A deadline lies before what the task sleeps for.
    earlier: Notify,
}

#[derive(Debug)]
struct Inner {
    calls: Calls<Caller>,
    armed: Time,
    is_stopped: bool,
}

impl CallTable {
    pub(crate) fn new(calls_max: usize) -> Self {
        let inner = Inner {
            calls: Calls::new(calls_max),
            armed: Time::NEVER,
            is_stopped: false,
        };
        Self {
            inner: Mutex::new(inner),
            earlier: Notify::new(),
        }
    }

    pub(super) fn begin(
        &self,
        to: &Pid,
        deadline: Time,
        wants: Option<TypeId>,
    ) -> Result<Begun, CallError> {
        let (answer, waiting) = oneshot::channel();
        let mut inner = self.lock();
        if inner.is_stopped {
            return Err(SendError::Stopped.into());
        }
        let begun = inner.calls.begin(to, deadline, Caller { answer, wants });
        let is_earlier = deadline < inner.armed;
        drop(inner);
        let id = begun.map_err(|(error, _)| error)?;
        if is_earlier {
            self.earlier.notify_one();
        }
        Ok((id, waiting))
    }

    pub(super) fn on_sent(&self, id: CallId) {
        self.lock().calls.handle_sent(id);
    }

    /// Takes a caller out: of a call that the caller gave up, or that ends on this node.
    pub(crate) fn cancel(&self, id: CallId) -> Option<Caller> {
        self.lock().calls.cancel(id)
    }

    /// It could not be sent after all.
    pub(crate) fn fail(&self, id: CallId, error: SendError) {
        if let Some(caller) = self.cancel(id) {
            caller.end(Err(error.into()));
        }
    }

    /// A reply came from another node; whether somebody waited for it.
    pub(crate) fn on_reply(
        &self,
        from: (NodeId, Boot),
        id: CallId,
        outcome: Outcome,
        payload: Bytes,
    ) -> bool {
        let caller = self.lock().calls.handle_reply(&from.0, from.1, id);
        let Some(caller) = caller else {
            return false;
        };
        caller.end(match outcome {
            Outcome::Done => Ok(Answer::Bytes(payload)),
            outcome => Err(CallError::from_outcome(outcome)),
        });
        true
    }

    /// The channel to the start `boot` of a peer lost what it had accepted.
    pub(crate) fn on_reset(&self, peer: &NodeId, boot: Boot) {
        self.end(|calls, ended| calls.handle_reset(peer, boot, ended));
    }

    /// A node was declared dead in that start of it.
    pub(crate) fn on_node_down(&self, node: &NodeId, boot: Boot) {
        self.end(|calls, ended| calls.handle_node_down(node, boot, ended));
    }

    fn on_timeout(&self, now: Time) {
        self.end(|calls, ended| calls.handle_timeout(now, ended));
    }

    fn stop(&self) {
        self.lock().is_stopped = true;
        self.end(|calls, ended| calls.handle_stop(ended));
    }

    fn end(&self, end: impl FnOnce(&mut Calls<Caller>, &mut Vec<(Caller, CallEnd)>)) {
        let mut ended = Vec::new();
        end(&mut self.lock().calls, &mut ended);
        for (caller, end) in ended {
            caller.end(Err(CallError::from_end(end)));
        }
    }

    /// What to sleep for.
    fn arm(&self) -> Time {
        let mut inner = self.lock();
        let due = inner.calls.poll_timeout();
        inner.armed = due.map_or(Time::NEVER, |(time, _)| time);
        inner.armed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends calls by their deadlines until the node ends, and then all that are left.
    pub(crate) async fn run(shared: Arc<Shared>) {
        let mut life = shared.life.subscribe();
        loop {
            let due = shared.clock.instant(shared.calls.arm());
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = shared.calls.earlier.notified() => {}
                _ = life.wait_for(|life| *life >= Life::Killed) => break,
            }
            shared.calls.on_timeout(shared.clock.now());
        }
        shared.calls.stop();
    }
}
