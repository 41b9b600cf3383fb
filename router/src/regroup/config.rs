//! The times of groups that change by themselves.

use std::time::Duration;

/// Times of [`Regroup`](super::Regroup); the same at all members, or changes are undone more often.
#[derive(Clone, Debug)]
pub(crate) struct RegroupConfig {
    /// Nobody came or went for so long before a change is begun. Default 5 s: nodes come in crowds.
    pub(crate) settle: Duration,
    /// All that move are in both groups for so long before they leave the old one. Default 3 s:
    /// what reflectors say of the new one has gone round by then.
    pub(crate) overlap: Duration,
    /// A change that is not made by then is undone; one that is not ended by then is ended with who
    /// has moved. Default 45 s.
    pub(crate) limit: Duration,
    /// From the end of a change to the next one of the same group. Default 20 s.
    pub(crate) rest: Duration,
    /// How often those who move look whether they are ready. Default 250 ms.
    pub(crate) tick: Duration,
}

impl Default for RegroupConfig {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            overlap: Duration::from_secs(3),
            limit: Duration::from_secs(45),
            rest: Duration::from_secs(20),
            tick: Duration::from_millis(250),
        }
    }
}
