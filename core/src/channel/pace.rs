//! How much may lie below the lanes, by time instead of bytes: what is there cannot be overtaken.
//!
//! A window that is right for a fast path is a long wait on a slow one: 256 KiB take 21 ms at
//! 100 Mbit/s, wherever on the way they lie: in this process, in the kernel, in a router. So a
//! direct path's window is what the path delivers in two of its round trips and 5 ms more, as far
//! as that is measured, and the limit of the configuration at most.
//!
//! The round trip is taken with a full chunk that finds next to nothing under way: it is followed by
//! a question, so that the answer waits for nothing. A window that is always full is emptied for it,
//! which costs a round trip in fifty. Of the last few the shortest counts: what held up one of them,
//! here or there, is no length of the path. The rate is what acknowledgements tell while the
//! window is the limit, the best of the last few samples, so that a receiver that was held up once
//! is not taken for a slow path. Of a short window acknowledgements are asked for, since a receiver
//! knows only the long one.
//!
//! Sources: BBR (Cardwell et al. 2016) for rate times round trip; Vegas (Brakmo, Peterson 1995) for
//! keeping little in queues. Cost: O(1) per frame, 200 bytes while something is under way.

use std::time::Duration;

use super::config::{ChannelConfig, to_u64};
use crate::Time;

/// Shortest time over which a rate is taken: acknowledgements come in clusters.
const SAMPLE: Duration = Duration::from_millis(4);

/// Samples of which the best counts.
const SAMPLES: usize = 4;

/// What may wait beyond two round trips.
const WAIT: Duration = Duration::from_millis(5);

/// A round trip is taken again after so many of itself, and within these times.
const PROBE_ROUND_TRIPS: u32 = 50;
const PROBE_PERIOD_MIN: Duration = Duration::from_millis(250);
const PROBE_PERIOD_MAX: Duration = Duration::from_secs(10);

/// Round trips of which the shortest counts.
const PROBES: usize = 8;

/// What may be under way when a round trip is taken.
const PROBE_BYTES_MAX: usize = 4 * 1024;

/// Chunks that a window holds at least.
const CHUNKS_MIN: usize = 3;

/// A question goes along with so many shares of a short window.
const ASKS: usize = 4;

/// What is known of the path in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pace {
    /// Other paths lose and reorder: they have their own timers.
    is_direct: bool,
    /// The window is emptied, so that a round trip can be taken.
    is_draining: bool,
    /// The last ones, the latest first; zero: none yet.
    round_trips: [Duration; PROBES],
    /// The frame whose acknowledgement ends a round trip, and when it left, if it has.
    probe: Option<(u64, Option<Time>)>,
    probed_at: Option<Time>,
    /// Bytes per second.
    rates: [u64; SAMPLES],
    /// The sample that is being taken: since when, how many bytes, and whether the window was the
    /// limit.
    since: Time,
    acked: usize,
    is_limited: bool,
    /// `None`: the limit of the configuration.
    window: Option<usize>,
    /// Bytes sent since acknowledgements were last asked for.
    unasked: usize,
    /// One is to be asked for as soon as there is room for the question.
    is_asking: bool,
}

impl Pace {
    /// Bytes that may be unacknowledged.
    pub(super) fn window(&self, config: &ChannelConfig) -> usize {
        let max = config.window_bytes_max;
        if self.is_draining {
            return 0;
        }
        self.window.map_or(max, |window| window.min(max))
    }

    /// What leaves from now on goes by such a path.
    pub(super) const fn on_path(&mut self, is_direct: bool) {
        self.is_direct = is_direct;
    }

    /// A chunk of `len` bytes gets the number `seq`, and finds so many bytes under way.
    pub(super) fn on_numbered(
        &mut self,
        seq: u64,
        len: usize,
        under_way: usize,
        config: &ChannelConfig,
        now: Time,
    ) {
        if under_way == 0 {
            self.is_draining = false;
            self.begin_sample(now);
        }
        let can_probe = under_way <= PROBE_BYTES_MAX && len >= config.chunk_bytes_max;
        if can_probe && self.is_direct && self.is_probe_due(now) {
            self.probe = Some((seq, None));
            self.probed_at = Some(now);
        }
    }

    /// Whether an acknowledgement is to be asked for.
    pub(super) const fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// The question left.
    pub(super) const fn on_asked(&mut self) {
        self.is_asking = false;
        self.unasked = 0;
    }

    /// Frame `seq` of so many bytes leaves.
    pub(super) fn on_sent(&mut self, seq: u64, len: usize, config: &ChannelConfig, now: Time) {
        if let Some((probe, at @ None)) = &mut self.probe
            && *probe == seq
        {
            *at = Some(now);
            self.is_asking = true;
        }
        self.unasked = self.unasked.saturating_add(len);
        let share = |window: usize| window.min(config.window_bytes_max) / ASKS;
        if self
            .window
            .is_some_and(|window| self.unasked >= share(window))
        {
            self.is_asking = true;
        }
    }

    /// The window is full, and more would be sent.
    pub(super) fn on_limited(&mut self, now: Time) {
        self.is_limited = true;
        // What was sent before the window became short may be too little for an answer by itself.
        self.is_asking |= self.is_direct && self.window.is_some() && self.unasked > 0;
        if self.is_direct && self.is_probe_due(now) && !self.is_draining {
            self.is_draining = true;
            self.is_asking = true;
        }
    }

    /// So many bytes are acknowledged, and all frames before `expected`.
    pub(super) fn on_acked(
        &mut self,
        bytes: usize,
        expected: u64,
        config: &ChannelConfig,
        now: Time,
    ) {
        if let Some((probe, Some(at))) = self.probe
            && expected > probe
        {
            self.round_trips.rotate_right(1);
            self.round_trips[0] = now.since(at).max(Duration::from_micros(1));
            self.probe = None;
            return self.begin_sample(now);
        }
        self.acked = self.acked.saturating_add(bytes);
        let took = now.since(self.since);
        if took < SAMPLE {
            return;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let rate = to_u64(self.acked).saturating_mul(1_000_000) / micros.max(1);
        let was_limited = self.is_limited;
        self.begin_sample(now);
        // What was not sent says nothing of what could be delivered.
        if was_limited || rate > self.rate() {
            self.rates.rotate_right(1);
            self.rates[0] = rate;
            self.fit(config);
        }
    }

    /// Another path: nothing is known of it.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn begin_sample(&mut self, now: Time) {
        self.since = now;
        self.acked = 0;
        self.is_limited = false;
    }

    fn is_probe_due(&self, now: Time) -> bool {
        let period = self.round_trip().map_or(PROBE_PERIOD_MIN, |one| {
            one.saturating_mul(PROBE_ROUND_TRIPS)
        });
        let period = period.clamp(PROBE_PERIOD_MIN, PROBE_PERIOD_MAX);
        let is_old = |at| now.since(at) >= period;
        self.probed_at.is_none_or(is_old)
    }

    fn round_trip(&self) -> Option<Duration> {
        let taken = self.round_trips.iter().filter(|one| !one.is_zero());
        taken.min().copied()
    }

    fn rate(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }

    fn fit(&mut self, config: &ChannelConfig) {
        let Some(round_trip) = self.round_trip() else {
            return;
        };
        // The best of too few may be the worst of all.
        if self.rates.contains(&0) {
            return;
        }
        let horizon = round_trip.saturating_mul(2).saturating_add(WAIT);
        let micros = u64::try_from(horizon.as_micros()).unwrap_or(u64::MAX);
        let bytes = self.rate().saturating_mul(micros) / 1_000_000;
        let min = config.chunk_bytes_max.saturating_mul(CHUNKS_MIN);
        let window = usize::try_from(bytes).unwrap_or(usize::MAX).max(min);
        self.window = (window < config.window_bytes_max).then_some(window);
    }
}
