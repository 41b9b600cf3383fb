//! Distributed Erlang: two `erl` that run `bench.erl`, where it is installed. The second one is
//! started anew for each turn; what it takes to start is not counted.

use std::process::Stdio;
use std::time::Duration;

use archipelago_load::{Sample, Shape, Workload};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failure;

const SOURCE: &str = include_str!("../erlang/bench.erl");

/// The serving node.
#[derive(Debug)]
pub(crate) struct Erlang {
    folder: TempDir,
    serving: Child,
    node: String,
}

/// What `bench.erl` prints.
#[derive(Debug, Deserialize)]
struct Printed {
    done: u64,
    took_us: u64,
    lost: u64,
    reordered: u64,
    micros: Vec<u64>,
}

impl Erlang {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("bench.erl"), SOURCE)?;
        let mut erlc = Command::new("erlc");
        let erlc = erlc.arg("bench.erl").current_dir(&folder);
        let compiled = erlc.stdout(Stdio::null()).status().await;
        if !compiled.map_err(missing)?.success() {
            return Err("erlc did not compile bench.erl".into());
        }
        let name = format!("served{}", std::process::id());
        let mut erl = erl(&folder, &name);
        let erl = erl.args(["-s", "bench", "serve"]).stdin(Stdio::piped());
        let mut serving = erl.spawn().map_err(missing)?;
        let stdout = serving.stdout.take().ok_or("no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let node = line.ok_or("erl ended before it served")?;
        Ok(Self {
            folder,
            serving,
            node,
        })
    }

    /// One turn.
    pub(crate) async fn turn(
        &self,
        workload: Workload,
        senders: u8,
        duration: Duration,
    ) -> Result<Sample, Failure> {
        let (shape, count) = match workload.shape() {
            Shape::Requests(in_flight) => ("requests", in_flight),
            Shape::Oneway => ("oneway", usize::from(senders)),
            Shape::Paced | Shape::Mixed => return Err("bench.erl does not have it".into()),
        };
        let name = format!("asking{}", std::process::id());
        let numbers = [workload.body_len(), count].map(|number| number.to_string());
        let millis = duration.as_millis().to_string();
        let mut erl = erl(&self.folder, &name);
        let erl = erl.args(["-run", "bench", "run", &self.node, shape]);
        let output = erl.args(numbers).arg(millis).stdin(Stdio::null()).output();
        let printed: Printed = serde_json::from_slice(&output.await?.stdout)?;
        let mut sample = Sample::new();
        sample.done = printed.done;
        sample.took = Duration::from_micros(printed.took_us);
        sample.bytes = printed.done * workload.body_len() as u64;
        sample.lost = printed.lost;
        sample.reordered = printed.reordered;
        for micros in printed.micros {
            sample.latency.record(Duration::from_micros(micros));
            sample.typical.record(Duration::from_micros(micros));
        }
        Ok(sample)
    }

    pub(crate) async fn end(mut self) {
        drop(self.serving.stdin.take());
        let wait = Duration::from_secs(3);
        let _ = tokio::time::timeout(wait, self.serving.wait()).await;
        // The port mapper that `erl` starts goes too, unless another node still uses it.
        let mut epmd = Command::new("epmd");
        let epmd = epmd
            .arg("-kill")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _ = epmd.status().await;
    }
}

fn erl(folder: &TempDir, name: &str) -> Command {
    let mut command = Command::new("erl");
    let cookie = "peers";
    command
        .args(["-noshell", "-sname", name, "-setcookie", cookie])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn missing(error: std::io::Error) -> Failure {
    format!("erl: {error}; install Erlang/OTP").into()
}
