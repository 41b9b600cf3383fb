//! Dependencies run one way, and the machines know neither sockets nor an executor.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The packages from the bottom up, each with how many of those before it it may name.
const LAYERS: [(&str, usize); 9] = [
    ("archipelago-core", 0),
    ("archipelago-sgroup", 1),
    ("archipelago-router", 2),
    ("archipelago", 3),
    ("archipelago-sim", 3),
    ("archipelago-load", 4),
    ("archipelago-cli", 6),
    ("archipelago-fuzz", 3),
    ("archipelago-machines", 5),
];

const SANS_IO: [&str; 4] = [
    "archipelago-core",
    "archipelago-sgroup",
    "archipelago-router",
    "archipelago-sim",
];

/// What only the drivers may depend on, directly or not.
const DRIVERS_ONLY: [&str; 8] = [
    "async-std",
    "clap",
    "futures-executor",
    "libp2p",
    "libp2p-swarm",
    "mio",
    "socket2",
    "tokio",
];

#[test]
fn dependencies_run_one_way() {
    let graph = normal_dependencies(&workspace());
    for (package, below) in LAYERS {
        let allowed: BTreeSet<_> = LAYERS[..below].iter().map(|&(name, _)| name).collect();
        let ours: BTreeSet<_> = graph[package]
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("archipelago"))
            .collect();
        assert!(
            ours.is_subset(&allowed),
            "{package} depends on {ours:?}, but may only on {allowed:?}"
        );
    }
}

#[test]
fn every_member_of_the_workspace_has_its_layer() {
    let metadata = workspace();
    let packages = metadata.workspace_packages();
    let members: BTreeSet<_> = packages
        .iter()
        .map(|package| package.name.as_ref())
        .collect();
    let known: BTreeSet<_> = LAYERS.iter().map(|&(name, _)| name).collect();
    assert_eq!(members, known);
}

#[test]
fn the_machines_know_no_socket_and_no_executor() {
    let graph = normal_dependencies(&workspace());
    for package in SANS_IO {
        assert_unreachable(&graph, package, &DRIVERS_ONLY);
    }
}

#[test]
fn the_library_brings_no_command_line() {
    let graph = normal_dependencies(&workspace());
    assert_unreachable(
        &graph,
        "archipelago",
        &["clap", "indicatif", "comfy-table", "toml"],
    );
}

fn assert_unreachable(
    graph: &BTreeMap<String, BTreeSet<String>>,
    package: &str,
    forbidden: &[&str],
) {
    let reached = reachable(graph, package);
    let found: Vec<_> = forbidden
        .iter()
        .filter(|&&name| reached.contains(name))
        .collect();
    assert!(found.is_empty(), "{package} reaches {found:?}: it must not");
}

/// The resolved graph for this machine's own platform, so that nothing has to be fetched for it.
fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options([
            "--locked".to_owned(),
            format!("--filter-platform={}", host()),
        ])
        .exec()
        .expect("cargo metadata answers")
}

fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc answers");
    let text = String::from_utf8(output.stdout).expect("rustc speaks UTF-8");
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}

/// Direct dependencies by package name, leaving out those of tests and build scripts.
fn normal_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let resolve = metadata.resolve.as_ref().expect("the graph is resolved");
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &resolve.nodes {
        let direct = node.deps.iter().filter(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind == DependencyKind::Normal)
        });
        graph
            .entry(names[&node.id].clone())
            .or_default()
            .extend(direct.map(|dependency| names[&dependency.pkg].clone()));
    }
    graph
}

fn reachable(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}
