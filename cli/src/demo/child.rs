//! The member that lives in a process of its own, seen from the demo: started, stopped by a
//! signal, continued, and gone with its handle.

use archipelago::NodeId;

use crate::live::process::{Process, ProcessError};
use crate::member::{MemberConfig, MemberStatus};

/// A running child.
#[derive(Debug)]
pub(crate) struct MemberProcess {
    pub(crate) process: Process,
    /// Who it is and where it listens.
    pub(crate) status: MemberStatus,
}

impl MemberProcess {
    /// Starts this same program as a member and waits until it listens.
    pub(crate) async fn start(config: &MemberConfig) -> Result<Self, ProcessError> {
        let mut process = Process::start(&["member"])?;
        let status = process.ask(config).await?;
        Ok(Self { process, status })
    }

    /// Asks for its status now.
    pub(crate) async fn refresh(&mut self) -> Result<usize, ProcessError> {
        self.status = self.process.ask(&"").await?;
        Ok(self.status.sessions)
    }

    /// Who it is.
    pub(crate) const fn id(&self) -> NodeId {
        NodeId(self.status.node)
    }
}
