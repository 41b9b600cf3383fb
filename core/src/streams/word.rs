//! What the two ends of streams say to each other, and why a stream ends before its time.
//!
//! A word is a message from [`LocalId::STREAMS`](crate::LocalId::STREAMS) to the same mailbox of
//! the peer, in postcard. It is read within its limits or ignored; it allocates no more than a
//! short text.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::StreamId;
use crate::wire::ExitText;

/// A word about one stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Word {
    /// From the reader's end: so many bytes in all may be sent.
    Grant {
        /// Of which stream.
        id: StreamId,
        /// Bytes from the stream's beginning on.
        upto: u64,
    },
    /// From the writer's end: so many bytes were sent in all, and no more follow.
    Finish {
        /// Of which stream.
        id: StreamId,
        /// Bytes of the whole stream.
        len: u64,
    },
    /// From the writer's end: nothing more follows, and what came is not all.
    Abort {
        /// Of which stream.
        id: StreamId,
        /// Why.
        why: Abort,
    },
    /// From the reader's end: nothing more is taken.
    Stop {
        /// Of which stream.
        id: StreamId,
        /// Why.
        why: Stop,
    },
    /// From the reader's end: all that was announced by `Finish` was read.
    Taken {
        /// Of which stream.
        id: StreamId,
    },
}

/// Why a writer's end sends no more of a stream that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Abort {
    /// The writer was dropped.
    Dropped,
    /// The writer says so, and why.
    Said(ExitText),
    /// Nothing moved for too long.
    Idle,
    /// The nodes lost what was under way between them.
    Lost,
}

/// Why a reader's end takes no more of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Stop {
    /// There are as many streams from that node as may be.
    TooMany,
    /// There is no such mailbox.
    NoMailbox,
    /// The reader was dropped.
    Dropped,
    /// Nothing moved for too long.
    Idle,
    /// The nodes lost what was under way between them.
    Lost,
    /// More came than was granted or announced.
    Broken,
}

/// Bytes that are no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no word about a stream: malformed, or of a later version")]
pub struct WordError;

impl Word {
    /// The payload of the message that carries it.
    pub fn to_bytes(&self) -> Bytes {
        let bytes = postcard::to_stdvec(self);
        bytes
            .expect("every word is within its limits by its types")
            .into()
    }

    /// The reverse, of a peer's bytes.
    ///
    /// # Errors
    /// [`WordError`] for anything but exactly one word.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WordError> {
        match postcard::take_from_bytes(bytes) {
            Ok((word, [])) => Ok(word),
            Ok(_) | Err(_) => Err(WordError),
        }
    }

    /// Whether it takes the place of a word that was not sent yet.
    pub(super) fn replaces(&self, known: &Self) -> bool {
        match (self, known) {
            (Self::Grant { id, .. }, Self::Grant { id: other, .. }) => id == other,
            _ => self == known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StreamId = StreamId(300);

    #[test]
    fn golden_words_come_back_and_others_are_refused() {
        let said = Abort::Said(ExitText::new("no"));
        let golden: [(Word, &[u8]); 7] = [
            (Word::Grant { id: ID, upto: 5 }, &[0, 0xac, 2, 5]),
            (Word::Finish { id: ID, len: 128 }, &[1, 0xac, 2, 0x80, 1]),
            (
                Word::Abort { id: ID, why: said },
                &[2, 0xac, 2, 1, 2, b'n', b'o'],
            ),
            (
                Word::Abort {
                    id: ID,
                    why: Abort::Lost,
                },
                &[2, 0xac, 2, 3],
            ),
            (
                Word::Stop {
                    id: ID,
                    why: Stop::TooMany,
                },
                &[3, 0xac, 2, 0],
            ),
            (
                Word::Stop {
                    id: ID,
                    why: Stop::Broken,
                },
                &[3, 0xac, 2, 5],
            ),
            (Word::Taken { id: ID }, &[4, 0xac, 2]),
        ];
        for (word, bytes) in golden {
            assert_eq!(&word.to_bytes()[..], bytes);
            assert_eq!(Word::from_bytes(bytes), Ok(word));
        }
        for bytes in [&[][..], &[9, 1], &[0, 1], &[4, 1, 1], &[2, 1, 1, 1, 7]] {
            assert_eq!(Word::from_bytes(bytes), Err(WordError), "{bytes:?}");
        }
    }
}
