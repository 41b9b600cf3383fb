//! What is said in groups without a contest, and what all their members run, handed to them.

use archipelago_core::{GroupId, Time};
use archipelago_sgroup::duty::DutyCommand;
use archipelago_sgroup::registry::RegistryCommand;

use super::{Node, Refused};

impl Node {
    pub(super) fn duty(
        &mut self,
        group: GroupId,
        said: DutyCommand,
        now: Time,
    ) -> Result<(), Refused> {
        let mut result = Err(Refused::UnknownGroup);
        self.with_group(group, now, |group, cx, out| {
            result = group.handle_duty(said, cx, out).map_err(Refused::from);
        });
        result
    }

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
}
