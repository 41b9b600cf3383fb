//! The wire messages of the control stream, typed; their bytes live in the codec at the edge.
//!
//! Wire types have no maps, no zero-sized elements and no recursion; every list has its limit in
//! its type. What many receivers get is shared, not copied.

pub(crate) mod bounded;
mod change;
pub mod codec;
mod envelope;
mod group;
mod groupcast;
mod hello;
mod keyed;
mod letter;
mod list;
mod name;
mod provider;
mod regroup;
mod route;
mod said;
mod strict;
mod up;

pub use bounded::is_plain_text;
pub use change::{
    Admittance, DeclineReason, Deletion, Invite, InviteAnswer, InviteReply, Mark, SealedSecret,
};
pub use envelope::{Envelope, Payload, PayloadError, Sealed};
pub use group::{
    Charter, CharterId, Entry, GroupBody, Join, JoinRole, Life, LogAck, LogEntry, LogMark, LogPull,
    LogUpdate, Probe, ProbeOutcome, ProbeReport, Proof, RefuseReason, Suspicion, Welcome,
};
pub use groupcast::{GroupcastWord, Piece, SUBTREE_MAX};
pub use hello::{Hello, Nonce, WIRE_MAX, WIRE_MIN};
pub use keyed::{
    HEIRS_MAX, KEY_BYTES_MAX, KeyedAnswer, KeyedPacket, KeyedWord, SHARD_WORDS, ShardBits,
};
pub use letter::{
    ENDED_MAX, End, Exit, ExitText, GUARDED_MAX, LOCALS_MAX, Letter, LetterError, Locals,
    WARDENS_MAX, WatchLetter,
};
pub use list::{List, TooMany};
pub use name::NameClaim;
pub use provider::{PROVIDERS_MAX, Provider, Providers, service_key};
pub use regroup::{
    Above, HEIRS_MAX as GROUP_HEIRS_MAX, Intent, Lineage, MOVERS_MAX, Movers, Parent, RegroupKind,
    RegroupStage, Seek, Stand, Standard, Stands,
};
pub use route::{
    Holding, Introduction, Lookup, LookupAnswer, LookupReply, Name, RouteBody, Row, RowGroup,
    SignedHolding, SignedIntroduction, SignedRow, name_key,
};
pub use said::{Duty, Finite, Offer, Value, number_from_bytes, number_to_bytes};
pub use strict::{Council, CouncilBody, FormerCouncil, Strict, StrictBody, StrictRefusal, Tenancy};
pub use up::{
    Ancestor, GroupRecord, Heading, SignedGroupRecord, StatementError, Uplink, UplinkParent,
};

use serde::{Deserialize, Serialize};

use crate::GroupId;

/// Largest control frame in bytes, encoded. Larger answers are paged.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// One authenticated connection to a peer, as its driver numbers it.
///
/// A slot is used again after a close; the generation tells a late event from a current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Index in the driver's table.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// Everything that travels on the control stream of a session.
///
/// Until both Hellos were exchanged, only `Hello` is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// The first message in each direction.
    Hello(Box<Hello>),
    /// The last message in a direction: nothing follows, the receiver closes when it has read all.
    Bye(ByeReason),
    /// A question whose answer measures the round trip; counts as life.
    Ping(u32),
    /// The answer to the `Ping` of this number.
    Pong(u32),
    /// Something within one s-group.
    Group(GroupId, GroupBody),
    /// Reflection and look-ups.
    Route(RouteBody),
    /// Something forwarded for others: a relay or a detour.
    Envelope(Box<Envelope>),
    /// The dialler shows why it may open a session outside any common group.
    Introduce(Box<SignedIntroduction>),
    /// This end has been idle for long enough and proposes to close an on-demand session.
    IdlePropose,
    /// This end agrees, and sends nothing more: the proposer closes.
    IdleAgree,
}

/// Why a session ends, as told to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ByeReason {
    /// The other of two connections between the same nodes is kept.
    Duplicate,
    /// No traffic for the idle time-out, in agreement.
    Idle,
    /// The budget of on-demand sessions was needed for another.
    Evicted,
    /// No common group and no valid introduction.
    NotAdmitted,
    /// The node shuts down; its Leaves went before.
    Shutdown,
    /// No common wire version.
    Version,
    /// A message that breaks the protocol.
    Protocol,
    /// A limit of this end was exceeded.
    Overloaded,
}
