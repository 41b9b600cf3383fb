//! A replica that has everything its owner wrote, made instead of received.
//!
//! All members of a formed group in one process share it, until one of them is told a change.

use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::{Boot, Era, Peer};

use super::replica::{Held, Replica};
use super::{PeerLog, weight};

impl Replica {
    /// What the owner wrote, in the order in which it did.
    pub(crate) fn formed(written: &[(Bytes, Bytes)]) -> Self {
        let mut replica = Self::default();
        for (seq, (key, value)) in (1..).zip(written) {
            replica.bytes += weight(key, value);
            let value = value.clone();
            replica.entries.insert(key.clone(), Held { seq, value });
            replica.applied = seq;
        }
        replica.head = replica.applied;
        replica
    }
}

impl PeerLog {
    /// The log of `owner`, all of it.
    pub(crate) const fn formed(owner: Peer, boot: Boot, era: Era, data: Arc<Replica>) -> Self {
        Self {
            boot,
            data: Some(data),
            owner,
            era,
        }
    }
}
