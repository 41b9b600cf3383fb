//! Names: claims of this node's processes, and who holds a name in any group.
//!
//! In a group of this node's own the answer is at hand; of others a reflector is asked, and its
//! answer kept for a while. With the holder comes the way to it: whoever sends to it next looks up
//! nothing.

use archipelago_core::wire::{Lookup, Name, name_key, service_key};
use archipelago_core::{GroupId, NodeId, Peer, Pid, Time};
use archipelago_sgroup::names::{NameAct, NameInfo};
use bytes::Bytes;

use super::{Node, Output, Outputs, Refused, Unreachable};
use crate::lookup::{Located, LookupError};
use crate::regroup::trail::Sought;

/// Names that are sought at once by users of this node; beyond it they are refused.
const FINDING_MAX: usize = 4_096;

impl Node {
    pub(super) fn name(
        &mut self,
        group: GroupId,
        request: u64,
        act: NameAct,
        now: Time,
    ) -> Result<(), Refused> {
        if !self.groups.contains_key(&group) {
            return Err(Refused::UnknownGroup);
        }
        self.with_group(group, now, |group, cx, said| {
            group.handle_name(request, act, cx, said);
        });
        Ok(())
    }

    /// Seeks who holds a name; answered by [`Output::NameFound`].
    pub(super) fn find_name(
        &mut self,
        group: GroupId,
        name: Bytes,
        request: u64,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let here = self
            .groups
            .contains_key(&group)
            .then(|| self.whereis(group, &name));
        let heirs = self.heirs(group);
        if let Some(result) = here.filter(|found| found.is_some() || heirs.is_empty()) {
            let result = Ok(result);
            out.push(Output::NameFound { request, result });
            return Ok(());
        }
        let sought: usize = self.finding.values().map(Vec::len).sum();
        if sought >= FINDING_MAX {
            return Err(Refused::Overloaded);
        }
        let key = name_key(&group, &name);
        self.finding.entry(key).or_default().push(request);
        if !heirs.is_empty() {
            let trail = self.trail(Sought::Name(name), group, &heirs);
            self.follow(key, trail, now, out);
            return Ok(());
        }
        self.with_lookups(now, |lookups, routes, cx, said| {
            lookups.handle_find(Name(name), key, group, routes, cx, said);
        });
        Ok(())
    }

    /// What an earlier answer said of a name proved wrong: it is asked for anew next time.
    pub(super) fn forget_name(&mut self, group: GroupId, name: &[u8]) {
        self.purge(&name_key(&group, name));
    }

    /// A peer asks for a node, for a name, or for a service.
    pub(super) fn on_lookup(&mut self, from: Peer, lookup: Lookup, now: Time) {
        let name = lookup.name.as_ref();
        let holder = name.and_then(|name| {
            if name_key(&lookup.group, &name.0) == lookup.target {
                return self.whereis(lookup.group, &name.0);
            }
            let is_service = service_key(&lookup.group, &name.0) == lookup.target;
            is_service.then(|| self.provider_of(&lookup, &name.0))?
        });
        let heirs = self.heirs(lookup.group);
        self.with_lookups(now, |lookups, routes, cx, said| {
            let known = (holder.as_ref(), heirs.as_slice());
            lookups.handle_lookup_of(from, lookup, known, routes, cx, said);
        });
    }

    /// A name was found: whoever sought it is told.
    pub(super) fn on_name_found(&mut self, located: &Located, out: &mut Outputs) {
        let Some(signed) = &located.holding else {
            return;
        };
        let holding = &signed.holding;
        let claim = &holding.claim;
        if self.on_service_found(&holding.key, claim, out) {
            return;
        }
        let info = NameInfo {
            pid: Pid {
                node: holding.holder,
                boot: holding.boot,
                local: claim.local,
                home: Some(located.group),
            },
            priority: claim.priority,
            moves: claim.moves,
            lamport: claim.lamport,
            is_exported: claim.is_exported,
            metadata: claim.metadata.clone(),
        };
        self.answer_finders(&holding.key, &Ok(Some(info)), out);
    }

    /// A look-up failed; whether it was one of a name.
    pub(super) fn on_name_not_found(
        &mut self,
        target: &NodeId,
        error: LookupError,
        out: &mut Outputs,
    ) -> bool {
        let result = match error {
            LookupError::NotFound | LookupError::Gone => Ok(None),
            LookupError::Closed => Err(Unreachable::Closed),
            LookupError::Overloaded => Err(Unreachable::Overloaded),
            _ => Err(Unreachable::NoRoute),
        };
        self.on_service_not_found(target, &result, out) || self.answer_finders(target, &result, out)
    }

    pub(super) fn answer_finders(
        &mut self,
        key: &NodeId,
        result: &Result<Option<NameInfo>, Unreachable>,
        out: &mut Outputs,
    ) -> bool {
        let Some(requests) = self.finding.remove(key) else {
            return false;
        };
        out.extend(requests.into_iter().map(|request| Output::NameFound {
            request,
            result: result.clone(),
        }));
        true
    }
}
