//! What messages travel on: how long one is under way from one node to another, and what it meets.
//!
//! An [`Underlay`] is immutable and shared: clones point to the same tables, and it may be read from
//! any thread. All chance comes from the stream that the caller lends, so the same draws give the
//! same delays whoever asks first. It never knows whether a link is cut: that is `link`'s.
//!
//! ```text
//!  latency(from, to, now) = max(1 µs, (model(site(from), site(to)) + access(from) + access(to) + jitter) × factor(now))
//! ```
//! Cost: a few nanoseconds for constant and uniform models, one table look-up for matrices and
//! graphs, 20–40 ns for the other distributions.

mod distribution;
mod error;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::Time;

pub use distribution::{
    Constant, DELAY_MAX_MS, Distribution, Lognormal, Normal, Pareto, Sampler, Uniform,
};
pub use error::UnderlayError;

use crate::link::loss;
use crate::random::Random;

/// The least latency that there is: an event never causes another at the same instant elsewhere.
const LATENCY_LEAST: u64 = 1;

/// The network below a world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Underlay {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    model: Sampler,
    loss_millionths: u32,
    latency_min: u64,
}

impl Underlay {
    /// Every message's latency is drawn from `distribution`; nothing is lost, nothing is limited.
    ///
    /// # Errors
    /// [`UnderlayError::Parameter`].
    pub fn new(distribution: Distribution) -> Result<Self, UnderlayError> {
        let model = distribution.sampler()?;
        let inner = Inner {
            model,
            loss_millionths: 0,
            latency_min: model.least().max(LATENCY_LEAST),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// How long a message is under way from `from` to `to`, one way, when it leaves at `now`: at
    /// least [`Underlay::latency_min`].
    pub fn latency(&self, from: u32, to: u32, now: Time, random: &mut Random) -> Duration {
        let _ = (from, to, now);
        let micros = self.inner.model.draw(random);
        Duration::from_micros(micros.max(self.inner.latency_min))
    }

    /// As [`Underlay::latency`], and where the message is lost, until a transport has sent it again.
    pub fn delay(&self, from: u32, to: u32, now: Time, random: &mut Random) -> Duration {
        let latency = self.latency(from, to, now, random);
        if self.inner.loss_millionths == 0 {
            return latency;
        }
        latency + loss::retransmission(self.inner.loss_millionths, latency * 4, random)
    }

    /// No message is under way for less than this, at least 1 µs: how far ahead of each other the
    /// shards of a parallel run may be.
    pub fn latency_min(&self) -> Duration {
        Duration::from_micros(self.inner.latency_min)
    }

    /// What the direction from `from` to `to` carries, in bytes per second; `None` is unlimited.
    pub fn bandwidth(&self, from: u32, to: u32) -> Option<u64> {
        let _ = (from, to);
        None
    }

    /// Whether any direction has a bandwidth, so that the length of messages matters.
    pub fn is_shaped(&self) -> bool {
        false
    }

    /// Whether others can dial this node; one behind an address translator can only dial.
    pub fn is_dialable(&self, node: u32) -> bool {
        let _ = node;
        true
    }

    /// The same, losing so many of a million messages.
    #[must_use]
    pub fn losing_millionths(&self, millionths: u32) -> Self {
        let mut inner = Inner::clone(&self.inner);
        inner.loss_millionths = millionths.min(1_000_000);
        Self {
            inner: Arc::new(inner),
        }
    }
}
