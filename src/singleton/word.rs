//! What candidates of a singleton say to each other, by postcard.

use serde::{Deserialize, Serialize};

/// A word to a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// A call to the one: end the run, and answer with its state once the name is let go.
    HandOver {
        /// For so long the name is another's to have, in ms.
        aside_ms: u32,
    },
    /// Do not ask for the name for so long, in ms.
    StandBack {
        /// At most [`ASIDE_MS_MAX`] counts.
        aside_ms: u32,
    },
}

/// Longest time that one word keeps a candidate from asking.
pub(super) const ASIDE_MS_MAX: u32 = 60_000;

/// Where the candidates of a name find each other.
pub(super) fn process_group(name: &[u8]) -> Vec<u8> {
    let mut group = b"archipelago/singleton/".to_vec();
    // A name's own limit is checked where it is asked for.
    group.extend_from_slice(name.get(..200).unwrap_or(name));
    group
}

impl Word {
    pub(super) fn encode(self) -> Vec<u8> {
        // It has an encoding, whatever its number.
        postcard::to_stdvec(&self).unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (word, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(word)
    }
}
