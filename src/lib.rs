//! Overlay networks for clusters that have outgrown the full mesh.
//!
//! Nodes join one or more *s-groups*; inside a group every pair of members has a session, and
//! route reflectors, members of several groups, lead from group to group. A message to a node of a
//! far group is relayed at once; when more follow, a direct session opens on demand, and closes
//! when idle. Messages between two mailboxes arrive in order, once, whatever path carries them.
//!
//! Two nodes and one message:
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use archipelago::{GroupSpec, Node};
//!
//! let one = Node::builder("one")
//!     .group(GroupSpec::open("island"))
//!     .start()
//!     .await?;
//! let two = Node::builder("two")
//!     .group(GroupSpec::open("island").seed(one.addresses()[0].clone()))
//!     .start()
//!     .await?;
//!
//! let mut inbox = one.mailbox().await?;
//! let outbox = two.mailbox().await?;
//! two.joined("island").await?;
//! outbox.send(inbox.pid(), "hello").await?;
//!
//! let received = inbox.recv().await.expect("the node is running");
//! assert_eq!((received.from, &received.payload[..]), (outbox.pid(), &b"hello"[..]));
//! two.shutdown().await;
//! one.shutdown().await;
//! # Ok(())
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(run()).unwrap();
//! ```
//!
//! Every node has its own key, its own listener and its own tables. The protocol runs on threads
//! of its own ([`Runtime`]): what the user computes delays no heartbeat. Methods may be awaited on
//! any executor.

/// The README's example is one that compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod actor;
mod call;
mod crypto;
mod event;
mod group;
mod groupcast;
mod identity;
mod keep;
mod keyed;
#[cfg(all(feature = "launcher", target_os = "linux"))]
mod launcher;
mod lent;
mod mailbox;
mod metrics;
pub mod migration;
mod monitor;
mod names;
mod node;
#[cfg(feature = "outbox")]
mod outbox;
mod peer;
mod registry;
mod runtime;
mod scratch;
mod service;
mod session;
mod singleton;
mod stream;
mod swarm;
mod typed;
mod work;
mod worker;

pub use archipelago_core::calls::TooManyCalls;
pub use archipelago_core::wire::{
    ByeReason, DeclineReason, Exit, ExitText, Finite, Life, Offer, RefuseReason, RegroupKind,
    Tenancy, Value,
};
pub use archipelago_core::{Address, Boot, Era, GroupId, Incarnation, LocalId, NodeId, Pid, Roles};
#[cfg(feature = "outbox")]
pub use archipelago_router::outbox::{
    Change, Destination, Entry, Mark, OutboxConfig, OutboxCounters, RecordId,
    Refused as OutboxRefused, Store, StoreError, StreamId, WhenFull,
};
pub use archipelago_router::up::TierInfo;
pub use archipelago_router::watch::EndReason;
pub use archipelago_router::{
    ChangeFault, Changed, CloseReason, ConfigError, InvitePolicy, NodeChange, Refused, Regrouped,
    RouteInfo, SessionInfo, SessionKind, Unreachable,
};
pub use archipelago_sgroup::duty::DutyError;
pub use archipelago_sgroup::keyed::{Fence, HostConfig, StopReason};
pub use archipelago_sgroup::names::{NameError, NameInfo, OnLoss, Standing, Verdict};
pub use archipelago_sgroup::registry::RegistryError;
pub use archipelago_sgroup::registry::choose::{
    Choice, Myself, Predicate, PredicateError, PredicateFault, Reach, Relation, Scope, Strategy,
};
pub use archipelago_sgroup::shards::{Shard, ShardMap, ShardMove};
pub use archipelago_sgroup::strict::StrictError;
pub use archipelago_sgroup::supervise::{Ending, PoolConfig, Restart, Spread, SuperviseEvent};
pub use archipelago_sgroup::{DownReason, MemberInfo, Quorum, Timing};
pub use bytes::Bytes;
#[cfg(feature = "tower")]
pub use call::{BytesCallee, CallService};
pub use call::{CallError, Deadline, Reply};
pub use event::{Events, NodeEvent};
pub use group::{
    AcquireError, Claim, Group, LookupError, NodeRef, RegisterError, RunError, SayError,
    SendNamedError, Tenure,
};
pub use groupcast::{GroupcastError, Groupcasted, Subscription};
pub use identity::{Identity, IdentityError};
pub use keyed::{HostError, Keyed, KeyedError, KeyedHost, KeyedRequest, KeyedWorker};
#[cfg(all(feature = "launcher", target_os = "linux"))]
pub use launcher::{
    CommandTemplate, LaunchError, Launched, Launcher, LocalLauncher, Program, TemplateError,
};
pub use mailbox::{LocalNameError, Mailbox, Received, RecvError, SendError, Sender};
pub use metrics::Metrics;
pub use monitor::Monitor;
pub use names::NameWatch;
pub use node::{
    Applied, ApplyError, Builder, GroupSpec, Limits, Node, NodeError, Security, Sizing, StartError,
};
#[cfg(feature = "outbox")]
pub use outbox::{Disk, Intake, Outbox, OutboxError, OutboxStats, Taken};
pub use peer::PeerInfo;
pub use registry::{RegistryEvent, RegistryEvents};
pub use runtime::{Runtime, RuntimeError};
pub use service::ServiceError;
pub use singleton::{Singleton, TakeOverError, Turn};
pub use stream::{StreamError, StreamReader, StreamWriter};
pub use typed::{Delivery, Inbox, Protocol, Recipient, ReplyTo};
pub use work::{Job, Pool, PoolError, PoolSpec, StartWorkerError};
pub use worker::{Worker, WorkerContext, WorkerEnd};
