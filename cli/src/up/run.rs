//! The master: looks after the nodes of a cluster until it is told to stop looking.
//!
//! It starts what is not there, starts again what ends ([`History`] says when), and leaves alone
//! what runs, whoever started it: a master that comes back finds its nodes by the state file, and
//! tells them what its file says anew. When it goes, by a signal or by a crash, the nodes stay.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use archipelago::{Launched, Launcher, Program};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::hangup::Hangup;
use super::hold::Hold;
use super::node::NodeConfig;
use super::reload::{self, Reloaded, ReloadedNode, Wish};
use super::retold::Taken;
use super::state::{Folder, NodeState, State};
use super::supervisor::{History, Verdict};
use super::{UpError, layout, stop};
use crate::cluster::{self, Plan};

/// How often the master looks at the nodes.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// How long nodes may take to answer what they are told anew, all together.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const ANSWER_LOOK_PERIOD: Duration = Duration::from_millis(20);

const UNREACHABLE: &str =
    "it runs by a command that cannot be told: end it, and it is started again by the file";

/// A master at work.
pub(super) struct Master<'a> {
    /// The cluster file.
    cluster: PathBuf,
    plan: Plan,
    folder: &'a Folder,
    launcher: Box<dyn Launcher>,
    program: String,
    grace: Duration,
    state: State,
    histories: Vec<History>,
    begun: Instant,
    hangup: Hangup,
    /// Given back when everything else is done.
    _hold: Hold,
}

impl<'a> Master<'a> {
    /// Takes over what runs, tells it what the file says, and stops what the plan does not have any
    /// more.
    ///
    /// # Errors
    /// [`UpError::Running`] where another master looks after this cluster, [`UpError::Busy`] where
    /// it is being stopped.
    pub(super) async fn new(
        (cluster, folder): (PathBuf, &'a Folder),
        launcher: Box<dyn Launcher>,
        program: String,
        grace: Duration,
    ) -> Result<Self, UpError> {
        // Before anybody can know of this master, so that no signal finds it without a handler.
        let hangup = Hangup::new()?;
        let hold = Hold::take(folder).await?;
        let mut state = folder.load()?;
        // One of an older version, which holds nothing.
        if let Some(master) = state.other_master() {
            return Err(UpError::Running(master.pid));
        }
        state.master = Launched::me();
        let plan = cluster::read(&cluster)?;
        let mut master = Self {
            cluster,
            plan,
            folder,
            launcher,
            program,
            grace,
            histories: vec![History::default(); state.nodes.len()],
            state,
            begun: Instant::now(),
            hangup,
            _hold: hold,
        };
        let gone = master.settle()?;
        for (node, history) in master.state.nodes.iter().zip(&mut master.histories) {
            if node.is_alive() {
                let pid = pid(node.process);
                println!("{} runs already, as process {pid}", node.name);
                history.on_started(Duration::ZERO);
            }
        }
        let mut said = master.tell_all().await?;
        said.retain(|node| node.outcome != "kept" && node.outcome != "started");
        if !said.is_empty() {
            println!("{}", reload::table(&said));
        }
        stop::all(&gone, grace).await;
        Ok(master)
    }

    /// Looks after the nodes until SIGTERM or SIGINT, and takes the file anew at SIGHUP; then leaves
    /// them running. Whether none was given up. With all of them given up it ends by itself.
    pub(super) async fn run(mut self) -> Result<bool, UpError> {
        let mut ends = [
            signal(SignalKind::terminate()).map_err(UpError::Signal)?,
            signal(SignalKind::interrupt()).map_err(UpError::Signal)?,
        ];
        while self.look()? {
            match next(&mut ends, &mut self.hangup).await {
                Next::Look => {}
                Next::Reload => self.reload().await?,
                Next::End => break,
            }
        }
        self.state.master = None;
        self.folder.save(&self.state)?;
        let alive = self.state.nodes.iter().filter(|node| node.is_alive());
        let alive = alive.count();
        println!("the master ends; {alive} nodes go on (`archipelago down` stops them)");
        Ok(!self.histories.iter().any(History::is_given_up))
    }

    /// Takes the cluster file anew: starts what is new in it, stops what is gone, and tells the
    /// others. A file that cannot be taken changes nothing.
    async fn reload(&mut self) -> Result<(), UpError> {
        let wish = Wish::take(self.folder);
        let cluster = wish.as_ref().map_or(&self.cluster, |wish| &wish.cluster);
        let cluster = cluster.clone();
        let mut reloaded = Reloaded::default();
        match cluster::read(&cluster) {
            Ok(plan) => {
                (self.cluster, self.plan) = (cluster, plan);
                let gone = self.settle()?;
                reloaded.nodes = self.tell_all().await?;
                stop::all(&gone, self.grace).await;
                let stopped = gone.iter();
                let stopped = stopped.map(|node| ReloadedNode::new(&node.name, "stopped"));
                reloaded.nodes.extend(stopped);
                println!("{}", reload::table(&reloaded.nodes));
            }
            Err(error) => {
                eprintln!("nothing changed: {error}");
                reloaded.error = Some(error.to_string());
            }
        }
        reloaded.answer(wish.as_ref(), self.folder)
    }

    /// Puts the plan's nodes into the state, and keeps their histories with them; who is gone.
    fn settle(&mut self) -> Result<Vec<NodeState>, UpError> {
        let names = self.state.nodes.iter().map(|node| node.name.clone());
        let mut before: Vec<(String, History)> =
            names.zip(std::mem::take(&mut self.histories)).collect();
        let gone = layout::settle(&self.plan, &mut self.state)?;
        let histories = self.state.nodes.iter().map(|node| {
            let place = before.iter().position(|(name, _)| *name == node.name);
            let kept = place.map(|place| before.swap_remove(place).1);
            // Who was given up is tried again by the new file.
            kept.filter(|history| !history.is_given_up())
                .unwrap_or_default()
        });
        self.histories = histories.collect();
        self.folder.save(&self.state)?;
        Ok(gone)
    }

    /// Tells each node that runs what is not as it was told; what came of it, in the plan's order.
    async fn tell_all(&mut self) -> Result<Vec<ReloadedNode>, UpError> {
        let mut asked = Vec::new();
        let mut said = Vec::new();
        for index in 0..self.state.nodes.len() {
            let name = self.state.nodes[index].name.clone();
            said.push(match self.tell(index)? {
                Told::NotRunning => ReloadedNode::new(&name, "started"),
                Told::Kept => ReloadedNode::new(&name, "kept"),
                Told::Unreachable => ReloadedNode::failed(&name, UNREACHABLE),
                Told::Asked(version) => {
                    asked.push((index, version));
                    ReloadedNode::failed(&name, "it does not answer: see its log")
                }
            });
        }
        let limit = Instant::now() + ANSWER_MAX;
        for (index, version) in asked {
            let node = &mut self.state.nodes[index];
            let told = self.folder.node_file(&node.name, "json");
            if let Some(taken) = taken(&told, version, limit).await {
                said[index] = of_taken(&node.name, taken);
            }
        }
        for (node, said) in self.state.nodes.iter_mut().zip(&said) {
            node.is_behind = said.outcome == "failed";
        }
        self.folder.save(&self.state)?;
        Ok(said)
    }

    /// Tells one node, unless it goes by the same already.
    fn tell(&mut self, index: usize) -> Result<Told, UpError> {
        let node = &self.state.nodes[index];
        let Some(process) = node.process.filter(|_| node.is_alive()) else {
            return Ok(Told::NotRunning);
        };
        let before = NodeConfig::read(&self.folder.node_file(&node.name, "json")).ok();
        let config = self.config(index, before.as_ref());
        let is_same = before.is_some_and(|before| before.substance() == config.substance());
        if is_same && !node.is_behind {
            return Ok(Told::Kept);
        }
        let version = config.version;
        self.folder.write(&node.name, &config)?;
        let is_told = self.launcher.tell(&process);
        Ok(if is_told {
            Told::Asked(version)
        } else {
            Told::Unreachable
        })
    }

    /// What a node is told now, by a version that it was not told before.
    fn config(&self, index: usize, before: Option<&NodeConfig>) -> NodeConfig {
        NodeConfig {
            version: before.map_or(0, |before| before.version) + 1,
            ..layout::config(&self.plan, &self.state, index, self.folder)
        }
    }

    /// Looks at each node once; whether there is one to look after.
    fn look(&mut self) -> Result<bool, UpError> {
        self.launcher.reap();
        for index in 0..self.state.nodes.len() {
            let now = self.begun.elapsed();
            let is_alive = self.state.nodes[index].is_alive();
            match self.histories[index].look(is_alive, now) {
                Verdict::Leave => {}
                Verdict::Start => self.start(index, now)?,
                Verdict::GiveUp => self.give_up(index)?,
            }
        }
        Ok(!self.histories.iter().all(History::is_given_up))
    }

    fn start(&mut self, index: usize, now: Duration) -> Result<(), UpError> {
        let name = self.state.nodes[index].name.clone();
        let before = NodeConfig::read(&self.folder.node_file(&name, "json")).ok();
        let config = self.config(index, before.as_ref());
        self.folder.write(&name, &config)?;
        let file = self
            .folder
            .node_file(&name, "json")
            .to_string_lossy()
            .into_owned();
        let program = Program {
            arguments: vec![self.program.clone(), "node".to_owned(), file],
            log: self.folder.node_file(&name, "log"),
            name,
        };
        let launched = self.launcher.launch(&program);
        let (node, history) = (&mut self.state.nodes[index], &mut self.histories[index]);
        history.on_started(now);
        match launched {
            Ok(launched) => {
                println!("{} is started, as process {}", node.name, launched.pid);
                node.process = Some(launched);
                node.starts += 1;
                node.is_behind = false;
                self.folder.save(&self.state)?;
            }
            Err(error) => eprintln!("{} is not started: {error}", node.name),
        }
        Ok(())
    }

    fn give_up(&mut self, index: usize) -> Result<(), UpError> {
        let node = &mut self.state.nodes[index];
        node.is_given_up = true;
        let (name, ends) = (&node.name, self.histories[index].ends());
        let log = self.folder.node_file(name, "log");
        eprintln!(
            "{name} is given up: it ended {ends} times within a minute; see {}",
            log.display()
        );
        self.folder.save(&self.state)
    }
}

fn pid(process: Option<Launched>) -> u32 {
    process.map_or(0, |process| process.pid)
}

/// What is to be done about a node that the file may say something new of.
enum Told {
    NotRunning,
    Kept,
    /// It runs by a command that cannot pass the word on.
    Unreachable,
    /// By this version.
    Asked(u64),
}

fn of_taken(name: &str, taken: Taken) -> ReloadedNode {
    let is_done = taken.is_done();
    let outcome = if is_done { "told" } else { "failed" };
    let some = "not all of its groups could be changed".to_owned();
    ReloadedNode {
        error: taken.error.or((!is_done).then_some(some)),
        groups: taken.groups,
        ..ReloadedNode::new(name, outcome)
    }
}

/// A node's answer, if it comes in time.
async fn taken(told: &Path, version: u64, limit: Instant) -> Option<Taken> {
    loop {
        let taken = Taken::read(told, version);
        if taken.is_some() || Instant::now() >= limit {
            return taken;
        }
        tokio::time::sleep(ANSWER_LOOK_PERIOD).await;
    }
}

enum Next {
    Look,
    Reload,
    End,
}

/// Waits for the next look, or a signal before it.
async fn next([term, int]: &mut [Signal; 2], hangup: &mut Hangup) -> Next {
    tokio::select! {
        _ = term.recv() => Next::End,
        _ = int.recv() => Next::End,
        is_over = hangup.recv() => if is_over { Next::End } else { Next::Reload },
        () = tokio::time::sleep(LOOK_PERIOD) => Next::Look,
    }
}
