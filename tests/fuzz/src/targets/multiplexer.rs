//! The multiplexer between streams that are used in any way and a peer that writes anything.
//!
//! Promises: no panic; heap bounded by what arrived and by what may wait unread; what it writes are
//! frames, none of them beyond what the peer granted; and after its end nobody waits.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use crate::input::Input;
use crate::swarm::{Door, STREAMS_MAX, Socket};
use crate::{Seen, Target, cost};

/// Bytes of the peer, and calls of this end's streams.
pub(super) const MULTIPLEXER: Target = Target {
    name: "multiplexer",
    run,
    corpus,
    len_max: 2 * 1024,
};

/// What a stream may receive or send before anything is granted.
const WINDOW: u64 = 512 * 1024;

/// What waits for a socket without room, and what is lent.
const OVERHEAD_MAX: u64 = 2 * 1024 * 1024;

const HEAD_LEN: usize = 8;

fn run(bytes: &[u8], seen: &mut Seen) {
    let ((), peak) = cost::heap(|| {
        let mut ends = Ends::new();
        let mut input = Input::new(bytes);
        while !input.is_empty() && !ends.door.is_over() {
            ends.step(&mut input, seen);
        }
        ends.end();
    });
    // A buffer that grows is there twice for a moment.
    let bound = 3 * WINDOW * STREAMS_MAX as u64 + OVERHEAD_MAX;
    assert!(peak <= bound, "{peak} B of heap");
}

/// This end, and what the peer knows.
struct Ends {
    socket: Socket,
    door: Door,
    /// What the peer granted, for each stream.
    granted: BTreeMap<u32, u64>,
    /// What the peer wrote and is no whole frame yet, for the account of grants.
    written: Vec<u8>,
    sent: BTreeMap<u32, u64>,
}

impl Ends {
    fn new() -> Self {
        let socket = Socket::default();
        socket.wires().room = 4_096;
        Self {
            door: Door::new(socket.clone()),
            socket,
            granted: BTreeMap::new(),
            written: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let cx = &mut Context::from_waker(Waker::noop());
        let what = input.below(16);
        seen.at(u32::from(what));
        match what {
            0 | 1 => {
                let len = usize::from(input.byte());
                let bytes = input.bytes(len).to_vec();
                self.arrive(&bytes);
            }
            2..=4 => self.frame(input),
            5 | 6 => self.door.accept(cx),
            7 => self.door.open(cx),
            8 | 9 => {
                let read = self.door.read(
                    input.byte().into(),
                    input.number().min(1 << 20) as usize,
                    cx,
                );
                seen.at(u32::from(read.is_ready()));
            }
            10 | 11 => {
                let (number, len) = (input.byte().into(), input.number().min(1 << 20));
                let written = self.door.write(number, &vec![5; len as usize], cx);
                seen.at(match written {
                    Poll::Pending => 0,
                    Poll::Ready(Ok(_)) => 1,
                    Poll::Ready(Err(_)) => 2,
                });
            }
            12 => self.door.flush(input.byte().into(), cx),
            13 => self.door.close(input.byte().into(), cx),
            14 => self.door.forget(input.byte().into()),
            _ => {
                self.socket.wires().room = input.number().min(1 << 20) as usize;
            }
        }
        self.poll(seen);
    }

    /// A frame with all of its bytes.
    fn frame(&mut self, input: &mut Input<'_>) {
        let stream = u32::from(input.below(20));
        let kind = u32::from(input.below(5));
        let value = match kind {
            0 => input.number().clamp(1, 1 << 20) as u32,
            2 => (input.number() as u32).max(1),
            _ => 0,
        };
        let mut bytes = [(stream << 3 | kind).to_le_bytes(), value.to_le_bytes()].concat();
        if kind == 0 {
            bytes.resize(HEAD_LEN + value as usize, 3);
        }
        self.arrive(&bytes);
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.socket.wires().incoming.extend(bytes);
        self.written.extend_from_slice(bytes);
        let granted = &mut self.granted;
        each_frame(&mut self.written, |stream, kind, value| {
            if kind == 2 {
                let granted = granted.entry(stream).or_insert(0);
                *granted = granted.saturating_add(u64::from(value));
            }
        });
    }

    fn poll(&mut self, seen: &mut Seen) {
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            let before = self.socket.wires().incoming.len();
            if let Some(error) = self.door.poll(cx) {
                seen.variant(&error.kind());
            }
            let after = self.socket.wires().incoming.len();
            if after == before || self.door.is_over() {
                break;
            }
        }
        let (sent, granted) = (&mut self.sent, &self.granted);
        each_frame(&mut self.socket.wires().outgoing, |stream, kind, value| {
            assert!(kind <= 4, "it wrote no frame");
            if kind == 0 {
                let sent = sent.entry(stream).or_insert(0);
                *sent += u64::from(value);
                let granted = granted.get(&stream).copied().unwrap_or(0);
                assert!(
                    *sent <= granted.saturating_add(WINDOW),
                    "more than was granted"
                );
            }
        });
    }

    /// The peer is gone: streams end with what they have received.
    fn end(mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        let is_over = self.door.is_over();
        for number in 0..self.door.streams() {
            while let Poll::Ready(Ok(1..)) = self.door.read(number, 1 << 20, cx) {}
            if is_over {
                let read = self.door.read(number, 1, cx);
                assert!(matches!(read, Poll::Ready(Ok(0))), "{read:?} after the end");
                let written = self.door.write(number, &[1], cx);
                assert!(
                    matches!(written, Poll::Ready(Err(_))),
                    "{written:?} after the end"
                );
            }
        }
    }
}

/// Calls `on_frame` with stream, kind and value of each whole frame of `bytes`, and takes it off.
fn each_frame(bytes: &mut Vec<u8>, mut on_frame: impl FnMut(u32, u32, u32)) {
    let mut rest = &bytes[..];
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD_LEN>() {
        let [a, b, c, d, e, f, g, h] = *head;
        let first = u32::from_le_bytes([a, b, c, d]);
        let value = u32::from_le_bytes([e, f, g, h]);
        let len = if first & 7 == 0 { value as usize } else { 0 };
        let Some(behind) = behind.get(len..) else {
            break;
        };
        on_frame(first >> 3, first & 7, value);
        rest = behind;
    }
    let taken = bytes.len() - rest.len();
    bytes.drain(..taken);
}

fn corpus() -> Vec<Vec<u8>> {
    // The peer opens streams 1 and 3, and writes to them.
    let open = [2, 1, 1, 2, 3, 1, 5, 5];
    let data = [2, 1, 0, 100, 2, 3, 0, 226, 18];
    let read = [8, 0, 50, 9, 1, 226, 18];
    let write = [10, 0, 100, 12, 0];
    let much = [10, 0, 226, 19, 10, 0, 226, 19, 10, 0, 226, 19];
    let grant = [2, 1, 2, 226, 18];
    let ends = [2, 1, 3, 13, 0, 2, 3, 4, 14, 1];
    let narrow = [15, 3];
    let wide = [15, 226, 19];
    let raw = [
        0, 8, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 10, 8, 0, 0, 0, 2, 0, 0, 0, 7, 7,
    ];
    vec![
        [&open[..], &data, &read, &write, &ends].concat(),
        [&open[..], &wide, &much, &grant, &much].concat(),
        [&open[..], &narrow, &write, &much, &data, &wide, &write].concat(),
        [
            &[7, 7][..],
            &write,
            &[2, 2, 2, 100],
            &[2, 2, 0, 100],
            &read,
            &[2, 4, 4],
            &write,
        ]
        .concat(),
        [&raw[..], &read, &[2, 1, 0, 240, 44]].concat(),
    ]
}
