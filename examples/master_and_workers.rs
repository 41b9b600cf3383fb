//! Workers that outlive their master and find it again by its name.
//!
//! This program starts a master as a process of its own; the master starts three workers, each a
//! process and a node. The master is killed as a crash would: the workers work on and keep what
//! they have done. Another master comes, elsewhere and with another key, registers the same name,
//! and the same three processes report to it.
//!
//! ```sh
//! cargo run -p archipelago --example master_and_workers
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use archipelago::{GroupSpec, Launched, Launcher, LocalLauncher, Mailbox, Node, Program};

type Failure = Box<dyn std::error::Error>;

const WORKERS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", seed] => work(seed).await,
        ["master", seed, folder] => lead(seed, Path::new(folder)).await,
        _ => tell().await,
    }
}

/// What a user sees: a seed of the group that both masters and all workers join through.
async fn tell() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("archipelago-masters-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let node = Node::builder("seed").group(GroupSpec::open("work"));
    let node = node.start().await?;
    let mut audience = node.mailbox().await?;
    node.group("work")
        .register("audience", audience.pid())
        .await?;

    let launcher = LocalLauncher::new();
    let start = || {
        launcher.launch(&program(
            &["master", &seed(&node), &folder.to_string_lossy()],
            &folder,
        ))
    };
    let first = start()?;
    let before =
        tokio::time::timeout(Duration::from_secs(30), workers(&mut audience, first)).await?;
    first.kill();
    println!(
        "the first master (process {}) has {before:?}, and is killed",
        first.pid
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        before.iter().all(|&pid| Launched::of(pid).is_some()),
        "a worker died with it"
    );

    let second = start()?;
    let after =
        tokio::time::timeout(Duration::from_secs(30), workers(&mut audience, second)).await?;
    println!("the second master (process {}) has {after:?}", second.pid);
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
    while seen.len() < WORKERS {
        let Some(received) = audience.recv().await else {
            break;
        };
        if let Ok((_, (said_by, worker))) = received.decode::<(u32, u32)>()
            && said_by == master.pid
        {
            seen.insert(worker);
        }
    }
    seen
}

/// A master: starts the workers if nobody has, takes the name, and tells what it hears.
async fn lead(seed: &str, folder: &Path) -> Result<(), Failure> {
    let launcher = LocalLauncher::new();
    if std::fs::File::create_new(folder.join("started")).is_ok() {
        for _ in 0..WORKERS {
            launcher.launch(&program(&["worker", seed], folder))?;
        }
    }
    let node = joined("master", seed).await?;
    let (group, mut inbox) = (node.group("work"), node.mailbox().await?);
    // The name of a master that died is free as soon as its node is known to be down.
    while group.register("master", inbox.pid()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while let Some(received) = inbox.recv().await {
        let (_, worker) = received.decode::<u32>()?;
        if let Some(audience) = group.whereis("audience") {
            inbox
                .send_typed(audience, &(std::process::id(), worker))
                .await?;
        }
    }
    Ok(())
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

fn seed(node: &Node) -> String {
    node.addresses()[0].0.to_string()
}

fn program(words: &[&str], folder: &Path) -> Program {
    let me = std::env::current_exe().map(|path| path.to_string_lossy().into_owned());
    let arguments = me
        .into_iter()
        .chain(words.iter().map(|&word| word.to_owned()));
    Program {
        name: words[0].to_owned(),
        arguments: arguments.collect(),
        log: folder.join("log"),
    }
}
