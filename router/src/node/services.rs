//! Services of any group: who offers one to nodes outside of it.
//!
//! A service is sought as a name is, under a key of its own, by the same machine with the same cache
//! and flights. The reflector that answers names one provider, to whom it opens the door, and in
//! the answer's metadata up to 16, least busy first, so that who asks has a choice; the others are
//! looked up when they are written to.

use archipelago_core::wire::{
    Lookup, Name, NameClaim, PROVIDERS_MAX, Provider, Providers, service_key,
};
use archipelago_core::{GroupId, NodeId, Pid, Time};
use archipelago_sgroup::names::NameInfo;
use bytes::Bytes;

use super::{Node, Output, Outputs, Refused, Unreachable};
use crate::regroup::trail::Sought;

/// Services that are sought at once by users of this node; beyond it they are refused.
const SEEKING_MAX: usize = 4_096;

impl Node {
    /// Seeks who offers a service; answered by [`Output::ServiceFound`].
    pub(super) fn find_service(
        &mut self,
        group: GroupId,
        service: Bytes,
        request: u64,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let here = self.groups.contains_key(&group);
        let here = here.then(|| self.exported_providers(group, &service, self.base.me));
        let heirs = self.heirs(group);
        if let Some(found) = here.filter(|found| !found.is_empty() || heirs.is_empty()) {
            let result = Ok(found);
            out.push(Output::ServiceFound { request, result });
            return Ok(());
        }
        let sought: usize = self.seeking.values().map(Vec::len).sum();
        if sought >= SEEKING_MAX {
            return Err(Refused::Overloaded);
        }
        let key = service_key(&group, &service);
        self.seeking.entry(key).or_default().push(request);
        if !heirs.is_empty() {
            let trail = self.trail(Sought::Service(service), group, &heirs);
            self.follow(key, trail, now, out);
            return Ok(());
        }
        self.with_lookups(now, |lookups, routes, cx, said| {
            lookups.handle_find(Name(service), key, group, routes, cx, said);
        });
        Ok(())
    }

    /// What an earlier answer said proved wrong: it is asked for anew next time.
    pub(super) fn forget_service(&mut self, group: GroupId, service: &[u8]) {
        if let Some(lookups) = &mut self.lookups {
            lookups.handle_purge(&service_key(&group, service));
        }
    }

    /// The provider that this node names to who asks, and with it others; as a name's holder.
    pub(super) fn provider_of(&self, lookup: &Lookup, service: &[u8]) -> Option<NameInfo> {
        let all = self.exported_providers(lookup.group, service, lookup.requester);
        let first = all.first()?;
        Some(NameInfo {
            pid: Pid {
                node: first.node,
                boot: first.boot,
                local: first.local,
                home: Some(lookup.group),
            },
            priority: 0,
            moves: 0,
            lamport: 0,
            is_exported: true,
            metadata: Providers::truncated(all).to_bytes(),
        })
    }

    /// Providers were found: whoever sought them is told. Whether that was what was sought.
    pub(super) fn on_service_found(
        &mut self,
        key: &NodeId,
        claim: &NameClaim,
        out: &mut Outputs,
    ) -> bool {
        if !self.seeking.contains_key(key) {
            return false;
        }
        // A reflector that says nonsense says of nobody that it offers the service.
        let all = Providers::from_bytes(&claim.metadata).unwrap_or_default();
        self.answer_seekers(key, &Ok(all.into_vec()), out)
    }

    /// A look-up failed; whether it was one of a service.
    pub(super) fn on_service_not_found(
        &mut self,
        key: &NodeId,
        result: &Result<Option<NameInfo>, Unreachable>,
        out: &mut Outputs,
    ) -> bool {
        let result = result.as_ref().map(|_| Vec::new()).map_err(|error| *error);
        self.answer_seekers(key, &result, out)
    }

    pub(super) fn answer_seekers(
        &mut self,
        key: &NodeId,
        result: &Result<Vec<Provider>, Unreachable>,
        out: &mut Outputs,
    ) -> bool {
        let Some(requests) = self.seeking.remove(key) else {
            return false;
        };
        out.extend(requests.into_iter().map(|request| Output::ServiceFound {
            request,
            result: result.clone(),
        }));
        true
    }

    pub(super) fn exported_providers(
        &self,
        group: GroupId,
        service: &[u8],
        asks: NodeId,
    ) -> Vec<Provider> {
        let Some(group) = self.groups.get(&group) else {
            return Vec::new();
        };
        let peers = &self.base.peers;
        let mut all = group.exported_providers(service, asks.prefix(), peers);
        all.truncate(PROVIDERS_MAX);
        all
    }
}
