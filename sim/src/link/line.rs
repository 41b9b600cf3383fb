//! One direction of a link, or one node's uplink, as a line of so many bytes per second: when what
//! is handed to it has left.
//!
//! Packets of a lane leave one after the other; control leaves before data, and waits for the
//! chunk of a body that is leaving, as it does below the lanes of a live session. Sizes are virtual:
//! nothing is allocated for a body, and nothing sleeps for one. A departure once told is kept, so
//! control delays the data that are handed over after it, not those before.
//! Exact: a fraction of a microsecond is carried over while the line is busy, so the k-th of equal
//! packets has left after `k · size / rate`, rounded down.
//! Cost: O(1) per packet, whatever its size.

use archipelago_core::Time;

/// Bytes of a body that leave without a break, as the data plane's chunks.
const CHUNK_BYTES: u64 = 16 * 1024;
const MICROS_PER_S: u64 = 1_000_000;

/// Which of two queues a packet is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Goes first.
    Control,
    /// Goes when no control waits.
    Data,
}

/// An instant on a line: microseconds, and a rest in bytes-millionths, less than the line's rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Instant {
    micros: u64,
    rest: u64,
}

/// When a line is free.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// When all that it was given has left.
    all: Instant,
    /// When all of control has left.
    control: Instant,
}

impl Line {
    /// Takes a packet of so many bytes; when its last byte has left. A rate of zero counts as one.
    pub(crate) fn send(&mut self, lane: Lane, bytes: u64, rate: u64, now: Time) -> Time {
        let rate = rate.max(1);
        let now = Instant::at(now);
        let is_idle = self.all <= now;
        let left = if lane == Lane::Data || is_idle {
            self.all = self.all.max(now).after(bytes, rate);
            self.all
        } else {
            let free = now.micros.saturating_add(self.chunk_rest(now, rate));
            let begin = self.control.max(Instant::at(Time::from_micros(free)));
            self.all = self.all.after(bytes, rate);
            begin.after(bytes, rate)
        };
        if lane == Lane::Control {
            self.control = left;
        }
        Time::from_micros(left.micros)
    }

    /// When the line has nothing left to send.
    pub(crate) const fn busy_until(&self) -> Time {
        Time::from_micros(self.all.micros)
    }

    /// How many microseconds of the chunk that is leaving are left, where data wait: chunks end at
    /// the end of what the line has, and before it.
    fn chunk_rest(&self, now: Instant, rate: u64) -> u64 {
        let chunk = CHUNK_BYTES * MICROS_PER_S / rate;
        (self.all.micros - now.micros) % chunk.max(1)
    }
}

impl Instant {
    const fn at(time: Time) -> Self {
        Self {
            micros: time.as_micros(),
            rest: 0,
        }
    }

    /// So many bytes later.
    const fn after(self, bytes: u64, rate: u64) -> Self {
        let total = bytes.saturating_mul(MICROS_PER_S).saturating_add(self.rest);
        Self {
            micros: self.micros.saturating_add(total / rate),
            rest: total % rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// 12.5 MB/s: 100 Mbit/s.
    const RATE: u64 = 12_500_000;

    #[test]
    fn equal_messages_leave_one_size_over_rate_apart_exactly() {
        for (size, rate) in [(300_000, RATE), (64, 1_250_000_000), (1_000, 3_000_007)] {
            let mut line = Line::default();
            let now = Time::from_micros(17);
            for k in 1..=10_000u64 {
                let left = line.send(Lane::Data, size, rate, now);
                assert_eq!(left.as_micros(), 17 + k * size * 1_000_000 / rate, "{k}");
            }
        }
    }

    #[test]
    fn an_idle_line_starts_at_once_and_a_body_of_terabytes_is_one_step() {
        let mut line = Line::default();
        assert_eq!(
            line.send(Lane::Data, 125, RATE, Time::START).as_micros(),
            10
        );
        let later = Time::from_micros(1_000);
        assert_eq!(line.send(Lane::Data, 125, RATE, later).as_micros(), 1_010);
        let left = line.send(Lane::Data, 12_500_000_000_000, RATE, later);
        assert_eq!(left.as_micros(), 1_010 + 1_000_000 * 1_000_000);
        assert_eq!(line.busy_until(), left);
    }

    #[test]
    fn control_waits_for_a_chunk_and_not_for_a_body() {
        let mut line = Line::default();
        let chunk = CHUNK_BYTES * 1_000_000 / RATE;
        line.send(Lane::Data, 300_000_000, RATE, Time::START);
        for now in (0..1_000_000).step_by(777) {
            let now = Time::from_micros(now);
            let waited = line.send(Lane::Control, 125, RATE, now).since(now);
            assert!(waited.as_micros() as u64 <= chunk + 10, "{waited:?}");
        }
        let count = 1_000_000u64.div_ceil(777);
        let all = 24_000_000 + count * 10;
        assert_eq!(
            line.busy_until().as_micros(),
            all,
            "and takes its time from data"
        );
    }

    #[test]
    fn control_keeps_its_own_order() {
        let mut line = Line::default();
        line.send(Lane::Data, 300_000, RATE, Time::START);
        let times: Vec<Time> = (0..100)
            .map(|_| line.send(Lane::Control, 1_250, RATE, Time::from_micros(5)))
            .collect();
        assert!(
            times
                .windows(2)
                .all(|pair| (pair[1].since(pair[0])).as_micros() == 100)
        );
    }

    /// Time between arrivals, exponential with this mean.
    fn pause(mean_micros: f64, random: &mut Random) -> f64 {
        let unit = ((random.u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -mean_micros * libm::log(unit)
    }

    /// M/D/1: arrivals by Poisson, one size. Pollaczek and Khinchine give the mean wait
    /// `load · service / (2 · (1 - load))`. Within 3 %, at 400,000 messages per load.
    #[test]
    fn waiting_times_are_those_of_pollaczek_and_khinchine() {
        let (size, service) = (12_500, 1_000.0);
        for (seed, load) in [(1, 0.3), (2, 0.5), (3, 0.7), (4, 0.8)] {
            let (mut line, mut random) = (Line::default(), Random::new(seed));
            let (mut at, mut waited) = (0.0, 0.0);
            let count = 400_000;
            for _ in 0..count {
                at += pause(service / load, &mut random);
                let now = Time::from_micros(at as u64);
                let took = line.send(Lane::Data, size, RATE, now).since(now);
                waited += took.as_micros() as f64 - service;
            }
            let (mean, expected) = (
                waited / f64::from(count),
                load * service / (2.0 * (1.0 - load)),
            );
            let error = (mean / expected - 1.0).abs();
            assert!(error < 0.03, "load {load}: {mean:.1} µs, not {expected:.1}");
        }
    }

    /// Rare control on a line that bodies saturate waits for half a chunk in the mean: the residual
    /// service of a queue with priorities and no pre-emption. Within 3 %.
    #[test]
    fn control_on_a_saturated_line_waits_for_half_a_chunk() {
        let (mut line, mut random) = (Line::default(), Random::new(5));
        line.send(Lane::Data, u64::from(u32::MAX) * 8, RATE, Time::START);
        let (mut at, mut waited, count) = (0.0, 0.0, 20_000);
        for _ in 0..count {
            at += pause(50_000.0, &mut random);
            let now = Time::from_micros(at as u64);
            waited += line
                .send(Lane::Control, 0, RATE, now)
                .since(now)
                .as_micros() as f64;
        }
        let half = CHUNK_BYTES as f64 * 1e6 / RATE as f64 / 2.0;
        let mean = waited / f64::from(count);
        assert!(
            (mean / half - 1.0).abs() < 0.03,
            "{mean:.1} µs, not {half:.1}"
        );
    }
}
