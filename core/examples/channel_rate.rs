//! How many messages a second go through two channels in memory, without and with their bytes.
//!
//! `cargo run --release -p archipelago-core --example channel_rate`
//!
//! One thread plays both ends: each round fills the queue, pulls bursts of 64 KiB, hands them to
//! the other end (as typed frames, or encoded and decoded), and returns what that end says. Rates
//! are by the thread's own time on a processor where the kernel tells it (Linux), so that a busy
//! machine does not spoil them.

#![allow(clippy::disallowed_types, reason = "a measurement needs the clock")]

use std::time::Instant;

use archipelago_core::channel::{
    Channel, ChannelConfig, ChannelOutput, Frame, FrameDecoder, FrameEncoder, Kind, Message, Path,
    PathEvent,
};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, LocalId, Time};
use bytes::{Bytes, BytesMut};

const PATH: Path = Path::Direct(SessionId {
    slot: 0,
    generation: 0,
});

/// Carries frames from one end to the other.
struct Wire {
    is_encoded: bool,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    written: Vec<u8>,
    batch: Vec<Frame>,
    out: Vec<ChannelOutput>,
    delivered: u64,
}

impl Wire {
    fn new(is_encoded: bool, config: &ChannelConfig) -> Self {
        Self {
            is_encoded,
            encoder: FrameEncoder::new(),
            decoder: FrameDecoder::new(config.chunk_bytes_max),
            written: Vec::new(),
            batch: Vec::new(),
            out: Vec::new(),
            delivered: 0,
        }
    }

    /// Moves one burst, if there is one.
    fn carry(&mut self, from: &mut Channel, to: &mut Channel, config: &ChannelConfig) -> bool {
        if from.poll_path().is_none() {
            return false;
        }
        let now = Time::START;
        from.poll_transmit(PATH, 64 * 1024, config, now, &mut self.batch, &mut self.out);
        if self.is_encoded {
            self.encode_and_decode();
        }
        to.handle_frames(PATH, Boot(1), &mut self.batch, config, now, &mut self.out)
            .expect("both ends keep the rules");
        let is_delivery = |output: &ChannelOutput| matches!(output, ChannelOutput::Deliver(_));
        let delivered = self.out.drain(..).filter(is_delivery).count();
        self.delivered += u64::try_from(delivered).unwrap_or(0);
        true
    }

    fn encode_and_decode(&mut self) {
        for frame in self.batch.drain(..) {
            self.encoder.encode(&frame, &mut self.written);
        }
        let mut read = BytesMut::from(self.written.as_slice());
        self.written.clear();
        self.decoder
            .decode_mut(&mut read, &mut self.batch)
            .expect("what was encoded decodes");
    }
}

fn measure(name: &str, len: usize, flows: u64, messages: u64, is_encoded: bool) {
    let config = ChannelConfig::default();
    let (mut a, mut b) = (Channel::new(Boot(1)), Channel::new(Boot(1)));
    for channel in [&mut a, &mut b] {
        let event = PathEvent::Attached(PATH);
        channel.handle_path(event, Boot(1), &config, Time::START, &mut Vec::new());
    }
    let mut there = Wire::new(is_encoded, &config);
    let mut back = Wire::new(is_encoded, &config);
    let payload = Bytes::from(vec![7; len]);
    let begin = clock_s();
    let mut sent = 0;
    while there.delivered < messages {
        while sent < messages {
            let message = Message {
                from: LocalId(sent % flows),
                to: LocalId(1),
                kind: Kind::Cast,
                payload: payload.clone(),
            };
            if a.send(message, &config, Time::START).is_err() {
                break;
            }
            sent += 1;
        }
        while there.carry(&mut a, &mut b, &config) | back.carry(&mut b, &mut a, &config) {}
        // The last messages of all wait for no half window.
        let now = Time::from_micros(10_000_000);
        b.handle_timeout(&config, now, &mut Vec::new());
    }
    let seconds = clock_s() - begin;
    let rate = messages as f64 / seconds;
    let megabytes = rate * len as f64 / 1e6;
    println!(
        "{name:34} {:>8.2} M messages/s {megabytes:>8.0} MB/s",
        rate / 1e6
    );
}

/// Seconds that this thread has run, or else seconds of the clock.
fn clock_s() -> f64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begin = BEGIN.get_or_init(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran_ns = told.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ran_ns.map_or_else(|| begin.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn main() {
    measure("16 B, 1 flow, typed", 16, 1, 5_000_000, false);
    measure("16 B, 1 flow, encoded", 16, 1, 5_000_000, true);
    measure("16 B, 1,000 flows, encoded", 16, 1_000, 5_000_000, true);
    measure("1 kB, 4 flows, encoded", 1_000, 4, 2_000_000, true);
    measure("300 kB, 4 flows, typed", 300_000, 4, 10_000, false);
    measure("300 kB, 4 flows, encoded", 300_000, 4, 10_000, true);
}
