//! Hands each event to every watcher; a slow one loses events and is told how many.
//!
//! A watcher's queue takes memory only while events wait in it. Cost: one clone per watcher.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use super::NodeEvent;

/// Events waiting for one watcher; beyond it events are left out, and
/// [`NodeEvent::Lagged`] says how many.
const WAITING_MAX: usize = 4_096;

/// The watchers of one node.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    queue: mpsc::Sender<NodeEvent>,
    missed: u64,
}

/// The events of a node from the moment this was made, in order.
///
/// A [`Stream`] that ends when the node has stopped. A watcher that reads too slowly gets
/// [`NodeEvent::Lagged`] in place of what it missed.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<NodeEvent>,
}

impl Hub {
    pub(crate) fn watch(&self) -> Events {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Watcher {
            queue: sender,
            missed: 0,
        });
        Events { queue: receiver }
    }

    pub(crate) fn tell(&self, event: &NodeEvent) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain_mut(|watcher| watcher.tell(event));
    }

    /// Says `Stopped` and ends all streams.
    pub(crate) fn close(&self) {
        self.tell(&NodeEvent::Stopped);
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.clear();
    }
}

impl Watcher {
    /// Whether the watcher is still there.
    fn tell(&mut self, event: &NodeEvent) -> bool {
        if self.queue.is_closed() {
            return false;
        }
        let room = if self.missed == 0 { 1 } else { 2 };
        if self.queue.capacity() < room {
            self.missed += 1;
            return true;
        }
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            // The hub is the only sender: the room was checked above.
            let _ = self.queue.try_send(NodeEvent::Lagged { missed });
        }
        let _ = self.queue.try_send(event.clone());
        true
    }
}

impl Events {
    /// The next event, or `None` when the node has stopped.
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        self.queue.recv().await
    }

    /// The next event, if one is there.
    pub fn try_next(&mut self) -> Option<NodeEvent> {
        self.queue.try_recv().ok()
    }
}

impl Stream for Events {
    type Item = NodeEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<NodeEvent>> {
        self.queue.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archipelago_core::GroupId;

    fn event(number: usize) -> NodeEvent {
        NodeEvent::Joined {
            group: GroupId([0; 16]),
            missing: number,
        }
    }

    #[test]
    fn a_slow_watcher_is_told_how_much_it_missed() {
        let hub = Hub::default();
        let mut events = hub.watch();
        for number in 0..WAITING_MAX + 3 {
            hub.tell(&event(number));
        }
        for number in 0..WAITING_MAX {
            assert_eq!(events.try_next(), Some(event(number)));
        }
        hub.tell(&event(1));
        assert_eq!(events.try_next(), Some(NodeEvent::Lagged { missed: 3 }));
        assert_eq!(events.try_next(), Some(event(1)));
    }

    #[test]
    fn every_watcher_hears_the_end_and_then_nothing() {
        let hub = Hub::default();
        let mut watchers = [hub.watch(), hub.watch()];
        hub.close();
        for events in &mut watchers {
            assert_eq!(events.try_next(), Some(NodeEvent::Stopped));
            assert!(matches!(
                events.queue.try_recv(),
                Err(mpsc::error::TryRecvError::Disconnected)
            ));
        }
    }
}
