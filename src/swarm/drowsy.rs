//! A swarm that is polled only when something woke it.
//!
//! The node's task wakes for every heartbeat, and what the swarm has to do with that is nothing:
//! streams are out of its hands. A poll of it looks at listeners, dials, connections and behaviour
//! all the same. So it has a waker of its own, which notes that it was woken and wakes the task.
//!
//! Cost of a look at a swarm that sleeps: two atomic operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::StreamExt;
use futures::task::AtomicWaker;
use libp2p::swarm::SwarmEvent;

use super::{StreamEvent, Swarm};

/// A swarm, asleep or not.
pub(crate) struct Drowsy {
    swarm: Swarm,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
}

#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Drowsy {
    /// Awake at first.
    pub(crate) fn new(swarm: Swarm) -> Self {
        let bell = Arc::new(Bell {
            has_rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        let waker = Waker::from(bell.clone());
        Self { swarm, bell, waker }
    }

    /// To have it do something: it is polled next time, whatever it is asked.
    pub(crate) fn awake(&mut self) -> &mut Swarm {
        self.bell.has_rung.store(true, Ordering::Release);
        &mut self.swarm
    }

    /// Connections refused by a limit since this was asked last; wakes nothing.
    pub(crate) fn take_refused(&mut self) -> u64 {
        self.swarm.behaviour_mut().take_refused()
    }

    /// What happens next.
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> SwarmEvent<StreamEvent> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<SwarmEvent<StreamEvent>> {
        // Registered before the look: a bell that rings from now on wakes the task.
        self.bell.task.register(cx.waker());
        if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let mut cx = Context::from_waker(&self.waker);
        let Poll::Ready(Some(event)) = self.swarm.poll_next_unpin(&mut cx) else {
            return Poll::Pending;
        };
        // There may be more.
        self.bell.has_rung.store(true, Ordering::Release);
        Poll::Ready(event)
    }
}
