//! What one origin sent: put together, in order, each once, and asked for where it is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::wire::Piece;
use bytes::Bytes;

/// How long something may be missing before its origin is asked for it.
const ASK_AFTER: Duration = Duration::from_millis(500);

/// Questions without an answer after which what is missing is given up.
const ASKS_MAX: u32 = 6;

/// Messages ahead of the expected one that are kept; later ones are asked for again.
const AHEAD_MAX: u64 = 1_024;

/// Messages that are asked for at once.
const ASKED_MAX: u64 = 16;

/// Pieces of one message at most: 64 KiB each of 16 MiB, and some.
const PIECES_MAX: u32 = 1_024;

/// What the place of a piece counts beside its bytes, so that many empty ones are bounded too.
const PLACE_COST: usize = 40;

/// The receiving half, towards one origin.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The number of the next message to hand over.
    expected: u64,
    /// Whether that is sure: a first message other than number 0 may follow others or not.
    is_sure: bool,
    /// One more than the highest number heard of.
    top: u64,
    parts: BTreeMap<u64, Parts>,
    bytes: usize,
    ask_at: Option<Time>,
    asked: u32,
    pub(super) heard_at: Time,
}

#[derive(Debug, Default)]
struct Parts {
    pieces: Vec<Option<Bytes>>,
    missing: usize,
}

/// What became of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Messages that are in order now.
    pub(super) messages: Vec<Bytes>,
    /// How many were given up before them.
    pub(super) missed: u64,
    /// A piece that was there already, or has no place.
    pub(super) is_dropped: bool,
}

impl Incoming {
    pub(super) fn new(now: Time) -> Self {
        Self {
            heard_at: now,
            ..Self::default()
        }
    }

    pub(super) fn on_piece(
        &mut self,
        piece: &Piece,
        body: Bytes,
        bytes_max: usize,
        now: Time,
    ) -> Taken {
        self.heard_at = now;
        if piece.seq == 0 && self.expected == 0 {
            self.is_sure = true;
        }
        let is_taken = self.insert(piece, body, bytes_max);
        self.top = self.top.max(piece.seq.saturating_add(1));
        let mut taken = Taken {
            is_dropped: !is_taken,
            ..Taken::default()
        };
        let is_slow = is_taken && piece.seq == self.expected;
        self.hand_over(&mut taken);
        self.settle(is_slow || !taken.messages.is_empty(), now);
        taken
    }

    /// The origin sent all before `next`.
    pub(super) fn on_last(&mut self, next: u64, now: Time) {
        self.heard_at = now;
        self.top = self.top.max(next);
        if self.expected < self.top {
            self.ask_at = Some(now);
        }
    }

    /// The origin has none before `below`.
    pub(super) fn on_gone(&mut self, below: u64, now: Time) -> Taken {
        self.heard_at = now;
        let mut taken = Taken::default();
        if below <= self.top && below >= self.expected {
            self.skip(below, &mut taken);
            self.hand_over(&mut taken);
        }
        self.settle(true, now);
        taken
    }

    /// Asks for what is missing, or gives it up.
    pub(super) fn on_timeout(&mut self, now: Time) -> (Option<(u64, u64)>, Taken) {
        let mut taken = Taken::default();
        if self.ask_at.is_none_or(|at| at > now) {
            return (None, taken);
        }
        self.asked += 1;
        if self.asked > ASKS_MAX {
            let whole = self.parts.iter().find(|(_, parts)| parts.missing == 0);
            let next = whole.map_or(self.top, |(&seq, _)| seq);
            self.skip(next, &mut taken);
            self.hand_over(&mut taken);
            self.settle(true, now);
            return (None, taken);
        }
        self.ask_at = Some(now.after(ASK_AFTER));
        let until = self.top.min(self.expected.saturating_add(ASKED_MAX));
        (Some((self.expected, until)), taken)
    }

    pub(super) const fn ask_at(&self) -> Option<Time> {
        self.ask_at
    }

    /// Whether the piece has a place that was empty.
    fn insert(&mut self, piece: &Piece, body: Bytes, bytes_max: usize) -> bool {
        let is_ahead = piece.seq.saturating_sub(self.expected) > AHEAD_MAX;
        let is_sound = piece.index < piece.count && piece.count <= PIECES_MAX;
        if !is_sound {
            return false;
        }
        let cost = body.len().saturating_add(piece.count as usize * PLACE_COST);
        let is_full = self.bytes.saturating_add(cost) > bytes_max;
        // What is expected next has room in any case, up to one message.
        let is_refused = is_full && piece.seq != self.expected;
        if piece.seq < self.expected || is_ahead || is_refused {
            return false;
        }
        let (count, index) = (piece.count as usize, piece.index as usize);
        let known = self.parts.get(&piece.seq);
        // Sent again it comes in one piece.
        if known.is_some_and(|parts| parts.pieces.len() != count) {
            if count != 1 {
                return false;
            }
            self.forget(piece.seq);
        }
        let bytes = &mut self.bytes;
        let parts = self.parts.entry(piece.seq).or_insert_with(|| {
            *bytes += count * PLACE_COST;
            Parts {
                pieces: vec![None; count],
                missing: count,
            }
        });
        match parts.pieces.get_mut(index) {
            Some(place @ None) => {
                self.bytes += body.len();
                *place = Some(body);
                parts.missing -= 1;
                true
            }
            _ => false,
        }
    }

    fn hand_over(&mut self, taken: &mut Taken) {
        while self.is_sure
            && let Some(parts) = self.parts.get(&self.expected)
            && parts.missing == 0
        {
            let pieces = self.forget(self.expected);
            taken.messages.push(join(pieces));
            self.expected += 1;
        }
    }

    /// Nothing before `next` comes any more.
    fn skip(&mut self, next: u64, taken: &mut Taken) {
        while let Some((&seq, _)) = self.parts.first_key_value()
            && seq < next
        {
            self.forget(seq);
        }
        // Of what went before the first that it is sure of, nothing was missed.
        if self.is_sure {
            taken.missed += next.saturating_sub(self.expected);
        }
        self.is_sure = true;
        self.expected = self.expected.max(next);
    }

    fn forget(&mut self, seq: u64) -> Vec<Option<Bytes>> {
        let pieces = self.parts.remove(&seq).unwrap_or_default().pieces;
        let bytes: usize = pieces.iter().flatten().map(Bytes::len).sum();
        let places = pieces.len() * PLACE_COST;
        self.bytes = self.bytes.saturating_sub(bytes + places);
        pieces
    }

    /// Something is missing, or nothing is; after progress there is time again.
    fn settle(&mut self, has_moved: bool, now: Time) {
        if self.expected >= self.top {
            self.ask_at = None;
            self.asked = 0;
        } else if !self.is_sure && self.asked == 0 {
            self.ask_at = Some(now);
        } else if has_moved || self.ask_at.is_none() {
            self.ask_at = Some(now.after(ASK_AFTER));
            self.asked = if has_moved { 0 } else { self.asked };
        }
    }
}

/// One copy, unless there is only one piece.
fn join(pieces: Vec<Option<Bytes>>) -> Bytes {
    let mut pieces = pieces.into_iter().flatten();
    let first = pieces.next().unwrap_or_default();
    let Some(second) = pieces.next() else {
        return first;
    };
    let mut whole = first.to_vec();
    whole.extend_from_slice(&second);
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole.into()
}
