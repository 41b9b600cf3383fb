//! What carries the two nodes' connection.

use archipelago::{Builder, Security};
use serde::{Deserialize, Serialize};

/// What carries the connection, and encrypts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum Transport {
    /// TCP with Noise and AES-256-GCM: the default of nodes whose processor has instructions for it.
    #[default]
    NoiseAes,
    /// TCP with Noise as libp2p has it: ChaCha20-Poly1305.
    Noise,
    /// TCP with TLS 1.3, by libp2p with ChaCha20-Poly1305.
    #[cfg(feature = "tls")]
    Tls,
    /// QUIC: UDP with TLS 1.3.
    #[cfg(feature = "quic")]
    Quic,
}

impl Transport {
    /// A node that listens by it and speaks nothing else.
    pub(crate) fn of(self, node: Builder) -> Builder {
        match self {
            Self::NoiseAes => node.security([Security::NoiseAes]),
            Self::Noise => node.security([Security::Noise]),
            #[cfg(feature = "tls")]
            Self::Tls => node.security([Security::Tls]),
            #[cfg(feature = "quic")]
            Self::Quic => node.listen("/ip4/127.0.0.1/udp/0/quic-v1"),
        }
    }
}
