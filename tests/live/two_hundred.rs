//! 200 live nodes in ten groups below one parent, and a group that loses all its reflectors.

use std::time::{Duration, Instant};

use crate::support::{shutdown, within};
use archipelago::{GroupSpec, Mailbox, Node, SendError, SessionKind};

const GROUPS: usize = 10;
const SIZE: usize = 20;
/// Of each group; they join the parent.
const REFLECTORS: usize = 2;
/// A look-up that nobody can answer ends by then.
const FAST: Duration = Duration::from_secs(3);

/// The nodes of each group, reflectors first.
struct World {
    groups: Vec<Vec<Node>>,
}

fn name(group: usize) -> String {
    format!("leaf-{group}")
}

impl World {
    async fn start() -> Self {
        let mut world = Self {
            groups: vec![Vec::new(); GROUPS],
        };
        for place in 0..SIZE {
            for group in 0..GROUPS {
                let node = world.join(group, place < REFLECTORS).await;
                world.groups[group].push(node);
            }
        }
        for (group, nodes) in world.groups.iter().enumerate() {
            let name = name(group);
            for node in nodes {
                let all = node.wait_members(&name, SIZE);
                within("a group of 20", all).await.unwrap();
            }
        }
        world
    }

    /// One more node, through any that lives.
    async fn join(&self, group: usize, is_reflector: bool) -> Node {
        let seed = self.groups[group]
            .last()
            .map(|node| node.addresses()[0].clone());
        let top = self
            .groups
            .iter()
            .flatten()
            .find(|node| node.tiers().len() > 1);
        let top = top.or(self.groups[0].first());
        let mut parent = GroupSpec::open("top").tier(1);
        if let Some(top) = top {
            parent = parent.seed(top.addresses()[0].clone());
        }
        let mut leaf = GroupSpec::open(&name(group)).parent(parent);
        if let Some(seed) = seed {
            leaf = leaf.seed(seed);
        }
        let mut builder = Node::builder(&format!("{group}")).group(leaf);
        if is_reflector {
            builder = builder.reflector();
        }
        builder.start().await.unwrap()
    }
}

/// Sends until it is taken; what waits for a way is offered again.
async fn send(from: &Mailbox, to: &Mailbox) {
    let sent = async {
        while let Err(error) = from.send(to.pid(), "a word").await {
            assert!(matches!(error, SendError::Unreachable(_)), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("a way", sent).await;
}

async fn mailbox(node: &Node) -> Mailbox {
    within("a mailbox", node.mailbox()).await.unwrap()
}

/// Writes until a direct session carries it.
async fn go_direct(node: &Node, from: &Mailbox, to: &mut Mailbox) {
    let is_direct = |node: &Node| {
        let sessions = node.sessions();
        sessions.iter().any(|one| one.kind == SessionKind::OnDemand)
    };
    while !is_direct(node) {
        send(from, to).await;
        within("a word", to.recv()).await.unwrap();
    }
}

/// U20, U21, U23: all reflectors of one of ten groups die. Its inside works on, a direct session
/// that is open goes on, look-ups for it fail fast, and when a reflector comes all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u21_200_live_nodes_and_a_group_without_reflectors() {
    let mut world = World::start().await;
    let (inside, beside) = (world.groups[1][5].clone(), world.groups[1][6].clone());
    let (friend, stranger) = (world.groups[2][5].clone(), world.groups[3][5].clone());
    let (ours, mut theirs) = (mailbox(&inside).await, mailbox(&friend).await);
    go_direct(&inside, &ours, &mut theirs).await;

    for reflector in world.groups[1].drain(..REFLECTORS) {
        reflector.kill();
    }
    let gone = async {
        let left = SIZE - REFLECTORS;
        while inside.members(&name(1)).is_none_or(|all| all.len() != left) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the dead to be known", gone).await;

    // Inside, and over the direct session, as if nothing were.
    let mut near = mailbox(&beside).await;
    send(&ours, &near).await;
    within("a word inside", near.recv()).await.unwrap();
    ours.send(theirs.pid(), "still here").await.unwrap();
    within("a word by the direct session", theirs.recv())
        .await
        .unwrap();

    // From outside: an error, and soon.
    let begun = Instant::now();
    let outside = mailbox(&stranger).await;
    let refused = within("a refusal", outside.send(near.pid(), "hello?")).await;
    assert!(
        matches!(refused, Err(SendError::Unreachable(_))),
        "{refused:?}"
    );
    assert!(begun.elapsed() < FAST, "{:?}", begun.elapsed());

    // A reflector comes: nobody has to do anything else.
    let reflector = world.join(1, true).await;
    world.groups[1].push(reflector);
    send(&outside, &near).await;
    within("a word from outside", near.recv()).await.unwrap();
    for nodes in world.groups {
        shutdown(nodes).await;
    }
}
