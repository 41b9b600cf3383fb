//! Calls in flight: each ends exactly once, by its answer or by its deadline.
//!
//! [`Calls`] gives out numbers, matches replies to them, and says which calls have come to nothing.
//! A reply counts only from the node, in the start, that was called; one that comes late, twice or
//! from elsewhere finds nothing and ends here. It sends nothing and holds no payload: what the
//! driver needs to wake a caller, `T`, lies here and is handed back with the end.
//!
//! *Never*: a call that outlives its deadline once [`Calls::handle_timeout`] was called; two ends
//! of one call; more than `calls_max` at once.
//!
//! Cost: O(log n) per call for n in flight, O(n) when a peer is lost; some 120 bytes for each.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::{CallId, Outcome};
use crate::{Boot, NodeId, Pid, Time};

/// The calls of one node that are not answered yet.
#[derive(Debug)]
pub struct Calls<T> {
    calls_max: usize,
    last: u64,
    waiting: BTreeMap<CallId, Waiting<T>>,
    deadlines: BTreeSet<(Time, CallId)>,
}

#[derive(Debug)]
struct Waiting<T> {
    node: NodeId,
    boot: Boot,
    deadline: Time,
    is_sent: bool,
    caller: T,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEnd {
    /// Its receiver said so.
    Replied(Outcome),
    /// Its deadline passed.
    Timeout {
        /// Whether it was handed to the channel: if not, nothing can have been done.
        is_sent: bool,
    },
    /// The channel to its receiver lost it, or its answer, or may have.
    Reset,
    /// Its receiver's node was declared dead, or started anew.
    NodeDown,
    /// This node stops.
    Stopped,
}

impl CallEnd {
    /// Whether the receiver may have acted on the call.
    pub const fn may_be_done(self) -> bool {
        match self {
            Self::Replied(outcome) => matches!(outcome, Outcome::Done | Outcome::NoReply),
            Self::Timeout { is_sent } => is_sent,
            Self::Reset | Self::NodeDown | Self::Stopped => true,
        }
    }
}

/// As many calls are in flight as may be; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{calls_max} calls are in flight: wait for some to end")]
pub struct TooManyCalls {
    /// The limit.
    pub calls_max: usize,
}

impl<T> Calls<T> {
    /// None in flight, and at most `calls_max` at once.
    pub const fn new(calls_max: usize) -> Self {
        Self {
            calls_max,
            last: 0,
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// A call to `to` begins; it ends at `deadline` at the latest.
    ///
    /// # Errors
    /// [`TooManyCalls`] and the caller, unchanged.
    pub fn begin(
        &mut self,
        to: &Pid,
        deadline: Time,
        caller: T,
    ) -> Result<CallId, (TooManyCalls, T)> {
        let calls_max = self.calls_max;
        if self.waiting.len() >= calls_max {
            return Err((TooManyCalls { calls_max }, caller));
        }
        self.last = self.last.wrapping_add(1);
        let id = CallId(self.last);
        let waiting = Waiting {
            node: to.node,
            boot: to.boot,
            deadline,
            is_sent: false,
            caller,
        };
        self.waiting.insert(id, waiting);
        self.deadlines.insert((deadline, id));
        Ok(id)
    }

    /// The channel took the call: from now on it may be done.
    pub fn handle_sent(&mut self, id: CallId) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.is_sent = true;
        }
    }

    /// A reply came from the start `boot` of `from`; the caller that waited for it.
    pub fn handle_reply(&mut self, from: &NodeId, boot: Boot, id: CallId) -> Option<T> {
        let waiting = self.waiting.get(&id)?;
        if waiting.node != *from || !waiting.boot.covers(boot) {
            return None;
        }
        self.cancel(id)
    }

    /// The caller went away, or the driver knows an end of its own. A reply that comes later ends
    /// here.
    pub fn cancel(&mut self, id: CallId) -> Option<T> {
        let waiting = self.waiting.remove(&id)?;
        self.deadlines.remove(&(waiting.deadline, id));
        Some(waiting.caller)
    }

    /// The channel to the start `boot` of `node` lost what it had accepted: calls that it took end
    /// with [`CallEnd::Reset`]. Those to a later start are still to be sent.
    pub fn handle_reset(&mut self, node: &NodeId, boot: Boot, ended: &mut Vec<(T, CallEnd)>) {
        self.end(ended, CallEnd::Reset, |waiting| {
            waiting.is_sent && waiting.node == *node && waiting.boot <= boot
        });
    }

    /// The start `boot` of `node`, and with it all before, is dead: calls to it end with
    /// [`CallEnd::NodeDown`].
    pub fn handle_node_down(&mut self, node: &NodeId, boot: Boot, ended: &mut Vec<(T, CallEnd)>) {
        self.end(ended, CallEnd::NodeDown, |waiting| {
            waiting.node == *node && waiting.boot <= boot
        });
    }

    /// This node stops: all calls end.
    pub fn handle_stop(&mut self, ended: &mut Vec<(T, CallEnd)>) {
        self.end(ended, CallEnd::Stopped, |_| true);
    }

    /// Ends the calls whose deadline has come; harmless when early.
    pub fn handle_timeout(&mut self, now: Time, ended: &mut Vec<(T, CallEnd)>) {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(waiting) = self.waiting.remove(&id) {
                let is_sent = waiting.is_sent;
                ended.push((waiting.caller, CallEnd::Timeout { is_sent }));
            }
        }
    }

    /// When to call [`Calls::handle_timeout`], and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let first = self.deadlines.first();
        first.map(|&(deadline, _)| (deadline, "deadline of a call"))
    }

    /// Calls in flight.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none is in flight.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn end(
        &mut self,
        ended: &mut Vec<(T, CallEnd)>,
        end: CallEnd,
        is_meant: impl Fn(&Waiting<T>) -> bool,
    ) {
        let meant = self.waiting.iter().filter(|(_, waiting)| is_meant(waiting));
        let meant: Vec<CallId> = meant.map(|(&id, _)| id).collect();
        for id in meant {
            ended.extend(self.cancel(id).map(|caller| (caller, end)));
        }
    }
}

#[cfg(test)]
mod tests;
