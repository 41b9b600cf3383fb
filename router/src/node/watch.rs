//! Monitors: what the user, groups and letters tell them, and what they say, done.

use archipelago_core::wire::{Exit, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Peer, Peers, Time};
use archipelago_sgroup::{DownReason, MemberInfo};

use super::work::Work;
use super::{Event, Node, Output, Outputs, Refused, Unreachable};
use crate::reflect::Reflect;
use crate::routes::{Membership, Routes};
use crate::watch::{MonitorRef, Society, Target, Watch, WatchLent, WatchOutput, WatchOutputs};

/// Members that are named where a group has fewer reflectors.
const WARDENS_NAMED: usize = 4;

/// What monitors may know of this node's groups.
struct Seen<'a> {
    reflect: &'a Reflect,
    peers: &'a Peers,
    groups: &'a [GroupId],
}

impl Seen<'_> {
    fn boot(&self, peer: Peer) -> Boot {
        self.peers
            .get(peer)
            .map_or(Boot(0), archipelago_core::PeerState::boot)
    }

    /// Reflectors first: others reach them by fewer hops.
    fn named(&self, group: GroupId) -> Vec<NodeId> {
        let mut named = self.reflect.reflectors(group, self.peers);
        let others = self.reflect.members(group).into_iter();
        let missing = WARDENS_NAMED.saturating_sub(named.len());
        let others: Vec<Peer> = others
            .filter(|peer| !named.contains(peer))
            .take(missing)
            .collect();
        named.extend(others);
        named.truncate(WARDENS_NAMED);
        named.into_iter().map(|peer| self.peers.id(peer)).collect()
    }
}

impl Society for Seen<'_> {
    fn member(&self, node: &NodeId) -> Option<Boot> {
        let mut all = self.groups.iter();
        all.find_map(|&group| self.member_of(group, node).flatten())
    }

    fn member_of(&self, group: GroupId, node: &NodeId) -> Option<Option<Boot>> {
        self.reflect.standing(group)?;
        match self.reflect.membership(group, node, self.peers) {
            Membership::Up(peer) => Some(Some(self.boot(peer))),
            Membership::Gone | Membership::Unknown => Some(None),
        }
    }

    fn wardens(&self) -> Option<(GroupId, Vec<NodeId>)> {
        let named = self.groups.iter().map(|&group| (group, self.named(group)));
        named.into_iter().find(|(_, named)| !named.is_empty())
    }
}

impl Node {
    pub(super) fn monitor(
        &mut self,
        monitor: MonitorRef,
        target: Target,
        now: Time,
    ) -> Result<(), Refused> {
        let mut result = Ok(());
        self.with_watch(now, |watch, lent, said| {
            result = watch.handle_monitor(monitor, target, lent, said);
        });
        result.map_err(|_| Refused::Overloaded)
    }

    pub(super) fn demonitor(&mut self, monitor: MonitorRef, now: Time) {
        self.with_watch_if_any(now, |watch, lent, said| {
            watch.handle_demonitor(monitor, lent, said);
        });
    }

    /// A process of this node ended, or was not there.
    pub(super) fn process_ended(&mut self, local: LocalId, exit: Option<&Exit>, now: Time) {
        self.with_groups(now, |group, cx, said| {
            group.handle_process_ended(local, cx, said);
        });
        self.with_watch_if_any(now, |watch, lent, said| {
            watch.handle_ended(local, exit, lent, said);
        });
    }

    pub(super) fn on_watch_letter(
        &mut self,
        from: NodeId,
        boot: Boot,
        letter: WatchLetter,
        now: Time,
    ) {
        self.with_watch(now, |watch, lent, said| {
            watch.handle_letter(from, boot, letter, lent, said);
        });
    }

    pub(super) fn on_watch_lost(&mut self, to: NodeId, reason: Option<Unreachable>, now: Time) {
        self.with_watch_if_any(now, |watch, lent, said| {
            watch.handle_lost(to, reason, lent, said);
        });
    }

    pub(super) fn watch_member_down(
        &mut self,
        group: GroupId,
        info: &MemberInfo,
        reason: DownReason,
        now: Time,
    ) {
        let member = (info.node, info.boot);
        let is_dead = reason == DownReason::Dead;
        self.with_watch_if_any(now, |watch, lent, said| {
            watch.handle_member_down(group, member, is_dead, lent, said);
        });
    }

    pub(super) fn on_watch_due(&mut self, now: Time) {
        let due = self.watch.as_ref().and_then(|watch| watch.poll_timeout());
        if due.is_some_and(|(at, _)| at <= now) {
            self.with_watch(now, |watch, lent, said| watch.handle_timeout(lent, said));
        }
    }

    pub(super) fn on_watch_output(&mut self, output: WatchOutput, out: &mut Outputs) {
        match output {
            WatchOutput::Letter {
                to,
                home,
                after,
                letter,
            } => {
                let letter = archipelago_core::wire::Letter::Watch(letter);
                self.post(to, home, after, letter, out);
            }
            WatchOutput::Observe(local) => out.push(Output::Observe(local)),
            WatchOutput::Unobserve(local) => out.push(Output::Unobserve(local)),
            WatchOutput::Down { monitor, reason } => {
                self.tell(Event::Down { monitor, reason }, out);
            }
        }
    }

    pub(super) fn with_watch_if_any(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Watch, &WatchLent<'_>, &mut WatchOutputs),
    ) {
        if self.watch.is_some() {
            self.with_watch(now, call);
        }
    }

    /// Calls the machine of monitors, which is there only while it has something to keep.
    pub(super) fn with_watch(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Watch, &WatchLent<'_>, &mut WatchOutputs),
    ) {
        let mut watch = self.watch.take().unwrap_or_default();
        let groups: Vec<GroupId> = self.groups();
        let seen = Seen {
            reflect: &self.reflect,
            peers: &self.base.peers,
            groups: &groups,
        };
        let lent = WatchLent {
            now,
            me: self.base.me,
            boot: self.boot,
            home: groups.first().copied(),
            society: &seen,
            config: &self.config.watch,
        };
        let mut said = WatchOutputs::new();
        call(&mut watch, &lent, &mut said);
        if !watch.is_idle() {
            self.watch = Some(watch);
        }
        self.work.extend(said.into_iter().map(Work::Watch));
    }

    /// Nodes that tell of the end of `target`, which is watched from here; for inspection.
    pub fn wardens_of(&self, target: &NodeId) -> Vec<NodeId> {
        let watch = self.watch.as_ref();
        watch.map_or_else(Vec::new, |watch| watch.wardens_of(target))
    }

    /// Processes leased to other nodes, and nodes guarded for others; for inspection.
    pub fn watch_leases(&self) -> (usize, usize) {
        self.watch.as_ref().map_or((0, 0), |watch| watch.leases())
    }
}
