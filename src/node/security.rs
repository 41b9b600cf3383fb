//! What proves keys and encrypts on a TCP connection: a choice of the user.

/// What proves the keys of both ends of a TCP connection, and encrypts what they say. Either one
/// authenticates by the nodes' own Ed25519 keys; none needs a certificate from anybody.
///
/// QUIC (feature `quic`) brings its own TLS 1.3 and asks for none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// The Noise framework's `XX` handshake with AES-256-GCM (`/archipelago/noise-aes/1`): takes the
    /// least processor time per byte where the processor has instructions for AES, and much more
    /// than the others where it has none. Spoken by nodes of Archipelago only.
    NoiseAes,
    /// The same handshake with ChaCha20-Poly1305, as all of libp2p has it (`/noise`): as fast on
    /// machines without AES instructions as on those with them.
    Noise,
    /// TLS 1.3 (`/tls/1.0.0`), by libp2p with ChaCha20-Poly1305 where both ends have it.
    #[cfg(feature = "tls")]
    Tls,
}

impl Security {
    /// What a node speaks that was not told, in its order.
    pub(crate) fn by_default() -> Vec<Self> {
        let mut all = Vec::new();
        if crate::swarm::has_fast_aes() {
            all.push(Self::NoiseAes);
        }
        all.push(Self::Noise);
        #[cfg(feature = "tls")]
        all.push(Self::Tls);
        all
    }
}
