//! Calls: a message, and its answer by a deadline.
//!
//! A call ends exactly once, by its deadline at the latest, with an answer or with a [`CallError`]
//! that says whether the receiver may have acted on it. The deadline travels with the call as the
//! time that is left; a receiver gets no request that nobody waits for any more. What decides is
//! [`archipelago_core::calls`]; here are its lock, its timer and its users.

mod deadline;
mod error;
mod reply;
#[cfg(feature = "tower")]
mod service;
mod table;

pub use deadline::Deadline;
pub use error::CallError;
pub use reply::Reply;
#[cfg(feature = "tower")]
pub use service::{BytesCallee, CallService};
pub(crate) use table::{Answer, CallTable};

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;

use archipelago_core::channel::{CallId, Kind};
use archipelago_core::{Pid, Time};
use bytes::Bytes;

use crate::node::Shared;
use crate::{SendError, Sender};

impl Sender {
    /// Sends `payload` to `to` and waits for the answer, until `deadline` at most.
    ///
    /// A call is a message like another: it keeps its place among those that this mailbox sent to
    /// `to` before, waits where they wait, and counts towards nothing else. Many may be in flight.
    ///
    /// Cancel safe: dropped before it returns, its answer is of no interest any more; the receiver
    /// may have got it.
    ///
    /// # Errors
    /// [`CallError`], which says whether the receiver may have acted
    /// ([`CallError::may_be_done`]). Never later than `deadline`.
    pub async fn call(
        &self,
        to: Pid,
        payload: impl Into<Bytes>,
        deadline: impl Into<Deadline>,
    ) -> Result<Bytes, CallError> {
        let payload = self.checked(payload.into())?;
        let deadline = self.shared().clock.time(deadline.into().instant());
        let answer = self
            .ask(to, deadline, None, |kind| self.deliver(to, kind, payload))
            .await?;
        match answer {
            Answer::Bytes(bytes) => Ok(bytes),
            // Only who asked for a value gets one.
            Answer::Value(_) => Err(CallError::WrongReply("a value in place of bytes".into())),
        }
    }

    /// Begins a call, has `send` send it, and waits for its end.
    pub(crate) async fn ask<F>(
        &self,
        to: Pid,
        deadline: Time,
        wants: Option<TypeId>,
        send: impl FnOnce(Kind) -> F,
    ) -> Result<Answer, CallError>
    where
        F: Future<Output = Result<(), SendError>>,
    {
        let shared = self.shared();
        let (id, mut answer) = shared.calls.begin(&to, deadline, wants)?;
        let mut in_flight = InFlight {
            shared,
            id: Some(id),
        };
        let stopped = |_| Err(CallError::Stopped);
        tokio::select! {
            biased;
            sent = send(Kind::Call { id, deadline }) => sent?,
            // Dropped by then, what sends has sent nothing.
            ended = &mut answer => return ended.unwrap_or_else(stopped),
        }
        shared.calls.on_sent(id);
        let ended = answer.await;
        // What has ended is in the table no more.
        in_flight.id = None;
        ended.unwrap_or_else(stopped)
    }
}

/// A call whose caller waits; dropped, nobody does.
struct InFlight<'a> {
    shared: &'a Arc<Shared>,
    id: Option<CallId>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.calls.cancel(id);
        }
    }
}
