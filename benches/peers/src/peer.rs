//! Who is compared.

use clap::ValueEnum;

/// One way from process to process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Bare tokio TCP with the same framing, in the clear: the floor.
    RawTcp,
    /// This project, encrypted and acknowledged, by threads of its own.
    Archipelago,
    /// The same on the threads that send and receive, as all the others have it.
    ArchipelagoCaller,
    /// zenoh, peer to peer over TCP, in the clear.
    Zenoh,
    /// zenoh over TLS.
    ZenohTls,
    /// kameo's remote actors: libp2p, a substream for each message, encrypted.
    Kameo,
    /// ractor_cluster's remote actors over TCP, in the clear.
    Ractor,
    /// async-nats through one `nats-server`, in the clear.
    Nats,
    /// Distributed Erlang, in the clear.
    Erlang,
}

impl Peer {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::RawTcp,
        Self::Archipelago,
        Self::ArchipelagoCaller,
        Self::Zenoh,
        Self::ZenohTls,
        Self::Kameo,
        Self::Ractor,
        Self::Nats,
        Self::Erlang,
    ];

    /// As the command line and the table have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RawTcp => "raw-tcp",
            Self::Archipelago => "archipelago",
            Self::ArchipelagoCaller => "archipelago-caller",
            Self::Zenoh => "zenoh",
            Self::ZenohTls => "zenoh-tls",
            Self::Kameo => "kameo",
            Self::Ractor => "ractor",
            Self::Nats => "nats",
            Self::Erlang => "erlang",
        }
    }
}
