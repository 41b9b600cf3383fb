//! What is checked before the first word of a peer is believed.
//!
//! A `Hello` must name our realm, share a wire version with us, and carry a record that its own
//! key signed, and that key must be the one that the session's handshake proved. Both Hellos
//! together make the session's transcript, which admission proofs bind.
//!
//! Cost: one signature check, if the record is new, and one hash.

use archipelago_core::wire::{ByeReason, Hello, Nonce, WIRE_MAX, WIRE_MIN};
use archipelago_core::{Crypto, NodeId, SignedRecord};

/// Whether `hello` may come from a peer of this name, and the version to speak. A record of it that
/// was verified before, as members' are when they are first heard of, is not verified again.
pub(crate) fn check(
    hello: &Hello,
    peer: (NodeId, Option<&SignedRecord>),
    realm: &str,
    crypto: &dyn Crypto,
) -> Result<u16, ByeReason> {
    let (low, high) = hello.wire;
    let version = high.min(WIRE_MAX);
    if low > high || version < low.max(WIRE_MIN) {
        return Err(ByeReason::Version);
    }
    if *hello.realm != *realm {
        return Err(ByeReason::NotAdmitted);
    }
    let record = &hello.record.record;
    let (name, known) = peer;
    let is_own = record.node == name && record.boot == hello.boot;
    let is_known = known == Some(&*hello.record);
    if !is_own || !(is_known || hello.record.verify(crypto)) {
        return Err(ByeReason::Protocol);
    }
    Ok(version)
}

/// One end of a session, for the transcript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Who.
    pub(crate) node: NodeId,
    /// What it drew for this session.
    pub(crate) nonce: Nonce,
}

/// The same 16 bytes at both ends, and nowhere else.
pub(crate) fn transcript(one: End, other: End, version: u16) -> [u8; 16] {
    use sha2::{Digest, Sha256};
    let (low, high) = if one.node < other.node {
        (one, other)
    } else {
        (other, one)
    };
    let mut hash = Sha256::new();
    hash.update(b"archipelago/transcript/1");
    hash.update(low.node.0);
    hash.update(high.node.0);
    hash.update(low.nonce.0);
    hash.update(high.nonce.0);
    hash.update(version.to_le_bytes());
    let digest = hash.finalize();
    let mut transcript = [0; 16];
    transcript.copy_from_slice(&digest[..16]);
    transcript
}
