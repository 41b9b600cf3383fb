//! The seam to cryptography: live nodes bring the real thing, the simulator cheap tags.
//!
//! A machine asks; it never holds a secret key and never knows which implementation answers. The
//! simulator's tags are deterministic and authenticate nothing against a real enemy; it says so.

mod toy;

pub use toy::ToyCrypto;

use crate::{NodeId, SealingKey, Signature};

/// What a machine needs from cryptography, with this node's secret keys behind it.
///
/// Every call is bounded by its input's length and changes no state that another call can see.
pub trait Crypto: std::fmt::Debug + Send + Sync {
    /// This node's signature over `bytes` under `domain` (one string per use, so that a signature
    /// made for one purpose means nothing for another).
    fn sign(&self, domain: &str, bytes: &[u8]) -> Signature;

    /// Whether `signature` is `signer`'s over `bytes` under `domain`.
    fn verify(&self, signer: &NodeId, domain: &str, bytes: &[u8], signature: &Signature) -> bool;

    /// The public half of this node's sealing key, as published in its record.
    fn sealing_key(&self) -> SealingKey;

    /// `plain`, readable only by the holder of `to`, provably from this node's sealing key, bound
    /// to `context`. `nonce` must not repeat for the pair of keys.
    fn seal(&self, to: &SealingKey, nonce: [u8; 24], context: &[u8], plain: &[u8]) -> Vec<u8>;

    /// The reverse of [`Crypto::seal`] at the other end.
    ///
    /// # Errors
    /// [`OpenError`] when anything differs from what was sealed; nothing is revealed of why.
    fn open(
        &self,
        from: &SealingKey,
        nonce: [u8; 24],
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError>;

    /// A keyed tag over `bytes`: what proves a cookie without showing it.
    fn mac(&self, key: &[u8], bytes: &[u8]) -> [u8; 32];

    /// Whether `tag` is the [`Crypto::mac`] of `bytes` under `key`, compared in a time that says
    /// nothing of where a wrong tag differs. Tags from a peer are compared by this, never by `==`.
    fn verify_mac(&self, key: &[u8], bytes: &[u8], tag: &[u8; 32]) -> bool {
        let expected = self.mac(key, bytes);
        let difference = expected.iter().zip(tag).fold(0, |sum, (left, right)| {
            std::hint::black_box(sum | (left ^ right))
        });
        difference == 0
    }
}

/// Sealed bytes that were not made for us by who they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open: altered, or not meant for this node")]
pub struct OpenError;
