//! What this node says into the group without a contest, and what it hears of that kind.

use archipelago_core::wire::Provider;
use archipelago_core::{Boot, Context, LocalId, NodeId, Peer, Peers};

use super::{Group, GroupOutput, GroupOutputs};
use crate::log::LogChange;
use crate::registry::{self, Entry, RegistryChange, RegistryCommand, RegistryError};
use crate::view::rendezvous;

impl Group {
    /// Says something to all members, until it is said otherwise or this node is gone. The change
    /// is told ([`GroupOutput::Registry`]) at once here, and at the others when they hear it.
    ///
    /// Pids are of this node's start: say nothing of processes before the start is final. Whether
    /// a process exists, the caller has looked, and says when it ends
    /// ([`Group::handle_process_ended`]).
    ///
    /// # Errors
    /// [`RegistryError`]; nothing changed.
    pub fn handle_registry(
        &mut self,
        command: RegistryCommand,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> Result<(), RegistryError> {
        let registry = self.registry.get_or_insert_default();
        let entries = registry.handle(command, &mut self.logs, cx)?;
        self.tell_own(entries, cx, out);
        self.settle(Vec::new(), cx, out);
        Ok(())
    }

    /// Who offers a service to nodes outside of the group, the least busy first; of equally busy ones
    /// those come first that `seed` is drawn to. O(members · log entries).
    pub fn exported_providers(&self, service: &[u8], seed: u64, peers: &Peers) -> Vec<Provider> {
        let own = self.logs.own().into_iter().flat_map(|log| {
            let (me, boot) = (self.id_of_me(), self.view.own().boot);
            let all = registry::exported_by_own(log, service).into_iter();
            all.map(move |offer| provider(me, boot, offer))
        });
        let others = self.view.present().filter_map(|member| {
            let log = self.logs.peer(member.peer)?;
            let (node, boot) = (peers.id(member.peer), log.epoch().0);
            let all = registry::exported_by_peer(log, service).into_iter();
            Some(all.map(move |offer| provider(node, boot, offer)))
        });
        let mut all: Vec<Provider> = own.chain(others.flatten()).collect();
        all.sort_by_key(|one| (one.load, rendezvous(seed, one.node.prefix()), *one));
        all
    }

    /// Takes back what was said of a process of this node.
    pub(super) fn on_process_ended(
        &mut self,
        local: LocalId,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if let Some(registry) = &mut self.registry {
            let entries = registry.handle_process_ended(local, &mut self.logs, cx);
            self.tell_own(entries, cx, out);
        }
    }

    /// Says what was held back.
    pub(super) fn on_registry_due(&mut self, cx: &Context<'_>, out: &mut GroupOutputs) {
        if let Some(registry) = &mut self.registry
            && registry.next() <= cx.now
        {
            let entries = registry.poll(&mut self.logs, cx);
            self.tell_own(entries, cx, out);
        }
    }

    /// Keys of a member's log changed; passes over those that are no entries.
    pub(super) fn on_registry_told(
        &mut self,
        owner: Peer,
        changes: &[LogChange],
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let changes = changes.iter().map(|c| (&c.key, c.value.as_ref()));
        let (entries, unread) = registry::read(changes);
        self.logs.count_unread(unread);
        if entries.is_empty() {
            return;
        }
        // Where the log is gone, all entries are, and the start means nothing.
        let boot = self.logs.epoch(owner).map(|(boot, _)| boot);
        out.push(GroupOutput::Registry(RegistryChange {
            owner: cx.peers.id(owner),
            boot: boot.unwrap_or_default(),
            entries,
        }));
    }

    fn tell_own(&self, entries: Vec<Entry>, cx: &Context<'_>, out: &mut GroupOutputs) {
        if !entries.is_empty() {
            out.push(GroupOutput::Registry(RegistryChange {
                owner: cx.me,
                boot: self.view.own().boot,
                entries,
            }));
        }
    }
}

const fn provider(node: NodeId, boot: Boot, (local, load): (LocalId, u32)) -> Provider {
    Provider {
        load,
        node,
        boot,
        local,
    }
}
