//! Names: what users ask of the machine, and what it answers and tells.

use std::collections::HashMap;

use archipelago_core::wire::{Exit, Provider};
use archipelago_core::{GroupId, LocalId, Pid};
use archipelago_router::Command;
use archipelago_sgroup::names::{NameAct, NameError, NameInfo, NameOutput, OnLoss, Standing};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::Actor;
use crate::NodeEvent;
use crate::group::{LookupError, RegisterError};

/// How a request about a name ends.
pub(crate) type NameReply = Result<Option<Standing>, RegisterError>;

/// How a question for a name's holder ends.
pub(crate) type FoundReply = Result<Option<NameInfo>, LookupError>;

/// How a question for the providers of a service ends.
pub(crate) type ProvidersReply = Result<Vec<Provider>, LookupError>;

/// Who waits for which answer.
#[derive(Debug, Default)]
pub(super) struct Asked {
    last: u64,
    replies: HashMap<u64, oneshot::Sender<NameReply>>,
    finders: HashMap<u64, oneshot::Sender<FoundReply>>,
    seekers: HashMap<u64, oneshot::Sender<ProvidersReply>>,
}

impl Actor {
    pub(super) fn on_name_request(
        &mut self,
        group: GroupId,
        act: NameAct,
        reply: oneshot::Sender<NameReply>,
    ) {
        if let NameAct::Register(asked) = &act {
            let local = asked.local;
            self.shared.ended.want(local);
            if self.shared.mailboxes.find(local).is_none() {
                let _ = reply.send(Err(NameError::NoProcess.into()));
                return;
            }
        }
        self.names.last += 1;
        let request = self.names.last;
        self.names.replies.insert(request, reply);
        let command = Command::Name {
            group,
            request,
            act,
        };
        let now = self.now();
        let result = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        if let Err(refused) = result {
            self.reply(request, Err(refused.into()));
        }
    }

    pub(super) fn on_find_name(
        &mut self,
        group: GroupId,
        name: Bytes,
        reply: oneshot::Sender<FoundReply>,
    ) {
        self.names.last += 1;
        let request = self.names.last;
        self.names.finders.insert(request, reply);
        let command = Command::FindName {
            group,
            name,
            request,
        };
        let now = self.now();
        let result = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        if let Err(refused) = result {
            self.on_name_found(request, Err(refused.into()));
        }
    }

    pub(super) fn on_name_found(&mut self, request: u64, reply: FoundReply) {
        if let Some(waiting) = self.names.finders.remove(&request) {
            // Who asked may have gone.
            let _ = waiting.send(reply);
        }
    }

    pub(super) fn on_find_service(
        &mut self,
        group: GroupId,
        service: Bytes,
        reply: oneshot::Sender<ProvidersReply>,
    ) {
        self.names.last += 1;
        let request = self.names.last;
        self.names.seekers.insert(request, reply);
        let command = Command::FindService {
            group,
            service,
            request,
        };
        let now = self.now();
        let result = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        if let Err(refused) = result {
            self.on_service_found(request, Err(refused.into()));
        }
    }

    pub(super) fn on_service_found(&mut self, request: u64, reply: ProvidersReply) {
        if let Some(waiting) = self.names.seekers.remove(&request) {
            // Who asked may have gone.
            let _ = waiting.send(reply);
        }
    }

    /// Processes that held names have ended.
    pub(super) fn on_ended(&mut self) {
        for (local, exit) in self.shared.ended.take() {
            let now = self.now();
            let exit = Some(exit);
            let command = Command::ProcessEnded { local, exit };
            // A node that is stopping withdraws all its names anyhow.
            let _ = self.node.handle_command(command, now, &mut self.out);
            self.perform();
        }
    }

    pub(super) fn on_name(&mut self, group: GroupId, output: NameOutput) {
        match output {
            NameOutput::Done { request, result } => {
                self.reply(request, result.map_err(RegisterError::from));
            }
            NameOutput::Changed(changes) => self.shared.names.apply(group, changes),
            NameOutput::Lost {
                name,
                local,
                to,
                on_loss,
            } => {
                let pid = self.own_pid(local, group);
                let event = NodeEvent::NameLost {
                    group,
                    name,
                    pid,
                    to: *to,
                    on_loss,
                };
                self.shared.hub.tell(&event);
                if on_loss == OnLoss::Kill {
                    self.shared.mailboxes.remove(local);
                    self.shared.ended.note(local, Exit::Killed);
                }
            }
            NameOutput::Won { name, local } => {
                let pid = self.own_pid(local, group);
                self.shared
                    .hub
                    .tell(&NodeEvent::NameWon { group, name, pid });
            }
            _ => {}
        }
    }

    fn reply(&mut self, request: u64, reply: NameReply) {
        if let Some(waiting) = self.names.replies.remove(&request) {
            // Who asked may have gone: it was done all the same.
            let _ = waiting.send(reply);
        }
    }

    fn own_pid(&self, local: LocalId, group: GroupId) -> Pid {
        Pid {
            node: self.shared.id,
            boot: self.shared.boot(),
            local,
            home: Some(group),
        }
    }
}
