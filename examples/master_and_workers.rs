//! Workers that outlive their master and find it again by its name.
//!
//! This program starts a master as a process of its own; the master starts three workers, each a
//! process and a node. The master is killed as a crash would: the workers work on and keep what
//! they have done. Another master comes, elsewhere and with another key, registers the same name,
//! and the same three processes report to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use archipelago::{GroupSpec, Launched, Launcher, LocalLauncher, Mailbox, Node, Program};
use tokio::time::timeout;

type Failure = Box<dyn std::error::Error>;

const WORKERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", seed] => work(seed).await,
        ["master", seed, folder] => lead(seed, Path::new(folder)).await,
        _ => tell().await,
    }
}

/// What a user sees: a seed that both masters and all workers join through.
async fn tell() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("archipelago-masters-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let seed = Node::builder("seed").group(GroupSpec::open("work"));
    let node = seed.start().await?;
    let mut audience = node.mailbox().await?;
    let group = node.group("work");
    group.register("audience", audience.pid()).await?;

    let seed = node.addresses()[0].0.to_string();
    let words = ["master", &seed, &folder.to_string_lossy()];
    let first = launch(&words, &folder)?;
    let before = timeout(PATIENCE, workers(&mut audience, first)).await?;
    first.kill();
    println!("the first master has processes {before:?}, and is killed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lives = |&pid: &u32| Launched::of(pid).is_some();
    assert!(before.iter().all(lives), "a worker died with it");

    let second = launch(&words, &folder)?;
    let after = timeout(PATIENCE, workers(&mut audience, second)).await?;
    println!("the second master has {after:?}");
    assert_eq!(before, after);

    for pid in after.into_iter().chain([second.pid]) {
        Launched::of(pid).map(|process| process.terminate());
    }
    node.shutdown().await;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// The processes that a master has heard of, once there are enough.
async fn workers(audience: &mut Mailbox, master: Launched) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    while seen.len() < WORKERS
        && let Ok((_, (said_by, worker))) = audience.recv_typed::<(u32, u32)>().await
    {
        if said_by == master.pid {
            seen.insert(worker);
        }
    }
    seen
}

/// A master: starts the workers if nobody has, takes the name, and tells what it hears.
async fn lead(seed: &str, folder: &Path) -> Result<(), Failure> {
    if std::fs::File::create_new(folder.join("started")).is_ok() {
        for _ in 0..WORKERS {
            launch(&["worker", seed], folder)?;
        }
    }
    let node = joined("master", seed).await?;
    let (group, mut inbox) = (node.group("work"), node.mailbox().await?);
    // The name of a master that died is free as soon as its node is known to be down.
    while group.register("master", inbox.pid()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let (_, worker) = inbox.recv_typed::<u32>().await?;
        if let Some(audience) = group.whereis("audience") {
            let heard = (std::process::id(), worker);
            inbox.send_typed(audience, &heard).await?;
        }
    }
}

/// A worker: works, and reports to whoever is the master; without one it works on.
async fn work(seed: &str) -> Result<(), Failure> {
    let node = joined("worker", seed).await?;
    let (group, mailbox) = (node.group("work"), node.mailbox().await?);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(master) = group.whereis("master") {
            // A master that has just died is no reason to stop.
            let _ = mailbox.send_typed(master, &std::process::id()).await;
        }
    }
}

async fn joined(name: &str, seed: &str) -> Result<Node, Failure> {
    let node = Node::builder(name).group(GroupSpec::open("work").seed(seed));
    let node = node.start().await?;
    node.joined("work").await?;
    Ok(node)
}

fn launch(words: &[&str], folder: &Path) -> Result<Launched, Failure> {
    let me = std::env::current_exe()?.to_string_lossy().into_owned();
    let words = words.iter().map(|&word| word.to_owned());
    let (name, log) = ("work".to_owned(), folder.join("log"));
    let arguments = std::iter::once(me).chain(words).collect();
    Ok(LocalLauncher::new().launch(&Program {
        name,
        arguments,
        log,
    })?)
}
