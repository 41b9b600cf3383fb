//! The bytes of frames: round trip, golden bytes, and bytes of an enemy (A6 to A8).

mod channel_support;

use std::time::Duration;

use archipelago_core::LocalId;
use archipelago_core::channel::{
    Ack, BATCH_FRAMES_MAX, CallId, Data, FRAME_HEADER_LEN_MAX, Frame, FrameDecoder, FrameEncoder,
    FrameError, Head, Outcome, Part, StreamId,
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

const PAYLOAD_MAX: usize = 64;

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Whole),
        any::<u32>().prop_map(|len| Part::First { len }),
        Just(Part::Middle),
        Just(Part::Last),
    ]
}

fn head() -> impl Strategy<Value = Head> {
    let id = any::<u64>().prop_map(CallId);
    let outcome = prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::NoReply),
        Just(Outcome::NoMailbox),
        Just(Outcome::WrongType),
        Just(Outcome::Refused),
    ];
    prop_oneof![
        2 => Just(Head::Cast),
        1 => (id.clone(), any::<u64>()).prop_map(|(id, micros)| Head::Call {
            id,
            life: Duration::from_micros(micros),
        }),
        1 => (id, outcome).prop_map(|(id, outcome)| Head::Reply { id, outcome }),
        1 => any::<u64>().prop_map(|id| Head::Stream { id: StreamId(id) }),
    ]
}

/// Numbers close together, so that frames refer to the one before; and any others.
fn data() -> impl Strategy<Value = Frame> {
    (
        prop_oneof![0..2u32, any::<u32>()],
        prop_oneof![0..3u64, any::<u64>()],
        any::<bool>(),
        prop_oneof![0..2u64, any::<u64>()],
        part(),
        head(),
        prop::collection::vec(any::<u8>(), 0..=PAYLOAD_MAX),
    )
        .prop_map(|(epoch, seq, is_fresh, local, part, head, payload)| {
            Frame::Data(Data {
                epoch,
                seq,
                is_fresh,
                from: LocalId(local),
                to: LocalId(!local),
                part,
                head,
                payload: payload.into(),
            })
        })
}

fn ack() -> impl Strategy<Value = Ack> {
    (any::<u32>(), any::<u64>(), any::<u64>()).prop_map(|(epoch, expected, credit)| Ack {
        epoch,
        expected,
        credit,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let local = any::<u64>().prop_map(LocalId);
    prop_oneof![
        6 => data(),
        1 => ack().prop_map(Frame::Ack),
        1 => ack().prop_map(Frame::Resume),
        1 => any::<u32>().prop_map(|epoch| Frame::Reset { epoch }),
        1 => any::<u32>().prop_map(|epoch| Frame::Epoch { epoch }),
        1 => local.clone().prop_map(|to| Frame::FlowPause { to }),
        1 => local.clone().prop_map(|to| Frame::FlowResume { to }),
        1 => local.clone().prop_map(|to| Frame::FlowAsk { to }),
        1 => Just(Frame::AckAsk),
        1 => (local.clone(), local).prop_map(|(from, to)| Frame::NoMailbox { from, to }),
    ]
}

fn whole(seq: u64, payload: &'static [u8]) -> Frame {
    Frame::Data(Data {
        epoch: 1,
        seq,
        is_fresh: seq == 0,
        from: LocalId(0x0102),
        to: LocalId(0x0304),
        part: Part::Whole,
        head: Head::Cast,
        payload: Bytes::from_static(payload),
    })
}

#[test]
fn golden_bytes() {
    let mut out = Vec::new();
    let mut encoder = FrameEncoder::new();
    encoder.encode(&whole(0, b"hi"), &mut out);
    #[rustfmt::skip]
    let first = [8, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'];
    assert_eq!(out, first);

    // The next of the same flow: two bytes besides its payload.
    out.clear();
    encoder.encode(&whole(1, b"yo"), &mut out);
    assert_eq!(out, [0b1100_0000, 2, b'y', b'o']);

    let mut golden = |frame: Frame, bytes: &[u8]| {
        out.clear();
        frame.encode(&mut out);
        assert_eq!(out, bytes, "{frame:?}");
    };
    let ack = Ack {
        epoch: 1,
        expected: 300,
        credit: 0,
    };
    let to = LocalId(9);
    golden(Frame::Ack(ack), &[1, 1, 0xac, 2, 0]);
    golden(Frame::Resume(ack), &[2, 1, 0xac, 2, 0]);
    golden(Frame::Reset { epoch: 7 }, &[3, 7]);
    golden(Frame::FlowPause { to }, &[4, 9, 0, 0, 0, 0, 0, 0, 0]);
    golden(Frame::FlowResume { to }, &[12, 9, 0, 0, 0, 0, 0, 0, 0]);
    golden(Frame::FlowAsk { to }, &[20, 9, 0, 0, 0, 0, 0, 0, 0]);
    golden(Frame::AckAsk, &[6]);
    golden(Frame::Epoch { epoch: 128 }, &[7, 0x80, 1]);
    let from = LocalId(8);
    golden(
        Frame::NoMailbox { from, to },
        &[5, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
    );
}

/// Version 1: what a message is for stands before its frame, and a cast says nothing.
#[test]
fn golden_bytes_of_calls_and_replies() {
    let mut encoder = FrameEncoder::new();
    encoder.encode(&whole(0, b""), &mut Vec::new());
    let mut seq = 0;
    let mut golden = |head: Head, bytes: &[u8]| {
        seq += 1;
        let mut frame = whole(seq, b"x");
        if let Frame::Data(data) = &mut frame {
            data.head = head;
        }
        let mut out = Vec::new();
        encoder.encode(&frame, &mut out);
        assert_eq!(out, bytes, "{head:?}");
    };
    let id = CallId(300);
    let life = Duration::from_millis(1);
    golden(Head::Cast, &[0b1100_0000, 1, b'x']);
    golden(
        Head::Call { id, life },
        &[14, 0xac, 2, 0xe8, 7, 0b1100_0000, 1, b'x'],
    );
    let outcomes = [
        (Outcome::Done, 22),
        (Outcome::NoReply, 30),
        (Outcome::NoMailbox, 38),
        (Outcome::WrongType, 46),
        (Outcome::Refused, 54),
    ];
    for (outcome, first) in outcomes {
        golden(
            Head::Reply { id, outcome },
            &[first, 0xac, 2, 0b1100_0000, 1, b'x'],
        );
    }
    let id = StreamId(300);
    golden(Head::Stream { id }, &[254, 0xac, 2, 0b1100_0000, 1, b'x']);
}

#[test]
fn a_payload_is_a_slice_of_what_was_read() {
    let mut out = Vec::new();
    whole(0, b"payload").encode(&mut out);
    let read = Bytes::from(out);
    let range = read.as_ptr_range();
    let mut batch = Vec::new();
    Frame::decode_batch(&mut read.clone(), PAYLOAD_MAX, &mut batch).unwrap();
    let Frame::Data(data) = &batch[0] else {
        panic!("{batch:?}")
    };
    assert!(range.contains(&data.payload.as_ptr()));
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
    let mut out = Vec::new();
    let mut frame = whole(0, b"");
    if let Frame::Data(data) = &mut frame {
        data.payload = vec![0; PAYLOAD_MAX + 1].into();
    }
    frame.encode(&mut out);
    out.truncate(out.len() - PAYLOAD_MAX);
    let mut batch = Vec::new();
    let result = FrameDecoder::new(PAYLOAD_MAX).decode(&mut Bytes::from(out), &mut batch);
    assert_eq!((result, batch), (Err(FrameError::TooLong), vec![]));
}

/// A6: a read of the shortest frames, a byte each, is decoded by and by, and the stream goes on.
#[test]
fn a6_many_short_frames_come_in_portions() {
    const FRAMES: usize = 2 * BATCH_FRAMES_MAX + 1;
    let mut out = Vec::new();
    Frame::AckAsk.encode(&mut out);
    assert_eq!(out.len(), 1);
    let bytes = out.repeat(FRAMES);
    let mut decoder = FrameDecoder::new(PAYLOAD_MAX);
    let (mut input, mut lens) = (BytesMut::from(&bytes[..]), Vec::new());
    let mut has_more = true;
    while has_more {
        let mut batch = Vec::new();
        has_more = decoder.decode_mut(&mut input, &mut batch).unwrap();
        lens.push(batch.len());
    }
    assert_eq!(lens, [BATCH_FRAMES_MAX, BATCH_FRAMES_MAX, 1]);
    let mut all = Vec::new();
    Frame::decode_batch(&mut Bytes::from(bytes), PAYLOAD_MAX, &mut all).unwrap();
    assert_eq!(all, vec![Frame::AckAsk; FRAMES]);
}

#[test]
fn what_is_not_a_frame_is_refused() {
    let refused: [&[u8]; 10] = [
        &[0b0100_0000, 0],                                          // next of none
        &[0b1000_0000, 1, 0, 0],                                    // same as none
        &[9, 1, 0, 0],                                              // bits that mean nothing
        &[3, 0x80, 0],                                              // not the shortest form
        &[3, 0xff, 0xff, 0xff, 0xff, 0x1f],                         // beyond 32 bits
        &[1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 0], // beyond 64
        &[28, 9, 0, 0, 0, 0, 0, 0, 0],                              // no such kind
        &[62, 1, 0, 1, 0],                                          // nor such an outcome
        &[22, 1, 6],                                                // a reply without data
        &[22, 1, 22, 1, 0],                                         // a reply to a reply
    ];
    for bytes in refused {
        let mut batch = Vec::new();
        let result = Frame::decode_batch(&mut Bytes::from_static(bytes), 64, &mut batch);
        assert_eq!(result, Err(FrameError::Malformed), "{bytes:?}");
    }
}

proptest! {
    /// Any frames, written as one stream and read in any pieces, come out the same.
    #[test]
    fn frames_survive_the_stream(
        frames in prop::collection::vec(frame(), 0..20),
        pieces in prop::collection::vec(1..200usize, 1..50),
    ) {
        let mut out = Vec::new();
        let mut encoder = FrameEncoder::new();
        for frame in &frames {
            let before = out.len();
            encoder.encode(frame, &mut out);
            prop_assert!(out.len() - before <= frame.encoded_len_max());
        }
        let (mut decoder, mut batch) = (FrameDecoder::new(PAYLOAD_MAX), Vec::new());
        let (mut buffer, mut rest) = (BytesMut::new(), out.as_slice());
        for piece in pieces.into_iter().cycle() {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            buffer.extend_from_slice(now);
            decoder.decode_mut(&mut buffer, &mut batch).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(batch, frames);
    }

    /// A frame that stands alone, and one written in two parts, are the same bytes.
    #[test]
    fn header_and_payload_make_the_frame(frame in frame()) {
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        frame.encode(&mut whole);
        FrameEncoder::new().encode_header(&frame, &mut parts);
        prop_assert!(parts.len() <= FRAME_HEADER_LEN_MAX);
        if let Frame::Data(data) = &frame {
            parts.extend_from_slice(&data.payload);
        }
        prop_assert_eq!(&whole, &parts);
        let mut batch = Vec::new();
        Frame::decode_batch(&mut Bytes::from(whole), PAYLOAD_MAX, &mut batch).unwrap();
        prop_assert_eq!(batch, vec![frame]);
    }

    /// Arbitrary bytes: frames or an error; what is taken can be written again.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut input, mut batch) = (Bytes::from(bytes), Vec::new());
        let mut decoder = FrameDecoder::new(PAYLOAD_MAX);
        let total = input.len();
        let result = decoder.decode(&mut input, &mut batch);
        let payloads: usize = batch
            .iter()
            .map(|frame| match frame {
                Frame::Data(data) => data.payload.len(),
                _ => 0,
            })
            .sum();
        prop_assert!(payloads <= total);
        prop_assert!(result.is_err() || input.len() < FRAME_HEADER_LEN_MAX + PAYLOAD_MAX);
    }
}
