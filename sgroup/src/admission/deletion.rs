//! The proof that a group was deleted by one who knew its secret.
//!
//! It is made once and shown to every member that comes back later, by nodes that are in the
//! group no more, so it is bound to no session: only to the group, its epoch and who deleted it.

use archipelago_core::wire::{Deletion, Proof};
use archipelago_core::{Crypto, NodeId, Time};

use super::{Admission, is_equal};

const DOMAIN: &[u8] = b"archipelago/delete/1";

impl Admission {
    /// That `by` deletes the group in its `epoch`.
    pub fn prove_deletion(&self, epoch: u64, by: &NodeId, crypto: &dyn Crypto) -> Proof {
        self.proof_over(|| self.deletion_bytes(epoch, by), crypto)
    }

    /// Whether whoever made `deletion` knew a secret that this node holds. `from`, who shows it,
    /// is not looked at any more after too many that do not hold.
    pub fn check_deletion(
        &mut self,
        deletion: &Deletion,
        from: NodeId,
        now: Time,
        crypto: &dyn Crypto,
    ) -> bool {
        if self.is_open() {
            return deletion.proof == Proof::Open;
        }
        if self.backoff.is_blocked(&from, now) {
            return false;
        }
        let holds = self.is_proved(deletion, crypto);
        if !holds {
            self.backoff.on_failure(from, now);
        }
        holds
    }

    fn is_proved(&self, deletion: &Deletion, crypto: &dyn Crypto) -> bool {
        let (first, second) = match &deletion.proof {
            Proof::Open => return false,
            Proof::Cookie(tag) => (tag, tag),
            Proof::Rotating { current, previous } => (current, previous),
        };
        let bytes = self.deletion_bytes(deletion.epoch, &deletion.by);
        let cookies = self.cookies.iter();
        let mut known = cookies.flat_map(|c| [Some(&c.current), c.previous.as_ref()]);
        known.any(|cookie| {
            cookie.is_some_and(|cookie| {
                let tag = crypto.mac(cookie, &bytes);
                is_equal(&tag, first) | is_equal(&tag, second)
            })
        })
    }

    fn deletion_bytes(&self, epoch: u64, by: &NodeId) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend_from_slice(&self.group.0);
        bytes.extend_from_slice(&epoch.to_le_bytes());
        bytes.extend_from_slice(&by.0);
        bytes
    }
}
