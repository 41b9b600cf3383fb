//! What the live tests share: deadlines, and clusters on loopback.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use archipelago::{GroupSpec, Mailbox, Node};

/// Longest wait for anything; a healthy run takes a tenth of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `work`, or fails the test by name.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}

/// Members of one open group, each joined through the first.
pub(crate) async fn group_of(name: &str, members: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for index in 0..members {
        let mut group = GroupSpec::open(name);
        if let Some(first) = nodes.first() {
            group = group.seed(first.addresses()[0].clone());
        }
        let node = Node::builder(&format!("{name}-{index}")).group(group);
        nodes.push(node.start().await.unwrap());
    }
    for node in &nodes {
        within("joining", node.wait_members(name, members))
            .await
            .unwrap();
    }
    nodes
}

/// Ends all nodes in good order.
pub(crate) async fn shutdown(nodes: Vec<Node>) {
    for node in nodes {
        within("shutting down", node.shutdown()).await;
    }
}

/// A mailbox of each node.
pub(crate) async fn mailboxes(nodes: &[Node]) -> Vec<Mailbox> {
    let mut mailboxes = Vec::new();
    for node in nodes {
        mailboxes.push(within("a mailbox", node.mailbox()).await.unwrap());
    }
    mailboxes
}

/// A folder of a test's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("archipelago-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
