//! I7, I8: what is delivered comes in order and once; what is missing was told to its sender.

use std::collections::BTreeMap;

use super::Violation;
use crate::world::{NodeIx, World};

/// At every instant: no message twice or out of order, and none skipped without a word.
pub fn order(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for (from, flow, to) in world.flows() {
        let received = world.received(to, from, flow);
        if received.misordered > 0 {
            let text = format!(
                "n{} to n{}, flow {flow}: {} of {} messages twice or out of order",
                from.0, to.0, received.misordered, received.delivered
            );
            found.push(Violation::new("I7", text));
        }
        let report = world.flow_report(from, flow);
        // A call that nobody waits for any more is not sent, and its caller knows.
        let is_told = world.is_calls(from, flow);
        if !is_told && received.skipped > report.told_lost.saturating_add(report.no_mailbox) {
            let text = format!(
                "n{} to n{}, flow {flow}: {} messages skipped, {} told lost",
                from.0, to.0, received.skipped, report.told_lost
            );
            found.push(Violation::new("I7", text));
        }
    }
    found
}

/// When all is quiet: every message accepted from a sender that still lives was delivered, or the
/// sender was told that it may not have been.
pub fn complete(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((from, to), (missing, told)) in pairs(world) {
        if missing > told {
            let text = format!(
                "n{} to n{}: {missing} messages lost, {told} told",
                from.0, to.0
            );
            found.push(Violation::new("I7", text));
        }
    }
    found
}

/// Messages delivered and sent, over all flows.
pub fn totals(world: &World) -> (u64, u64) {
    let mut totals = (0, 0);
    for (from, flow, to) in world.flows() {
        totals.0 += world.received(to, from, flow).delivered;
        totals.1 += world.flow_report(from, flow).sent;
    }
    totals
}

/// Missing and told-lost messages of each pair of nodes, whose flows share a channel.
fn pairs(world: &World) -> BTreeMap<(NodeIx, NodeIx), (u64, u64)> {
    let mut pairs = BTreeMap::new();
    for (from, flow, to) in world.flows() {
        if !world.is_current(from, flow) || world.is_calls(from, flow) {
            continue;
        }
        let report = world.flow_report(from, flow);
        let delivered = world.received(to, from, flow).delivered;
        let missing = report.sent.saturating_sub(delivered + report.no_mailbox);
        let entry: &mut (u64, u64) = pairs.entry((from, to)).or_default();
        entry.0 += missing;
        entry.1 = entry.1.max(report.told_lost);
    }
    pairs
}
