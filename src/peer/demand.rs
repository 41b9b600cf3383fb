//! How much goes to a peer by relay, as the node's machine wants to hear of it.

use std::time::Duration;

use archipelago_core::Time;

use crate::node::Shared;

/// What was sent since the last report.
#[derive(Debug)]
pub(crate) struct Demand {
    messages: u32,
    bytes: u32,
    threshold: (u32, u32),
    reported_at: Time,
}

impl Demand {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            messages: 0,
            bytes: 0,
            threshold: shared.dial_threshold,
            reported_at: shared.clock.now(),
        }
    }

    /// Counts what was sent; returns a report if one is due: enough for a decision, or a second
    /// after the last.
    pub(crate) fn on_sent(&mut self, messages: u32, bytes: usize, now: Time) -> Option<(u32, u32)> {
        self.messages = self.messages.saturating_add(messages);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        let is_much = self.messages > self.threshold.0 || self.bytes > self.threshold.1;
        if !is_much && now.since(self.reported_at) < Duration::from_secs(1) {
            return None;
        }
        self.reported_at = now;
        Some((
            std::mem::take(&mut self.messages),
            std::mem::take(&mut self.bytes),
        ))
    }
}
