//! What passes between the names of a group and whoever uses them.

use archipelago_core::{LocalId, NodeId, Pid};
use bytes::Bytes;

use crate::log::LogError;

/// Longest name in bytes; the shortest has one.
pub const NAME_BYTES_MAX: usize = 255;

/// What is asked of the names of a group; each is answered by one [`NameOutput::Done`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameAct {
    /// Claim a name for a process of this node.
    Register(Registration),
    /// Withdraw this node's claim on a name.
    Unregister {
        /// Which name.
        name: Bytes,
    },
    /// A process that lost a name under [`OnLoss::Custom`] says what is to become of its claim.
    Resolve {
        /// Which name.
        name: Bytes,
        /// What.
        verdict: Verdict,
    },
}

/// A claim on a name, as a process of this node asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The name: 1 to 255 bytes, any.
    pub name: Bytes,
    /// Which mailbox of this node; whether it exists, its driver has looked.
    pub local: LocalId,
    /// The higher claim holds the name, whenever it was made. Default 0.
    pub priority: i32,
    /// The user's own, at most 1 KiB; whoever looks the name up gets it.
    pub metadata: Bytes,
    /// What becomes of the claim when another one outranks it.
    pub on_loss: OnLoss,
    /// Whether nodes outside of the group find the name, where its policy lets them in.
    pub is_exported: bool,
    /// Whether the name is taken from a holder of no higher priority.
    pub mode: Mode,
}

impl Registration {
    /// A plain claim: priority 0, no metadata, exported, given up when it is lost.
    pub fn new(name: impl Into<Bytes>, local: LocalId) -> Self {
        Self {
            name: name.into(),
            local,
            priority: 0,
            metadata: Bytes::new(),
            on_loss: OnLoss::Unregister,
            is_exported: true,
            mode: Mode::Claim,
        }
    }
}

/// What a claim does to one that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Refused, unless it outranks it by its priority, or stands by.
    #[default]
    Claim,
    /// Takes the name over by one write, without a gap, unless the other has a higher priority.
    Move,
}

/// What becomes of a claim that another one outranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLoss {
    /// It is withdrawn.
    #[default]
    Unregister,
    /// It is withdrawn, and its process is to end.
    Kill,
    /// It stands by below the winner, and holds the name when the winner goes.
    Standby,
    /// It stands by until its process has decided: [`NameAct::Resolve`].
    Custom,
}

/// What a process decides that lost a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It gives up its claim.
    Yield,
    /// It stands by.
    Standby,
    /// It takes the name back, over any priority: the other one loses it in turn.
    Insist,
}

/// How a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is the best: whoever looks the name up finds it.
    Holder,
    /// A better one is there; it holds the name as soon as that one goes.
    Standby,
}

/// Who holds a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameInfo {
    /// The process; its home is the group.
    pub pid: Pid,
    /// Of the claim.
    pub priority: i32,
    /// How often the name was moved on purpose.
    pub moves: u32,
    /// When it was claimed, by the group's logical clock.
    pub lamport: u64,
    /// Whether nodes outside of the group may find it.
    pub is_exported: bool,
    /// What the holder said with its claim.
    pub metadata: Bytes,
}

impl NameInfo {
    /// Whether this claim holds the name rather than `other`: the higher priority, then more
    /// moves, the earlier time, the lower node, the lower mailbox. A total order, so that all
    /// nodes that know the same claims agree.
    pub fn outranks(&self, other: &Self) -> bool {
        self.rank() < other.rank()
    }

    fn rank(&self) -> impl Ord {
        use std::cmp::Reverse;
        let Pid { node, local, .. } = self.pid;
        let purpose: (Reverse<i32>, Reverse<u32>) = (Reverse(self.priority), Reverse(self.moves));
        let tie: (u64, NodeId, LocalId) = (self.lamport, node, local);
        (purpose, tie)
    }
}

/// Why a name is not registered, or no longer. Unless it says otherwise, nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Another claim is better. One that was already made was withdrawn again.
    #[error("the name is held by {}: choose another, stand by, or take it over", .0.pid)]
    Taken(Box<NameInfo>),
    /// The claim was withdrawn before it was confirmed: by another request, or with its process.
    #[error("the claim was withdrawn before it was confirmed")]
    Withdrawn,
    /// Members that are thought alive did not confirm in time; the claim was withdrawn again.
    #[error("members of the group did not confirm in time: the claim was withdrawn, try again")]
    Unconfirmed,
    /// The process has ended, or never was.
    #[error("no such mailbox on this node: only its own processes can hold a name")]
    NoProcess,
    /// This node is not up in the group.
    #[error("this node is not up in the group: join it first")]
    NotUp,
    /// This node has no claim on the name: only its owner can withdraw or change it.
    #[error("this node has no claim on the name")]
    NotOurs,
    /// The name is empty or too long.
    #[error("a name of {bytes} bytes: 1 to {NAME_BYTES_MAX} are allowed")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The metadata are too long.
    #[error("metadata of {bytes} bytes: at most 1024 are allowed")]
    Metadata {
        /// Their length in bytes.
        bytes: usize,
    },
    /// This node has as many claims as it may.
    #[error("this node has {max} names in the group already: unregister some, or raise the limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The node's log in the group is full.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What the names of a group answer and tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameOutput {
    /// The answer to a request.
    Done {
        /// The request's number.
        request: u64,
        /// How the claim stands; `None` after a withdrawal.
        result: Result<Option<Standing>, NameError>,
    },
    /// Names have other holders than before, or may have.
    Changed(Vec<NameChange>),
    /// A confirmed claim of this node does not hold its name any more.
    Lost {
        /// Which name.
        name: Bytes,
        /// Whose claim.
        local: LocalId,
        /// Who holds it now.
        to: Box<NameInfo>,
        /// What the claim asked for in this case; withdrawals are done already.
        on_loss: OnLoss,
    },
    /// A claim of this node that stood by holds its name now.
    Won {
        /// Which name.
        name: Bytes,
        /// Whose claim.
        local: LocalId,
    },
}

/// A name and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameChange {
    /// The name.
    pub name: Bytes,
    /// Who; `None`: nobody.
    pub holder: Option<NameInfo>,
}
