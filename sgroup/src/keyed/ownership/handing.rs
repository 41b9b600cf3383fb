//! How a shard is handed over: its workers stop, and what they left is sent until it is taken.
//!
//! *Never*: states sent before all workers of the shard have stopped. Cost: one word for each state,
//! again after four pauses between claims.

use archipelago_core::wire::KeyedWord;
use archipelago_core::{NodeId, Time};

use super::{Deed, Fence, Handed, Left, Ownership, Shard, release};

/// States that nobody took are sent again after so many times the pause between claims.
const RESEND_AFTER: u32 = 4;

impl Ownership {
    /// The workers of a shard have stopped, and left this.
    pub(in super::super) fn drained(
        &mut self,
        shard: Shard,
        (fence, states): (Option<Fence>, Vec<Left>),
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        let Some(handed) = self.handed.get_mut(&shard) else {
            return;
        };
        self.is_changed = true;
        if states.is_empty() {
            let one = [shard].into_iter().collect();
            out.push(release(handed.to, handed.round, &one, 0));
            self.handed.remove(&shard);
        } else {
            handed.states = Some(states);
            handed.fence = fence;
            let to = handed.to;
            self.leave_to(shard, to);
            self.send_states(shard, now, out);
        }
        self.reassess([shard].into_iter(), now, out);
    }

    /// Begins to hand a shard over.
    pub(super) fn hand(&mut self, shard: Shard, to: NodeId, round: u32, out: &mut Vec<Deed>) {
        self.let_go(shard);
        let handed = Handed {
            to,
            round,
            states: None,
            fence: None,
            sent: Vec::new(),
            resend_at: Time::NEVER,
        };
        self.handed.insert(shard, handed);
        out.push(Deed::Drain(shard));
    }

    /// It is claimed while it is being handed over, or was and may not have come.
    pub(super) fn hand_again(
        &mut self,
        (shard, to, round): (Shard, NodeId, u32),
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        let Some(handed) = self.handed.get_mut(&shard) else {
            return;
        };
        handed.to = to;
        handed.round = round;
        if handed.states.is_some() {
            self.leave_to(shard, to);
            self.send_states(shard, now, out);
        }
    }

    /// The states of a shard go to another host.
    fn leave_to(&mut self, shard: Shard, to: NodeId) {
        self.is_changed = true;
        if let Some(heirs) = &mut self.heirs {
            heirs.push((shard, to));
        }
    }

    pub(super) fn send_states(&mut self, shard: Shard, now: Time, out: &mut Vec<Deed>) {
        let Some(handed) = self.handed.get_mut(&shard) else {
            return;
        };
        let states = handed.states.as_deref().unwrap_or_default();
        // Whoever is gone needs none; another may claim them.
        if !self.others.contains_key(&handed.to) {
            return;
        }
        let (to, round) = (handed.to, handed.round);
        let fence = handed.fence.map(|fence| (fence.term, fence.serial));
        if !handed.sent.contains(&(to, round)) {
            handed.sent.push((to, round));
        }
        handed.resend_at = now.after(self.retry * RESEND_AFTER);
        for (index, (key, version, state)) in (0..).zip(states) {
            let word = KeyedWord::State {
                round,
                index,
                version: *version,
                fence,
                key: key.clone(),
            };
            out.push(Deed::Send(to, word, state.clone()));
        }
        let count = u32::try_from(states.len()).unwrap_or(u32::MAX);
        let one = [shard].into_iter().collect();
        out.push(release(to, round, &one, count));
    }
}
