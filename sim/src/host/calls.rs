//! The calls of a simulated node: the library's own table of calls, and an account beside it.
//!
//! Every message of a flow of calls is answered at once by its receiver. The account is the world's,
//! kept apart from the table: it knows which calls are open, and sees one that ends twice, late or
//! not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::calls::{CallEnd, Calls};
use archipelago_core::channel::{CallId, Kind, Message, Outcome};
use archipelago_core::{Boot, Pid, Time};
use bytes::Bytes;

use super::{Host, Latencies};
use crate::event::Event;
use crate::names;
use crate::net::Net;

/// Calls of one node at once.
const CALLS_MAX: usize = 65_536;

/// How the calls of one flow went so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallReport {
    /// Calls begun, whether or not they could be sent.
    pub begun: u64,
    /// Calls that were answered in time.
    pub answered: u64,
    /// Calls that their deadline ended.
    pub timed_out: u64,
    /// Calls whose channel or whose receiver's node was lost.
    pub lost: u64,
    /// Calls whose receiver was not there, or would not.
    pub refused: u64,
    /// Calls that ended with their own process.
    pub stopped: u64,
    /// Calls that ended after their deadline; there must be none.
    pub late: u64,
    /// Ends of calls that had ended before; there must be none.
    pub twice: u64,
    /// The longest time to an answer.
    pub latency_max: Duration,
}

impl CallReport {
    /// Calls that ended, in whatever way.
    pub const fn ended(&self) -> u64 {
        self.answered + self.timed_out + self.lost + self.refused + self.stopped
    }
}

/// Which call of which flow.
#[derive(Clone, Copy, Debug)]
struct Caller {
    flow: u32,
    number: u64,
}

/// One node's calls.
#[derive(Debug)]
pub(crate) struct Account {
    table: Calls<Caller>,
    /// When each open call began, and its deadline.
    open: BTreeMap<(u32, u64), (Time, Time)>,
    reports: BTreeMap<u32, CallReport>,
    /// How long answered calls took, of all flows.
    took: Latencies,
    armed: Option<Time>,
    resumed_at: Time,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            table: Calls::new(CALLS_MAX),
            open: BTreeMap::new(),
            reports: BTreeMap::new(),
            took: Latencies::default(),
            armed: None,
            resumed_at: Time::START,
        }
    }
}

impl Account {
    /// How a flow's calls went.
    pub(crate) fn report(&self, flow: u32) -> Option<&CallReport> {
        self.reports.get(&flow)
    }

    /// How long answered calls took.
    pub(crate) const fn took(&self) -> &Latencies {
        &self.took
    }

    /// The flows that call.
    pub(crate) fn flows(&self) -> impl Iterator<Item = u32> {
        self.reports.keys().copied()
    }

    /// Calls of a flow that are open, and those whose deadline was before `now`.
    pub(crate) fn open(&self, flow: u32, now: Time) -> (u64, u64) {
        let open = self.open.range((flow, 0)..=(flow, u64::MAX));
        open.fold((0, 0), |(all, overdue), (_, (_, deadline))| {
            (all + 1, overdue + u64::from(*deadline < now))
        })
    }

    fn begin(&mut self, to: &Pid, caller: Caller, now: Time, life: Duration) -> Option<Kind> {
        let deadline = now.after(life);
        let id = self.table.begin(to, deadline, caller).ok()?;
        let key = (caller.flow, caller.number);
        self.open.insert(key, (now, deadline));
        self.reports.entry(caller.flow).or_default().begun += 1;
        Some(Kind::Call { id, deadline })
    }

    fn end(&mut self, caller: Caller, end: CallEnd, now: Time) {
        let report = self.reports.entry(caller.flow).or_default();
        let Some((begun, deadline)) = self.open.remove(&(caller.flow, caller.number)) else {
            report.twice += 1;
            return;
        };
        report.late += u64::from(now > deadline.max(self.resumed_at));
        match end {
            CallEnd::Replied(Outcome::Done) => {
                report.answered += 1;
                report.latency_max = report.latency_max.max(now.since(begun));
                self.took.note(now.since(begun));
            }
            CallEnd::Timeout { .. } => report.timed_out += 1,
            CallEnd::Reset | CallEnd::NodeDown => report.lost += 1,
            CallEnd::Stopped => report.stopped += 1,
            _ => report.refused += 1,
        }
    }

    fn end_all(&mut self, ended: Vec<(Caller, CallEnd)>, now: Time) {
        for (caller, end) in ended {
            self.end(caller, end, now);
        }
    }

    pub(super) const fn note_resumed(&mut self, now: Time) {
        self.resumed_at = now;
    }

    /// The process is gone, and its callers with it.
    pub(super) fn on_process_end(&mut self) {
        let mut ended = Vec::new();
        self.table.handle_stop(&mut ended);
        // Whenever that was: nobody waited any more.
        self.end_all(ended, Time::START);
        self.armed = None;
    }
}

impl Host {
    /// What the next message of a flow of calls is; nothing where too many are open.
    pub(super) fn begin_call(
        &mut self,
        to: &Pid,
        (flow, number): (u32, u64),
        life: Duration,
        net: &mut Net,
    ) -> Option<Kind> {
        let caller = Caller { flow, number };
        let kind = self.app.calls().begin(to, caller, net.now, life);
        self.arm_calls(net);
        kind
    }

    /// Whether the channel took a call. One that it did not take was not begun.
    pub(super) fn on_call_sent(&mut self, kind: Kind, is_accepted: bool) {
        let Kind::Call { id, .. } = kind else {
            return;
        };
        let account = self.app.calls();
        if is_accepted {
            account.table.handle_sent(id);
        } else if let Some(caller) = account.table.cancel(id) {
            account.open.remove(&(caller.flow, caller.number));
            account.reports.entry(caller.flow).or_default().begun -= 1;
        }
    }

    /// A deadline of a call.
    pub(super) fn on_call_timeout(&mut self, net: &mut Net) {
        let now = net.now;
        let account = self.app.calls();
        if account.armed.is_some_and(|armed| armed <= now) {
            account.armed = None;
        }
        let mut ended = Vec::new();
        account.table.handle_timeout(now, &mut ended);
        account.end_all(ended, now);
        self.arm_calls(net);
    }

    /// The channel to a start of a peer lost what it had accepted.
    pub(super) fn on_calls_reset(&mut self, (peer, boot): (u32, Boot), net: &Net) {
        let id = names::node_id(net.shared.seed, peer);
        if let Some(account) = self.app.calls_if_any() {
            let mut ended = Vec::new();
            account.table.handle_reset(&id, boot, &mut ended);
            account.end_all(ended, net.now);
        }
    }

    /// A reply came from the start `boot` of `source`.
    pub(super) fn on_reply(
        &mut self,
        source: u32,
        boot: Boot,
        (id, outcome): (CallId, Outcome),
        net: &Net,
    ) {
        let from = names::node_id(net.shared.seed, source);
        let account = self.app.calls();
        if let Some(caller) = account.table.handle_reply(&from, boot, id) {
            account.end(caller, CallEnd::Replied(outcome), net.now);
        }
    }

    /// Answers a call. Where the channel has no room, the caller's deadline ends it.
    pub(super) fn answer(
        &mut self,
        source: u32,
        call: (&Message, CallId),
        outcome: Outcome,
        net: &mut Net,
    ) {
        let (message, id) = call;
        if source == self.ix {
            let boot = self.boot().unwrap_or_default();
            return self.on_reply(source, boot, (id, outcome), net);
        }
        let Some(boot) = self.boot_of(source) else {
            return;
        };
        let reply = Message {
            from: message.to,
            to: message.from,
            kind: Kind::Reply { id, outcome },
            payload: Bytes::new(),
        };
        self.send_message(source, boot, None, reply, net);
    }

    fn arm_calls(&mut self, net: &mut Net) {
        let account = self.app.calls();
        let Some((deadline, _)) = account.table.poll_timeout() else {
            return;
        };
        if account.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        account.armed = Some(deadline);
        self.push(deadline.max(net.now), self.ix, Event::CallTimeout, net);
    }
}
