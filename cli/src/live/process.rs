//! This same program as another process, which reads a line of JSON and answers with one.

use std::io::{BufRead, Write};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running process. It ends when its standard input does, and is killed with this value.
#[derive(Debug)]
pub(crate) struct Process {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The process could not be run or did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("another process of this program: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("another process of this program said something else than it was asked: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("another process of this program ended before it answered{0}")]
    Ended(String),
    #[error("another process of this program cannot be signalled: {0}")]
    Signal(#[from] rustix::io::Errno),
}

/// The other side of it: answers each line of the standard input with one, until that ends.
///
/// # Errors
/// Those of the pipes, and the first of `obey`: nothing is answered after it.
pub(crate) async fn serve<E: From<std::io::Error>>(
    mut obey: impl AsyncFnMut(&str) -> Result<String, E>,
) -> Result<(), E> {
    // Blocking reads are harmless here: what is hosted runs on other threads.
    for line in std::io::stdin().lock().lines() {
        let answer = obey(&line?).await?;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

impl Process {
    /// Starts this program with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, ProcessError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A terminal's Ctrl-C is for the first process alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ProcessError::Ended(String::new()));
        };
        Ok(Self {
            process,
            stdin,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// Says a line, and reads the answer.
    ///
    /// Not cancel safe: the answer to a question that was dropped is taken for that of the next.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &mut self,
        question: &impl Serialize,
    ) -> Result<A, ProcessError> {
        self.say(question).await?;
        self.hear().await
    }

    /// Says a line; [`Process::hear`] reads the answer.
    pub(crate) async fn say(&mut self, question: &impl Serialize) -> Result<(), ProcessError> {
        let mut line = serde_json::to_string(question)?;
        line.push('\n');
        let written = self.write(&line).await;
        written.map_err(|error| self.ended().unwrap_or(ProcessError::Pipe(error)))
    }

    /// Reads a line.
    pub(crate) async fn hear<A: DeserializeOwned>(&mut self) -> Result<A, ProcessError> {
        match self.lines.next_line().await? {
            Some(answer) => Ok(serde_json::from_str(&answer)?),
            None => Err(self.ended().unwrap_or(ProcessError::Ended(String::new()))),
        }
    }

    async fn write(&mut self, line: &str) -> std::io::Result<()> {
        self.stdin.write_all(line.as_bytes()).await?;
        self.stdin.flush().await
    }

    /// That it has ended, and how.
    fn ended(&mut self) -> Option<ProcessError> {
        let status = self.process.try_wait().ok()??;
        Some(ProcessError::Ended(format!(": {status}")))
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// SIGSTOP: alive, silent, its sockets open.
    pub(crate) fn stop(&self) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn continue_(&self) -> Result<(), ProcessError> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL: gone without a word.
    pub(crate) fn kill(&self) -> Result<(), ProcessError> {
        self.signal(Signal::KILL)
    }

    /// Ends it in good order, and waits for that.
    pub(crate) async fn end(self) {
        let Self {
            mut process, stdin, ..
        } = self;
        drop(stdin);
        // If it cannot be waited for, it is killed with its handle.
        let _ = process.wait().await;
    }

    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| ProcessError::Ended(String::new()))?;
        Ok(kill_process(pid, signal)?)
    }
}
