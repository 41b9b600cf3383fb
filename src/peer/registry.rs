//! The peers with traffic, and what is kept of those that came to rest.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use archipelago_core::channel::Channel;
use archipelago_core::{GroupId, NodeId, Time};

use super::PeerHandle;
use crate::SendError;
use crate::node::Shared;

/// Peers of one node whose task runs, and channels at rest.
#[derive(Debug)]
pub(crate) struct Registry {
    inner: RwLock<Inner>,
    busy_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    busy: HashMap<NodeId, Arc<PeerHandle>>,
    resting: HashMap<NodeId, (Channel, Time)>,
}

impl Registry {
    pub(crate) fn new(busy_max: usize) -> Self {
        Self {
            inner: RwLock::default(),
            busy_max,
        }
    }

    pub(crate) fn find(&self, peer: NodeId) -> Option<Arc<PeerHandle>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.busy.get(&peer).cloned()
    }
}

/// The handle of a peer's task, started unless it runs already.
pub(crate) fn start(
    shared: &Arc<Shared>,
    peer: NodeId,
    home: Option<GroupId>,
) -> Result<Arc<PeerHandle>, SendError> {
    let registry = &shared.peers;
    let mut inner = registry
        .inner
        .write()
        .unwrap_or_else(PoisonError::into_inner);
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
    inner.busy.insert(peer, handle.clone());
    Ok(handle)
}
