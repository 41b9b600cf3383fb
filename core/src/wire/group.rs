//! What members of one s-group say to each other.
//!
//! Every one of these is idempotent, and what is lost is repaired by anti-entropy; so they need no
//! sequence of their own and may take a detour.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Council, Deletion, Invite, InviteReply, List, Mark, SealedSecret, Strict, bounded};
use crate::{Boot, Era, Incarnation, NodeId, SignedRecord};

/// A message within one s-group. What is said rarely and is long lies in a box: every message is moved
/// several times on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupBody {
    /// Asks to be a member, or shows that one is: the first group message between two nodes.
    Join(Box<Join>),
    /// Admits, and proves the same in return.
    Welcome(Box<Welcome>),
    /// Does not admit.
    Refused(RefuseReason),
    /// The sender leaves the group, now and for good in this boot and era.
    Leave,
    /// A one-way sign of life to an observer, with short hashes of what the sender knows.
    Heartbeat {
        /// The sender's incarnation.
        incarnation: Incarnation,
        /// Hash of its membership view.
        view_hash: u32,
        /// Hash of the marks of all its logs.
        log_hash: u32,
    },
    /// The sender's own statement that it lives: a refutation, or a return with a new era.
    Alive {
        /// Its start.
        boot: Boot,
        /// Its era.
        era: Era,
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// The sender's vote that a member is dead.
    Suspect(Box<Suspicion>),
    /// Asks the receiver to find out whether it can hear a member.
    Probe(Box<Probe>),
    /// The answer to a `Probe`.
    ProbeReport(Box<ProbeReport>),
    /// All entries that the sender knows, without records; asks for what differs.
    ViewDigest(Arc<List<Entry, 1_024>>),
    /// Entries that the receiver seems not to know.
    View(Arc<List<Entry, 1_024>>),
    /// A part of the sender's own log.
    Log(Arc<LogUpdate>),
    /// Everything of the receiver's log up to a mark was applied.
    LogAck(Box<LogAck>),
    /// Asks the receiver for its own log from a mark on.
    LogPull(Box<LogPull>),
    /// How far the sender has each member's log; asks nobody but the owners for what is missing.
    LogDigest(Arc<List<LogMark, 1_024>>),
    /// About a strict name, between a claimant and a member of the council.
    Strict(Box<Strict>),
    /// Who was put out of the group, or let in again: all that the sender knows.
    Marks(Arc<List<Mark, { Mark::COUNT_MAX }>>),
    /// The group is over. Proved by itself, so also said by those who are no members any more.
    Deleted(Box<Deletion>),
    /// Another secret of the group, for the receiver alone.
    Secret(Box<SealedSecret>),
    /// Asks the receiver to enter the group. From anybody.
    Invite(Box<Invite>),
    /// What it answers.
    InviteReply(Box<InviteReply>),
    /// A change of the group's council.
    Council(Box<Council>),
}

/// What a group is, signed by the realm's authority or authenticated by the group's secret.
///
/// The higher (epoch, hash) wins; equal ids merge like a heal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charter {
    /// The group's name; at most 255 bytes, no control characters.
    #[serde(
        serialize_with = "bounded::put_text::<255, _>",
        deserialize_with = "bounded::text::<255, _>"
    )]
    pub name: Arc<str>,
    /// Rises with each change.
    pub epoch: u64,
    /// `true`: anyone of the realm may join, with no cookie.
    pub open: bool,
    /// How many members it is meant for; quorums are counted against it. 0: not said.
    pub size: u32,
    /// Most members admitted. Default 1,024.
    pub members_max: u32,
    /// Names of parent groups; none for a group whose reflectors export `full`.
    pub parents: List<crate::GroupId, 4>,
    /// Of the hierarchy; a parent's is higher.
    pub tier: u8,
    /// Longest cluster list of rows about it. Default 32.
    pub hops_max: u8,
    /// How many of its members join each parent. Default 3.
    pub reflectors: u8,
    /// Who they are, where that is not left to an election.
    pub pinned: List<NodeId, 8>,
    /// Whose majority says who holds a strict name; none: there are no strict names.
    pub council: List<NodeId, 5>,
}

/// What two charters are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CharterId {
    /// The charter's epoch.
    pub epoch: u64,
    /// A hash of all of it.
    pub hash: u64,
}

/// A keyed proof of the cookie over both keys, both nonces, group, role and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// The group is open.
    Open,
    /// By the cookie; the tag of a role is worth nothing in another role.
    Cookie([u8; 32]),
    /// By both cookies of a rotation, since the verifier may know only one of them: so members
    /// may be given the new cookie in any order.
    Rotating {
        /// The tag by the current cookie.
        current: [u8; 32],
        /// The tag by the previous cookie.
        previous: [u8; 32],
    },
}

/// In what capacity one speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRole {
    /// Wants a `Welcome` with the view.
    Joiner,
    /// Knows the view already and attaches this session to the group.
    Member,
    /// Uses the group through the receiver, without being in it: a hidden node. The sender's start
    /// and log say nothing then.
    Client,
}

/// Asks for admission on this session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// In what capacity.
    pub role: JoinRole,
    /// That it may.
    pub proof: Proof,
    /// The sender's charter.
    pub charter: CharterId,
    /// The sender's start.
    pub boot: Boot,
    /// The sender's era.
    pub era: Era,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// How far the sender's own log goes.
    pub log_seq: u64,
}

/// Grants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// That the sender may grant it.
    pub proof: Proof,
    /// The group's charter.
    pub charter: Arc<Charter>,
    /// The sender's start.
    pub boot: Boot,
    /// The sender's era.
    pub era: Era,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// How far the sender's own log goes.
    pub log_seq: u64,
    /// What the group last knew of the joiner, which may raise its boot or era.
    pub known: Option<Entry>,
    /// The first page of the view, with records, for a `Joiner`; more follow as `View`.
    pub view: List<Entry, 128>,
    /// How many entries the sender's view has in all.
    pub entries: u32,
}

/// Why one is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RefuseReason {
    /// This node is not in the group, or not yet.
    UnknownGroup,
    /// The proof is wrong.
    NotAdmitted,
    /// The charter's limit is reached.
    GroupFull,
    /// Too many failed proofs: try again later.
    BackOff,
    /// The node was put out of the group: a member must add it anew.
    Removed,
}

/// A member as the view has it; a join semilattice by (boot, era, incarnation, life).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who.
    pub node: NodeId,
    /// Of which start.
    pub boot: Boot,
    /// Of which era.
    pub era: Era,
    /// Of which incarnation.
    pub incarnation: Incarnation,
    /// How it is.
    pub life: Life,
    /// How to reach it; left out in digests.
    pub record: Option<Arc<SignedRecord>>,
}

/// How a member is. Within one (boot, era) it only moves down this list, but for `Suspect`, which
/// a higher incarnation refutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Life {
    /// In its place, catching up.
    Joining,
    /// In its place.
    Alive,
    /// Thought dead by some.
    Suspect,
    /// Declared dead by the group's votes.
    Down,
    /// Gone by its own word.
    Left,
}

/// A vote that a member is dead; bound to what the voter knew of it, and short-lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// The suspected member.
    pub node: NodeId,
    /// Its start as the voter knows it.
    pub boot: Boot,
    /// Its era as the voter knows it.
    pub era: Era,
    /// Its incarnation as the voter knows it.
    pub incarnation: Incarnation,
}

/// Asks whether the receiver can hear a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Comes back in the report.
    pub id: u32,
    /// Whom.
    pub target: NodeId,
}

/// The answer to a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Of the question.
    pub id: u32,
    /// Of whom.
    pub target: NodeId,
    /// What was found.
    pub outcome: ProbeOutcome,
}

/// What a helper found of a probe's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeOutcome {
    /// Heard from it, so many ms before the answer.
    Heard {
        /// How long ago.
        ago_ms: u32,
    },
    /// Its session to the helper closed too, and a redial failed.
    Closed,
    /// Nothing came back in time.
    Silent,
}

/// How far a log goes: (boot, era) outrank seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogMark {
    /// The log's owner.
    pub owner: NodeId,
    /// Its start.
    pub boot: Boot,
    /// Its era.
    pub era: Era,
    /// The last entry's number; the first is 1.
    pub seq: u64,
}

/// Acknowledges an owner's log up to a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAck {
    /// The mark.
    pub mark: LogMark,
    /// How far the sender's own log went when it had applied that: what it wrote before it knew of
    /// the receiver's writes.
    pub head: u64,
}

/// Asks an owner for its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPull {
    /// Everything up to this was applied; names the owner, and the (boot, era) that is meant.
    pub mark: LogMark,
    /// In the middle of a snapshot: the last key of the last page that was applied; else empty.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ LogEntry::KEY_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ LogEntry::KEY_BYTES_MAX }, _>"
    )]
    pub after: Bytes,
}

/// A part of one owner's log, from the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogUpdate {
    /// The owner's start.
    pub boot: Boot,
    /// The owner's era.
    pub era: Era,
    /// Applies to a receiver that has everything up to this; 0 in a snapshot.
    pub from_seq: u64,
    /// After it the receiver has everything up to this: of all keys after a delta, of those in
    /// the page's range after a page of a snapshot.
    pub to_seq: u64,
    /// A page of a snapshot is authoritative for its range of keys: from the first key after
    /// this one (empty: from the start) …
    #[serde(
        serialize_with = "bounded::put_bytes::<{ LogEntry::KEY_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ LogEntry::KEY_BYTES_MAX }, _>"
    )]
    pub range_after: Bytes,
    /// … up to this one, included; `None` for the end, or where this is a delta.
    #[serde(
        serialize_with = "bounded::put_bytes_option::<{ LogEntry::KEY_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes_option::<{ LogEntry::KEY_BYTES_MAX }, _>"
    )]
    pub range_to: Option<Bytes>,
    /// Whether this is a page of a snapshot.
    pub snapshot: bool,
    /// What was written, rising by key in a snapshot and by seq in a delta.
    pub entries: List<LogEntry, { LogUpdate::ENTRIES_MAX }>,
}

impl LogUpdate {
    /// Most entries in one update. A deletion is some 4 bytes on the wire and 73 in memory: this
    /// limit is what keeps a frame of them from growing eightfold when it is decoded.
    pub const ENTRIES_MAX: usize = 256;
}

/// One key of an owner's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The number of the write.
    pub seq: u64,
    /// At most 272 bytes; the first byte tells which user of the log it belongs to.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ LogEntry::KEY_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ LogEntry::KEY_BYTES_MAX }, _>"
    )]
    pub key: Bytes,
    /// At most 4 KiB; `None` for a deletion.
    #[serde(
        serialize_with = "bounded::put_bytes_option::<{ LogEntry::VALUE_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes_option::<{ LogEntry::VALUE_BYTES_MAX }, _>"
    )]
    pub value: Option<Bytes>,
}

impl LogEntry {
    /// Longest key in bytes: a name of 255, a mailbox, and what tells the two apart.
    pub const KEY_BYTES_MAX: usize = 272;
    /// Longest value in bytes.
    pub const VALUE_BYTES_MAX: usize = 4 * 1024;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Control;

    #[test]
    fn a_heartbeat_is_moved_in_24_bytes_and_a_control_message_in_48() {
        assert_eq!((size_of::<GroupBody>(), size_of::<Control>()), (24, 48));
    }
}
