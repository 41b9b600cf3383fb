//! Why a worker was not asked, or a service not hosted.

use archipelago_core::NodeId;
use archipelago_core::wire::KEY_BYTES_MAX;

use crate::group::AcquireError;
use crate::{CallError, LookupError, NodeError, SayError};

/// A request to a keyed worker came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyedError {
    /// A key has 1 to 1,024 bytes. Nothing was done.
    #[error("a key of {bytes} bytes: 1 to {KEY_BYTES_MAX} are allowed")]
    Key {
        /// Its length in bytes.
        bytes: usize,
    },
    /// By the deadline nobody was found that hosts the service. Nothing was done.
    #[error("nobody hosts the service: start a host, or try later")]
    NoHost,
    /// Until the deadline the key was busy or on its way. Nothing was done.
    #[error("the key was busy until the deadline; nothing was done: try later")]
    Busy,
    /// Until the deadline its host had no lease of the key: no majority of the council can be
    /// reached from there, or another host still has one. Nothing was done.
    #[error(
        "the key is not leased to its host; nothing was done: try later, or on the other side of a split"
    )]
    Unleased,
    /// The worker panicked; it may have been done, and its state is lost.
    #[error("the worker failed; it may have been done, and its state is lost")]
    Failed,
    /// The call to its host failed, which says whether it may have been done.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Who hosts the service in a group that this node is not in could not be found out. Nothing was
    /// done.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The host answered what this version does not understand; it may have been done.
    #[error("the host's answer is of another version; it may have been done")]
    Answer,
}

impl KeyedError {
    /// Whether the worker may have done it, or may yet. If not, it may be asked again without harm.
    pub const fn may_be_done(&self) -> bool {
        match self {
            Self::Key { .. } | Self::NoHost | Self::Busy | Self::Unleased | Self::Lookup(_) => {
                false
            }
            Self::Failed | Self::Answer => true,
            Self::Call(error) => error.may_be_done(),
        }
    }
}

/// A service of keyed workers is not hosted, or was not left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is no tokio executor where this was called, for the workers to run on.
    #[error("call this on a tokio runtime: that is where the workers will run")]
    NoExecutor,
    /// This node hosts it already.
    #[error("this node hosts the service already")]
    Hosted,
    /// Another host of the service has leases and this one would not, or the other way round: a key
    /// could be active at both.
    #[error(
        "{node} hosts the service {} leases: set `HostConfig::lease` at all its hosts or at none",
        if *.is_leased { "with" } else { "without" }
    )]
    Differs {
        /// Which.
        node: NodeId,
        /// Whether it has leases.
        is_leased: bool,
    },
    /// The service could not be offered.
    #[error(transparent)]
    Say(#[from] SayError),
    /// There is no mailbox for it.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It has leases, and the service's strict name cannot be asked for: see
    /// [`GroupSpec::council`](crate::GroupSpec::council).
    #[error("there can be no leases: {0}")]
    Lease(#[from] AcquireError),
    /// Not everything was handed over by the deadline; what was not is lost.
    #[error("not all workers were handed over by the deadline: their states are lost")]
    NotHandedOver,
}
