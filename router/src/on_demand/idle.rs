//! How an unused session is closed: one end proposes, the other agrees, or says nothing.
//!
//! An end that used the session lately does not answer, and the proposer goes on after
//! [`ANSWER_TIMEOUT`]. Who agrees sends nothing more. What the proposer sent in between is not
//! lost: the channel sends it again on the next path.

use std::time::Duration;

use archipelago_core::{Context, Peer, Time};

use super::contact::Link;
use super::{OnDemand, OnDemandOutput, OnDemandOutputs};

/// How long a proposal waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl OnDemand {
    /// What has come due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut OnDemandOutputs) {
        while let Some(&(due, peer)) = self.queue.first() {
            if due > cx.now {
                break;
            }
            self.on_due(peer, cx, out);
        }
    }

    /// When to call `handle_timeout`, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.queue.first().map(|&(due, _)| (due, "idle session"))
    }

    /// The other end proposes to close: agreed, unless the session was used here within half of
    /// the time-out (the two ends count from different moments, each with its own jitter).
    pub(crate) fn handle_idle_propose(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let Some(contact) = self.contacts.get(&peer) else {
            return;
        };
        let is_idle = cx.now.since(contact.used_at) >= self.config.idle_timeout / 2;
        if contact.has_session() && is_idle {
            out.push(OnDemandOutput::AgreeIdle(peer));
        }
    }

    fn on_due(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        let idle_timeout = self.config.idle_timeout;
        let (unused, used_at) = (cx.now.since(contact.used_at), contact.used_at);
        match contact.link {
            // The jitter is in the deadline: four fifths is the shortest that it makes.
            Link::Up(since) if unused >= idle_timeout * 4 / 5 => {
                contact.link = Link::Proposed(since);
                self.set_due(peer, cx.now.after(ANSWER_TIMEOUT));
                out.push(OnDemandOutput::ProposeIdle(peer));
            }
            Link::Up(_) => self.set_due(peer, used_at.after(cx.rng.jitter(idle_timeout))),
            // No answer: the other end uses it.
            Link::Proposed(since) => {
                contact.link = Link::Up(since);
                self.set_due(peer, cx.now.after(cx.rng.jitter(idle_timeout / 2)));
            }
            // Watermarks of the channel outlive two relay lives; so does the relay.
            _ if unused >= 2 * idle_timeout => self.drop_contact(peer, out),
            _ => self.set_due(peer, used_at.after(2 * idle_timeout)),
        }
    }
}
