//! Ending nodes in order: the last of the cluster file first, asked, and after a grace made to.

use std::time::{Duration, Instant};

use archipelago::Launched;

use super::UpError;
use super::hold::Hold;
use super::state::{Folder, NodeState};

const LOOK_PERIOD: Duration = Duration::from_millis(20);
/// How long a master may take to end: it only has to write a file.
const MASTER_GRACE: Duration = Duration::from_secs(5);

/// Stops the master of a cluster, so that it restarts nothing, and then its nodes. How many nodes
/// had to be killed.
pub(super) async fn cluster(folder: &Folder, grace: Duration) -> Result<usize, UpError> {
    if let Some(master) = folder.load()?.other_master() {
        one("the master", master, MASTER_GRACE).await;
    }
    // As the master left it: nobody else writes from here on, nor starts what is stopped.
    let _hold = Hold::take(folder).await?;
    let mut state = folder.load()?;
    state.master = None;
    let killed = all(&state.nodes, grace).await;
    for node in &mut state.nodes {
        node.process = None;
        node.is_given_up = false;
    }
    folder.save(&state)?;
    Ok(killed)
}

/// Stops these nodes, the last first; how many had to be killed.
pub(super) async fn all(nodes: &[NodeState], grace: Duration) -> usize {
    let mut killed = 0;
    for node in nodes.iter().rev() {
        if let Some(process) = node.process {
            killed += usize::from(!one(&node.name, process, grace).await);
        }
    }
    killed
}

/// Whether it ended within its grace, or was not there.
async fn one(name: &str, process: Launched, grace: Duration) -> bool {
    if !process.terminate() || ended(process, grace).await {
        return true;
    }
    eprintln!("{name} does not end within {grace:?}: it is killed");
    process.kill();
    ended(process, grace).await;
    false
}

async fn ended(process: Launched, within: Duration) -> bool {
    let begun = Instant::now();
    while process.is_alive() {
        if begun.elapsed() >= within {
            return false;
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
    true
}
