//! What a run met: which variants, errors and outputs, as numbers.
//!
//! A stand-in for the coverage that a compiler's instrumentation would give: an input whose run
//! met something new, or two things after each other that never were, is worth changing further.

use std::collections::BTreeSet;

/// What one run met, in pairs of neighbours.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    last: u32,
    pairs: BTreeSet<(u32, u32)>,
}

impl Seen {
    /// The run came by `what`: a number that stands for a place or an outcome.
    pub fn at(&mut self, what: u32) {
        self.pairs.insert((self.last, what));
        self.last = what;
    }

    /// The same for whatever a value's `Debug` begins with: the name of its variant.
    pub fn variant(&mut self, value: &impl std::fmt::Debug) {
        let mut name = Name::default();
        // It stops at the end of the name, which is no fault.
        let _ = std::fmt::write(&mut name, format_args!("{value:?}"));
        self.at(name.hash);
    }

    /// Whether something here is not in `all` yet; it is afterwards.
    pub(crate) fn is_news_to(&self, all: &mut BTreeSet<(u32, u32)>) -> bool {
        let before = all.len();
        all.extend(&self.pairs);
        all.len() > before
    }
}

/// Hashes the first two words of what is written, and refuses the rest.
#[derive(Debug, Default)]
struct Name {
    hash: u32,
    words: u32,
}

impl std::fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            if !byte.is_ascii_alphabetic() {
                self.words += 1;
                if self.words > 2 {
                    return Err(std::fmt::Error);
                }
            }
            self.hash = self.hash.wrapping_mul(31).wrapping_add(u32::from(byte));
        }
        Ok(())
    }
}
