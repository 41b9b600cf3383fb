//! Data collectors on every member, and recorders that go down and come back elsewhere.
//!
//! Four nodes collect; what they collect goes into their outboxes, on disk, for two recorders by
//! name. A recorder writes each record as a line that is its mark too: effect and mark in one write,
//! so that it records each once. One recorder is killed in the middle of its work and comes
//! back a second later on another node, with the same file. Whatever was acknowledged is recorded.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use archipelago::{GroupSpec, Mark, Node, Outbox, OutboxConfig, StreamId};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const RECORDERS: [&str; 2] = ["recorder-0", "recorder-1"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("archipelago-collector-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let files = RECORDERS.map(|name| folder.join(name));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let (mut nodes, mut outboxes) = (vec![], vec![]);
    for index in 0..4 {
        let node = member(&nodes, &format!("collector-{index}")).await?;
        let file = folder.join(format!("outbox-{index}"));
        let outbox = node.outbox(file, OutboxConfig::default()).await?;
        let (into, count) = (outbox.clone(), acknowledged.clone());
        let run = move |_| collect(into.clone(), count.clone());
        node.group("site").provide("collect", run).await?;
        outboxes.push(outbox);
        nodes.push(node);
    }
    // Said once: every member that can runs it, and whoever joins later.
    let site = nodes[0].group("site");
    site.run_on_every_member("collect", "").await?;

    for index in [0, 1] {
        let node = member(&nodes, RECORDERS[index]).await?;
        tokio::spawn(record(node.clone(), RECORDERS[index], files[index].clone()));
        nodes.push(node);
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    nodes[4].kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let elsewhere = member(&nodes, "elsewhere").await?;
    tokio::spawn(record(elsewhere.clone(), RECORDERS[0], files[0].clone()));
    nodes.push(elsewhere);
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    site.stop_on_every_member("collect").await?;
    for outbox in &outboxes {
        tokio::time::timeout(Duration::from_secs(20), outbox.emptied()).await??;
    }
    let mut marks = marks_of(&files[0])?;
    marks.append(&mut marks_of(&files[1])?);
    let each: BTreeSet<_> = marks.iter().map(|mark| (mark.stream, mark.done)).collect();
    let (acknowledged, recorded) = (acknowledged.load(Ordering::Relaxed), each.len());
    let twice = marks.len() - recorded;
    println!("{acknowledged} records acknowledged, {recorded} recorded, {twice} of them twice");
    assert!(recorded >= acknowledged && twice == 0);
    for node in nodes {
        node.shutdown().await;
    }
    Ok(std::fs::remove_dir_all(&folder)?)
}

async fn member(others: &[Node], name: &str) -> Result<Node, Failure> {
    let seeds = others.iter().take(1).map(|one| one.addresses()[0].clone());
    let group = seeds.fold(GroupSpec::open("site"), GroupSpec::seed);
    let node = Node::builder(name).group(group).start().await?;
    node.joined("site").await?;
    Ok(node)
}

/// What every member runs: a record counts when its outbox has acknowledged it.
async fn collect(outbox: Outbox, acknowledged: Arc<AtomicUsize>) -> Result<(), Failure> {
    for recorder in RECORDERS.into_iter().cycle() {
        outbox.send("site", recorder, "a sample").await?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// A recorder: holds its name as soon as that is free, and writes what comes.
async fn record(node: Node, name: &str, path: PathBuf) -> Result<(), Failure> {
    let mut intake = node.intake_with(marks_of(&path)?).await?;
    let site = node.group("site");
    while site.register(name, intake.pid()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut file = File::options().create(true).append(true).open(&path)?;
    while let Some(taken) = intake.recv().await {
        let line = format!("{} {}\n", taken.id.stream, taken.id.seq);
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        intake.done(&taken).await?;
    }
    Ok(())
}

/// The marks that a recorder's file holds, one a line.
fn marks_of(path: &Path) -> Result<Vec<Mark>, Failure> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mark = |line: &str| {
        let (stream, seq) = line.split_once(' ').ok_or("a line was cut")?;
        let stream = StreamId(u128::from_str_radix(stream, 16)?.to_be_bytes());
        Ok(Mark {
            stream,
            done: seq.parse()?,
        })
    };
    text.lines().map(mark).collect()
}
