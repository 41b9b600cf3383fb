//! U13, U14: a cluster of processes that is started, looked after, left alone and stopped by the
//! program that a user runs. Every process is in the state file, and is stopped at the end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use archipelago::Launched;
use serde_json::Value;

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

const CLUSTER: &str = r#"
realm = "up"
[groups.work]
cookie = "a secret"
[nodes.node]
count = 3
groups = ["work"]
"#;

/// A cluster in a folder of its own, stopped with the test.
struct Cluster {
    folder: PathBuf,
    master: Option<Child>,
}

impl Cluster {
    fn new(name: &str) -> Self {
        let name = format!("archipelago-up-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cluster.toml"), CLUSTER).unwrap();
        let master = None;
        Self { folder, master }
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_archipelago"));
        command
            .args(arguments)
            .arg("--state")
            .arg(self.folder.join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().unwrap()
    }

    fn up(&mut self, more: &[&str]) {
        let file = self.folder.join("cluster.toml");
        let mut command = self.program(&["up", file.to_str().unwrap()]);
        let log = fs::File::create(self.folder.join("master.log")).unwrap();
        let command = command
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap());
        self.master = Some(command.stderr(log).spawn().unwrap());
    }

    fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The pids of the nodes, as soon as there are three and a condition holds.
    fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Vec<u64> {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                let nodes = status["nodes"].as_array().unwrap().iter();
                return nodes.filter_map(|node| node["pid"].as_u64()).collect();
            }
            let log = || fs::read_to_string(self.folder.join("master.log")).unwrap_or_default();
            assert!(begun.elapsed() < DEADLINE, "{what}: {status}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_up(&self) -> Vec<u64> {
        self.wait("three nodes up", |status| status["up"] == 3)
    }

    /// Ends the master by a signal and waits for its end.
    fn end_master(&mut self, is_killed: bool) -> Option<i32> {
        let mut master = self.master.take().unwrap();
        if is_killed {
            master.kill().unwrap();
        } else {
            assert!(Launched::of(master.id()).unwrap().terminate());
        }
        master.wait().unwrap().code()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run(&["down", "--grace", "5"]);
        if let Some(mut master) = self.master.take() {
            let _ = master.kill().and_then(|()| master.wait());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn process(pid: u64) -> Option<Launched> {
    Launched::of(u32::try_from(pid).unwrap()).filter(Launched::is_alive)
}

/// U14: nodes that die are started again; a master that ends, or is killed, touches no node, and
/// the next one finds them; `down` stops them all.
#[test]
fn u14_nodes_outlive_the_master_and_are_started_again() {
    let mut cluster = Cluster::new("outlive");
    cluster.up(&[]);
    let first = cluster.wait_up();
    assert_eq!(first.len(), 3);

    assert!(process(first[1]).unwrap().kill());
    let restarted = cluster.wait("node-2 being back", |status| {
        status["up"] == 3 && status["nodes"][1]["starts"] == 2
    });
    assert_eq!((restarted[0], restarted[2]), (first[0], first[2]));
    assert_ne!(restarted[1], first[1]);

    for is_killed in [false, true] {
        let code = cluster.end_master(is_killed);
        assert_eq!(code, (!is_killed).then_some(0));
        let status = cluster.status();
        assert_eq!(
            (&status["master"], &status["up"]),
            (&Value::Null, &Value::from(3))
        );
        cluster.up(&[]);
        let again = cluster.wait("a master", |status| !status["master"].is_null());
        assert_eq!(again, restarted, "no node was touched");
    }
    let second = cluster.run(&["up", cluster.folder.join("cluster.toml").to_str().unwrap()]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("looks after this cluster already"));

    let table = cluster.run(&["status"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("3 of 3 nodes are up"));
    assert!(cluster.run(&["down"]).status.success());
    cluster.master.take().unwrap().wait().unwrap();
    assert_eq!(cluster.status()["up"], 0);
    for pid in restarted {
        assert_eq!(process(pid), None);
    }
}

/// U14: nodes that cannot run are given up after a while, which is said, and is the exit status.
#[test]
fn u14_what_keeps_dying_is_given_up() {
    let mut cluster = Cluster::new("dying");
    cluster.up(&["--launch", "env", "false", "{command}"]);
    let begun = Instant::now();
    let code = cluster.master.take().unwrap().wait().unwrap().code();
    assert_eq!(code, Some(1));
    assert!(
        begun.elapsed() >= Duration::from_secs(6),
        "pauses were too short"
    );
    let status = cluster.status();
    for node in status["nodes"].as_array().unwrap() {
        assert_eq!(
            (&node["standing"], &node["starts"]),
            (&"given up".into(), &6.into())
        );
    }
    let log = fs::read_to_string(cluster.folder.join("master.log")).unwrap();
    assert_eq!(
        log.matches("is given up: it ended 6 times").count(),
        3,
        "{log}"
    );
}

/// A reused pid: what the state file names is another process now, and is left alone.
#[test]
fn u14_a_reused_pid_is_not_killed() {
    let cluster = Cluster::new("reused");
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = stranger.id();
    let state = format!(
        r#"{{"master":null,"nodes":[{{"name":"node-1","address":"/ip4/127.0.0.1/tcp/1",
        "process":{{"pid":{pid},"started":1}},"starts":1,"is_given_up":false}}]}}"#
    );
    fs::create_dir_all(cluster.folder.join("state")).unwrap();
    fs::write(cluster.folder.join("state/cluster.json"), state).unwrap();
    assert_eq!(cluster.status()["up"], 0);
    assert!(cluster.run(&["up", "--stop"]).status.success());
    assert!(stranger.try_wait().unwrap().is_none(), "it was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
