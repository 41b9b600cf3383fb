//! Verbs of names: what a node's processes ask, and what they believe.

use std::time::Duration;

use archipelago_core::{GroupId, LocalId, Time};
use archipelago_sgroup::names::{NameAct, NameInfo, Registration, Verdict};
use bytes::Bytes;

use super::{NodeIx, World};
use crate::host::{Belief, FoundName, NameLoad, NameNotice, NameResult};

/// A request about a name: of which node, and its number there.
pub type NameRequest = (NodeIx, u64);

impl World {
    /// A process of `node` claims a name; mailboxes are numbers here, and need not be made.
    pub fn register(&mut self, node: NodeIx, group: GroupId, asked: Registration) -> NameRequest {
        self.name_act(node, group, NameAct::Register(asked))
    }

    /// `node` withdraws its claim on a name.
    pub fn unregister(&mut self, node: NodeIx, group: GroupId, name: &[u8]) -> NameRequest {
        let name = Bytes::copy_from_slice(name);
        self.name_act(node, group, NameAct::Unregister { name })
    }

    /// A process of `node` decides about a name that it lost.
    pub fn resolve_name(
        &mut self,
        node: NodeIx,
        group: GroupId,
        name: &[u8],
        verdict: Verdict,
    ) -> NameRequest {
        let name = Bytes::copy_from_slice(name);
        self.name_act(node, group, NameAct::Resolve { name, verdict })
    }

    /// A process of `node` that claims names ends; it need not have a mailbox.
    pub fn end_claimant(&mut self, node: NodeIx, local: LocalId) {
        self.with(node, |host, net| {
            host.end_claimant(local, net);
            host.settle(net);
        });
        self.collect();
    }

    /// `node` asks who holds a name in any group.
    pub fn find_name(&mut self, node: NodeIx, group: GroupId, name: &[u8]) -> NameRequest {
        let name = Bytes::copy_from_slice(name);
        let request = self.with(node, |host, net| {
            let request = host.find_name(group, name, net);
            host.settle(net);
            request
        });
        self.collect();
        (node, request)
    }

    /// What it was answered, and when.
    pub fn name_found(&self, (node, request): NameRequest) -> Option<(Time, FoundName)> {
        let claims = self.host(node).claims.as_ref()?;
        claims.found.get(&request).cloned()
    }

    /// How a request ended; `None` while it is under way, or when its process is gone.
    pub fn name_result(&self, (node, request): NameRequest) -> Option<NameResult> {
        let claims = self.host(node).claims.as_ref()?;
        claims.done.get(&request).map(|(_, result)| result.clone())
    }

    /// Whether a request is under way.
    pub fn is_name_waiting(&self, (node, request): NameRequest) -> bool {
        let claims = self.host(node).claims.as_ref();
        claims.is_some_and(|claims| claims.is_waiting(request))
    }

    /// Who holds a name, as `node` sees it.
    pub fn whereis(&self, node: NodeIx, group: GroupId, name: &[u8]) -> Option<NameInfo> {
        self.node(node)?.whereis(group, name)
    }

    /// What processes of `node` believe to hold, or to stand by for.
    pub fn name_beliefs(&self, node: NodeIx) -> Vec<(GroupId, Bytes, Belief)> {
        let beliefs = self.host(node).claims.iter();
        let beliefs = beliefs.flat_map(|claims| &claims.beliefs);
        beliefs
            .map(|((group, name), belief)| (*group, name.clone(), *belief))
            .collect()
    }

    /// What processes of `node` were told of a name, in order.
    pub fn name_notices(&self, node: NodeIx, group: GroupId, name: &[u8]) -> Vec<NameNotice> {
        let notices = self.host(node).claims.iter();
        let notices = notices.flat_map(|claims| &claims.notices);
        notices
            .filter(|(_, of, about, _)| *of == group && about == name)
            .map(|(_, _, _, notice)| notice.clone())
            .collect()
    }

    /// So many processes of `node` register and unregister names of their own, each as fast as it
    /// is answered, for so long.
    pub fn start_names(&mut self, node: NodeIx, group: GroupId, workers: u32, duration: Duration) {
        let until = self.now().after(duration);
        self.with(node, |host, net| {
            host.start_names(group, workers, until, net);
            host.settle(net);
        });
        self.collect();
    }

    /// How that went.
    pub fn name_load(&self, node: NodeIx) -> NameLoad {
        let claims = self.host(node).claims.as_ref();
        claims.map(|claims| claims.load.clone()).unwrap_or_default()
    }

    fn name_act(&mut self, node: NodeIx, group: GroupId, act: NameAct) -> NameRequest {
        let request = self.with(node, |host, net| {
            let request = host.name_act(group, act, net);
            host.settle(net);
            request
        });
        self.collect();
        (node, request)
    }
}
