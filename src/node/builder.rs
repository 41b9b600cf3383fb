//! How a node is configured, and started.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Address, Roles};
use archipelago_router::InvitePolicy;
use archipelago_sgroup::Timing;

use super::{GroupSpec, Limits, Node, StartError};
use crate::{Runtime, Security};

/// A node to be: every method but the last says one thing about it.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) name: String,
    pub(crate) realm: String,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) groups_file: Option<PathBuf>,
    pub(crate) listen: Vec<String>,
    pub(crate) groups: Vec<GroupSpec>,
    pub(crate) clients: Vec<GroupSpec>,
    pub(crate) bootstraps: Vec<Address>,
    pub(crate) roles: Roles,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) dial_threshold: Option<(u32, u32)>,
    pub(crate) on_demand_max: Option<usize>,
    pub(crate) relay: bool,
    pub(crate) invites: InvitePolicy,
    pub(crate) limits: Limits,
    pub(crate) security: Vec<Security>,
    pub(crate) timing: Timing,
    pub(crate) runtime: Option<Runtime>,
}

impl Builder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            realm: "default".to_owned(),
            key_file: None,
            groups_file: None,
            listen: Vec::new(),
            groups: Vec::new(),
            clients: Vec::new(),
            bootstraps: Vec::new(),
            roles: Roles::default(),
            idle_timeout: None,
            dial_threshold: None,
            on_demand_max: None,
            relay: true,
            invites: InvitePolicy::default(),
            limits: Limits::default(),
            security: Security::by_default(),
            timing: Timing::default(),
            runtime: None,
        }
    }

    /// The realm: nodes of different realms refuse each other. 1 to 64 bytes; default `default`.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        realm.clone_into(&mut self.realm);
        self
    }

    /// Where the node's key and its last boot are kept; made, readable by its owner only, if it
    /// is not there. Without it the node has a new key, and so a new id, at every start.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Where groups are kept that are made, joined or entered by invitation while the node runs, with
    /// their cookies, for the owner of the file only. The next start with the same file is in them
    /// again, besides those of [`Builder::group`], which count for more: it asks the members that it
    /// saw last, and begins a group anew of which nobody is left. What it leaves, and what is
    /// deleted, is forgotten. Without it such groups end with the node. Of the groups of
    /// [`Builder::group`] it keeps the cookies that were changed while the node ran, which count until
    /// the group is configured with other ones. The window of a change goes on while the node is down,
    /// by the wall clock.
    ///
    /// A call that made a group may return a moment before the file is written;
    /// [`NodeEvent::GroupsNotKept`](crate::NodeEvent::GroupsNotKept) says that it could not be.
    #[must_use]
    pub fn groups_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.groups_file = Some(path.into());
        self
    }

    /// Where to listen, as a multiaddress; may be given several times. Default
    /// `/ip4/127.0.0.1/tcp/0`: a free port of this machine, unreachable from others.
    /// `/memory/0` listens within the process, for tests; with feature `quic`,
    /// `/ip4/127.0.0.1/udp/0/quic-v1` listens for QUIC.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.listen.push(address.to_owned());
        self
    }

    /// A group to join at the start; may be given several times. The first one is home: where
    /// others look this node up. Without any the node is free.
    #[must_use]
    pub fn group(mut self, group: GroupSpec) -> Self {
        self.groups.push(group);
        self
    }

    /// A group to use without being in it, as a hidden node; may be given several times. Two of its
    /// members serve this node: through them it looks up names, and sends, calls and is reached.
    /// It is in no view and has no duties, so that a small group bears any number of such clients.
    /// Needs the group's cookie and seeds, and says [`NodeEvent::Attached`](crate::NodeEvent::Attached).
    #[must_use]
    pub fn client(mut self, group: GroupSpec) -> Self {
        self.clients.push(group);
        self
    }

    /// A node to be served by without being in any group or knowing the name of one; may be given
    /// several times. One open group that it is in serves this node as [`Builder::client`] says;
    /// groups with a cookie, and closed ones, do not. [`Node::attached`] waits for it: mailboxes
    /// that are made before then cannot be written to from elsewhere.
    #[must_use]
    pub fn bootstrap(mut self, address: impl Into<Address>) -> Self {
        self.bootstraps.push(address.into());
        self
    }

    /// Reflects between the groups that it is in: answers look-ups, relays first messages.
    #[must_use]
    pub const fn reflector(mut self) -> Self {
        self.roles = self.roles.with(Roles::REFLECTOR);
        self
    }

    /// Idle on-demand sessions close after this, ± 20 %. Default 60 s.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// On-demand sessions at once. Default 64, for a reflector 512; the least recently used is
    /// closed for a new one.
    #[must_use]
    pub const fn on_demand_max(mut self, sessions: usize) -> Self {
        self.on_demand_max = Some(sessions);
        self
    }

    /// Traffic to a far node within 10 s beyond which it is dialled. Default 2 messages, 4 KiB.
    #[must_use]
    pub const fn dial_threshold(mut self, messages: u32, bytes: u32) -> Self {
        self.dial_threshold = Some((messages, bytes));
        self
    }

    /// From whom this node takes invitations into groups. Default: from members of groups that it
    /// is in; a free node, which is in none, takes none unless it is told to.
    #[must_use]
    pub const fn invites(mut self, from: InvitePolicy) -> Self {
        self.invites = from;
        self
    }

    /// Sends nothing by relay, whose messages are sealed but without forward secrecy: first
    /// messages wait for the dial.
    #[must_use]
    pub const fn no_relay(mut self) -> Self {
        self.relay = false;
        self
    }

    /// What may prove keys and encrypt on TCP connections, the best liked first: a dialler asks in
    /// its order, and whoever is dialled takes the first that it has, too. Nodes that have none in
    /// common do not reach each other. Default, also if none is named: all that is compiled in,
    /// [`Security::Noise`] before TLS, and [`Security::NoiseAes`] before both where the processor has
    /// instructions for it.
    #[must_use]
    pub fn security(mut self, in_order: impl IntoIterator<Item = Security>) -> Self {
        self.security = in_order.into_iter().collect();
        if self.security.is_empty() {
            self.security = Security::by_default();
        }
        self
    }

    /// Limits of sockets and queues.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Times of failure detection and joining; for tests. All members of a group need the same.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The threads to run on. Default [`Runtime::shared`].
    #[must_use]
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Starts the node: returns when it listens and has begun to join its groups.
    ///
    /// Cancel safe: dropped before it returns, the node is killed.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(self) -> Result<Node, StartError> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Runtime::shared()?,
        };
        let handle = runtime.handle().clone();
        let starting = handle.spawn(crate::actor::launch(self, runtime));
        match starting.await {
            Ok(started) => Ok(Node::new(started?)),
            Err(error) => Err(StartError::Listen {
                address: String::new(),
                reason: format!("the starting task ended: {error}"),
            }),
        }
    }

    pub(crate) fn timing_arc(&self) -> Arc<Timing> {
        Arc::new(self.timing.clone())
    }
}
