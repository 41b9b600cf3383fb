//! Sealing between two long-lived keys: what makes a relay blind.
//!
//! The key of a direction is HKDF-SHA256 (RFC 5869) over the X25519 secret of the pair and both
//! public keys, sender first; the cipher is XChaCha20-Poly1305 with the caller's context as
//! associated data. Whoever opens knows that the holder of the sender's key sealed it, or he
//! himself. There is **no forward secrecy**: who steals one of the two keys later reads what he
//! recorded earlier. That is the price of a first message without a round trip; sessions, which
//! carry all the rest, have it.

use archipelago_core::{OpenError, SealingKey};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

const SECRET_INFO: &[u8] = b"archipelago/sealing-secret/1";
const SEAL_INFO: &[u8] = b"archipelago/seal/1";

/// The secret half of a node's sealing key; wiped when dropped.
pub(super) struct SealingSecret {
    secret: StaticSecret,
    public: SealingKey,
}

impl SealingSecret {
    /// A key that follows from the identity's seed and tells nothing of it.
    pub(super) fn derive(seed: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, seed)
            .expand(SECRET_INFO, bytes.as_mut())
            .expect("32 bytes are within what HKDF gives");
        let secret = StaticSecret::from(*bytes);
        let public = SealingKey(PublicKey::from(&secret).to_bytes());
        Self { secret, public }
    }

    pub(super) const fn public(&self) -> SealingKey {
        self.public
    }

    /// To a key of low order, which is no key but a peer's mistake or malice, the result opens for
    /// nobody who checks; what was said is then as open as that peer made it.
    pub(super) fn seal(
        &self,
        to: &SealingKey,
        nonce: [u8; 24],
        context: &[u8],
        plain: &[u8],
    ) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: context,
        };
        cipher(&self.shared(to), &self.public, to)
            .encrypt(&nonce.into(), payload)
            .expect("a message in memory is shorter than the cipher's limit of 256 GiB")
    }

    pub(super) fn open(
        &self,
        from: &SealingKey,
        nonce: [u8; 24],
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let shared = self.shared(from);
        if !shared.was_contributory() {
            return Err(OpenError);
        }
        let payload = Payload {
            msg: sealed,
            aad: context,
        };
        cipher(&shared, from, &self.public)
            .decrypt(&nonce.into(), payload)
            .map_err(|_| OpenError)
    }

    fn shared(&self, peer: &SealingKey) -> SharedSecret {
        self.secret.diffie_hellman(&PublicKey::from(peer.0))
    }
}

fn cipher(shared: &SharedSecret, from: &SealingKey, to: &SealingKey) -> XChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, shared.as_bytes())
        .expand_multi_info(&[SEAL_INFO, &from.0, &to.0], key.as_mut())
        .expect("32 bytes are within what HKDF gives");
    XChaCha20Poly1305::new((&*key).into())
}
