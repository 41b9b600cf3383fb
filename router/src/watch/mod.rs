//! Monitors: exactly one word of the end of a process or a node, wherever it is.
//!
//! ```text
//!                        Watch, renewed ─▶ ┌──────────┐
//!   ┌─────────┐ ◀──── Watched{wardens}, Ended │ watched  │   the process' end: by its own node
//!   │ watcher │                            └──────────┘
//!   └─────────┘ Guard, renewed ─▶ ┌───────────┐ detector of the watched node's group
//!        ▲ ◀────────────── Fallen │ 2 wardens │ ◀───────── MemberDown
//!        └── MemberDown of a common group, where there is one: then no warden is asked
//! ```
//! Three parts of one node, each a file: who watches (`watcher`), who is watched (`watched`),
//! and who tells of another's end (`warden`). They talk by letters, so no session is held for a
//! watch; registrations are leased, so nobody keeps what nobody renews.
//!
//! - A node's death is decided by its *own group*, and told by members of that group: two of its
//!   reflectors, named by the watched itself in each answer. When one is lost, the next is asked.
//! - `Ended` travels in the channel of the ended process' messages, after all that it sent there
//!   ([`Output::Letter`](crate::Output)'s `after`): what arrives, arrives before its end is told.
//! - Every registration has a quota for each peer; over it the watch is refused by name.
//!
//! It never opens a session, never believes of a node's end anyone but its group, its wardens, a
//! failed look-up in its group, or itself. Source: leases after Gray and Cheriton (1989); the
//! split into process and node death is the OTP distribution's.
//! Cost: O(log n) per input for n monitors; per watched node two letters and two answers a renewal
//! period and warden; nothing at rest.

mod api;
#[cfg(test)]
mod tests;
mod ward;
mod warden;
mod watched;
mod watcher;

pub use api::{
    EndReason, MonitorRef, Society, Target, WatchConfig, WatchLent, WatchOutput, WatchOutputs,
    WatchRefused,
};

use archipelago_core::wire::{Exit, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Time};

use crate::Unreachable;
use warden::Warden;
use watched::Watched;
use watcher::Watcher;

/// All that one node has to do with monitors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    watcher: Watcher,
    watched: Watched,
    warden: Warden,
}

impl Watch {
    /// Begins a monitor under a number of the caller's choice, never used before.
    ///
    /// # Errors
    /// [`WatchRefused`] at the limit; nothing changed.
    pub fn handle_monitor(
        &mut self,
        monitor: MonitorRef,
        target: Target,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) -> Result<(), WatchRefused> {
        self.watcher.handle_monitor(monitor, target, lent, out)?;
        if let Target::Process(pid) = target
            && pid.node == lent.me
            && pid.boot == lent.boot
        {
            self.watched.handle_own(pid.local, lent.me, out);
        }
        Ok(())
    }

    /// Ends a monitor without a word; unknown ones (which have fired) are ignored.
    pub fn handle_demonitor(
        &mut self,
        monitor: MonitorRef,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        let own = self.watcher.handle_demonitor(monitor, lent, out);
        if let Some(local) = own {
            self.watched.release(local, lent.me, out);
        }
    }

    /// A process of this node ended, or was not there when it was asked for ([`None`]).
    pub fn handle_ended(
        &mut self,
        local: LocalId,
        exit: Option<&Exit>,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        if self.watched.handle_ended(local, exit, lent, out) {
            let own = (lent.me, lent.boot);
            self.watcher.on_ended(own, local, exit, lent, out);
        }
    }

    /// A letter arrived from the start `boot` of a node.
    pub fn handle_letter(
        &mut self,
        from: NodeId,
        boot: Boot,
        letter: WatchLetter,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        match letter {
            WatchLetter::Watch { .. } | WatchLetter::Unwatch { .. } => {
                self.watched.handle_letter(from, boot, letter, lent, out);
            }
            WatchLetter::Guard { .. } | WatchLetter::Unguard { .. } => {
                self.warden.handle_letter(from, letter, lent, out);
            }
            _ => self.watcher.handle_letter(from, boot, letter, lent, out),
        }
    }

    /// Letters to a node may be lost; with a reason, there is no way to it now.
    pub fn handle_lost(
        &mut self,
        to: NodeId,
        reason: Option<Unreachable>,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        self.watcher.handle_lost(to, reason, lent, out);
        if reason.is_none() {
            self.watched.tell_again(to, out);
            self.warden.tell_again(to, lent, out);
        }
    }

    /// A member of one of this node's groups is down; `is_dead` if the group declared it so, and it
    /// did not leave or come back as another.
    pub fn handle_member_down(
        &mut self,
        group: GroupId,
        member: (NodeId, Boot),
        is_dead: bool,
        lent: &WatchLent<'_>,
        out: &mut WatchOutputs,
    ) {
        self.warden.handle_member_down(group, member, is_dead, out);
        self.watcher.handle_member_down(member, is_dead, lent, out);
    }

    /// This node left a group, and sees its members no more.
    pub fn handle_group_left(&mut self, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        self.watcher.handle_group_left(lent, out);
    }

    /// This node shuts down: each monitor hears so.
    pub fn handle_shutdown(&mut self, out: &mut WatchOutputs) {
        self.watcher.handle_shutdown(out);
    }

    /// What has come due; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, lent: &WatchLent<'_>, out: &mut WatchOutputs) {
        self.watcher.handle_timeout(lent, out);
        self.watched.handle_timeout(lent, out);
        self.warden.handle_timeout(lent);
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let watcher = self.watcher.poll_timeout().map(|at| (at, "monitor"));
        let watched = self
            .watched
            .poll_timeout()
            .map(|at| (at, "lease of a watch"));
        let warden = self
            .warden
            .poll_timeout()
            .map(|at| (at, "lease of a guard"));
        watcher.into_iter().chain(watched).chain(warden).min()
    }

    /// Whether nothing is watched, leased or guarded.
    pub fn is_idle(&self) -> bool {
        self.watcher.is_empty() && self.watched.is_empty() && self.warden.is_empty()
    }

    /// Nodes that are asked to tell of another's end, for inspection: of `target`, if it is
    /// watched from here.
    pub fn wardens_of(&self, target: &NodeId) -> Vec<NodeId> {
        self.watcher.wardens_of(target)
    }

    /// Processes leased to others, and nodes guarded for others; for inspection.
    pub fn leases(&self) -> (usize, usize) {
        (self.watched.len(), self.warden.len())
    }
}
