//! The processes of one cluster: started, told what to do, heard, and ended by their handles.
//!
//! ```text
//!  to a node:  go · look · rest · register · find        from it:  up · sees N · found · failed WHY
//! ```
//! A NATS server knows none of these words: [`super::nats`] asks it over HTTP and says them for it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::kind::Kind;
use super::plan::Plan;
use super::{erlang, nats, procfs};
use crate::Failure;

/// Words of nodes that wait to be heard.
const HEARD_MAX: usize = 4_096;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long ended processes may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(10);

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Up,
    Sees(usize),
    Found,
    Failed(String),
    Ended,
}

/// What is waited for, at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) time: Duration,
    pub(super) memory_free_bytes: u64,
}

/// What was heard of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) is_up: bool,
    pub(super) sees: usize,
    pub(super) has_found: bool,
}

/// The running cluster; its processes are killed with it.
pub(super) struct Crew {
    pub(super) plan: Plan,
    pub(super) heard: Vec<Heard>,
    children: Vec<Child>,
    stdins: Vec<ChildStdin>,
    words: mpsc::Receiver<(usize, Word)>,
    /// Whether NATS servers are asked; nobody else listens.
    asking: watch::Sender<bool>,
    killed: Option<usize>,
    /// When the first node was started.
    pub(super) started: Instant,
    /// Erlang's port mapper, which is no node.
    mapper: Option<Child>,
    /// What nodes read their program or configuration from.
    _folder: TempDir,
    /// Who hears nodes, and asks servers.
    _tasks: JoinSet<()>,
}

impl Crew {
    /// Starts all nodes of the plan.
    ///
    /// # Errors
    /// A program is not installed, or did not start.
    pub(super) async fn start(plan: Plan) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mapper = match plan.kind {
            Kind::Erlang => Some(erlang::prepare(&folder).await?),
            _ => None,
        };
        let servers = match plan.kind {
            Kind::Nats => Some(nats::prepare(&plan, folder.path())?),
            _ => None,
        };
        let port = mapper.as_ref().map_or(0, |mapper| mapper.1);
        let (say, words) = mpsc::channel(HEARD_MAX);
        let (asking, asked) = watch::channel(true);
        let (mut children, mut stdins) = (Vec::new(), Vec::new());
        let mut tasks = JoinSet::new();
        let started = Instant::now();
        for place in 0..plan.nodes {
            let mut command = match plan.kind {
                Kind::Erlang => erlang::command(&folder, port, place),
                Kind::Nats => nats::command(folder.path(), place),
                _ => own(&plan, place)?,
            };
            let child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn();
            let mut child = child.map_err(|error| absent(plan.kind, &error))?;
            stdins.extend(child.stdin.take());
            if let Some(stdout) = child.stdout.take() {
                tasks.spawn(hear(place, stdout, say.clone()));
            }
            children.push(child);
        }
        if let Some(servers) = servers {
            for (place, monitor) in servers.into_iter().enumerate() {
                tasks.spawn(nats::ask(place, monitor, asked.clone(), say.clone()));
            }
        }
        Ok(Self {
            heard: vec![Heard::default(); plan.nodes],
            plan,
            children,
            stdins,
            words,
            asking,
            killed: None,
            started,
            mapper: mapper.map(|mapper| mapper.0),
            _folder: folder,
            _tasks: tasks,
        })
    }

    /// Tells every node.
    pub(super) async fn tell(&mut self, word: &str) {
        match word {
            "rest" => drop(self.asking.send(false)),
            "look" => drop(self.asking.send(true)),
            _ => {}
        }
        for place in 0..self.stdins.len() {
            self.tell_one(place, word).await;
        }
    }

    /// Tells one node. Who is gone does not hear it, and has said so.
    pub(super) async fn tell_one(&mut self, place: usize, word: &str) {
        if self.plan.kind == Kind::Nats {
            return;
        }
        if let Some(stdin) = self.stdins.get_mut(place) {
            let _ = stdin.write_all(format!("{word}\n").as_bytes()).await;
        }
    }

    /// Listens until that holds.
    ///
    /// # Errors
    /// Why it did not come to hold: out of time or memory, or a node failed.
    pub(super) async fn until(
        &mut self,
        limit: Limit,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), Failure> {
        let end = Instant::now() + limit.time;
        let mut look = Instant::now();
        while !holds(self) {
            let now = Instant::now();
            if now >= end {
                return Err(format!("not within {:.0} s", limit.time.as_secs_f64()).into());
            }
            if now >= look {
                look = now + LOOK;
                let free = procfs::available_bytes();
                if free < limit.memory_free_bytes {
                    let free = free as f64 / 1e9;
                    return Err(format!("the machine has {free:.1} GB of memory left").into());
                }
            }
            if let Ok(Some((place, word))) = tokio::time::timeout(LOOK, self.words.recv()).await {
                self.hear(place, word)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, place: usize, word: Word) -> Result<(), Failure> {
        let Some(heard) = self.heard.get_mut(place) else {
            return Ok(());
        };
        match word {
            Word::Up => heard.is_up = true,
            Word::Sees(others) => heard.sees = others,
            Word::Found => heard.has_found = true,
            Word::Failed(_) | Word::Ended if self.killed == Some(place) => {}
            Word::Failed(why) => return Err(format!("node {place}: {why}").into()),
            Word::Ended => return Err(format!("node {place} ended").into()),
        }
        Ok(())
    }

    /// Kills one node as a crash would.
    pub(super) fn kill(&mut self, place: usize) -> Result<(), Failure> {
        self.killed = Some(place);
        let child = self.children.get_mut(place).ok_or("no such node")?;
        Ok(child.start_kill()?)
    }

    /// The processes that are nodes.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.children.iter().filter_map(Child::id)
    }

    /// Ends all, and waits until they are gone.
    pub(super) async fn end(mut self) {
        for child in &mut self.children {
            let _ = child.start_kill();
        }
        let gone = async {
            for child in &mut self.children {
                let _ = child.wait().await;
            }
        };
        let _ = tokio::time::timeout(GONE_MAX, gone).await;
        if let Some(mapper) = &mut self.mapper {
            let _ = mapper.kill().await;
        }
    }
}

/// This program once more, as one node.
fn own(plan: &Plan, place: usize) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["node", "--place", &place.to_string(), "--plan"])
        .arg(serde_json::to_string(plan)?);
    Ok(command)
}

fn absent(kind: Kind, error: &std::io::Error) -> Failure {
    match kind {
        Kind::Nats => format!("nats-server: {error}; install it").into(),
        Kind::Erlang => format!("erl: {error}; install Erlang/OTP").into(),
        _ => format!("a node: {error}").into(),
    }
}

async fn hear(place: usize, stdout: tokio::process::ChildStdout, say: mpsc::Sender<(usize, Word)>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(word) = parse(&line)
            && say.send((place, word)).await.is_err()
        {
            return;
        }
    }
    let _ = say.send((place, Word::Ended)).await;
}

fn parse(line: &str) -> Option<Word> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("up", _) => Some(Word::Up),
        ("sees", others) => Some(Word::Sees(others.parse().ok()?)),
        ("found", _) => Some(Word::Found),
        ("failed", why) => Some(Word::Failed(why.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_and_anything_else_is_not() {
        assert_eq!(parse("up"), Some(Word::Up));
        assert_eq!(parse("sees 49"), Some(Word::Sees(49)));
        assert_eq!(parse("failed a b"), Some(Word::Failed("a b".to_owned())));
        assert_eq!((parse("sees"), parse("=ERROR REPORT")), (None, None));
    }
}
