//! Clusters of processes: `up` starts the nodes of a cluster file and looks after them, `reload`
//! has them take a changed file (G10), `status` tells what runs, `down` stops it, `node` is one of
//! them (U14).
//!
//! Master and nodes share nothing but a folder: the master may end, crash and come back without
//! any node noticing.

mod hangup;
mod hold;
mod layout;
mod node;
mod reload;
mod retold;
mod run;
mod state;
mod status;
mod stop;
mod supervisor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use archipelago::{CommandTemplate, Launcher, LocalLauncher};
use clap::Args;

use crate::cluster::ClusterError;
pub(crate) use reload::{ReloadOptions, reload};
use state::Folder;

/// Which cluster, by the folder that remembers it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Where {
    /// The folder with what is known of the cluster.
    #[arg(long, value_name = "DIR", default_value = ".archipelago")]
    state: PathBuf,
}

/// `archipelago up`.
#[derive(Debug, Args)]
pub(crate) struct UpOptions {
    /// The cluster file.
    #[arg(required_unless_present = "stop")]
    cluster: Option<PathBuf>,
    #[command(flatten)]
    at: Where,
    /// Stop the cluster instead, as `archipelago down` does.
    #[arg(long)]
    stop: bool,
    /// Seconds that a node may take to end before it is killed.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    /// Start each node by this command, given as one argument after the other; `{command}` stands
    /// for what is to be run, `{name}` for the node's name. For example:
    /// --launch ssh -tt {name} {command}
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "ARGUMENT")]
    launch: Vec<String>,
}

/// `archipelago down`.
#[derive(Debug, Args)]
pub(crate) struct DownOptions {
    #[command(flatten)]
    at: Where,
    /// Seconds that a node may take to end before it is killed.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
}

/// `archipelago status`.
#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    at: Where,
    /// One line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

/// A cluster could not be started, looked after or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{path}: {source}", path = path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("process {0} looks after this cluster already; stop it first, or use another --state")]
    Running(u32),
    #[error("another process starts or stops this cluster just now; try again when it has ended")]
    Busy,
    #[error(
        "nobody looks after this cluster: `archipelago up CLUSTER` does, and takes the file too"
    )]
    NoMaster,
    #[error("the master did not answer within {0:?}; its output says why")]
    Silent(Duration),
    #[error("no free port: {0}")]
    Port(std::io::Error),
    #[error("signals cannot be waited for: {0}")]
    Signal(std::io::Error),
    #[error(transparent)]
    Template(#[from] archipelago::TemplateError),
    #[error(transparent)]
    Node(#[from] archipelago::StartError),
}

impl UpError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        Self::File { path, source }
    }
}

/// Starts and looks after a cluster, or stops it.
pub(crate) async fn up(options: &UpOptions) -> Result<ExitCode, UpError> {
    let grace = Duration::from_secs(options.grace);
    let folder = Folder::open(&options.at.state)?;
    let Some(cluster) = options.cluster.as_ref().filter(|_| !options.stop) else {
        return stopped(&folder, grace).await;
    };
    let launcher: Box<dyn Launcher> = if options.launch.is_empty() {
        Box::new(LocalLauncher::new())
    } else {
        Box::new(CommandTemplate::new(options.launch.clone())?)
    };
    let cluster = cluster
        .canonicalize()
        .map_err(|error| UpError::file(cluster, error))?;
    let me =
        std::env::current_exe().map_err(|error| UpError::file(Path::new("archipelago"), error))?;
    let program = me.to_string_lossy().into_owned();
    let master = run::Master::new((cluster, &folder), launcher, program, grace).await?;
    let is_well = master.run().await?;
    Ok(ExitCode::from(u8::from(!is_well)))
}

/// Stops a cluster.
pub(crate) async fn down(options: &DownOptions) -> Result<ExitCode, UpError> {
    let folder = Folder::open(&options.at.state)?;
    stopped(&folder, Duration::from_secs(options.grace)).await
}

async fn stopped(folder: &Folder, grace: Duration) -> Result<ExitCode, UpError> {
    let killed = stop::cluster(folder, grace).await?;
    println!("all nodes are down; {killed} had to be killed");
    Ok(ExitCode::SUCCESS)
}

/// Tells what runs.
pub(crate) fn status(options: &StatusOptions) -> Result<ExitCode, UpError> {
    let state = Folder::open(&options.at.state)?.load()?;
    if options.json {
        let json = status::json(&state).map_err(std::io::Error::other);
        println!(
            "{}",
            json.map_err(|error| UpError::file(&options.at.state, error))?
        );
    } else {
        println!("{}", status::table(&state));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs one node of a cluster until it is asked to end.
pub(crate) async fn node(path: &Path) -> Result<ExitCode, UpError> {
    node::run(path).await?;
    Ok(ExitCode::SUCCESS)
}
