//! What a node asks of its driver.

use std::sync::Arc;

use archipelago_core::channel::Path;
use archipelago_core::wire::{ByeReason, Control, Letter, Provider, SessionId};
use archipelago_core::{Address, Boot, GroupId, LocalId, NodeId};
use archipelago_sgroup::duty::DutyOutput;
use archipelago_sgroup::names::{NameInfo, NameOutput};
use archipelago_sgroup::registry::RegistryChange;
use archipelago_sgroup::strict::StrictEvent;
use bytes::Bytes;

use super::{DialId, Event, Unreachable};
use crate::change::{ChangeKind, NodeChange};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Put a message on the control stream.
    Send {
        /// Of this session.
        session: SessionId,
        /// What.
        message: Control,
    },
    /// Open a connection; answered by `Opened` or `OpenFailed` with the same `dial`.
    Dial {
        /// Comes back in the answer.
        dial: DialId,
        /// Who it must be; `None` for a seed known by address only.
        peer: Option<NodeId>,
        /// Where, best first.
        addresses: Arc<[Address]>,
    },
    /// Close after what was sent before is flushed.
    Close {
        /// Which.
        session: SessionId,
        /// For the log.
        reason: CloseReason,
    },
    /// The peer's channel may use this path. A direct path's data streams are not read before.
    AttachPath {
        /// Whose.
        peer: NodeId,
        /// Its start.
        boot: Boot,
        /// Which.
        path: Path,
    },
    /// It may no longer.
    DetachPath {
        /// Whose.
        peer: NodeId,
        /// Which.
        path: Path,
    },
    /// Frames from `peer` arrived by relay or detour, opened and authenticated.
    FramesArrived {
        /// From whom.
        peer: NodeId,
        /// Its start.
        boot: Boot,
        /// `Relay` or `Detour`.
        path: Path,
        /// Encoded frames.
        frames: Bytes,
    },
    /// Send a letter in the channel to `to`, whichever start of it is alive: a message from
    /// [`LocalId::NODE`] to `LocalId::NODE`. Letters wait in a queue of their own, at most
    /// [`LETTERS_LEN_MAX`] of [`LETTERS_BYTES_MAX`] for each node; what has no room is lost, and
    /// that is told by [`Command::LetterLost`](super::Command::LetterLost). They are no demand for a session.
    Letter {
        /// To whom.
        to: NodeId,
        /// Where to look it up.
        home: Option<GroupId>,
        /// A mailbox of this node whose messages to `to` go first; letters behind may pass.
        after: Option<LocalId>,
        /// What.
        letter: Box<Letter>,
    },
    /// Say by [`Command::ProcessEnded`](super::Command::ProcessEnded) when this mailbox of this node is gone: at once if it is
    /// not there.
    Observe(LocalId),
    /// That is not asked for any more, but for the names that it may hold.
    Unobserve(LocalId),
    /// A `Contact` came to nothing: fail what waits.
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: Unreachable,
    },
    /// The answer to a [`Command::FindName`](super::Command::FindName).
    NameFound {
        /// The request's number.
        request: u64,
        /// Who holds it, `None` where nobody does or it is not told to others; or why that cannot
        /// be found out now.
        result: Result<Option<NameInfo>, Unreachable>,
    },
    /// The answer to a [`Command::FindService`](super::Command::FindService).
    ServiceFound {
        /// The request's number.
        request: u64,
        /// Some of those who offer it, the least busy first; or why that cannot be found out now.
        result: Result<Vec<Provider>, Unreachable>,
    },
    /// The names of a group answer or tell.
    Name {
        /// Which group.
        group: GroupId,
        /// What.
        output: NameOutput,
    },
    /// A run of what every member of a group runs is to be started or stopped here.
    Duty {
        /// Where.
        group: GroupId,
        /// What.
        output: DutyOutput,
    },
    /// A member of a group, or this node, says something else than before: for the driver's
    /// [`Table`](archipelago_sgroup::registry::Table) of that group, which is dropped with the group.
    Registry {
        /// Where.
        group: GroupId,
        /// Who, and what.
        change: RegistryChange,
    },
    /// What becomes of a strict name.
    Strict {
        /// Of which group.
        group: GroupId,
        /// What.
        event: StrictEvent,
    },
    /// For those who watch.
    Event(Event),
    /// A change of a group is through.
    Changed {
        /// Of the command.
        ticket: u64,
        /// In which group.
        group: GroupId,
        /// What it was.
        kind: ChangeKind,
        /// For every node that it concerned, by name.
        results: Vec<NodeChange>,
    },
    /// The shutdown is complete: every Leave and Bye was sent.
    Stopped,
}

/// Letters that wait for one node.
pub const LETTERS_LEN_MAX: usize = 256;

/// Bytes of letters that wait for one node.
pub const LETTERS_BYTES_MAX: usize = 512 * 1024;

/// The caller's buffer; a machine only appends to it.
pub type Outputs = Vec<Output>;

/// Why a session is closed by this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// As was said to the peer, or by it.
    Bye(ByeReason),
    /// No Hello in time.
    HelloTimeout,
    /// Silent for too long.
    Silent,
}
