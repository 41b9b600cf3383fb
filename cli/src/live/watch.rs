//! Everything that every node says happened, with the instant at which it was heard.
//!
//! One task per node reads its events; what they say is kept in one place for the phases to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archipelago::{DownReason, Events, GroupId, NodeEvent, NodeId, SessionKind};
use tokio::sync::Notify;

/// Shared between the phases and the tasks that read events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Notify,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Ends of on-demand sessions that opened.
    pub(crate) on_demand_up: usize,
    /// Ends of on-demand sessions that closed.
    pub(crate) on_demand_down: usize,
    /// Nodes that have had an on-demand session, as (witness, peer).
    direct: BTreeSet<(NodeId, NodeId)>,
    /// Deaths by votes, as (witness, group, who), with the instant of each.
    deaths: BTreeMap<(usize, GroupId, NodeId), Vec<Instant>>,
    /// Members seen up, likewise, the last time.
    ups: BTreeMap<(usize, GroupId, NodeId), Instant>,
    /// Messages that were accepted and may not have been delivered.
    pub(crate) undelivered: u64,
    /// Why nodes were refused entry to a group, by index; the last word.
    pub(crate) refusals: BTreeMap<usize, String>,
    /// Events that a reader was too slow for.
    pub(crate) missed: u64,
}

impl Watch {
    /// Reads the events of the node with index `witness` until it ends.
    pub(crate) fn follow(&self, witness: usize, id: NodeId, mut events: Events) {
        let watch = self.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                watch.seen().note(witness, id, event, Instant::now());
                watch.shared.changed.notify_waiters();
            }
        });
    }

    /// What was seen, locked: look and let go.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `holds`, or for `patience`; returns whether it came to hold.
    pub(crate) async fn until(
        &self,
        patience: Duration,
        mut holds: impl FnMut(&Seen) -> bool,
    ) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.shared.changed.notified();
            if holds(&self.seen()) {
                return true;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return holds(&self.seen());
            }
        }
    }
}

impl Seen {
    fn note(&mut self, witness: usize, id: NodeId, event: NodeEvent, at: Instant) {
        match event {
            NodeEvent::SessionUp {
                peer,
                kind: SessionKind::OnDemand,
            } => {
                self.on_demand_up += 1;
                self.direct.insert((id, peer));
            }
            NodeEvent::SessionDown {
                kind: SessionKind::OnDemand,
                ..
            } => self.on_demand_down += 1,
            NodeEvent::MemberDown {
                group,
                member,
                reason: DownReason::Dead,
            } => {
                let key = (witness, group, member.node);
                self.deaths.entry(key).or_default().push(at);
            }
            NodeEvent::MemberUp { group, member } => {
                self.ups.insert((witness, group, member.node), at);
            }
            NodeEvent::Refused { reason, .. } => {
                self.refusals.insert(witness, format!("{reason:?}"));
            }
            NodeEvent::Undelivered { .. } => self.undelivered += 1,
            NodeEvent::Lagged { missed } => self.missed += missed,
            _ => {}
        }
    }

    /// Whether two nodes have had an on-demand session that both ends, or one, told of.
    pub(crate) fn is_direct(&self, one: NodeId, other: NodeId) -> bool {
        self.direct.contains(&(one, other)) || self.direct.contains(&(other, one))
    }

    /// Deaths by votes that were seen of nodes that are not among `dead`.
    pub(crate) fn false_deaths(&self, dead: &BTreeSet<NodeId>) -> Vec<(usize, GroupId, NodeId)> {
        let is_false = |(_, _, node): &&(usize, GroupId, NodeId)| !dead.contains(node);
        self.deaths.keys().filter(is_false).copied().collect()
    }

    /// When each of `witnesses` first saw `node` die in `group` after `since`.
    pub(crate) fn deaths_of(
        &self,
        node: NodeId,
        group: GroupId,
        since: Instant,
        witnesses: &[usize],
    ) -> Vec<Duration> {
        witnesses
            .iter()
            .filter_map(|&witness| self.deaths.get(&(witness, group, node)))
            .filter_map(|deaths| deaths.iter().find(|&&at| at >= since))
            .map(|&at| at.duration_since(since))
            .collect()
    }

    /// When each of `witnesses` last saw `node` come up in `group` after `since`.
    pub(crate) fn ups_of(
        &self,
        node: NodeId,
        group: GroupId,
        since: Instant,
        witnesses: &[usize],
    ) -> Vec<Duration> {
        witnesses
            .iter()
            .filter_map(|&witness| self.ups.get(&(witness, group, node)))
            .filter(|&&at| at >= since)
            .map(|&at| at.duration_since(since))
            .collect()
    }
}
