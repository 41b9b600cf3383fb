//! Calls between simulated nodes.

use std::time::Duration;

use archipelago_core::Pid;

use super::{NodeIx, World};
use crate::host::{CallReport, Flow, Latencies, ProcessState};

impl World {
    /// As [`World::flow_to`], but each message is a call that waits so long for its answer; the
    /// receiver answers at once.
    pub fn calls_to(
        &mut self,
        from: NodeIx,
        to: Pid,
        (messages, period, bytes): (u64, Duration, usize),
        deadline: Duration,
    ) -> u32 {
        let flow = Flow {
            to,
            messages,
            period,
            bytes,
            body: 0,
            call: Some(deadline),
        };
        self.with(from, |host, net| host.start_flow(flow, net))
    }

    /// How the calls of a flow went.
    pub fn call_report(&self, from: NodeIx, flow: u32) -> CallReport {
        let account = self.host(from).app.account();
        let report = account.and_then(|account| account.report(flow));
        report.cloned().unwrap_or_default()
    }

    /// How long the answered calls of a node took, all of them.
    pub fn call_latencies(&self, node: NodeIx) -> Latencies {
        let account = self.host(node).app.account();
        account
            .map(|account| account.took().clone())
            .unwrap_or_default()
    }

    /// Whether the messages of a flow are calls.
    pub fn is_calls(&self, from: NodeIx, flow: u32) -> bool {
        let flows = &self.host(from).app.flows;
        let flow = flows.get(flow as usize);
        flow.is_some_and(|(flow, _)| flow.call.is_some())
    }

    /// All flows of calls of running nodes, each with how many are open and how many of those are overdue.
    pub fn open_calls(&self) -> Vec<(NodeIx, u32, u64, u64)> {
        let now = self.now();
        let mut all = Vec::new();
        for host in self.hosts() {
            // Who was stopped ends its calls when it goes on.
            if host.state != ProcessState::Running {
                continue;
            }
            let Some(account) = host.app.account() else {
                continue;
            };
            for flow in account.flows() {
                let (open, overdue) = account.open(flow, now);
                all.push((NodeIx(host.ix), flow, open, overdue));
            }
        }
        all
    }
}
