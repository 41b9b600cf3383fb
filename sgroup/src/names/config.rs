//! Limits and times of names.

use std::time::Duration;

/// Limits and times of the names of one group, at each of its members.
#[derive(Clone, Debug)]
pub struct NamesConfig {
    /// Claims of one node in the group. Default 65,536, what its log holds.
    pub claims_max: usize,
    /// How long a member is waited for whose direct path is broken, or which is suspected.
    /// Default 3 s: a detour is found, or a death declared, in less.
    pub grace: Duration,
    /// How long any member is waited for. Default 10 s; then the claim is withdrawn.
    pub timeout: Duration,
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self {
            claims_max: 65_536,
            grace: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}
