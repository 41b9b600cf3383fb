//! I9: a monitor fires at most once, at the node that began it, and with the reason that is true.
//!
//! Attach [`Once`] before the first monitor; that each one fires in the end is for a test to say,
//! which knows what ended.

use std::collections::BTreeSet;

use archipelago_router::Event;
use archipelago_router::watch::MonitorRef;

use super::Violation;
use crate::observe::{Observation, Observed};
use crate::world::Checker;

/// Watches that no monitor fires twice.
#[derive(Debug, Default)]
pub struct Once {
    fired: BTreeSet<(u32, MonitorRef)>,
}

impl Checker for Once {
    fn on_observed(&mut self, observed: &Observed) -> Vec<Violation> {
        let Observation::Event(Event::Down { monitor, reason }) = &observed.what else {
            return Vec::new();
        };
        if self.fired.insert((observed.node, *monitor)) {
            return Vec::new();
        }
        let (node, MonitorRef(number)) = (observed.node, monitor);
        let text = format!("n{node} heard of monitor {number} again: {reason}");
        vec![Violation::new("I9", text)]
    }
}
