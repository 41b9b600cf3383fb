//! Groups that were made and entered at run time are there again after a restart (E1, E3).
use std::time::Duration;

use crate::support::{Folder, shutdown, within};
use archipelago::{Changed, GroupSpec, Node, NodeEvent, NodeRef, StartError};

/// Nodes with keys, addresses and files of groups that outlast them.
struct Site {
    folder: Folder,
    addresses: Vec<String>,
    /// Of the configured group; open without one.
    cookie: Option<&'static str>,
}

impl Site {
    fn new(name: &str) -> Self {
        Self {
            folder: Folder::new(name),
            addresses: Vec::new(),
            cookie: None,
        }
    }

    /// Starts node `index`, for the first time or again, in the configured group `base`.
    async fn start(&mut self, index: usize) -> Node {
        let cookie = self.cookie;
        let base = cookie.map(|cookie| GroupSpec::with_cookie("base", cookie));
        let mut base = base.unwrap_or_else(|| GroupSpec::open("base"));
        if let Some(first) = self.addresses.first().filter(|_| index > 0) {
            base = base.seed(first.as_str());
        }
        let mut builder = Node::builder(&format!("kept-{index}"))
            .key_file(self.folder.file(&format!("{index}.key")))
            .groups_file(self.folder.file(&format!("{index}.groups")))
            .group(base);
        if let Some(address) = self.addresses.get(index) {
            builder = builder.listen(address);
        }
        let node = builder.start().await.unwrap();
        if self.addresses.len() <= index {
            self.addresses.push(node.addresses()[0].0.to_string());
        }
        node
    }

    /// Three nodes in the group `made`, which the first one made at run time.
    async fn made(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for index in 0..3 {
            nodes.push(self.start(index).await);
        }
        for node in &nodes {
            within("base", node.wait_members("base", 3)).await.unwrap();
        }
        let spec = GroupSpec::with_cookie("made", "first cookie");
        let others = [NodeRef::new(nodes[1].id()), NodeRef::new(nodes[2].id())];
        let made = within("making", nodes[0].create_group(spec, &others)).await;
        let made = made.unwrap();
        assert!(
            made.iter().all(|one| one.result == Ok(Changed::Joined)),
            "{made:?}"
        );
        all_see(&nodes, 3).await;
        nodes
    }
}

async fn all_see(nodes: &[Node], members: usize) {
    for node in nodes {
        within("the made group", node.wait_members("made", members))
            .await
            .unwrap();
    }
}

/// Changes the group's cookie, and waits until the previous one counts nowhere any more.
async fn rotate(nodes: &[Node], group: &str) {
    let mut events: Vec<_> = nodes.iter().map(Node::events).collect();
    let group = nodes[0].group(group);
    let rotated = group.rotate_cookie("second cookie", Duration::from_millis(200));
    within("rotating", rotated).await.unwrap();
    for events in &mut events {
        let retired = async {
            while let Some(event) = events.next().await {
                if matches!(event, NodeEvent::CookieRetired { .. }) {
                    return;
                }
            }
        };
        within("the window's end", retired).await;
    }
}

/// One after the other, by the cookie that counts by now; who left is in no more.
#[tokio::test]
async fn a_restarted_node_is_in_the_groups_that_it_entered_and_not_in_those_that_it_left() {
    let mut site = Site::new("kept-restart");
    let mut nodes = site.made().await;
    rotate(&nodes, "made").await;
    let last = nodes.pop().unwrap();
    within("shutting down", last.shutdown()).await;
    nodes.push(site.start(2).await);
    all_see(&nodes, 3).await;

    nodes[2].leave("made").await.unwrap();
    let last = nodes.pop().unwrap();
    within("shutting down", last.shutdown()).await;
    nodes.push(site.start(2).await);
    within("base", nodes[2].wait_members("base", 3))
        .await
        .unwrap();
    assert!(nodes[2].members("made").is_none());
    all_see(&nodes[..2], 2).await;
    shutdown(nodes).await;
}

/// E3: the cookie of a configured group is changed while the nodes run; one that is restarted by the
/// configuration that it had comes in by the changed one, and by another one's own cookie not.
#[tokio::test]
async fn e3_a_changed_cookie_of_a_configured_group_outlasts_a_restart() {
    let mut site = Site::new("kept-cookie");
    site.cookie = Some("first cookie");
    let mut nodes = Vec::new();
    for index in 0..3 {
        nodes.push(site.start(index).await);
    }
    for node in &nodes {
        within("base", node.wait_members("base", 3)).await.unwrap();
    }
    rotate(&nodes, "base").await;
    let last = nodes.pop().unwrap();
    within("shutting down", last.shutdown()).await;
    nodes.push(site.start(2).await);
    for node in &nodes {
        within("base", node.wait_members("base", 3)).await.unwrap();
    }
    // What the operator configures anew counts for more than what was kept.
    let last = nodes.pop().unwrap();
    within("shutting down", last.shutdown()).await;
    site.cookie = Some("third cookie");
    let last = site.start(2).await;
    let mut events = last.events();
    let refused = async {
        while let Some(event) = events.next().await {
            if matches!(event, NodeEvent::Refused { .. }) {
                return;
            }
        }
    };
    within("a refusal", refused).await;
    nodes.push(last);
    shutdown(nodes).await;
}

/// Killed all at once, and one of them never comes back.
#[tokio::test]
async fn a_group_of_which_all_were_killed_begins_anew_without_one_of_them() {
    let mut site = Site::new("kept-all");
    let nodes = site.made().await;
    for node in &nodes {
        node.kill();
    }
    drop(nodes);
    let two = vec![site.start(0).await, site.start(1).await];
    all_see(&two, 2).await;
    shutdown(two).await;
}

/// A damaged file is not believed, and nothing starts by it.
#[tokio::test]
async fn a_damaged_file_of_groups_is_refused_by_name() {
    let folder = Folder::new("kept-damaged");
    let file = folder.file("node.groups");
    std::fs::write(&file, b"archipelago-groups-1\nnot so").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let refused = Node::builder("damaged").groups_file(&file).start().await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StartError::Groups { .. }), "{refused}");
    assert!(refused.to_string().contains("node.groups"), "{refused}");
}
