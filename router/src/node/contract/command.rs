//! What the user and the data plane ask of a node, and why it may refuse.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::channel::Path;
use archipelago_core::wire::{Exit, SessionId};
use archipelago_core::{Address, GroupId, LocalId, NodeId};
use archipelago_sgroup::duty::{DutyCommand, DutyError};
use archipelago_sgroup::names::NameAct;
use archipelago_sgroup::registry::{RegistryCommand, RegistryError};
use archipelago_sgroup::{GroupConfig, StrictAct};
use bytes::Bytes;

use super::{GROUPS_MAX, Unreachable};
use crate::change::Ask;
use crate::watch::{MonitorRef, Target};

/// What the user or the data plane asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin: join the configured groups.
    Start,
    /// Join one more group.
    Join(Arc<GroupConfig>),
    /// Leave a group.
    Leave(GroupId),
    /// Use a group without being in it, through a few of its members: told by
    /// [`GroupEvent::Attached`](archipelago_sgroup::GroupEvent::Attached).
    Attach(Arc<GroupConfig>),
    /// Use it no more.
    Detach(GroupId),
    /// A group's tier, parents, reflectors or size are others than before: every member that is
    /// told hands the charter on to all. Raise the epoch.
    Recharter(Arc<GroupConfig>),
    /// New cookies of a group, the previous ones still accepted.
    SetCookies(GroupId, archipelago_sgroup::Cookies),
    /// Make a group, and invite nodes into it. Answered by [`Output::Changed`](super::Output::Changed).
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
    /// Invite nodes into a group that this node is up in. Answered by [`Output::Changed`](super::Output::Changed).
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
    /// Put members out of a group, until they are added anew. Answered by [`Output::Changed`](super::Output::Changed).
    RemoveMembers {
        /// Comes back in the answer.
        ticket: u64,
        /// Out of which.
        group: GroupId,
        /// Whom; at most 1,024.
        nodes: Vec<NodeId>,
    },
    /// End a group: all members are told, and leave. Answered by [`Output::Changed`](super::Output::Changed).
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
    /// Claim, withdraw or settle a name in a group; answered by [`Output::Name`](super::Output::Name) under the same
    /// request. The driver has looked that the process exists.
    Name {
        /// In which group.
        group: GroupId,
        /// Comes back in the answer.
        request: u64,
        /// What.
        act: NameAct,
    },
    /// Claim, let go or ask about a strict name of a group; answered by [`Output::Strict`](super::Output::Strict). The
    /// driver has looked that the process exists.
    Strict {
        /// In which group.
        group: GroupId,
        /// What.
        act: StrictAct,
    },
    /// Tell of the end of a process or a node, by one [`Event::Down`](super::Event::Down). The number is the driver's
    /// own, and none is used twice.
    Monitor {
        /// Comes back in the event.
        monitor: MonitorRef,
        /// Whose end.
        target: Target,
    },
    /// Tell of it no more; a monitor that has fired is ignored.
    Demonitor(MonitorRef),
    /// A mailbox of this node that holds a name or was to be observed ([`Output::Observe`](super::Output::Observe)) is
    /// gone: its names are withdrawn, its watchers told.
    ProcessEnded {
        /// Which.
        local: LocalId,
        /// How it ended; `None`: it was not there when it was asked for.
        exit: Option<Exit>,
    },
    /// Who holds a name in any group? Answered by [`Output::NameFound`](super::Output::NameFound) under the same request.
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
    /// [`Output::ServiceFound`](super::Output::ServiceFound) under the same request.
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
    /// [`Output::AttachPath`](super::Output::AttachPath) or [`Output::Unreachable`](super::Output::Unreachable).
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
    /// Leave all groups, say `Bye` on all sessions; [`Output::Stopped`](super::Output::Stopped) follows.
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
    /// In as many groups as a node can be.
    #[error("this node is in {GROUPS_MAX} groups, the most that there can be: leave one first")]
    TooManyGroups,
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
