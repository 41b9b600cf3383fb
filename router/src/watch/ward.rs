//! A watched node as its watcher sees it: which of its ends are waited for, and who tells of them.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::wire::{LOCALS_MAX, List, Locals, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Time};

use super::{MonitorRef, WatchConfig, WatchLent, WatchOutput, WatchOutputs};

/// Wardens asked at once.
const WARDENS: usize = 2;

/// One watched node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ward {
    pub(super) home: Option<GroupId>,
    /// The start that answered last; 0 before.
    pub(super) boot: Boot,
    pub(super) processes: BTreeMap<(Boot, LocalId), Process>,
    /// Monitors of the node itself.
    pub(super) nodes: BTreeSet<MonitorRef>,
    seq: u32,
    /// What was not answered yet.
    pub(super) question: Option<Question>,
    renew_at: Option<Time>,
    /// What the watcher's timer is set to.
    pub(super) armed: Option<Time>,
    group: Option<GroupId>,
    wardens: BTreeMap<NodeId, Post>,
    /// Who else may be asked to be a warden.
    spares: Vec<NodeId>,
}

/// A watched process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) monitors: BTreeSet<MonitorRef>,
    /// Its node took the watch.
    pub(super) is_confirmed: bool,
}

/// A `Watch` without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// When it is asked again.
    again_at: Time,
    /// When the node is given up.
    pub(super) until: Time,
    /// The node is thought gone already.
    pub(super) is_doubt: bool,
    /// It asks for all that is watched there.
    is_full: bool,
}

/// A warden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Post {
    seq: u32,
    /// It is replaced then, unless it answers.
    answer_by: Option<Time>,
}

impl Ward {
    pub(super) fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.nodes.is_empty()
    }

    /// When something is to be done for it.
    pub(super) fn due(&self) -> Option<Time> {
        let question = self.question.iter().flat_map(|q| [q.again_at, q.until]);
        let wardens = self.wardens.values().filter_map(|post| post.answer_by);
        question.chain(self.renew_at).chain(wardens).min()
    }

    pub(super) fn wardens(&self) -> impl Iterator<Item = NodeId> {
        self.wardens.keys().copied()
    }

    pub(super) fn has_warden(&self, node: &NodeId) -> bool {
        self.wardens.contains_key(node)
    }

    /// Whether an answer is the one to the last question.
    pub(super) fn is_latest(&self, seq: u32) -> bool {
        seq == self.seq
    }

    /// Asks the node to tell of all that is watched there, or renews that. Nothing is asked of a
    /// node of a common group that is watched as a node only.
    pub(super) fn ask(
        &mut self,
        node: NodeId,
        is_doubt: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let is_near = lent.society.member(&node).is_some();
        if is_near && self.processes.is_empty() && !is_doubt {
            (self.question, self.renew_at) = (None, None);
            return;
        }
        let patience = if is_doubt {
            lent.config.doubt_timeout
        } else {
            lent.config.answer_timeout
        };
        let was = self.question;
        let until = was.map_or(Time::NEVER, |was| was.until);
        let is_doubt = is_doubt || was.is_some_and(|was| was.is_doubt);
        self.question = Some(Question {
            again_at: lent.now.after(lent.config.retry_pause),
            until: until.min(lent.now.after(patience)),
            is_doubt,
            is_full: true,
        });
        self.renew_at = None;
        self.write_watch(node, lent, out);
    }

    fn write_watch(&mut self, node: NodeId, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        let boot = self
            .processes
            .keys()
            .next_back()
            .map_or(Boot(0), |key| key.0);
        let locals: Vec<LocalId> = self
            .processes
            .range((boot, LocalId(0))..)
            .map(|(&(_, local), _)| local)
            .collect();
        let pages = locals.chunks(LOCALS_MAX).map(<[LocalId]>::to_vec);
        let pages = pages.chain(locals.is_empty().then(Vec::new));
        for page in pages {
            self.seq = self.seq.wrapping_add(1);
            let letter = WatchLetter::Watch {
                seq: self.seq,
                home: lent.home,
                boot,
                locals: Locals::truncated(page),
            };
            out.push(letter_to(node, self.home, letter));
        }
    }

    /// Asks for one more process, beside what is asked for already.
    pub(super) fn ask_more(
        &mut self,
        node: NodeId,
        (boot, local): (Boot, LocalId),
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        if self.question.is_none() && self.renew_at.is_none() {
            return self.ask(node, false, lent, out);
        }
        self.seq = self.seq.wrapping_add(1);
        let until = lent.now.after(lent.config.answer_timeout);
        self.question.get_or_insert(Question {
            again_at: lent.now.after(lent.config.retry_pause),
            until,
            is_doubt: false,
            is_full: false,
        });
        let letter = WatchLetter::Watch {
            seq: self.seq,
            home: lent.home,
            boot,
            locals: Locals::truncated([local]),
        };
        out.push(letter_to(node, self.home, letter));
    }

    /// The node answered its last question; whether that was a renewal of all.
    pub(super) fn on_answer(&mut self, config: &WatchConfig, now: Time) -> bool {
        let question = self.question.take();
        // What was asked for beside the rest does not put the others' renewal off.
        let renewal = now.after(config.renew_period);
        self.renew_at.get_or_insert(renewal);
        for process in self.processes.values_mut() {
            process.is_confirmed = true;
        }
        question.is_some_and(|question| question.is_full)
    }

    /// The node named who else tells of its end: two are asked, those that are already first.
    pub(super) fn on_wardens(
        &mut self,
        node: NodeId,
        group: Option<GroupId>,
        (named, is_renewal): (Vec<NodeId>, bool),
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let is_near = lent.society.member(&node).is_some();
        let named = if is_near { Vec::new() } else { named };
        if self.group != group || is_near {
            self.dismiss(node, None, out);
        }
        self.group = group;
        let mut spares = named;
        spares.retain(|warden| *warden != node && *warden != lent.me);
        spares.dedup();
        // Who is not named any more has left, or does not reflect any more.
        let gone: Vec<NodeId> = self
            .wardens()
            .filter(|known| !spares.contains(known))
            .collect();
        for warden in gone {
            self.dismiss(node, Some(warden), out);
        }
        spares.retain(|warden| !self.has_warden(warden));
        self.spares = spares;
        self.appoint(node, is_renewal, lent, out);
    }

    /// Fills the places of wardens. Each is asked for the other too; a renewal asks all.
    fn appoint(
        &mut self,
        node: NodeId,
        is_renewal: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let before = self.wardens.len();
        while self.wardens.len() < WARDENS && !self.spares.is_empty() {
            let (seq, answer_by) = (0, None);
            self.wardens
                .insert(self.spares.remove(0), Post { seq, answer_by });
        }
        if is_renewal || self.wardens.len() != before {
            self.guard(node, lent, out);
        }
    }

    fn guard(&mut self, node: NodeId, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        let Some(group) = self.group else { return };
        let all: Vec<NodeId> = self.wardens().collect();
        for warden in &all {
            self.seq = self.seq.wrapping_add(1);
            let answer_by = Some(lent.now.after(lent.config.warden_timeout));
            let seq = self.seq;
            self.wardens.insert(*warden, Post { seq, answer_by });
            let others = all.iter().filter(|other| *other != warden);
            let others = others.map(|&other| (other, Boot(0)));
            let letter = WatchLetter::Guard {
                seq,
                home: lent.home,
                group,
                nodes: List::truncated([(node, self.boot)].into_iter().chain(others)),
            };
            out.push(letter_to(*warden, Some(group), letter));
        }
    }

    /// A warden took the guard, or refused it.
    pub(super) fn on_guarded(
        &mut self,
        (node, warden): (NodeId, NodeId),
        seq: u32,
        refused: &[NodeId],
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let Some(post) = self.wardens.get_mut(&warden).filter(|post| post.seq == seq) else {
            return;
        };
        post.answer_by = None;
        if refused.contains(&node) {
            self.lose_warden((node, warden), lent, out);
        }
    }

    /// A warden is gone, silent or unwilling: the next is asked.
    pub(super) fn lose_warden(
        &mut self,
        (node, warden): (NodeId, NodeId),
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        if self.wardens.remove(&warden).is_none() {
            return;
        }
        if self.spares.is_empty() && self.question.is_none() {
            // The node itself knows who is left.
            return self.ask(node, false, lent, out);
        }
        self.appoint(node, false, lent, out);
    }

    /// Tells wardens that they are not needed: one, or all.
    pub(super) fn dismiss(&mut self, node: NodeId, only: Option<NodeId>, out: &mut WatchOutputs) {
        let Some(group) = self.group else { return };
        let all: Vec<NodeId> = self.wardens().collect();
        for warden in all
            .iter()
            .filter(|warden| only.is_none_or(|only| only == **warden))
        {
            self.wardens.remove(warden);
            let others = all.iter().filter(|other| *other != warden).copied();
            let letter = WatchLetter::Unguard {
                group,
                nodes: List::truncated([node].into_iter().chain(others)),
            };
            out.push(letter_to(*warden, Some(group), letter));
        }
    }

    /// Asks again, renews, and replaces silent wardens. The question's end is its caller's.
    pub(super) fn on_due(&mut self, node: NodeId, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        let is_late = |post: &&Post| post.answer_by.is_some_and(|by| by <= lent.now);
        let posts = self.wardens.iter();
        let late = posts
            .filter(|(_, post)| is_late(post))
            .map(|(&warden, _)| warden);
        let late: Vec<NodeId> = late.collect();
        for warden in late {
            self.lose_warden((node, warden), lent, out);
        }
        let is_again = self
            .question
            .is_some_and(|question| question.again_at <= lent.now);
        if is_again || self.renew_at.is_some_and(|at| at <= lent.now) {
            self.ask(node, false, lent, out);
        }
    }

    /// A question may not have arrived: it is asked again soon.
    pub(super) fn on_lost(&mut self, soon: Time) {
        match &mut self.question {
            Some(question) => question.again_at = question.again_at.min(soon),
            None => self.renew_at = Some(self.renew_at.map_or(soon, |at| at.min(soon))),
        }
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
