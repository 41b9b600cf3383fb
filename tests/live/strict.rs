//! Strict names on real nodes: one holder, fail-over, and who may not have it (U16, E8, U9).

use std::time::Duration;

use crate::support::{Folder, group_of, mailboxes, shutdown, within};
use archipelago::{AcquireError, GroupSpec, Identity, Node, StrictError};

/// Three nodes that are the council of their group, and their keys.
pub(crate) async fn council(name: &str) -> (Vec<Node>, Folder) {
    let folder = Folder::new(&format!("council-{name}"));
    let key = |index: usize| folder.file(&format!("{index}.key"));
    let ids = (0..3).map(|index| Identity::load_or_create(&key(index)).unwrap().id());
    let ids: Vec<_> = ids.collect();
    let mut nodes: Vec<Node> = Vec::new();
    for index in 0..3 {
        let mut group = GroupSpec::open(name).council(ids.iter().copied());
        if let Some(first) = nodes.first() {
            group = group.seed(first.addresses()[0].clone());
        }
        let node = Node::builder(&format!("{name}-{index}")).key_file(key(index));
        nodes.push(node.group(group).start().await.unwrap());
    }
    for node in &nodes {
        within("joining", node.wait_members(name, 3)).await.unwrap();
    }
    (nodes, folder)
}

/// U16, E8: the name has one holder; another is told who; when the holder's node is killed, who
/// waits has it, with a higher fence.
#[tokio::test]
async fn u16_e8_a_strict_name_has_one_holder_and_fails_over() {
    let (nodes, _folder) = council("strict").await;
    let boxes = mailboxes(&nodes).await;
    let [one, two, three] = [0, 1, 2].map(|index: usize| nodes[index].group("strict"));
    let patience = Duration::from_secs(20);

    let first = one.acquire("n", boxes[0].pid(), patience);
    let first = within("the name", first).await.unwrap();
    assert!(first.is_held());
    let refused = two.acquire("n", boxes[1].pid(), Duration::from_millis(300));
    match within("a refusal", refused).await {
        Err(AcquireError::Strict(StrictError::Held(tenancy))) => {
            assert_eq!(
                (tenancy.holder, tenancy.round),
                (boxes[0].pid(), first.fence())
            );
        }
        other => panic!("{other:?}"),
    }
    let holder = within("the holder", three.strict_holder("n"))
        .await
        .unwrap();
    assert_eq!(holder.map(|tenancy| tenancy.holder), Some(boxes[0].pid()));

    nodes[0].kill();
    let second = two.acquire("n", boxes[1].pid(), patience);
    let second = within("fail-over", second).await.unwrap();
    assert!(second.fence() > first.fence());
    assert!(!first.is_held(), "it was held by two");

    // One that lets go is followed at once, and by a higher fence.
    second.release().await;
    let third = three.acquire("n", boxes[2].pid(), patience);
    let third = within("the name", third).await.unwrap();
    shutdown(nodes).await;
    assert!(third.fence() > first.fence());
}

/// A group without a council has no strict names, and an unknown process no name: typed, at once.
#[tokio::test]
async fn u9_what_cannot_be_had_is_refused_at_once() {
    let nodes = group_of("nocouncil", 2).await;
    let boxes = mailboxes(&nodes).await;
    let group = nodes[0].group("nocouncil");
    let patience = Duration::from_secs(600);
    let refused = within("a refusal", group.acquire("n", boxes[0].pid(), patience)).await;
    assert_eq!(refused.unwrap_err(), StrictError::NoCouncil.into());
    let foreign = within("a refusal", group.acquire("n", boxes[1].pid(), patience)).await;
    assert_eq!(foreign.unwrap_err(), AcquireError::NoProcess);
    let elsewhere = nodes[0].group("elsewhere");
    let unknown = within(
        "a refusal",
        elsewhere.acquire("n", boxes[0].pid(), patience),
    )
    .await;
    assert!(
        matches!(unknown, Err(AcquireError::Refused(_))),
        "{unknown:?}"
    );
    shutdown(nodes).await;
}

/// The two that are left of a council grant; the one that is left alone does not, and says so.
#[tokio::test]
async fn u9_without_a_majority_the_name_is_not_had() {
    let (nodes, _folder) = council("alone").await;
    let boxes = mailboxes(&nodes).await;
    nodes[0].kill();
    nodes[1].kill();
    let group = nodes[2].group("alone");
    let refused = group.acquire("n", boxes[2].pid(), Duration::from_secs(3));
    let refused = within("a refusal", refused).await;
    assert_eq!(refused.unwrap_err(), StrictError::NoQuorum.into());
    shutdown(nodes).await;
}
