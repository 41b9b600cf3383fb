//! Whose cluster is formed.

use clap::ValueEnum;

/// One way to be a cluster.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// This project, in s-groups with two reflectors each.
    Archipelago,
    /// This project, all nodes in one group.
    ArchipelagoMesh,
    /// Distributed Erlang, fully connected, with `global`.
    Erlang,
    /// ractor_cluster, which connects transitively.
    Ractor,
    /// kameo over a swarm in which each node dials all before it.
    Kameo,
    /// zenoh, all of them peers that gossip about each other.
    Zenoh,
    /// NATS servers, in clusters with gateways between them.
    Nats,
}

impl Kind {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 7] = [
        Self::Archipelago,
        Self::ArchipelagoMesh,
        Self::Erlang,
        Self::Ractor,
        Self::Kameo,
        Self::Zenoh,
        Self::Nats,
    ];

    /// As the command line and the table have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Archipelago => "archipelago",
            Self::ArchipelagoMesh => "archipelago-mesh",
            Self::Erlang => "erlang",
            Self::Ractor => "ractor",
            Self::Kameo => "kameo",
            Self::Zenoh => "zenoh",
            Self::Nats => "nats",
        }
    }

    /// How many nodes a group of it is meant to have; `None` where all are one group.
    pub(super) const fn group_size(self) -> Option<usize> {
        match self {
            Self::Archipelago => Some(20),
            Self::Nats => Some(10),
            _ => None,
        }
    }

    /// Why it has no name to register, if so.
    pub(super) const fn nameless(self) -> Option<&'static str> {
        match self {
            Self::Nats => Some("nats: subjects have no holder, so there is no name to register"),
            _ => None,
        }
    }
}
