//! Following one name: the latest holder, whoever comes late misses nothing but what is over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use archipelago_sgroup::names::NameInfo;
use bytes::Bytes;
use tokio::sync::watch;

/// Names that are watched in one group of a node.
const WATCHES_MAX: usize = 65_536;

/// The holder of one name, as it changes.
///
/// It tells the latest state, not every step: a slow watcher finds where things are now, and
/// nothing queues up. It ends with its node.
#[derive(Debug)]
pub struct NameWatch {
    name: Bytes,
    holder: watch::Receiver<Option<NameInfo>>,
}

impl NameWatch {
    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Who holds it now. What it returns counts as seen by [`NameWatch::changed`].
    pub fn holder(&mut self) -> Option<NameInfo> {
        self.holder.borrow_and_update().clone()
    }

    /// Waits until the name has another holder, or another claim of the same; returns it.
    ///
    /// Cancel safe. Waits for ever where nothing changes: give it a deadline. After the end of
    /// the node it returns `None` at once.
    pub async fn changed(&mut self) -> Option<NameInfo> {
        let changed = self.holder.changed().await;
        changed.ok().and_then(|()| self.holder())
    }
}

/// All watches of one group.
#[derive(Debug, Default)]
pub(super) struct Watches {
    names: Mutex<HashMap<Bytes, watch::Sender<Option<NameInfo>>>>,
}

impl Watches {
    pub(super) fn add(&self, name: Bytes, holder: Option<NameInfo>) -> Option<NameWatch> {
        let mut names = self.names();
        if let Some(known) = names.get(&name) {
            let holder = known.subscribe();
            return Some(NameWatch { name, holder });
        }
        if names.len() >= WATCHES_MAX {
            names.retain(|_, sender| !sender.is_closed());
        }
        if names.len() >= WATCHES_MAX {
            return None;
        }
        let (sender, receiver) = watch::channel(holder);
        names.insert(name.clone(), sender);
        let holder = receiver;
        Some(NameWatch { name, holder })
    }

    pub(super) fn tell(&self, name: &Bytes, holder: Option<NameInfo>) {
        let mut names = self.names();
        let Some(sender) = names.get(name) else {
            return;
        };
        if sender.is_closed() {
            names.remove(name);
            return;
        }
        sender.send_if_modified(|known| {
            let is_other = *known != holder;
            *known = holder;
            is_other
        });
    }

    pub(super) fn tell_all_gone(&self) {
        for sender in self.names().values() {
            sender.send_if_modified(|known| known.take().is_some());
        }
    }

    pub(super) fn is_used(&self) -> bool {
        self.names().values().any(|sender| !sender.is_closed())
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Bytes, watch::Sender<Option<NameInfo>>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
