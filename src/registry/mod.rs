//! What readers see of what members say without a contest: a table for each group, which the node's
//! task keeps from what its machine tells.
//!
//! A read takes a lock for the length of a look-up and never waits for the protocol. Watchers get
//! the state as it is and then every change, with none between the two left out.
//! Cost: one table per group; per change one look at each watcher.

mod watch;

pub(crate) use watch::Topic;
pub use watch::{RegistryEvent, RegistryEvents};

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archipelago_core::{GroupId, Rng};
use archipelago_sgroup::registry::{RegistryChange, Table};

use watch::Watcher;

/// Watchers of one node; beyond it, the one that was added first is ended.
const WATCHERS_MAX: usize = 65_536;

/// The tables of all groups of a node.
#[derive(Debug)]
pub(crate) struct Tables {
    groups: RwLock<HashMap<GroupId, Table>>,
    watchers: Mutex<HashMap<GroupId, Vec<Watcher>>>,
    /// For choices by chance.
    rng: Mutex<Rng>,
}

impl Tables {
    /// No tables; `seed` of the operating system's.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            groups: RwLock::default(),
            watchers: Mutex::default(),
            rng: Mutex::new(Rng::new(seed)),
        }
    }

    /// Reads the table of a group; an empty one where nobody says anything.
    pub(crate) fn read<T>(&self, group: GroupId, read: impl FnOnce(&Table) -> T) -> T {
        match self.groups().get(&group) {
            Some(table) => read(table),
            None => read(&Table::default()),
        }
    }

    /// Reads all tables at once.
    pub(crate) fn groups(&self) -> RwLockReadGuard<'_, HashMap<GroupId, Table>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member says something else than before.
    pub(crate) fn apply(&self, group: GroupId, change: &RegistryChange) {
        // Watchers first: between a watcher's reading and its watching nothing changes.
        let mut watchers = self.watchers();
        let mut groups = self.groups_mut();
        let table = groups.entry(group).or_default();
        let watchers = watchers.entry(group).or_default();
        for entry in &change.entries {
            let boot = table.apply_one(change.owner, change.boot, entry);
            if let Some(boot) = boot {
                let said = (change.owner, boot, entry);
                watchers.retain_mut(|watcher| watcher.tell(group, said));
            }
        }
    }

    /// This node is not in the group any more: its table is gone, and its watches end.
    pub(crate) fn forget(&self, group: GroupId) {
        let mut watchers = self.watchers();
        self.groups_mut().remove(&group);
        watchers.remove(&group);
    }

    /// All watches end.
    pub(crate) fn close(&self) {
        self.watchers().clear();
    }

    /// Reads the table, and watches what changes from then on.
    pub(crate) fn watch<T>(
        &self,
        group: GroupId,
        topic: Topic,
        read: impl FnOnce(&Table) -> T,
    ) -> (T, RegistryEvents) {
        let (watcher, events) = Watcher::new(topic);
        let mut watchers = self.watchers();
        let known = watchers.entry(group).or_default();
        if known.len() >= WATCHERS_MAX {
            known.remove(0);
        }
        known.push(watcher);
        (self.read(group, read), events)
    }

    /// A stream of chance of its own for one choice.
    pub(crate) fn rng(&self) -> Rng {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Rng::new(rng.array())
    }

    fn groups_mut(&self) -> RwLockWriteGuard<'_, HashMap<GroupId, Table>> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, HashMap<GroupId, Vec<Watcher>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
