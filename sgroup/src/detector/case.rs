//! One member that may be dead: what was asked, what was found, who voted.
//!
//! ```text
//!        due               ping unanswered           no answer anywhere
//!  Held ──────► Pinging ───────────────────► Probing ───────────────────► vote ──► Held
//!    ▲  (a sweep begins here; others at Probing) │ heard by a helper only
//!    └───────── any sign of life closes it ◄─────┴──► path down
//! ```

use std::time::Duration;

use archipelago_core::{Peer, Time};

/// Votes remembered per case; more than any quorum needs.
const VOTES_MAX: usize = 8;

/// What a case waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The next round, or others' votes.
    Held,
    /// The member's own answer, before others are troubled.
    Pinging,
    /// The member's answer, and the helpers'.
    Probing,
}

/// Why a case was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its heartbeats stay away.
    Silent,
    /// Its session closed, or a dial failed.
    Closed,
    /// Another member voted.
    Voted,
    /// Many are suspected at once: a look at everybody.
    Swept,
    /// There is traffic with it, and nothing was heard since: its path may be broken. Whether it
    /// lives is for its observers to say, so this alone leads to no vote.
    Used,
}

/// One member under examination.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) peer: Peer,
    pub(super) cause: Cause,
    pub(super) stage: Stage,
    /// When the stage ends by itself.
    pub(super) due: Time,
    /// When the round began: only what is heard later is an answer.
    pub(super) started: Time,
    pub(super) rounds: u32,
    /// The question's number.
    pub(super) id: u32,
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) was_heard_elsewhere: bool,
    pub(super) has_dial_failed: bool,
    /// When this node voted last.
    pub(super) mine: Option<Time>,
    votes: Vec<(Peer, Time)>,
}

impl Case {
    pub(super) const fn new(peer: Peer, cause: Cause, due: Time) -> Self {
        Self {
            peer,
            cause,
            stage: Stage::Held,
            due,
            started: Time::NEVER,
            rounds: 0,
            id: 0,
            asked: 0,
            answered: 0,
            was_heard_elsewhere: false,
            has_dial_failed: false,
            mine: None,
            votes: Vec::new(),
        }
    }

    /// A new round of questions with number `id`.
    pub(super) fn restart(&mut self, id: u32, stage: Stage, now: Time) {
        self.stage = stage;
        self.started = now;
        self.rounds = self.rounds.saturating_add(1);
        self.id = id;
        self.asked = 0;
        self.answered = 0;
        self.was_heard_elsewhere = false;
        self.has_dial_failed = false;
    }

    /// Notes another member's vote.
    pub(super) fn on_vote(&mut self, voter: Peer, now: Time) {
        if let Some(vote) = self.votes.iter_mut().find(|vote| vote.0 == voter) {
            vote.1 = now;
        } else if self.votes.len() < VOTES_MAX {
            self.votes.push((voter, now));
        }
    }

    /// Votes that are not older than `life`, this node's own included.
    pub(super) fn count(&mut self, life: Duration, now: Time) -> usize {
        self.votes.retain(|vote| now.since(vote.1) <= life);
        self.mine = self.mine.filter(|&at| now.since(at) <= life);
        self.votes.len() + usize::from(self.mine.is_some())
    }

    /// What a member that now says `peer` ended has voted no longer counts.
    pub(super) fn forget_voter(&mut self, voter: Peer) {
        self.votes.retain(|vote| vote.0 != voter);
    }
}
