//! Who asks keyed workers: the order of each key's requests, and where to send them.
//!
//! Of the requests of one key one is under way at a time; the next goes when that one has ended. So
//! they are done in their order even if one is refused by a host that the key has left, and is
//! sent again to the next. Different keys do not wait for each other. Where a shard lives is told
//! by the members' offers, where the entry is a member, and else learnt from what hosts answer.
//!
//! *Never*: two requests of one key under way. It sends nothing and holds no payload.
//! Cost: O(log n) per request for n keys with requests under way; nothing for other keys.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::{NodeId, Pid};
use bytes::Bytes;

use crate::shards::{SHARDS, Shard, ShardMap};

/// A request in its key's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Requests of one entry to one service.
#[derive(Debug, Default)]
pub struct Entry {
    last: u64,
    /// For each key with requests: the one that is under way, and those behind it.
    queues: BTreeMap<Bytes, VecDeque<Ticket>>,
    map: ShardMap,
    hosts: BTreeMap<NodeId, Pid>,
    /// What hosts answered, newer than the map; at most one for each shard.
    told: BTreeMap<Shard, Pid>,
}

impl Entry {
    /// Who hosts the service, and, in front, the service; those that take no shards are left out.
    pub fn handle_hosts(&mut self, service: &[u8], hosts: impl IntoIterator<Item = Pid>) {
        self.hosts = hosts.into_iter().map(|pid| (pid.node, pid)).collect();
        self.map = ShardMap::new(service, self.hosts.keys().copied());
        self.told.clear();
    }

    /// A request for a key: whether it may go at once. If not, [`Entry::end`] of the one before
    /// says when.
    pub fn begin(&mut self, key: &Bytes) -> (Ticket, bool) {
        self.last += 1;
        let ticket = Ticket(self.last);
        let queue = self.queues.entry(key.clone()).or_default();
        queue.push_back(ticket);
        (ticket, queue.len() == 1)
    }

    /// A request has ended, was given up, or nobody waits for it any more: which may go now.
    pub fn end(&mut self, key: &Bytes, ticket: Ticket) -> Option<Ticket> {
        let queue = self.queues.get_mut(key)?;
        let was_first = queue.front() == Some(&ticket);
        queue.retain(|other| *other != ticket);
        let next = queue.front().copied().filter(|_| was_first);
        if queue.is_empty() {
            self.queues.remove(key);
        }
        next
    }

    /// Where to send a request for a key; `None` where no host is known, or `any` of those that may
    /// know better is to be asked.
    pub fn target(&self, key: &[u8]) -> Option<Pid> {
        let shard = Shard::of(key);
        let told = self.told.get(&shard).copied();
        told.or_else(|| self.hosts.get(&self.map.owner(shard)?).copied())
    }

    /// A host says that a key is another's; `None`: it does not know whose.
    pub fn handle_moved(&mut self, key: &[u8], to: Option<Pid>) {
        let shard = Shard::of(key);
        match to {
            Some(to) => self.told.insert(shard, to),
            None => self.told.remove(&shard),
        };
    }

    /// A host could not be reached, or is none any more: what was told of it is forgotten.
    pub fn handle_failed(&mut self, host: Pid) {
        self.told.retain(|_, told| *told != host);
    }

    /// Requests that have not ended.
    pub fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// Whether all requests have ended.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

/// How long to wait before a request is sent again that was refused `tries` times: at once after the
/// first time, where a host may have said whose it is, then 2 ms and so on, doubled up to 128 ms.
pub fn pause(tries: u32) -> Duration {
    match tries {
        0 | 1 => Duration::ZERO,
        tries => Duration::from_millis(1 << (tries - 1).min(7)),
    }
}

const _: () = assert!(SHARDS == 4_096, "what hosts answered is bounded by it");
