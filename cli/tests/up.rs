//! U13, U14, G10: a cluster of processes that is started, looked after, told anew, left alone and
//! stopped by the program that a user runs. Every process is in the state file, and is stopped at the end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Launched, Node};
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
        let master = None;
        let cluster = Self { folder, master };
        cluster.write(CLUSTER);
        cluster
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.join("cluster.toml"), text).unwrap();
    }

    /// Has the master take the file as it is now; the answer, and whether all of it was done.
    fn reload(&self) -> (Value, bool) {
        let file = self.folder.join("cluster.toml");
        let output = self.run(&["reload", file.to_str().unwrap(), "--json"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout);
        (
            answer.unwrap_or_else(|error| panic!("{error}: {said}")),
            output.status.success(),
        )
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

/// U14: of masters that start at one instant one looks after the cluster, and the others say so;
/// each node is started once.
#[test]
fn u14_one_of_many_masters_at_once_has_the_cluster() {
    let mut cluster = Cluster::new("at-once");
    let file = cluster.folder.join("cluster.toml");
    let rivals = (0..6).map(|_| {
        let mut command = cluster.program(&["up", file.to_str().unwrap()]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped()).spawn().unwrap()
    });
    let mut rivals: Vec<Child> = rivals.collect();
    cluster.wait_up();
    let status = cluster.status();
    let place = rivals
        .iter()
        .position(|rival| status["master"] == rival.id());
    cluster.master = Some(rivals.swap_remove(place.expect("the master is one of them")));
    for rival in rivals {
        let output = rival.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "two masters");
        // By whom is known once the master has written it down.
        let is_told = [
            "looks after this cluster already",
            "starts or stops this cluster",
        ];
        assert!(is_told.iter().any(|it| said.contains(it)), "{said}");
    }
    for node in cluster.status()["nodes"].as_array().unwrap() {
        assert_eq!(node["starts"], 1);
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

/// Two groups and who bridges them.
const BRIDGED: &str = r#"
realm = "up"
[groups.north]
cookie = "n"
reflectors = ["bridge"]
[groups.south]
cookie = "s"
reflectors = ["bridge"]
[nodes.bridge]
groups = ["north", "south"]
[nodes.norther]
groups = ["north"]
[nodes.souther]
groups = ["south"]
"#;

/// North has another cookie; there is an east, with a new node; the norther is gone.
const CHANGED: &str = r#"
realm = "up"
[groups.north]
cookie = "polar"
reflectors = ["bridge"]
[groups.south]
cookie = "s"
reflectors = ["bridge"]
[groups.east]
cookie = "e"
reflectors = ["bridge"]
[nodes.bridge]
groups = ["north", "south", "east"]
[nodes.souther]
groups = ["south", "east"]
[nodes.easter]
groups = ["north", "east"]
"#;

/// A group's outcome at a node, in the answer.
fn outcome<'a>(answer: &'a Value, node: &str, group: &str) -> Option<&'a str> {
    let nodes = answer["nodes"].as_array()?;
    let node = nodes.iter().find(|one| one["name"] == node)?;
    let groups = node["groups"].as_array()?;
    let group = groups.iter().find(|one| one["group"] == group)?;
    group["outcome"].as_str()
}

/// Joins a group of the cluster by a cookie, and waits until it has so many members.
async fn joined(cluster: &Cluster, group: GroupSpec, members: usize) {
    let name = group.name().to_owned();
    let status = cluster.status();
    let nodes = status["nodes"].as_array().unwrap().iter();
    let spec = nodes.fold(group, |spec, node| {
        spec.seed(node["address"].as_str().unwrap())
    });
    let node = Node::builder("visitor").realm("up").group(spec);
    let node = node.start().await.unwrap();
    let all = node.wait_members(&name, members);
    tokio::time::timeout(DEADLINE, all).await.unwrap().unwrap();
    node.shutdown().await;
}

/// G10: a changed file is taken by the nodes that run, with a result for each group: no process is
/// started anew but what is new in it; what cannot be taken changes nothing and is told.
#[tokio::test]
async fn g10_a_changed_cluster_file_is_taken_at_run_time() {
    let mut cluster = Cluster::new("reload");
    cluster.write(BRIDGED);
    cluster.up(&[]);
    let first = cluster.wait_up();
    joined(&cluster, GroupSpec::with_cookie("north", "n"), 3).await;

    let (answer, is_done) = cluster.reload();
    assert!(is_done, "{answer}");
    let nodes = answer["nodes"].as_array().unwrap();
    assert!(
        nodes.iter().all(|node| node["outcome"] == "kept"),
        "{answer}"
    );

    cluster.write("realm = \"up\"\n[groups.north]\n");
    let file = cluster.folder.join("cluster.toml");
    let wrong = cluster.run(&["reload", file.to_str().unwrap()]);
    assert!(!wrong.status.success());
    assert_eq!(
        cluster.wait_up(),
        first,
        "a file that is none disturbs nobody"
    );

    cluster.write(CHANGED);
    let (answer, is_done) = cluster.reload();
    assert!(is_done, "{answer}");
    assert_eq!(outcome(&answer, "bridge", "north"), Some("changed"));
    assert_eq!(outcome(&answer, "bridge", "south"), Some("kept"));
    assert_eq!(outcome(&answer, "bridge", "east"), Some("joined"));
    assert_eq!(outcome(&answer, "souther", "east"), Some("joined"));
    let after = cluster.wait_up();
    assert_eq!(
        (after[0], after[2]),
        (first[0], first[2]),
        "no node began anew"
    );
    assert_eq!(process(first[1]), None, "the norther was stopped");
    joined(&cluster, GroupSpec::with_cookie("east", "e"), 4).await;
    joined(&cluster, GroupSpec::with_cookie("north", "polar"), 3).await;

    // Whether a node reflects is settled when it starts.
    cluster.write(&CHANGED.replace(
        "cookie = \"s\"\nreflectors = [\"bridge\"]",
        "cookie = \"s\"\nreflectors = [\"bridge\", \"souther\"]",
    ));
    let (answer, is_done) = cluster.reload();
    assert!(!is_done);
    let error = answer["nodes"][2]["error"].as_str().unwrap();
    assert!(error.contains("whether it reflects cannot change while it runs"));
    let standing = |status: &Value| status["nodes"][2]["standing"].clone();
    assert_eq!(standing(&cluster.status()), "up by an older file");
    assert!(process(after[2]).unwrap().terminate());
    cluster.wait("the souther, by the new file", |status| {
        standing(status) == "up"
    });
    assert!(cluster.reload().1);
}

/// G10: a master that comes back with a changed file tells the nodes that it finds.
#[tokio::test]
async fn g10_the_next_master_tells_a_changed_file() {
    let mut cluster = Cluster::new("retold");
    cluster.write(BRIDGED);
    cluster.up(&[]);
    let first = cluster.wait_up();
    assert_eq!(cluster.end_master(false), Some(0));
    let file = cluster.folder.join("cluster.toml");
    let alone = cluster.run(&["reload", file.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&alone.stderr).contains("nobody looks after this cluster"));
    cluster.write(CHANGED);
    cluster.up(&[]);
    let after = cluster.wait("the changed cluster", |status| {
        status["up"] == 3 && status["nodes"][1]["name"] == "easter"
    });
    assert_eq!(
        (after[0], after[2]),
        (first[0], first[2]),
        "no node began anew"
    );
    joined(&cluster, GroupSpec::with_cookie("east", "e"), 4).await;
}
