//! Names as all members' logs have them.

use archipelago_core::wire::NameClaim;
use archipelago_core::{Boot, GroupId, NodeId, Peers, Pid};
use bytes::Bytes;

use super::NameInfo;
use super::index::Index;
use crate::log::{Logs, keys};

/// The key under which a name is claimed.
pub(crate) fn key_of(name: &[u8]) -> Bytes {
    keys::key(keys::NAME, name)
}

/// The name that a key claims, sharing its bytes; `None` for any other key.
pub(crate) fn name_of(key: &Bytes) -> Option<Bytes> {
    let name = keys::rest(keys::NAME, key)?;
    (1..=super::NAME_BYTES_MAX)
        .contains(&name.len())
        .then(|| key.slice_ref(name))
}

/// All claims in a group.
pub(crate) struct Union<'a> {
    pub(super) group: GroupId,
    pub(super) index: &'a Index,
    pub(super) logs: &'a Logs,
}

impl Union<'_> {
    /// The best claim on a name.
    pub(crate) fn holder(&self, name: &[u8], peers: &Peers, me: NodeId) -> Option<NameInfo> {
        let key = key_of(name);
        let best = self.best_other(&key, peers);
        match (self.mine(&key, me), best) {
            (Some(mine), Some(other)) if other.outranks(&mine) => Some(other),
            (Some(mine), _) => Some(mine),
            (None, other) => other,
        }
    }

    /// The best claim of another member under this key.
    pub(super) fn best_other(&self, key: &[u8], peers: &Peers) -> Option<NameInfo> {
        let mut best: Option<NameInfo> = None;
        for &owner in self.index.owners(key) {
            let Some(log) = self.logs.peer(owner) else {
                continue;
            };
            let claim = log
                .get(key)
                .and_then(|value| self.info(value, peers.id(owner), log.epoch().0));
            if let Some(claim) = claim
                && best.as_ref().is_none_or(|best| claim.outranks(best))
            {
                best = Some(claim);
            }
        }
        best
    }

    /// This node's claim under this key.
    pub(super) fn mine(&self, key: &[u8], me: NodeId) -> Option<NameInfo> {
        let log = self.logs.own()?;
        self.info(log.get(key)?, me, log.epoch().0)
    }

    fn info(&self, value: &[u8], node: NodeId, boot: Boot) -> Option<NameInfo> {
        let claim = NameClaim::from_bytes(value).ok()?;
        let pid = Pid {
            node,
            boot,
            local: claim.local,
            home: Some(self.group),
        };
        Some(NameInfo {
            pid,
            priority: claim.priority,
            moves: claim.moves,
            lamport: claim.lamport,
            is_exported: claim.is_exported,
            metadata: claim.metadata,
        })
    }
}
