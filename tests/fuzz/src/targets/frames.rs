//! Frames of the pair channel, as they come by a stream.

use archipelago_core::LocalId;
use archipelago_core::channel::{
    Ack, BATCH_FRAMES_MAX, CallId, Data, Frame, FrameDecoder, FrameEncoder, FrameError, Head,
    Outcome, Part, StreamId,
};
use bytes::{Bytes, BytesMut};

use crate::input::Input;
use crate::{Seen, Target, cost};

/// Longest payload of a frame, as nodes have it.
const CHUNK_BYTES: usize = 16 * 1024;

/// A stream of frames; the first byte says in which pieces it comes.
pub(super) const FRAMES: Target = Target {
    name: "frames",
    run: frames,
    corpus,
    len_max: 64 * 1024,
};

/// Heap that a call may take beyond what is in the frames' payloads, which are slices.
const HEAP_MAX: u64 = 128 * 1024;

/// However it is cut, the same frames come out, and what they are written as means the same.
fn frames(bytes: &[u8], seen: &mut Seen) {
    let mut input = Input::new(bytes);
    let piece_len = 1 + input.number().min(70_000) as usize;
    let bytes = input.bytes(usize::MAX);
    let (whole, result) = read_all(bytes);
    let in_pieces = read_pieces(bytes, piece_len);
    assert_eq!((&whole, &result), (&in_pieces.0, &in_pieces.1));
    for frame in &whole {
        seen.variant(frame);
        if let Frame::Data(data) = frame {
            seen.variant(&data.part);
            seen.variant(&data.head);
        }
    }
    if let Err(error) = result {
        seen.variant(&error);
    }
    let again = written(&whole);
    assert!(again.len() <= bytes.len(), "its shortest form is longer");
    assert_eq!(read_all(&again), (whole, Ok(())), "it means the same");
}

fn read_all(bytes: &[u8]) -> (Vec<Frame>, Result<(), FrameError>) {
    let (mut input, mut all) = (Bytes::copy_from_slice(bytes), Vec::new());
    let mut decoder = FrameDecoder::new(CHUNK_BYTES);
    loop {
        let mut batch = Vec::new();
        let (result, peak) = cost::heap(|| decoder.decode(&mut input, &mut batch));
        assert!(
            peak <= HEAP_MAX,
            "{peak} B of heap for {} frames",
            batch.len()
        );
        assert!(batch.len() <= BATCH_FRAMES_MAX);
        all.append(&mut batch);
        match result {
            Ok(true) => {}
            Ok(false) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

fn read_pieces(bytes: &[u8], piece_len: usize) -> (Vec<Frame>, Result<(), FrameError>) {
    let (mut partial, mut batch) = (BytesMut::new(), Vec::new());
    let mut decoder = FrameDecoder::new(CHUNK_BYTES);
    for piece in bytes.chunks(piece_len) {
        partial.extend_from_slice(piece);
        let mut has_more = true;
        while has_more {
            has_more = match decoder.decode_mut(&mut partial, &mut batch) {
                Ok(has_more) => has_more,
                Err(error) => return (batch, Err(error)),
            };
        }
    }
    (batch, Ok(()))
}

fn written(frames: &[Frame]) -> Vec<u8> {
    let (mut encoder, mut out) = (FrameEncoder::new(), Vec::new());
    for frame in frames {
        encoder.encode(frame, &mut out);
    }
    out
}

fn corpus() -> Vec<Vec<u8>> {
    let data = |seq, part, head, payload: &'static [u8]| {
        Frame::Data(Data {
            epoch: 3,
            seq,
            is_fresh: seq == 0,
            from: LocalId(2),
            to: LocalId(3),
            part,
            head,
            payload: Bytes::from_static(payload),
        })
    };
    let call = Head::Call {
        id: CallId(1 << 33),
        life: std::time::Duration::from_secs(30),
    };
    let reply = |outcome| Head::Reply {
        id: CallId(5),
        outcome,
    };
    let ack = Ack {
        epoch: 3,
        expected: 300,
        credit: 1 << 24,
    };
    let (from, to) = (LocalId(2), LocalId(u64::MAX));
    let frames = [
        Frame::Resume(ack),
        data(0, Part::Whole, Head::Cast, b"one"),
        data(1, Part::First { len: 9 }, call, b"thr"),
        data(2, Part::Middle, Head::Cast, b"ee "),
        data(3, Part::Last, Head::Cast, b"six"),
        data(4, Part::Whole, reply(Outcome::Done), b""),
        data(5, Part::Whole, reply(Outcome::Refused), b""),
        data(6, Part::Whole, Head::Stream { id: StreamId(9) }, b"first"),
        Frame::Ack(ack),
        Frame::FlowPause { to },
        Frame::FlowAsk { to },
        Frame::FlowResume { to },
        Frame::NoMailbox { from, to },
        Frame::AckAsk,
        Frame::Reset { epoch: 3 },
        Frame::Epoch { epoch: u32::MAX },
    ];
    let cut = |piece: u8, frames: &[Frame]| [vec![piece], written(frames)].concat();
    let singles = frames
        .iter()
        .map(|frame| cut(2, std::slice::from_ref(frame)));
    // The shortest frame that there is, and the shortest with data, as many as a read may bring.
    let dense = [vec![200], vec![6; 65_535]].concat();
    let empty = (0..16_384).map(|seq| data(seq, Part::Whole, Head::Cast, b""));
    let empty = cut(200, &empty.collect::<Vec<_>>());
    let sequences = [cut(6, &frames), cut(200, &frames), dense, empty];
    singles.chain(sequences).collect()
}
