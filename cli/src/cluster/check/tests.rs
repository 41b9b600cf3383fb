use std::path::Path;

use super::super::file::parse;

const BRIDGED: &str = r#"
realm = "r"
[groups.a]
open = true
reflectors = ["bridge"]
[groups.b]
cookie = "b"
reflectors = ["bridge"]
[nodes.bridge]
groups = ["a", "b"]
[nodes.x]
count = 2
groups = ["a"]
[nodes.y]
groups = ["b"]
"#;

fn error(text: &str) -> String {
    let error = parse(Path::new("c.toml"), text).expect_err("it is wrong");
    error.to_string()
}

#[test]
fn a_file_becomes_a_plan() {
    let plan = parse(Path::new("c.toml"), BRIDGED).unwrap().0;
    let names: Vec<_> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["bridge", "x-1", "x-2", "y"]);
    assert_eq!(plan.groups[0].members, [0, 1, 2]);
    assert_eq!(plan.groups[1].members, [0, 3]);
    assert_eq!(plan.groups[1].cookie.as_deref(), Some("b"));
    assert!(plan.nodes[0].is_reflector && !plan.nodes[1].is_reflector);
}

#[test]
fn an_unknown_key_is_shown_with_its_line() {
    let message = error(&BRIDGED.replace("open = true", "opne = true"));
    assert!(
        message.contains("opne") && message.contains("line 4"),
        "{message}"
    );
}

#[test]
fn a_missing_group_is_named_with_its_line_and_remedy() {
    let message = error(&BRIDGED.replace("groups = [\"b\"]", "groups = [\"c\"]"));
    assert_eq!(
        message,
        "c.toml:15: there is no group \"c\"; add `[groups.c]`, or name one of a, b"
    );
}

#[test]
fn a_group_nobody_bridges_is_named_with_its_line_and_remedy() {
    let message = error(&BRIDGED.replacen("reflectors = [\"bridge\"]", "", 1));
    assert_eq!(
        message,
        "c.toml:6: nobody bridges group \"b\" to group \"a\"; put a node in both this group and a \
         bridged one, and name it under `reflectors` of both"
    );
}

#[test]
fn a_group_needs_a_cookie_or_to_be_open() {
    let message = error(&BRIDGED.replace("open = true", ""));
    assert!(
        message.starts_with("c.toml:3: group \"a\" has no cookie"),
        "{message}"
    );
    let both = error(&BRIDGED.replace("open = true", "open = true\ncookie = \"x\""));
    assert!(both.contains("open and has a cookie"), "{both}");
}

#[test]
fn a_reflector_must_exist_and_bridge() {
    let missing = error(&BRIDGED.replacen("[\"bridge\"]", "[\"brigde\"]", 1));
    assert!(missing.contains("there is no node \"brigde\""), "{missing}");
    let single = error(&BRIDGED.replacen("[\"bridge\"]", "[\"x\"]", 1));
    assert!(single.contains("in one group only"), "{single}");
    let outside = error(&BRIDGED.replacen("[\"bridge\"]", "[\"y\"]", 1));
    assert!(outside.contains("is not in group \"a\""), "{outside}");
}

#[test]
fn a_node_in_no_group_and_a_group_of_one_are_refused() {
    let free = error(&BRIDGED.replace("groups = [\"b\"]", "groups = []"));
    assert!(free.contains("node \"y\" is in no group"), "{free}");
    let lonely = error(&BRIDGED.replace("[nodes.y]\ngroups = [\"b\"]", ""));
    assert!(lonely.contains("fewer than two nodes"), "{lonely}");
}

/// Each node's files are named after it, and copies are numbered.
#[test]
fn two_nodes_of_one_name_and_a_name_with_a_slash_are_refused() {
    let twice = error(&BRIDGED.replace("[nodes.y]", "[nodes.x-2]"));
    assert!(
        twice.starts_with("c.toml:14: two nodes are named \"x-2\"; "),
        "{twice}"
    );
    let outside = error(&BRIDGED.replace("[nodes.y]", "[nodes.\"../y\"]"));
    assert!(
        outside.starts_with("c.toml:14: node \"../y\" has a slash in its name; "),
        "{outside}"
    );
}

#[test]
fn the_clusters_that_ship_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clusters");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let plans: Vec<_> = files
        .map(|file| crate::cluster::read(&file.expect("a file").path()).expect("it is right"))
        .collect();
    assert!(plans.len() >= 3);
    assert!(plans.iter().all(|plan| plan.nodes.len() < 60));
}

const TIERED: &str = r#"
realm = "r"
[groups.site]
tier = 1
open = true
[groups.a]
open = true
parents = ["site"]
reflectors = ["x-1", "x-2"]
[groups.b]
open = true
parents = ["site"]
reflectors = ["y-1"]
[nodes.x]
count = 3
groups = ["a"]
[nodes.y]
count = 2
groups = ["b"]
"#;

#[test]
fn the_reflectors_of_children_are_the_members_of_a_parent() {
    let plan = parse(Path::new("c.toml"), TIERED).unwrap().0;
    let names: Vec<_> = plan
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "site"]);
    assert_eq!(plan.groups[2].members, [0, 1, 3]);
    assert_eq!(plan.groups[0].parents, [2]);
    assert_eq!(plan.nodes[1].groups, [0, 2]);
    assert!(plan.nodes[1].is_reflector && !plan.nodes[2].is_reflector);
}

#[test]
fn a_parent_that_is_no_higher_is_named_with_its_line_and_remedy() {
    let message = error(&TIERED.replace("tier = 1\n", ""));
    assert_eq!(
        message,
        "c.toml:7: group \"a\" of tier 0 has the parent \"site\" of tier 0; \
         give \"site\" `tier = 1` or more"
    );
}

#[test]
fn a_group_with_parents_and_nobody_to_join_them_is_named_with_its_line() {
    let message = error(&TIERED.replace("reflectors = [\"y-1\"]\n", ""));
    assert_eq!(
        message,
        "c.toml:10: group \"b\" has parents and 0 reflectors; \
         name 1 to 8 of its nodes under `reflectors`: they join the parents"
    );
}

#[test]
fn an_unknown_parent_is_named_with_its_line_and_remedy() {
    let message = error(&TIERED.replacen("[\"site\"]", "[\"cite\"]", 1));
    assert_eq!(
        message,
        "c.toml:8: there is no group \"cite\"; add `[groups.cite]`, or name one of a, b, site"
    );
}

const AUTO: &str = r#"
realm = "fleet"
groups = "auto"
[auto]
size = 4
cookie = "of all"
[nodes.eu]
count = 9
attributes = { region = "eu" }
[nodes.us]
count = 5
attributes = { region = "us" }
"#;

#[test]
fn groups_may_be_left_to_the_program() {
    let (plan, grounds) = parse(Path::new("c.toml"), AUTO).unwrap();
    let names: Vec<_> = plan.groups.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["eu#1", "eu#2", "us", "all^1"]);
    assert_eq!(plan.groups[2].members, [9, 10, 11, 12, 13]);
    assert_eq!(plan.groups[2].cookie.as_deref(), Some("of all"));
    assert_eq!(plan.bridged(&std::collections::BTreeSet::new()).len(), 4);
    assert_eq!(plan.nodes[9].name, "us-1");
    assert!(grounds.is_some_and(|it| it.candidates.len() == 14));
}

#[test]
fn an_automatic_plan_may_be_kept_in_size_while_it_runs() {
    let still = parse(Path::new("c.toml"), AUTO).unwrap().0;
    assert!(still.groups.iter().all(|group| group.kept_at.is_none()));
    let kept = AUTO.replace("size = 4", "size = 4\nby = [\"region\"]\nkeep = true");
    let (plan, _) = parse(Path::new("c.toml"), &kept).unwrap();
    let kept_at = plan.groups[0].kept_at.as_ref().unwrap();
    assert_eq!((kept_at.members, kept_at.parent_members), (4, 4));
    assert_eq!(kept_at.by, ["region"]);
    assert_eq!(plan.groups[3].kept_at, None, "a parent stays as it is");
    assert!(plan.nodes.iter().all(|node| node.is_reflector));
    assert_eq!(plan.nodes[9].attributes["region"], "us");
}

#[test]
fn a_size_may_be_a_range() {
    let text = AUTO.replace("size = 4", "keep = true\nsize = { min = 4, max = 9 }");
    let (plan, _) = parse(Path::new("c.toml"), &text).unwrap();
    let sizes: Vec<usize> = plan.groups.iter().map(|it| it.members.len()).collect();
    assert_eq!(sizes, [9, 5, 4]);
    let kept_at = plan.groups[0].kept_at.as_ref().unwrap();
    assert_eq!(kept_at.span, Some((4, 9)));
}

#[test]
fn a_range_that_swings_or_is_none_is_refused_with_its_line() {
    let with = |size: &str| error(&AUTO.replace("size = 4", &format!("size = {size}")));
    for (size, expected) in [
        ("{ min = 5, max = 8 }", "c.toml:5: groups of 5 to 8 members"),
        ("{ min = 9, max = 4 }", "c.toml:5: groups of 9 to 4 members"),
        ("{ min = 5 }", "missing field `max`"),
        ("{ min = 5, most = 9 }", "unknown field `most`"),
        ("\"many\"", "a number of members, or { min = …, max = … }"),
        ("-1", "a size below 0"),
    ] {
        let message = with(size);
        assert!(message.contains(expected), "{size}: {message}");
        assert!(message.contains('5'), "{size}: {message}");
    }
}

#[test]
fn an_automatic_plan_says_what_it_cannot_do() {
    let message = error(&AUTO.replace("size = 4", "size = 1"));
    assert!(
        message.contains("c.toml:5: groups of 1 members"),
        "{message}"
    );
    let message = error(&AUTO.replace("cookie = \"of all\"", ""));
    assert!(message.contains("has no cookie"), "{message}");
    let message = error(&AUTO.replace("\"auto\"", "\"manual\""));
    assert!(message.contains("write `groups = \"auto\"`"), "{message}");
    let coordinates = "cookie = \"c\"\nunderlay.latency.coordinates = {}";
    let message = error(&AUTO.replace("cookie = \"of all\"", coordinates));
    assert!(
        message.contains("is at no site of the underlay"),
        "{message}"
    );
}
