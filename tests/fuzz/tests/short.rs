//! A short run of every target; `ARCHIPELAGO_FUZZ_CASES` makes it longer.

use archipelago_fuzz::{Campaign, TARGETS};

/// Changed inputs for each target, unless told otherwise.
const CASES: u64 = 3_000;

fn run(name: &str) {
    let cases = std::env::var("ARCHIPELAGO_FUZZ_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    let target = TARGETS.iter().find(|target| target.name == name);
    let mut campaign = Campaign::new(target.expect("it is listed"), 1);
    let mut result = campaign.run_corpus();
    assert!(campaign.kept() > 0, "the corpus is of no use");
    while result.is_ok() && campaign.cases() < cases {
        result = campaign.run_next();
    }
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

macro_rules! targets {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test] fn $test() { run($name); })*

        #[test]
        fn every_target_is_run() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

targets! {
    a6_a7_control_messages: "control",
    a6_a7_the_control_stream: "control-stream",
    a6_a7_letters: "letter",
    a6_a7_payloads_of_envelopes: "payload",
    a6_a7_signed_records: "record",
    a6_a7_statements_in_logs: "statement",
    a6_a7_words_by_message: "word",
    a6_a7_batches_of_an_outbox: "outbox",
    a6_a7_frames_of_the_channel: "frames",
    i11_the_channel_against_a_hostile_peer: "channel",
    a6_the_multiplexer_against_a_hostile_peer: "multiplexer",
}
