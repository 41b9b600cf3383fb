//! The sessions of a formed group: open, justified, attached, and at rest.

use archipelago_core::wire::SessionId;
use archipelago_core::{Peer, Time};

use super::Sessions;
use super::session::{Opened, Rate, Session, times};
use crate::node::SessionKind;

impl Sessions {
    /// Takes sessions that are in use; the table of peers names each. `next_quiet` is when the
    /// first of them has been silent for [`times::QUIET`].
    pub(crate) fn form(
        &mut self,
        sessions: &[(SessionId, Peer, bool)],
        oldest_use: Time,
        now: Time,
    ) {
        let slots = sessions.iter().map(|(id, ..)| id.slot as usize + 1).max();
        self.table.reserve_exact(slots.unwrap_or(0));
        self.table.resize_with(slots.unwrap_or(0), || None);
        for &(id, peer, is_ours) in sessions {
            let Some(slot) = self.table.get_mut(id.slot as usize) else {
                continue;
            };
            *slot = Some(Session {
                id,
                peer,
                opened: Opened::new(now),
                rate: Rate::new(now),
                strikes: 0,
                is_ours,
                is_attached: true,
                shown: Some(SessionKind::Group),
            });
        }
        self.len = self.table.iter().flatten().count();
        if self.len > 0 {
            self.look_at = oldest_use.after(times::QUIET);
        }
    }
}
