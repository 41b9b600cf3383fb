//! What a reflector answers of its own groups, and what a requester believes of an answer.

use std::sync::Arc;

use archipelago_core::wire::{
    Holding, Introduction, List, Lookup, LookupAnswer, LookupReply, NameClaim, SignedHolding,
    SignedIntroduction,
};
use archipelago_core::{Context, GroupId, NodeId, Peer, Roles, SignedRecord};

use archipelago_sgroup::names::NameInfo;

use super::flights::Key;
use super::{Located, LookupError, Lookups};
use crate::{Membership, Routes};

impl Lookups {
    /// What this node answers by itself; `None` if others have to be asked.
    pub(super) fn answer(
        &mut self,
        from: Peer,
        lookup: &Lookup,
        (holder, heirs): (Option<&NameInfo>, &[GroupId]),
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> Option<LookupAnswer> {
        let serves = |client: &NodeId| routes.is_served(client, &cx.me);
        if !routes.reflects() && !serves(&lookup.requester) && !serves(&lookup.target) {
            return Some(LookupAnswer::NoRoute);
        }
        let asker = cx.peers.get(from).map(archipelago_core::PeerState::id);
        let is_own = asker == Some(lookup.requester);
        let is_by_host = || asker.is_some_and(|host| routes.is_served(&lookup.requester, &host));
        if !is_own && !routes.is_reflector(from) && !is_by_host() {
            self.counters.impostors += 1;
            return Some(LookupAnswer::NoRoute);
        }
        let is_inside = || routes.is_inside(lookup.group, &lookup.requester, cx.peers);
        let or_heirs = |answer: LookupAnswer| match answer {
            LookupAnswer::NotFound | LookupAnswer::Gone if !heirs.is_empty() => moved(heirs),
            answer => answer,
        };
        match routes.standing(lookup.group) {
            Some(standing) if standing.is_closed && !is_inside() => Some(LookupAnswer::Closed),
            Some(_) if lookup.name.is_some() => {
                Some(or_heirs(self.answer_of_name(lookup, holder, routes, cx)))
            }
            Some(_) if is_elsewhere(lookup, routes, cx) => None,
            Some(_) => Some(or_heirs(self.answer_of_group(lookup, routes, cx))),
            None if !heirs.is_empty() => Some(moved(heirs)),
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
            _ if routes.is_served(&lookup.target, &cx.me) => record_of(&lookup.target, cx),
            Membership::Gone => return LookupAnswer::Gone,
            Membership::Unknown => None,
        };
        match record.filter(|record| record.version() >= lookup.version_min) {
            Some(record) => {
                let (reflectors, introduction) = self.introduce(lookup, &record, routes, cx);
                LookupAnswer::Found {
                    record,
                    reflectors,
                    introduction,
                }
            }
            None => LookupAnswer::NotFound,
        }
    }

    /// Who holds a name, if its holder lets nodes outside of the group find it.
    fn answer_of_name(
        &self,
        lookup: &Lookup,
        holder: Option<&NameInfo>,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> LookupAnswer {
        let is_inside = routes.is_inside(lookup.group, &lookup.requester, cx.peers);
        let Some(info) = holder.filter(|holder| holder.is_exported || is_inside) else {
            return LookupAnswer::NotFound;
        };
        let record = if info.pid.node == cx.me {
            Some(Arc::clone(&self.record))
        } else {
            record_of(&info.pid.node, cx)
        };
        let Some(record) = record.filter(|record| record.record.boot == info.pid.boot) else {
            return LookupAnswer::NotFound;
        };
        let (reflectors, introduction) = self.introduce(lookup, &record, routes, cx);
        let holding = Holding {
            key: lookup.target,
            requester: lookup.requester,
            holder: info.pid.node,
            boot: info.pid.boot,
            claim: claim(info),
            reflector: cx.me,
        };
        LookupAnswer::Named {
            holding: Arc::new(SignedHolding::new(holding, cx.crypto)),
            record,
            reflectors,
            introduction,
        }
    }

    fn introduce(
        &self,
        lookup: &Lookup,
        record: &SignedRecord,
        routes: &dyn Routes,
        cx: &Context<'_>,
    ) -> (List<Arc<SignedRecord>, 4>, Arc<SignedIntroduction>) {
        let introduction = Introduction {
            requester: lookup.requester,
            target: record.record.node,
            target_boot: record.record.boot,
            group: lookup.group,
            reflector: cx.me,
            life_s: self.config.introduction_life_s,
        };
        let others = routes.reflectors(lookup.group, cx.peers);
        let others = others
            .into_iter()
            .filter_map(|peer| cx.peers.get(peer)?.record().cloned());
        let own = routes.reflects().then(|| Arc::clone(&self.record));
        let all = own.into_iter().chain(others);
        let introduction = SignedIntroduction::new(introduction, cx.crypto);
        (List::truncated(all), Arc::new(introduction))
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
            LookupAnswer::Found { .. } | LookupAnswer::Named { .. } if is_local => {
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

/// Whether the target is a client of the group that others serve: they are asked.
fn is_elsewhere(lookup: &Lookup, routes: &dyn Routes, cx: &Context<'_>) -> bool {
    let target = &lookup.target;
    let is_here = target == &cx.me || routes.is_served(target, &cx.me);
    let membership = routes.membership(lookup.group, target, cx.peers);
    !is_here
        && !matches!(membership, Membership::Up(_))
        && lookup.hops > 0
        && !routes.hosts(lookup.group, target, cx.peers).is_empty()
}

fn moved(heirs: &[GroupId]) -> LookupAnswer {
    LookupAnswer::Moved(List::truncated(heirs.iter().copied()))
}

fn record_of(node: &NodeId, cx: &Context<'_>) -> Option<Arc<SignedRecord>> {
    let peer = cx.peers.find(node)?;
    cx.peers.get(peer)?.record().cloned()
}

/// Whether everything in an answer is signed by who it should be, and is what was asked for.
fn is_genuine(key: &Key, group: GroupId, answer: &LookupAnswer, cx: &Context<'_>) -> bool {
    let (holding, record, reflectors, introduction) = match answer {
        LookupAnswer::Found {
            record,
            reflectors,
            introduction,
        } => (None, record, reflectors, introduction),
        LookupAnswer::Named {
            holding,
            record,
            reflectors,
            introduction,
        } => (Some(holding), record, reflectors, introduction),
        _ => return false,
    };
    let made = &introduction.introduction;
    let is_sought = match holding {
        None => record.record.node == key.target,
        Some(signed) => is_held(key, signed, made, cx),
    };
    let is_asked_for = is_sought
        && record.version() >= key.version_min
        && made.requester == key.requester
        && made.target == record.record.node
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

/// Whether the reflector that introduces to a node says that this node holds what was sought.
fn is_held(key: &Key, signed: &SignedHolding, made: &Introduction, cx: &Context<'_>) -> bool {
    let holding = &signed.holding;
    holding.key == key.target
        && holding.requester == key.requester
        && (holding.holder, holding.boot) == (made.target, made.target_boot)
        && holding.reflector == made.reflector
        && signed.verify(cx.crypto)
}

fn claim(info: &NameInfo) -> NameClaim {
    NameClaim {
        local: info.pid.local,
        priority: info.priority,
        moves: info.moves,
        lamport: info.lamport,
        is_exported: info.is_exported,
        metadata: info.metadata.clone(),
    }
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
            holding: None,
        }),
        LookupAnswer::Named {
            holding,
            record,
            reflectors,
            introduction,
        } => Ok(Located {
            record,
            group,
            reflectors: reflectors.into_vec(),
            introduction,
            holding: Some(holding),
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
