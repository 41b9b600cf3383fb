//! Digests that are checked in: the same scenario gives the same one on every machine, in debug and
//! in release, on one thread and on two, and again.
//!
//! They change with everything that changes what nodes say or when: a message, a timer, a draw of
//! chance, the order of events. Then, and only then, they are renewed by
//! `ARCHIPELAGO_RENEW=1 cargo test -p archipelago-sim --test digests`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use archipelago_core::Time;
use archipelago_sim::run::{RunOptions, run};
use archipelago_sim::scenario::Scenario;
use archipelago_sim::w1::W1;

/// The scenarios, by the names of their files in `tests/data/digests`.
const SCENARIOS: [&str; 3] = ["split", "tiers", "bodies"];
const THREADS: [usize; 2] = [1, 2];
const RENEW: &str = "ARCHIPELAGO_RENEW";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/digests")
}

#[test]
fn digests_are_the_ones_checked_in() {
    let mut found = BTreeMap::from([("w1".to_owned(), w1())]);
    found.extend(SCENARIOS.map(|name| (name.to_owned(), scenario(name))));
    let file = folder().join("digests.txt");
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&file, write(&found)).expect("the folder is there");
        return;
    }
    let kept = std::fs::read_to_string(&file).expect("the digests are checked in");
    assert_eq!(
        read(&kept),
        found,
        "\nWhat nodes say, or when, has changed. If that was meant (a message, a timer, the \
         order of events), renew the digests with\n  {RENEW}=1 cargo test -p archipelago-sim \
         --test digests\nand say so in the commit. If nothing was meant to change, this is a \
         bug: look for what depends on the machine, on a thread or on what ran before."
    );
}

/// One digest for one thread and two, each twice.
fn scenario(name: &str) -> String {
    let file = folder().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&file).expect("the scenario is checked in");
    let mut scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    scenario.folder = folder();
    let digests = THREADS.into_iter().flat_map(|threads| {
        let once = || {
            let stop = AtomicBool::new(false);
            let mut options = RunOptions::new(&stop);
            options.threads = threads;
            let result = run(&scenario, options, &mut |_| {}).expect("nothing is missing");
            assert_eq!(result.violations, [], "{name} on {threads} threads");
            assert!(result.delivery.delivered > 0, "{name}: nothing arrived");
            result.digest
        };
        [once(), once()]
    });
    the_one(name, digests.collect())
}

/// Two thousand nodes of W1 on the engine alone: stretches, far timers, letters between shards.
fn w1() -> String {
    let digests = THREADS.into_iter().flat_map(|threads| {
        let once = || {
            let mut workload = W1::new(1, 2_000, Duration::from_secs(3), threads);
            workload.run(Time::from_micros(1_234_567), threads);
            workload.run(workload.end(), threads);
            format!("{:016x}", workload.counted().digest)
        };
        [once(), once()]
    });
    the_one("w1", digests.collect())
}

fn the_one(name: &str, digests: Vec<String>) -> String {
    let first = digests[0].clone();
    let is_same = digests.iter().all(|digest| *digest == first);
    assert!(
        is_same,
        "{name}: twice on one thread, twice on two gave {digests:?}"
    );
    first
}

fn write(digests: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, digest) in digests {
        writeln!(text, "{name} {digest}").expect("a text takes anything");
    }
    text
}

fn read(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect()
}
