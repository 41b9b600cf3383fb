//! What control machines of two nodes say to each other beyond their sessions.
//!
//! A letter is a message from [`LocalId::NODE`](crate::LocalId::NODE) to `LocalId::NODE` in the
//! pair channel: in order, reliable within an epoch, by whatever path there is, and known to come
//! from the node that the channel is with. It opens no connection of its own. Its bytes are the
//! payload of that message; who carries it does not read it.
//!
//! Decoding allocates no more than a few times what is there: every list and text has its limit in
//! its type. A letter that breaks a limit is ignored by its receiver, and counted.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Invite, InviteReply, List, bounded};
use crate::{Boot, GroupId, LocalId, NodeId};

/// A word from one node's control machine to another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Letter {
    /// Of monitors.
    Watch(WatchLetter),
    /// Asks the receiver to enter a group, where no session leads to it.
    Invite(Box<Invite>),
    /// What it answers.
    InviteReply(Box<InviteReply>),
}

/// Of monitors: between who watches, who is watched, and who tells of a node's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WatchLetter {
    /// To the watched: tell me when these processes end. Renews what was asked before; without
    /// any, only asks who tells of the node's end.
    Watch {
        /// Comes back in the answer.
        seq: u32,
        /// Where to look the watcher up.
        home: Option<GroupId>,
        /// The start that the processes belong to; 0 where only the node is watched.
        boot: Boot,
        /// Which processes.
        locals: Locals,
    },
    /// From the watched: the `Watch` was taken.
    Watched {
        /// Of which `Watch`.
        seq: u32,
        /// Processes that it does not watch over: too many already.
        refused: Locals,
        /// A group of the watched, whose members know when it ends.
        group: Option<GroupId>,
        /// Members of that group that can be asked to tell, best first.
        wardens: List<NodeId, WARDENS_MAX>,
    },
    /// To the watched: nobody here watches these processes any more.
    Unwatch {
        /// The start that the processes belong to.
        boot: Boot,
        /// Which processes.
        locals: Locals,
    },
    /// From the watched: processes ended.
    Ended {
        /// Which, and why.
        ended: List<End, ENDED_MAX>,
    },
    /// To a warden: tell me when your group declares these nodes down. Renews what was asked.
    Guard {
        /// Comes back in the answer.
        seq: u32,
        /// Where to look the watcher up.
        home: Option<GroupId>,
        /// Of which group.
        group: GroupId,
        /// The nodes, and the starts that are meant; 0 for whichever is alive now.
        nodes: List<(NodeId, Boot), GUARDED_MAX>,
    },
    /// From a warden: the `Guard` was taken, but for these nodes.
    Guarded {
        /// Of which `Guard`.
        seq: u32,
        /// Nodes that it does not guard: too many already.
        refused: List<NodeId, GUARDED_MAX>,
    },
    /// To a warden: nobody here needs to hear of these nodes any more.
    Unguard {
        /// Of which group.
        group: GroupId,
        /// The nodes.
        nodes: List<NodeId, GUARDED_MAX>,
    },
    /// From a warden: its group does not count the node among the living.
    Fallen {
        /// Of which group.
        group: GroupId,
        /// Who.
        node: NodeId,
        /// The start that ended; any later one is another.
        boot: Boot,
        /// Whether the group declared it dead, or does not know it. Otherwise it left the group or
        /// came back as another, and may be asked itself.
        is_dead: bool,
    },
}

/// Most mailboxes of one node that one letter names.
pub const LOCALS_MAX: usize = 1_024;
/// Most ends that one letter tells of.
pub const ENDED_MAX: usize = 32;
/// Most wardens that a watched node names.
pub const WARDENS_MAX: usize = 4;
/// Most nodes that one letter asks a warden for.
pub const GUARDED_MAX: usize = 64;

/// Mailboxes of one node.
pub type Locals = List<LocalId, LOCALS_MAX>;

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct End {
    /// Which process.
    pub local: LocalId,
    /// How it ended; `None`: there is no such process.
    pub exit: Option<Exit>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Exit {
    /// It returned, or its mailbox was dropped.
    Normal,
    /// It failed, and says why; at most [`Exit::TEXT_LEN_MAX`] bytes.
    Failed(ExitText),
    /// It panicked, with this message; at most [`Exit::TEXT_LEN_MAX`] bytes.
    Panicked(ExitText),
    /// It was ended by another.
    Killed,
}

/// A short text without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExitText(
    #[serde(
        serialize_with = "bounded::put_text::<{ Exit::TEXT_LEN_MAX }, _>",
        deserialize_with = "bounded::text::<{ Exit::TEXT_LEN_MAX }, _>"
    )]
    Arc<str>,
);

impl Exit {
    /// Longest text of an exit, in bytes.
    pub const TEXT_LEN_MAX: usize = 256;

    /// A failure with a text; what is beyond the limit is cut, what peers would refuse to show is
    /// replaced by spaces.
    pub fn failed(text: &str) -> Self {
        Self::Failed(ExitText::new(text))
    }

    /// A panic with its message, cut and cleaned likewise.
    pub fn panicked(text: &str) -> Self {
        Self::Panicked(ExitText::new(text))
    }
}

impl ExitText {
    /// Of any text; what is beyond the limit is cut, what peers would refuse to show is replaced by
    /// spaces.
    pub fn new(text: &str) -> Self {
        let mut clean = String::new();
        for c in text.chars() {
            let is_plain = bounded::is_plain_text(c.encode_utf8(&mut [0; 4]));
            let c = if is_plain { c } else { ' ' };
            if clean.len() + c.len_utf8() > Exit::TEXT_LEN_MAX {
                break;
            }
            clean.push(c);
        }
        Self(clean.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Failed(text) => write!(f, "failed: {}", text.as_str()),
            Self::Panicked(text) => write!(f, "panicked: {}", text.as_str()),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// Bytes that are no letter, or a letter beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no letter: malformed, beyond a limit, or of a later version")]
pub struct LetterError;

impl Letter {
    /// Longest encoded letter, in bytes: one chunk of a channel.
    pub const BYTES_MAX: usize = 16 * 1024;

    /// The bytes of the message that carries it.
    ///
    /// # Errors
    /// [`LetterError`] for a letter that a peer would not take: one beyond a limit.
    pub fn to_bytes(&self) -> Result<Bytes, LetterError> {
        let bytes = postcard::to_stdvec(self).map_err(|_| LetterError)?;
        if bytes.len() > Self::BYTES_MAX {
            return Err(LetterError);
        }
        Ok(bytes.into())
    }

    /// The reverse, of a peer's bytes.
    ///
    /// # Errors
    /// [`LetterError`] for anything but exactly one letter within its limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LetterError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(LetterError);
        }
        match postcard::take_from_bytes(bytes) {
            Ok((letter, [])) => Ok(letter),
            Ok(_) | Err(_) => Err(LetterError),
        }
    }
}

#[cfg(test)]
mod tests;
