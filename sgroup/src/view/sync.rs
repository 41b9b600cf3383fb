//! Anti-entropy of views: finds out that two views differ, and exchanges what differs.
//!
//! Heartbeats carry a short hash. A peer whose hash is not mine, nor was lately, for longer than
//! the digest delay is sent a digest of all entries; it answers with the entries that I lack or
//! have older, with their records, and with a digest of its own if it lacks some too.
//!
//! Cost: nothing while views agree; a digest of 54 bytes per entry when they do not. One digest
//! holds 1,024 entries: a larger view is compared by its members first, then its tombstones.
//! Source: anti-entropy by push and pull, Demers et al. 1987.

use std::sync::Arc;

use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::{Entry, List};
use archipelago_core::{Peer, Peers, SignedRecord, Time};

use super::{Member, Standing, View};
use crate::Timing;

/// Entries with records in one message: some 350 bytes each, so a page stays below 64 KiB.
const PAGE_LEN: usize = 128;
const DIGEST_LEN_MAX: usize = 1_024;

/// Since when which peers' hashes differ; empty at rest.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    differing: Vec<Differing>,
}

#[derive(Debug)]
struct Differing {
    peer: Peer,
    since: Time,
    asked: Time,
}

impl Sync {
    /// A peer's hash arrived; whether to send it a digest now.
    pub(crate) fn on_hash(
        &mut self,
        peer: Peer,
        hash: u32,
        view: &mut View,
        timing: &Timing,
        now: Time,
    ) -> bool {
        let delay = timing.digest_delay;
        let position = self
            .differing
            .iter()
            .position(|differing| differing.peer == peer);
        if view.knows_hash(hash, now, delay) {
            if let Some(position) = position {
                self.differing.swap_remove(position);
            }
            return false;
        }
        let Some(differing) = position.and_then(|position| self.differing.get_mut(position)) else {
            self.differing.push(Differing {
                peer,
                since: now,
                asked: Time::START,
            });
            return false;
        };
        let is_due = now.since(differing.since) >= delay && now.since(differing.asked) >= delay;
        if is_due {
            differing.asked = now;
        }
        is_due
    }

    /// Whether a peer from which entries are missing may be asked now, outside the hash's rhythm.
    pub(crate) fn may_ask(&mut self, peer: Peer, timing: &Timing, now: Time) -> bool {
        let position = self
            .differing
            .iter()
            .position(|differing| differing.peer == peer);
        if let Some(differing) = position.and_then(|position| self.differing.get_mut(position)) {
            let is_due = now.since(differing.asked) >= timing.digest_delay / 4
                || differing.asked == Time::START;
            if is_due {
                differing.asked = now;
            }
            return is_due;
        }
        self.differing.push(Differing {
            peer,
            since: now,
            asked: now,
        });
        true
    }

    /// What it holds on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.differing)
    }

    /// The peer is gone.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.differing.retain(|differing| differing.peer != peer);
    }
}

/// What the sender of `digest` lacks of `view`, or has older; with records.
pub(crate) fn lacking_there(
    digest: &[Entry],
    view: &View,
    record: &Arc<SignedRecord>,
    peers: &Peers,
) -> Vec<Entry> {
    let is_whole = digest.len() < DIGEST_LEN_MAX;
    let mut order: Vec<&Entry> = digest.iter().collect();
    order.sort_unstable_by_key(|entry| entry.node);
    let said = |node| {
        let index = order.binary_search_by_key(&node, |entry| entry.node).ok()?;
        order.get(index).map(|entry| Standing::of(entry))
    };
    let is_news = |node, standing: &Standing| match said(node) {
        Some(said) => standing.outranks(&said),
        None => is_whole,
    };
    let own = is_news(view.me(), &view.own()).then(|| own_entry(view, Some(record.clone())));
    let members = view
        .iter()
        .filter(|member| is_news(peers.id(member.peer), &member.standing))
        .map(|member| entry_of(&member, peers, true));
    own.into_iter().chain(members).collect()
}

/// All entries without records, members before tombstones.
pub(crate) fn digest(view: &View, peers: &Peers) -> Arc<List<Entry, 1_024>> {
    let ended = view.iter().filter(|member| !member.is_present());
    let members = view.present().chain(ended);
    let entries = members.map(|member| entry_of(&member, peers, false));
    Arc::new(List::truncated(
        std::iter::once(own_entry(view, None)).chain(entries),
    ))
}

/// `entries` in messages of bounded size.
pub(crate) fn pages(entries: Vec<Entry>) -> impl Iterator<Item = Arc<List<Entry, 1_024>>> {
    let mut rest = entries.into_iter().peekable();
    std::iter::from_fn(move || {
        rest.peek()?;
        Some(Arc::new(List::truncated(rest.by_ref().take(PAGE_LEN))))
    })
}

/// A member on the wire.
pub(crate) fn entry_of(member: &Member, peers: &Peers, with_record: bool) -> Entry {
    let state = peers.get(member.peer);
    let standing = member.standing;
    Entry {
        node: peers.id(member.peer),
        boot: standing.boot,
        era: standing.era,
        incarnation: standing.incarnation,
        life: standing.life(),
        record: state
            .filter(|_| with_record)
            .and_then(|state| state.record().cloned()),
    }
}

/// A member on the wire as somebody else has it.
pub(crate) fn entry_of_standing(peer: Peer, said: Standing, peers: &Peers) -> Entry {
    Entry {
        node: peers.id(peer),
        boot: said.boot,
        era: said.era,
        incarnation: said.incarnation,
        life: said.life(),
        record: None,
    }
}

/// This node on the wire.
pub(crate) fn own_entry(view: &View, record: Option<Arc<SignedRecord>>) -> Entry {
    let own = view.own();
    Entry {
        node: view.me(),
        boot: own.boot,
        era: own.era,
        incarnation: own.incarnation,
        life: own.life(),
        record,
    }
}
