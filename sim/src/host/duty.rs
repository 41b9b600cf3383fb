//! What every member of a group is to run, as a driver keeps it: runs that last until they are
//! stopped or a test ends them.

use archipelago_core::GroupId;
use archipelago_router::Command;
use archipelago_sgroup::duty::{DutyCommand, DutyOutput, RunEnd};
use bytes::Bytes;

use super::Host;
use crate::net::Net;

/// One run on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyRun {
    /// Of which group's duty.
    pub group: GroupId,
    /// Of which name.
    pub name: Bytes,
    /// The node's number for it.
    pub run: u64,
    /// As it was started.
    pub arguments: Bytes,
}

impl Host {
    pub(super) fn on_duty(&mut self, group: GroupId, output: DutyOutput) {
        match output {
            DutyOutput::Start {
                name,
                run,
                arguments,
            } => self.runs.push(DutyRun {
                group,
                name,
                run,
                arguments,
            }),
            DutyOutput::Stop { name, run } => {
                self.runs.retain(|one| one.run != run || one.group != group);
                let end = RunEnd::Stopped;
                self.ended.push((group, DutyCommand::Ended { name, run, end }));
            }
            _ => {}
        }
    }

    /// A run ends by itself.
    pub(crate) fn end_run(&mut self, ended: &DutyRun, end: RunEnd, net: &mut Net) {
        self.runs.retain(|one| one != ended);
        let (name, run) = (ended.name.clone(), ended.run);
        self.ended.push((ended.group, DutyCommand::Ended { name, run, end }));
        self.tell_ended(net);
    }

    /// Tells the machine of runs that have ended.
    pub(super) fn tell_ended(&mut self, net: &mut Net) {
        while let Some((group, ended)) = self.ended.pop() {
            // A group that was left meanwhile wants to know nothing.
            let _left = self.command(Command::Duty(group, ended), net);
        }
    }
}
