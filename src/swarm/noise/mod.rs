//! Noise with AES-256-GCM, for processors that have instructions for it.
//!
//! libp2p's Noise knows ChaCha20-Poly1305 only, which costs several times as much per byte where AES
//! is in the processor, and copies each byte three times each way. This is the same handshake, the
//! same framing and the same proof of keys under a name of its own, with the other cipher and one
//! copy each way. Whoever does not speak it is spoken to by libp2p's.
//!
//! ```text
//! message: length of the rest: 2 (big-endian) · a Noise message, at most 65,535
//! handshake  XX: → e   ← e, ee, s, es, identity   → s, se, identity
//! identity   length of the key: 1 · public key (libp2p's protobuf) · its signature of s
//! ```
//! Source: the Noise Protocol Framework, revision 34, sections 5, 7.5 (XX) and 12.3 (AESGCM); libp2p's
//! specification *noise* for the proof that ties the static key to the identity.

mod channel;
mod dh;
mod handshake;
#[cfg(test)]
mod tests;

pub(super) use channel::Channel;

use std::sync::Arc;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};
use zeroize::Zeroizing;

use crate::identity::random_seed;

/// What it is negotiated as.
pub(super) const NAME: &str = "/archipelago/noise-aes/1";

/// What a static key's signature is about beside the key: no other signature can stand in for it.
const SIGNED: &[u8] = b"archipelago-noise-static-key:";

/// This node's static key, and the proof that it is this node's.
#[derive(Clone)]
pub(super) struct NoiseAes(Arc<Own>);

struct Own {
    secret: Zeroizing<[u8; 32]>,
    identity: Vec<u8>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoiseError {
    #[error("the socket ended during the handshake: {0}")]
    Io(#[from] std::io::Error),
    #[error("a message of the handshake is not what it should be: {0}")]
    Noise(#[from] snow::Error),
    #[error("a message of the handshake is longer than it may be")]
    TooLong,
    #[error("the peer's identity is no key, or not its own")]
    Identity,
}

/// Whether this processor has instructions for the cipher: without them libp2p's is faster.
pub(crate) fn has_fast_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

impl NoiseAes {
    /// With a new static key.
    ///
    /// # Errors
    /// Those of the system's entropy and of a key that cannot sign, for people.
    pub(super) fn new(keys: &Keypair) -> Result<Self, String> {
        let secret = random_seed().map_err(|error| error.to_string())?;
        let signature = keys
            .sign(&signed(&dh::public(&secret)))
            .map_err(|error| error.to_string())?;
        let key = keys.public().encode_protobuf();
        let mut identity = vec![u8::try_from(key.len()).unwrap_or(0)];
        identity.extend_from_slice(&key);
        identity.extend_from_slice(&signature);
        Ok(Self(Arc::new(Own { secret, identity })))
    }

    /// Proves both keys to each other over `socket`.
    ///
    /// # Errors
    /// [`NoiseError`]; the socket is of no more use.
    pub(super) async fn shake<S>(
        self,
        socket: S,
        is_dialler: bool,
    ) -> Result<(PeerId, Channel<S>), NoiseError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        handshake::run(&self.0, socket, is_dialler).await
    }
}

fn signed(static_key: &[u8]) -> Vec<u8> {
    [SIGNED, static_key].concat()
}

/// Whose the static key is.
fn whose(identity: &[u8], static_key: &[u8]) -> Result<PeerId, NoiseError> {
    let (&len, rest) = identity.split_first().ok_or(NoiseError::Identity)?;
    let (key, signature) = rest
        .split_at_checked(usize::from(len))
        .ok_or(NoiseError::Identity)?;
    let key = PublicKey::try_decode_protobuf(key).map_err(|_| NoiseError::Identity)?;
    if key.verify(&signed(static_key), signature) {
        Ok(key.to_peer_id())
    } else {
        Err(NoiseError::Identity)
    }
}
