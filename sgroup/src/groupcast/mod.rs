//! Groupcast: a message to all members of a group, in order and once, whoever dies on the way.
//!
//! A message whose copies fit [`plan::DIRECT_BYTES_MAX`] goes straight to everybody. A longer one is
//! cut into pieces that go down a tree one after the other, each forwarded as it comes: every piece
//! carries the list of those below its receiver, so a node in the tree remembers nothing, and takes
//! over those below a child that it knows to be dead.
//!
//! *Order*: an origin numbers its messages; receivers hand them over by number, each once. *Repair*:
//! whoever misses a number for half a second, say because a node of the tree died with it, asks the
//! origin, which sends it again to it alone. After a burst the origin says which message was the
//! last, twice, so that a lost end is missed as well; the channels beneath lose words only with a
//! node or a path. What the origin no longer has, or who does not
//! answer, is told as [`GroupcastOutput::Missed`].
//!
//! *Never*: a message twice or out of order from one start of an origin; more than its limits in
//! memory. Members are trusted to bring each other what they were given: they were admitted.
//!
//! Cost: g − 1 copies or the tree's 4 at the origin; 300 ms and 3 s after a burst one small word to
//! each; what is kept for repair is bounded by [`GroupcastConfig`]. Nothing before the first use.
//! Sources: chunk-pipelined trees (BitTorrent's and MPI's broadcasts); repair by asking the origin,
//! as in SRM (Floyd et al. 1997).

mod incoming;
mod origin;
pub mod plan;

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::wire::{GroupcastWord, List, Piece};
use archipelago_core::{Boot, NodeId, Time};
use bytes::Bytes;

use incoming::{Incoming, Taken};
use origin::Outgoing;
use plan::Branch;

/// Bytes of one piece of a long message.
const PIECE_BYTES: usize = 64 * 1024;

/// Limits of one node's groupcasts in one group.
#[derive(Clone, Debug)]
pub struct GroupcastConfig {
    /// Bytes of sent messages that are kept for those who miss them. Default 16 MiB; one message is
    /// kept in any case.
    pub kept_bytes_max: usize,
    /// Bytes of messages that wait for others before them or for their own rest, for one origin.
    /// Default 16 MiB.
    pub waiting_bytes_max: usize,
    /// Longest message in bytes. Default 15 MiB: what fits one message of a channel with its head.
    pub message_bytes_max: usize,
    /// Origins that are remembered. Default 4,096; the one silent for longest is forgotten.
    pub origins_max: usize,
}

impl Default for GroupcastConfig {
    fn default() -> Self {
        Self {
            kept_bytes_max: 16 * 1024 * 1024,
            waiting_bytes_max: 16 * 1024 * 1024,
            message_bytes_max: 15 * 1024 * 1024,
            origins_max: 4_096,
        }
    }
}

/// What a node is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupcastOutput {
    /// Send a word to another member.
    Send {
        /// To whom.
        to: NodeId,
        /// The word as bytes.
        word: Bytes,
    },
    /// Hand a message over; the next of its origin.
    Deliver {
        /// Who sent it.
        origin: NodeId,
        /// The message.
        message: Bytes,
    },
    /// Messages of an origin will not come.
    Missed {
        /// Who sent them.
        origin: NodeId,
        /// How many.
        messages: u64,
    },
}

/// Longer than a groupcast may be; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes, but a groupcast holds at most {max}")]
pub struct GroupcastTooLong {
    /// Its length in bytes.
    pub len: usize,
    /// The limit in bytes.
    pub max: usize,
}

/// One node's groupcasts in one group.
#[derive(Debug)]
pub struct Groupcast {
    me: NodeId,
    boot: Boot,
    config: GroupcastConfig,
    outgoing: Outgoing,
    incoming: BTreeMap<(NodeId, Boot), Incoming>,
    /// Pieces that came twice, or had no place.
    dropped: u64,
}

impl Groupcast {
    /// Nothing sent and nothing heard.
    pub fn new(me: NodeId, boot: Boot, config: GroupcastConfig) -> Self {
        Self {
            me,
            boot,
            config,
            outgoing: Outgoing::default(),
            incoming: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// Sends a message to the living members, this node among them; its number.
    ///
    /// # Errors
    /// [`GroupcastTooLong`]; nothing was sent.
    pub fn cast(
        &mut self,
        message: Bytes,
        alive: &BTreeSet<NodeId>,
        now: Time,
        out: &mut Vec<GroupcastOutput>,
    ) -> Result<u64, GroupcastTooLong> {
        let (len, max) = (message.len(), self.config.message_bytes_max);
        if len > max {
            return Err(GroupcastTooLong { len, max });
        }
        let others: Vec<NodeId> = alive.iter().filter(|id| **id != self.me).copied().collect();
        let kept_bytes_max = self.config.kept_bytes_max;
        let seq = self
            .outgoing
            .push(message.clone(), &others, kept_bytes_max, now);
        if plan::is_direct(others.len(), len) {
            self.send_piece(seq, (0, 1), &message, plan::direct(&others), out);
        } else {
            self.send_by_tree(seq, &message, &plan::tree(&others, alive), out);
        }
        let origin = self.me;
        out.push(GroupcastOutput::Deliver { origin, message });
        Ok(seq)
    }

    /// A word came from a member. What is no word is dropped and counted.
    pub fn handle_word(
        &mut self,
        from: NodeId,
        word: &Bytes,
        alive: &BTreeSet<NodeId>,
        now: Time,
        out: &mut Vec<GroupcastOutput>,
    ) {
        let Ok((word, body)) = GroupcastWord::decode(word) else {
            self.dropped += 1;
            return;
        };
        match word {
            GroupcastWord::Piece(piece) => self.on_piece(piece, body, alive, now, out),
            GroupcastWord::Last { boot, next } => {
                self.with(from, boot, now, out, |incoming| {
                    incoming.on_last(next, now);
                    Taken::default()
                });
                self.handle_timeout(now, out);
            }
            GroupcastWord::Gone { boot, below } => {
                self.with(from, boot, now, out, |incoming| {
                    incoming.on_gone(below, now)
                });
            }
            GroupcastWord::Want {
                boot,
                from: first,
                until,
            } => {
                if boot == self.boot {
                    self.on_want(from, first, until, out);
                }
            }
        }
    }

    /// Questions and last words whose time has come.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<GroupcastOutput>) {
        if let Some(members) = self.outgoing.on_timeout(now) {
            let (boot, next) = (self.boot, self.outgoing.next());
            let word = GroupcastWord::Last { boot, next }.encode(&[]);
            out.extend(members.into_iter().map(|to| GroupcastOutput::Send {
                to,
                word: word.clone(),
            }));
        }
        for (&(origin, boot), incoming) in &mut self.incoming {
            let (want, taken) = incoming.on_timeout(now);
            if let Some((from, until)) = want {
                let word = GroupcastWord::Want { boot, from, until }.encode(&[]);
                out.push(GroupcastOutput::Send { to: origin, word });
            }
            tell(origin, taken, out);
        }
    }

    /// When to call [`Groupcast::handle_timeout`], and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let asks = self.incoming.values().filter_map(Incoming::ask_at);
        let last = self.outgoing.tell_at().map(|at| (at, "last groupcast"));
        let ask = asks.min().map(|at| (at, "missing groupcast"));
        last.into_iter().chain(ask).min()
    }

    /// Pieces and words that came twice, or had no place, ever.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn on_piece(
        &mut self,
        piece: Piece,
        body: Bytes,
        alive: &BTreeSet<NodeId>,
        now: Time,
        out: &mut Vec<GroupcastOutput>,
    ) {
        let below = piece.subtree.clone().into_vec();
        for branch in plan::tree(&below, alive) {
            push_piece(&piece, branch, &body, out);
        }
        if piece.origin == self.me {
            return;
        }
        let bytes_max = self.config.waiting_bytes_max;
        self.with(piece.origin, piece.boot, now, out, |incoming| {
            incoming.on_piece(&piece, body, bytes_max, now)
        });
        if self.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.handle_timeout(now, out);
        }
    }

    /// Sends again what a member misses, as far as it is kept and was meant for it.
    fn on_want(&self, to: NodeId, from: u64, until: u64, out: &mut Vec<GroupcastOutput>) {
        let start = from.max(self.outgoing.low(&to));
        if start > from {
            let (boot, below) = (self.boot, start);
            let word = GroupcastWord::Gone { boot, below }.encode(&[]);
            out.push(GroupcastOutput::Send { to, word });
        }
        let mut bytes = 0;
        for seq in start..until.min(self.outgoing.next()) {
            let Some(message) = self.outgoing.get(seq) else {
                return;
            };
            bytes += message.len();
            // The rest is asked for when this has come.
            if seq > start && bytes > self.config.waiting_bytes_max / 2 {
                return;
            }
            self.send_piece(seq, (0, 1), message, plan::direct(&[to]), out);
        }
    }

    fn send_by_tree(
        &self,
        seq: u64,
        message: &Bytes,
        plan: &[Branch],
        out: &mut Vec<GroupcastOutput>,
    ) {
        let count = u32::try_from(message.len().div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX);
        let mut rest = message.clone();
        for index in 0..count {
            let body = rest.split_to(PIECE_BYTES.min(rest.len()));
            self.send_piece(seq, (index, count), &body, plan.to_vec(), out);
        }
    }

    fn send_piece(
        &self,
        seq: u64,
        (index, count): (u32, u32),
        body: &[u8],
        plan: Vec<Branch>,
        out: &mut Vec<GroupcastOutput>,
    ) {
        let piece = Piece {
            origin: self.me,
            boot: self.boot,
            seq,
            index,
            count,
            subtree: List::new(),
        };
        for branch in plan {
            push_piece(&piece, branch, body, out);
        }
    }

    /// Has the receiving half for an origin do something, made if it is the first.
    fn with(
        &mut self,
        origin: NodeId,
        boot: Boot,
        now: Time,
        out: &mut Vec<GroupcastOutput>,
        act: impl FnOnce(&mut Incoming) -> Taken,
    ) {
        let key = (origin, boot);
        if !self.incoming.contains_key(&key) {
            self.make_room();
            self.incoming.insert(key, Incoming::new(now));
        }
        if let Some(incoming) = self.incoming.get_mut(&key) {
            let taken = act(incoming);
            self.dropped += u64::from(taken.is_dropped);
            tell(origin, taken, out);
        }
    }

    fn make_room(&mut self) {
        if self.incoming.len() >= self.config.origins_max {
            let silent = self.incoming.iter().min_by_key(|(_, known)| known.heard_at);
            let silent = silent.map(|(key, _)| *key);
            silent.and_then(|key| self.incoming.remove(&key));
        }
    }
}

fn tell(origin: NodeId, taken: Taken, out: &mut Vec<GroupcastOutput>) {
    let messages = taken.missed;
    if messages > 0 {
        out.push(GroupcastOutput::Missed { origin, messages });
    }
    let delivered = taken.messages.into_iter();
    out.extend(delivered.map(|message| GroupcastOutput::Deliver { origin, message }));
}

fn push_piece(piece: &Piece, branch: Branch, body: &[u8], out: &mut Vec<GroupcastOutput>) {
    let piece = Piece {
        subtree: List::truncated(branch.below),
        ..piece.clone()
    };
    let word = GroupcastWord::Piece(piece).encode(body);
    let to = branch.to;
    out.push(GroupcastOutput::Send { to, word });
}

#[cfg(test)]
mod tests;
