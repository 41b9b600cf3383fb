//! The tables of what members say, as the live driver keeps them.

use archipelago_core::wire::Exit;
use archipelago_core::{GroupId, LocalId};
use archipelago_router::Command;
use archipelago_sgroup::registry::{RegistryChange, Table};

use super::Host;
use crate::net::Net;

impl Host {
    pub(super) fn on_registry(&mut self, group: GroupId, change: &RegistryChange) {
        self.tables.entry(group).or_default().apply(change);
    }

    /// What the members of a group say, as far as this node knows; `None` where it is not in it.
    pub(crate) fn table(&self, group: GroupId) -> Option<&Table> {
        let node = self.node.as_ref()?;
        node.members(group)?;
        self.tables.get(&group)
    }

    /// Leaves a group, and forgets what its members said.
    pub(crate) fn forget_group(&mut self, group: GroupId) {
        self.tables.remove(&group);
    }

    /// A mailbox of this process ends like this.
    pub(crate) fn end_mailbox(&mut self, local: LocalId, exit: Exit, net: &mut Net) {
        self.app.end_mailbox(local);
        let exit = Some(exit);
        // A node that is stopping takes everything back in any case.
        let _stopping = self.command(Command::ProcessEnded { local, exit }, net);
    }
}
