//! Small changes of an input: what a fuzzer does, without one.

use archipelago_core::Rng;

/// Bytes that often decide something: ends of numbers, continued varints, first variants.
const TELLING: [u8; 12] = [0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0x81, 0xfe, 0xff];

/// Changes of one input at once, at most.
const CHANGES_MAX: u64 = 8;

/// A changed copy of `parent`, at most `len_max` bytes; `other` lends what is spliced in.
pub(crate) fn mutated(parent: &[u8], other: &[u8], len_max: usize, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = parent.to_vec();
    for _ in 0..=rng.below(CHANGES_MAX) {
        change(&mut bytes, other, rng);
        bytes.truncate(len_max);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = index(bytes.len(), rng);
    match rng.below(10) {
        0 => set(bytes, at, rng.u64() as u8),
        1 => set(bytes, at, TELLING[index(TELLING.len(), rng)]),
        2 => {
            let bit = 1_u8 << rng.below(8);
            bytes.iter_mut().skip(at).take(1).for_each(|it| *it ^= bit);
        }
        3 => {
            let step = rng.below(9) as u8;
            let changed = bytes
                .get(at)
                .map_or(0, |it| it.wrapping_add(step).wrapping_sub(4));
            set(bytes, at, changed);
        }
        4 => bytes.insert(at, TELLING[index(TELLING.len(), rng)]),
        // The largest number that a varint holds.
        5 => splice(bytes, at, rng.below(2) as usize, &VARINT_MAX),
        6 => {
            let len = piece_len(bytes.len() - at, rng);
            bytes.drain(at..at + len);
        }
        7 => {
            let len = piece_len(bytes.len() - at, rng);
            let piece = bytes[at..at + len].to_vec();
            let to = index(bytes.len(), rng);
            splice(bytes, to, 0, &piece);
        }
        8 => {
            let from = index(other.len(), rng);
            let piece = &other[from..from + piece_len(other.len() - from, rng)];
            let replaced = if rng.chance(1, 2) { piece.len() } else { 0 };
            splice(bytes, at, replaced, piece);
        }
        _ => {
            let noise = rng.array();
            let len = 1 + rng.below(noise.len() as u64) as usize;
            splice(bytes, at, 0, &noise[..len]);
        }
    }
}

const VARINT_MAX: [u8; 10] = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

/// Puts `piece` in the place of `replaced` bytes, or as many as there are.
fn splice(bytes: &mut Vec<u8>, at: usize, replaced: usize, piece: &[u8]) {
    let end = (at + replaced).min(bytes.len());
    bytes.splice(at..end, piece.iter().copied());
}

/// Mostly short, at times all of `left`.
fn piece_len(left: usize, rng: &mut Rng) -> usize {
    let bound = if rng.chance(1, 8) { left } else { left.min(16) };
    index(bound + 1, rng)
}

/// Below `len`; 0 for nothing.
fn index(len: usize, rng: &mut Rng) -> usize {
    rng.below((len as u64).max(1)) as usize
}
