//! What is measured, by name.

use clap::ValueEnum;

/// Bytes of a small message.
const SMALL: usize = 64;

/// Bytes of the long ones that the mixed load saturates the pair with.
const LONG: usize = 300_000;

/// One workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Workload {
    /// One call of 64 bytes after the other.
    #[value(name = "rtt_64")]
    Rtt64,
    /// The same, counted as requests per second.
    #[value(name = "requests_1")]
    Requests1,
    /// 64 calls of 64 bytes in flight.
    #[value(name = "requests_64")]
    Requests64,
    /// 1,024 calls of 64 bytes in flight.
    #[value(name = "requests_1024")]
    Requests1024,
    /// Messages of 16 bytes as fast as they are taken.
    #[value(name = "oneway_16")]
    Oneway16,
    /// The same of 64 bytes.
    #[value(name = "oneway_64")]
    Oneway64,
    /// The same of 1,000 bytes.
    #[value(name = "oneway_1k")]
    Oneway1k,
    /// The same of 64,000 bytes.
    #[value(name = "oneway_64k")]
    Oneway64k,
    /// The same of 300,000 bytes.
    #[value(name = "oneway_300k")]
    Oneway300k,
    /// Calls of 64 bytes at a fixed rate on an idle pair: what `mixed` compares with.
    #[value(name = "paced")]
    Paced,
    /// The same calls while messages of 300,000 bytes saturate the pair.
    #[value(name = "mixed")]
    Mixed,
}

/// How a workload is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// So many calls in flight, each followed by the next.
    Requests(usize),
    /// Messages, as fast as they are taken.
    Oneway,
    /// Calls at a fixed rate.
    Paced,
    /// Both of these.
    Mixed,
}

impl Workload {
    /// All, in the order in which they are run.
    pub const ALL: [Self; 11] = [
        Self::Rtt64,
        Self::Requests1,
        Self::Requests64,
        Self::Requests1024,
        Self::Oneway16,
        Self::Oneway64,
        Self::Oneway1k,
        Self::Oneway64k,
        Self::Oneway300k,
        Self::Paced,
        Self::Mixed,
    ];

    /// What the names of its figures begin with.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Rtt64 => "rtt_64",
            Self::Requests1 => "requests_1_in_flight",
            Self::Requests64 => "requests_64_in_flight",
            Self::Requests1024 => "requests_1024_in_flight",
            Self::Oneway16 => "oneway_16",
            Self::Oneway64 => "oneway_64",
            Self::Oneway1k => "oneway_1k",
            Self::Oneway64k => "oneway_64k",
            Self::Oneway300k => "oneway_300k",
            Self::Paced => "paced_small",
            Self::Mixed => "mixed_small",
        }
    }

    /// How it is run.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Rtt64 | Self::Requests1 => Shape::Requests(1),
            Self::Requests64 => Shape::Requests(64),
            Self::Requests1024 => Shape::Requests(1_024),
            Self::Paced => Shape::Paced,
            Self::Mixed => Shape::Mixed,
            _ => Shape::Oneway,
        }
    }

    /// Bytes of each message; of the long ones in the mixed load.
    pub const fn body_len(self) -> usize {
        match self {
            Self::Oneway16 => 16,
            Self::Oneway1k => 1_000,
            Self::Oneway64k => 64_000,
            Self::Oneway300k | Self::Mixed => LONG,
            _ => SMALL,
        }
    }
}

/// Bytes of a call.
pub(crate) const fn call_len() -> usize {
    SMALL
}
