//! Verbs for what members say without a contest, and the tables that they read.

use archipelago_core::wire::Exit;
use archipelago_core::{GroupId, Pid};
use archipelago_router::{Command, Refused};
use archipelago_sgroup::registry::{RegistryCommand, Table};
use bytes::Bytes;

use super::{NodeIx, World};

impl World {
    /// A running node says something in a group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn say(
        &mut self,
        node: NodeIx,
        group: GroupId,
        said: RegistryCommand,
    ) -> Result<(), Refused> {
        self.command(node, Command::Registry(group, said))
    }

    /// A mailbox of a running node joins a process group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn join_process_group(
        &mut self,
        pid: Pid,
        group: GroupId,
        name: &'static str,
    ) -> Result<(), Refused> {
        let name = Bytes::from_static(name.as_bytes());
        let local = pid.local;
        let said = RegistryCommand::JoinProcessGroup { name, local };
        self.say(self.node_of(&pid.node), group, said)
    }

    /// The mailbox of a running node ends, and everything that was said of it.
    pub fn end_mailbox(&mut self, pid: Pid) {
        self.end_process(pid, Exit::Normal);
    }

    /// What the members of a group say, as a node reads it; `None` where it is not in the group, or
    /// has not heard anything.
    pub fn table(&self, node: NodeIx, group: GroupId) -> Option<&Table> {
        self.host(node).table(group)
    }
}
