//! What a reflector answers of its own groups, and what a requester believes of an answer.

use std::sync::Arc;

use archipelago_core::wire::{
    Introduction, List, Lookup, LookupAnswer, LookupReply, SignedIntroduction,
};
use archipelago_core::{Context, GroupId, Peer, Roles, SignedRecord};

use super::flights::Key;
use super::{Located, LookupError, Lookups};
use crate::{Membership, Routes};

impl Lookups {
    /// What this node answers by itself; `None` if others have to be asked.
    pub(super) fn answer(
        &mut self,
        from: Peer,
        lookup: &Lookup,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> Option<LookupAnswer> {
        if !routes.reflects() {
            return Some(LookupAnswer::NoRoute);
        }
        let is_own = cx
            .peers
            .get(from)
            .is_some_and(|s| s.id() == lookup.requester);
        if !is_own && !routes.is_reflector(from) {
            self.counters.impostors += 1;
            return Some(LookupAnswer::NoRoute);
        }
        match routes.standing(lookup.group) {
            Some(standing) if standing.is_closed => Some(LookupAnswer::Closed),
            Some(_) => Some(self.answer_of_group(lookup, routes, cx)),
            None if lookup.hops == 0 => Some(LookupAnswer::NoRoute),
            None => None,
        }
    }

    fn answer_of_group(
        &self,
        lookup: &Lookup,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> LookupAnswer {
        let membership = routes.membership(lookup.group, &lookup.target, cx.peers);
        let record = match membership {
            _ if lookup.target == cx.me => Some(Arc::clone(&self.record)),
            Membership::Up(peer) => cx.peers.get(peer).and_then(|state| state.record().cloned()),
            Membership::Gone => return LookupAnswer::Gone,
            Membership::Unknown => None,
        };
        match record.filter(|record| record.version() >= lookup.version_min) {
            Some(record) => self.introduce(lookup, record, routes, cx),
            None => LookupAnswer::NotFound,
        }
    }

    fn introduce(
        &self,
        lookup: &Lookup,
        record: Arc<SignedRecord>,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> LookupAnswer {
        let introduction = Introduction {
            requester: lookup.requester,
            target: lookup.target,
            target_boot: record.record.boot,
            group: lookup.group,
            reflector: cx.me,
            life_s: self.config.introduction_life_s,
        };
        let others = routes.reflectors(lookup.group, cx.peers);
        let others = others
            .into_iter()
            .filter_map(|peer| cx.peers.get(peer)?.record().cloned());
        LookupAnswer::Found {
            record,
            reflectors: List::truncated([Arc::clone(&self.record)].into_iter().chain(others)),
            introduction: Arc::new(SignedIntroduction::new(introduction, cx.crypto)),
        }
    }

    /// Whether an answer ends its flight; if not, what it means is noted.
    ///
    /// Who passes on takes any word that is no failure of the way. A requester believes what is
    /// signed, and asks another reflector before it takes `NotFound` for the truth: views lag.
    pub(super) fn is_final(&mut self, number: u64, reply: &LookupReply, cx: &Context<'_>) -> bool {
        let Some(flight) = self.flights.get_mut(number) else {
            return false;
        };
        let (key, group, is_local) = (flight.key, flight.group, flight.is_local());
        match &reply.answer {
            _ if reply.target != key.target => {
                self.counters.forged += 1;
                false
            }
            LookupAnswer::Found { .. } if is_local => {
                let is_true = is_genuine(&key, group, &reply.answer, cx);
                self.counters.forged += u64::from(!is_true);
                is_true
            }
            LookupAnswer::NotFound if is_local => {
                flight.note_failure(LookupAnswer::NotFound);
                false
            }
            LookupAnswer::NoRoute | LookupAnswer::Overloaded => {
                flight.note_failure(reply.answer.clone());
                false
            }
            _ => true,
        }
    }
}

/// Whether everything in an answer is signed by who it should be, and is what was asked for.
fn is_genuine(key: &Key, group: GroupId, answer: &LookupAnswer, cx: &Context<'_>) -> bool {
    let LookupAnswer::Found {
        record,
        reflectors,
        introduction,
    } = answer
    else {
        return false;
    };
    let made = &introduction.introduction;
    let is_asked_for = record.record.node == key.target
        && record.version() >= key.version_min
        && made.requester == key.requester
        && made.target == key.target
        && made.target_boot == record.record.boot
        && made.group == group;
    let is_reflector = |one: &Arc<SignedRecord>| {
        one.record.roles.contains(Roles::REFLECTOR) && one.verify(cx.crypto)
    };
    is_asked_for
        && record.verify(cx.crypto)
        && introduction.verify(cx.crypto)
        && reflectors.iter().all(is_reflector)
}

/// What an answer that ended a flight says here.
pub(super) fn located(group: GroupId, answer: LookupAnswer) -> Result<Located, LookupError> {
    match answer {
        LookupAnswer::Found {
            record,
            reflectors,
            introduction,
        } => Ok(Located {
            record,
            group,
            reflectors: reflectors.into_vec(),
            introduction,
        }),
        failure => Err(error(&failure)),
    }
}

pub(super) fn error(answer: &LookupAnswer) -> LookupError {
    match answer {
        LookupAnswer::Gone => LookupError::Gone,
        LookupAnswer::NotFound => LookupError::NotFound,
        LookupAnswer::Closed => LookupError::Closed,
        LookupAnswer::Overloaded => LookupError::Overloaded,
        _ => LookupError::NoRoute,
    }
}
