//! What this node says into the group without a contest, and what it hears of that kind.

use archipelago_core::{Context, LocalId, Peer};

use super::{Group, GroupOutput, GroupOutputs};
use crate::log::LogChange;
use crate::registry::{self, Entry, RegistryChange, RegistryCommand, RegistryError};

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
        let boot = self.logs.peer(owner).map(|log| log.epoch().0);
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
