//! Who is watched: processes of this node, leased to the nodes that watch them.
//!
//! A process' end is told once to each node, and kept until that node says that it heard, or its
//! lease runs out: a letter that was lost is written again.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::wire::{ENDED_MAX, End, Exit, List, Locals, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Time};

use super::{WatchLent, WatchOutput, WatchOutputs};

/// Leases of this node's processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    lessees: BTreeMap<NodeId, Lessee>,
    /// Who watches each living process; this node among them.
    observed: BTreeMap<LocalId, BTreeSet<NodeId>>,
    len: usize,
    sweep_at: Option<Time>,
}

/// A node that watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Lessee {
    boot: Boot,
    home: Option<GroupId>,
    leases: BTreeMap<LocalId, Lease>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lease {
    until: Time,
    /// How the process ended; the lessee has not said yet that it heard.
    end: Option<End>,
}

impl Watched {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.observed.is_empty() && self.lessees.is_empty()
    }

    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        self.sweep_at
    }

    pub(super) fn handle_letter(
        &mut self,
        from: NodeId,
        boot: Boot,
        letter: WatchLetter,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        match letter {
            WatchLetter::Watch {
                seq,
                home,
                boot: meant,
                locals,
            } => {
                self.on_boot(from, boot, out);
                // Of another start there is nothing to lease: the answer tells which start this is.
                let is_mine = meant == lent.boot;
                let locals = if is_mine { locals } else { Locals::new() };
                let refused = self.lease(from, (boot, home), &locals, lent, out);
                answer(from, home, seq, refused, lent, out);
                self.tell(from, Some(&locals), out);
            }
            WatchLetter::Unwatch {
                boot: meant,
                locals,
            } if meant == lent.boot => {
                for &local in locals.iter() {
                    self.release(local, from, out);
                }
            }
            _ => {}
        }
    }

    /// A later start of a lessee: what the earlier one asked for is over.
    fn on_boot(&mut self, from: NodeId, boot: Boot, out: &mut WatchOutputs) {
        let Some(lessee) = self.lessees.get(&from).filter(|known| known.boot < boot) else {
            return;
        };
        let locals: Vec<LocalId> = lessee.leases.keys().copied().collect();
        for local in locals {
            self.release(local, from, out);
        }
    }

    /// Leases processes or renews them; returns those beyond a quota.
    fn lease(
        &mut self,
        from: NodeId,
        (boot, home): (Boot, Option<GroupId>),
        locals: &Locals,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> Locals {
        let mut refused = Locals::new();
        if locals.is_empty() {
            return refused;
        }
        let until = lent.now.after(lent.config.lease);
        let lessee = self.lessees.entry(from).or_default();
        (lessee.boot, lessee.home) = (boot, home.or(lessee.home));
        for &local in locals.iter() {
            if let Some(lease) = lessee.leases.get_mut(&local) {
                lease.until = until;
                continue;
            }
            let is_over = lessee.leases.len() >= lent.config.watches_per_peer_max
                || self.len >= lent.config.watches_max;
            if is_over {
                // As many as were asked for: it cannot be full.
                let _ = refused.push(local);
                continue;
            }
            lessee.leases.insert(local, Lease { until, end: None });
            self.len += 1;
            let observers = self.observed.entry(local).or_default();
            if observers.is_empty() {
                out.push(WatchOutput::Observe(local));
            }
            observers.insert(from);
        }
        if lessee.leases.is_empty() {
            self.lessees.remove(&from);
        } else if self.sweep_at.is_none() {
            self.sweep_at = Some(lent.now.after(lent.config.renew_period));
        }
        refused
    }

    /// This node watches a process of its own.
    pub(super) fn handle_own(&mut self, local: LocalId, me: NodeId, out: &mut WatchOutputs) {
        let observers = self.observed.entry(local).or_default();
        // A process that has ended meanwhile answers a second question as it did the first.
        if observers.is_empty() {
            out.push(WatchOutput::Observe(local));
        }
        observers.insert(me);
    }

    /// A node does not watch a process any more, or heard of its end.
    pub(super) fn release(&mut self, local: LocalId, node: NodeId, out: &mut WatchOutputs) {
        if let Some(lessee) = self.lessees.get_mut(&node) {
            self.len -= usize::from(lessee.leases.remove(&local).is_some());
            if lessee.leases.is_empty() {
                self.lessees.remove(&node);
            }
        }
        if let Some(observers) = self.observed.get_mut(&local)
            && observers.remove(&node)
            && observers.is_empty()
        {
            self.observed.remove(&local);
            out.push(WatchOutput::Unobserve(local));
        }
        if self.lessees.is_empty() {
            self.sweep_at = None;
        }
    }

    /// A process ended; whether this node itself watches it.
    pub(super) fn handle_ended(
        &mut self,
        local: LocalId,
        exit: Option<&Exit>,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> bool {
        let observers = self.observed.remove(&local).unwrap_or_default();
        let end = End {
            local,
            exit: exit.cloned(),
        };
        for node in &observers {
            let Some(lessee) = self.lessees.get_mut(node) else {
                continue;
            };
            if let Some(lease) = lessee.leases.get_mut(&local) {
                lease.end = Some(end.clone());
                write(*node, lessee.home, Some(local), vec![end.clone()], out);
            }
        }
        observers.contains(&lent.me)
    }

    /// A letter to the node may be lost: it hears again of what ended.
    pub(super) fn tell_again(&self, node: NodeId, out: &mut WatchOutputs) {
        self.tell(node, None, out);
    }

    /// Tells of ended processes, of all or of those that were just asked for.
    fn tell(&self, node: NodeId, only: Option<&Locals>, out: &mut WatchOutputs) {
        let Some(lessee) = self.lessees.get(&node) else {
            return;
        };
        let leases = lessee.leases.values();
        let is_asked = |end: &&End| only.is_none_or(|locals| locals.contains(&end.local));
        let ends: Vec<End> = leases
            .filter_map(|lease| lease.end.as_ref())
            .filter(is_asked)
            .cloned()
            .collect();
        for page in ends.chunks(ENDED_MAX) {
            let after = page.last().map(|end| end.local);
            write(node, lessee.home, after, page.to_vec(), out);
        }
    }

    /// Forgets leases that were not renewed.
    pub(super) fn handle_timeout(&mut self, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        if self.sweep_at.is_none_or(|at| at > lent.now) {
            return;
        }
        self.sweep_at = Some(lent.now.after(lent.config.renew_period));
        let mut over = Vec::new();
        for (node, lessee) in &self.lessees {
            let leases = lessee.leases.iter();
            let ran_out = leases.filter(|(_, lease)| lease.until <= lent.now);
            over.extend(ran_out.map(|(&local, _)| (local, *node)));
        }
        for (local, node) in over {
            self.release(local, node, out);
        }
    }
}

fn write(
    to: NodeId,
    home: Option<GroupId>,
    after: Option<LocalId>,
    ends: Vec<End>,
    out: &mut WatchOutputs,
) {
    let ended = List::truncated(ends);
    let letter = WatchLetter::Ended { ended };
    out.push(WatchOutput::Letter {
        to,
        home,
        after,
        letter,
    });
}

/// Who is told anything of this node names who else can: unless the asker will see it himself.
fn answer(
    to: NodeId,
    home: Option<GroupId>,
    seq: u32,
    refused: Locals,
    lent: &WatchLent<'_>,
    out: &mut WatchOutputs,
) {
    let is_near = lent.society.member(&to).is_some();
    let wardens = lent.society.wardens().filter(|_| !is_near);
    let (group, wardens) = wardens.map_or((None, Vec::new()), |(group, who)| (Some(group), who));
    let wardens = wardens.into_iter().filter(|warden| *warden != to);
    let letter = WatchLetter::Watched {
        seq,
        refused,
        group,
        wardens: List::truncated(wardens),
    };
    out.push(WatchOutput::Letter {
        to,
        home,
        after: None,
        letter,
    });
}
