//! What decoding costs in heap (A6, A7), counted by the allocator.

use allocation_counter::measure;
use proptest::prelude::*;

use super::generate::{Generator, KINDS};
use super::*;
use crate::wire::{GroupBody, List, LogEntry, RouteBody};
use crate::{GroupId, NodeId};

/// Frames below this may cost as much as one of this size: a few small lists and boxes.
const SMALL_FRAME_LEN: usize = 4 * 1024;

fn peak_of_decoding(bytes: &[u8]) -> u64 {
    measure(|| drop(decode(bytes))).bytes_max
}

fn assert_bounded(bytes: &[u8]) {
    let peak = peak_of_decoding(bytes);
    let bound = 8 * bytes.len().max(SMALL_FRAME_LEN) as u64;
    assert!(peak <= bound, "{peak} B of heap for {} B", bytes.len());
}

proptest! {
    #[test]
    fn a7_heap_is_at_most_eight_times_the_frame(seed: u64, list_len_max in 0..300_u64, at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        if encode(&Generator::new(seed, list_len_max).any(), &mut bytes).is_ok() {
            assert_bounded(&bytes);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            assert_bounded(&bytes);
        }
    }
}

#[test]
fn a7_the_densest_messages_stay_within_eight_times_their_frame() {
    let group = |body| Control::Group(GroupId([0; 16]), body);
    let mut generator = Generator::new(0, 0);
    let mut update = generator.log_update();
    let deletion = LogEntry {
        seq: 0,
        key: vec![1].into(),
        value: None,
    };
    update.entries = List::truncated(std::iter::repeat_n(deletion, 10_000));
    let entry = crate::wire::Entry {
        boot: crate::Boot(0),
        era: crate::Era(0),
        incarnation: crate::Incarnation(0),
        ..generator.entry(false)
    };
    // One more than a power of two: just after a list has grown.
    let entries = |len| List::truncated(std::iter::repeat_n(entry.clone(), len));
    let versions = (NodeId([0; 32]), crate::Boot(0), 0);
    let messages = [
        group(GroupBody::Log(update.into())),
        group(GroupBody::ViewDigest(entries(1_024).into())),
        group(GroupBody::ViewDigest(entries(513).into())),
        Control::Route(RouteBody::RowDigest(List::truncated([versions; 1_024]))),
    ];
    for message in &messages {
        let mut bytes = Vec::new();
        encode(message, &mut bytes).unwrap();
        assert!(
            peak_of_decoding(&bytes) > bytes.len() as u64,
            "it is counted"
        );
        assert_bounded(&bytes);
    }
}

#[test]
fn a7_a_claim_of_many_elements_allocates_nothing_for_them() {
    for (index, (_, make)) in KINDS.iter().enumerate() {
        let mut bytes = Vec::new();
        encode(&make(&mut Generator::new(index as u64, 2)), &mut bytes).unwrap();
        // Every byte in turn becomes the largest number that a varint can hold.
        for at in 0..bytes.len() {
            let mut bomb = bytes[..at].to_vec();
            bomb.extend([255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
            bomb.extend(&bytes[at..]);
            assert!(peak_of_decoding(&bomb) <= 8 * SMALL_FRAME_LEN as u64);
        }
    }
}

/// Enough bytes follow for the claim to be believed, but not enough for its elements.
#[test]
fn a7_a_claim_with_some_bytes_behind_it_allocates_only_for_those() {
    let empty = [
        GroupBody::ViewDigest(Default::default()),
        GroupBody::View(Default::default()),
        GroupBody::LogDigest(Default::default()),
    ];
    for body in empty {
        let mut bomb = Vec::new();
        encode(&Control::Group(GroupId([0; 16]), body), &mut bomb).unwrap();
        // The last byte is the list's length: now 1,024.
        bomb.pop();
        bomb.extend([128, 8]);
        bomb.resize(bomb.len() + 1_100, 0);
        assert_eq!(decode(&bomb), Err(DecodeError::Truncated));
        let peak = peak_of_decoding(&bomb);
        assert!(peak <= 8 * bomb.len() as u64, "{peak} B");
    }
}

#[test]
fn a6_an_announced_frame_allocates_nothing_before_it_arrives() {
    let cost = measure(|| {
        let mut reader = FrameReader::new();
        assert_eq!(reader.read(&mut &65_536_u32.to_le_bytes()[..]), Ok(None));
        assert_eq!(reader.read(&mut &[1_u8, 2, 3][..]), Ok(None));
        assert_eq!(reader.buffered_len(), 7);
    });
    assert!(cost.bytes_max <= 64, "{} B", cost.bytes_max);
}

#[test]
fn a_reader_at_rest_holds_no_buffer() {
    let mut bytes = Vec::new();
    encode_frame(&Control::Ping(1), &mut bytes).unwrap();
    let mut reader = FrameReader::new();
    let cost = measure(|| {
        for piece in bytes.chunks(2) {
            drop(reader.read(&mut { piece }));
        }
    });
    assert_eq!(cost.bytes_current, 0);
}
