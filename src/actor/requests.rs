//! What others ask of the node's task.

use archipelago_core::wire::{Control, Letter, SessionId};
use archipelago_core::{Boot, GroupId, NodeId};
use archipelago_router::{Command, Refused, SessionEvent};
use archipelago_sgroup::names::NameAct;
use archipelago_sgroup::registry::{RegistryCommand, RegistryError};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::changes::{Change, ChangeReply};
use super::{Actor, FoundReply, NameReply, ProvidersReply, StrictRequest};
use crate::keep::Keeper;
use crate::session::PumpEnd;

/// Something for the node's task.
#[derive(Debug)]
pub(crate) enum Request {
    /// For the machine.
    Command {
        command: Command,
        /// Who waits for the answer.
        reply: Option<oneshot::Sender<Result<(), Refused>>>,
    },
    /// A group is to change.
    Change {
        change: Change,
        reply: oneshot::Sender<ChangeReply>,
    },
    /// For the names of a group.
    Name {
        group: GroupId,
        act: NameAct,
        reply: oneshot::Sender<NameReply>,
    },
    /// Who holds a name, in any group?
    FindName {
        group: GroupId,
        name: Bytes,
        reply: oneshot::Sender<FoundReply>,
    },
    /// Who offers a service, in any group?
    FindService {
        group: GroupId,
        service: Bytes,
        reply: oneshot::Sender<ProvidersReply>,
    },
    /// About a strict name of a group.
    Strict {
        group: GroupId,
        request: StrictRequest,
    },
    /// Control messages arrived.
    Control {
        session: SessionId,
        batch: Vec<Control>,
    },
    /// A letter arrived in the channel with a node.
    Letter {
        from: NodeId,
        boot: Boot,
        letter: Box<Letter>,
    },
    /// A control stream ended; nothing of it follows.
    ControlEnded { session: SessionId, end: PumpEnd },
    /// A peer's task wants to write on a session.
    OpenData { session: SessionId },
    /// A peer broke the protocol on a data stream.
    Abused { session: SessionId },
}

impl Actor {
    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Command { command, reply } => {
                let result = self.on_command(command);
                if let Some(reply) = reply {
                    // Who asked may have gone: it was done all the same.
                    let _ = reply.send(result);
                }
            }
            Request::Change { change, reply } => self.on_change(change, reply),
            Request::Name { group, act, reply } => self.on_name_request(group, act, reply),
            Request::FindName { group, name, reply } => self.on_find_name(group, name, reply),
            Request::FindService {
                group,
                service,
                reply,
            } => self.on_find_service(group, service, reply),
            Request::Strict { group, request } => self.on_strict_request(group, request),
            Request::Control { session, mut batch } => {
                if self.sessions.find(session).is_some() {
                    let now = self.now();
                    self.node
                        .handle_messages(session, &mut batch, now, &mut self.out);
                    self.perform();
                }
            }
            Request::Letter { from, boot, letter } => {
                let now = self.now();
                self.node
                    .handle_letter(from, boot, *letter, now, &mut self.out);
                self.perform();
            }
            Request::ControlEnded { session, end } => self.on_control_ended(session, end),
            Request::OpenData { session } => {
                if let Some(known) = self.sessions.find(session) {
                    let (peer, connection) = (known.peer_id, known.connection);
                    self.swarm
                        .awake()
                        .behaviour_mut()
                        .open_data(peer, connection);
                }
            }
            Request::Abused { session } => {
                if let Some(connection) = self.sessions.find(session).map(|s| s.connection) {
                    self.close_abused(connection);
                }
            }
        }
    }

    fn on_command(&mut self, command: Command) -> Result<(), Refused> {
        let mut left = None;
        match &command {
            Command::Registry(_, said) => self.check_process(said)?,
            Command::Leave(group) => left = Some(*group),
            Command::Shutdown => self.keeper.iter_mut().for_each(Keeper::end),
            _ => {}
        }
        let now = self.now();
        let is_of_groups = matches!(
            command,
            Command::Join(_) | Command::Leave(_) | Command::Recharter(_) | Command::SetCookies(..)
        );
        let result = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        if is_of_groups {
            self.keep();
        }
        if let Some(group) = left.filter(|_| result.is_ok()) {
            self.shared.names.forget(group);
            self.shared.tables.forget(group);
        }
        result
    }

    /// Whether the process lives of which something is said. If it does, its end is told later.
    fn check_process(&self, said: &RegistryCommand) -> Result<(), Refused> {
        let Some(local) = said.process() else {
            return Ok(());
        };
        self.shared.ended.want(local);
        let found = self.shared.mailboxes.find(local);
        found.map(drop).ok_or(RegistryError::NoProcess.into())
    }

    fn on_control_ended(&mut self, session: SessionId, end: PumpEnd) {
        let Some(gone) = self.sessions.remove(session) else {
            return;
        };
        let metrics = &self.shared.metrics;
        metrics.sessions_closed.add(1);
        if end == PumpEnd::Abused {
            metrics.abusive_peers_closed.add(1);
        }
        self.swarm.awake().close_connection(gone.connection);
        let now = self.now();
        let event = SessionEvent::Closed { session };
        self.node.handle_session(event, now, &mut self.out);
        self.perform();
    }
}
