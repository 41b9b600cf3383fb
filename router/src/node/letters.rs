//! Letters between control machines: what arrived goes to the machine that it is for, within a
//! quota for each sender.
//!
//! The channel proves which node a letter is from. Nothing else of it is believed here: each
//! machine checks what it is told. A letter beyond the sender's quota is ignored, and counted.
//! Cost: O(log n) per letter for n nodes that wrote lately; nothing while nobody writes.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::Letter;
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Time};

use super::{Life, Node, Output, Outputs, Unreachable};

/// Letters that a node may write in a burst.
const BURST: u32 = 1_024;

/// Time after which one more is granted: 128 a second for ever.
const GRANT_PERIOD: Duration = Duration::from_micros(7_812);

/// Nodes whose letters are counted at once; beyond it strangers' letters are ignored.
const SENDERS_MAX: usize = 4_096;

/// What each node wrote lately.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    /// When all that a node wrote will be forgotten.
    spent_until: BTreeMap<NodeId, Time>,
}

impl Node {
    /// A letter arrived from the start `boot` of a node, which the channel proved.
    pub fn handle_letter(
        &mut self,
        from: NodeId,
        boot: Boot,
        letter: Letter,
        now: Time,
        out: &mut Outputs,
    ) {
        // Who leaves says no more: an answer now would pass for life.
        if matches!(self.life, Life::Stopping(_) | Life::Stopped) {
            return;
        }
        if self.quotas.get_or_insert_default().admits(from, now) {
            self.stir();
            self.on_letter(from, boot, letter, now, out);
            self.do_work(now, out);
        } else {
            let ignored = &mut self.counters.letters_over_quota;
            *ignored = ignored.saturating_add(1);
        }
    }

    fn on_letter(
        &mut self,
        from: NodeId,
        boot: Boot,
        letter: Letter,
        now: Time,
        out: &mut Outputs,
    ) {
        match letter {
            Letter::Watch(letter) => self.on_watch_letter(from, boot, letter, now),
            Letter::Invite(invite) => {
                if let Ok(from) = self.base.peers.intern(from) {
                    let group = GroupId::new(&self.config.realm, &invite.charter.name);
                    self.on_invite(from, group, &invite, now, out);
                }
            }
            Letter::InviteReply(reply) => {
                if let Some(from) = self.base.peers.find(&from) {
                    self.on_invite_reply(from, *reply, now, out);
                }
            }
            _ => {}
        }
    }

    /// Letters to a node may not have arrived: whoever wrote them decides what to say again.
    pub(super) fn on_letter_lost(&mut self, to: NodeId, reason: Option<Unreachable>, now: Time) {
        self.on_invite_lost(to, reason);
        self.on_watch_lost(to, reason, now);
    }

    /// Writes a letter; where `after` names a mailbox of this node, what it sent to that node
    /// arrives before.
    pub(super) fn post(
        &self,
        to: NodeId,
        home: Option<GroupId>,
        after: Option<LocalId>,
        letter: Letter,
        out: &mut Outputs,
    ) {
        out.push(Output::Letter {
            to,
            home,
            after,
            letter: Box::new(letter),
        });
    }
}

impl Quotas {
    /// Whether one more letter of this node is taken now; counts it.
    fn admits(&mut self, from: NodeId, now: Time) -> bool {
        if !self.spent_until.contains_key(&from) {
            // At sizes that double, so that forgetting costs O(1) for each stranger.
            if self.spent_until.len().is_power_of_two() {
                self.spent_until.retain(|_, until| *until > now);
            }
            if self.spent_until.len() >= SENDERS_MAX {
                return false;
            }
        }
        let spent = self.spent_until.entry(from).or_insert(now);
        let until = (*spent).max(now).after(GRANT_PERIOD);
        let is_within = until.since(now) <= GRANT_PERIOD * BURST;
        if is_within {
            *spent = until;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> NodeId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        NodeId(id)
    }

    #[test]
    fn a9_who_writes_too_much_is_not_heard_and_others_are() {
        let mut quotas = Quotas::default();
        let start = Time::START;
        let taken = (0..5_000).filter(|_| quotas.admits(node(1), start)).count();
        assert_eq!(taken, BURST as usize);
        assert!(quotas.admits(node(2), start));
        let later = start.after(Duration::from_secs(1));
        let taken = (0..5_000).filter(|_| quotas.admits(node(1), later)).count();
        assert_eq!(taken, 128);
    }

    #[test]
    fn a9_many_writers_take_bounded_memory_and_are_forgotten() {
        let mut quotas = Quotas::default();
        let start = Time::START;
        let taken = (0..10_000)
            .filter(|&n| quotas.admits(node(n), start))
            .count();
        assert_eq!(taken, SENDERS_MAX);
        assert!(quotas.admits(node(9_999), start.after(Duration::from_secs(1))));
        assert_eq!(quotas.spent_until.len(), 1);
    }
}
