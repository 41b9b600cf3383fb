//! Buffers that a thread lends for a read, so that nothing idle keeps one.
//!
//! A read may want another below it (a stream's, of its connection's, of the socket's): each has
//! its own. Cost: as many buffers for a thread as reads lie within each other, each of the longest
//! length that was asked for.

use std::cell::RefCell;

/// Runs `read` with a buffer of `len` bytes, which hold anything.
pub(crate) fn with_scratch<T>(len: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let done = read(buffer.get_mut(..len).unwrap_or_default());
    SPARE.with_borrow_mut(|spare| spare.push(buffer));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_within_reads_have_buffers_of_their_own() {
        for _ in 0..2 {
            with_scratch(4, |outer| {
                outer.copy_from_slice(&[1; 4]);
                with_scratch(8, |inner| inner.copy_from_slice(&[2; 8]));
                assert_eq!(outer, [1; 4]);
            });
        }
    }
}
