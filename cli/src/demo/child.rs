//! The member that lives in a process of its own, seen from the demo: started, stopped by a
//! signal, continued, and gone with its handle.

use std::process::Stdio;

use archipelago::NodeId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::member::{MemberConfig, MemberStatus};

/// A running child.
#[derive(Debug)]
pub(crate) struct MemberProcess {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Who it is and where it listens.
    pub(crate) status: MemberStatus,
}

/// The child could not be run or did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    #[error("the member's process: {0}")]
    Process(#[from] std::io::Error),
    #[error("the member's process said something else than its status: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("the member's process ended before it said anything")]
    Ended,
    #[error("the member's process cannot be signalled: {0}")]
    Signal(#[from] rustix::io::Errno),
}

impl MemberProcess {
    /// Starts this same program as a member and waits until it is in its groups.
    pub(crate) async fn start(config: &MemberConfig) -> Result<Self, ChildError> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("member")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ChildError::Ended);
        };
        let mut member = Self {
            process,
            stdin,
            lines: BufReader::new(stdout).lines(),
            status: MemberStatus {
                node: [0; 32],
                address: String::new(),
                sessions: 0,
            },
        };
        let config = serde_json::to_string(config)?;
        member.status = member.ask(&config).await?;
        Ok(member)
    }

    /// Asks for its status now.
    pub(crate) async fn refresh(&mut self) -> Result<usize, ChildError> {
        self.status = self.ask("").await?;
        Ok(self.status.sessions)
    }

    /// Who it is.
    pub(crate) const fn id(&self) -> NodeId {
        NodeId(self.status.node)
    }

    /// SIGSTOP: alive, silent, its sockets open.
    pub(crate) fn stop(&self) -> Result<(), ChildError> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn continue_(&self) -> Result<(), ChildError> {
        self.signal(Signal::CONT)
    }

    async fn ask(&mut self, line: &str) -> Result<MemberStatus, ChildError> {
        self.stdin.write_all(line.as_bytes()).await?;
        self.stdin.write_all(b"\n").await?;
        self.stdin.flush().await?;
        let answer = self.lines.next_line().await?.ok_or(ChildError::Ended)?;
        Ok(serde_json::from_str(&answer)?)
    }

    fn signal(&self, signal: Signal) -> Result<(), ChildError> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw).ok_or(ChildError::Ended)?;
        Ok(kill_process(pid, signal)?)
    }
}
