//! Everything that members say without a contest: process groups, services, properties, counters,
//! attributes, shared keys and load.
//!
//! ```text
//!  command ─► Registry ─► own log ─► other members' logs ─► Entry ─► Table (readers)
//! ```
//!
//! All of it lies in the owner-logs (`entry` has the keys), so nobody but the owner writes it,
//! it is repaired by their anti-entropy, and it vanishes with its owner at once. A `Registry`
//! holds only what a log cannot tell: which keys belong to which mailbox, and how the load was
//! damped. What readers look things up in is a [`Table`], which each driver keeps from the
//! [`RegistryChange`]s that its groups tell; the machine itself has none.
//!
//! It never decides between two members: what competes is a name.
//! Cost: nothing at rest; some 100 bytes per own entry; O(log n) per write.
//! Source: Erlang's `pg` and `gproc`, `riak_core`'s node watcher and its gossiped metadata.

pub mod choose;
mod command;
mod entry;
mod load;
mod table;

pub use command::{RegistryCommand, RegistryError};
pub use entry::{Entry, RegistryChange};
pub use load::{LOAD_FLOOR, LOAD_PERIOD};
pub use table::Table;

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::footprint::map_bytes;
use archipelago_core::wire::number_from_bytes;
use archipelago_core::{Context, LocalId, Time};
use bytes::Bytes;

use crate::log::{Logs, OwnLog, PeerLog, keys};
use entry::service_prefix;
pub(crate) use entry::{property_key, readable};
use load::Damper;

/// Keys that a member may have among the application's own. Default of every node.
pub const SHARED_KEYS_MAX: usize = 4_096;
/// Bytes of those keys and their values together.
pub const SHARED_BYTES_MAX: usize = 1024 * 1024;

/// What this node said in one group, as far as the log does not tell.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Keys of the own log by the mailbox that they end with.
    of_mailbox: BTreeMap<LocalId, BTreeSet<Bytes>>,
    load: Damper,
    shared_keys: usize,
    shared_bytes: usize,
}

impl Registry {
    /// Does what the user asked for; the entries that changed.
    pub(crate) fn handle(
        &mut self,
        command: RegistryCommand,
        logs: &mut Logs,
        cx: &Context<'_>,
    ) -> Result<Vec<Entry>, RegistryError> {
        let entry = match command {
            RegistryCommand::SetLoad { load } => {
                self.load.want(load, cx.now);
                return Ok(self.poll(logs, cx));
            }
            RegistryCommand::JoinProcessGroup { name, local } => {
                let times = joined(logs, &name, local);
                let times = times.checked_add(1).ok_or(RegistryError::TooOften)?;
                Entry::ProcessGroup { name, local, times }
            }
            RegistryCommand::LeaveProcessGroup { name, local } => {
                let times = joined(logs, &name, local);
                let times = times.checked_sub(1).ok_or(RegistryError::NotThere)?;
                Entry::ProcessGroup { name, local, times }
            }
            RegistryCommand::AddToCounter { key, local, by } => {
                let value = counted(logs, &key, local).unwrap_or(0);
                let value = Some(value.saturating_add(by));
                Entry::Counter { key, local, value }
            }
            RegistryCommand::Say(entry) => entry,
        };
        self.write(&entry, logs, cx)?;
        Ok(vec![entry])
    }

    /// A process of this node has ended, and with it goes all that was said of it.
    pub(crate) fn handle_process_ended(
        &mut self,
        local: LocalId,
        logs: &mut Logs,
        cx: &Context<'_>,
    ) -> Vec<Entry> {
        let keys = self.of_mailbox.remove(&local).unwrap_or_default();
        let deleted = keys.into_iter().filter_map(|key| {
            logs.delete(&key, cx)?;
            Entry::read(&key, None).ok()
        });
        deleted.collect()
    }

    /// Says the load, if it is worth it and due.
    pub(crate) fn poll(&mut self, logs: &mut Logs, cx: &Context<'_>) -> Vec<Entry> {
        let Some(load) = self.load.poll(cx.now) else {
            return Vec::new();
        };
        let entry = Entry::Load { load: Some(load) };
        // A full log costs the choice of others some accuracy.
        match self.write(&entry, logs, cx) {
            Ok(()) => vec![entry],
            Err(_) => Vec::new(),
        }
    }

    /// When to call [`Registry::poll`].
    pub(crate) fn next(&self) -> Time {
        self.load.next()
    }

    /// Itself and its tables.
    pub(crate) fn heap_bytes(&self) -> usize {
        let sets = self.of_mailbox.values();
        let keys = sets.map(|keys| keys.len() * size_of::<Bytes>());
        size_of::<Self>() + map_bytes(&self.of_mailbox) + keys.sum::<usize>()
    }

    fn write(
        &mut self,
        entry: &Entry,
        logs: &mut Logs,
        cx: &Context<'_>,
    ) -> Result<(), RegistryError> {
        let key = entry.key()?;
        let value = entry.value()?;
        let is_shared = matches!(entry, Entry::Shared { .. });
        let before = logs.own().and_then(|own| own.get(&key));
        let before = before.map(|value| key.len() + value.len());
        let after = value.as_ref().map(|value| key.len() + value.len());
        if is_shared {
            self.check_shared(before, after)?;
        }
        match value {
            Some(value) => {
                logs.put(key.clone(), value, cx)?;
            }
            None => {
                logs.delete(&key, cx);
            }
        }
        if is_shared {
            self.count_shared(before, after);
        } else if let Some(local) = entry.mailbox() {
            self.note(local, key, after.is_some());
        }
        Ok(())
    }

    fn note(&mut self, local: LocalId, key: Bytes, is_there: bool) {
        if is_there {
            self.of_mailbox.entry(local).or_default().insert(key);
        } else if let Some(keys) = self.of_mailbox.get_mut(&local) {
            keys.remove(&key);
            if keys.is_empty() {
                self.of_mailbox.remove(&local);
            }
        }
    }

    fn check_shared(
        &self,
        before: Option<usize>,
        after: Option<usize>,
    ) -> Result<(), RegistryError> {
        let Some(after) = after else { return Ok(()) };
        let bytes = self.shared_bytes - before.unwrap_or(0) + after;
        let keys = self.shared_keys + usize::from(before.is_none());
        if keys > SHARED_KEYS_MAX || bytes > SHARED_BYTES_MAX {
            return Err(RegistryError::SharedFull);
        }
        Ok(())
    }

    fn count_shared(&mut self, before: Option<usize>, after: Option<usize>) {
        self.shared_bytes = self.shared_bytes - before.unwrap_or(0) + after.unwrap_or(0);
        self.shared_keys =
            self.shared_keys - usize::from(before.is_some()) + usize::from(after.is_some());
    }
}

/// What changed in a member's log, read; and how many entries could not be.
pub(crate) fn read<'a>(
    changes: impl Iterator<Item = (&'a Bytes, Option<&'a Bytes>)>,
) -> (Vec<Entry>, u32) {
    let mut malformed = 0_u32;
    let mut entries = Vec::new();
    for (key, value) in changes {
        if !Entry::is_key(key) {
            continue;
        }
        match Entry::read(key, value) {
            Ok(entry) => entries.push(entry),
            Err(gone) => {
                malformed = malformed.saturating_add(1);
                entries.extend(gone);
            }
        }
    }
    (entries, malformed)
}

/// The mailboxes that offer a service to other groups, and how busy their node says that it is, from
/// the entries of its log under [`service_prefix`] and of its load.
fn exported<'a>(
    offers: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    load: Option<&Bytes>,
) -> Vec<(LocalId, u32)> {
    let load = load.and_then(|load| number_from_bytes(load).ok());
    let load = load.and_then(|load| u32::try_from(load).ok()).unwrap_or(0);
    let exported = offers.filter_map(|(key, value)| match Entry::read(key, Some(value)) {
        Ok(Entry::Service {
            local,
            offer: Some(offer),
            ..
        }) if offer.is_exported && !offer.is_leaving => Some(local),
        _ => None,
    });
    // The node itself has no mailbox that anybody could write to.
    let processes = exported.filter(|local| *local != LocalId::default());
    processes.map(|local| (local, load)).collect()
}

/// The mailboxes of a member that offer a service to other groups, with the member's load.
pub(crate) fn exported_by_peer(log: &PeerLog, service: &[u8]) -> Vec<(LocalId, u32)> {
    let Some(prefix) = service_prefix(service) else {
        return Vec::new();
    };
    exported(log.range(&prefix), log.get(&keys::key(keys::LOAD, &[])))
}

/// The same of this node.
pub(crate) fn exported_by_own(log: &OwnLog, service: &[u8]) -> Vec<(LocalId, u32)> {
    let Some(prefix) = service_prefix(service) else {
        return Vec::new();
    };
    exported(log.range(&prefix), log.get(&keys::key(keys::LOAD, &[])))
}

/// How often this node's mailbox has joined the process group.
fn joined(logs: &Logs, name: &Bytes, local: LocalId) -> u16 {
    let count = own_number(logs, &entry::mailbox_key(keys::PROCESS_GROUP, name, local));
    count
        .and_then(|count| u16::try_from(count).ok())
        .unwrap_or(0)
}

fn counted(logs: &Logs, key: &Bytes, local: LocalId) -> Option<i64> {
    own_number(logs, &entry::counter_key(key, local))
}

fn own_number(logs: &Logs, key: &[u8]) -> Option<i64> {
    number_from_bytes(logs.own()?.get(key)?).ok()
}

#[cfg(test)]
mod tests;
