//! Following what members say: every change in order, or how many were missed.

use std::pin::Pin;
use std::task::{Context, Poll};

use archipelago_core::wire::{Offer, Value};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid};
use archipelago_sgroup::registry::Entry;
use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

/// Changes that wait for one watcher; beyond it they are left out, and
/// [`RegistryEvent::Lagged`] says how many.
const WAITING_MAX: usize = 1_024;

/// Something that a member says differently than before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryEvent {
    /// A process is in the process group, for the `times`-th time.
    Joined {
        /// Which.
        pid: Pid,
        /// How often it is in it now.
        times: u16,
    },
    /// A process is not in the process group any more.
    Left {
        /// Which.
        pid: Pid,
    },
    /// A service is offered, or offered differently than before.
    ServiceUp {
        /// Which.
        service: Bytes,
        /// By whom; mailbox 0 is the node itself.
        pid: Pid,
        /// How.
        offer: Offer,
    },
    /// A service is not offered there any more.
    ServiceDown {
        /// Which.
        service: Bytes,
        /// By whom.
        pid: Pid,
    },
    /// A member shares something else under a key.
    Shared {
        /// Who.
        node: NodeId,
        /// Which key.
        key: Bytes,
        /// What; `None`: nothing any more.
        value: Option<Bytes>,
    },
    /// A member has another attribute.
    Attribute {
        /// Who.
        node: NodeId,
        /// Which.
        key: Bytes,
        /// What; `None`: none any more.
        value: Option<Value>,
    },
    /// This watcher was too slow: changes were left out here. Read anew.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// What a watcher wants to hear of.
#[derive(Clone, Debug)]
pub(crate) enum Topic {
    /// A process group.
    ProcessGroup(Bytes),
    /// A service, or all.
    Service(Option<Bytes>),
    /// A shared key, or all.
    Shared(Option<Bytes>),
    /// All attributes of nodes.
    Attributes,
}

/// What members say differently, from the moment this was made, in order for each member.
///
/// A [`Stream`] that ends when the node stops or leaves the group.
#[derive(Debug)]
pub struct RegistryEvents {
    queue: mpsc::Receiver<RegistryEvent>,
}

#[derive(Debug)]
pub(super) struct Watcher {
    topic: Topic,
    queue: mpsc::Sender<RegistryEvent>,
    missed: u64,
}

impl RegistryEvents {
    /// The next change, or `None` at the end.
    ///
    /// Cancel safe: a change is taken only when it is returned.
    pub async fn next(&mut self) -> Option<RegistryEvent> {
        self.queue.recv().await
    }

    /// The next change, if one is there.
    pub fn try_next(&mut self) -> Option<RegistryEvent> {
        self.queue.try_recv().ok()
    }
}

impl Stream for RegistryEvents {
    type Item = RegistryEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RegistryEvent>> {
        self.queue.poll_recv(cx)
    }
}

impl Watcher {
    pub(super) fn new(topic: Topic) -> (Self, RegistryEvents) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let watcher = Self {
            topic,
            queue: sender,
            missed: 0,
        };
        (watcher, RegistryEvents { queue: receiver })
    }

    /// Whether the watcher is still there.
    pub(super) fn tell(&mut self, group: GroupId, said: (NodeId, Boot, &Entry)) -> bool {
        if self.queue.is_closed() {
            return false;
        }
        let Some(event) = self.topic.event(group, said) else {
            return true;
        };
        let room = if self.missed == 0 { 1 } else { 2 };
        if self.queue.capacity() < room {
            self.missed += 1;
            return true;
        }
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            // This is the only sender: the room was looked at above.
            let _ = self.queue.try_send(RegistryEvent::Lagged { missed });
        }
        let _ = self.queue.try_send(event);
        true
    }
}

impl Topic {
    /// What the change is in this topic's words; `None` for one of another topic.
    fn event(
        &self,
        group: GroupId,
        (node, boot, entry): (NodeId, Boot, &Entry),
    ) -> Option<RegistryEvent> {
        let pid = |local: &LocalId| Pid {
            node,
            boot,
            local: *local,
            home: Some(group),
        };
        Some(match (self, entry) {
            (Self::ProcessGroup(wanted), Entry::ProcessGroup { name, local, times }) => {
                let (pid, times) = (pid(local), *times);
                match (name == wanted, times) {
                    (false, _) => return None,
                    (true, 0) => RegistryEvent::Left { pid },
                    (true, _) => RegistryEvent::Joined { pid, times },
                }
            }
            (
                Self::Service(wanted),
                Entry::Service {
                    service,
                    local,
                    offer,
                },
            ) if is_wanted(wanted, service) => {
                let (service, pid) = (service.clone(), pid(local));
                match *offer {
                    None => RegistryEvent::ServiceDown { service, pid },
                    Some(offer) => RegistryEvent::ServiceUp {
                        service,
                        pid,
                        offer,
                    },
                }
            }
            (Self::Shared(wanted), Entry::Shared { key, value }) if is_wanted(wanted, key) => {
                RegistryEvent::Shared {
                    node,
                    key: key.clone(),
                    value: value.clone(),
                }
            }
            (Self::Attributes, Entry::Property { key, local, value })
                if *local == LocalId::default() =>
            {
                RegistryEvent::Attribute {
                    node,
                    key: key.clone(),
                    value: value.clone(),
                }
            }
            _ => return None,
        })
    }
}

fn is_wanted(wanted: &Option<Bytes>, name: &Bytes) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == name)
}
