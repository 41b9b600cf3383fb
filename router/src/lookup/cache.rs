//! What look-ups of this node found, and did not find, for a while.
//!
//! Found answers are fresh, then stale (served while they are asked again), then dropped; negative
//! ones live shortly. At the limit the least recently used goes first.
//! Cost: O(log n) a call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archipelago_core::{Boot, NodeId, Time};

use super::{Located, LookupConfig, LookupError};

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
struct Cached {
    answer: Answer,
    /// When it came.
    since: Time,
    /// Its place in the order of use.
    turn: u64,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: BTreeMap<NodeId, Cached>,
    by_turn: BTreeSet<(u64, NodeId)>,
    turn: u64,
}

impl Cache {
    /// What is known of `target`, at least as new as `version_min`.
    pub(super) fn hit(
        &mut self,
        target: NodeId,
        version_min: (Boot, u64),
        config: &LookupConfig,
        now: Time,
    ) -> Option<Hit> {
        let cached = self.answers.get(&target)?;
        let age = now.since(cached.since);
        let hit = match &cached.answer {
            Answer::Found(located) if located.record.version() < version_min => None,
            Answer::Found(located) if age < config.fresh => Some(Hit::Fresh(Arc::clone(located))),
            Answer::Found(located) if age < config.stale => Some(Hit::Stale(Arc::clone(located))),
            Answer::Failed(error) if age < config.negative => Some(Hit::Negative(*error)),
            Answer::Found(_) | Answer::Failed(_) => None,
        };
        match hit {
            Some(_) => self.touch(target),
            None => self.purge(&target),
        }
        hit
    }

    pub(super) fn found(&mut self, located: Arc<Located>, config: &LookupConfig, now: Time) {
        let target = located.record.record.node;
        self.insert(target, Answer::Found(located), config, now);
    }

    pub(super) fn failed(
        &mut self,
        target: NodeId,
        error: LookupError,
        config: &LookupConfig,
        now: Time,
    ) {
        self.insert(target, Answer::Failed(error), config, now);
    }

    pub(super) fn purge(&mut self, target: &NodeId) {
        if let Some(cached) = self.answers.remove(target) {
            self.by_turn.remove(&(cached.turn, *target));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn insert(&mut self, target: NodeId, answer: Answer, config: &LookupConfig, since: Time) {
        self.purge(&target);
        while self.answers.len() >= config.cache_max.max(1) {
            let Some((_, oldest)) = self.by_turn.pop_first() else {
                break;
            };
            self.answers.remove(&oldest);
        }
        self.turn += 1;
        let turn = self.turn;
        self.by_turn.insert((turn, target));
        let cached = Cached {
            answer,
            since,
            turn,
        };
        self.answers.insert(target, cached);
    }

    fn touch(&mut self, target: NodeId) {
        if let Some(cached) = self.answers.get_mut(&target) {
            self.by_turn.remove(&(cached.turn, target));
            self.turn += 1;
            cached.turn = self.turn;
            self.by_turn.insert((cached.turn, target));
        }
    }
}
