//! Erlang nodes: `erl` running `nodes.erl`, with a port mapper of their own, so that an installed one
//! is neither used nor ended.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::plan::free_ports;
use crate::Failure;

const SOURCE: &str = include_str!("../../erlang/nodes.erl");

/// Compiles the program, and starts the port mapper; returns it and its port.
pub(super) async fn prepare(folder: &TempDir) -> Result<(Child, u16), Failure> {
    std::fs::write(folder.path().join("nodes.erl"), SOURCE)?;
    let mut erlc = Command::new("erlc");
    let erlc = erlc.arg("nodes.erl").current_dir(folder);
    let compiled = erlc.stdout(Stdio::null()).status().await;
    if !compiled.map_err(missing)?.success() {
        return Err("erlc did not compile nodes.erl".into());
    }
    let port = free_ports(1)?.first().copied().ok_or("no port")?;
    let mapper = Command::new("epmd")
        .args(["-port", &port.to_string(), "-address", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    Ok((mapper.map_err(missing)?, port))
}

/// One node; the first one is everybody's seed.
pub(super) fn command(folder: &TempDir, mapper: u16, place: usize) -> Command {
    let mut command = Command::new("erl");
    command
        .args(["-noshell", "-start_epmd", "false", "-setcookie", "peers"])
        .args(["-sname", &format!("n{place}@localhost")])
        .args(["-run", "nodes", "start", "n0@localhost"])
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .current_dir(folder);
    command
}

fn missing(error: std::io::Error) -> Failure {
    format!("erl: {error}; install Erlang/OTP").into()
}
