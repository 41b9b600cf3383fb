//! Who tells of another's end: what this node's groups declare, for nodes outside that asked.

use std::collections::BTreeMap;

use archipelago_core::wire::{GUARDED_MAX, List, WatchLetter};
use archipelago_core::{Boot, GroupId, NodeId, Time};

use super::{WatchLent, WatchOutput, WatchOutputs};

/// Registrations of nodes that want to hear of the end of members of this node's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Warden {
    guards: BTreeMap<(GroupId, NodeId), BTreeMap<NodeId, Guard>>,
    /// How many of them each node has.
    askers: BTreeMap<NodeId, usize>,
    len: usize,
    sweep_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Guard {
    /// The start that is meant; 0 for whichever is alive.
    boot: Boot,
    /// Where to look the asker up.
    home: Option<GroupId>,
    until: Time,
}

impl Warden {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        self.sweep_at
    }

    pub(super) fn handle_letter(
        &mut self,
        from: NodeId,
        letter: WatchLetter,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        match letter {
            WatchLetter::Guard {
                seq,
                home,
                group,
                nodes,
            } => {
                let refused = nodes
                    .iter()
                    .filter(|&&guarded| !self.guard(from, home, group, guarded, lent, out))
                    .map(|&(node, _)| node);
                let letter = WatchLetter::Guarded {
                    seq,
                    refused: List::truncated(refused.collect::<Vec<_>>()),
                };
                out.push(letter_to(from, home, letter));
            }
            WatchLetter::Unguard { group, nodes } => {
                for &node in nodes.iter() {
                    self.release(group, node, from);
                }
            }
            _ => {}
        }
    }

    /// Registers one node or renews it, or says at once that it is down; `false` where this node
    /// cannot know, or serves too many.
    fn guard(
        &mut self,
        from: NodeId,
        home: Option<GroupId>,
        group: GroupId,
        (node, boot): (NodeId, Boot),
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> bool {
        let Some(member) = lent.society.member_of(group, &node) else {
            return false;
        };
        if member.is_none_or(|alive| alive > boot && boot != Boot(0)) {
            out.push(letter_to(from, home, fallen(group, node, boot, true)));
            self.release(group, node, from);
            return true;
        }
        let of_asker = self.askers.get(&from).copied().unwrap_or(0);
        let until = lent.now.after(lent.config.lease);
        let is_known = self
            .guards
            .get(&(group, node))
            .is_some_and(|guards| guards.contains_key(&from));
        if !is_known {
            let is_over =
                of_asker >= lent.config.guards_per_peer_max || self.len >= lent.config.guards_max;
            if is_over {
                return false;
            }
            self.askers.insert(from, of_asker + 1);
            self.len += 1;
        }
        let guards = self.guards.entry((group, node)).or_default();
        guards.insert(from, Guard { boot, home, until });
        if self.sweep_at.is_none() {
            self.sweep_at = Some(lent.now.after(lent.config.renew_period));
        }
        true
    }

    fn release(&mut self, group: GroupId, node: NodeId, from: NodeId) {
        let Some(guards) = self.guards.get_mut(&(group, node)) else {
            return;
        };
        if guards.remove(&from).is_none() {
            return;
        }
        self.len -= 1;
        if guards.is_empty() {
            self.guards.remove(&(group, node));
        }
        if let Some(count) = self.askers.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.askers.remove(&from);
            }
        }
        if self.guards.is_empty() {
            self.sweep_at = None;
        }
    }

    /// A group lost a member: who asked hears of it.
    pub(super) fn handle_member_down(
        &self,
        group: GroupId,
        (node, boot): (NodeId, Boot),
        is_dead: bool,
        out: &mut WatchOutputs,
    ) {
        let Some(guards) = self.guards.get(&(group, node)) else {
            return;
        };
        for (&to, guard) in guards {
            if guard.boot <= boot {
                let letter = fallen(group, node, boot, is_dead);
                out.push(letter_to(to, guard.home, letter));
            }
        }
    }

    /// A letter to the node may be lost: it hears again of whom it asked for and is down.
    pub(super) fn tell_again(&self, to: NodeId, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        if !self.askers.contains_key(&to) {
            return;
        }
        for (&(group, node), guards) in &self.guards {
            let Some(guard) = guards.get(&to) else {
                continue;
            };
            let alive = lent.society.member_of(group, &node).flatten();
            if alive.is_none_or(|alive| alive > guard.boot && guard.boot != Boot(0)) {
                let letter = fallen(group, node, guard.boot, true);
                out.push(letter_to(to, guard.home, letter));
            }
        }
    }

    /// Forgets what was not renewed.
    pub(super) fn handle_timeout(&mut self, lent: &WatchLent<'_>) {
        if self.sweep_at.is_none_or(|at| at > lent.now) {
            return;
        }
        self.sweep_at = Some(lent.now.after(lent.config.renew_period));
        let mut over = Vec::new();
        for (&(group, node), guards) in &self.guards {
            let ran_out = guards.iter().filter(|(_, guard)| guard.until <= lent.now);
            over.extend(ran_out.map(|(&from, _)| (group, node, from)));
        }
        for (group, node, from) in over {
            self.release(group, node, from);
        }
    }
}

fn fallen(group: GroupId, node: NodeId, boot: Boot, is_dead: bool) -> WatchLetter {
    WatchLetter::Fallen {
        group,
        node,
        boot,
        is_dead,
    }
}

fn letter_to(to: NodeId, home: Option<GroupId>, letter: WatchLetter) -> WatchOutput {
    WatchOutput::Letter {
        to,
        home,
        after: None,
        letter,
    }
}

const _: () = assert!(
    GUARDED_MAX >= 2,
    "a ward asks for its target and the other warden"
);
