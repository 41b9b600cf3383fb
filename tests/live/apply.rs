//! A configuration taken anew while a node runs.

use std::time::Duration;

use archipelago::{Applied, ApplyError, GroupSpec, Node};

use crate::support::{shutdown, within};

async fn founder(group: GroupSpec) -> Node {
    let node = Node::builder("founder").group(group).start().await.unwrap();
    within("founding", node.started()).await.unwrap();
    node
}

fn spec(name: &str, cookie: &str, at: &Node) -> GroupSpec {
    GroupSpec::with_cookie(name, cookie).seed(at.addresses()[0].clone())
}

/// G10: groups are joined, left and changed as the new configuration says, with a result for each;
/// those that it does not concern stay; and one that cannot work changes nothing.
#[tokio::test]
async fn g10_a_changed_configuration_is_taken_at_run_time() {
    let north = founder(GroupSpec::with_cookie("north", "n")).await;
    let south = founder(GroupSpec::with_cookie("south", "s")).await;
    let east = founder(GroupSpec::with_cookie("east", "e")).await;
    let configured = [spec("north", "n", &north), spec("south", "s", &south)];
    let builder = configured.iter().cloned();
    let builder = builder.fold(Node::builder("clerk"), archipelago::Builder::group);
    let clerk = builder.start().await.unwrap();
    for group in ["north", "south"] {
        within("joining", clerk.joined(group)).await.unwrap();
    }

    // Two groups of one name: nothing changes.
    let twice = vec![spec("east", "e", &east), spec("east", "e", &east)];
    let error = within("refusing", clerk.apply(twice)).await.unwrap_err();
    assert!(matches!(error, ApplyError::Config(_)), "{error}");
    assert!(clerk.members("east").is_none() && clerk.members("south").is_some());

    let own = GroupSpec::with_cookie("own", "o");
    within("making a group", clerk.create_group(own, &[]))
        .await
        .unwrap();
    let north_anew = spec("north", "polar", &north).previous_cookie("n");
    let anew = vec![north_anew.clone(), spec("east", "e", &east)];
    let mut results = within("applying", clerk.apply(anew.clone())).await.unwrap();
    results.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("east".to_owned(), Ok(Applied::Joined)),
        ("north".to_owned(), Ok(Applied::Changed)),
        ("south".to_owned(), Ok(Applied::Left)),
    ];
    assert_eq!(results, expected);
    within("joining", clerk.joined("east")).await.unwrap();
    assert!(clerk.members("south").is_none());
    assert!(clerk.members("own").is_some(), "no configuration named it");

    // The same once more changes nothing; and the new cookie counts.
    let again = within("applying again", clerk.apply(anew)).await.unwrap();
    assert!(
        again.iter().all(|(_, result)| *result == Ok(Applied::Kept)),
        "{again:?}"
    );
    let polar = Some(&b"n"[..]);
    within("the others", north.set_cookie("north", "polar", polar))
        .await
        .unwrap();
    let late = Node::builder("late")
        .group(spec("north", "polar", &clerk))
        .start()
        .await;
    let late = late.unwrap();
    within("joining by the new cookie", late.joined("north"))
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(30), late.wait_members("north", 3))
        .await
        .unwrap()
        .unwrap();
    shutdown(vec![late, clerk, north, south, east]).await;
}
