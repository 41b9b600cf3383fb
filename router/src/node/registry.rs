//! What is said in groups without a contest, handed to them.

use archipelago_core::{GroupId, LocalId, Time};
use archipelago_sgroup::registry::RegistryCommand;

use super::{Node, Refused};

impl Node {
    pub(super) fn say(
        &mut self,
        group: GroupId,
        said: RegistryCommand,
        now: Time,
    ) -> Result<(), Refused> {
        let mut result = Err(Refused::UnknownGroup);
        self.with_group(group, now, |group, cx, out| {
            result = group.handle_registry(said, cx, out).map_err(Refused::from);
        });
        result
    }

    pub(super) fn end_mailbox(&mut self, local: LocalId, now: Time) {
        self.with_groups(now, |group, cx, out| {
            let said = RegistryCommand::MailboxEnded { local };
            let ended = group.handle_registry(said, cx, out);
            debug_assert!(ended.is_ok(), "taking back is never refused");
        });
    }
}
