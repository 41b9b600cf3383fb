//! Which of a source's envelopes were opened already.
//!
//! The numbers of one source rise over all its targets, so this target sees gaps of any length:
//! the window holds the last numbers seen rather than a span of them.
//! Source: the anti-replay window of RFC 4303 section 3.4.3, with a list for the bit map.
//! Cost: at most 512 bytes per source.

/// Numbers remembered per source.
const LEN_MAX: usize = 64;

/// The window of one source's boot.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Numbers up to this one are refused without looking.
    floor: u64,
    /// Sorted, above the floor.
    seen: Vec<u64>,
}

impl Window {
    /// Notes `number`; `false` if it was seen, or is too old to tell.
    pub(super) fn accept(&mut self, number: u64) -> bool {
        if number <= self.floor {
            return false;
        }
        match self.seen.binary_search(&number) {
            Ok(_) => false,
            Err(position) => {
                self.seen.insert(position, number);
                if self.seen.len() > LEN_MAX {
                    self.floor = self.seen.remove(0);
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_accepted_twice(numbers in prop::collection::vec(1_u64..500, 0..2_000)) {
            let mut window = Window::default();
            let mut accepted = BTreeSet::new();
            for number in numbers {
                if window.accept(number) {
                    prop_assert!(accepted.insert(number));
                }
                prop_assert!(window.seen.len() <= LEN_MAX);
            }
        }
    }

    #[test]
    fn a_gap_of_any_length_leaves_late_ones_welcome() {
        let mut window = Window::default();
        assert!(window.accept(5) && window.accept(u64::MAX) && window.accept(1_000));
        assert!(!window.accept(5) && !window.accept(0));
    }
}
