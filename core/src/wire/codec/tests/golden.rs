//! The bytes of one message of each kind, in each wire version that this build speaks (F16).
//!
//! Where a difference is meant, raise `WIRE_MAX`, name a new file in [`GOLDEN`], and write it:
//! `GOLDEN=write cargo test -p archipelago-core golden`. The files of the versions before stay as
//! they are for as long as `WIRE_MIN` names them, and what they hold is read.

use std::fmt::Write as _;

use super::generate::{BYE_REASONS, Generator, KINDS, LIVES, REFUSE_REASONS, kind};
use super::*;
use crate::wire::{LookupAnswer, Payload, ProbeOutcome, WIRE_MAX, WIRE_MIN};

/// The newest last.
const GOLDEN: &[(u16, &str)] = &[(1, include_str!("golden/1.txt"))];

fn newest() -> &'static str {
    GOLDEN.last().map_or("", |(_, text)| text)
}

#[test]
fn f16_every_version_that_is_spoken_has_its_golden_bytes() {
    let versions: Vec<u16> = GOLDEN.iter().map(|(version, _)| *version).collect();
    let spoken: Vec<u16> = (WIRE_MIN..=WIRE_MAX).collect();
    assert_eq!(versions, spoken);
}

#[test]
fn golden_bytes_of_every_kind_of_message() {
    let mut text = String::new();
    for (index, (name, make)) in KINDS.iter().enumerate() {
        let message = make(&mut Generator::new(index as u64, 2));
        assert_eq!(kind(&message), *name);
        let mut bytes = Vec::new();
        encode_frame(&message, &mut bytes).unwrap();
        writeln!(text, "{name} {}", hex(&bytes)).unwrap();
    }
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/codec/tests/golden");
        std::fs::write(format!("{folder}/{WIRE_MAX}.txt"), &text).unwrap();
        return;
    }
    for (now, then) in text.lines().zip(newest().lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(text.lines().count(), newest().lines().count());
}

#[test]
fn f16_golden_bytes_of_every_version_are_read() {
    for (_, text) in GOLDEN {
        for line in text.lines() {
            let (name, message) = read(line);
            assert_eq!(kind(&message), name);
        }
    }
    for (index, line) in newest().lines().enumerate() {
        let expected = KINDS[index].1(&mut Generator::new(index as u64, 2));
        assert_eq!(read(line).1, expected);
    }
}

fn read(line: &str) -> (&str, Control) {
    let (name, hex) = line.split_once(' ').unwrap();
    let bytes = unhex(hex);
    let message = FrameReader::new().read(&mut &bytes[..]);
    (name, message.unwrap().unwrap())
}

#[test]
fn golden_numbers_of_the_variants_inside_messages() {
    fn numbers<T: serde::Serialize>(all: &[T]) -> Vec<u8> {
        let first = |value| postcard::to_stdvec(value).unwrap()[0];
        all.iter().map(first).collect()
    }
    assert_eq!(numbers(&BYE_REASONS), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers(&REFUSE_REASONS), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&LIVES), [0, 1, 2, 3, 4]);
    let answers = [
        LookupAnswer::Gone,
        LookupAnswer::NotFound,
        LookupAnswer::NoRoute,
        LookupAnswer::Closed,
        LookupAnswer::Overloaded,
    ];
    assert_eq!(numbers(&answers), [1, 2, 3, 4, 5]);
    let moved = LookupAnswer::Moved(crate::wire::List::new());
    assert_eq!(numbers(&[moved]), [7]);
    let outcomes = [
        ProbeOutcome::Heard { ago_ms: 9 },
        ProbeOutcome::Closed,
        ProbeOutcome::Silent,
    ];
    assert_eq!(numbers(&outcomes), [0, 1, 2]);
    let payloads = [
        Payload::Frames(bytes::Bytes::new()),
        Payload::Control(Box::new(Control::IdleAgree)),
    ];
    assert_eq!(numbers(&payloads), [0, 1]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
