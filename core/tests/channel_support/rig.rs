//! One channel with what a driver lends it, and frames in few words, for handler tests.

use archipelago_core::channel::{
    Ack, Channel, ChannelConfig, ChannelOutput, Data, Frame, FrameError, Head, Part, Path,
    PathEvent, SendError,
};
use archipelago_core::{Boot, LocalId, Time};
use bytes::Bytes;

use super::{direct, message};

pub const A: Path = direct(1);
pub const B: Path = direct(2);

/// A channel and what a driver lends it.
pub struct Rig {
    pub channel: Channel,
    pub config: ChannelConfig,
    pub now: Time,
}

impl Rig {
    pub fn new() -> Self {
        Self {
            channel: Channel::new(Boot(1)),
            config: ChannelConfig::default(),
            now: Time::START,
        }
    }

    /// Attached to a direct path by which the peer's `Resume` came and was acknowledged.
    pub fn connected() -> Self {
        let mut rig = Self::new();
        rig.attach(A);
        assert_eq!(rig.transmit(A), [resume(0, 0)]);
        assert_eq!(rig.arrive(A, vec![resume(0, 0)]), Ok(vec![]));
        assert_eq!(rig.transmit(A), [ack(0, 0)]);
        rig
    }

    pub fn relayed() -> Self {
        let mut rig = Self::new();
        rig.attach(Path::Relay);
        rig
    }

    pub fn path(&mut self, event: PathEvent, boot: u64) -> Vec<ChannelOutput> {
        let mut out = Vec::new();
        let config = &self.config;
        self.channel
            .handle_path(event, Boot(boot), config, self.now, &mut out);
        out
    }

    pub fn attach(&mut self, path: Path) {
        assert_eq!(self.path(PathEvent::Attached(path), 1), []);
    }

    pub fn detach(&mut self, path: Path) {
        assert_eq!(self.path(PathEvent::Detached(path), 1), []);
    }

    pub fn send(&mut self, from: u64, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.channel
            .send(message(from, 9, payload), &self.config, self.now)
    }

    /// All that leaves by a path.
    pub fn transmit(&mut self, path: Path) -> Vec<Frame> {
        let mut all = Vec::new();
        while self.channel.poll_path() == Some(path) {
            let (frames, out) = self.burst(path, usize::MAX);
            assert_eq!(out, []);
            all.extend(frames);
        }
        all
    }

    pub fn burst(&mut self, path: Path, bytes_max: usize) -> (Vec<Frame>, Vec<ChannelOutput>) {
        let (mut batch, mut out) = (Vec::new(), Vec::new());
        let config = &self.config;
        self.channel
            .poll_transmit(path, bytes_max, config, self.now, &mut batch, &mut out);
        (batch, out)
    }

    pub fn arrive(
        &mut self,
        path: Path,
        frames: Vec<Frame>,
    ) -> Result<Vec<ChannelOutput>, FrameError> {
        self.arrive_from(1, path, frames)
    }

    pub fn arrive_from(
        &mut self,
        boot: u64,
        path: Path,
        mut frames: Vec<Frame>,
    ) -> Result<Vec<ChannelOutput>, FrameError> {
        let mut out = Vec::new();
        let (config, boot) = (&self.config, Boot(boot));
        self.channel
            .handle_frames(path, boot, &mut frames, config, self.now, &mut out)?;
        assert!(frames.is_empty());
        Ok(out)
    }

    pub fn mailbox(&mut self, to: u64, is_full: bool) -> Vec<ChannelOutput> {
        let mut out = Vec::new();
        self.channel
            .handle_mailbox(LocalId(to), is_full, &self.config, &mut out);
        out
    }

    /// Time passes to the next timer, which fires; its reason.
    pub fn fire(&mut self) -> &'static str {
        let (time, reason) = self.channel.poll_timeout().expect("a timer is set");
        self.now = self.now.max(time);
        let mut out = Vec::new();
        self.channel
            .handle_timeout(&self.config, self.now, &mut out);
        assert_eq!(out, []);
        reason
    }
}

/// What a receiver of no messages, or of messages up to `expected`, grants.
pub fn mark(epoch: u32, expected: u64) -> Ack {
    Ack {
        epoch,
        expected,
        credit: 32 * 1024 * 1024,
    }
}

pub fn resume(epoch: u32, expected: u64) -> Frame {
    Frame::Resume(mark(epoch, expected))
}

pub fn ack(epoch: u32, expected: u64) -> Frame {
    Frame::Ack(mark(epoch, expected))
}

pub fn piece(seq: u64, from: u64, part: Part, payload: impl Into<Bytes>) -> Frame {
    Frame::Data(Data {
        epoch: 1,
        seq,
        is_fresh: true,
        from: LocalId(from),
        to: LocalId(9),
        part,
        head: Head::Cast,
        payload: payload.into(),
    })
}

pub fn whole(seq: u64, payload: &'static str) -> Frame {
    piece(seq, 1, Part::Whole, payload)
}

pub fn acked(frame: Frame) -> Frame {
    match frame {
        Frame::Data(data) => Frame::Data(Data {
            is_fresh: false,
            ..data
        }),
        other => other,
    }
}

pub fn in_epoch(epoch: u32, frame: Frame) -> Frame {
    match frame {
        Frame::Data(data) => Frame::Data(Data { epoch, ..data }),
        other => other,
    }
}

pub fn delivered(payload: impl Into<Bytes>) -> ChannelOutput {
    ChannelOutput::Deliver(message(1, 9, payload))
}
