//! What is attacked, a file for each.

mod channel;
mod control;
mod frames;
mod multiplexer;
mod statements;
mod words;

use std::fmt::Debug;

use super::{Seen, Target, cost};

/// All of them.
pub const TARGETS: &[Target] = &[
    control::MESSAGES,
    control::STREAM,
    control::LETTERS,
    control::PAYLOADS,
    statements::RECORDS,
    statements::STATEMENTS,
    words::WORDS,
    words::OUTBOX,
    frames::FRAMES,
    channel::CHANNEL,
    multiplexer::MULTIPLEXER,
];

/// Decodes within its bounds; what was decoded has bytes of its own, no longer than those that came
/// (a number may come in a longer form than its shortest), and these mean the same.
fn decoded<T: PartialEq + Debug, B: AsRef<[u8]>>(
    bytes: &[u8],
    seen: &mut Seen,
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Option<B>,
) -> Option<T> {
    let value = cost::decoding(bytes.len(), || decode(bytes))?;
    seen.variant(&value);
    let again = encode(&value).expect("what was decoded can be encoded");
    let again = again.as_ref();
    assert!(again.len() <= bytes.len(), "its shortest form is longer");
    assert_eq!(decode(again).as_ref(), Some(&value), "it means the same");
    let third = encode(&value).expect("it could be encoded before");
    assert_eq!(third.as_ref(), again, "a value has one encoding");
    Some(value)
}

/// The lines of a file of golden bytes: a name and a number in base 16.
fn golden(text: &str) -> Vec<Vec<u8>> {
    let hex = text.lines().filter_map(|line| line.split(' ').next_back());
    hex.map(unhex).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    let bytes = digits.map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).expect("golden bytes are in base 16")
    });
    bytes.collect()
}
