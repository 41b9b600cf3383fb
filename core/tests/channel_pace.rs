//! What lies below the lanes on slow, fast and long paths: a small message waits for milliseconds
//! of others' bytes, whatever the path delivers, and the path is full all the same (U7, I13).
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

mod channel_support;

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::channel::{
    Channel, ChannelConfig, ChannelOutput, Frame, FrameEncoder, Path, PathEvent,
};
use archipelago_core::{Boot, Rng, Time};
use channel_support::{direct, message};

const PATH: Path = direct(1);
const BULK: u64 = 1;
const SMALL: u64 = 2;
const BULK_LEN: usize = 300_000;

/// One direction of a path: a line of so many bytes a second, which takes all that it is given.
struct Line {
    rate: u64,
    delay: Duration,
    free_at: Time,
    /// Who has to read or write is held up for as long as this at most.
    held_up: Duration,
    random: Rng,
    under_way: VecDeque<(Time, Vec<Frame>)>,
}

impl Line {
    fn put(&mut self, bytes: usize, frames: Vec<Frame>, now: Time) {
        let took = Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.rate);
        self.free_at = self.free_at.max(now).after(took);
        let held_up = u64::try_from(self.held_up.as_micros()).unwrap_or(0);
        let held_up = Duration::from_micros(self.random.below(held_up + 1));
        let arrival = self.free_at.after(self.delay).after(held_up);
        // In order all the same.
        let last = self.under_way.back().map_or(Time::START, |(at, _)| *at);
        let arrival = arrival.max(last);
        self.under_way.push_back((arrival, frames));
    }
}

/// A saturated pair: bulk from one to the other, and a small message every 10 ms.
struct Pair {
    ends: [Channel; 2],
    /// Towards each end.
    lines: [Line; 2],
    config: ChannelConfig,
    now: Time,
    /// When each small message was sent, and how long it took.
    sent: VecDeque<Time>,
    delays: Vec<Duration>,
    bulk_bytes: usize,
}

impl Pair {
    fn new(rate: u64, delay: Duration) -> Self {
        let line = || Line {
            rate,
            delay,
            free_at: Time::START,
            held_up: Duration::ZERO,
            random: Rng::new([7; 32]),
            under_way: VecDeque::new(),
        };
        let mut pair = Self {
            ends: [Channel::new(Boot(1)), Channel::new(Boot(1))],
            lines: [line(), line()],
            config: ChannelConfig::default(),
            now: Time::START,
            sent: VecDeque::new(),
            delays: Vec::new(),
            bulk_bytes: 0,
        };
        for end in &mut pair.ends {
            let event = PathEvent::Attached(PATH);
            end.handle_path(event, Boot(1), &pair.config, pair.now, &mut Vec::new());
        }
        pair
    }

    /// Runs for so long; what is measured is kept from now on only.
    fn run(&mut self, duration: Duration) {
        let until = self.now.after(duration);
        self.bulk_bytes = 0;
        self.delays.clear();
        let mut small_at = self.now;
        while self.now < until {
            if small_at <= self.now {
                self.send(SMALL, 100);
                self.sent.push_back(self.now);
                small_at = small_at.after(Duration::from_millis(10));
            }
            while self.send(BULK, BULK_LEN) {}
            self.settle();
            let arrivals = self.lines.iter().filter_map(|line| line.under_way.front());
            let timers = self.ends.iter().filter_map(Channel::poll_timeout);
            let next = arrivals.map(|(at, _)| *at).chain(timers.map(|(at, _)| at));
            self.now = next.min().unwrap_or(until).min(small_at).max(self.now);
        }
    }

    fn send(&mut self, flow: u64, len: usize) -> bool {
        let message = message(flow, flow, vec![0; len]);
        let sent = self.ends[0].send(message, &self.config, self.now);
        sent.is_ok()
    }

    fn settle(&mut self) {
        loop {
            let mut is_busy = false;
            for at in 0..2 {
                is_busy |= self.arrive(at) | self.pump(at);
            }
            if !is_busy {
                return;
            }
        }
    }

    fn pump(&mut self, at: usize) -> bool {
        if self.ends[at]
            .poll_timeout()
            .is_some_and(|(due, _)| due <= self.now)
        {
            self.ends[at].handle_timeout(&self.config, self.now, &mut Vec::new());
        }
        if self.ends[at].poll_path() != Some(PATH) {
            return false;
        }
        let (mut frames, mut out) = (Vec::new(), Vec::new());
        self.ends[at].poll_transmit(PATH, 1, &self.config, self.now, &mut frames, &mut out);
        let mut encoded = Vec::new();
        let mut encoder = FrameEncoder::new();
        frames
            .iter()
            .for_each(|frame| encoder.encode(frame, &mut encoded));
        self.lines[1 - at].put(encoded.len(), frames, self.now);
        true
    }

    fn arrive(&mut self, at: usize) -> bool {
        let line = &mut self.lines[at];
        if line
            .under_way
            .front()
            .is_none_or(|(due, _)| *due > self.now)
        {
            return false;
        }
        let (_, mut frames) = line.under_way.pop_front().unwrap();
        let mut out = Vec::new();
        let taken = self.ends[at].handle_frames(
            PATH,
            Boot(1),
            &mut frames,
            &self.config,
            self.now,
            &mut out,
        );
        assert_eq!(taken, Ok(()));
        for output in out {
            let ChannelOutput::Deliver(message) = output else {
                continue;
            };
            if message.from.0 == SMALL {
                let sent = self.sent.pop_front().unwrap();
                self.delays.push(self.now.since(sent));
            } else {
                self.bulk_bytes += message.payload.len();
            }
        }
        true
    }

    fn delay_max(&self) -> Duration {
        self.delays.iter().copied().max().unwrap()
    }
}

/// 100 Mbit/s: 256 KiB would be 21 ms.
#[test]
fn u7_on_a_slow_path_a_small_message_waits_for_milliseconds() {
    let mut pair = Pair::new(12_500_000, Duration::from_micros(100));
    pair.run(Duration::from_secs(1));
    pair.run(Duration::from_secs(4));
    let delay = pair.delay_max();
    assert!(delay < Duration::from_millis(14), "{delay:?}");
    let rate = pair.bulk_bytes / 4;
    assert!(rate > 12_000_000, "{rate} bytes a second");
}

/// The same where whoever reads is held up for up to 8 ms at a time, as on a busy machine.
#[test]
fn u7_a_busy_machine_is_not_taken_for_a_long_path() {
    let mut pair = Pair::new(12_500_000, Duration::from_micros(100));
    for line in &mut pair.lines {
        line.held_up = Duration::from_millis(8);
    }
    pair.run(Duration::from_secs(5));
    pair.run(Duration::from_secs(5));
    pair.delays.sort_unstable();
    let median = pair.delays[pair.delays.len() / 2];
    assert!(median < Duration::from_millis(16), "{median:?}");
}

/// A path that is as fast as its window keeps it: three quarters of 256 KiB each round trip, and
/// the rest is acknowledged with the next chunk.
#[test]
fn on_a_long_path_the_window_is_what_it_was() {
    let mut pair = Pair::new(1_000_000_000, Duration::from_millis(20));
    pair.run(Duration::from_secs(2));
    pair.run(Duration::from_secs(4));
    let rate = pair.bulk_bytes / 4;
    assert!(rate > 4_900_000, "{rate} bytes a second");
    assert!(pair.delay_max() < Duration::from_millis(65));
}

#[test]
fn a_fast_path_is_full() {
    let mut pair = Pair::new(500_000_000, Duration::from_micros(20));
    pair.run(Duration::from_millis(200));
    pair.run(Duration::from_millis(500));
    let rate = pair.bulk_bytes * 2;
    assert!(rate > 480_000_000, "{rate} bytes a second");
    assert!(pair.delay_max() < Duration::from_millis(1));
}

/// A path that becomes slow, and fast again, is followed within a second.
#[test]
fn a_path_that_changes_its_rate_is_followed() {
    let mut pair = Pair::new(500_000_000, Duration::from_micros(100));
    pair.run(Duration::from_millis(500));
    pair.lines
        .iter_mut()
        .for_each(|line| line.rate = 12_500_000);
    pair.run(Duration::from_secs(1));
    pair.run(Duration::from_secs(1));
    let delay = pair.delay_max();
    assert!(delay < Duration::from_millis(14), "{delay:?}");
    pair.lines
        .iter_mut()
        .for_each(|line| line.rate = 500_000_000);
    pair.run(Duration::from_secs(1));
    pair.run(Duration::from_millis(500));
    let rate = pair.bulk_bytes * 2;
    assert!(rate > 450_000_000, "{rate} bytes a second");
}
