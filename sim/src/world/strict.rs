//! Verbs for strict names; what becomes of them is in the log, as
//! [`Observation::Strict`](crate::Observation::Strict).

use std::time::Duration;

use archipelago_core::{GroupId, LocalId, Pid, Time};
use archipelago_router::{Command, Refused};
use archipelago_sgroup::StrictAct;
use bytes::Bytes;

use super::{NodeIx, World};

impl World {
    /// A mailbox of a running node asks for a strict name, for so long at most.
    ///
    /// # Errors
    /// What the node answers.
    pub fn claim_strict(
        &mut self,
        pid: Pid,
        group: GroupId,
        name: &Bytes,
        patience: Duration,
    ) -> Result<(), Refused> {
        let act = StrictAct::Claim {
            name: name.clone(),
            holder: pid.local,
            patience,
        };
        self.command(self.node_of(&pid.node), Command::Strict { group, act })
    }

    /// A running node lets a strict name go.
    ///
    /// # Errors
    /// What the node answers.
    pub fn release_strict(
        &mut self,
        node: NodeIx,
        group: GroupId,
        name: &Bytes,
    ) -> Result<(), Refused> {
        let name = name.clone();
        let act = StrictAct::Release { name };
        self.command(node, Command::Strict { group, act })
    }

    /// Which mailbox of a running node holds a strict name now, under which fence and until when;
    /// `None`: none does.
    pub fn tenure(
        &self,
        node: NodeIx,
        group: GroupId,
        name: &Bytes,
    ) -> Option<(LocalId, u64, Time)> {
        self.node(node)?.tenure(group, name, self.now())
    }
}
