//! Where groupcasts come out.

use archipelago_core::{NodeId, Pid};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that wait for one subscriber; beyond it they are left out, and it is told.
const WAITING_MAX: usize = 1_024;

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Groupcasted {
    /// A message.
    Message {
        /// Whose; its node's word, and where it came from outside of the group, that of the
        /// reflectors on its way.
        from: Pid,
        /// What was sent.
        payload: Bytes,
    },
    /// Messages were left out here: this subscriber was too slow, or their sender could not send
    /// them again.
    Missed {
        /// Whose, where that is known; of whichever topic.
        origin: Option<NodeId>,
        /// How many.
        messages: u64,
    },
}

/// What is groupcast to one topic of a group. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    queue: mpsc::Receiver<Groupcasted>,
}

impl Subscription {
    /// The next message, or `None` when the node has stopped.
    ///
    /// Cancel safe: a message is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Groupcasted> {
        self.queue.recv().await
    }

    /// The next message, if one is there.
    pub fn try_recv(&mut self) -> Option<Groupcasted> {
        self.queue.try_recv().ok()
    }
}

/// The way to one subscriber.
#[derive(Debug)]
pub(crate) struct Queue {
    queue: mpsc::Sender<Groupcasted>,
    missed: u64,
}

pub(super) fn channel() -> (Queue, Subscription) {
    let (sender, queue) = mpsc::channel(WAITING_MAX);
    let missed = 0;
    let queue_in = Queue {
        queue: sender,
        missed,
    };
    (queue_in, Subscription { queue })
}

impl Queue {
    /// Hands it over if there is room; `false` if nobody is there any more.
    pub(super) fn tell(&mut self, what: Groupcasted) -> bool {
        if self.missed > 0 {
            let missed = Groupcasted::Missed {
                origin: None,
                messages: self.missed,
            };
            if self.queue.try_send(missed).is_ok() {
                self.missed = 0;
            }
        }
        if self.missed > 0 || self.queue.try_send(what).is_err() {
            self.missed += 1;
        }
        !self.queue.is_closed()
    }
}
