//! Who watches: monitors of this node, by the node that they watch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::wire::{Exit, List, Locals, WatchLetter};
use archipelago_core::{Boot, LocalId, NodeId, Pid, Time};

use super::ward::Ward;
use super::{EndReason, MonitorRef, Target, WatchLent, WatchOutput, WatchOutputs, WatchRefused};
use crate::Unreachable;

/// Pause before a question is asked again of whom no way leads to.
const PAUSE: Duration = Duration::from_millis(500);

/// Monitors of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Watcher {
    monitors: BTreeMap<MonitorRef, Watching>,
    wards: BTreeMap<NodeId, Ward>,
    due: BTreeSet<(Time, NodeId)>,
}

/// What a monitor watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Watching {
    Process(NodeId, Boot, LocalId),
    Node(NodeId),
}

impl Watcher {
    pub(super) fn is_empty(&self) -> bool {
        self.monitors.is_empty()
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }

    pub(super) fn wardens_of(&self, target: &NodeId) -> Vec<NodeId> {
        let ward = self.wards.get(target);
        ward.map_or_else(Vec::new, |ward| ward.wardens().collect())
    }

    pub(super) fn handle_monitor(
        &mut self,
        monitor: MonitorRef,
        target: Target,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> Result<(), WatchRefused> {
        let is_taken = self.monitors.contains_key(&monitor);
        if is_taken || self.monitors.len() >= lent.config.monitors_max {
            return Err(WatchRefused);
        }
        match target {
            Target::Process(pid) => self.watch_process(monitor, pid, lent, out),
            Target::Node { node, home } => {
                self.monitors.insert(monitor, Watching::Node(node));
                self.change(node, lent, |ward| {
                    ward.home = home.or(ward.home);
                    ward.boot = ward
                        .boot
                        .max(lent.society.member(&node).unwrap_or_default());
                    let is_first = ward.is_empty();
                    ward.nodes.insert(monitor);
                    if is_first && node != lent.me {
                        ward.ask(node, false, lent, out);
                    }
                });
            }
        }
        Ok(())
    }

    fn watch_process(
        &mut self,
        monitor: MonitorRef,
        pid: Pid,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let Pid {
            node,
            boot,
            local,
            home,
        } = pid;
        let known = if node == lent.me {
            Some(lent.boot)
        } else {
            lent.society.member(&node)
        };
        let is_past = known.is_some_and(|known| boot < known);
        if is_past || (node == lent.me && boot != lent.boot) {
            let reason = EndReason::NoProc;
            return out.push(WatchOutput::Down { monitor, reason });
        }
        let watching = Watching::Process(node, boot, local);
        self.monitors.insert(monitor, watching);
        self.change(node, lent, |ward| {
            ward.home = home.or(ward.home);
            ward.boot = ward.boot.max(known.unwrap_or_default());
            let process = ward.processes.entry((boot, local)).or_default();
            let is_first = process.monitors.is_empty();
            process.monitors.insert(monitor);
            if is_first && node != lent.me {
                ward.ask_more(node, (boot, local), lent, out);
            }
        });
    }

    /// Returns the process of this node that needs to be observed no more.
    pub(super) fn handle_demonitor(
        &mut self,
        monitor: MonitorRef,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> Option<LocalId> {
        let mut own = None;
        match self.monitors.remove(&monitor)? {
            Watching::Node(node) => self.change(node, lent, |ward| {
                ward.nodes.remove(&monitor);
                leave(node, ward, out);
            }),
            Watching::Process(node, boot, local) => self.change(node, lent, |ward| {
                let Some(process) = ward.processes.get_mut(&(boot, local)) else {
                    return;
                };
                process.monitors.remove(&monitor);
                if !process.monitors.is_empty() {
                    return;
                }
                ward.processes.remove(&(boot, local));
                if node == lent.me {
                    own = Some(local);
                } else {
                    out.push(unwatch(node, ward, boot, [local]));
                }
                leave(node, ward, out);
            }),
        }
        own
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
            WatchLetter::Watched {
                seq,
                refused,
                group,
                wardens,
            } => {
                if !self.is_current(from, boot) {
                    return;
                }
                for &local in refused.iter() {
                    self.end_process(from, boot, local, &EndReason::Refused, out);
                }
                self.on_start(from, boot, seq, out);
                self.change(from, lent, |ward| {
                    if ward.is_latest(seq) && !ward.is_empty() {
                        let is_renewal = ward.on_answer(lent.config, lent.now);
                        let named = (wardens.into_vec(), is_renewal);
                        ward.on_wardens(from, group, named, lent, out);
                    } else {
                        leave(from, ward, out);
                    }
                });
            }
            WatchLetter::Ended { ended } => {
                let locals: Vec<LocalId> = ended.iter().map(|end| end.local).collect();
                self.acknowledge(from, boot, locals, out);
                for end in ended.iter() {
                    self.on_ended((from, boot), end.local, end.exit.as_ref(), lent, out);
                }
            }
            WatchLetter::Guarded { seq, refused } => {
                self.for_wards_of(from, lent, |node, ward| {
                    ward.on_guarded((node, from), seq, &refused, lent, out);
                });
            }
            WatchLetter::Fallen {
                node,
                boot: fallen,
                is_dead,
                ..
            } => self.on_fallen(from, (node, fallen), is_dead, lent, out),
            _ => {}
        }
    }

    /// Whether a letter is from no earlier start than was heard of before.
    fn is_current(&self, from: NodeId, boot: Boot) -> bool {
        let ward = self.wards.get(&from);
        ward.is_some_and(|ward| boot >= ward.boot)
    }

    /// The node said which start it is: what belonged to an earlier one is over.
    fn on_start(&mut self, node: NodeId, boot: Boot, seq: u32, out: &mut WatchOutputs) {
        let Some(ward) = self.wards.get_mut(&node) else {
            return;
        };
        let before = std::mem::replace(&mut ward.boot, boot);
        let is_latest = ward.is_latest(seq);
        let is_other = |of: Boot| of < boot || (of > boot && is_latest);
        let keys = ward.processes.iter();
        let over: Vec<((Boot, LocalId), bool)> = keys
            .filter(|((of, _), _)| is_other(*of))
            .map(|(&key, process)| (key, process.is_confirmed))
            .collect();
        let nodes = if before != Boot(0) && before < boot {
            std::mem::take(&mut ward.nodes)
        } else {
            BTreeSet::new()
        };
        for ((of, local), is_confirmed) in over {
            let reason = if is_confirmed {
                EndReason::NodeDown
            } else {
                EndReason::NoProc
            };
            self.end_process(node, of, local, &reason, out);
        }
        for monitor in nodes {
            self.fire(monitor, EndReason::NodeDown, out);
        }
    }

    /// A process ended, as its own node says.
    pub(super) fn on_ended(
        &mut self,
        (node, boot): (NodeId, Boot),
        local: LocalId,
        exit: Option<&Exit>,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let reason = exit.map_or(EndReason::NoProc, |exit| EndReason::Exited(exit.clone()));
        self.end_process(node, boot, local, &reason, out);
        if self.wards.get(&node).is_some_and(Ward::is_empty) {
            self.drop_ward(node, out);
            self.rearm(node, lent);
        }
    }

    /// The node need not tell of these ends again.
    fn acknowledge(
        &mut self,
        node: NodeId,
        boot: Boot,
        locals: Vec<LocalId>,
        out: &mut WatchOutputs,
    ) {
        let home = self.wards.get(&node).and_then(|ward| ward.home);
        let letter = WatchLetter::Unwatch {
            boot,
            locals: List::truncated(locals),
        };
        out.push(WatchOutput::Letter {
            to: node,
            home,
            after: None,
            letter,
        });
    }

    /// A warden says that a node is down: it is believed of its wards, and of their other wardens.
    fn on_fallen(
        &mut self,
        from: NodeId,
        (node, boot): (NodeId, Boot),
        is_dead: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let ward = self.wards.get(&node);
        let is_believed = ward.is_some_and(|ward| ward.has_warden(&from));
        if is_believed {
            self.on_gone(node, boot, is_dead, lent, out);
        }
        self.for_wards_of(from, lent, |target, ward| {
            ward.lose_warden((target, node), lent, out);
        });
    }

    pub(super) fn handle_member_down(
        &mut self,
        (node, boot): (NodeId, Boot),
        is_dead: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        // Another common group may still count it among the living.
        if lent.society.member(&node).is_none_or(|alive| alive > boot) {
            self.on_gone(node, boot, is_dead, lent, out);
        }
        self.for_wards_of(node, lent, |target, ward| {
            ward.lose_warden((target, node), lent, out);
        });
    }

    /// The start of a node is gone: dead, or it left and can be asked itself.
    fn on_gone(
        &mut self,
        node: NodeId,
        boot: Boot,
        is_dead: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let Some(ward) = self.wards.get(&node) else {
            return;
        };
        let is_past = boot != Boot(0) && ward.boot > boot;
        if is_past {
            return;
        }
        if !is_dead {
            return self.change(node, lent, |ward| ward.ask(node, true, lent, out));
        }
        let boot = if boot == Boot(0) { Boot::MAX } else { boot };
        self.end_node(node, boot, &EndReason::NodeDown, out);
        self.rearm(node, lent);
    }

    pub(super) fn handle_lost(
        &mut self,
        to: NodeId,
        reason: Option<Unreachable>,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let is_near = lent.society.member(&to).is_some();
        let question = self.wards.get(&to).and_then(|ward| ward.question);
        let is_doubt = question.is_some_and(|question| question.is_doubt);
        match reason {
            // Its own group does not count it among the living.
            Some(Unreachable::Gone | Unreachable::NotFound) if !is_near => {
                self.end_node(to, Boot::MAX, &EndReason::NodeDown, out);
                self.rearm(to, lent);
            }
            Some(_) if is_doubt && !is_near => {
                self.end_node(to, Boot::MAX, &EndReason::NodeDown, out);
                self.rearm(to, lent);
            }
            Some(Unreachable::NoHome) if !is_near => {
                self.end_node(to, Boot::MAX, &EndReason::Unreachable, out);
                self.rearm(to, lent);
            }
            _ => self.change(to, lent, |ward| ward.on_lost(lent.now.after(PAUSE))),
        }
        if reason.is_some() {
            self.for_wards_of(to, lent, |target, ward| {
                ward.lose_warden((target, to), lent, out);
            });
        }
    }

    pub(super) fn handle_timeout(&mut self, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        while let Some(&(at, node)) = self.due.first() {
            if at > lent.now {
                break;
            }
            let question = self.wards.get(&node).and_then(|ward| ward.question);
            match question {
                Some(question) if question.until <= lent.now => {
                    let reason = if question.is_doubt {
                        EndReason::NodeDown
                    } else {
                        EndReason::Unreachable
                    };
                    self.end_node(node, Boot::MAX, &reason, out);
                    self.rearm(node, lent);
                }
                _ => self.change(node, lent, |ward| ward.on_due(node, lent, out)),
            }
        }
    }

    /// This node left a group: who was seen there must be asked itself.
    pub(super) fn handle_group_left(&mut self, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        let nodes: Vec<NodeId> = self.wards.keys().copied().collect();
        for node in nodes.into_iter().filter(|node| *node != lent.me) {
            self.change(node, lent, |ward| {
                if ward.question.is_none() {
                    ward.ask(node, false, lent, out);
                }
            });
        }
    }

    pub(super) fn handle_shutdown(&mut self, out: &mut WatchOutputs) {
        let monitors = std::mem::take(&mut self.monitors);
        for monitor in monitors.into_keys() {
            let reason = EndReason::Reset;
            out.push(WatchOutput::Down { monitor, reason });
        }
        self.wards.clear();
        self.due.clear();
    }

    /// Changes the ward of a node, made if need be and dropped if it watches nothing any more.
    fn change(&mut self, node: NodeId, lent: &WatchLent<'_>, change: impl FnOnce(&mut Ward)) {
        let ward = self.wards.entry(node).or_default();
        change(ward);
        self.rearm(node, lent);
    }

    /// Changes all wards whose warden a node is.
    fn for_wards_of(
        &mut self,
        warden: NodeId,
        lent: &WatchLent<'_>,
        mut change: impl FnMut(NodeId, &mut Ward),
    ) {
        let wards = self.wards.iter();
        let nodes = wards.filter(|(_, ward)| ward.has_warden(&warden));
        let nodes: Vec<NodeId> = nodes.map(|(&node, _)| node).collect();
        for node in nodes {
            self.change(node, lent, |ward| change(node, ward));
        }
    }

    /// Keeps the timers in step with a ward.
    fn rearm(&mut self, node: NodeId, lent: &WatchLent<'_>) {
        let Some(ward) = self.wards.get_mut(&node) else {
            return;
        };
        let is_over = ward.is_empty();
        let due = ward.due().filter(|_| node != lent.me && !is_over);
        let before = std::mem::replace(&mut ward.armed, due);
        if is_over {
            self.wards.remove(&node);
        }
        if before != due {
            self.due.extend(due.map(|at| (at, node)));
            if let Some(before) = before {
                self.due.remove(&(before, node));
            }
        }
    }

    /// Fires all monitors of starts up to `boot` of a node, and of the node.
    fn end_node(&mut self, node: NodeId, boot: Boot, reason: &EndReason, out: &mut WatchOutputs) {
        let Some(ward) = self.wards.get_mut(&node) else {
            return;
        };
        let monitors = std::mem::take(&mut ward.nodes);
        let later = ward
            .processes
            .split_off(&(Boot(boot.0.saturating_add(1)), LocalId(0)));
        let over = std::mem::replace(&mut ward.processes, later);
        ward.question = None;
        let of_processes = over.into_values().flat_map(|process| process.monitors);
        for monitor in monitors.into_iter().chain(of_processes) {
            self.fire(monitor, reason.clone(), out);
        }
        self.drop_ward(node, out);
    }

    fn end_process(
        &mut self,
        node: NodeId,
        boot: Boot,
        local: LocalId,
        reason: &EndReason,
        out: &mut WatchOutputs,
    ) {
        let Some(ward) = self.wards.get_mut(&node) else {
            return;
        };
        let process = ward.processes.remove(&(boot, local)).unwrap_or_default();
        for monitor in process.monitors {
            self.fire(monitor, reason.clone(), out);
        }
    }

    /// The only place where a monitor fires, but for a shutdown: it is forgotten with that.
    fn fire(&mut self, monitor: MonitorRef, reason: EndReason, out: &mut WatchOutputs) {
        if self.monitors.remove(&monitor).is_some() {
            out.push(WatchOutput::Down { monitor, reason });
        }
    }

    /// Nothing is watched at a node any more: who was asked is told.
    fn drop_ward(&mut self, node: NodeId, out: &mut WatchOutputs) {
        if let Some(ward) = self.wards.get_mut(&node) {
            leave(node, ward, out);
        }
    }
}

/// Tells the wardens of a node of which nothing is watched any more.
fn leave(node: NodeId, ward: &mut Ward, out: &mut WatchOutputs) {
    if ward.is_empty() {
        ward.dismiss(node, None, out);
    }
}

fn unwatch(
    node: NodeId,
    ward: &Ward,
    boot: Boot,
    locals: impl IntoIterator<Item = LocalId>,
) -> WatchOutput {
    let letter = WatchLetter::Unwatch {
        boot,
        locals: Locals::truncated(locals),
    };
    WatchOutput::Letter {
        to: node,
        home: ward.home,
        after: None,
        letter,
    }
}
