//! What messages travel on: how long one is under way from one node to another, and what it meets.
//!
//! An [`Underlay`] is immutable and shared: clones point to the same tables, and it may be read from
//! any thread. All chance comes from the stream that the caller lends, or from a seed of its own for
//! what is drawn once, so whoever asks first gets the same. It never knows whether a link is cut:
//! that is `link`'s.
//!
//! ```text
//!  latency(from, to, now) = (model(site(from), site(to), now) + access(from) + access(to) + jitter) × factor(now)
//! ```
//! Cost: one draw for constant and uniform models, one table look-up for matrices and graphs, two
//! draws and elementary functions for the other laws; `examples/latency_cost.rs` measures it.

mod build;
mod config;
mod coordinates;
mod distribution;
mod error;
mod paths;
mod rates;
mod sites;
mod vary;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::Time;

pub use config::{
    Bandwidths, CoordinatesConfig, Delays, Draw, GraphConfig, LatencyModel, MatrixConfig,
    MatrixFormat, Placement, RegionsConfig, Sinusoid, Step, UnderlayConfig, Varying, Way,
};
pub(crate) use distribution::unit;
pub use distribution::{
    Constant, DELAY_MAX_MS, Distribution, Lognormal, Normal, Pareto, Sampler, Uniform,
};
pub use error::UnderlayError;
pub use sites::Site;

use coordinates::Coordinates;
use distribution::{floor, whole};
use rates::Rates;
use sites::Table;
use vary::Factor;

use crate::link::loss;
use crate::random::{Random, mix};

/// The least latency that there is: an event never causes another at the same instant elsewhere.
const LATENCY_LEAST: u64 = 1;

/// The network below a world. Cheap to clone; see [`UnderlayConfig`] for what it can be.
#[derive(Clone, Debug)]
pub struct Underlay {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    model: Model,
    sites: Arc<[Site]>,
    /// What the paths between sites carry, where a graph says it.
    rates: Option<Arc<Rates>>,
    placement: Placement,
    draw: Draw,
    seed: u64,
    access: Option<Access>,
    jitter: Option<Sampler>,
    factor: Option<Factor>,
    loss_millionths: u32,
    duplication_millionths: u32,
    bandwidth: Option<u64>,
    uplink: Option<u64>,
    undialable_millionths: u32,
    undialable: BTreeSet<u32>,
    latency_min: u64,
}

#[derive(Clone, Debug)]
enum Model {
    Drawn(Sampler),
    Sites(Arc<Table>),
    Coordinates(Coordinates),
}

/// Delays of access links in microseconds; a node has one of them, by its number.
#[derive(Clone, Debug)]
struct Access {
    draws: Arc<[u32]>,
    least: u64,
}

impl Access {
    const DRAWS: usize = 1 << 16;

    fn of(&self, node: u32, seed: u64) -> u64 {
        let draw = hash(node, seed ^ 0xacce) as usize % Self::DRAWS;
        self.draws.get(draw).copied().unwrap_or_default().into()
    }
}

impl Underlay {
    /// Every message's latency is drawn from `distribution`; nothing is lost, nothing is limited.
    ///
    /// # Errors
    /// [`UnderlayError::Parameter`].
    pub fn new(distribution: Distribution) -> Result<Self, UnderlayError> {
        let config = UnderlayConfig {
            latency: distribution.into(),
            ..UnderlayConfig::default()
        };
        config.build(0, std::path::Path::new(""))
    }

    /// How long a message is under way from `from` to `to`, one way, when it leaves at `now`: at
    /// least [`Underlay::latency_min`].
    pub fn latency(&self, from: u32, to: u32, now: Time, random: &mut Random) -> Duration {
        let inner = &*self.inner;
        let mut micros = inner.model_latency(from, to, now, random);
        if let Some(access) = &inner.access {
            micros += access.of(from, inner.seed) + access.of(to, inner.seed);
        }
        if let Some(jitter) = &inner.jitter {
            micros += jitter.draw(random);
        }
        if let Some(factor) = &inner.factor {
            micros = whole(micros as f64 * factor.at(now));
        }
        Duration::from_micros(micros.max(inner.latency_min))
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

    /// What the direction from `from` to `to` carries, in bytes per second; `None` is unlimited. On a
    /// graph whose edges have a bandwidth, no more than the narrowest edge of the path.
    pub fn bandwidth(&self, from: u32, to: u32) -> Option<u64> {
        let Some(rates) = &self.inner.rates else {
            return self.inner.bandwidth;
        };
        let path = rates.of(self.inner.site_of(from), self.inner.site_of(to));
        path.into_iter().chain(self.inner.bandwidth).min()
    }

    /// What a node sends to all others together, in bytes per second; `None` is unlimited.
    pub fn uplink(&self, _node: u32) -> Option<u64> {
        self.inner.uplink
    }

    /// Whether anything has a bandwidth, so that the length of messages matters.
    pub fn is_shaped(&self) -> bool {
        let inner = &*self.inner;
        inner.bandwidth.is_some() || inner.uplink.is_some() || inner.rates.is_some()
    }

    /// How often the next message is carried: 1, or 2 where it is duplicated.
    pub fn copies(&self, random: &mut Random) -> u32 {
        let millionths = self.inner.duplication_millionths;
        1 + u32::from(millionths > 0 && random.chance(millionths))
    }

    /// Whether others can dial this node; one behind an address translator can only dial.
    pub fn is_dialable(&self, node: u32) -> bool {
        let inner = &*self.inner;
        let draw = u64::from(hash(node, inner.seed ^ 0xd1a1));
        let share = u64::from(inner.undialable_millionths);
        draw * 1_000_000 >= share << 32 && !inner.undialable.contains(&node)
    }

    /// The sites that nodes can be at; none where latency is drawn or points are by chance.
    pub fn sites(&self) -> &[Site] {
        &self.inner.sites
    }

    /// The place of a node's site among [`Underlay::sites`]; its own number where there are none.
    pub fn site_of(&self, node: u32) -> u32 {
        self.inner.site_of(node)
    }

    /// How long a message is under way between two sites, one way, when nothing comes in between:
    /// the table's or the distance's share, without spread, jitter and access. Zero where latency
    /// is drawn, or there are no such sites.
    pub fn site_latency(&self, from: u32, to: u32) -> Duration {
        let micros = match &self.inner.model {
            Model::Drawn(_) => 0,
            Model::Sites(table) => table.latency(from, to, Time::START),
            Model::Coordinates(it) => whole(it.latency(from, to)),
        };
        Duration::from_micros(micros)
    }

    /// Pairs of sites that a measurement left out, and were filled.
    pub fn pairs_missing(&self) -> usize {
        match &self.inner.model {
            Model::Sites(table) => table.missing,
            Model::Drawn(_) | Model::Coordinates(_) => 0,
        }
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

impl Inner {
    fn model_latency(&self, from: u32, to: u32, now: Time, random: &mut Random) -> u64 {
        match &self.model {
            Model::Drawn(sampler) => match self.draw {
                Draw::Message => sampler.draw(random),
                Draw::Pair => sampler.draw(&mut self.pair(from, to)),
            },
            Model::Sites(table) => {
                let (from_site, to_site) = (self.site_of(from), self.site_of(to));
                match self.draw {
                    Draw::Message => table.draw(from_site, to_site, now, random),
                    Draw::Pair => table.draw(from_site, to_site, now, &mut self.pair(from, to)),
                }
            }
            Model::Coordinates(it) => whole(it.latency(self.site_of(from), self.site_of(to))),
        }
    }

    fn site_of(&self, node: u32) -> u32 {
        let sites = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        if sites == 0 {
            return node;
        }
        match &self.placement {
            Placement::RoundRobin => node % sites,
            Placement::Random => {
                let wide = u64::from(hash(node, self.seed ^ 0x517e)) * u64::from(sites);
                u32::try_from(wide >> 32).unwrap_or(0)
            }
            Placement::Blocks(len) => node / (*len).max(1) % sites,
            Placement::Given(places) => {
                let place = places.get(node as usize % places.len().max(1));
                place.copied().unwrap_or(0) % sites
            }
        }
    }

    /// The stream of a pair of nodes, the same both ways.
    fn pair(&self, one: u32, other: u32) -> Random {
        let (low, high) = (one.min(other), one.max(other));
        Random::split(self.seed ^ 0x9a12, u64::from(low) << 32 | u64::from(high))
    }

    /// What no latency is below, in microseconds.
    fn least(&self) -> u64 {
        let model = match &self.model {
            Model::Drawn(sampler) => sampler.least(),
            Model::Sites(table) => table.least(),
            Model::Coordinates(it) => floor(it.least()),
        };
        let access = self.access.as_ref().map_or(0, |access| 2 * access.least);
        let jitter = self.jitter.as_ref().map_or(0, Sampler::least);
        let factor = self.factor.as_ref().map_or(1.0, Factor::least);
        floor((model + access + jitter) as f64 * factor).max(LATENCY_LEAST)
    }
}

/// 32 bits of a node's own.
fn hash(node: u32, seed: u64) -> u32 {
    let mixed = mix(mix(seed).wrapping_add(node.into()));
    u32::try_from(mixed >> 32).unwrap_or(0)
}

impl From<Distribution> for LatencyModel {
    fn from(distribution: Distribution) -> Self {
        match distribution {
            Distribution::Constant(it) => Self::Constant(it),
            Distribution::Uniform(it) => Self::Uniform(it),
            Distribution::Normal(it) => Self::Normal(it),
            Distribution::Lognormal(it) => Self::Lognormal(it),
            Distribution::Pareto(it) => Self::Pareto(it),
        }
    }
}
