//! Starting processes that outlive whoever started them: nodes, one per process.
//!
//! A [`Launcher`] starts one; a [`Launched`] names it for good, by its pid and the moment of its
//! start, so that a pid which the system has given to another since is never signalled. It may be
//! written to a file and used by a later process. Programs are argument vectors throughout: no
//! shell reads them.
//!
//! Linux: processes are looked up in `/proc`, and signalled through a descriptor (`pidfd`) that
//! cannot come to mean another one between the look and the signal.

mod command;

pub use command::{CommandTemplate, TemplateError};

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is called, for people and templates.
    pub name: String,
    /// The program and its arguments; at least one.
    pub arguments: Vec<String>,
    /// Where its output and errors go, appended; made if it is not there.
    pub log: PathBuf,
}

/// A process, named for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// Its pid.
    pub pid: u32,
    /// When it started, in the kernel's ticks since the machine did.
    pub started: u64,
}

/// A process was not started, and nothing is running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// It has no program.
    #[error("there is nothing to run")]
    Empty,
    /// The operating system said no.
    #[error("{program} cannot be run: {source}")]
    Spawn {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Its template does not fit.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// What starts processes: on this machine, or by a command that does so elsewhere.
pub trait Launcher: Send {
    /// Starts a program as a process that outlives this one.
    ///
    /// # Errors
    /// [`LaunchError`]; nothing is running.
    fn launch(&self, program: &Program) -> Result<Launched, LaunchError>;

    /// Takes note of children that have ended, so that the system forgets them. Call it now and
    /// then.
    fn reap(&self) {}

    /// Tells a process of this launcher to read its files anew. Whether it could be told: not one
    /// that runs elsewhere, by a command that would take the signal for its own. Default: no.
    fn tell(&self, launched: &Launched) -> bool {
        let _ = launched;
        false
    }
}

/// Starts processes on this machine, each in a process group of its own: a signal to the group of
/// its starter, as a terminal sends it, does not reach it, and it lives on when its starter ends.
#[derive(Debug, Default)]
pub struct LocalLauncher {
    children: Mutex<Vec<Child>>,
}

impl LocalLauncher {
    /// One that has started nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Launcher for LocalLauncher {
    fn launch(&self, program: &Program) -> Result<Launched, LaunchError> {
        let (first, arguments) = program.arguments.split_first().ok_or(LaunchError::Empty)?;
        let failed = |source| LaunchError::Spawn {
            program: first.clone(),
            source,
        };
        let log = File::options().create(true).append(true).open(&program.log);
        let log = log.map_err(failed)?;
        let mut child = Command::new(first)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let Some(launched) = Launched::of(child.id()) else {
            // A child is in /proc until it is waited for, so this is no Linux.
            let _ = child.kill().and_then(|()| child.wait());
            return Err(failed(io::ErrorKind::Unsupported.into()));
        };
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.push(child);
        Ok(launched)
    }

    fn reap(&self) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn tell(&self, launched: &Launched) -> bool {
        launched.hang_up()
    }
}

impl Launched {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        let (_, started) = stat(pid)?;
        Some(Self { pid, started })
    }

    /// This process.
    pub fn me() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it runs: the very one, not another with its pid, and not one that has ended and was
    /// not waited for.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state != 'Z')
    }

    /// Asks it to end in good order (SIGTERM). Whether it was there to be asked.
    pub fn terminate(&self) -> bool {
        self.signal(Signal::TERM)
    }

    /// Asks it to read its files anew (SIGHUP), which ends a program that does not know of that.
    /// Whether it was there to be asked.
    pub fn hang_up(&self) -> bool {
        self.signal(Signal::HUP)
    }

    /// Ends it at once (SIGKILL). Whether it was there.
    pub fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let descriptor = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        // Looked at after it was opened: the descriptor means this one whatever happens now.
        descriptor.is_some_and(|descriptor| {
            self.is_alive() && pidfd_send_signal(descriptor, signal).is_ok()
        })
    }
}

/// State and start of a process, from `/proc` (proc_pid_stat(5): fields 3 and 22; the second, its
/// name in parentheses, may hold anything).
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeping(name: &str) -> (LocalLauncher, Launched) {
        let log = format!("archipelago-launcher-{name}-{}", std::process::id());
        let program = Program {
            name: name.to_owned(),
            arguments: ["sleep", "60"].map(str::to_owned).to_vec(),
            log: std::env::temp_dir().join(log),
        };
        let launcher = LocalLauncher::new();
        let launched = launcher.launch(&program).unwrap();
        std::fs::remove_file(program.log).unwrap();
        (launcher, launched)
    }

    #[test]
    fn u14_a_process_is_started_seen_and_ended() {
        let (launcher, launched) = sleeping("ended");
        assert!(launched.is_alive());
        assert!(launched.terminate());
        while launched.is_alive() {
            std::thread::yield_now();
        }
        assert!(!launched.kill(), "there is nobody to end");
        launcher.reap();
    }

    /// A pid that means another process by now is neither alive nor signalled.
    #[test]
    fn u14_a_reused_pid_is_never_killed() {
        let (_launcher, launched) = sleeping("reused");
        let earlier = Launched {
            started: launched.started - 1,
            ..launched
        };
        assert!(!earlier.is_alive());
        assert!(!earlier.kill() && !earlier.terminate());
        assert!(launched.is_alive());
        assert!(launched.kill());
    }

    #[test]
    fn what_cannot_be_run_is_an_error() {
        let program = Program {
            name: "nothing".to_owned(),
            arguments: vec!["/does/not/exist".to_owned()],
            log: "/dev/null".into(),
        };
        let failed = LocalLauncher::new().launch(&program);
        assert!(matches!(failed, Err(LaunchError::Spawn { .. })));
    }
}
