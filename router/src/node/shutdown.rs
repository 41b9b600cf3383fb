//! From configuration to the end: when the boot is final, and the order of a shutdown.
//!
//! A shutdown says every Leave, then `Bye` on every session, and is over when all of them are
//! closed, at the latest after [`STOP_TIMEOUT`].

use std::time::Duration;

use archipelago_core::wire::{ByeReason, SessionId};
use archipelago_core::{GroupId, Time};

use super::{CloseReason, Event, Node, Output, Outputs};

/// A boot is final after this, if no group has said otherwise by then.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the peers' last words.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// How far a node's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Not started.
    Configured,
    /// The boot may still be raised, until then.
    Starting(Time),
    /// The boot is final, and watchers are to be told.
    Settled,
    /// Started, and told so.
    Running,
    /// Says its goodbyes, until then at the latest.
    Stopping(Time),
    /// Over.
    Stopped,
}

impl Life {
    pub(super) fn starting(now: Time) -> Self {
        Self::Starting(now.after(START_TIMEOUT))
    }

    pub(super) const fn settle_boot(&mut self) {
        if matches!(self, Self::Starting(_)) {
            *self = Self::Settled;
        }
    }

    pub(super) const fn is_boot_provisional(self) -> bool {
        matches!(self, Self::Configured | Self::Starting(_) | Self::Settled)
    }

    pub(super) const fn poll_timeout(self) -> Option<(Time, &'static str)> {
        match self {
            Self::Starting(at) => Some((at, "start")),
            Self::Stopping(at) => Some((at, "stop")),
            _ => None,
        }
    }
}

impl Node {
    pub(super) fn on_life_due(&mut self, now: Time, out: &mut Outputs) {
        match self.life {
            Life::Starting(at) if at <= now => self.life.settle_boot(),
            Life::Stopping(at) if at <= now => self.stop(now, out),
            _ => {}
        }
    }

    /// Nothing is left to be done for this input: is a step of life over?
    pub(super) fn life_after_work(&mut self, _now: Time, out: &mut Outputs) {
        match self.life {
            Life::Settled => {
                self.life = Life::Running;
                self.tell(Event::Started { boot: self.boot }, out);
            }
            Life::Stopping(_) if self.sessions.is_empty() => {
                self.life = Life::Stopped;
                out.push(Output::Stopped);
            }
            _ => {}
        }
    }

    pub(super) fn shut_down(&mut self, now: Time, out: &mut Outputs) {
        self.with_watch_if_any(now, |watch, _, said| watch.handle_shutdown(said));
        self.with_reflect(now, |reflect, cx, said| reflect.handle_shutdown(cx, said));
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in self.used_groups() {
            self.leave_as_client(group, now, out);
        }
        for group in groups {
            self.leave_group(group, now, out);
        }
        self.life = Life::Stopping(now.after(STOP_TIMEOUT));
        for session in self.session_ids() {
            self.with_sessions(now, |sessions, cx, said| {
                sessions.end(session, CloseReason::Bye(ByeReason::Shutdown), cx, said);
            });
        }
    }

    /// The time for goodbyes is over.
    fn stop(&mut self, now: Time, _out: &mut Outputs) {
        for session in self.session_ids() {
            self.with_sessions(now, |sessions, cx, said| {
                let reason = CloseReason::Bye(ByeReason::Shutdown);
                sessions.drop_now(session, Some(reason), cx, said);
            });
        }
    }

    fn session_ids(&self) -> Vec<SessionId> {
        self.sessions.iter().map(|session| session.id).collect()
    }
}
