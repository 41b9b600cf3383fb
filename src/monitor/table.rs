//! Who waits for which monitor, and which monitors nobody waits for any more.
//!
//! A monitor is dropped wherever its user drops it, and must not wait for the node's task: what was
//! dropped is put where the task fetches it. Bounded by the monitors that the node accepts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use archipelago_router::watch::{EndReason, MonitorRef};
use tokio::sync::{Notify, oneshot};

/// All monitors of a node.
#[derive(Debug, Default)]
pub(crate) struct Table {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: HashMap<MonitorRef, oneshot::Sender<EndReason>>,
    dropped: Vec<MonitorRef>,
}

impl Table {
    /// A new monitor, and where its word comes out.
    pub(crate) fn begin(&self) -> (MonitorRef, oneshot::Receiver<EndReason>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        state.last += 1;
        let monitor = MonitorRef(state.last);
        state.waiting.insert(monitor, sender);
        (monitor, receiver)
    }

    /// A monitor fires.
    pub(crate) fn fire(&self, monitor: MonitorRef, reason: EndReason) {
        let waiting = self.state().waiting.remove(&monitor);
        if let Some(waiting) = waiting {
            // Who waited may have gone in this moment.
            let _ = waiting.send(reason);
        }
    }

    /// Nobody waits for a monitor any more; ignored once it has fired.
    pub(crate) fn forget(&self, monitor: MonitorRef) {
        let mut state = self.state();
        if state.waiting.remove(&monitor).is_some() {
            state.dropped.push(monitor);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to take. Cancel safe.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// What was dropped.
    pub(crate) fn take_dropped(&self) -> Vec<MonitorRef> {
        std::mem::take(&mut self.state().dropped)
    }

    /// The node has stopped: all that wait hear so.
    pub(crate) fn close(&self) {
        self.state().waiting.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fired_is_not_dropped_any_more() {
        let table = Table::default();
        let (first, mut end) = table.begin();
        let (second, _other) = table.begin();
        table.fire(first, EndReason::NoProc);
        assert_eq!(end.try_recv(), Ok(EndReason::NoProc));
        for monitor in [first, second, second] {
            table.forget(monitor);
        }
        assert_eq!(table.take_dropped(), [second]);
    }
}
