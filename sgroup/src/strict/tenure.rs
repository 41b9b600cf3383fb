//! One name that this node holds or asks for: rounds, renewals and the fence.
//!
//! ```text
//!            majority promised        majority accepted
//! Preparing ──────────────▶ Accepting ────────────────▶ Held ──┐ accepted again, every third of a life
//!     ▲ refused, or no majority in time │                │  ▲───┘
//!     └────────────── Waiting ◀─────────┘                └──▶ over: the life has passed unrenewed
//! ```
//! The holder counts its life from when it *first sent* the request that a majority accepted, by
//! its own clock, and is over by itself when it has passed: it needs to hear from nobody for that.
//! An answer counts only for the step it answers.

use std::time::Duration;

use archipelago_core::wire::{StrictBody, StrictRefusal, Tenancy};
use archipelago_core::{LocalId, Time};

use super::StrictConfig;
use super::acceptor::ROUND_MAX;

/// A name at its claimant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    holder: LocalId,
    /// The highest round heard of.
    round: u64,
    step: u32,
    state: State,
    /// Who answered the present question, by their places in the council.
    answered: u8,
    /// When to say the question again.
    repeat_at: Time,
    /// Who holds the name, as was last heard.
    held_by: Option<Tenancy>,
    /// A name that is not held by then is not asked for any more.
    deadline: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Waiting { until: Time },
    Preparing { since: Time },
    Accepting { since: Time },
    Held { until: Time, renewal: Renewal },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    Due(Time),
    Sent(Time),
}

/// What a tenure wants after an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say this to all of the council that have not answered it.
    Ask(StrictBody),
    /// The name is held from now on, under this fence, until then by this node's clock.
    Held {
        /// Rises from holder to holder.
        fence: u64,
        /// By this node's clock, unless renewed.
        until: Time,
    },
    /// The life was renewed.
    Renewed {
        /// By this node's clock.
        until: Time,
    },
    /// The name is not held any more: its life passed unrenewed.
    Lost {
        /// Under which fence it was held.
        fence: u64,
    },
    /// The name was not had by the deadline.
    GivenUp,
}

impl Tenure {
    /// Begins to ask for a name; `round` is higher than every round this node used before.
    pub const fn new(holder: LocalId, round: u64, deadline: Time, now: Time) -> Self {
        Self {
            holder,
            round,
            step: 0,
            state: State::Waiting { until: now },
            answered: 0,
            repeat_at: Time::NEVER,
            held_by: None,
            deadline,
        }
    }

    /// Whose mailbox it is for.
    pub const fn holder(&self) -> LocalId {
        self.holder
    }

    /// The highest round heard of; the fence while the name is held.
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// The number of the present question within its round.
    pub const fn step(&self) -> u32 {
        self.step
    }

    /// Until when the name is held, by this node's clock; `None` if it is not.
    pub fn held_until(&self, now: Time) -> Option<Time> {
        match self.state {
            State::Held { until, .. } if until > now => Some(until),
            _ => None,
        }
    }

    /// Who else was last heard to hold the name.
    pub const fn held_by(&self) -> Option<&Tenancy> {
        self.held_by.as_ref()
    }

    /// Whether it is over: lost, and to be forgotten.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// When to call `handle_timeout`; may be early, never late.
    pub fn due(&self) -> Time {
        match self.state {
            State::Waiting { until } => until.min(self.deadline),
            State::Preparing { .. } | State::Accepting { .. } => self.repeat_at.min(self.deadline),
            State::Held { until, renewal } => match renewal {
                Renewal::Due(at) => at.min(until),
                Renewal::Sent(_) => self.repeat_at.min(until),
            },
            State::Over => Time::NEVER,
        }
    }

    /// Who has answered the present question: a bit for each place in the council.
    pub const fn answered(&self) -> u8 {
        self.answered
    }

    /// What has come due. `jitter` is a fraction in 1/256 that differs from node to node.
    pub fn handle_timeout(&mut self, now: Time, jitter: u8, config: &StrictConfig) -> Option<Step> {
        if self.due() > now {
            return None;
        }
        let is_held = matches!(self.state, State::Held { .. });
        if !is_held && self.deadline <= now {
            self.state = State::Over;
            return Some(Step::GivenUp);
        }
        match self.state {
            State::Waiting { .. } => Some(self.prepare(now, config)),
            State::Preparing { since } | State::Accepting { since } => {
                if now.since(since) < config.attempt() {
                    return Some(self.say(now, config));
                }
                self.wait(config.repeat(), now, jitter, config);
                None
            }
            State::Held { until, .. } if until <= now => {
                self.state = State::Over;
                Some(Step::Lost { fence: self.round })
            }
            State::Held { until, renewal } => Some(self.renew(until, renewal, now, config)),
            State::Over => None,
        }
    }

    /// An acceptor's answer. `majority` is how many make one.
    pub fn handle_answer(
        &mut self,
        place: u8,
        majority: u32,
        body: &StrictBody,
        now: Time,
        jitter: u8,
        config: &StrictConfig,
    ) -> Option<Step> {
        match *body {
            StrictBody::Promise { round } if round == self.round => {
                let State::Preparing { .. } = self.state else {
                    return None;
                };
                self.note(place, majority).then(|| self.accept(now, config))
            }
            StrictBody::Accepted { round, step } if (round, step) == (self.round, self.step) => {
                self.on_accepted(place, majority, now, config)
            }
            StrictBody::Refused { round, why } if round == self.round => {
                self.on_refused(why, now, jitter, config);
                None
            }
            _ => None,
        }
    }

    /// Lets go: what to tell the council. The name is not held from here on, whether they hear it
    /// or not.
    pub fn release(&mut self) -> Option<StrictBody> {
        let is_known = matches!(self.state, State::Held { .. } | State::Accepting { .. });
        self.state = State::Over;
        self.answered = 0;
        is_known.then(|| {
            self.step = self.step.saturating_add(1);
            StrictBody::Accept {
                round: self.round,
                step: self.step,
                holder: None,
                life_ms: 0,
            }
        })
    }

    /// Another council takes the place of the one that was asked: what it granted is kept for the
    /// rest of its life and not renewed, what it did not is asked of the other one at once.
    pub(super) fn handle_council(&mut self) {
        self.answered = 0;
        self.state = match self.state {
            State::Held { until, .. } => State::Held {
                until,
                renewal: Renewal::Due(Time::NEVER),
            },
            State::Over => State::Over,
            _ => State::Waiting { until: Time::START },
        };
    }

    fn prepare(&mut self, now: Time, config: &StrictConfig) -> Step {
        self.round = self.round.saturating_add(1).min(ROUND_MAX);
        self.step = 0;
        self.answered = 0;
        self.state = State::Preparing { since: now };
        self.say(now, config)
    }

    fn accept(&mut self, now: Time, config: &StrictConfig) -> Step {
        self.step = 1;
        self.answered = 0;
        self.state = State::Accepting { since: now };
        self.say(now, config)
    }

    fn renew(&mut self, until: Time, renewal: Renewal, now: Time, config: &StrictConfig) -> Step {
        if let Renewal::Due(_) = renewal {
            self.step = self.step.saturating_add(1);
            self.answered = 0;
            let renewal = Renewal::Sent(now);
            self.state = State::Held { until, renewal };
        }
        self.say(now, config)
    }

    fn say(&mut self, now: Time, config: &StrictConfig) -> Step {
        self.repeat_at = now.after(config.repeat());
        let round = self.round;
        Step::Ask(match self.state {
            State::Preparing { .. } => StrictBody::Prepare { round },
            _ => StrictBody::Accept {
                round,
                step: self.step,
                holder: Some(self.holder),
                life_ms: u32::try_from(config.life.as_millis()).unwrap_or(u32::MAX),
            },
        })
    }

    fn on_accepted(
        &mut self,
        place: u8,
        majority: u32,
        now: Time,
        config: &StrictConfig,
    ) -> Option<Step> {
        let (since, is_first) = match self.state {
            State::Accepting { since } => (since, true),
            State::Held {
                renewal: Renewal::Sent(since),
                ..
            } => (since, false),
            _ => return None,
        };
        if !self.note(place, majority) {
            return None;
        }
        let until = since.after(config.life);
        if until <= now {
            return None;
        }
        let renewal = Renewal::Due(since.after(config.renewal()).max(now));
        self.state = State::Held { until, renewal };
        self.held_by = None;
        Some(if is_first {
            let fence = self.round;
            Step::Held { fence, until }
        } else {
            Step::Renewed { until }
        })
    }

    /// A holder goes on asking until its life has passed; a claimant waits and begins anew. Of the
    /// tenancies that are told one after the other the latest counts: an acceptor may not have heard
    /// of it yet.
    fn on_refused(&mut self, why: StrictRefusal, now: Time, jitter: u8, config: &StrictConfig) {
        let is_claimant = !matches!(self.state, State::Held { .. } | State::Over);
        if let StrictRefusal::Held(tenancy) = why
            && is_claimant
            && self
                .held_by
                .is_none_or(|known| known.round <= tenancy.round)
        {
            self.held_by = Some(tenancy);
        }
        if !matches!(
            self.state,
            State::Preparing { .. } | State::Accepting { .. }
        ) {
            return;
        }
        match why {
            StrictRefusal::Held(tenancy) => {
                let left = Duration::from_millis(u64::from(tenancy.left_ms));
                self.wait(left.min(config.attempt()), now, jitter, config);
            }
            StrictRefusal::Round(round) => {
                self.round = self.round.max(round.min(ROUND_MAX));
                self.wait(config.repeat(), now, jitter, config);
            }
            // The others may be enough; if not, the attempt ends by its time.
            StrictRefusal::Mute { .. } | StrictRefusal::Full | StrictRefusal::Life { .. } => {}
        }
    }

    fn wait(&mut self, least: Duration, now: Time, jitter: u8, config: &StrictConfig) {
        let until = now.after(least + config.repeat() * u32::from(jitter) / 256);
        self.state = State::Waiting { until };
    }

    /// Whether a majority has answered.
    fn note(&mut self, place: u8, majority: u32) -> bool {
        self.answered |= bit(place);
        self.answered.count_ones() >= majority
    }
}

const fn bit(place: u8) -> u8 {
    1_u8 << (place & 7)
}
