//! What readers see of the names of this node's groups: a copy that the node's task keeps.
//!
//! A look-up is a hash and two read locks that are held for nanoseconds; it never waits for a
//! write of the protocol, however many are under way (D8). Whoever hears that a claim of its own
//! is confirmed finds it here.
//!
//! Cost: some 130 bytes per name beside the machine's; the bytes of names and metadata are shared
//! with it.

mod table;
mod watch;

pub use watch::NameWatch;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use archipelago_core::GroupId;
use archipelago_sgroup::names::NameChange;

pub(crate) use table::Table;

/// The names of all groups of a node.
#[derive(Debug, Default)]
pub(crate) struct Names {
    groups: RwLock<HashMap<GroupId, Arc<Table>>>,
}

impl Names {
    /// The names of a group; `None` where none is known.
    pub(crate) fn find(&self, group: GroupId) -> Option<Arc<Table>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(&group).cloned()
    }

    /// The names of a group, empty at first.
    pub(crate) fn table(&self, group: GroupId) -> Arc<Table> {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let table = groups.entry(group);
        table.or_insert_with(|| Arc::new(Table::new(group))).clone()
    }

    /// Names of a group have other holders.
    pub(crate) fn apply(&self, group: GroupId, changes: Vec<NameChange>) {
        let table = self.find(group).unwrap_or_else(|| self.table(group));
        for change in changes {
            table.set(change);
        }
    }

    /// This node is not in the group any more: it forgets its names.
    pub(crate) fn forget(&self, group: GroupId) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = groups.get(&group) {
            table.clear();
            if !table.is_watched() {
                groups.remove(&group);
            }
        }
    }
}
