//! What everything that runs live clusters shares: groups as nodes are told of them, keys that are
//! known before nodes start, processes that answer line by line, what nodes say, latencies, bars.

pub(crate) mod latency;
pub(crate) mod pins;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod spec;
pub(crate) mod watch;
