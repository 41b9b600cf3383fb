//! File descriptors: how many may be open, and raising that as far as it goes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit is too low and cannot be raised.
#[derive(Debug, thiserror::Error)]
#[error(
    "{needed} file descriptors are needed and {allowed} are allowed: raise the hard limit \
     (`ulimit -Hn`, or LimitNOFILE of the service), or ask for fewer nodes"
)]
pub(crate) struct TooFewDescriptors {
    needed: u64,
    allowed: u64,
}

/// Raises the soft limit to the hard one and returns what is allowed now.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where even that is refused, what was allowed before still is.
    let _ = setrlimit(Resource::Nofile, wanted);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the limit and says whether it is enough.
///
/// # Errors
/// [`TooFewDescriptors`] with what to do.
pub(crate) fn require(needed: u64) -> Result<u64, TooFewDescriptors> {
    let allowed = raise();
    if allowed < needed {
        return Err(TooFewDescriptors { needed, allowed });
    }
    Ok(allowed)
}

/// How many this process has open now; `None` where the system does not say.
pub(crate) fn open() -> Option<usize> {
    // The directory that is read takes one itself.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() - 1)
}
