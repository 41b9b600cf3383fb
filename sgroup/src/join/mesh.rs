//! Pursues an admitted session with every member that has none.
//!
//! The living, and the dead while they are remembered: a healed split finds itself again without
//! traffic. Dialling is limited while many are missing, and backs off with jitter; of the lost only
//! few are dialled at a time, and members share what they dial again. When one of the missing is met
//! again, all others are tried soon, anew if need be: what cut them off has probably healed.
//!
//! Of two members the lower id dials at once, and the other waits for it: for a moment while a
//! group forms, but never for less than sessions take to open there. So a formation waits for no
//! timer, and a machine that is busy with it does not dial everything twice.
//!
//! Cost: nothing for members with a session; O(missing) per call.

use std::time::Duration;

use archipelago_core::footprint::vec_bytes;
use archipelago_core::{Context, Peer, Time};

use super::back_off;
use crate::Timing;
use crate::view::View;

/// A dial or a proof that nobody answers is given up after this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A dial into what may be a cut makes room for another one after this; it may still succeed.
const REDIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A `Join` that brings no answer is repeated after this.
const PROOF_TIMEOUT: Duration = Duration::from_secs(1);
/// Whoever waits for the other's dial gives it so many times as long as the slowest session took.
const SETUPS: u32 = 4;
/// After a reunion the others are tried within this.
const HURRY: Duration = Duration::from_millis(500);

/// From so many members on, the longest wait between dials is that of the configuration.
const SHARERS: u32 = 32;

/// Who refused is asked again after so many of the longest waits.
const REFUSED_WAITS: u32 = 8;

/// What is to be done for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MeshAct {
    /// Open a session.
    Dial(Peer),
    /// There is one: prove membership on it.
    Prove(Peer),
}

/// Members without an admitted session, by slot.
#[derive(Debug, Default)]
pub(crate) struct Mesh {
    missing: Vec<Missing>,
    dialling: usize,
    redialling: usize,
    /// How long the slowest sessions of late took to open: falls slowly.
    setup_peak: Duration,
    /// When the last one did.
    opened_at: Time,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    peer: Peer,
    stage: Stage,
    due: Time,
    wait: Duration,
    /// The other is to dial, since then.
    awaited_since: Option<Time>,
    /// It was declared dead, and nobody was met again since.
    is_lost: bool,
    /// It took this node's proof for none: nothing but another cookie makes it worth while sooner.
    is_refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Dialling,
    /// Dialled again after dials that came to nothing, or as one of the dead.
    Redialling,
    Proving,
}

impl Mesh {
    /// `peer` is to have a session; dials it at `due`, or earlier if that was planned.
    pub(crate) fn pursue(&mut self, peer: Peer, due: Time) {
        match self.search(peer) {
            Ok(index) => {
                let missing = &mut self.missing[index];
                let is_waiting = missing.stage == Stage::Waiting && !missing.is_refused;
                if is_waiting && due < missing.due {
                    missing.due = due;
                    missing.awaited_since = None;
                }
            }
            Err(index) => self.insert(index, peer, due, None),
        }
    }

    /// `peer` was declared dead, and may be cut off: dials it from `due` on, few such at a time.
    pub(crate) fn pursue_lost(&mut self, peer: Peer, due: Time) {
        self.pursue(peer, due);
        if let Ok(index) = self.search(peer) {
            self.missing[index].is_lost = true;
        }
    }

    /// `peer` is to have a session, and is likely to open it: dials it if nothing comes for
    /// `patience`, nor for some time as sessions take.
    pub(crate) fn expect(&mut self, peer: Peer, patience: Duration, now: Time) {
        if let Err(index) = self.search(peer) {
            self.insert(index, peer, now.after(patience), Some(now));
        }
    }

    /// A session that this node dialled took so long to open.
    pub(crate) fn on_setup(&mut self, setup: Duration) {
        self.setup_peak = setup.max((self.setup_peak * 7 + setup) / 8);
    }

    fn insert(&mut self, index: usize, peer: Peer, due: Time, awaited_since: Option<Time>) {
        let missing = Missing {
            peer,
            stage: Stage::Waiting,
            due,
            wait: Duration::ZERO,
            awaited_since,
            is_lost: false,
            is_refused: false,
        };
        self.missing.insert(index, missing);
    }

    /// `peer` is admitted, or no longer wanted.
    pub(crate) fn forget(&mut self, peer: Peer) {
        if let Ok(index) = self.search(peer) {
            self.set_stage(index, Stage::Waiting);
            self.missing.remove(index);
            if self.missing.is_empty() {
                // A formation's table is not kept for the years of rest after it.
                self.missing = Vec::new();
            }
        }
    }

    /// Whether `peer` is still without an admitted session.
    pub(crate) fn contains(&self, peer: Peer) -> bool {
        self.search(peer).is_ok()
    }

    /// A session with `peer` is there: whoever dialled, or else the lower id, proves first; the
    /// other does if nothing comes.
    pub(crate) fn on_ready(&mut self, peer: Peer, is_first: bool, now: Time) -> Option<MeshAct> {
        let index = self.search(peer).ok()?;
        self.opened_at = now;
        if let Some(setup) = self.missing[index].pending_for(now) {
            self.on_setup(setup);
        }
        self.set_stage(index, Stage::Proving);
        self.missing[index].due = now.after(PROOF_TIMEOUT);
        is_first.then_some(MeshAct::Prove(peer))
    }

    /// A dial came to nothing. The lower id tries again sooner than the other.
    pub(crate) fn on_dial_failed(
        &mut self,
        peer: Peer,
        view: &View,
        timing: &Timing,
        cx: &mut Context<'_>,
    ) {
        let Ok(index) = self.search(peer) else { return };
        self.set_stage(index, Stage::Waiting);
        let missing = &mut self.missing[index];
        missing.is_refused = false;
        let longest = longest_wait(view, timing);
        let (wait, jittered) = back_off(missing.wait, (timing.redial.0, longest), cx.rng);
        let is_lower = cx.me < cx.peers.id(peer);
        missing.wait = wait;
        missing.due = cx.now.after(if is_lower {
            jittered
        } else {
            (jittered * 2).min(longest)
        });
    }

    /// `peer` is there and takes this node's proof for none: it is asked again in a minute or so,
    /// in case either end is given another cookie.
    pub(crate) fn on_refused(&mut self, peer: Peer, timing: &Timing, cx: &mut Context<'_>) {
        let Ok(index) = self.search(peer) else { return };
        self.set_stage(index, Stage::Waiting);
        let missing = &mut self.missing[index];
        missing.wait = timing.redial.1;
        missing.awaited_since = None;
        missing.is_refused = true;
        missing.due = cx.now.after(cx.rng.jitter(timing.redial.1 * REFUSED_WAITS));
    }

    /// This node has another cookie to show: who refused it is asked again now.
    pub(crate) fn on_cookie(&mut self, now: Time) {
        for missing in &mut self.missing {
            if std::mem::take(&mut missing.is_refused) {
                missing.due = now;
            }
        }
    }

    /// One of the missing was met again. Who is dialled again just now was dialled into the cut,
    /// and is dialled anew.
    pub(crate) fn hurry(&mut self, timing: &Timing, cx: &mut Context<'_>) {
        for index in 0..self.missing.len() {
            let missing = self.missing[index];
            let is_pending = matches!(missing.stage, Stage::Waiting | Stage::Redialling);
            if is_pending && missing.is_doubtful(timing) && !missing.is_refused {
                self.set_stage(index, Stage::Waiting);
                let soon = Duration::from_micros(cx.rng.below(HURRY.as_micros() as u64));
                let missing = &mut self.missing[index];
                missing.wait = timing.redial.0;
                missing.is_lost = false;
                missing.due = missing.due.min(cx.now.after(soon));
            }
        }
    }

    /// What has come due, one thing per call.
    pub(crate) fn poll(
        &mut self,
        view: &View,
        timing: &Timing,
        cx: &mut Context<'_>,
    ) -> Option<MeshAct> {
        let due = self.missing.iter().enumerate();
        let due =
            due.filter(|(_, missing)| missing.due <= cx.now && self.has_room(missing, timing));
        let (index, _) = due.min_by_key(|(_, missing)| missing.due)?;
        let peer = self.missing[index].peer;
        let has_session = cx
            .peers
            .get(peer)
            .is_some_and(|state| state.session.is_some());
        if has_session {
            self.set_stage(index, Stage::Proving);
            self.missing[index].due = cx.now.after(PROOF_TIMEOUT);
            return Some(MeshAct::Prove(peer));
        }
        if self.missing[index].stage != Stage::Waiting {
            self.on_dial_failed(peer, view, timing, cx);
            return self.poll(view, timing, cx);
        }
        if let Some(since) = self.missing[index].awaited_since.take() {
            let patient = self.patient(since, timing);
            if patient > cx.now {
                self.missing[index].due = patient;
                self.missing[index].awaited_since = Some(since);
                return self.poll(view, timing, cx);
            }
        }
        let (stage, timeout) = if self.missing[index].is_doubtful(timing) {
            let timeout = REDIAL_TIMEOUT.max(self.setup_peak * SETUPS);
            (Stage::Redialling, timeout.min(ANSWER_TIMEOUT))
        } else {
            (Stage::Dialling, ANSWER_TIMEOUT)
        };
        self.set_stage(index, stage);
        self.missing[index].due = cx.now.after(timeout);
        Some(MeshAct::Dial(peer))
    }

    /// What it holds on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.missing)
    }

    /// Until when the dial of a member that was expected `since` is waited for: as long as others
    /// come, and no longer than a join may take.
    fn patient(&self, since: Time, timing: &Timing) -> Time {
        let patience = self.setup_peak * SETUPS;
        let quiet = since.max(self.opened_at).after(patience);
        quiet.min(since.after(timing.join_timeout))
    }

    /// When `poll` has something to do.
    pub(crate) fn next(&self, timing: &Timing) -> Time {
        let usable = self.missing.iter();
        let usable = usable.filter(|missing| self.has_room(missing, timing));
        usable
            .map(|missing| missing.due)
            .min()
            .unwrap_or(Time::NEVER)
    }

    fn set_stage(&mut self, index: usize, stage: Stage) {
        let old = std::mem::replace(&mut self.missing[index].stage, stage);
        self.dialling += usize::from(stage == Stage::Dialling);
        self.dialling -= usize::from(old == Stage::Dialling);
        self.redialling += usize::from(stage == Stage::Redialling);
        self.redialling -= usize::from(old == Stage::Redialling);
    }

    /// Whether the limits let it go on. Few are dialled again at a time: a dial into a cut is
    /// pending for seconds, and no other can be made meanwhile when the cut has healed.
    fn has_room(&self, missing: &Missing, timing: &Timing) -> bool {
        missing.stage != Stage::Waiting
            || if missing.is_doubtful(timing) {
                self.redialling < (timing.dials_max / 4).max(1)
            } else {
                self.dialling < timing.dials_max
            }
    }

    fn search(&self, peer: Peer) -> Result<usize, usize> {
        self.missing
            .binary_search_by_key(&peer, |missing| missing.peer)
    }
}

/// The longest wait between dials of one of the missing: so that all who miss it dial it four times
/// a second together, and a small group meets again as soon as a large one.
fn longest_wait(view: &View, timing: &Timing) -> Duration {
    let (shortest, longest) = timing.redial;
    let present = u32::try_from(view.present().count()).unwrap_or(u32::MAX);
    let shared = (longest / SHARERS).saturating_mul(present);
    shared.clamp(shortest, longest)
}

impl Missing {
    /// Whether a dial is likely to come to nothing, as others did.
    fn is_doubtful(&self, timing: &Timing) -> bool {
        self.is_lost || self.wait > timing.redial.0
    }

    /// For how long a session is under way, dialled here or there.
    fn pending_for(&self, now: Time) -> Option<Duration> {
        match self.stage {
            Stage::Dialling => Some(ANSWER_TIMEOUT.saturating_sub(self.due.since(now))),
            Stage::Waiting => self.awaited_since.map(|since| now.since(since)),
            Stage::Redialling | Stage::Proving => None,
        }
    }
}
