//! The master: looks after the nodes of a cluster until it is told to stop looking.
//!
//! It starts what is not there, starts again what ends ([`History`] says when), and leaves alone
//! what runs, whoever started it: a master that comes back finds its nodes by the state file. When
//! it goes, by a signal or by a crash, the nodes stay.

use std::time::{Duration, Instant};

use archipelago::{Launched, Launcher, Program};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::state::{Folder, State};
use super::supervisor::{History, Verdict};
use super::{UpError, layout, stop};
use crate::cluster::Plan;

/// How often the master looks at the nodes.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// A master at work.
pub(super) struct Master<'a> {
    plan: &'a Plan,
    folder: &'a Folder,
    launcher: Box<dyn Launcher>,
    program: String,
    state: State,
    histories: Vec<History>,
    begun: Instant,
}

impl<'a> Master<'a> {
    /// Takes over what runs, and stops what the plan does not have any more.
    ///
    /// # Errors
    /// [`UpError::Running`] where another master looks after this cluster.
    pub(super) async fn new(
        (plan, folder): (&'a Plan, &'a Folder),
        launcher: Box<dyn Launcher>,
        program: String,
        grace: Duration,
    ) -> Result<Self, UpError> {
        let mut state = folder.load()?;
        if let Some(master) = state.other_master() {
            return Err(UpError::Running(master.pid));
        }
        state.master = Launched::me();
        let gone = layout::settle(plan, &mut state)?;
        folder.save(&state)?;
        stop::all(&gone, grace).await;
        let mut histories = vec![History::default(); state.nodes.len()];
        for (node, history) in state.nodes.iter().zip(&mut histories) {
            if node.is_alive() {
                println!(
                    "{} runs already, as process {}",
                    node.name,
                    pid(node.process)
                );
                history.on_started(Duration::ZERO);
            }
        }
        Ok(Self {
            plan,
            folder,
            launcher,
            program,
            state,
            histories,
            begun: Instant::now(),
        })
    }

    /// Looks after the nodes until SIGTERM or SIGINT; then leaves them running. Whether none was
    /// given up. With all of them given up it ends by itself.
    pub(super) async fn run(mut self) -> Result<bool, UpError> {
        let mut ends = [
            signal(SignalKind::terminate()).map_err(UpError::Signal)?,
            signal(SignalKind::interrupt()).map_err(UpError::Signal)?,
        ];
        while self.look()? {
            let [term, int] = &mut ends;
            if is_asked(term, int).await {
                break;
            }
        }
        self.state.master = None;
        self.folder.save(&self.state)?;
        let alive = self
            .state
            .nodes
            .iter()
            .filter(|node| node.is_alive())
            .count();
        println!("the master ends; {alive} nodes go on (`archipelago down` stops them)");
        Ok(!self.histories.iter().any(History::is_given_up))
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
        let config = layout::config(self.plan, &self.state, index, self.folder);
        let name = self.state.nodes[index].name.clone();
        self.folder.write(&name, &config)?;
        let file = self
            .folder
            .file(&name, "json")
            .to_string_lossy()
            .into_owned();
        let program = Program {
            arguments: vec![self.program.clone(), "node".to_owned(), file],
            log: self.folder.file(&name, "log"),
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
        let log = self.folder.file(name, "log");
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

/// Waits for the next look; whether a signal came first.
async fn is_asked(term: &mut Signal, int: &mut Signal) -> bool {
    tokio::select! {
        _ = term.recv() => true,
        _ = int.recv() => true,
        () = tokio::time::sleep(LOOK_PERIOD) => false,
    }
}
