//! What all nodes of a world have said and signed so far, by kind.
//!
//! It counts what arrives, never what it would cost live; the figures are what a node's work is
//! made of, and the same for the same seed. Cost: one addition per message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archipelago_core::wire::{Control, GroupBody, RouteBody};
use archipelago_core::{Crypto, NodeId, OpenError, SealingKey, Signature, ToyCrypto};

/// What control messages are counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "each is the message of that name, or of that family"
)]
pub enum Kind {
    Hello,
    Bye,
    Ping,
    Pong,
    Row,
    RowDigest,
    Lookup,
    Envelope,
    Introduce,
    IdleClose,
    Join,
    Welcome,
    Refused,
    Leave,
    Heartbeat,
    Alive,
    Suspect,
    Probe,
    ViewDigest,
    View,
    Log,
    LogDigest,
    Strict,
}

/// Every kind, in order.
const KINDS: [Kind; 23] = [
    Kind::Hello,
    Kind::Bye,
    Kind::Ping,
    Kind::Pong,
    Kind::Row,
    Kind::RowDigest,
    Kind::Lookup,
    Kind::Envelope,
    Kind::Introduce,
    Kind::IdleClose,
    Kind::Join,
    Kind::Welcome,
    Kind::Refused,
    Kind::Leave,
    Kind::Heartbeat,
    Kind::Alive,
    Kind::Suspect,
    Kind::Probe,
    Kind::ViewDigest,
    Kind::View,
    Kind::Log,
    Kind::LogDigest,
    Kind::Strict,
];

/// Counts since the world began.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    messages: [u64; KINDS.len()],
    /// Connections that were asked for.
    pub dials: u64,
    /// Signatures made.
    pub signed: u64,
    /// Signatures checked.
    pub verified: u64,
}

impl Tally {
    /// All control messages that arrived.
    pub fn total(&self) -> u64 {
        self.messages.iter().sum()
    }

    /// Those of each kind that there were any of.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, u64)> {
        let all = KINDS.into_iter().zip(self.messages);
        all.filter(|&(_, count)| count > 0)
    }

    /// How many of one kind.
    pub const fn of(&self, kind: Kind) -> u64 {
        self.messages[kind as usize]
    }

    /// What came since `earlier`, a tally of the same world.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (count, before) in since.messages.iter_mut().zip(earlier.messages) {
            *count -= before;
        }
        since.dials -= earlier.dials;
        since.signed -= earlier.signed;
        since.verified -= earlier.verified;
        since
    }

    pub(crate) fn note(&mut self, message: &Control) {
        self.messages[kind(message) as usize] += 1;
    }

    /// Adds what another part of the world counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.messages.iter_mut().zip(other.messages) {
            *count += more;
        }
        self.dials += other.dials;
        self.signed += other.signed;
        self.verified += other.verified;
    }
}

pub(crate) const fn kind(message: &Control) -> Kind {
    match message {
        Control::Hello(_) => Kind::Hello,
        Control::Bye(_) => Kind::Bye,
        Control::Ping(_) => Kind::Ping,
        Control::Pong(_) => Kind::Pong,
        Control::Group(_, body) => group_kind(body),
        Control::Route(RouteBody::Row { .. }) => Kind::Row,
        Control::Route(RouteBody::RowDigest(_)) => Kind::RowDigest,
        Control::Route(_) => Kind::Lookup,
        Control::Envelope(_) => Kind::Envelope,
        Control::Introduce(_) => Kind::Introduce,
        Control::IdlePropose | Control::IdleAgree => Kind::IdleClose,
    }
}

const fn group_kind(body: &GroupBody) -> Kind {
    match body {
        GroupBody::Join(_) => Kind::Join,
        GroupBody::Welcome(_) => Kind::Welcome,
        GroupBody::Refused(_) => Kind::Refused,
        GroupBody::Leave | GroupBody::Marks(_) | GroupBody::Deleted(_) => Kind::Leave,
        GroupBody::Secret(_) | GroupBody::Invite(_) | GroupBody::InviteReply(_) => Kind::Join,
        GroupBody::Heartbeat { .. } => Kind::Heartbeat,
        GroupBody::Alive { .. } => Kind::Alive,
        GroupBody::Suspect(_) => Kind::Suspect,
        GroupBody::Probe(_) | GroupBody::ProbeReport(_) => Kind::Probe,
        GroupBody::ViewDigest(_) => Kind::ViewDigest,
        GroupBody::View(_) => Kind::View,
        GroupBody::Log(_) | GroupBody::LogAck(_) | GroupBody::LogPull(_) => Kind::Log,
        GroupBody::LogDigest(_) => Kind::LogDigest,
        GroupBody::Strict(_) | GroupBody::Council(_) => Kind::Strict,
    }
}

/// How often the nodes of a world signed and checked.
#[derive(Debug, Default)]
pub(crate) struct CryptoCount {
    pub(crate) signed: AtomicU64,
    pub(crate) verified: AtomicU64,
}

/// A node's toy keys, with the world's counters.
#[derive(Debug)]
pub(crate) struct CountedCrypto {
    toy: ToyCrypto,
    count: Arc<CryptoCount>,
}

impl CountedCrypto {
    /// The keys of the node with this name.
    pub(crate) fn new(id: NodeId, count: &Arc<CryptoCount>) -> Self {
        Self {
            toy: ToyCrypto::of(id),
            count: Arc::clone(count),
        }
    }
}

impl Crypto for CountedCrypto {
    fn sign(&self, domain: &str, bytes: &[u8]) -> Signature {
        self.count.signed.fetch_add(1, Ordering::Relaxed);
        self.toy.sign(domain, bytes)
    }

    fn verify(&self, signer: &NodeId, domain: &str, bytes: &[u8], signature: &Signature) -> bool {
        self.count.verified.fetch_add(1, Ordering::Relaxed);
        self.toy.verify(signer, domain, bytes, signature)
    }

    fn sealing_key(&self) -> SealingKey {
        self.toy.sealing_key()
    }

    fn seal(&self, to: &SealingKey, nonce: [u8; 24], context: &[u8], plain: &[u8]) -> Vec<u8> {
        self.toy.seal(to, nonce, context, plain)
    }

    fn open(
        &self,
        from: &SealingKey,
        nonce: [u8; 24],
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        self.toy.open(from, nonce, context, sealed)
    }

    fn mac(&self, key: &[u8], bytes: &[u8]) -> [u8; 32] {
        self.toy.mac(key, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_at_its_place() {
        assert!((0..).zip(KINDS).all(|(place, kind)| kind as usize == place));
    }
}
