//! The names of one group, to be read from any thread.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid};
use archipelago_sgroup::names::{NameChange, NameInfo};
use bytes::Bytes;

use super::watch::{NameWatch, Watches};

/// So many readers and the writer seldom meet.
const SHARDS: usize = 16;

/// Who holds each name of a group.
#[derive(Debug)]
pub(crate) struct Table {
    group: GroupId,
    hasher: RandomState,
    shards: [RwLock<HashMap<Bytes, Held>>; SHARDS],
    /// Nodes in their starts, each once: a claim refers to them by number.
    owners: RwLock<Owners>,
    watches: Watches,
}

#[derive(Debug, Default)]
struct Owners {
    all: Vec<(NodeId, Boot)>,
    numbers: HashMap<(NodeId, Boot), u32>,
}

/// A [`NameInfo`] without what all of a group, or all of a node, have in common.
#[derive(Debug)]
struct Held {
    metadata: Bytes,
    local: LocalId,
    lamport: u64,
    owner: u32,
    priority: i32,
    moves: u32,
    is_exported: bool,
}

impl Table {
    pub(crate) fn new(group: GroupId) -> Self {
        Self {
            group,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| RwLock::default()),
            owners: RwLock::default(),
            watches: Watches::default(),
        }
    }

    /// Who holds a name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<NameInfo> {
        let shard = read(self.shard(name));
        self.info(shard.get(name)?)
    }

    /// The process that holds a name.
    pub(crate) fn pid(&self, name: &[u8]) -> Option<Pid> {
        let shard = read(self.shard(name));
        self.pid_of(shard.get(name)?)
    }

    /// Every name that is held, in order.
    pub(crate) fn names(&self) -> Vec<Bytes> {
        let mut names = Vec::new();
        for shard in &self.shards {
            names.extend(read(shard).keys().cloned());
        }
        names.sort_unstable();
        names
    }

    /// How many names are held.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// A name has another holder, or none.
    pub(crate) fn set(&self, change: NameChange) {
        let NameChange { name, holder } = change;
        let mut shard = write(self.shard(&name));
        match &holder {
            Some(info) => {
                let held = self.held(info);
                shard.insert(name.clone(), held);
            }
            None => {
                shard.remove(&name);
            }
        }
        // Under the lock: two changes of one name reach its watchers in order.
        self.watches.tell(&name, holder);
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            write(shard).clear();
        }
        self.watches.tell_all_gone();
    }

    /// Follows a name; `None` at the limit.
    pub(crate) fn watch(&self, name: Bytes) -> Option<NameWatch> {
        let shard = read(self.shard(&name));
        let holder = shard.get(&name).and_then(|held| self.info(held));
        self.watches.add(name, holder)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watches.is_used()
    }

    fn shard(&self, name: &[u8]) -> &RwLock<HashMap<Bytes, Held>> {
        let hash = self.hasher.hash_one(name);
        // The remainder is below the number of shards.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    fn held(&self, info: &NameInfo) -> Held {
        Held {
            metadata: info.metadata.clone(),
            local: info.pid.local,
            lamport: info.lamport,
            owner: self.owner(info.pid),
            priority: info.priority,
            moves: info.moves,
            is_exported: info.is_exported,
        }
    }

    fn owner(&self, pid: Pid) -> u32 {
        let owner = (pid.node, pid.boot);
        if let Some(&number) = read(&self.owners).numbers.get(&owner) {
            return number;
        }
        let mut owners = write(&self.owners);
        let number = u32::try_from(owners.all.len()).unwrap_or(u32::MAX);
        owners.all.push(owner);
        owners.numbers.insert(owner, number);
        number
    }

    fn pid_of(&self, held: &Held) -> Option<Pid> {
        let (node, boot) = *read(&self.owners).all.get(held.owner as usize)?;
        Some(Pid {
            node,
            boot,
            local: held.local,
            home: Some(self.group),
        })
    }

    fn info(&self, held: &Held) -> Option<NameInfo> {
        Some(NameInfo {
            pid: self.pid_of(held)?,
            priority: held.priority,
            moves: held.moves,
            lamport: held.lamport,
            is_exported: held.is_exported,
            metadata: held.metadata.clone(),
        })
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(node: u8, local: u64) -> NameInfo {
        NameInfo {
            pid: Pid {
                node: NodeId([node; 32]),
                boot: Boot(u64::from(node)),
                local: LocalId(local),
                home: Some(GroupId([9; 16])),
            },
            priority: -1,
            moves: 2,
            lamport: 3,
            is_exported: true,
            metadata: Bytes::from_static(b"m"),
        }
    }

    fn change(name: &'static [u8], holder: Option<NameInfo>) -> NameChange {
        let name = Bytes::from_static(name);
        NameChange { name, holder }
    }

    #[test]
    fn what_was_set_is_read_and_watched() {
        let table = Table::new(GroupId([9; 16]));
        let mut watch = table.watch(Bytes::from_static(b"a")).unwrap();
        assert_eq!((watch.holder(), table.get(b"a")), (None, None));
        table.set(change(b"a", Some(info(1, 7))));
        table.set(change(b"b", Some(info(2, 8))));
        assert_eq!(table.get(b"a"), Some(info(1, 7)));
        assert_eq!(watch.holder(), Some(info(1, 7)));
        assert_eq!(table.names(), [&b"a"[..], b"b"]);
        table.set(change(b"a", None));
        assert_eq!((watch.holder(), table.len()), (None, 1));
        table.clear();
        assert_eq!(table.len(), 0);
        drop(watch);
        assert!(!table.is_watched());
    }

    #[test]
    fn a_name_takes_104_bytes_of_a_table() {
        assert!(size_of::<(Bytes, Held)>() <= 104);
    }
}
