//! The times and limits of strict names.

use std::time::Duration;

/// The times and limits of strict names; the same at all members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictConfig {
    /// How long a holder keeps a name without hearing from the council, by its own clock. Also the
    /// longest that an acceptor grants. Default 2 s: a name moves within the time in which a death
    /// is detected.
    pub life: Duration,
    /// Names that one acceptor remembers. Default 4,096; more are refused.
    pub names_max: usize,
    /// Names that one node holds or asks for. Default 256; more are refused.
    pub tenures_max: usize,
}

impl Default for StrictConfig {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(2),
            names_max: 4_096,
            tenures_max: 256,
        }
    }
}

impl StrictConfig {
    /// How long an acceptor waits where a holder counts `life`.
    pub fn patience(&self, life: Duration) -> Duration {
        life.saturating_mul(11) / 10
    }

    /// How long an acceptor that may have forgotten something says nothing.
    pub fn mute(&self) -> Duration {
        self.patience(self.life)
    }

    /// How often a holder renews.
    pub fn renewal(&self) -> Duration {
        self.life / 3
    }

    /// How long an answer is waited for before the question is asked again.
    pub fn repeat(&self) -> Duration {
        self.life / 10
    }

    /// How long one round may take: what comes later is of no use to its claimant.
    pub fn attempt(&self) -> Duration {
        self.life / 2
    }
}
