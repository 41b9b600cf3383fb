//! Sessions that carry nothing while their peers live: the detour beside them, and the way back.
//!
//! ```text
//!  the peer says Hello by detour          PathDown: others hear it, this node does not
//!        │                                      │
//!     ┌──▼────┐  no answer within ANSWER     ┌──▼───┐  GIVE_UP: the session is closed, and
//!     │ Asked ├─────────────────────────────►│ Away ├─────────► another one dialled
//!     └──┬────┘                              └──┬───┘
//!        └── the question was answered ─────────┴──►┌───────────┐ LINGER
//!            on that very session                   │ Returning ├──────► over
//!                                                   └───────────┘
//! ```
//! One question is put on the session at the beginning. The transport delivers it as soon as it
//! can, and its answer proves that both directions work: nothing less does. Who only hears of the
//! other's trouble asks before it believes, or two ends would take each other's Hellos for ever
//! new trouble. The detour stays open for [`LINGER`] after the return, until the other end has
//! gone back as well.
//!
//! Cost: 48 bytes per bypassed session.

use std::time::Duration;

use archipelago_core::wire::SessionId;
use archipelago_core::{Peer, Time};

use super::{Detours, RETRY};

/// How long the session may take to contradict a peer that speaks by detour.
const ANSWER: Duration = Duration::from_millis(500);
/// A session that answers nothing for so long is closed, whatever its transport still hopes for.
const GIVE_UP: Duration = Duration::from_secs(20);
/// How long the detour outlives the return to the session.
const LINGER: Duration = Duration::from_secs(5);

/// A session, and the number of the question that was put on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) session: SessionId,
    pub(crate) number: u32,
}

/// One session that is not used, or may not be used soon, or was not until a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bypass {
    question: Question,
    stage: Stage,
    /// When to look again.
    due: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The session is used, and has to show that it works.
    Asked,
    /// The session is not used, and is given up then.
    Away(Time),
    /// The session works again.
    Returning,
}

/// What has come due of a bypass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The session did not contradict its peer: it is not used from now on.
    ChangeOver(Peer),
    /// Ask for the detour once more, if there is none yet.
    Want(Peer),
    /// Give the session up.
    GiveUp(SessionId),
    /// Nobody needs the detour any more.
    Close(Peer),
}

impl Detours {
    /// The session with the peer carries nothing, and is not used from now on. `false` if that is
    /// known already, and nothing changed. After a return the virtual session begins anew: the
    /// peer may have forgotten the earlier one.
    pub(crate) fn begin_bypass(&mut self, peer: Peer, question: Question, now: Time) -> bool {
        let stage = self.bypassed.get(&peer).map(|bypass| bypass.stage);
        if matches!(stage, Some(Stage::Away(_))) {
            return false;
        }
        if stage != Some(Stage::Asked) {
            self.table.remove(&peer);
        }
        let bypass = Bypass {
            question,
            stage: Stage::Away(now.after(GIVE_UP)),
            due: now.after(RETRY),
        };
        self.bypassed.insert(peer, bypass);
        true
    }

    /// The peer speaks by detour although there is a session, to which a question is put. `false`
    /// if one is under way already, and nothing changed.
    pub(crate) fn begin_asking(&mut self, peer: Peer, question: Question, now: Time) -> bool {
        if self.is_questioned(peer) {
            return false;
        }
        let bypass = Bypass {
            question,
            stage: Stage::Asked,
            due: now.after(ANSWER),
        };
        self.bypassed.insert(peer, bypass);
        true
    }

    /// Whether the peer's session has yet to show that it works.
    pub(crate) fn is_questioned(&self, peer: Peer) -> bool {
        let bypass = self.bypassed.get(&peer);
        bypass.is_some_and(|bypass| bypass.stage != Stage::Returning)
    }

    /// Whether the peer's session is not used now.
    pub(crate) fn is_away(&self, peer: Peer) -> bool {
        let bypass = self.bypassed.get(&peer);
        bypass.is_some_and(|bypass| matches!(bypass.stage, Stage::Away(_)))
    }

    /// Whether the peer is spoken to by detour although it has a session.
    pub(crate) fn is_bypassed(&self, peer: Peer) -> bool {
        !self.bypassed.is_empty() && self.is_away(peer) && self.is_ready(peer)
    }

    /// An answer came on a session. Whether it ends a doubt: the session is used, or used again.
    pub(crate) fn handle_answer(&mut self, peer: Peer, answer: Question, now: Time) -> bool {
        let Some(bypass) = self.bypassed.get_mut(&peer) else {
            return false;
        };
        if bypass.question != answer || bypass.stage == Stage::Returning {
            return false;
        }
        bypass.stage = Stage::Returning;
        bypass.due = now.after(LINGER);
        true
    }

    /// The session is gone, or another one took its place. Whether there was a doubt about it, so
    /// that the detour goes on without it.
    pub(crate) fn end_bypass(&mut self, peer: Peer) -> bool {
        let was_questioned = self.is_questioned(peer);
        self.bypassed.remove(&peer);
        was_questioned
    }

    /// One thing that has come due, if any.
    pub(crate) fn poll_due(&mut self, now: Time) -> Option<Due> {
        let mut all = self.bypassed.iter_mut();
        let (&peer, bypass) = all.find(|(_, bypass)| bypass.due <= now)?;
        match bypass.stage {
            Stage::Asked => {
                bypass.stage = Stage::Away(now.after(GIVE_UP));
                bypass.due = now.after(RETRY);
                Some(Due::ChangeOver(peer))
            }
            Stage::Away(until) if until <= now => {
                bypass.due = Time::NEVER;
                Some(Due::GiveUp(bypass.question.session))
            }
            Stage::Away(until) => {
                bypass.due = until.min(now.after(RETRY));
                Some(Due::Want(peer))
            }
            Stage::Returning => {
                bypass.due = Time::NEVER;
                Some(Due::Close(peer))
            }
        }
    }

    /// When `poll_due` has something, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let dues = self.bypassed.values().map(|bypass| bypass.due);
        let first = dues.min().filter(|&due| due < Time::NEVER);
        first.map(|due| (due, "detour"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer(1);
    const START: Time = Time::START;
    const SESSION: SessionId = SessionId {
        slot: 3,
        generation: 1,
    };

    const fn question(number: u32) -> Question {
        let session = SESSION;
        Question { session, number }
    }

    fn bypassed() -> Detours {
        let mut detours = Detours::default();
        assert!(detours.begin_bypass(PEER, question(7), START));
        detours
    }

    #[test]
    fn f5_only_the_answer_to_its_question_on_that_session_ends_a_bypass() {
        let mut detours = bypassed();
        assert!(!detours.begin_bypass(PEER, question(8), START));
        let mut other = question(7);
        other.session.slot += 1;
        assert!(!detours.handle_answer(PEER, other, START));
        assert!(!detours.handle_answer(PEER, question(8), START));
        assert!(detours.is_away(PEER));
        assert!(detours.handle_answer(PEER, question(7), START));
        assert!(!detours.is_away(PEER));
        assert!(
            !detours.handle_answer(PEER, question(7), START),
            "only once"
        );
    }

    #[test]
    fn f5_the_detour_outlives_the_return_and_is_then_closed_once() {
        let mut detours = bypassed();
        detours.handle_answer(PEER, question(7), START);
        let end = START.after(LINGER);
        assert_eq!(detours.poll_timeout(), Some((end, "detour")));
        assert_eq!(detours.poll_due(START), None);
        assert_eq!(detours.poll_due(end), Some(Due::Close(PEER)));
        assert_eq!(detours.poll_due(end), None);
        assert_eq!(detours.poll_timeout(), None);
    }

    #[test]
    fn f5_a_session_that_never_answers_is_given_up() {
        let mut detours = bypassed();
        let mut wanted = 0;
        let ended = loop {
            let (due, _) = detours.poll_timeout().unwrap();
            match detours.poll_due(due) {
                Some(Due::Want(PEER)) => wanted += 1,
                Some(Due::GiveUp(SESSION)) => break due,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((ended, wanted), (START.after(GIVE_UP), 19));
        assert!(detours.end_bypass(PEER));
        assert!(!detours.end_bypass(PEER));
    }

    #[test]
    fn f5_who_returns_and_is_cut_off_again_begins_anew() {
        let mut detours = bypassed();
        detours.handle_answer(PEER, question(7), START);
        assert!(detours.begin_bypass(PEER, question(9), START));
        assert!(!detours.handle_answer(PEER, question(7), START));
        assert!(detours.handle_answer(PEER, question(9), START));
    }

    #[test]
    fn f5_a_peers_word_alone_moves_nothing_where_the_session_answers() {
        let mut detours = Detours::default();
        assert!(detours.begin_asking(PEER, question(1), START));
        assert!(!detours.begin_asking(PEER, question(2), START));
        assert!(!detours.is_away(PEER));
        assert!(detours.handle_answer(PEER, question(1), START));
        assert_eq!(detours.poll_due(START.after(ANSWER)), None);
    }

    #[test]
    fn f5_a_session_that_does_not_contradict_its_peer_is_left() {
        let mut detours = Detours::default();
        detours.begin_asking(PEER, question(1), START);
        let (due, _) = detours.poll_timeout().unwrap();
        assert_eq!(due, START.after(ANSWER));
        assert_eq!(detours.poll_due(due), Some(Due::ChangeOver(PEER)));
        assert!(detours.is_away(PEER));
        assert!(!detours.begin_bypass(PEER, question(2), due));
        assert!(detours.handle_answer(PEER, question(1), due));
    }
}
