//! What members say without a contest: process groups, services, properties, counters, attributes,
//! load, and keys of the application's own.
//!
//! For those who come from elsewhere: process groups are `pg`, properties and counters `gproc`,
//! services `riak_core`'s node watcher, shared keys its gossiped metadata, and
//! [`Group::choose_nodes`] with loads is `pool` and SD Erlang's `choose_nodes`.
//!
//! Reads are local. A write returns when this node says so; members hear it half a round trip
//! later, or when they can be reached again. Whatever was said of a process is gone with it, and
//! whatever a node said is gone with the node, at once when that is noticed.

use archipelago_core::wire::{Offer, Value};
use archipelago_core::{LocalId, NodeId, Pid};
use archipelago_router::{Command, Refused};
use archipelago_sgroup::registry::choose::{Choice, Scope};
use archipelago_sgroup::registry::{Entry, RegistryCommand, RegistryError};
use archipelago_sgroup::shards::ShardMap;
use bytes::Bytes;

use super::Group;
use crate::registry::{RegistryEvents, Topic};
use crate::{NodeError, node};

/// Something was not said; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// The group's registry refuses it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The node refuses it: it is not in the group, or shutting down.
    #[error(transparent)]
    Refused(Refused),
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

impl From<NodeError> for SayError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(Refused::Registry(error)) => Self::Registry(error),
            NodeError::Refused(refused) => Self::Refused(refused),
            _ => Self::Stopped,
        }
    }
}

/// Process groups: many processes under one name.
impl Group {
    /// A process of this node joins a process group; as often as it joins, it has to leave.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn join_process_group(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
    ) -> Result<(), SayError> {
        let (name, local) = (bytes(name), self.own(pid)?);
        self.say(RegistryCommand::JoinProcessGroup { name, local })
            .await
    }

    /// The reverse, once.
    ///
    /// Not cancel safe, as joining.
    ///
    /// # Errors
    /// [`RegistryError::NotThere`] where it is not in it; [`SayError`]; nothing changed.
    pub async fn leave_process_group(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
    ) -> Result<(), SayError> {
        let (name, local) = (bytes(name), self.own(pid)?);
        self.say(RegistryCommand::LeaveProcessGroup { name, local })
            .await
    }

    /// The processes of a process group, each once, those of this node first.
    pub fn members_of_process_group(&self, name: impl AsRef<[u8]>) -> Vec<Pid> {
        let home = Some(self.present());
        let read = self.tables().read(self.present(), |table| {
            let all = table.process_group(name.as_ref(), home);
            all.map(|(pid, _)| pid).collect()
        });
        self.local_first(read)
    }

    /// Those of them that live on this node.
    pub fn local_members_of_process_group(&self, name: impl AsRef<[u8]>) -> Vec<Pid> {
        let mut all = self.members_of_process_group(name);
        all.retain(|pid| pid.node == self.shared.id);
        all
    }

    /// Process groups that have a member, in order.
    pub fn process_groups(&self) -> Vec<Bytes> {
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.process_groups().cloned().collect()
        })
    }

    /// The processes of a process group, and every change from then on.
    pub fn watch_process_group(&self, name: impl AsRef<[u8]>) -> (Vec<Pid>, RegistryEvents) {
        let name = bytes(name);
        let topic = Topic::ProcessGroup(name.clone());
        let home = Some(self.present());
        let (all, events) = self.tables().watch(self.present(), topic, |table| {
            let all = table.process_group(&name, home);
            all.map(|(pid, _)| pid).collect()
        });
        (self.local_first(all), events)
    }
}

/// Services: who does what.
impl Group {
    /// A process of this node offers a service, until it is withdrawn or the process ends.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn advertise(
        &self,
        service: impl AsRef<[u8]>,
        pid: Pid,
        offer: Offer,
    ) -> Result<(), SayError> {
        let local = self.own(pid)?;
        self.offer(bytes(service), local, Some(offer)).await
    }

    /// This node as such offers a service, until it is withdrawn or the node ends.
    ///
    /// Not cancel safe, as [`Group::advertise`].
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn advertise_node(
        &self,
        service: impl AsRef<[u8]>,
        offer: Offer,
    ) -> Result<(), SayError> {
        self.offer(bytes(service), LocalId::default(), Some(offer))
            .await
    }

    /// A process of this node offers a service no more. Nothing happens where it does not.
    ///
    /// Not cancel safe, as [`Group::advertise`].
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn withdraw(&self, service: impl AsRef<[u8]>, pid: Pid) -> Result<(), SayError> {
        let local = self.own(pid)?;
        self.offer(bytes(service), local, None).await
    }

    /// This node as such offers a service no more.
    ///
    /// Not cancel safe, as [`Group::advertise`].
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn withdraw_node(&self, service: impl AsRef<[u8]>) -> Result<(), SayError> {
        self.offer(bytes(service), LocalId::default(), None).await
    }

    /// Who offers a service, those of this node first. Where a node as such does, the pid has
    /// mailbox 0, which nothing can be sent to.
    pub fn providers(&self, service: impl AsRef<[u8]>) -> Vec<Pid> {
        let home = Some(self.present());
        let all = self.tables().read(self.present(), |table| {
            let all = table.providers(service.as_ref(), home);
            all.map(|(pid, _)| pid).collect()
        });
        self.local_first(all)
    }

    /// Who offers a service and how, by pid.
    pub(crate) fn offers(&self, service: &[u8]) -> Vec<(Pid, Offer)> {
        let home = Some(self.present());
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.providers(service, home).collect()
        })
    }

    /// Nodes on which a service is offered, each once, in order.
    pub fn nodes_offering(&self, service: impl AsRef<[u8]>) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.tables().read(self.present(), |table| {
            let all = table.providers(service.as_ref(), None);
            all.map(|(pid, _)| pid.node).collect()
        });
        nodes.dedup();
        nodes
    }

    /// Which of the nodes that offer a service each of 4,096 parts of all keys belongs to, as this
    /// node knows them now. All who know the same nodes get the same map. It takes some 10 µs for
    /// each of them: keep it until [`Group::watch_service`] tells of a change.
    pub fn shard_map(&self, service: impl AsRef<[u8]>) -> ShardMap {
        let service = service.as_ref();
        ShardMap::new(service, self.nodes_offering(service))
    }

    /// Services that somebody offers, in order.
    pub fn services(&self) -> Vec<Bytes> {
        let tables = self.tables();
        tables.read(self.present(), |table| table.services().cloned().collect())
    }

    /// Who offers a service, and every change from then on.
    pub fn watch_service(&self, service: impl AsRef<[u8]>) -> (Vec<Pid>, RegistryEvents) {
        let service = bytes(service);
        let topic = Topic::Service(Some(service.clone()));
        let home = Some(self.present());
        let (all, events) = self.tables().watch(self.present(), topic, |table| {
            let all = table.providers(&service, home);
            all.map(|(pid, _)| pid).collect()
        });
        (self.local_first(all), events)
    }

    /// Every change of any service from now on.
    pub fn watch_services(&self) -> RegistryEvents {
        let tables = self.tables();
        tables.watch(self.present(), Topic::Service(None), |_| ()).1
    }

    async fn offer(
        &self,
        service: Bytes,
        local: LocalId,
        offer: Option<Offer>,
    ) -> Result<(), SayError> {
        let entry = Entry::Service {
            service,
            local,
            offer,
        };
        self.say(RegistryCommand::Say(entry)).await
    }
}

/// Properties and counters of processes.
impl Group {
    /// A process of this node has a property, or another value of it; `None` takes it back.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn set_property(
        &self,
        pid: Pid,
        key: impl AsRef<[u8]>,
        value: Option<Value>,
    ) -> Result<(), SayError> {
        let (key, local) = (bytes(key), self.own(pid)?);
        let entry = Entry::Property { key, local, value };
        self.say(RegistryCommand::Say(entry)).await
    }

    /// A property of a process of any member.
    pub fn property(&self, pid: Pid, key: impl AsRef<[u8]>) -> Option<Value> {
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.property(pid, key.as_ref()).cloned()
        })
    }

    /// All processes with a property, and its value, by pid.
    pub fn processes_with_property(&self, key: impl AsRef<[u8]>) -> Vec<(Pid, Value)> {
        let home = Some(self.present());
        self.tables().read(self.present(), |table| {
            let all = table.with_property(key.as_ref(), home);
            all.map(|(pid, value)| (pid, value.clone())).collect()
        })
    }

    /// Adds to a counter of a process of this node; it begins at 0 and saturates.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn add_to_counter(
        &self,
        pid: Pid,
        key: impl AsRef<[u8]>,
        by: i64,
    ) -> Result<(), SayError> {
        let (key, local) = (bytes(key), self.own(pid)?);
        self.say(RegistryCommand::AddToCounter { key, local, by })
            .await
    }

    /// Takes a counter of a process of this node away.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn remove_counter(&self, pid: Pid, key: impl AsRef<[u8]>) -> Result<(), SayError> {
        let (key, local) = (bytes(key), self.own(pid)?);
        let value = None;
        let entry = Entry::Counter { key, local, value };
        self.say(RegistryCommand::Say(entry)).await
    }

    /// A counter of a process of any member.
    pub fn counter(&self, pid: Pid, key: impl AsRef<[u8]>) -> Option<i64> {
        let tables = self.tables();
        tables.read(self.present(), |table| table.counter(pid, key.as_ref()))
    }

    /// The sum of all counters of a name in the group. O(counters of that name).
    pub fn counter_total(&self, key: impl AsRef<[u8]>) -> i64 {
        let tables = self.tables();
        tables.read(self.present(), |table| table.counter_total(key.as_ref()))
    }
}

/// Attributes and load of nodes, and choosing among them.
impl Group {
    /// This node has an attribute in the group, or another value of it; `None` takes it back.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn set_attribute(
        &self,
        key: impl AsRef<[u8]>,
        value: Option<Value>,
    ) -> Result<(), SayError> {
        let entry = Entry::Property {
            key: bytes(key),
            local: LocalId::default(),
            value,
        };
        self.say(RegistryCommand::Say(entry)).await
    }

    /// An attribute of a member.
    pub fn attribute(&self, node: NodeId, key: impl AsRef<[u8]>) -> Option<Value> {
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.attribute(node, key.as_ref()).cloned()
        })
    }

    /// All attributes of a member, in order.
    pub fn attributes(&self, node: NodeId) -> Vec<(Bytes, Value)> {
        self.tables().read(self.present(), |table| {
            let all = table.attributes(node);
            all.map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
    }

    /// Every change of an attribute of any member from now on.
    pub fn watch_attributes(&self) -> RegistryEvents {
        let tables = self.tables();
        tables.watch(self.present(), Topic::Attributes, |_| ()).1
    }

    /// How busy this node is, in thousandths of its own measure: 1,000 may be one core, or one
    /// piece of work that waits. Members hear of it when it differs by an eighth and by 50 from
    /// what they know, at most once a second; so it may be set as often as one likes.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn set_load(&self, load: u32) -> Result<(), SayError> {
        self.say(RegistryCommand::SetLoad { load }).await
    }

    /// How busy a member said that it is.
    pub fn load(&self, node: NodeId) -> Option<u32> {
        self.tables().read(self.present(), |table| table.load(node))
    }

    /// Members as `choice` describes them, best first. Its scope is narrowed to this group where
    /// it is all groups, or a service in all groups; [`Node::choose_nodes`](crate::Node::choose_nodes)
    /// leaves it as it is.
    pub fn choose_nodes(&self, choice: &Choice) -> Vec<NodeId> {
        let mut choice = choice.clone();
        match &mut choice.scope {
            scope @ Scope::AllGroups => *scope = Scope::Group(self.present()),
            Scope::Service { group, .. } => {
                group.get_or_insert(self.present());
            }
            _ => {}
        }
        node::choose_nodes(&self.shared, &choice)
    }
}

/// Keys of the application's own: each member writes its own, all read everybody's.
impl Group {
    /// Shares `value` under `key` with all members; `None` takes it back. At most 4,096 keys and
    /// 1 MiB per node and group, 4 KiB each.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`SayError`]; nothing changed.
    pub async fn share(&self, key: impl AsRef<[u8]>, value: Option<Bytes>) -> Result<(), SayError> {
        let key = bytes(key);
        self.say(RegistryCommand::Say(Entry::Shared { key, value }))
            .await
    }

    /// What each member shares under a key, by node.
    pub fn shared(&self, key: impl AsRef<[u8]>) -> Vec<(NodeId, Bytes)> {
        self.tables().read(self.present(), |table| {
            let all = table.shared(key.as_ref());
            all.map(|(node, value)| (node, value.clone())).collect()
        })
    }

    /// What one member shares under a key.
    pub fn shared_by(&self, node: NodeId, key: impl AsRef<[u8]>) -> Option<Bytes> {
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.shared_of(node, key.as_ref()).cloned()
        })
    }

    /// Keys that somebody shares, in order.
    pub fn shared_keys(&self) -> Vec<Bytes> {
        let tables = self.tables();
        tables.read(self.present(), |table| {
            table.shared_keys().cloned().collect()
        })
    }

    /// What each member shares under a key, and every change from then on.
    pub fn watch_shared(&self, key: impl AsRef<[u8]>) -> (Vec<(NodeId, Bytes)>, RegistryEvents) {
        let key = bytes(key);
        let topic = Topic::Shared(Some(key.clone()));
        self.tables().watch(self.present(), topic, |table| {
            let all = table.shared(&key);
            all.map(|(node, value)| (node, value.clone())).collect()
        })
    }

    /// Every change of any shared key from now on.
    pub fn watch_all_shared(&self) -> RegistryEvents {
        let tables = self.tables();
        tables.watch(self.present(), Topic::Shared(None), |_| ()).1
    }
}

impl Group {
    async fn say(&self, said: RegistryCommand) -> Result<(), SayError> {
        // Before that, pids and entries would be of a start that may not be this one's.
        self.shared.started().await?;
        let command = Command::Registry(self.present(), said);
        Ok(self.shared.command(command).await?)
    }

    /// The mailbox of a process of this node.
    fn own(&self, pid: Pid) -> Result<LocalId, SayError> {
        let is_own = pid.node == self.shared.id && pid.boot == self.shared.boot();
        let is_process = is_own && pid.local != LocalId::default();
        is_process
            .then_some(pid.local)
            .ok_or(SayError::Registry(RegistryError::NoProcess))
    }

    /// Moves what lives on this node to the front; the order is kept otherwise.
    fn local_first(&self, mut pids: Vec<Pid>) -> Vec<Pid> {
        pids.sort_by_key(|pid| pid.node != self.shared.id);
        pids
    }

    fn tables(&self) -> &crate::registry::Tables {
        &self.shared.tables
    }
}

fn bytes(name: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(name.as_ref())
}
