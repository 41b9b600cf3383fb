//! The peers of one node: those with traffic, whose task runs, and what is kept of the others.
//!
//! Of a peer without traffic this keeps its attached paths, and the channel's watermarks for two
//! lives of a relayed frame, so that a late copy is not delivered twice. Path changes go to the
//! task if there is one, and here if not; one lock decides which.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use archipelago_core::channel::{Channel, ChannelConfig, Path, PathEvent};
use archipelago_core::{Boot, GroupId, NodeId, Time};

use super::driven::Driven;
use super::handle::{Reach, Signal};
use super::inbox::Left;
use super::task::Task;
use super::{PeerHandle, PeerInfo};
use crate::node::Shared;
use crate::{Limits, SendError};

/// How long watermarks outlive the last path: two lives of a relayed frame.
const WATERMARK_LIFE: Duration = Duration::from_secs(120);

/// Forgotten paths after which old watermarks are looked for.
const SWEEP_EVERY: u32 = 64;

/// Peers of one node.
#[derive(Debug)]
pub(crate) struct Registry {
    inner: RwLock<Inner>,
    busy_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    busy: HashMap<NodeId, Arc<PeerHandle>>,
    resting: HashMap<NodeId, Resting>,
    detached: u32,
    is_closed: bool,
}

/// What is kept of a peer without traffic.
#[derive(Debug, Default)]
pub(crate) struct Resting {
    /// The start of the peer that the paths lead to.
    pub(crate) boot: Boot,
    pub(crate) paths: Vec<RestingPath>,
    pub(crate) channel: Option<Channel>,
    since: Time,
}

/// An attached path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestingPath {
    pub(crate) path: Path,
    /// Whether the channel knows of it.
    pub(crate) is_told: bool,
}

impl Registry {
    pub(crate) fn new(busy_max: usize) -> Self {
        Self {
            inner: RwLock::default(),
            busy_max,
        }
    }

    /// The handle of a peer with traffic.
    pub(crate) fn find(&self, peer: NodeId) -> Option<Arc<PeerHandle>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.busy.get(&peer).cloned()
    }

    /// What is held for each peer with traffic, ordered by id.
    pub(crate) fn infos(&self, limits: &Limits, config: &ChannelConfig) -> Vec<PeerInfo> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let infos = inner.busy.values().map(|peer| peer.info(limits, config));
        let mut infos: Vec<_> = infos.collect();
        infos.sort_unstable_by_key(|info| info.peer);
        infos
    }

    pub(crate) fn attach(&self, peer: NodeId, boot: Boot, path: Path) {
        let mut inner = self.write();
        if let Some(handle) = inner.busy.get(&peer) {
            // It ends under this lock only.
            let _ended = handle.signal(Signal::Attach(path, boot));
            return;
        }
        let resting = inner.resting.entry(peer).or_default();
        resting.boot = resting.boot.max(boot);
        if resting.paths.iter().all(|known| known.path != path) {
            let is_told = false;
            resting.paths.push(RestingPath { path, is_told });
        }
    }

    pub(crate) fn detach(&self, peer: NodeId, path: Path, config: &ChannelConfig, now: Time) {
        let mut inner = self.write();
        if let Some(handle) = inner.busy.get(&peer) {
            let _ended = handle.signal(Signal::Detach(path));
            return;
        }
        if let Some(resting) = inner.resting.get_mut(&peer) {
            resting.detach(path, config, now);
            if resting.paths.is_empty() && resting.channel.is_none() {
                inner.resting.remove(&peer);
            }
        }
        inner.sweep(now);
    }

    /// Ends the task's place if nothing waits for it; what is kept of the peer stays here.
    pub(crate) fn rest(&self, handle: &PeerHandle, resting: impl FnOnce() -> Resting) -> bool {
        let mut inner = self.write();
        if !handle.end_if_empty() {
            return false;
        }
        inner.busy.remove(&handle.id);
        inner.keep(handle.id, resting());
        true
    }

    /// Ends the task's place, whatever waits for it; returns the messages that waited.
    pub(crate) fn fail(&self, handle: &PeerHandle, reach: Reach, resting: Resting) -> Left {
        let mut inner = self.write();
        let mut left = handle.end(reach);
        inner.busy.remove(&handle.id);
        inner.keep(handle.id, resting);
        drop(inner);
        for signal in left.signals.drain(..) {
            // A path that came at the last moment must not be forgotten.
            if let Signal::Attach(path, boot) = signal {
                self.attach(handle.id, boot, path);
            }
        }
        left
    }

    /// Ends all tasks; none starts any more.
    pub(crate) fn close(&self) {
        let mut inner = self.write();
        inner.is_closed = true;
        inner.resting.clear();
        for (_, handle) in inner.busy.drain() {
            handle.end(Reach::Stopped);
            handle.waker.wake();
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, peer: NodeId, resting: Resting) {
        let is_empty = resting.paths.is_empty() && resting.channel.is_none();
        if !self.is_closed && !is_empty {
            self.resting.insert(peer, resting);
        }
    }

    /// Forgets watermarks that are old enough, now and then.
    fn sweep(&mut self, now: Time) {
        self.detached = (self.detached + 1) % SWEEP_EVERY;
        if self.detached == 0 {
            self.resting.retain(|_, resting| {
                !resting.paths.is_empty() || now.since(resting.since) < WATERMARK_LIFE
            });
        }
    }
}

impl Resting {
    pub(crate) const fn new(
        boot: Boot,
        paths: Vec<RestingPath>,
        channel: Option<Channel>,
        since: Time,
    ) -> Self {
        Self {
            boot,
            paths,
            channel,
            since,
        }
    }

    fn detach(&mut self, path: Path, config: &ChannelConfig, now: Time) {
        let Some(position) = self.paths.iter().position(|known| known.path == path) else {
            return;
        };
        let known = self.paths.remove(position);
        self.since = now;
        if let Some(channel) = &mut self.channel
            && known.is_told
        {
            let boot = channel.peer_boot();
            // A channel at rest has nothing to say about the loss of a path.
            channel.handle_path(
                PathEvent::Detached(path),
                boot,
                config,
                now,
                &mut Vec::new(),
            );
        }
    }
}

/// The handle of a peer's task, started unless it runs already.
pub(crate) fn start(
    shared: &Arc<Shared>,
    peer: NodeId,
    home: Option<GroupId>,
) -> Result<Arc<PeerHandle>, SendError> {
    let registry = &shared.peers;
    let mut inner = registry.write();
    if inner.is_closed {
        return Err(SendError::Stopped);
    }
    if let Some(handle) = inner.busy.get(&peer) {
        return Ok(handle.clone());
    }
    if inner.busy.len() >= registry.busy_max {
        return Err(SendError::TooManyPeers);
    }
    let handle = Arc::new(PeerHandle::new(
        peer,
        home,
        shared.limits.send_queue_bytes_max,
    ));
    let resting = inner.resting.remove(&peer).unwrap_or_default();
    inner.busy.insert(peer, handle.clone());
    let task = Task::new(shared.clone(), handle.clone(), resting);
    let driven = Arc::new(Driven::new(task, handle.clone(), shared.clone()));
    handle.set_driven(&driven);
    shared.runtime.handle().spawn(driven.run());
    Ok(handle)
}
