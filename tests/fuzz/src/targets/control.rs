//! Control messages, their stream, and what else machines say to each other.

use archipelago_core::wire::codec::{FRAME_HEADER_LEN, FrameReader, decode, encode};
use archipelago_core::wire::{CONTROL_BYTES_MAX, Control, Letter, Payload, Sealed};

use super::{decoded, golden};
use crate::input::Input;
use crate::{Seen, Target, cost};

const GOLDEN: &str = include_str!("../../../../core/src/wire/codec/tests/golden/1.txt");
const GOLDEN_LETTERS: &str = include_str!("../../../../core/src/wire/letter/golden/1.txt");

/// One control message, without the length before it.
pub(super) const MESSAGES: Target = Target {
    name: "control",
    run: messages,
    corpus: bodies,
    len_max: CONTROL_BYTES_MAX + 1,
};

/// Frames of the control stream, in pieces.
pub(super) const STREAM: Target = Target {
    name: "control-stream",
    run: stream,
    corpus: streams,
    len_max: CONTROL_BYTES_MAX,
};

/// Letters between control machines.
pub(super) const LETTERS: Target = Target {
    name: "letter",
    run: letters,
    corpus: || golden(GOLDEN_LETTERS),
    len_max: Letter::BYTES_MAX + 1,
};

/// What an envelope brings once it is opened.
pub(super) const PAYLOADS: Target = Target {
    name: "payload",
    run: payloads,
    corpus: payload_corpus,
    len_max: Sealed::LEN_MAX,
};

fn messages(bytes: &[u8], seen: &mut Seen) {
    let encode = |message: &Control| {
        let mut out = Vec::new();
        encode(message, &mut out).ok().map(|()| out)
    };
    let message = decoded(bytes, seen, |bytes| decode(bytes).ok(), encode);
    if message.is_none()
        && let Err(error) = decode(bytes)
    {
        seen.variant(&error);
    }
}

/// However it is cut, the same comes out, and no more is held than one frame.
fn stream(bytes: &[u8], seen: &mut Seen) {
    let mut input = Input::new(bytes);
    let piece_len = 1 + input.number().min(70_000) as usize;
    let bytes = input.bytes(usize::MAX);
    let whole = read_all(bytes, bytes.len().max(1));
    let pieces = read_all(bytes, piece_len);
    assert_eq!(whole, pieces, "in pieces of {piece_len}");
    for message in &whole.0 {
        seen.variant(message);
    }
}

fn read_all(bytes: &[u8], piece_len: usize) -> (Vec<Control>, bool) {
    let mut reader = FrameReader::new();
    let mut read = Vec::new();
    for mut piece in bytes.chunks(piece_len) {
        loop {
            let before = piece.len();
            let (result, peak) = cost::heap(|| reader.read(&mut piece));
            let taken = before - piece.len();
            // What was held before counts as well: it was no more than a frame.
            let bound = 8 * (taken + CONTROL_BYTES_MAX) as u64;
            assert!(peak <= bound, "{peak} B of heap");
            assert!(reader.buffered_len() <= CONTROL_BYTES_MAX + FRAME_HEADER_LEN);
            match result {
                Ok(Some(message)) => read.push(message),
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}

fn letters(bytes: &[u8], seen: &mut Seen) {
    let decode = |bytes: &[u8]| Letter::from_bytes(bytes).ok();
    decoded(bytes, seen, decode, |letter| letter.to_bytes().ok());
}

fn payloads(bytes: &[u8], seen: &mut Seen) {
    let decode = |bytes: &[u8]| Payload::from_bytes(bytes).ok();
    decoded(bytes, seen, decode, |payload| payload.to_bytes().ok());
}

fn bodies() -> Vec<Vec<u8>> {
    let frames = golden(GOLDEN);
    let bodies = frames
        .iter()
        .map(|frame| frame[FRAME_HEADER_LEN..].to_vec());
    bodies.collect()
}

/// Several frames behind each other, behind the length of pieces.
fn streams() -> Vec<Vec<u8>> {
    let frames = golden(GOLDEN);
    let streams = frames.chunks(4).enumerate().map(|(number, frames)| {
        let mut stream = vec![1 << (number % 8)];
        stream.extend(frames.concat());
        stream
    });
    streams.collect()
}

fn payload_corpus() -> Vec<Vec<u8>> {
    let control = bodies().into_iter().map(|body| [vec![1], body].concat());
    let frames = [vec![0, 3, 6, 6, 6]];
    control.chain(frames).collect()
}
