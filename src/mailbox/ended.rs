//! Processes whose end the node's task wants to hear of: those that hold names or are watched.
//!
//! A mailbox is dropped wherever its user drops it, and must not wait for the task. So the end is
//! put where the task fetches it. Bounded by the number of mailboxes: each is noted once at most.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use archipelago_core::LocalId;
use archipelago_core::wire::Exit;
use tokio::sync::Notify;

/// Which ends are of interest, and which have come.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: HashSet<LocalId>,
    ended: Vec<(LocalId, Exit)>,
}

impl Ended {
    /// The end of this mailbox is to be told. Look whether it exists after this, not before: then
    /// no end is missed.
    pub(crate) fn want(&self, local: LocalId) {
        self.state().wanted.insert(local);
    }

    /// It is not, since the mailbox is not there; `false` if its end was noted already.
    pub(crate) fn unwant(&self, local: LocalId) -> bool {
        self.state().wanted.remove(&local)
    }

    /// The mailbox is gone from the table.
    pub(crate) fn note(&self, local: LocalId, exit: Exit) {
        let mut state = self.state();
        if state.wanted.remove(&local) {
            state.ended.push((local, exit));
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to take. Cancel safe.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// What has ended.
    pub(crate) fn take(&self) -> Vec<(LocalId, Exit)> {
        std::mem::take(&mut self.state().ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_once_and_only_where_it_is_wanted() {
        let ended = Ended::default();
        ended.want(LocalId(1));
        for local in [1, 1, 2] {
            ended.note(LocalId(local), Exit::Normal);
        }
        assert_eq!(ended.take(), [(LocalId(1), Exit::Normal)]);
        assert_eq!(ended.take(), []);
    }
}
