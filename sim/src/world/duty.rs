//! Verbs for what every member of a group is to run, and the runs there are.

use archipelago_core::GroupId;
use archipelago_router::{Command, Refused};
use archipelago_sgroup::duty::{DutyCommand, RunEnd};

use super::{NodeIx, World};
use crate::host::DutyRun;

impl World {
    /// A running node declares, withdraws or offers to run something in a group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn duty(
        &mut self,
        node: NodeIx,
        group: GroupId,
        said: DutyCommand,
    ) -> Result<(), Refused> {
        self.command(node, Command::Duty(group, said))
    }

    /// What runs on a node, in the order of the starts.
    pub fn runs(&self, node: NodeIx) -> &[DutyRun] {
        &self.host(node).runs
    }

    /// A run of a node ends by itself.
    pub fn end_run(&mut self, node: NodeIx, run: &DutyRun, end: RunEnd) {
        self.with(node, |host, net| {
            host.end_run(run, end, net);
            host.settle(net);
        });
        self.collect();
    }
}
