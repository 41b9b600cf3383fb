//! Does what the machine says, in order.

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, Letter, RegroupKind, SessionId};
use archipelago_core::{Boot, GroupId, LocalId, NodeId};
use archipelago_router::{Event, Output, Regrouped, Unreachable};
use archipelago_sgroup::{DownReason, GroupEvent};
use bytes::Bytes;
use tokio::time::Instant;

use super::{Actor, DRAIN_TIMEOUT};
use crate::NodeEvent;
use crate::group::LookupError;
use crate::node::Life;
use crate::peer::{Outgoing, PushError as PushPeerError, Signal};
use crate::session::PushError;

impl Actor {
    /// Does all that was put into the buffer.
    pub(super) fn perform(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            self.perform_one(output);
        }
        // Nothing was appended meanwhile; the buffer keeps its room for the next input.
        out.append(&mut self.out);
        self.out = out;
    }

    fn perform_one(&mut self, output: Output) {
        match output {
            Output::Send { session, message } => self.send(session, &message),
            Output::Dial {
                dial,
                peer,
                addresses,
            } => self.dial(dial, peer, &addresses),
            Output::Close { session, .. } => self.close(session),
            Output::AttachPath { peer, boot, path } => self.attach(peer, boot, path),
            Output::DetachPath { peer, path } => self.detach(peer, path),
            Output::FramesArrived {
                peer,
                boot,
                path,
                frames,
            } => self.on_frames(peer, boot, path, frames),
            Output::Unreachable { peer, reason } => {
                if let Some(handle) = self.shared.peers.find(peer) {
                    // One that came to rest waits for no way.
                    let _ended = handle.signal(Signal::Unreachable(reason));
                }
            }
            Output::NameFound { request, result } => {
                self.on_name_found(request, result.map_err(LookupError::from));
            }
            Output::ServiceFound { request, result } => {
                self.on_service_found(request, result.map_err(LookupError::from));
            }
            Output::Name { group, output } => self.on_name(group, output),
            Output::Strict { group, event } => self.on_strict(group, event),
            Output::Letter {
                to,
                home,
                after,
                letter,
            } => self.post(to, home, after, &letter),
            Output::Observe(local) => self.observe(local),
            // Its end would be told for nothing, once.
            Output::Unobserve(_) => {}
            Output::Event(Event::Down { monitor, reason }) => {
                self.shared.monitors.fire(monitor, reason);
            }
            Output::Changed {
                ticket, results, ..
            } => self.answer_change(ticket, Ok(results)),
            Output::Duty { group, output } => {
                self.shared.services.perform(&self.shared, group, output);
            }
            Output::Registry { group, change } => self.shared.tables.apply(group, &change),
            Output::Event(event) => self.on_event(event),
            Output::Stopped => self.draining = Some(Instant::now() + DRAIN_TIMEOUT),
            _ => {}
        }
    }

    fn send(&mut self, session: SessionId, message: &Control) {
        let Some(known) = self.sessions.find(session) else {
            return;
        };
        let metrics = &self.shared.metrics;
        match known.outbox.push(message) {
            Ok(_) => metrics.control_sent.add(1),
            Err(PushError::Full) => {
                metrics.slow_peers_closed.add(1);
                self.swarm.awake().close_connection(known.connection);
                return;
            }
            // Longer than a frame may be: a peer could not read it anyhow.
            Err(PushError::TooLong) => {
                metrics.control_unencodable.add(1);
                return;
            }
        }
        self.sessions.mark_dirty(session);
    }

    /// Closes a session after what is queued was written, or when that takes too long.
    fn close(&mut self, session: SessionId) {
        if let Some(known) = self.sessions.find(session) {
            known.outbox.close();
            let connection = known.connection;
            self.expect_progress(connection);
        }
    }

    /// The machine wants to hear of a mailbox's end.
    fn observe(&mut self, local: LocalId) {
        self.shared.ended.want(local);
        let is_gone = self.shared.mailboxes.find(local).is_none();
        if is_gone && self.shared.ended.unwant(local) {
            self.nobody.push_back(local);
        }
    }

    /// Hands a letter to the peer's task; what cannot be handed over is lost, which is told after
    /// this input.
    fn post(&mut self, to: NodeId, home: Option<GroupId>, after: Option<LocalId>, letter: &Letter) {
        let Ok(payload) = letter.to_bytes() else {
            return self.shared.metrics.control_unencodable.add(1);
        };
        let mut letter = Outgoing::letter(payload, after);
        loop {
            let pushed = match self.shared.peer(to, home) {
                Ok(peer) => peer.push_letter(letter),
                Err(error) => Err(PushPeerError::Failed(error)),
            };
            match pushed {
                Ok(()) => return,
                // Its task came to rest in between: start it again.
                Err(PushPeerError::Ended(back)) => letter = back,
                Err(PushPeerError::Failed(_)) => {
                    return self.lost.push_back((to, Unreachable::Overloaded));
                }
            }
        }
    }

    fn attach(&mut self, peer: NodeId, boot: Boot, path: Path) {
        self.shared.peers.attach(peer, boot, path);
        let Path::Direct(session) = path else {
            return;
        };
        let Some(known) = self.sessions.find_mut(session) else {
            return;
        };
        known.is_attached = true;
        let connection = known.connection;
        for stream in self.sessions.take_early(connection) {
            // Too many busy peers: who sent finds its stream gone, and begins it again.
            let _refused = self.shared.signal(peer, Signal::Inbound(session, stream));
        }
    }

    fn detach(&mut self, peer: NodeId, path: Path) {
        if let Path::Direct(session) = path
            && let Some(known) = self.sessions.find_mut(session)
        {
            known.is_attached = false;
        }
        let now = self.now();
        let config = &self.shared.channel_config;
        self.shared.peers.detach(peer, path, config, now);
    }

    fn on_frames(&self, peer: NodeId, boot: Boot, path: Path, frames: Bytes) {
        if !self.shared.relayed(peer, path, boot, &frames) {
            self.shared.metrics.relay_dropped.add(1);
        }
    }

    fn on_event(&mut self, event: Event) {
        match &event {
            Event::Started { boot } => {
                self.shared.set_boot(*boot);
                if self.identity.raise_boot(*boot).is_err() {
                    self.shared.metrics.boots_unsaved.add(1);
                }
                self.shared.advance(Life::Started);
            }
            Event::Group { group, event } => {
                self.stale.groups.insert(*group);
                match event {
                    GroupEvent::Attached { .. } => self.shared.learn_home(*group),
                    GroupEvent::Joined { missing } => {
                        self.shared.learn_home(*group);
                        self.shared.replica.set_joined(*group, *missing);
                    }
                    GroupEvent::MemberDown(member, DownReason::Dead) => {
                        self.shared.calls.on_node_down(&member.node, member.boot);
                    }
                    _ => {}
                }
            }
            Event::ParentLeft { group } => {
                self.stale.groups.insert(*group);
            }
            Event::Regrouped { group, change } => {
                self.stale.groups.insert(*group);
                self.count_regrouped(change);
                if let Regrouped::Moved { to } = change {
                    self.shared.learn_move(*group, *to);
                    self.stale.groups.insert(*to);
                }
            }
            Event::SessionUp { .. } | Event::SessionDown { .. } => self.stale.sessions = true,
            _ => {}
        }
        // Whoever hears of it finds it in the replica.
        self.refresh();
        if let Some(event) = NodeEvent::from_machine(event) {
            self.shared.hub.tell(&event);
        }
    }

    fn count_regrouped(&self, change: &Regrouped) {
        use RegroupKind::{Merge, Split};
        let metrics = &self.shared.metrics;
        let counter = match change {
            Regrouped::Began { kind: Split, .. } => &metrics.splits_begun,
            Regrouped::Began { kind: Merge, .. } => &metrics.mergers_begun,
            Regrouped::Done { kind: Split, .. } => &metrics.splits_done,
            Regrouped::Done { kind: Merge, .. } => &metrics.mergers_done,
            Regrouped::Undone { kind: Split, .. } => &metrics.splits_undone,
            Regrouped::Undone { kind: Merge, .. } => &metrics.mergers_undone,
            Regrouped::Moved { .. } => &metrics.moves_done,
            Regrouped::Withdrawn => &metrics.moves_undone,
            // A newer machine's word, which is counted nowhere yet.
            _ => return,
        };
        counter.add(1);
    }
}
