//! What carries the two nodes' connection.

use archipelago::{Builder, Security};
use serde::{Deserialize, Serialize};

/// What carries the connection, and encrypts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum Transport {
    /// TCP with Noise: ChaCha20-Poly1305.
    #[default]
    Noise,
    /// TCP with TLS 1.3: AES-GCM where the processor has it.
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
            Self::Noise => node.security([Security::Noise]),
            #[cfg(feature = "tls")]
            Self::Tls => node.security([Security::Tls]),
            #[cfg(feature = "quic")]
            Self::Quic => node.listen("/ip4/127.0.0.1/udp/0/quic-v1"),
        }
    }
}
