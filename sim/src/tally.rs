//! What all nodes of a world have said and signed so far, by kind.
//!
//! It counts what arrives, never what it would cost live; the figures are what a node's work is
//! made of, and the same for the same seed. Cost: one addition per message.

use std::collections::BTreeMap;
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
}

/// Counts since the world began.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    messages: BTreeMap<Kind, u64>,
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
        self.messages.values().sum()
    }

    /// Those of each kind that there were any of.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.messages.iter().map(|(&kind, &count)| (kind, count))
    }

    /// How many of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.messages.get(&kind).copied().unwrap_or(0)
    }

    /// What came since `earlier`, a tally of the same world.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut messages = self.messages.clone();
        for (kind, count) in &mut messages {
            *count -= earlier.of(*kind);
        }
        Self {
            messages,
            dials: self.dials - earlier.dials,
            signed: self.signed - earlier.signed,
            verified: self.verified - earlier.verified,
        }
    }

    pub(crate) fn note(&mut self, message: &Control) {
        *self.messages.entry(kind(message)).or_default() += 1;
    }
}

const fn kind(message: &Control) -> Kind {
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
        GroupBody::Leave => Kind::Leave,
        GroupBody::Heartbeat { .. } => Kind::Heartbeat,
        GroupBody::Alive { .. } => Kind::Alive,
        GroupBody::Suspect { .. } => Kind::Suspect,
        GroupBody::Probe { .. } | GroupBody::ProbeReport { .. } => Kind::Probe,
        GroupBody::ViewDigest(_) => Kind::ViewDigest,
        GroupBody::View(_) => Kind::View,
        GroupBody::Log(_) | GroupBody::LogAck(_) | GroupBody::LogPull(_) => Kind::Log,
        GroupBody::LogDigest(_) => Kind::LogDigest,
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
