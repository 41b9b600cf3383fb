//! What a user of scenario files meets: golden refusals, and that nothing makes the reader panic.

use proptest::prelude::*;

use super::*;
use crate::topology::{Flat, OverlayConfig};

const FULL: &str = r#"
name = "everything"
about = "every table there is"
seed = 7
duration = "60s"
form_within = "30s"
start = "joined"

# What everybody is in.
[topology.flat]
groups = 6
size = 10
reflectors = 2

[underlay]
latency = "5ms"
loss_percent = 0.5





[node]
idle_timeout = "10s"

[[workload]]
between = "across"
targets = "zipf"
exponent = 1.2
pairs = 30
messages = 100
every = "200ms"

[[workload]]
at = "5s"
between = "within"
pairs = 5
messages = 10
every = "0s"
bursts = 3
bursts_every = "2s"

[[fault]]
kind = "partition"
at = "10s"
lasting = "15s"
region = "eu"
one_way = true

[[fault]]
kind = "crash"
at = "20s"
racks = 1
rack_size = 5

[[fault]]
kind = "slow"
at = "20s"
lasting = "5s"
share = 0.1
role = "reflector"

[chaos]
kinds = ["crash", "cut"]
every = "5s"
lasting = "3s"

[churn]
law = "weibull"
shape = 0.6
up = "60s"
down = "20s"
share = 0.2

[hold]
invariants = ["safety", "no-false-death"]
detection = "2.5s"
sessions_max = 200

[sweep]
"topology.flat.size" = [10, 20]
"fault.1.count" = [1, 2, 3]
seeds = 2
"#;

/// The message for a file that is right but for one replaced piece.
fn refusal(right: &str, wrong: &str) -> String {
    assert!(FULL.contains(right), "{right}");
    let error = Scenario::parse(&FULL.replacen(right, wrong, 1)).expect_err("it is wrong");
    error.to_string()
}

fn messages(scenario: &Scenario, number: usize) -> &Workload {
    scenario.workloads[number].messages().unwrap()
}

#[test]
fn the_toolbox_is_read_and_refused_by_kind() {
    let file = |load: &str| {
        let head = "duration = \"60s\"\n[topology.flat]\ngroups = 2\nsize = 4\nreflectors = 1\n";
        Scenario::parse(&format!("{head}[[workload]]\n{load}"))
    };
    let calls = file("kind = \"calls\"\npairs = 3").unwrap();
    assert_eq!(messages(&calls, 0).deadline, Some(Duration::from_secs(5)));
    let names = file("kind = \"names\"\nlasting = \"3s\"\nworkers = 2").unwrap();
    let expected = NameChurn {
        at: Duration::ZERO,
        lasting: Duration::from_secs(3),
        workers: 2,
        share: 1.0,
        line: 6,
    };
    assert_eq!(names.workloads, [Load::Names(expected)]);
    let casts = file("kind = \"groupcast\"\nsenders = 2\nbytes = 9").unwrap();
    assert!(matches!(&casts.workloads[..], [Load::Groupcast(load)] if load.bytes == 9));
    let keyed = file(
        "kind = \"keyed\"\nlasting = \"1s\"\nkeys = 3\nrate = 5\nentry = \"proxy\"\nlease = \"4s\"",
    );
    let expected = KeyedLoad {
        at: Duration::ZERO,
        warm: Duration::from_secs(10),
        lasting: Duration::from_secs(1),
        keys: 3,
        rate: 5,
        proxies: 2,
        state: 0,
        work: Duration::ZERO,
        patience: Duration::from_secs(5),
        lease: Some(Duration::from_secs(4)),
        line: 6,
    };
    assert_eq!(keyed.unwrap().workloads, [Load::Keyed(expected)]);
    let refused = [
        (
            "kind = \"nams\"",
            "7: `kind` is \"nams\"; allowed: \"messages\", \"calls\", \"names\", \"groupcast\", \"keyed\"",
        ),
        (
            "kind = \"names\"\nlasting = \"1s\"\npairs = 3",
            "9: workload has no key `pairs`; allowed: kind, at, lasting, workers, share",
        ),
        (
            "kind = \"groupcast\"\nsenders = 2\nbytes = 7",
            "9: `bytes` is 7; allowed: a whole number from 8 to 1000000",
        ),
        (
            "kind = \"keyed\"\nlasting = \"1s\"\nkeys = 3\nrate = 0",
            "10: `rate` is 0; allowed: a whole number from 1 to 1000000",
        ),
        (
            "kind = \"keyed\"\nlasting = \"1s\"\nrate = 5",
            "6: workload needs `keys`; allowed: a whole number from 1 to 10000000",
        ),
        (
            "kind = \"keyed\"\nlasting = \"1s\"\nkeys = 3\nrate = 5\nproxies = 2",
            "11: `proxies` where every member is an entry; allowed: only with `entry = \"proxy\"`",
        ),
        (
            "kind = \"keyed\"\nlasting = \"1s\"\nkeys = 3\nrate = 5\nsenders = 2",
            "11: workload has no key `senders`; allowed: kind, at, warm, lasting, keys, rate, entry, \
             proxies, state, work, patience, lease",
        ),
        (
            "kind = \"keyed\"\nlasting = \"1s\"\nkeys = 3\nrate = 5\n[[workload]]\nkind = \
             \"groupcast\"\nsenders = 2",
            "11: keyed workers beside other ones, or beside groupcasts; allowed: one workload with \
             `kind = \"keyed\"`, and none with \"groupcast\" then",
        ),
    ];
    for (load, message) in refused {
        assert_eq!(file(load).unwrap_err().to_string(), message);
    }
}

#[test]
fn everything_that_a_file_can_say_is_read() {
    let scenario = Scenario::parse(FULL).unwrap();
    assert_eq!(scenario.seed, 7);
    assert_eq!(scenario.duration, Duration::from_secs(60));
    assert_eq!(
        scenario.topology.shape,
        OverlayConfig::Flat(Flat {
            groups: 6,
            size: 10,
            reflectors: 2,
            overlap: 0
        })
    );
    assert_eq!(scenario.underlay.link().loss_millionths, 5_000);
    assert_eq!(messages(&scenario, 0).targets, Targets::Zipf(1.2));
    assert_eq!(messages(&scenario, 1).bursts, 3);
    assert_eq!(scenario.faults.len(), 3);
    assert_eq!(scenario.churn.unwrap().law, Law::Weibull(0.6));
    assert_eq!(scenario.sweep.unwrap().runs().len(), 12);
}

#[test]
fn refusals_name_the_line_and_what_is_allowed() {
    for (right, wrong, message) in [
        (
            "reflectors = 2",
            "reflektors = 2",
            "13: unknown field `reflektors`; allowed: `groups`, `size`, `reflectors`, `overlap`",
        ),
        (
            "[topology.flat]",
            "[topology.star]",
            "10: unknown variant `star`; allowed: `full-mesh`, `flat`, `hierarchy`, `shaped`, `overlapping`, `regional`, `grouped`, `file`",
        ),
        (
            "latency = \"5ms\"",
            "latency = 5",
            "16: `latency` is 5; allowed: a number and a unit in quotes, such as \"250us\", \"20ms\", \"1.5s\", \"2min\" or \"1h\"",
        ),
        (
            "loss_percent = 0.5",
            "access = 3",
            "17: a value of another kind; allowed: string or table",
        ),
        (
            "latency = \"5ms\"",
            "latency = { normall = 3 }",
            "16: unknown variant `normall`; allowed: `constant`, `uniform`, `normal`, `lognormal`, `pareto`, `matrix`, `regions`, `coordinates`, `graph`",
        ),
        (
            "latency = \"5ms\"",
            "latency = { normal = { mean_ms = 3, deviation = 1.0 } }",
            "16: unknown field `deviation`; allowed: `mean_ms`, `deviation_ms`, `least_ms`",
        ),
        (
            "duration = \"60s\"",
            "",
            "1: the file needs `duration`; allowed: a number and a unit in quotes, such as \"250us\", \"20ms\", \"1.5s\", \"2min\" or \"1h\"",
        ),
        (
            "at = \"20s\"",
            "at = \"70s\"",
            "50: this begins at 70s, after the end; allowed: up to the duration of 60s",
        ),
        (
            "racks = 1",
            "count = 1\nracks = 1",
            "50: more than one of `nodes`, `count`, `share` and `racks`; allowed: one of them",
        ),
        (
            "pairs = 30",
            "",
            "26: workload needs `pairs`; allowed: a whole number from 1 to 10000000",
        ),
        (
            "law = \"weibull\"",
            "law = \"cauchy\"",
            "69: `law` is \"cauchy\"; allowed: \"exponential\", \"weibull\", \"pareto\", \"trace\"",
        ),
        (
            "kinds = [\"crash\", \"cut\"]",
            "kinds = [\"crash\", \"flood\"]",
            "64: `kinds` has \"flood\"; allowed: \"crash\", \"power-off\", \"stop\", \"slow\", \"partition\", \"cut\"",
        ),
        (
            "seed = 7",
            "seed = 7\nmeasure = [\"join\", \"gini\"]",
            "5: `measure` has \"gini\"; allowed: \"sessions\", \"control\", \"join\", \"detection\", \"latency\", \"stretch\", \"lookup_hops\", \"on_demand\", \"load\", \"robustness\"",
        ),
        (
            "[node]",
            "[nodes]",
            "23: the file has no key `nodes`; allowed: name, about, seed, duration, form_within, start_within, start, sample_every, check_every, measure, engine, topology, underlay, node, workload, fault, chaos, churn, hold, sweep",
        ),
    ] {
        assert_eq!(refusal(right, wrong), message);
    }
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let message = refusal("seed = 7", "seed = = 7");
    assert!(message.starts_with("4: "), "{message}");
}

#[test]
fn values_can_be_replaced_by_their_paths() {
    let replaced = [
        ("topology.flat.size".to_owned(), "20".to_owned()),
        ("fault.1.rack_size".to_owned(), "7".to_owned()),
        ("node.relay".to_owned(), "false".to_owned()),
    ];
    let scenario = Scenario::parse_with(FULL, &replaced).unwrap();
    assert_eq!(
        scenario.topology.shape,
        OverlayConfig::Flat(Flat {
            groups: 6,
            size: 20,
            reflectors: 2,
            overlap: 0
        })
    );
    assert_eq!(scenario.node.relay, Some(false));
    let FaultKind::Crash(who) = &scenario.faults[1].kind else {
        panic!("the second fault is a crash");
    };
    assert_eq!(who.choice, Choice::Racks { count: 1, size: 7 });
    let wrong = [("fault.0.share".to_owned(), "2.0".to_owned())];
    let error = Scenario::parse_with(FULL, &wrong).unwrap_err();
    assert_eq!(error.line, 43);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Scenario::parse(&text);
    }

    #[test]
    fn no_mutation_of_a_file_makes_the_reader_panic(
        at in 0..FULL.len(),
        len in 0usize..40,
        with in "[\\PC\n]{0,12}",
    ) {
        let end = (at + len).min(FULL.len());
        if FULL.is_char_boundary(at) && FULL.is_char_boundary(end) {
            let text = format!("{}{with}{}", &FULL[..at], &FULL[end..]);
            if let Err(error) = Scenario::parse(&text) {
                prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            }
        }
    }

    #[test]
    fn no_replacement_makes_the_reader_panic(
        path in "(topology|fault|workload|underlay|[a-z]{0,4})(\\.[a-z0-9]{0,8}){0,3}",
        value in "\\PC{0,20}|[0-9]{1,25}|\"[0-9]{1,4}(s|ms|h)\"",
    ) {
        let _ = Scenario::parse_with(FULL, &[(path, value)]);
    }
}
