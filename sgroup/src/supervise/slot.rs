//! One place of a pool, and its worker.

use std::collections::BTreeSet;

use archipelago_core::{NodeId, Pid, Time};
use bytes::Bytes;

use super::{
    Ending, KEEP_PERIOD, Moved, PAUSE_MIN, Restart, STABLE_AFTER, StartAnswer, SuperviseOutput,
    SuperviseOutputs, Ticket, pause,
};

/// How long after a lost answer the question is asked again.
const AGAIN_AFTER: std::time::Duration = PAUSE_MIN.saturating_mul(5);

/// A place.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// What its last worker handed over, until the next one runs.
    pub(super) moved: Option<Moved>,
    /// Ends in a row.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be started when that is due; `is_waiting`: no node had room.
    Vacant {
        due: Time,
        is_waiting: bool,
    },
    /// Asked for, and not answered. `is_unsure`: an earlier answer to the same was lost.
    Starting {
        on: NodeId,
        ticket: Ticket,
        is_unsure: bool,
    },
    /// It may run there: asked for again when that is due.
    Unsure {
        on: NodeId,
        ticket: Ticket,
        due: Time,
    },
    Running {
        pid: Pid,
        since: Time,
    },
    /// Asked to hand over; again when that is due, if it is.
    Draining {
        pid: Pid,
        due: Time,
        /// How it ended meanwhile: its state, or that there is none, comes by itself.
        ended: Option<Ending>,
    },
    /// Has ended, and is not started again.
    Over,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            state: State::Vacant {
                due: Time::START,
                is_waiting: false,
            },
            moved: None,
            failures: 0,
        }
    }
}

impl Slot {
    pub(super) const fn is_vacant(&self) -> bool {
        matches!(self.state, State::Vacant { .. })
    }

    pub(super) const fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }

    /// Whether nothing of it is under way.
    pub(super) const fn is_settled(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Over)
    }

    pub(super) const fn running(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// The worker that is known to have run last.
    pub(super) const fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Draining { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// Where it runs, or may.
    pub(super) const fn node(&self) -> Option<NodeId> {
        match self.state {
            State::Starting { on, .. } | State::Unsure { on, .. } => Some(on),
            State::Running { pid, .. } | State::Draining { pid, .. } => Some(pid.node),
            State::Vacant { .. } | State::Over => None,
        }
    }

    pub(super) const fn run(&mut self, pid: Pid, now: Time) {
        self.state = State::Running { pid, since: now };
    }

    /// What may have been started on a node that is gone is gone; who waits for nodes looks again.
    pub(super) fn on_nodes(&mut self, alive: &BTreeSet<NodeId>, now: Time) {
        match self.state {
            State::Starting { on, .. } | State::Unsure { on, .. } if !alive.contains(&on) => {
                self.vacate(now);
            }
            State::Vacant {
                is_waiting: true,
                due,
            } => {
                let due = due.min(now);
                let is_waiting = true;
                self.state = State::Vacant { due, is_waiting };
            }
            _ => {}
        }
    }

    /// A worker that has ended and whose state went with its node: of that no monitor tells.
    pub(super) fn lost(&self, alive: &BTreeSet<NodeId>) -> Option<Pid> {
        match self.state {
            State::Draining {
                pid,
                ended: Some(_),
                ..
            } if !alive.contains(&pid.node) => Some(pid),
            _ => None,
        }
    }

    /// The node that answered, if this was asked.
    pub(super) fn on_answer(
        &mut self,
        asked: Ticket,
        answer: StartAnswer,
        now: Time,
    ) -> Option<NodeId> {
        let State::Starting {
            on,
            ticket,
            is_unsure,
        } = self.state
        else {
            return None;
        };
        if ticket != asked {
            return None;
        }
        match answer {
            StartAnswer::Started(pid) => self.run(pid, now),
            StartAnswer::Unsent if !is_unsure => self.vacate(now),
            StartAnswer::Refused => self.vacate(now),
            StartAnswer::Unsent | StartAnswer::Unsure => {
                let due = now.after(AGAIN_AFTER);
                self.state = State::Unsure { on, ticket, due };
            }
        }
        Some(on)
    }

    /// It has ended; whether it is to be started again.
    pub(super) fn on_ended(&mut self, policy: Restart, ending: Ending, now: Time) -> bool {
        let is_wanted = match policy {
            Restart::Permanent => true,
            Restart::Transient => ending != Ending::Done,
            Restart::Temporary => false,
        };
        if !is_wanted {
            self.state = State::Over;
            return false;
        }
        if let State::Running { since, .. } = self.state
            && now.since(since) >= STABLE_AFTER
        {
            self.failures = 0;
        }
        if ending == Ending::Lost {
            self.vacate(now);
        } else {
            self.failures = self.failures.saturating_add(1);
            self.vacate(now.after(pause(self.failures)));
        }
        true
    }

    pub(super) fn on_handed(&mut self, from: Pid, state: Bytes, now: Time) {
        let keep_at = now.after(KEEP_PERIOD);
        self.moved = Some(Moved {
            from,
            state,
            keep_at,
        });
        self.vacate(now);
    }

    pub(super) fn drain(&mut self, slot: u32, out: &mut SuperviseOutputs) {
        if let State::Running { pid, .. } = self.state {
            self.state = State::Draining {
                pid,
                due: Time::NEVER,
                ended: None,
            };
            out.push(SuperviseOutput::Drain { slot, pid });
        }
    }

    /// It moves and has ended; whether that is all that is to be said of it now.
    pub(super) fn on_ended_draining(&mut self, ending: Ending) -> bool {
        match &mut self.state {
            State::Draining { ended, .. } if ending != Ending::Lost => {
                *ended = Some(ending);
                true
            }
            _ => false,
        }
    }

    /// It moves no more, since there is nothing to hand over; how it ended.
    pub(super) fn on_gone(&mut self, now: Time) -> Ending {
        let State::Draining { pid, ended, .. } = self.state else {
            return Ending::Failed;
        };
        self.run(pid, now);
        ended.unwrap_or(Ending::Failed)
    }

    pub(super) fn drain_again(&mut self, now: Time) {
        if let State::Draining { due, .. } = &mut self.state {
            *due = now.after(AGAIN_AFTER);
        }
    }

    /// What of it runs, or is kept, and is not wanted any more.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Pid> {
        let running = self.pid();
        let kept = self.moved.take().map(|moved| moved.from);
        self.state = State::Over;
        running.into_iter().chain(kept)
    }

    /// Asks again what is due.
    pub(super) fn follow_up(&mut self, slot: u32, now: Time, out: &mut SuperviseOutputs) {
        match self.state {
            State::Unsure { on, ticket, due } if due <= now => {
                self.state = State::Starting {
                    on,
                    ticket,
                    is_unsure: true,
                };
                let state = self.moved.as_ref().map(|moved| moved.state.clone());
                out.push(SuperviseOutput::Start {
                    slot,
                    on,
                    ticket,
                    state,
                });
            }
            State::Draining { pid, due, ended } if due <= now => {
                self.state = State::Draining {
                    pid,
                    due: Time::NEVER,
                    ended,
                };
                out.push(SuperviseOutput::Drain { slot, pid });
            }
            _ => {}
        }
        if let Some(moved) = self.moved.as_mut().filter(|moved| moved.keep_at <= now) {
            moved.keep_at = now.after(KEEP_PERIOD);
            out.push(SuperviseOutput::Keep { pid: moved.from });
        }
    }

    /// When something of it is due; starts only if there are any.
    pub(super) fn due(&self, is_starting: bool) -> Time {
        let due = match self.state {
            State::Vacant { due, .. } if is_starting => due,
            State::Unsure { due, .. } | State::Draining { due, .. } => due,
            _ => Time::NEVER,
        };
        let keep_at = self.moved.as_ref().map(|moved| moved.keep_at);
        due.min(keep_at.unwrap_or(Time::NEVER))
    }

    const fn vacate(&mut self, due: Time) {
        let is_waiting = false;
        self.state = State::Vacant { due, is_waiting };
    }
}
