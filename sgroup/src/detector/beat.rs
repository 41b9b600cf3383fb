//! One-way heartbeats to the members that watch over this node.
//!
//! Its observers are the few unsuspected members with the highest rendezvous hash. A beat is left
//! out when other traffic went to the observer within the period, but never four times in a row,
//! since beats carry the hashes that anti-entropy lives on.
//!
//! Cost: O(n) when the view changed (at most ten times a second), O(observers) per beat; nothing
//! is allocated in between.

use std::time::Duration;

use archipelago_core::ahead::fetch_at;
use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::GroupBody;
use archipelago_core::{Context, Peer, Time};

use super::Surroundings;
use crate::view::rendezvous;
use crate::{GroupOutput, GroupOutputs};

/// Changes of the view are gathered for so long before observers are chosen anew.
const SETTLE: Duration = Duration::from_millis(100);
/// A beat may be left out so many periods long.
const OMITTED_PERIODS_MAX: u32 = 3;

/// Who observes this node, and when each was last told that it lives.
#[derive(Debug)]
pub(super) struct Beats {
    observers: Vec<Beat>,
    choose_at: Time,
    beat_at: Time,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    observer: Peer,
    sent: Time,
}

impl Beats {
    pub(super) const fn new() -> Self {
        Self {
            observers: Vec::new(),
            choose_at: Time::NEVER,
            beat_at: Time::NEVER,
        }
    }

    /// These observe this node, and hear of it at `first`.
    pub(super) fn form(&mut self, observers: Vec<Peer>, first: Time) {
        let unheard = |observer| Beat {
            observer,
            sent: Time::START,
        };
        self.observers = observers.into_iter().map(unheard).collect();
        self.beat_at = first;
    }

    /// Members came, went, or fell under suspicion.
    pub(super) fn on_view_changed(&mut self, now: Time) {
        self.choose_at = self.choose_at.min(now.after(SETTLE));
    }

    pub(super) fn observers(&self) -> impl Iterator<Item = Peer> {
        self.observers.iter().map(|beat| beat.observer)
    }

    /// Has the table fetched from memory.
    pub(super) fn foresee(&self) {
        fetch_at(&self.observers, 0);
        fetch_at(&self.observers, self.observers.len());
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.observers)
    }

    pub(super) fn next(&self) -> Time {
        self.choose_at.min(self.beat_at)
    }

    pub(super) fn handle_timeout(
        &mut self,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if self.choose_at <= cx.now {
            self.choose_at = Time::NEVER;
            self.choose(around, cx);
            self.beat_at = cx.now;
        }
        if self.beat_at <= cx.now {
            self.beat(around, cx, out);
        }
    }

    fn choose(&mut self, around: &Surroundings<'_>, cx: &Context<'_>) {
        let me = cx.me.prefix();
        let mut ranked: Vec<(u64, Peer)> = around
            .view
            .present()
            .filter(|member| member.is_admitted && !member.is_suspect)
            .map(|member| {
                let observer = cx.peers.id(member.peer).prefix();
                (rendezvous(me, observer), member.peer)
            })
            .collect();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        ranked.truncate(around.timing.observers);
        let sent = |observer| {
            let known = self.observers.iter().find(|beat| beat.observer == observer);
            known.map_or(Time::START, |beat| beat.sent)
        };
        self.observers = ranked
            .into_iter()
            .map(|(_, observer)| Beat {
                observer,
                sent: sent(observer),
            })
            .collect();
        // Collecting may keep the room in which all members were ranked.
        self.observers.shrink_to_fit();
    }

    /// Beats that fall due within an eighth of a period leave together.
    fn beat(&mut self, around: &Surroundings<'_>, cx: &Context<'_>, out: &mut GroupOutputs) {
        let period = around.timing.heartbeat_period;
        let horizon = cx.now.after(period / 8);
        self.beat_at = Time::NEVER;
        for beat in &mut self.observers {
            let last_sent = cx
                .peers
                .get(beat.observer)
                .map_or(Time::START, |state| state.last_sent(cx.now));
            let is_owed =
                beat.sent == Time::START || beat.sent.after(period * OMITTED_PERIODS_MAX) <= cx.now;
            let due = last_sent.max(beat.sent).after(period);
            if is_owed || due <= horizon {
                beat.sent = cx.now;
                out.push(GroupOutput::Send {
                    to: beat.observer,
                    body: GroupBody::Heartbeat {
                        incarnation: around.view.own().incarnation,
                        view_hash: around.view.hash(),
                        log_hash: around.log_hash,
                    },
                });
                self.beat_at = self.beat_at.min(cx.now.after(period));
            } else {
                self.beat_at = self.beat_at.min(due);
            }
        }
    }
}
