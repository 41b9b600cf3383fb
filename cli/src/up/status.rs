//! What runs of a cluster, for people and for programs.

use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::Serialize;

use super::state::State;

/// The status as `--json` prints it.
#[derive(Debug, Serialize)]
struct Status {
    /// The pid of the master that looks after the cluster, if one does.
    master: Option<u32>,
    /// Nodes that run.
    up: usize,
    nodes: Vec<NodeStatus>,
}

#[derive(Debug, Serialize)]
struct NodeStatus {
    name: String,
    /// `up`, `up by an older file`, `down`, or `given up`.
    standing: &'static str,
    /// Its pid while it is up.
    pid: Option<u32>,
    address: String,
    /// How often it was started.
    starts: u64,
}

fn status(state: &State) -> Status {
    let nodes = state.nodes.iter().map(|node| {
        let is_up = node.is_alive();
        NodeStatus {
            name: node.name.clone(),
            standing: match (is_up, node.is_given_up) {
                (true, _) if node.is_behind => "up by an older file",
                (true, _) => "up",
                (false, true) => "given up",
                (false, false) => "down",
            },
            pid: node.process.filter(|_| is_up).map(|process| process.pid),
            address: node.address.clone(),
            starts: node.starts,
        }
    });
    let nodes: Vec<_> = nodes.collect();
    Status {
        master: state.other_master().map(|master| master.pid),
        up: nodes.iter().filter(|node| node.pid.is_some()).count(),
        nodes,
    }
}

/// As one line of JSON.
pub(super) fn json(state: &State) -> Result<String, serde_json::Error> {
    serde_json::to_string(&status(state))
}

/// As a table, with a line on the whole above it.
pub(super) fn table(state: &State) -> String {
    let status = status(state);
    let master = match status.master {
        Some(pid) => format!("looked after by process {pid}"),
        None => "nobody looks after them".to_owned(),
    };
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["node", "standing", "process", "address", "starts"]);
    for node in &status.nodes {
        let pid = node
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let starts = node.starts.to_string();
        table.add_row([&*node.name, node.standing, &*pid, &*node.address, &*starts]);
    }
    let (up, all) = (status.up, status.nodes.len());
    format!("{up} of {all} nodes are up; {master}\n{table}")
}
