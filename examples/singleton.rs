//! One instance of a service in a whole group, moved when its node dies, and never two at once.
//!
//! Three nodes are the council of their group: a majority of them says who is the one. Each runs
//! the same loop: ask for the name, be the one while it is held, ask again. The node that is the
//! one is killed, and another takes over. Whatever the one writes carries its fence, and the ledger
//! refuses a lower one, so that even a writer that slept through its own end does no harm.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use archipelago::{Group, GroupSpec, Identity, Mailbox, Node};

/// What the one writes to; it remembers the highest fence.
#[derive(Debug, Default)]
struct Ledger {
    fence: u64,
    lines: Vec<(usize, u64)>,
}

impl Ledger {
    fn write(&mut self, node: usize, fence: u64) -> bool {
        let is_newest = fence >= self.fence;
        if is_newest {
            self.fence = fence;
            self.lines.push((node, fence));
        }
        is_newest
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A council is named by keys, so the keys are made before the nodes start.
    let folder = std::env::temp_dir().join(format!("archipelago-singleton-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let keys = [0, 1, 2].map(|index| folder.join(format!("{index}.key")));
    let mut council = Vec::new();
    for key in &keys {
        council.push(Identity::load_or_create(key)?.id());
    }

    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut nodes: Vec<Node> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let mut group = GroupSpec::open("bank").council(council.iter().copied());
        if let Some(first) = nodes.first() {
            group = group.seed(first.addresses()[0].clone());
        }
        let node = Node::builder(&format!("bank-{index}"))
            .key_file(key)
            .group(group);
        let node = node.start().await?;
        node.joined("bank").await?;
        tokio::spawn(run(
            index,
            node.group("bank"),
            node.mailbox().await?,
            ledger.clone(),
        ));
        nodes.push(node);
    }

    let first = writer_after(&ledger, 0).await;
    println!("node {} is the one, with fence {}", first.0, first.1);
    let killed = Instant::now();
    nodes[first.0].kill();
    let second = writer_after(&ledger, first.1).await;
    println!(
        "node {} took over with fence {} after {:.1} s",
        second.0,
        second.1,
        killed.elapsed().as_secs_f64()
    );
    assert_ne!(first.0, second.0);
    assert!(
        !ledger
            .lock()
            .map_err(|_| "a writer panicked")?
            .write(first.0, first.1)
    );

    for node in nodes {
        node.shutdown().await;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What every node does: be the one whenever it can.
async fn run(index: usize, group: Group, mailbox: Mailbox, ledger: Arc<Mutex<Ledger>>) {
    loop {
        let asked = group.acquire("teller", mailbox.pid(), Duration::from_secs(60));
        let tenure = match asked.await {
            Ok(tenure) => tenure,
            Err(archipelago::AcquireError::Stopped) => return,
            Err(_) => continue,
        };
        while tenure.is_held() {
            if let Ok(mut ledger) = ledger.lock() {
                ledger.write(index, tenure.fence());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Who wrote last, once that has a higher fence.
async fn writer_after(ledger: &Mutex<Ledger>, fence: u64) -> (usize, u64) {
    loop {
        let last = ledger
            .lock()
            .ok()
            .and_then(|ledger| ledger.lines.last().copied());
        match last {
            Some(last) if last.1 > fence => return last,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
