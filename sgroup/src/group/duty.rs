//! What every member is to run, as part of the group.

use archipelago_core::Context;
use bytes::Bytes;

use super::{Group, GroupOutput, GroupOutputs};
use crate::duty::{self, DutyCommand, DutyError, Surroundings};
use crate::join::Phase;
use crate::log::LogChange;

impl Group {
    /// Declares or withdraws what every member is to run, or says what this node knows to run and
    /// how its runs end. Told by [`GroupOutput::Duty`].
    ///
    /// # Errors
    /// [`DutyError`]; nothing changed.
    pub fn handle_duty(
        &mut self,
        command: DutyCommand,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> Result<(), DutyError> {
        let duties = self.duties.get_or_insert_default();
        duties.handle(command, &mut self.logs, cx)?;
        self.settle(Vec::new(), cx, out);
        Ok(())
    }

    /// What every member is to run, in order, with arguments.
    pub fn duties(&self) -> Vec<(Bytes, Bytes)> {
        let declared = self.duties.iter().flat_map(|duties| duties.declared());
        declared
            .map(|(name, arguments)| (name.clone(), arguments.clone()))
            .collect()
    }

    /// Keys of a member's log changed; passes over those that are no duties.
    pub(super) fn on_duties_told(&mut self, changes: &[LogChange]) {
        let changes = changes.iter().map(|c| (&c.key, c.value.as_ref()));
        let (heard, mut unread) = duty::read(changes);
        for (name, duty) in heard {
            let duties = self.duties.get_or_insert_default();
            unread += u32::from(!duties.on_heard(name, duty));
        }
        self.logs.count_unread(unread);
    }

    pub(super) fn settle_duties(&mut self, cx: &Context<'_>, out: &mut GroupOutputs) {
        let Some(duties) = &mut self.duties else {
            return;
        };
        let members = self.view.present();
        let mut around = Surroundings {
            is_up: self.phase == Phase::Up,
            view_hash: self.view.hash(),
            others: &mut members.map(|member| cx.peers.id(member.peer).prefix()),
        };
        let mut said = Vec::new();
        duties.settle(&mut around, &mut self.logs, cx, &mut said);
        out.extend(said.into_iter().map(GroupOutput::Duty));
    }

    /// The group is left: nothing of it runs any more.
    pub(super) fn stop_duties(&mut self, out: &mut GroupOutputs) {
        if let Some(duties) = &mut self.duties {
            let mut said = Vec::new();
            duties.stop_all(&mut said);
            out.extend(said.into_iter().map(GroupOutput::Duty));
        }
    }
}
