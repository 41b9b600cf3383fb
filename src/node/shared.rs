//! What a node's task, its peers' tasks, its mailboxes and its handles share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use archipelago_core::channel::{ChannelConfig, Path, StreamId};
use archipelago_core::streams::StreamsConfig;
use archipelago_core::{Address, Boot, GroupId, NodeId, Time};
use archipelago_router::Command;
use archipelago_sgroup::Timing;
use archipelago_sgroup::names::NameAct;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::{GroupSpec, Limits, NodeError, Replica};
use crate::actor::{NameReply, Request};
use crate::call::CallTable;
use crate::event::Hub;
use crate::group::Moves;
use crate::groupcast::Groupcasts;
use crate::metrics::Counters;
use crate::names::Names;
use crate::peer::{PeerHandle, Registry, Relayed, Signal};
use crate::registry::Tables;
use crate::service::Services;
use crate::work::Desk;
use crate::worker::Workers;
use crate::{Runtime, SendError, mailbox};

/// One node's common ground. Holds no lock across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) realm: Arc<str>,
    /// Where others look this node up: the first configured group, or the first one that a free
    /// node came into or is served by.
    pub(crate) home: watch::Sender<Option<GroupId>>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) limits: Limits,
    pub(crate) timing: Arc<Timing>,
    pub(crate) channel_config: ChannelConfig,
    /// The same, with room in the queue that only short messages may take.
    pub(crate) channel_config_short: ChannelConfig,
    /// The same, with room for the pieces of streams.
    pub(crate) channel_config_stream: ChannelConfig,
    pub(crate) streams_config: StreamsConfig,
    /// The number of the next stream that this node writes.
    pub(crate) stream_next: AtomicU64,
    /// Messages and bytes by relay beyond which the node's machine may dial.
    pub(crate) dial_threshold: (u32, u32),
    pub(crate) clock: Clock,
    pub(crate) runtime: Runtime,
    pub(crate) mailboxes: mailbox::Table,
    pub(crate) ended: mailbox::Ended,
    pub(crate) monitors: crate::monitor::Table,
    pub(crate) names: Names,
    pub(crate) calls: CallTable,
    pub(crate) groupcasts: Groupcasts,
    pub(crate) moves: Moves,
    pub(crate) workers: Workers,
    pub(crate) tables: Tables,
    pub(crate) services: Services,
    pub(crate) desk: Desk,
    pub(crate) peers: Registry,
    pub(crate) hub: Hub,
    pub(crate) replica: Replica,
    pub(crate) metrics: Counters,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) life: watch::Sender<Life>,
    pub(crate) frozen: watch::Sender<bool>,
    pub(crate) boot: AtomicU64,
    /// The groups of the configuration that was taken last.
    pub(crate) configured: tokio::sync::Mutex<Vec<GroupSpec>>,
}

/// Where a node is in its life; it only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    /// The boot is provisional.
    Starting,
    /// The boot is final.
    Started,
    /// Was told to end at once.
    Killed,
    /// Nothing of it runs any more.
    Stopped,
}

/// The node's time: microseconds since its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time::START.after(self.start.elapsed())
    }

    /// The node's time at an instant of the process.
    pub(crate) fn time(&self, instant: Instant) -> Time {
        Time::START.after(instant.saturating_duration_since(self.start))
    }

    /// When `time` is, for the executor's timer; at most a day ahead.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        let ahead = time.since(self.now()).min(Duration::from_secs(86_400));
        tokio::time::Instant::now() + ahead
    }
}

impl Shared {
    /// Where others look this node up; `None` where nobody can.
    pub(crate) fn home(&self) -> Option<GroupId> {
        *self.home.borrow()
    }

    /// The node is in a group, or is served by one: the first such group is home.
    pub(crate) fn learn_home(&self, group: GroupId) {
        self.home.send_if_modified(|home| {
            let is_first = home.is_none();
            *home = home.or(Some(group));
            is_first
        });
    }

    /// The node is in a group instead of another one, which was its home or not.
    pub(crate) fn learn_move(&self, from: GroupId, to: GroupId) {
        self.moves.note(from, to);
        self.home.send_if_modified(|home| {
            let is_home = *home == Some(from);
            *home = if is_home { Some(to) } else { *home };
            is_home
        });
    }

    pub(crate) fn boot(&self) -> Boot {
        Boot(self.boot.load(Ordering::Acquire))
    }

    pub(crate) fn set_boot(&self, boot: Boot) {
        self.boot.store(boot.0, Ordering::Release);
    }

    /// A number for a stream, used once.
    pub(crate) fn stream_id(&self) -> StreamId {
        StreamId(self.stream_next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.life.borrow() >= Life::Killed
    }

    pub(crate) fn advance(&self, to: Life) {
        self.life.send_if_modified(|life| {
            let is_later = *life < to;
            *life = to.max(*life);
            is_later
        });
    }

    pub(crate) fn kill(&self) {
        self.advance(Life::Killed);
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    pub(crate) async fn started(&self) -> Result<Boot, NodeError> {
        let mut life = self.life.subscribe();
        // The sender lives in `self`: an error is impossible, and would mean the end as well.
        let reached = life.wait_for(|life| *life >= Life::Started).await;
        match reached.map(|life| *life) {
            Ok(Life::Started) => Ok(self.boot()),
            _ => Err(NodeError::Stopped),
        }
    }

    pub(crate) async fn stopped(&self) {
        let mut life = self.life.subscribe();
        let _ = life.wait_for(|life| *life >= Life::Stopped).await;
    }

    pub(crate) async fn joined(&self, group: GroupId) -> Result<usize, NodeError> {
        self.wait(|replica| match replica.joined(self.moves.present(group)) {
            None => Some(Err(NodeError::UnknownGroup)),
            Some(None) => None,
            Some(Some(missing)) => Some(Ok(missing)),
        })
        .await
    }

    pub(crate) async fn wait_members(
        &self,
        group: GroupId,
        members: usize,
    ) -> Result<(), NodeError> {
        self.wait(
            |replica| match replica.members_len(self.moves.present(group)) {
                None => Some(Err(NodeError::UnknownGroup)),
                Some(len) if len >= members => Some(Ok(())),
                Some(_) => None,
            },
        )
        .await
    }

    /// Waits until `look` finds something in the replica, or the node ends.
    async fn wait<T>(
        &self,
        look: impl Fn(&Replica) -> Option<Result<T, NodeError>>,
    ) -> Result<T, NodeError> {
        let mut changes = self.replica.watch();
        let mut life = self.life.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = look(&self.replica) {
                return found;
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = life.wait_for(|life| *life >= Life::Killed) => return Err(NodeError::Stopped),
            }
        }
    }

    /// Has the node's task do something, and waits for its answer.
    pub(crate) async fn command(&self, command: Command) -> Result<(), NodeError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Command {
            command,
            reply: Some(reply),
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| NodeError::Stopped)?;
        let answered = answer.await.map_err(|_| NodeError::Stopped)?;
        Ok(answered?)
    }

    /// Asks something of the names of a group; `None` where the node has stopped.
    pub(crate) async fn name(&self, group: GroupId, act: NameAct) -> Option<NameReply> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Name { group, act, reply };
        self.requests.send(request).await.ok()?;
        answer.await.ok()
    }

    /// The way to a peer, its task started if it is not there.
    pub(crate) fn peer(
        self: &Arc<Self>,
        peer: NodeId,
        home: Option<GroupId>,
    ) -> Result<Arc<PeerHandle>, SendError> {
        if let Some(handle) = self.peers.find(peer) {
            handle.learn_home(home);
            return Ok(handle);
        }
        if self.is_stopped() {
            return Err(SendError::Stopped);
        }
        crate::peer::start(self, peer, home)
    }

    /// Tells the task of a peer something: the one that runs, or another if that just came to rest.
    /// A stream that found nobody would be lost with all that was written to it.
    pub(crate) fn signal(self: &Arc<Self>, peer: NodeId, signal: Signal) -> Result<(), SendError> {
        let mut signal = signal;
        loop {
            match self.peer(peer, None)?.signal(signal) {
                Ok(()) => return Ok(()),
                Err(back) => signal = *back,
            }
        }
    }

    /// Hands frames that came by relay or detour to the task of a peer, likewise; whether they were
    /// taken.
    pub(crate) fn relayed(
        self: &Arc<Self>,
        peer: NodeId,
        path: Path,
        boot: Boot,
        frames: &Bytes,
    ) -> bool {
        loop {
            let Ok(handle) = self.peer(peer, None) else {
                return false;
            };
            match handle.relayed(path, boot, frames.clone()) {
                Relayed::Taken => return true,
                Relayed::NoRoom => return false,
                Relayed::Ended => {}
            }
        }
    }
}
