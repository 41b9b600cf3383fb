//! What proves keys and encrypts on a TCP connection: a choice of the user.

/// What proves the keys of both ends of a TCP connection, and encrypts what they say. Either one
/// authenticates by the nodes' own Ed25519 keys; none needs a certificate from anybody.
///
/// QUIC (feature `quic`) brings its own TLS 1.3 and asks for none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// The Noise framework's `XX` handshake with ChaCha20-Poly1305 (`/noise`): as fast on machines
    /// without AES instructions as on those with them.
    Noise,
    /// TLS 1.3 (`/tls/1.0.0`) with AES-GCM, or ChaCha20-Poly1305 on machines without AES
    /// instructions.
    #[cfg(feature = "tls")]
    Tls,
}

impl Security {
    /// What a node speaks that was not told, in its order.
    pub(crate) const DEFAULT: &'static [Self] = &[
        Self::Noise,
        #[cfg(feature = "tls")]
        Self::Tls,
    ];
}
