//! This node's own claims: made, changed, confirmed, lost, won back and withdrawn.

use archipelago_core::Context;
use archipelago_core::wire::NameClaim;
use bytes::Bytes;

use super::{
    Around, Mode, NAME_BYTES_MAX, NameAct, NameChange, NameError, NameInfo, NameOutput, Names,
    OnLoss, Own, Registration, Standing, Verdict, answer, key_of,
};
use crate::log::Logs;

impl Names {
    /// Does what is asked; the answer, or the promise of one, is among the outputs.
    pub(crate) fn handle_act(&mut self, request: u64, act: NameAct, around: &mut Around<'_, '_>) {
        let result = match act {
            NameAct::Register(asked) => self.register(request, asked, around),
            NameAct::Unregister { name } => self.unregister(&name, around).map(Some),
            NameAct::Resolve { name, verdict } => self.resolve(request, &name, verdict, around),
        };
        let done = match result {
            Ok(None) => return,
            Ok(Some(())) => Ok(None),
            Err(error) => Err(error),
        };
        answer(&[request], &done, around.out);
    }

    pub(super) fn holder(&self, name: &[u8], around: &Around<'_, '_>) -> Option<NameInfo> {
        let union = self.union(around.logs);
        union.holder(name, around.cx.peers, around.cx.me)
    }

    /// Claims a name. `Ok(None)`: the answer comes when the claim is confirmed or lost.
    fn register(
        &mut self,
        request: u64,
        asked: Registration,
        around: &mut Around<'_, '_>,
    ) -> Result<Option<()>, NameError> {
        check(&asked)?;
        let name = asked.name.clone();
        let holder = self.holder(&name, around);
        let is_update = match self.own.get(&name) {
            Some(own) => own.local == asked.local || asked.mode == Mode::Move,
            None => false,
        };
        if !is_update && self.own.contains_key(&name) {
            return Err(taken(holder));
        }
        if !is_update && self.own.len() >= self.config.claims_max {
            let max = self.config.claims_max;
            return Err(NameError::TooMany { max });
        }
        let mine = self.union(around.logs).mine(&key_of(&name), around.cx.me);
        let moves = moves(&asked, mine.as_ref(), holder)?;
        let lamport = mine.map_or_else(|| self.clock.saturating_add(1), |mine| mine.lamport);
        let claim = claim(&asked, moves, lamport);
        let seq = self.write(&name, &claim, around.logs, around.cx)?;
        self.see(lamport);
        if let Some(standing) = self.unchanged(&name, seq) {
            answer(&[request], &Ok(Some(standing)), around.out);
            return Ok(None);
        }
        self.take_over(&name, &asked, around);
        self.wait(request, seq, &asked, around.cx);
        self.tell(&name, around);
        self.compare(&name, around);
        Ok(None)
    }

    /// Withdraws a claim; a name that nobody has is no error.
    fn unregister(&mut self, name: &[u8], around: &mut Around<'_, '_>) -> Result<(), NameError> {
        if self.own.contains_key(name) {
            self.withdraw(name, &NameError::Withdrawn, around);
            return Ok(());
        }
        match self.holder(name, around) {
            Some(_) => Err(NameError::NotOurs),
            None => Ok(()),
        }
    }

    /// What becomes of a claim that stands by.
    fn resolve(
        &mut self,
        request: u64,
        name: &Bytes,
        verdict: Verdict,
        around: &mut Around<'_, '_>,
    ) -> Result<Option<()>, NameError> {
        let Some(own) = self.own.get_mut(name) else {
            return Err(NameError::NotOurs);
        };
        match verdict {
            Verdict::Yield => self.withdraw(name, &NameError::Withdrawn, around),
            Verdict::Standby => own.on_loss = OnLoss::Standby,
            Verdict::Insist => return self.insist(request, name, around).map(|()| None),
        }
        Ok(Some(()))
    }

    /// Moves the name back, over any priority.
    fn insist(
        &mut self,
        request: u64,
        name: &Bytes,
        around: &mut Around<'_, '_>,
    ) -> Result<(), NameError> {
        let mine = self.union(around.logs).mine(&key_of(name), around.cx.me);
        let (Some(own), Some(mine)) = (self.own.get(name), mine) else {
            return Err(NameError::NotOurs);
        };
        let holder = self.holder(name, around);
        let priority = holder.map_or(mine.priority, |holder| holder.priority);
        let asked = Registration {
            priority: priority.max(mine.priority),
            metadata: mine.metadata,
            on_loss: own.on_loss,
            is_exported: mine.is_exported,
            mode: Mode::Move,
            ..Registration::new(name.clone(), own.local)
        };
        self.register(request, asked, around).map(|_| ())
    }

    /// How the claim stands, if it is confirmed as it is.
    fn unchanged(&self, name: &[u8], seq: u64) -> Option<Standing> {
        let own = self.own.get(name)?;
        let is_confirmed = own.seq == seq && !self.waiting.contains_key(&seq);
        is_confirmed.then_some(own.standing)
    }

    /// The name goes from one process of this node to another.
    fn take_over(&mut self, name: &Bytes, asked: &Registration, around: &mut Around<'_, '_>) {
        let Some(own) = self.own.get_mut(name) else {
            return;
        };
        if own.local == asked.local {
            return;
        }
        let (before, requests) = (own.local, std::mem::take(&mut own.requests));
        let was_holder = own.is_confirmed && own.standing == Standing::Holder;
        self.by_process.remove(&(before, name.clone()));
        let holder = self.holder(name, around);
        answer(&requests, &Err(taken(holder.clone())), around.out);
        if let Some(to) = holder.filter(|_| was_holder) {
            around.out.push(NameOutput::Lost {
                name: name.clone(),
                local: before,
                to: Box::new(to),
                on_loss: OnLoss::Unregister,
            });
        }
    }

    /// Remembers the claim, and that it waits.
    fn wait(&mut self, request: u64, seq: u64, asked: &Registration, cx: &Context<'_>) {
        let name = asked.name.clone();
        self.by_process.insert((asked.local, name.clone()));
        let own = self.own.entry(name.clone()).or_insert(Own {
            local: asked.local,
            on_loss: asked.on_loss,
            standing: Standing::Holder,
            is_confirmed: false,
            seq,
            since: cx.now,
            requests: Vec::new(),
        });
        self.waiting.remove(&own.seq);
        (own.local, own.on_loss) = (asked.local, asked.on_loss);
        (own.seq, own.since) = (seq, cx.now);
        own.requests.push(request);
        self.waiting.insert(seq, name);
        self.due = self.due.min(cx.now.after(super::RECHECK));
    }

    /// All members know of it, and nobody has a better one.
    pub(super) fn confirm(&mut self, seq: u64, name: &Bytes, out: &mut Vec<super::NameOutput>) {
        self.waiting.remove(&seq);
        if let Some(own) = self.own.get_mut(name) {
            own.is_confirmed = true;
            let requests = std::mem::take(&mut own.requests);
            answer(&requests, &Ok(Some(own.standing)), out);
        }
    }

    /// Compares this node's claim on the name with the best of the others'.
    pub(super) fn compare(&mut self, name: &Bytes, around: &mut Around<'_, '_>) {
        let Some(own) = self.own.get(name) else {
            return;
        };
        let standing = own.standing;
        let key = key_of(name);
        let union = self.union(around.logs);
        let Some(mine) = union.mine(&key, around.cx.me) else {
            return;
        };
        let best = union.best_other(&key, around.cx.peers);
        match (best.filter(|best| best.outranks(&mine)), standing) {
            (Some(rival), Standing::Holder) => self.lose(name, rival, around),
            (None, Standing::Standby) => self.win(name, around.out),
            _ => {}
        }
    }

    /// Another claim is better.
    fn lose(&mut self, name: &Bytes, to: NameInfo, around: &mut Around<'_, '_>) {
        let Some(own) = self.own.get_mut(name) else {
            return;
        };
        own.standing = Standing::Standby;
        let (on_loss, is_confirmed) = (own.on_loss, own.is_confirmed);
        let stays = match on_loss {
            OnLoss::Standby => true,
            OnLoss::Custom => is_confirmed,
            OnLoss::Unregister | OnLoss::Kill => false,
        };
        if is_confirmed {
            around.out.push(NameOutput::Lost {
                name: name.clone(),
                local: own.local,
                to: Box::new(to.clone()),
                on_loss,
            });
        }
        if !stays {
            self.withdraw(name, &NameError::Taken(Box::new(to)), around);
        }
    }

    /// The better claim is gone.
    fn win(&mut self, name: &Bytes, out: &mut Vec<NameOutput>) {
        if let Some(own) = self.own.get_mut(name) {
            own.standing = Standing::Holder;
            if own.is_confirmed {
                let (name, local) = (name.clone(), own.local);
                out.push(NameOutput::Won { name, local });
            }
        }
    }

    /// Deletes a claim; `why` is told to whoever still waits for it.
    pub(super) fn withdraw(&mut self, name: &[u8], why: &NameError, around: &mut Around<'_, '_>) {
        let Some((name, own)) = self.own.remove_entry(name) else {
            return;
        };
        self.waiting.remove(&own.seq);
        self.by_process.remove(&(own.local, name.clone()));
        around.logs.delete(&key_of(&name), around.cx);
        answer(&own.requests, &Err(why.clone()), around.out);
        self.tell(&name, around);
    }

    fn tell(&self, name: &Bytes, around: &mut Around<'_, '_>) {
        let holder = self.holder(name, around);
        let name = name.clone();
        let change = NameChange { name, holder };
        around.out.push(NameOutput::Changed(vec![change]));
    }

    fn write(
        &self,
        name: &[u8],
        claim: &NameClaim,
        logs: &mut Logs,
        cx: &Context<'_>,
    ) -> Result<u64, NameError> {
        Ok(logs.put(key_of(name), claim.to_bytes().into(), cx)?)
    }
}

fn check(asked: &Registration) -> Result<(), NameError> {
    let bytes = asked.name.len();
    if !(1..=NAME_BYTES_MAX).contains(&bytes) {
        return Err(NameError::Length { bytes });
    }
    let bytes = asked.metadata.len();
    if bytes > NameClaim::METADATA_BYTES_MAX {
        return Err(NameError::Metadata { bytes });
    }
    Ok(())
}

/// How often the name will have been moved with this claim, unless it may not be claimed.
fn moves(
    asked: &Registration,
    mine: Option<&NameInfo>,
    holder: Option<NameInfo>,
) -> Result<u32, NameError> {
    let Some(holder) = holder.filter(|holder| mine != Some(holder)) else {
        return Ok(mine.map_or(0, |mine| mine.moves));
    };
    match asked.mode {
        Mode::Move if holder.priority <= asked.priority => Ok(holder.moves.saturating_add(1)),
        Mode::Claim if holder.priority < asked.priority => Ok(0),
        Mode::Claim if asked.on_loss == OnLoss::Standby => Ok(mine.map_or(0, |mine| mine.moves)),
        Mode::Claim if mine.is_some() => Ok(mine.map_or(0, |mine| mine.moves)),
        Mode::Claim | Mode::Move => Err(taken(Some(holder))),
    }
}

fn claim(asked: &Registration, moves: u32, lamport: u64) -> NameClaim {
    NameClaim {
        local: asked.local,
        priority: asked.priority,
        moves,
        lamport,
        is_exported: asked.is_exported,
        metadata: asked.metadata.clone(),
    }
}

/// Refused by a holder; a name without one cannot refuse.
fn taken(holder: Option<NameInfo>) -> NameError {
    holder.map_or(NameError::Withdrawn, |holder| {
        NameError::Taken(Box::new(holder))
    })
}
