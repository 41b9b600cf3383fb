//! Sealing end to end: what a carrier can neither read nor alter nor pass off as another's.
//!
//! The context binds source, target, group, both boots and whether it is a relay or a detour. The
//! nonce is {boot, number, salt}: the number rises over all envelopes of this process, and the salt
//! is random per process and differs by node, so that no nonce repeats for a pair of keys in
//! either direction, not even when a boot does.

use archipelago_core::wire::{Envelope, Sealed};
use archipelago_core::{Boot, GroupId, NodeId};

use super::Way;

/// Makes nonces that do not repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonces {
    salt: [u8; 8],
    last_number: u64,
}

impl Nonces {
    pub(super) fn new(me: NodeId, salt: u64) -> Self {
        Self {
            salt: (salt ^ me.prefix()).to_le_bytes(),
            last_number: 0,
        }
    }

    pub(super) fn next(&mut self, boot: Boot) -> [u8; 24] {
        self.last_number += 1;
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&boot.0.to_le_bytes());
        nonce[8..16].copy_from_slice(&self.last_number.to_le_bytes());
        nonce[16..].copy_from_slice(&self.salt);
        nonce
    }
}

/// The number in a nonce: what replays are told by, once it is authenticated.
pub(super) fn number(sealed: &Sealed) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&sealed.nonce[8..16]);
    u64::from_le_bytes(number)
}

/// The way that an envelope says it goes.
pub(super) fn way(envelope: &Envelope) -> Way {
    if envelope.route.is_empty() {
        Way::Relay
    } else {
        Way::Detour
    }
}

/// What the seal binds besides the payload.
pub(super) fn context(
    source: (NodeId, Boot),
    target: (NodeId, Boot),
    group: GroupId,
    way: Way,
) -> Vec<u8> {
    let mut context = Vec::with_capacity(128);
    context.extend_from_slice(b"archipelago/envelope/1");
    context.extend_from_slice(&source.0.0);
    context.extend_from_slice(&source.1.0.to_le_bytes());
    context.extend_from_slice(&target.0.0);
    context.extend_from_slice(&target.1.0.to_le_bytes());
    context.extend_from_slice(&group.0);
    context.push(match way {
        Way::Relay => 0,
        Way::Detour => 1,
    });
    context
}
