//! Control messages and channel frames as bytes, and back.

use std::hint::black_box;

use archipelago_core::channel::{Data, Frame, FrameDecoder, FrameEncoder, Head, Part};
use archipelago_core::wire::codec::{FrameReader, encode_frame};
use archipelago_core::wire::{Control, GroupBody, List, LogEntry, LogUpdate};
use archipelago_core::{Boot, Era, GroupId, Incarnation, LocalId};
use bytes::Bytes;

use crate::{HotPath, Operation};

pub(super) const HEARTBEAT_WRITTEN: HotPath =
    path("heartbeat-encode", "message", 1, || written(heartbeat()));
pub(super) const HEARTBEAT_READ: HotPath =
    path("heartbeat-decode", "message", 1, || read(&heartbeat()));
pub(super) const LOG_WRITTEN: HotPath =
    path("log-encode", "message of 16 entries", 1, || written(log()));
pub(super) const LOG_READ: HotPath =
    path("log-decode", "message of 16 entries", 1, || read(&log()));
pub(super) const FRAMES_WRITTEN: HotPath =
    path("frames-encode", "frame of 16 B", FRAMES, frames_written);
pub(super) const FRAMES_READ: HotPath = path("frames-decode", "frame of 16 B", FRAMES, frames_read);

const FRAMES: u64 = 64;

const fn path(
    name: &'static str,
    unit: &'static str,
    per: u64,
    make: fn() -> Operation,
) -> HotPath {
    HotPath {
        name,
        per,
        unit,
        make,
    }
}

fn heartbeat() -> Control {
    let body = GroupBody::Heartbeat {
        incarnation: Incarnation(3),
        view_hash: 0x1234_5678,
        log_hash: 0x9abc_def0,
    };
    Control::Group(GroupId([7; 16]), body)
}

fn log() -> Control {
    let entries = (0..16_u8).map(|number| LogEntry {
        seq: 1_000 + u64::from(number),
        key: vec![number; 24].into(),
        value: Some(vec![number; 48].into()),
    });
    let update = LogUpdate {
        boot: Boot(1_700_000_000_000_000),
        era: Era(0),
        from_seq: 999,
        to_seq: 1_015,
        range_after: Bytes::new(),
        range_to: None,
        snapshot: false,
        entries: List::truncated(entries),
    };
    Control::Group(GroupId([7; 16]), GroupBody::Log(update.into()))
}

fn written(message: Control) -> Operation {
    let mut out = Vec::with_capacity(64 * 1024);
    Box::new(move || {
        out.clear();
        encode_frame(black_box(&message), &mut out).expect("it is short");
        black_box(&out);
    })
}

fn read(message: &Control) -> Operation {
    let mut bytes = Vec::new();
    encode_frame(message, &mut bytes).expect("it is short");
    let mut reader = FrameReader::new();
    Box::new(move || {
        let read = reader.read(&mut black_box(&bytes[..]));
        assert!(matches!(black_box(read), Ok(Some(_))));
    })
}

fn frames() -> Vec<Frame> {
    let frame = |seq| {
        Frame::Data(Data {
            epoch: 3,
            seq,
            is_fresh: false,
            from: LocalId(2),
            to: LocalId(3),
            part: Part::Whole,
            head: Head::Cast,
            payload: Bytes::from_static(&[7; 16]),
        })
    };
    (0..FRAMES).map(frame).collect()
}

fn frames_written() -> Operation {
    let frames = frames();
    let mut out = Vec::with_capacity(64 * 1024);
    Box::new(move || {
        out.clear();
        let mut encoder = FrameEncoder::new();
        for frame in black_box(&frames) {
            encoder.encode(frame, &mut out);
        }
        black_box(&out);
    })
}

fn frames_read() -> Operation {
    let (mut encoder, mut bytes) = (FrameEncoder::new(), Vec::new());
    for frame in frames() {
        encoder.encode(&frame, &mut bytes);
    }
    let bytes = Bytes::from(bytes);
    let mut batch = Vec::with_capacity(FRAMES as usize);
    Box::new(move || {
        batch.clear();
        let mut input = black_box(bytes.clone());
        let read = FrameDecoder::new(16 * 1024).decode(&mut input, &mut batch);
        assert_eq!((read, batch.len() as u64), (Ok(false), FRAMES));
    })
}
