//! What all members of one group say, ordered for those who look things up.
//!
//! Fed by the [`RegistryChange`]s of one group; equal sequences of them per owner give equal
//! tables, in whatever order the owners' changes are mixed. It holds nothing of an owner that is
//! gone, since the group tells that as changes, too. No bounds of its own: an owner's log has them.
//!
//! Cost: O(log n) per change and per look-up; some 120 bytes per entry, names and values shared
//! with the log.

use std::collections::BTreeMap;

use archipelago_core::wire::{Offer, Value};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid};
use bytes::Bytes;

use super::{Entry, RegistryChange};

/// What the members of one group say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    process_groups: Cells<u16>,
    services: Cells<Offer>,
    properties: Cells<Value>,
    counters: Cells<i64>,
    loads: BTreeMap<NodeId, u32>,
    shared: BTreeMap<Bytes, BTreeMap<NodeId, Bytes>>,
}

/// By name, and then by who said it: the node's start and what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cells<T>(BTreeMap<Bytes, Said<T>>);

/// What was said under one name, by whom.
type Said<T> = BTreeMap<(NodeId, LocalId), (Boot, T)>;

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl Table {
    /// One member says something else than before.
    pub fn apply(&mut self, change: &RegistryChange) {
        for entry in &change.entries {
            self.apply_one(change.owner, change.boot, entry);
        }
    }

    /// One entry of a change. Returns the start of the member in which the entry is said, or, if
    /// it is gone, was; `None` where nobody said it.
    pub fn apply_one(&mut self, owner: NodeId, boot: Boot, entry: &Entry) -> Option<Boot> {
        match entry {
            Entry::ProcessGroup { name, local, times } => {
                let times = (*times > 0).then_some(*times);
                self.process_groups.put(name, (owner, *local), boot, times)
            }
            Entry::Service {
                service,
                local,
                offer,
            } => self.services.put(service, (owner, *local), boot, *offer),
            Entry::Property { key, local, value } => {
                let value = value.clone();
                self.properties.put(key, (owner, *local), boot, value)
            }
            Entry::Counter { key, local, value } => {
                self.counters.put(key, (owner, *local), boot, *value)
            }
            Entry::Load { load: Some(load) } => {
                self.loads.insert(owner, *load);
                Some(boot)
            }
            Entry::Load { load: None } => self.loads.remove(&owner).map(|_| boot),
            Entry::Shared { key, value } => {
                let is_told = self.share(key, owner, value.as_ref());
                is_told.then_some(boot)
            }
        }
    }

    /// Whether nobody says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names of process groups that have a member, in order.
    pub fn process_groups(&self) -> impl Iterator<Item = &Bytes> {
        self.process_groups.0.keys()
    }

    /// Members of a process group, by pid, and how often each joined. `home` becomes the pids'
    /// hint where to look them up.
    pub fn process_group(
        &self,
        name: &[u8],
        home: Option<GroupId>,
    ) -> impl Iterator<Item = (Pid, u16)> {
        self.process_groups
            .of(name, home)
            .map(|(pid, times)| (pid, *times))
    }

    /// Services that somebody offers, in order.
    pub fn services(&self) -> impl Iterator<Item = &Bytes> {
        self.services.0.keys()
    }

    /// Who offers a service: a mailbox, or a node (whose pid then has mailbox 0).
    pub fn providers(
        &self,
        service: &[u8],
        home: Option<GroupId>,
    ) -> impl Iterator<Item = (Pid, Offer)> {
        self.services
            .of(service, home)
            .map(|(pid, offer)| (pid, *offer))
    }

    /// Whether any mailbox of the node, or the node itself, offers a service.
    pub fn offers(&self, node: NodeId, service: &[u8]) -> bool {
        let offers = self.services.0.get(service);
        let from = (node, LocalId::default())..=(node, LocalId(u64::MAX));
        offers.is_some_and(|offers| offers.range(from).next().is_some())
    }

    /// A property of a mailbox; `None` also where the pid is of another start of its node.
    pub fn property(&self, pid: Pid, key: &[u8]) -> Option<&Value> {
        self.properties.get(pid, key)
    }

    /// All mailboxes with a property, by pid.
    pub fn with_property(
        &self,
        key: &[u8],
        home: Option<GroupId>,
    ) -> impl Iterator<Item = (Pid, &Value)> {
        let all = self.properties.of(key, home);
        all.filter(|(pid, _)| pid.local != LocalId::default())
    }

    /// An attribute of a node.
    pub fn attribute(&self, node: NodeId, key: &[u8]) -> Option<&Value> {
        let said = self.properties.0.get(key)?.get(&(node, LocalId::default()));
        said.map(|(_, value)| value)
    }

    /// All attributes of a node, in order.
    pub fn attributes(&self, node: NodeId) -> impl Iterator<Item = (&Bytes, &Value)> {
        let at = (node, LocalId::default());
        let all = self.properties.0.iter();
        all.filter_map(move |(key, said)| Some((key, &said.get(&at)?.1)))
    }

    /// A mailbox's counter.
    pub fn counter(&self, pid: Pid, key: &[u8]) -> Option<i64> {
        self.counters.get(pid, key).copied()
    }

    /// The sum of all counters of a name in the group; it saturates.
    pub fn counter_total(&self, key: &[u8]) -> i64 {
        let all = self
            .counters
            .0
            .get(key)
            .into_iter()
            .flat_map(BTreeMap::values);
        let sum: i128 = all.map(|(_, value)| i128::from(*value)).sum();
        i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
    }

    /// How busy a node said that it is, in thousandths of its own measure.
    pub fn load(&self, node: NodeId) -> Option<u32> {
        self.loads.get(&node).copied()
    }

    /// What each member shares under a key, by node.
    pub fn shared(&self, key: &[u8]) -> impl Iterator<Item = (NodeId, &Bytes)> {
        let all = self.shared.get(key).into_iter().flatten();
        all.map(|(node, value)| (*node, value))
    }

    /// What one member shares under a key.
    pub fn shared_of(&self, node: NodeId, key: &[u8]) -> Option<&Bytes> {
        self.shared.get(key)?.get(&node)
    }

    /// All keys that somebody shares, in order.
    pub fn shared_keys(&self) -> impl Iterator<Item = &Bytes> {
        self.shared.keys()
    }

    /// Whether there is something to tell.
    fn share(&mut self, key: &Bytes, owner: NodeId, value: Option<&Bytes>) -> bool {
        if let Some(value) = value {
            let said = self.shared.entry(key.clone()).or_default();
            said.insert(owner, value.clone());
            return true;
        }
        let Some(said) = self.shared.get_mut(key) else {
            return false;
        };
        let was_there = said.remove(&owner).is_some();
        if said.is_empty() {
            self.shared.remove(key);
        }
        was_there
    }
}

impl<T> Cells<T> {
    /// The start in which it is said or, if it is gone, was.
    fn put(
        &mut self,
        name: &Bytes,
        at: (NodeId, LocalId),
        boot: Boot,
        value: Option<T>,
    ) -> Option<Boot> {
        if let Some(value) = value {
            let said = self.0.entry(name.clone()).or_default();
            said.insert(at, (boot, value));
            return Some(boot);
        }
        let said = self.0.get_mut(name)?;
        let gone = said.remove(&at);
        if said.is_empty() {
            self.0.remove(name);
        }
        gone.map(|(boot, _)| boot)
    }

    fn of(&self, name: &[u8], home: Option<GroupId>) -> impl Iterator<Item = (Pid, &T)> {
        let all = self.0.get(name).into_iter().flatten();
        all.map(move |(&(node, local), (boot, value))| {
            let boot = *boot;
            let pid = Pid {
                node,
                boot,
                local,
                home,
            };
            (pid, value)
        })
    }

    fn get(&self, pid: Pid, name: &[u8]) -> Option<&T> {
        let (boot, value) = self.0.get(name)?.get(&(pid.node, pid.local))?;
        (*boot == pid.boot).then_some(value)
    }
}
