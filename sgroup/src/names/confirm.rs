//! Which of this node's claims every member knows of, and whose rivals this node knows of.
//!
//! Two members that claim one name at once must not both believe that they hold it. An
//! acknowledgement alone does not show that: a member may have acknowledged a claim while its own
//! was still waiting to leave. So each acknowledgement says how far the member's own log went, and
//! it counts once this node has applied that much of it: any rival that the member had claimed
//! before it knew of ours is in there. Whatever it claims later, it claims knowing ours.
//!
//! Two acknowledgements per member are enough to remember: the oldest that does not count yet, so
//! that a steady flow of later ones cannot put it off for ever, and the newest.
//!
//! Source: the read index of Raft (Ongaro's thesis, 6.4), turned round. Cost: 56 bytes per member,
//! while something waits for confirmation; O(1) per acknowledgement.

use archipelago_core::Peer;
use archipelago_core::footprint::vec_bytes;

/// How far each member is, while something waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmations {
    /// Ordered by peer.
    members: Vec<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    peer: Peer,
    /// The highest of our writes that counts as known there.
    seen: u64,
    oldest: Option<Ack>,
    newest: Option<Ack>,
}

/// A member had our log up to `seq` when its own went up to `head`.
#[derive(Clone, Copy, Debug)]
struct Ack {
    seq: u64,
    head: u64,
}

impl Confirmations {
    /// The member acknowledged.
    pub(super) fn on_ack(&mut self, by: Peer, seq: u64, head: u64) {
        let ack = Ack { seq, head };
        let progress = self.progress(by);
        if progress.oldest.is_none() {
            progress.oldest = Some(ack);
        } else {
            progress.newest = Some(ack);
        }
    }

    /// Nothing is known of the member any more: it is gone, or began anew.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.members.retain(|member| member.peer != peer);
    }

    /// Nothing waits.
    pub(super) fn clear(&mut self) {
        self.members = Vec::new();
    }

    /// Up to which of our writes the member counts, having applied `applied` of its log here.
    pub(super) fn seen(&mut self, peer: Peer, applied: u64) -> u64 {
        let Ok(place) = self.search(peer) else {
            return 0;
        };
        let progress = &mut self.members[place];
        while let Some(ack) = progress.oldest.filter(|ack| ack.head <= applied) {
            progress.seen = progress.seen.max(ack.seq);
            progress.oldest = progress.newest.take();
        }
        progress.seen
    }

    pub(super) fn heap_bytes(&self) -> usize {
        vec_bytes(&self.members)
    }

    fn progress(&mut self, peer: Peer) -> &mut Progress {
        let place = self.search(peer).unwrap_or_else(|place| {
            let fresh = Progress {
                peer,
                seen: 0,
                oldest: None,
                newest: None,
            };
            self.members.insert(place, fresh);
            place
        });
        &mut self.members[place]
    }

    fn search(&self, peer: Peer) -> Result<usize, usize> {
        self.members
            .binary_search_by_key(&peer, |member| member.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer(7);

    #[test]
    fn an_acknowledgement_counts_once_the_members_own_writes_are_here() {
        let mut confirmations = Confirmations::default();
        assert_eq!(confirmations.seen(PEER, 100), 0);
        confirmations.on_ack(PEER, 3, 5);
        assert_eq!(confirmations.seen(PEER, 4), 0);
        assert_eq!(confirmations.seen(PEER, 5), 3);
        assert_eq!(confirmations.seen(PEER, 0), 3, "what counted counts on");
        confirmations.forget(PEER);
        assert_eq!(confirmations.seen(PEER, 5), 0);
    }

    #[test]
    fn a_flow_of_later_ones_does_not_put_off_the_oldest() {
        let mut confirmations = Confirmations::default();
        for seq in 1..=100 {
            confirmations.on_ack(PEER, seq, seq * 10);
        }
        assert_eq!(confirmations.seen(PEER, 10), 1);
        assert_eq!(confirmations.seen(PEER, 999), 1);
        assert_eq!(confirmations.seen(PEER, 1_000), 100);
    }
}
