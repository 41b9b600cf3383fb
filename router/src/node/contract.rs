//! What passes between a [`Node`](super::Node) and its driver.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::channel::Path;
use archipelago_core::wire::{ByeReason, Control, Exit, Letter, Provider, SessionId};
use archipelago_core::{Address, Boot, GroupId, LocalId, NodeId, Roles};
use archipelago_sgroup::duty::{DutyCommand, DutyError, DutyOutput};
use archipelago_sgroup::names::{NameAct, NameInfo, NameOutput};
use archipelago_sgroup::registry::{RegistryChange, RegistryCommand, RegistryError};
use archipelago_sgroup::strict::StrictEvent;
use archipelago_sgroup::{GroupConfig, GroupConfigError, GroupEvent, StrictAct};
use bytes::Bytes;

use super::InvitePolicy;
use crate::change::{Ask, ChangeKind, NodeChange};
use crate::watch::{EndReason, MonitorRef, Target, WatchConfig};

/// Everything that a node is told once.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node's public key.
    pub id: NodeId,
    /// For people; at most 64 bytes.
    pub name: Arc<str>,
    /// The realm; sessions across realms are refused.
    pub realm: Arc<str>,
    /// `max(persisted + 1, clock in µs)`; the first `Welcome` may raise it.
    pub boot: Boot,
    /// What this node does for others.
    pub roles: Roles,
    /// Where it listens, as others dial it.
    pub addresses: Vec<Address>,
    /// The groups to join at start, the first one being home. Empty: a free node.
    pub groups: Vec<Arc<GroupConfig>>,
    /// Idle on-demand sessions close after this, ± 20 %. Default 60 s.
    pub idle_timeout: Duration,
    /// On-demand sessions at once. Default 64; a reflector holds eight times as many.
    pub on_demand_max: usize,
    /// Shortest life of an on-demand session before it may be evicted. Default 5 s.
    pub on_demand_life_min: Duration,
    /// Traffic within 10 s on relay beyond which a direct session is dialled: messages and
    /// bytes. Default 2 and 4 KiB.
    pub dial_threshold: (u32, u32),
    /// Whether first messages may go by relay, sealed but without forward secrecy. Default true.
    pub relay: bool,
    /// From whom it takes invitations into groups. Default: members of groups that it is in.
    pub invites: InvitePolicy,
    /// Nodes known at once. Default 65,536.
    pub peers_max: usize,
    /// Times and limits of monitors; shared.
    pub watch: Arc<WatchConfig>,
}

impl NodeConfig {
    /// The defaults for a node `id` of `realm`, in no group.
    pub fn new(id: NodeId, name: &str, realm: &str, boot: Boot) -> Self {
        Self {
            id,
            name: name.into(),
            realm: realm.into(),
            boot,
            roles: Roles::default(),
            addresses: Vec::new(),
            groups: Vec::new(),
            idle_timeout: Duration::from_secs(60),
            on_demand_max: 64,
            on_demand_life_min: Duration::from_secs(5),
            dial_threshold: (2, 4 * 1024),
            relay: true,
            invites: InvitePolicy::default(),
            peers_max: 65_536,
            watch: Arc::default(),
        }
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// One of the groups.
    #[error(transparent)]
    Group(#[from] GroupConfigError),
    /// The node's or the realm's name.
    #[error("{what} {name:?}: give it 1 to 64 bytes without control characters")]
    Name {
        /// Which name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two entries for one group.
    #[error("group {name:?} is configured twice")]
    DuplicateGroup {
        /// Its name.
        name: String,
    },
}

/// A dial as the node numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

/// What the driver says of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A connection is up and the peer's key is proved.
    Opened {
        /// The driver's number for it.
        session: SessionId,
        /// Who is at the other end.
        peer: NodeId,
        /// The dial that it answers; `None` if the peer dialled.
        dial: Option<DialId>,
    },
    /// It is gone.
    Closed {
        /// Which.
        session: SessionId,
    },
    /// A dial came to nothing. The reason is for people.
    OpenFailed {
        /// Which.
        dial: DialId,
        /// Why, for people.
        reason: String,
    },
}

/// What the user or the data plane asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin: join the configured groups.
    Start,
    /// Join one more group.
    Join(Arc<GroupConfig>),
    /// Leave a group.
    Leave(GroupId),
    /// A group's tier, parents, reflectors or size are others than before: every member that is
    /// told hands the charter on to all. Raise the epoch.
    Recharter(Arc<GroupConfig>),
    /// New cookies of a group, the previous ones still accepted.
    SetCookies(GroupId, archipelago_sgroup::Cookies),
    /// Make a group, and invite nodes into it. Answered by [`Output::Changed`].
    CreateGroup {
        /// Comes back in the answer; not 0, and of no change that is under way.
        ticket: u64,
        /// The group; its seeds are not used, since it begins here.
        config: Arc<GroupConfig>,
        /// Whom to invite; at most 1,024.
        nodes: Vec<Ask>,
        /// How long to wait for them.
        limit: Duration,
    },
    /// Invite nodes into a group that this node is up in. Answered by [`Output::Changed`].
    AddMembers {
        /// Comes back in the answer.
        ticket: u64,
        /// Into which.
        group: GroupId,
        /// Whom; at most 1,024.
        nodes: Vec<Ask>,
        /// How long to wait for them.
        limit: Duration,
    },
    /// Put members out of a group, until they are added anew. Answered by [`Output::Changed`].
    RemoveMembers {
        /// Comes back in the answer.
        ticket: u64,
        /// Out of which.
        group: GroupId,
        /// Whom; at most 1,024.
        nodes: Vec<NodeId>,
    },
    /// End a group: all members are told, and leave. Answered by [`Output::Changed`].
    DeleteGroup {
        /// Comes back in the answer.
        ticket: u64,
        /// Which.
        group: GroupId,
        /// How long to wait for their goodbyes.
        limit: Duration,
    },
    /// Give a group another cookie, and hand it, sealed, to every member that is here. The old one
    /// counts for `window` more; who cannot prove the new one by then is out.
    RotateCookie {
        /// Which.
        group: GroupId,
        /// 1 to 4,096 bytes.
        cookie: Bytes,
        /// How long both count.
        window: Duration,
    },
    /// Where this node listens has changed.
    SetAddresses(Vec<Address>),
    /// Claim, withdraw or settle a name in a group; answered by [`Output::Name`] under the same
    /// request. The driver has looked that the process exists.
    Name {
        /// In which group.
        group: GroupId,
        /// Comes back in the answer.
        request: u64,
        /// What.
        act: NameAct,
    },
    /// Claim, let go or ask about a strict name of a group; answered by [`Output::Strict`]. The
    /// driver has looked that the process exists.
    Strict {
        /// In which group.
        group: GroupId,
        /// What.
        act: StrictAct,
    },
    /// Tell of the end of a process or a node, by one [`Event::Down`]. The number is the driver's
    /// own, and none is used twice.
    Monitor {
        /// Comes back in the event.
        monitor: MonitorRef,
        /// Whose end.
        target: Target,
    },
    /// Tell of it no more; a monitor that has fired is ignored.
    Demonitor(MonitorRef),
    /// A mailbox of this node that holds a name or was to be observed ([`Output::Observe`]) is
    /// gone: its names are withdrawn, its watchers told.
    ProcessEnded {
        /// Which.
        local: LocalId,
        /// How it ended; `None`: it was not there when it was asked for.
        exit: Option<Exit>,
    },
    /// Who holds a name in any group? Answered by [`Output::NameFound`] under the same request.
    FindName {
        /// In which group.
        group: GroupId,
        /// At most 255 bytes.
        name: Bytes,
        /// Comes back in the answer.
        request: u64,
    },
    /// Who was said to hold a name does not answer to it: ask anew next time.
    ForgetName {
        /// In which group.
        group: GroupId,
        /// Which.
        name: Bytes,
    },
    /// Who offers a service of any group to nodes outside of it? Answered by
    /// [`Output::ServiceFound`] under the same request.
    FindService {
        /// In which group.
        group: GroupId,
        /// At most 255 bytes.
        service: Bytes,
        /// Comes back in the answer.
        request: u64,
    },
    /// Who was said to offer a service does not: ask anew next time.
    ForgetService {
        /// In which group.
        group: GroupId,
        /// Which.
        service: Bytes,
    },
    /// There is something to send to `peer`, and no path attached. Answered by
    /// [`Output::AttachPath`] or [`Output::Unreachable`].
    Contact {
        /// To whom.
        peer: NodeId,
        /// Where to look it up.
        home: Option<GroupId>,
    },
    /// So much was sent to `peer` on relay: decides whether to dial.
    Demand {
        /// To whom.
        peer: NodeId,
        /// Messages since the last report.
        messages: u32,
        /// Bytes since the last report.
        bytes: u32,
    },
    /// Forward these encoded frames to `peer` by relay or detour, sealed.
    Forward {
        /// To whom.
        peer: NodeId,
        /// The path that the channel chose.
        path: Path,
        /// At most 20 KiB.
        frames: Bytes,
    },
    /// Letters to `to` may not have arrived: the channel was reset, no way was found, or too many
    /// waited. Told at most once for all that were under way.
    LetterLost {
        /// To whom.
        to: NodeId,
        /// Why there is no way; `None` where there may be one.
        reason: Option<Unreachable>,
    },
    /// Something about what every member of a group is to run: see [`DutyCommand`].
    Duty(GroupId, DutyCommand),
    /// Says something in a group without a contest: see [`RegistryCommand`].
    Registry(GroupId, RegistryCommand),
    /// Data went either way on a session since the last report; at most once a second each.
    Activity(SessionId),
    /// Leave all groups, say `Bye` on all sessions; [`Output::Stopped`] follows.
    Shutdown,
}

/// Why a command was not taken; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Not in that group.
    #[error("this node is not in that group: join it first")]
    UnknownGroup,
    /// Not up in that group, or not started.
    #[error("this node is not up in that group yet: wait until it has joined")]
    NotMember,
    /// Already in that group.
    #[error("this node is already in that group")]
    AlreadyIn,
    /// The group's name or cookie cannot be used; as at construction.
    #[error("the group's name or cookie cannot be used: see `GroupConfigError`")]
    InvalidGroup,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Stopping,
    /// It cannot be made a duty of the group's members.
    #[error(transparent)]
    Duty(#[from] DutyError),
    /// It cannot be said in the group.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A queue or table is full.
    #[error("too much is under way already: try again later")]
    Overloaded,
}

/// Why a peer cannot be reached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// No common group, and no home group to ask in.
    #[error("no common group and no home group: use a pid with its home, or join a group")]
    NoHome,
    /// No live reflector leads there.
    #[error("no live reflector leads to the node's group")]
    NoRoute,
    /// Its group does not know it.
    #[error("its group does not know the node")]
    NotFound,
    /// Its group says that it is gone.
    #[error("the node is gone")]
    Gone,
    /// Its group lets nobody in from outside.
    #[error("the node's group is closed to others")]
    Closed,
    /// It could be looked up, but not reached.
    #[error("the node could not be dialled, and relay is not possible")]
    DialFailed,
    /// A limit was reached.
    #[error("too many look-ups or sessions at once: try again later")]
    Overloaded,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Put a message on the control stream.
    Send {
        /// Of this session.
        session: SessionId,
        /// What.
        message: Control,
    },
    /// Open a connection; answered by `Opened` or `OpenFailed` with the same `dial`.
    Dial {
        /// Comes back in the answer.
        dial: DialId,
        /// Who it must be; `None` for a seed known by address only.
        peer: Option<NodeId>,
        /// Where, best first.
        addresses: Arc<[Address]>,
    },
    /// Close after what was sent before is flushed.
    Close {
        /// Which.
        session: SessionId,
        /// For the log.
        reason: CloseReason,
    },
    /// The peer's channel may use this path. A direct path's data streams are not read before.
    AttachPath {
        /// Whose.
        peer: NodeId,
        /// Its start.
        boot: Boot,
        /// Which.
        path: Path,
    },
    /// It may no longer.
    DetachPath {
        /// Whose.
        peer: NodeId,
        /// Which.
        path: Path,
    },
    /// Frames from `peer` arrived by relay or detour, opened and authenticated.
    FramesArrived {
        /// From whom.
        peer: NodeId,
        /// Its start.
        boot: Boot,
        /// `Relay` or `Detour`.
        path: Path,
        /// Encoded frames.
        frames: Bytes,
    },
    /// Send a letter in the channel to `to`, whichever start of it is alive: a message from
    /// [`LocalId::NODE`] to `LocalId::NODE`. Letters wait in a queue of their own, at most
    /// [`LETTERS_LEN_MAX`] of [`LETTERS_BYTES_MAX`] for each node; what has no room is lost, and
    /// that is told by [`Command::LetterLost`]. They are no demand for a session.
    Letter {
        /// To whom.
        to: NodeId,
        /// Where to look it up.
        home: Option<GroupId>,
        /// A mailbox of this node whose messages to `to` go first; letters behind may pass.
        after: Option<LocalId>,
        /// What.
        letter: Box<Letter>,
    },
    /// Say by [`Command::ProcessEnded`] when this mailbox of this node is gone: at once if it is
    /// not there.
    Observe(LocalId),
    /// That is not asked for any more, but for the names that it may hold.
    Unobserve(LocalId),
    /// A `Contact` came to nothing: fail what waits.
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: Unreachable,
    },
    /// The answer to a [`Command::FindName`].
    NameFound {
        /// The request's number.
        request: u64,
        /// Who holds it, `None` where nobody does or it is not told to others; or why that cannot
        /// be found out now.
        result: Result<Option<NameInfo>, Unreachable>,
    },
    /// The answer to a [`Command::FindService`].
    ServiceFound {
        /// The request's number.
        request: u64,
        /// Some of those who offer it, the least busy first; or why that cannot be found out now.
        result: Result<Vec<Provider>, Unreachable>,
    },
    /// The names of a group answer or tell.
    Name {
        /// Which group.
        group: GroupId,
        /// What.
        output: NameOutput,
    },
    /// A run of what every member of a group runs is to be started or stopped here.
    Duty {
        /// Where.
        group: GroupId,
        /// What.
        output: DutyOutput,
    },
    /// A member of a group, or this node, says something else than before: for the driver's
    /// [`Table`](archipelago_sgroup::registry::Table) of that group, which is dropped with the group.
    Registry {
        /// Where.
        group: GroupId,
        /// Who, and what.
        change: RegistryChange,
    },
    /// What becomes of a strict name.
    Strict {
        /// Of which group.
        group: GroupId,
        /// What.
        event: StrictEvent,
    },
    /// For those who watch.
    Event(Event),
    /// A change of a group is through.
    Changed {
        /// Of the command.
        ticket: u64,
        /// In which group.
        group: GroupId,
        /// What it was.
        kind: ChangeKind,
        /// For every node that it concerned, by name.
        results: Vec<NodeChange>,
    },
    /// The shutdown is complete: every Leave and Bye was sent.
    Stopped,
}

/// Letters that wait for one node.
pub const LETTERS_LEN_MAX: usize = 256;

/// Bytes of letters that wait for one node.
pub const LETTERS_BYTES_MAX: usize = 512 * 1024;

/// The caller's buffer; a machine only appends to it.
pub type Outputs = Vec<Output>;

/// Why a session is closed by this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// As was said to the peer, or by it.
    Bye(ByeReason),
    /// No Hello in time.
    HelloTimeout,
    /// Silent for too long.
    Silent,
}

/// What a watcher of a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The boot is final and mailboxes may be made.
    Started {
        /// This node's start.
        boot: Boot,
    },
    /// Something in a group.
    Group {
        /// Which.
        group: GroupId,
        /// What.
        event: GroupEvent,
    },
    /// A session is up.
    SessionUp {
        /// With whom.
        peer: NodeId,
        /// Why it exists.
        kind: SessionKind,
    },
    /// A session is gone.
    SessionDown {
        /// With whom.
        peer: NodeId,
        /// Why it existed.
        kind: SessionKind,
        /// Why it ended; `None` if the connection was lost.
        reason: Option<CloseReason>,
    },
    /// A monitor fires: the first and only word of it. What its process sent to this node, and what
    /// arrived at all, arrived before.
    Down {
        /// Which.
        monitor: MonitorRef,
        /// Why.
        reason: EndReason,
    },
    /// This node left a parent that it had joined because it was elected: it is not any more.
    ParentLeft {
        /// Which.
        group: GroupId,
    },
    /// A group can be reached.
    RouteUp {
        /// Which.
        group: GroupId,
    },
    /// It no longer can.
    RouteDown {
        /// Which.
        group: GroupId,
    },
}

/// Why a session exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionKind {
    /// The two share a group.
    Group,
    /// They talk, and share none.
    OnDemand,
    /// Not admitted yet.
    Pending,
}

/// A session as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The driver's number for it.
    pub session: SessionId,
    /// With whom.
    pub peer: NodeId,
    /// Why it exists.
    pub kind: SessionKind,
    /// Smoothed round-trip time, if measured.
    pub rtt: Option<Duration>,
}

/// A group that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Which.
    pub group: GroupId,
    /// How many reflectors lie between.
    pub hops: u8,
    /// Reflectors to ask first, best first.
    pub next_hops: Vec<NodeId>,
}
