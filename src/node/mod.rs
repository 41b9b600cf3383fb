//! One node, as its user holds it.
//!
//! [`Node`] is a handle: the protocol runs in a task on the [`Runtime`](crate::Runtime)'s threads.
//! Reads answer from a copy that the task keeps up to date, and never wait for it.

mod apply;
mod builder;
mod choose;
mod error;
mod group_spec;
mod limits;
mod replica;
mod security;
mod shared;
mod sizing;

pub use apply::{Applied, ApplyError};
pub use builder::Builder;
pub(crate) use choose::choose_nodes;
pub use error::{NodeError, StartError};
pub use group_spec::GroupSpec;
pub use limits::Limits;
pub(crate) use replica::Replica;
pub use security::Security;
pub(crate) use shared::{Clock, Life, Shared};
pub use sizing::Sizing;

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Address, Boot, GroupId, NodeId, Pid};
use archipelago_router::up::TierInfo;
use archipelago_router::watch::Target;
use archipelago_router::{Command, RouteInfo, SessionInfo};
use archipelago_sgroup::registry::choose::Choice;
use archipelago_sgroup::{Cookies, MemberInfo};
use bytes::Bytes;

use crate::{Events, Group, Mailbox, Metrics, Monitor, PeerInfo, SendError, Sender};

/// How long [`Node::shutdown`] waits for goodbyes to be read.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running node. Clones are handles to the same node.
///
/// The node ends by [`Node::shutdown`], by [`Node::kill`], or, as if killed, when the last handle
/// is dropped; mailboxes do not keep it alive.
#[derive(Clone, Debug)]
pub struct Node {
    guard: Arc<KillOnDrop>,
}

#[derive(Debug)]
struct KillOnDrop {
    shared: Arc<Shared>,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.shared.kill();
    }
}

impl Node {
    /// A node to be configured; `name` is for people, 1 to 64 bytes, and need not be unique.
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            guard: Arc::new(KillOnDrop { shared }),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.guard.shared
    }

    /// The node's id: its public key.
    pub fn id(&self) -> NodeId {
        self.shared().id
    }

    /// The node's name for people.
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// Where it listens, as others dial it; never empty.
    pub fn addresses(&self) -> Vec<Address> {
        self.shared().addresses.clone()
    }

    /// This start of the node; final once [`Node::started`] has returned.
    pub fn boot(&self) -> Boot {
        self.shared().boot()
    }

    /// The group called `name`, whether or not this node is in it.
    pub fn group(&self, name: &str) -> Group {
        Group::new(self.shared().clone(), name)
    }

    /// The id of the group called `name` in this node's realm.
    pub fn group_id(&self, name: &str) -> GroupId {
        GroupId::new(&self.shared().realm, name)
    }

    /// Waits until the boot is final: at once for a node that founds a group or is free, after
    /// the first admission for one that joins.
    ///
    /// Cancel safe. A node that no seed admits waits for ever: give it a deadline, or watch
    /// [`NodeEvent::Refused`](crate::NodeEvent::Refused).
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn started(&self) -> Result<Boot, NodeError> {
        self.shared().started().await
    }

    /// Waits until this node is up in the group called `name`; returns how many members it could
    /// not reach.
    ///
    /// Cancel safe. Waits for ever where no seed admits it: give it a deadline.
    ///
    /// # Errors
    /// [`NodeError::UnknownGroup`] for a group that is neither configured nor joined;
    /// [`NodeError::Stopped`].
    pub async fn joined(&self, name: &str) -> Result<usize, NodeError> {
        self.shared().joined(self.group_id(name)).await
    }

    /// Waits until the living members of the group called `name`, this node included, are at
    /// least `members`.
    ///
    /// Cancel safe. Waits for ever where they do not come: give it a deadline.
    ///
    /// # Errors
    /// As for [`Node::joined`].
    pub async fn wait_members(&self, name: &str, members: usize) -> Result<(), NodeError> {
        self.shared()
            .wait_members(self.group_id(name), members)
            .await
    }

    /// Watches a process: the [`Monitor`] yields why it ended, once, wherever its node is. Across
    /// groups no session is held for it. A pid of an earlier start says `NoProc`.
    ///
    /// Cancel safe: dropped before it returns, nothing is watched.
    ///
    /// # Errors
    /// [`NodeError::Refused`] at the limit of monitors, [`NodeError::Stopped`]; nothing is watched.
    pub async fn monitor(&self, pid: Pid) -> Result<Monitor, NodeError> {
        Monitor::start(self.shared().clone(), Target::Process(pid)).await
    }

    /// Watches a node, whichever start of it is alive: the [`Monitor`] yields when its group
    /// declares it down, when it comes back as a later start, or when it does not answer. `home`
    /// is a group of it, needed where it shares none with this node.
    ///
    /// Cancel safe, as [`Node::monitor`].
    ///
    /// # Errors
    /// As for [`Node::monitor`].
    pub async fn monitor_node(
        &self,
        node: NodeId,
        home: Option<GroupId>,
    ) -> Result<Monitor, NodeError> {
        Monitor::start(self.shared().clone(), Target::Node { node, home }).await
    }

    /// A new mailbox, as soon as the boot is final (see [`Node::started`]). Its pid leads others
    /// to this node's first configured group.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`NodeError::TooManyMailboxes`], [`NodeError::Stopped`].
    pub async fn mailbox(&self) -> Result<Mailbox, NodeError> {
        self.mailbox_of(None).await
    }

    /// A mailbox that takes values of `type_id` without codec from this node.
    pub(crate) async fn mailbox_of(&self, type_id: Option<TypeId>) -> Result<Mailbox, NodeError> {
        Mailbox::open(self.shared(), type_id).await
    }

    /// What is held for each peer that has traffic, and the most that it may be, ordered by id.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let shared = self.shared();
        let config = &shared.channel_config;
        shared.peers.infos(&shared.limits, config)
    }

    /// Sends bytes in the name of `from`'s mailbox; see [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(
        &self,
        from: &Mailbox,
        to: Pid,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        self.sender_of(from).send(to, payload).await
    }

    /// As [`Node::send`], but says [`SendError::Full`] where that would wait.
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send(
        &self,
        from: &Mailbox,
        to: Pid,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        self.sender_of(from).try_send(to, payload)
    }

    fn sender_of(&self, from: &Mailbox) -> Sender {
        Sender::new(self.shared().clone(), from.pid())
    }

    /// What happens from now on, as a [`Stream`](futures::Stream); may be called several times.
    pub fn events(&self) -> Events {
        self.shared().hub.watch()
    }

    /// Living members of the group called `name`, ordered by id, this node included once it is
    /// up; `None` for a group that it is not in.
    pub fn members(&self, name: &str) -> Option<Vec<MemberInfo>> {
        self.members_of(self.group_id(name))
    }

    /// As [`Node::members`], by the group's id.
    pub fn members_of(&self, group: GroupId) -> Option<Vec<MemberInfo>> {
        let shared = self.shared();
        shared.replica.members(shared.moves.present(group))
    }

    /// The groups that this node is in or joins.
    pub fn groups(&self) -> Vec<GroupId> {
        self.shared().replica.groups()
    }

    /// Nodes of this node's groups as `choice` describes them, best first: exactly those in its
    /// scope that are up, for which its predicate holds, within its reach. A local read.
    pub fn choose_nodes(&self, choice: &Choice) -> Vec<NodeId> {
        choose_nodes(self.shared(), choice)
    }

    /// All sessions, ordered by the peer's id.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.shared().replica.sessions()
    }

    /// Groups that can be reached, and over whom.
    pub fn routes(&self) -> Vec<RouteInfo> {
        self.shared().replica.routes()
    }

    /// This node's groups that have parents or children: who leads up, what is above and below.
    /// Parents that this node was elected to join are among them.
    pub fn tiers(&self) -> Vec<TierInfo> {
        self.shared().replica.tiers()
    }

    /// Counters since the start.
    pub fn metrics(&self) -> Metrics {
        self.shared().metrics.read()
    }

    /// Joins one more group; returns when it is under way. [`Node::joined`] waits for the rest.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::Stopped`].
    pub async fn join(&self, group: GroupSpec) -> Result<(), NodeError> {
        let shared = self.shared();
        let config = Arc::new(group.into_config(&shared.realm, &shared.timing));
        let id = config.id();
        if config.place.standard.is_some() {
            shared.moves.expect();
        }
        shared.command(Command::Join(config)).await?;
        shared.replica.add_group(id);
        Ok(())
    }

    /// Leaves the group called `name`: its members are told; sessions that nothing else justifies
    /// close.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::Stopped`].
    pub async fn leave(&self, name: &str) -> Result<(), NodeError> {
        let id = self.shared().moves.present(self.group_id(name));
        self.shared().command(Command::Leave(id)).await?;
        self.shared().replica.remove_group(id);
        Ok(())
    }

    /// Uses one more group without being in it: see [`Builder::client`]. Returns when it is under
    /// way; [`NodeEvent::Attached`](crate::NodeEvent::Attached) follows.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is in the group or uses it already, or it has no
    /// seeds; [`NodeError::Stopped`]. Nothing changed.
    pub async fn attach(&self, group: GroupSpec) -> Result<(), NodeError> {
        let shared = self.shared();
        let config = Arc::new(group.into_config(&shared.realm, &shared.timing));
        shared.command(Command::Attach(config)).await
    }

    /// Waits until this node can be found by others: at once where it is configured with a group,
    /// else until it is in one or served by one. Returns that group, which is its home.
    ///
    /// Unbounded: give it a deadline. Cancel safe.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn attached(&self) -> Result<GroupId, NodeError> {
        let shared = self.shared();
        shared.started().await?;
        let mut home = shared.home.subscribe();
        tokio::select! {
            found = home.wait_for(Option::is_some) => found.ok().and_then(|home| *home),
            () = shared.stopped() => None,
        }
        .ok_or(NodeError::Stopped)
    }

    /// Uses the group called `name` no more.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where it was not used; [`NodeError::Stopped`].
    pub async fn detach(&self, name: &str) -> Result<(), NodeError> {
        let id = self.group_id(name);
        self.shared().command(Command::Detach(id)).await
    }

    /// Tells the group that `group` describes of another tier, other parents, reflectors, council or
    /// size.
    /// All members hear of it from any one that was told; but who is to join a parent must be told
    /// of the parent's seeds and cookie here. Raise [`GroupSpec::epoch`]. Seeds and cookie of the
    /// group itself stay as they are.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::Stopped`].
    pub async fn recharter(&self, group: GroupSpec) -> Result<(), NodeError> {
        let shared = self.shared();
        let config = Arc::new(group.into_config(&shared.realm, &shared.timing));
        shared.command(Command::Recharter(config)).await
    }

    /// Changes the cookie of a group; `previous` is accepted as well while a rotation lasts.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::Stopped`].
    pub async fn set_cookie(
        &self,
        name: &str,
        current: impl AsRef<[u8]>,
        previous: Option<&[u8]>,
    ) -> Result<(), NodeError> {
        let cookies = Cookies {
            current: Arc::from(current.as_ref()),
            previous: previous.map(Arc::from),
        };
        let id = self.shared().moves.present(self.group_id(name));
        let command = Command::SetCookies(id, cookies);
        self.shared().command(command).await
    }

    /// Leaves all groups, says goodbye on all sessions, and ends. Waits at most 5 s for the
    /// goodbyes to be read, and kills then.
    ///
    /// Once begun it goes on even if the future is dropped. Does nothing to a stopped node.
    pub async fn shutdown(&self) {
        let shared = self.shared();
        if shared.command(Command::Shutdown).await.is_ok() {
            let handle = shared.runtime.handle().clone();
            let waiting = shared.clone();
            // On the node's own runtime: the caller's may have no timer.
            let ended = handle.spawn(async move {
                let ended = tokio::time::timeout(SHUTDOWN_TIMEOUT, waiting.stopped()).await;
                if ended.is_err() {
                    waiting.kill();
                }
            });
            // An error would say that the task panicked or that the runtime is gone.
            let _ = ended.await;
        }
        shared.kill();
        shared.stopped().await;
    }

    /// Ends at once, without a word to anybody: sockets close, as when the process is killed.
    /// Others find out by themselves. For tests and demonstrations; users want
    /// [`Node::shutdown`].
    pub fn kill(&self) {
        self.shared().kill();
    }

    /// Waits until the node has stopped, whoever stopped it. Cancel safe.
    pub async fn stopped(&self) {
        self.shared().stopped().await;
    }

    /// Stops the protocol of this node as a stopped process would: sockets stay open, nothing is
    /// read, answered or sent until [`Node::thaw`]. For tests and demonstrations.
    pub fn freeze(&self) {
        self.shared().freeze();
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        self.shared().thaw();
    }
}
