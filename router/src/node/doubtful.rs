//! Members that were declared dead while their session was still open: perhaps they live.
//!
//! A killed process leaves a closed session behind; one that is slow to be heard leaves an open
//! one, learns of its death, and comes back in a new era within seconds. What waits for such a
//! member goes on waiting, for at most [`RETURN_MAX`] since its death: then it is gone. Another
//! boot ends what was for the earlier one in the channel itself.
//!
//! Cost: 16 bytes for each, and none at rest.

use std::time::Duration;

use archipelago_core::{Peer, Time};
use archipelago_sgroup::{DownReason, GroupEvent};

use super::{Node, Outputs};

/// How long a member may take to come back.
const RETURN_MAX: Duration = Duration::from_secs(10);
/// Members that are waited for at once; more are gone at once.
const DOUBTFUL_MAX: usize = 1_024;

impl Node {
    /// A group declared a member dead that it has a session with.
    pub(super) fn note_doubtful(&mut self, event: &GroupEvent, now: Time) {
        let GroupEvent::MemberDown(info, DownReason::Dead) = event else {
            return;
        };
        let peer = self.base.peers.find(&info.node);
        let Some(peer) = peer.filter(|&peer| self.session_of(peer).is_some()) else {
            return;
        };
        if self.doubtful.len() < DOUBTFUL_MAX {
            self.doubtful.insert(peer, now.after(RETURN_MAX));
        }
    }

    /// Whether a member that was declared dead may still come back.
    pub(super) fn is_doubtful(&self, peer: Peer) -> bool {
        self.doubtful.contains_key(&peer)
    }

    /// When to call `on_doubtful_due`, and why.
    pub(super) fn poll_doubtful(&self) -> Option<(Time, &'static str)> {
        let first = self.doubtful.values().min();
        first.map(|&at| (at, "a member that may come back"))
    }

    /// Those that did not come back in time are gone.
    pub(super) fn on_doubtful_due(&mut self, now: Time, out: &mut Outputs) {
        let over = self.doubtful.iter().filter(|&(_, &at)| at <= now);
        let over: Vec<Peer> = over.map(|(&peer, _)| peer).collect();
        for peer in over {
            self.doubtful.remove(&peer);
            if self.common_group(peer).is_none() {
                self.fail_contact(peer, out);
            }
        }
    }
}
