//! A pair channel between an owner that does what owners do and a peer that does anything.
//!
//! Promises, whatever comes in whatever order: no panic; what it holds stays within its limits
//! (I11), whole messages come out no longer than allowed, what it says that it would send it sends,
//! and a timer that was served is not due any more.

use std::time::Duration;

use archipelago_core::channel::{
    Ack, CallId, Channel, ChannelConfig, ChannelOutput, Data, Frame, FrameDecoder, FrameError,
    Head, Kind, Message, Outcome, Part, Path, PathEvent, StreamId,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Time};
use bytes::Bytes;

use crate::input::Input;
use crate::{Seen, Target, cost};

/// Inputs of a channel, one after the other.
pub(super) const CHANNEL: Target = Target {
    name: "channel",
    run,
    corpus,
    len_max: 4 * 1024,
};

const PATHS: [Path; 4] = [Path::Relay, Path::Detour, direct(1), direct(2)];

/// What tables, buffers and frames on their way may take beside the limits of payloads.
const OVERHEAD_MAX: usize = 256 * 1024;

/// Pulls until nothing is left, at most: far more than limits allow.
const PULLS_MAX: usize = 4_096;

fn run(bytes: &[u8], seen: &mut Seen) {
    let config = small();
    let limits = config.queue_bytes_max
        + config.paused_bytes_max
        + 2 * config.window_bytes_max
        + 2 * config.reassembly_bytes_max
        + 4 * config.message_bytes_max;
    let ((), peak) = cost::heap(|| {
        let mut owner = Owner::new(config);
        let mut input = Input::new(bytes);
        while !input.is_empty() {
            owner.step(&mut input, seen);
            owner.check();
        }
        owner.end();
    });
    let bound = limits + OVERHEAD_MAX + 8 * bytes.len();
    assert!(peak <= bound as u64, "{peak} B of heap");
}

/// Limits that a few inputs reach.
fn small() -> ChannelConfig {
    ChannelConfig {
        queue_bytes_max: 4_096,
        paused_bytes_max: 2_048,
        window_bytes_max: 2_048,
        message_bytes_max: 8_192,
        chunk_bytes_max: 512,
        reassembly_bytes_max: 16_384,
        ..ChannelConfig::default()
    }
}

/// A channel, and what its owner lends it.
struct Owner {
    channel: Channel,
    config: ChannelConfig,
    now: Time,
    boot: Boot,
    decoders: [FrameDecoder; 4],
    partials: [Bytes; 4],
    /// What the peer counts for itself, so that its numbers are right at times.
    epoch: u32,
    seq: u64,
    acked: u64,
    their_epoch: u32,
    out: Vec<ChannelOutput>,
}

impl Owner {
    fn new(config: ChannelConfig) -> Self {
        Self {
            channel: Channel::new(Boot(0)),
            decoders: std::array::from_fn(|_| FrameDecoder::new(config.chunk_bytes_max)),
            partials: Default::default(),
            config,
            now: Time::from_micros(5_000_000),
            boot: Boot(1),
            epoch: 1,
            seq: 0,
            acked: 0,
            their_epoch: 0,
            out: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let what = input.below(16);
        seen.at(u32::from(what));
        match what {
            0 => self.raw(input, seen),
            1..=5 => self.crafted(input, seen),
            6 => self.send(input, seen),
            7 => self.pull(input, seen),
            8 => self.wait(input),
            9 => self.mailbox(input),
            10 => self.path(input, PathEvent::Attached),
            11 => self.path(input, PathEvent::Detached),
            12 => self.boot = Boot(input.number()),
            13 => self
                .channel
                .handle_unreachable(&self.config, self.now, &mut self.out),
            14 => drop(self.channel.abandon(&self.config, self.now)),
            _ => self.no_mailbox(input),
        }
        for output in self.out.drain(..) {
            seen.variant(&output);
            if let ChannelOutput::Deliver(message) = output {
                assert!(message.payload.len() <= self.config.message_bytes_max);
            }
        }
    }

    /// Bytes of a stream, or of an envelope.
    fn raw(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let number = usize::from(input.below(4));
        let len = usize::from(input.byte());
        let bytes = [&self.partials[number][..], input.bytes(len)].concat();
        let (mut bytes, mut batch) = (Bytes::from(bytes), Vec::new());
        let decoded = self.decoders[number].decode(&mut bytes, &mut batch);
        self.partials[number] = bytes;
        let handled = self.handle(number, batch, seen);
        if let Err(error) = decoded.map(drop).and(handled) {
            seen.variant(&error);
            self.close(number);
        }
    }

    /// Frames whose numbers are near those that count.
    fn crafted(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let number = usize::from(input.below(4));
        let count = 1 + input.below(4);
        let batch = (0..count).map(|_| self.frame(input)).collect();
        if self.handle(number, batch, seen).is_err() {
            self.close(number);
        }
    }

    fn handle(
        &mut self,
        number: usize,
        mut batch: Vec<Frame>,
        seen: &mut Seen,
    ) -> Result<(), FrameError> {
        for frame in &batch {
            seen.variant(frame);
        }
        let (path, boot, config) = (PATHS[number], self.boot, &self.config);
        self.channel
            .handle_frames(path, boot, &mut batch, config, self.now, &mut self.out)
    }

    fn frame(&mut self, input: &mut Input<'_>) -> Frame {
        match input.below(20) {
            0..=9 => Frame::Data(self.data(input)),
            10 | 11 => Frame::Ack(self.ack(input)),
            12 => Frame::Resume(self.ack(input)),
            13 => Frame::Reset {
                epoch: self.their_epoch.wrapping_add(u32::from(input.below(2))),
            },
            14 => Frame::FlowPause {
                to: input.mailbox(),
            },
            15 => Frame::FlowResume {
                to: input.mailbox(),
            },
            16 => Frame::FlowAsk {
                to: input.mailbox(),
            },
            17 => Frame::AckAsk,
            18 => {
                self.epoch = self.epoch.wrapping_add(input.number() as u32);
                self.seq = 0;
                Frame::Epoch { epoch: self.epoch }
            }
            _ => Frame::NoMailbox {
                from: input.mailbox(),
                to: input.mailbox(),
            },
        }
    }

    /// Mostly the next one of the epoch.
    fn data(&mut self, input: &mut Input<'_>) -> Data {
        match input.below(16) {
            0 => self.seq = input.number(),
            1 => self.seq = self.seq.wrapping_sub(1),
            2 => {
                self.epoch = self.epoch.wrapping_add(1);
                self.seq = 0;
            }
            3 => self.epoch = input.number() as u32,
            _ => {}
        }
        let payload = vec![7; usize::from(input.byte()) * 3 % 600];
        let part = match input.below(6) {
            0..=2 => Part::Whole,
            3 => Part::First {
                len: input.number() as u32,
            },
            4 => Part::Middle,
            _ => Part::Last,
        };
        let head = match input.below(7) {
            0..=3 => Head::Cast,
            4 => Head::Call {
                id: CallId(input.number()),
                life: Duration::from_micros(input.number()),
            },
            5 => Head::Stream {
                id: StreamId(input.number()),
            },
            _ => Head::Reply {
                id: CallId(input.number()),
                outcome: Outcome::Done,
            },
        };
        let data = Data {
            epoch: self.epoch,
            seq: self.seq,
            is_fresh: input.bool(),
            from: input.mailbox(),
            to: input.mailbox(),
            part,
            head,
            payload: payload.into(),
        };
        self.seq = self.seq.wrapping_add(1);
        data
    }

    /// Mostly of what was sent.
    fn ack(&mut self, input: &mut Input<'_>) -> Ack {
        let expected = match input.below(4) {
            0 => input.number(),
            1 => self.acked.wrapping_add(1),
            _ => self.acked,
        };
        Ack {
            epoch: self.their_epoch,
            expected,
            credit: input.number() << input.below(16),
        }
    }

    fn send(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let kind = match input.below(4) {
            0 => Kind::Call {
                id: CallId(1),
                deadline: self.now.after(Duration::from_millis(input.number())),
            },
            1 => Kind::Reply {
                id: CallId(1),
                outcome: Outcome::Done,
            },
            _ => Kind::Cast,
        };
        let message = Message {
            from: input.mailbox(),
            to: input.mailbox(),
            kind,
            payload: vec![9; (input.number() as usize).wrapping_mul(13) % 9_000].into(),
        };
        if let Err(error) = self.channel.send(message, &self.config, self.now) {
            seen.variant(&error);
        }
    }

    fn pull(&mut self, input: &mut Input<'_>, seen: &mut Seen) {
        let (path, bytes_max) = (PATHS[usize::from(input.below(4))], input.number() as usize);
        let mut batch: Vec<Frame> = Vec::new();
        self.channel.poll_transmit(
            path,
            bytes_max,
            &self.config,
            self.now,
            &mut batch,
            &mut self.out,
        );
        for frame in &batch {
            seen.variant(frame);
            if let Frame::Data(data) = frame {
                self.their_epoch = data.epoch;
                self.acked = data.seq;
            }
        }
    }

    fn wait(&mut self, input: &mut Input<'_>) {
        let micros = 1_u64 << (input.byte() % 40);
        self.now = self.now.after(Duration::from_micros(micros));
        self.channel
            .handle_timeout(&self.config, self.now, &mut self.out);
        if let Some((due, why)) = self.channel.poll_timeout() {
            assert!(due > self.now, "{why} is due at once again");
        }
    }

    fn mailbox(&mut self, input: &mut Input<'_>) {
        let (to, is_full) = (input.mailbox(), input.bool());
        self.channel
            .handle_mailbox(to, is_full, &self.config, &mut self.out);
    }

    fn path(&mut self, input: &mut Input<'_>, event: fn(Path) -> PathEvent) {
        let number = usize::from(input.below(4));
        self.restart_stream(number);
        let event = event(PATHS[number]);
        self.channel
            .handle_path(event, self.boot, &self.config, self.now, &mut self.out);
    }

    fn no_mailbox(&mut self, input: &mut Input<'_>) {
        let (from, to) = (input.mailbox(), input.mailbox());
        self.channel.handle_no_mailbox(from, to);
    }

    /// The peer broke the protocol: its session is closed.
    fn close(&mut self, number: usize) {
        self.restart_stream(number);
        let event = PathEvent::Detached(PATHS[number]);
        self.channel
            .handle_path(event, self.boot, &self.config, self.now, &mut self.out);
    }

    fn restart_stream(&mut self, number: usize) {
        self.decoders[number] = FrameDecoder::new(self.config.chunk_bytes_max);
        self.partials[number] = Bytes::new();
    }

    fn check(&self) {
        let (stats, config) = (self.channel.stats(), &self.config);
        // One message is always taken by an empty queue; each costs some bytes more.
        let message = config.message_bytes_max + 64;
        let queued_max = config.queue_bytes_max + config.paused_bytes_max + 2 * message;
        assert!(stats.queued_bytes <= queued_max, "{stats:?}");
        assert!(stats.unacked_bytes <= config.window_bytes_max, "{stats:?}");
        let held_max = config.reassembly_bytes_max.max(message) as u64;
        assert!(stats.held_bytes <= held_max, "{stats:?}");
    }

    /// All that can leave leaves, and that ends.
    fn end(&mut self) {
        for _ in 0..PULLS_MAX {
            let Some(path) = self.channel.poll_path() else {
                return;
            };
            let mut batch: Vec<Frame> = Vec::new();
            let taken = self.channel.poll_transmit(
                path,
                usize::MAX,
                &self.config,
                self.now,
                &mut batch,
                &mut self.out,
            );
            assert_eq!(taken == 0, batch.is_empty());
            self.out.clear();
        }
        panic!("it has something to send for ever");
    }
}

const fn direct(slot: u32) -> Path {
    Path::Direct(SessionId {
        slot,
        generation: 0,
    })
}

/// A few lives of a channel: attached, used, filled, paused, cut.
fn corpus() -> Vec<Vec<u8>> {
    let attach = [10, 2];
    let resume = [1, 2, 0, 12, 2, 0, 100, 8];
    let pull = [7, 2, 255, 16, 0];
    let cast = |len: u8| [6, 2, 0, 1, len];
    // Of one piece, then the first, the second and the last of three.
    let whole = [1, 2, 0, 0, 4, 10, 0, 0, 0, 0, 1];
    let first = [1, 2, 0, 0, 4, 100, 3, 250, 3, 8, 0, 0, 0, 1];
    let middle = [1, 2, 0, 0, 4, 100, 4, 0, 0, 0, 1];
    let last = [1, 2, 0, 0, 4, 100, 5, 0, 0, 0, 1];
    let used = [
        &attach[..],
        &resume,
        &pull,
        &whole,
        &cast(10),
        &pull,
        &whole,
        &[8, 21],
    ]
    .concat();
    let long = [
        &attach[..],
        &resume,
        &first,
        &middle,
        &last,
        &pull,
        &cast(200),
        &pull,
    ]
    .concat();
    let paused = [
        &attach[..],
        &resume,
        &[1, 2, 0, 14, 1],
        &cast(40),
        &cast(200),
        &pull,
        &[8, 22, 8, 23],
    ]
    .concat();
    let full = [
        &attach[..],
        &resume,
        &[9, 1, 1],
        &whole,
        &whole,
        &first,
        &middle,
        &[9, 1, 0],
        &pull,
    ]
    .concat();
    let moved = [
        &[10, 0][..],
        &cast(50),
        &[7, 0, 200],
        &attach,
        &resume,
        &pull,
        &[11, 2],
        &[7, 0, 200],
        &[8, 24],
    ]
    .concat();
    let ended = [
        &used[..],
        &[12, 9],
        &whole,
        &[13],
        &cast(3),
        &pull,
        &[14],
        &resume,
    ]
    .concat();
    vec![used, long, paused, full, moved, ended]
}
