//! How much one node was told, for those who measure its load. Cost: 16 bytes and an addition each.

use archipelago_core::wire::{Control, RouteBody};

use crate::names;

/// Control messages that a node took in since the world began, all its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// All of them.
    pub messages: u64,
    /// Questions where a node is, whoever passed them on.
    pub lookups: u32,
    /// Of those, from the one who wants to know: the first hop of each.
    pub lookups_first: u32,
}

impl Heard {
    /// A batch arrived on a session with `peer`.
    pub(super) fn note(&mut self, batch: &[Control], peer: Option<u32>) {
        self.messages += batch.len() as u64;
        for message in batch {
            if let Control::Route(RouteBody::Lookup(lookup)) = message {
                let is_first = peer == Some(names::node_of(&lookup.requester));
                self.lookups = self.lookups.saturating_add(1);
                self.lookups_first = self.lookups_first.saturating_add(u32::from(is_first));
            }
        }
    }
}
