//! What is measured, a file for each machine.

mod channel;
mod codec;
mod group;
mod log;
mod lookup;
mod multiplexer;

use super::HotPath;

/// All of them.
pub const PATHS: &[HotPath] = &[
    codec::HEARTBEAT_WRITTEN,
    codec::HEARTBEAT_READ,
    codec::LOG_WRITTEN,
    codec::LOG_READ,
    codec::FRAMES_WRITTEN,
    codec::FRAMES_READ,
    channel::BYTES_16,
    channel::BYTES_1K,
    channel::BYTES_300K,
    group::RESTING,
    lookup::WARM,
    lookup::COLD,
    log::PUT,
    log::APPLY,
    multiplexer::BYTES_64,
    multiplexer::BYTES_16K,
    multiplexer::BYTES_256K,
];
