//! Strict names: what users ask of the machine, and what becomes of it.

use std::collections::HashMap;

use archipelago_core::wire::Tenancy;
use archipelago_core::{GroupId, LocalId, Time};
use archipelago_router::Command;
use archipelago_sgroup::StrictAct;
use archipelago_sgroup::strict::{StrictError, StrictEvent};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

use super::Actor;
use crate::group::AcquireError;

/// A name that was had: its fence, and until when it is held, which goes on as it is renewed.
/// `None`: it is not held any more.
pub(crate) type Had = (u64, watch::Receiver<Option<Time>>);

/// A request about a strict name.
#[derive(Debug)]
pub(crate) enum StrictRequest {
    /// Take it.
    Claim {
        name: Bytes,
        holder: LocalId,
        patience: Duration,
        reply: oneshot::Sender<Result<Had, AcquireError>>,
    },
    /// Let it go.
    Release { name: Bytes },
    /// Ask for it no more, if whoever asked has gone.
    Withdraw { name: Bytes },
    /// Who holds it?
    Ask {
        name: Bytes,
        reply: oneshot::Sender<Result<Option<Tenancy>, AcquireError>>,
    },
}

/// Who waits for what, and who holds what.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: HashMap<(GroupId, Bytes), Claim>,
    asks: HashMap<u64, oneshot::Sender<Result<Option<Tenancy>, AcquireError>>>,
    last_ask: u64,
}

#[derive(Debug)]
struct Claim {
    reply: Option<oneshot::Sender<Result<Had, AcquireError>>>,
    until: watch::Sender<Option<Time>>,
}

impl Actor {
    pub(super) fn on_strict_request(&mut self, group: GroupId, request: StrictRequest) {
        match request {
            StrictRequest::Claim {
                name,
                holder,
                patience,
                reply,
            } => self.claim_strict(group, name, (holder, patience), reply),
            StrictRequest::Release { name } => {
                self.strict.claims.remove(&(group, name.clone()));
                // A group that was left has let go already.
                let _ = self.say_strict(group, StrictAct::Release { name });
            }
            StrictRequest::Withdraw { name } => {
                let claim = self.strict.claims.get(&(group, name.clone()));
                let waiting = claim.and_then(|claim| claim.reply.as_ref());
                if waiting.is_some_and(oneshot::Sender::is_closed) {
                    self.on_strict_request(group, StrictRequest::Release { name });
                }
            }
            StrictRequest::Ask { name, reply } => {
                self.strict.last_ask += 1;
                let id = self.strict.last_ask;
                self.strict.asks.insert(id, reply);
                if let Err(error) = self.say_strict(group, StrictAct::Ask { id, name }) {
                    self.answer_ask(id, Err(error));
                }
            }
        }
    }

    fn claim_strict(
        &mut self,
        group: GroupId,
        name: Bytes,
        (holder, patience): (LocalId, Duration),
        reply: oneshot::Sender<Result<Had, AcquireError>>,
    ) {
        self.shared.ended.want(holder);
        let refused = if self.shared.mailboxes.find(holder).is_none() {
            Some(AcquireError::NoProcess)
        } else if self.strict.claims.contains_key(&(group, name.clone())) {
            Some(StrictError::Busy.into())
        } else {
            None
        };
        if let Some(error) = refused {
            // Who asked may have gone: nothing was done.
            let _ = reply.send(Err(error));
            return;
        }
        let claim = Claim {
            reply: Some(reply),
            until: watch::Sender::new(None),
        };
        self.strict.claims.insert((group, name.clone()), claim);
        let act = StrictAct::Claim {
            name: name.clone(),
            holder,
            patience,
        };
        if let Err(error) = self.say_strict(group, act) {
            self.not_held(group, name, error);
        }
    }

    fn say_strict(&mut self, group: GroupId, act: StrictAct) -> Result<(), AcquireError> {
        let now = self.now();
        let command = Command::Strict { group, act };
        let result = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        Ok(result?)
    }

    pub(super) fn on_strict(&mut self, group: GroupId, event: StrictEvent) {
        match event {
            StrictEvent::Held { name, fence, until } => self.on_held(group, name, fence, until),
            StrictEvent::Renewed { name, until } => {
                if let Some(claim) = self.strict.claims.get(&(group, name)) {
                    claim.until.send_replace(Some(until));
                }
            }
            StrictEvent::Lost { name, .. } => {
                if let Some(claim) = self.strict.claims.remove(&(group, name)) {
                    claim.until.send_replace(None);
                }
            }
            StrictEvent::NotHeld { name, error } => self.not_held(group, name, error.into()),
            StrictEvent::Answer { id, result } => {
                self.answer_ask(id, result.map_err(AcquireError::from));
            }
            _ => {}
        }
    }

    /// Whoever asked and went away does not hold it either.
    fn on_held(&mut self, group: GroupId, name: Bytes, fence: u64, until: Time) {
        let key = (group, name);
        let Some(claim) = self.strict.claims.get_mut(&key) else {
            return;
        };
        claim.until.send_replace(Some(until));
        let had = (fence, claim.until.subscribe());
        let reply = claim.reply.take();
        let is_taken = reply.is_some_and(|reply| reply.send(Ok(had)).is_ok());
        if !is_taken {
            let (group, name) = key;
            self.on_strict_request(group, StrictRequest::Release { name });
        }
    }

    fn not_held(&mut self, group: GroupId, name: Bytes, error: AcquireError) {
        let claim = self.strict.claims.remove(&(group, name));
        if let Some(reply) = claim.and_then(|claim| claim.reply) {
            // Who asked may have gone: nothing was done.
            let _ = reply.send(Err(error));
        }
    }

    fn answer_ask(&mut self, id: u64, result: Result<Option<Tenancy>, AcquireError>) {
        if let Some(reply) = self.strict.asks.remove(&id) {
            // Who asked may have gone: nothing was done.
            let _ = reply.send(result);
        }
    }
}
