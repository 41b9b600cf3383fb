//! A message from one channel's queue through frames to the other's delivery, and its
//! acknowledgement back.

use archipelago_core::channel::{
    Channel, ChannelConfig, ChannelOutput, Encoded, Frame, FrameDecoder, FrameEncoder, Kind,
    Message, Path, PathEvent,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, LocalId, Time};
use bytes::{Bytes, BytesMut};

use crate::{HotPath, Operation};

pub(super) const BYTES_16: HotPath = path("channel-16", 64, || pass(64, 16));
pub(super) const BYTES_1K: HotPath = path("channel-1k", 64, || pass(64, 1_000));
pub(super) const BYTES_300K: HotPath = path("channel-300k", 1, || pass(1, 300_000));

const fn path(name: &'static str, per: u64, make: fn() -> Operation) -> HotPath {
    HotPath {
        name,
        per,
        unit: "message, acknowledged",
        make,
    }
}

const PATH: Path = Path::Direct(SessionId {
    slot: 1,
    generation: 0,
});

/// Bytes pulled at once, as the writer of a session does.
const PULL: usize = 64 * 1024;

/// One end, and its stream in each direction.
struct End {
    channel: Channel,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    unread: BytesMut,
}

struct Pair {
    config: ChannelConfig,
    now: Time,
    ends: [End; 2],
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    out: Vec<ChannelOutput>,
    delivered: u64,
}

impl Pair {
    fn new() -> Self {
        let config = ChannelConfig::default();
        let now = Time::from_micros(1_000_000);
        let ends = [(); 2].map(|()| End {
            channel: Channel::new(Boot(1)),
            encoder: FrameEncoder::new(),
            decoder: FrameDecoder::new(config.chunk_bytes_max),
            unread: BytesMut::new(),
        });
        let mut pair = Self {
            config,
            now,
            ends,
            bytes: Vec::with_capacity(2 * PULL),
            frames: Vec::new(),
            out: Vec::new(),
            delivered: 0,
        };
        for end in 0..2 {
            let channel = &mut pair.ends[end].channel;
            let event = PathEvent::Attached(PATH);
            channel.handle_path(event, Boot(1), &pair.config, now, &mut pair.out);
        }
        pair.settle();
        pair
    }

    fn send(&mut self, payload: &Bytes) {
        let message = Message {
            from: LocalId(2),
            to: LocalId(3),
            kind: Kind::Cast,
            payload: payload.clone(),
        };
        let sent = self.ends[0].channel.send(message, &self.config, self.now);
        assert_eq!(sent, Ok(()));
    }

    /// Carries frames both ways until nothing is left to send.
    fn settle(&mut self) {
        while (0..2).any(|end| self.ends[end].channel.poll_path().is_some()) {
            for end in 0..2 {
                self.carry(end);
            }
        }
    }

    fn carry(&mut self, from: usize) {
        self.bytes.clear();
        let end = &mut self.ends[from];
        let mut sink = Encoded {
            encoder: &mut end.encoder,
            bytes: &mut self.bytes,
        };
        let (config, out) = (&self.config, &mut self.out);
        end.channel
            .poll_transmit(PATH, PULL, config, self.now, &mut sink, out);
        let end = &mut self.ends[1 - from];
        end.unread.extend_from_slice(&self.bytes);
        let decoded = end.decoder.decode_mut(&mut end.unread, &mut self.frames);
        assert!(decoded.is_ok());
        let frames = &mut self.frames;
        let handled = end
            .channel
            .handle_frames(PATH, Boot(1), frames, config, self.now, out);
        assert_eq!(handled, Ok(()));
        for output in out.drain(..) {
            self.delivered += u64::from(matches!(output, ChannelOutput::Deliver(_)));
        }
    }

    /// Acknowledges what is not, as a timer would after a while.
    fn acknowledge(&mut self) {
        self.now = self.now.after(self.config.ack_delay_direct);
        let (now, config) = (self.now, &self.config);
        for end in &mut self.ends {
            end.channel.handle_timeout(config, now, &mut self.out);
        }
        self.settle();
        assert!(self.ends[0].channel.is_at_rest());
    }
}

fn pass(count: u64, len: usize) -> Operation {
    let mut pair = Pair::new();
    let payload = Bytes::from(vec![7; len]);
    Box::new(move || {
        let before = pair.delivered;
        for _ in 0..count {
            pair.send(&payload);
        }
        pair.settle();
        pair.acknowledge();
        assert_eq!(pair.delivered - before, count);
    })
}
