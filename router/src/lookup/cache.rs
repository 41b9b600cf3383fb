//! What look-ups of this node found, and did not find, for a while.
//!
//! Found answers are fresh, then stale (served while they are asked again), then dropped; negative
//! ones live shortly. At the limit the least recently used goes first.
//! Cost: O(log n) a call.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Boot, NodeId, Time};

use super::{Located, LookupConfig, LookupError};
use crate::lru::Lru;

/// An answer that is still worth something.
#[derive(Clone, Debug)]
pub(super) enum Hit {
    /// As good as asking.
    Fresh(Arc<Located>),
    /// Good enough for now: ask again.
    Stale(Arc<Located>),
    /// Known not to be had.
    Negative(LookupError),
}

#[derive(Debug)]
enum Answer {
    Found(Arc<Located>),
    Failed(LookupError),
}

#[derive(Debug)]
pub(super) struct Cache {
    /// With the time that each came at.
    answers: Lru<NodeId, (Time, Answer)>,
}

impl Cache {
    pub(super) fn heap_bytes(&self) -> usize {
        self.answers.heap_bytes()
    }

    pub(super) fn new(config: &LookupConfig) -> Self {
        Self {
            answers: Lru::new(config.cache_max),
        }
    }

    /// What is known of `target`, at least as new as `version_min`.
    pub(super) fn hit(
        &mut self,
        target: NodeId,
        version_min: (Boot, u64),
        config: &LookupConfig,
        now: Time,
    ) -> Option<Hit> {
        let (since, answer) = self.answers.get(target)?;
        let age = now.since(*since);
        let hit = match answer {
            Answer::Found(located) if located.record.version() < version_min => None,
            Answer::Found(located) if age < fresh(located, config) => {
                Some(Hit::Fresh(Arc::clone(located)))
            }
            Answer::Found(located) if age < stale(located, config) => {
                Some(Hit::Stale(Arc::clone(located)))
            }
            Answer::Failed(error) if age < config.negative => Some(Hit::Negative(*error)),
            Answer::Found(_) | Answer::Failed(_) => None,
        };
        if hit.is_none() {
            self.answers.remove(&target);
        }
        hit
    }

    pub(super) fn found(&mut self, located: Arc<Located>, now: Time) {
        let target = located.key();
        self.answers.insert(target, (now, Answer::Found(located)));
    }

    pub(super) fn failed(&mut self, target: NodeId, error: LookupError, now: Time) {
        self.answers.insert(target, (now, Answer::Failed(error)));
    }

    pub(super) fn purge(&mut self, target: &NodeId) {
        self.answers.remove(target);
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}

/// Names move sooner than nodes.
fn fresh(located: &Located, config: &LookupConfig) -> Duration {
    match located.holding {
        Some(_) => config.name_fresh,
        None => config.fresh,
    }
}

fn stale(located: &Located, config: &LookupConfig) -> Duration {
    match located.holding {
        Some(_) => config.name_stale,
        None => config.stale,
    }
}
