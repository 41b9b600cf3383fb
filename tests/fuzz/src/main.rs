//! Runs targets for a time, or one input of one target.

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use archipelago_fuzz::{Campaign, Seen, TARGETS, Target};

const USAGE: &str = "archipelago-fuzz run TARGET|all SECONDS [SEED]
archipelago-fuzz replay TARGET < INPUT
archipelago-fuzz corpus TARGET DIRECTORY";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", name, seconds] => run(name, seconds, "1"),
        ["run", name, seconds, seed] => run(name, seconds, seed),
        ["replay", name] => replay(name),
        ["corpus", name, directory] => corpus(name, directory),
        _ => usage(),
    }
}

fn run(name: &str, seconds: &str, seed: &str) -> ExitCode {
    let chosen: Vec<_> = chosen(name).collect();
    let (Ok(seconds), Ok(seed), false) = (seconds.parse(), seed.parse(), chosen.is_empty()) else {
        return usage();
    };
    for target in chosen {
        let mut campaign = Campaign::new(target, seed);
        let begun = Instant::now();
        let mut result = campaign.run_corpus();
        while result.is_ok() && begun.elapsed() < Duration::from_secs(seconds) {
            result = campaign.run_next();
        }
        let (cases, kept) = (campaign.cases(), campaign.kept());
        println!("{target:?}: {cases} inputs, {kept} of them news");
        if let Err(failure) = result {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A panic ends the program as it would in the field; AFL counts that as a crash.
fn replay(name: &str) -> ExitCode {
    let mut input = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut input);
    let (Some(target), Ok(_)) = (chosen(name).next(), read) else {
        return usage();
    };
    input.truncate(target.len_max);
    (target.run)(&input, &mut Seen::default());
    ExitCode::SUCCESS
}

fn corpus(name: &str, directory: &str) -> ExitCode {
    let Some(target) = chosen(name).next() else {
        return usage();
    };
    for (number, input) in (target.corpus)().iter().enumerate() {
        let file = std::path::Path::new(directory).join(format!("{name}-{number:03}"));
        if let Err(error) = std::fs::write(&file, input) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn chosen(name: &str) -> impl Iterator<Item = &'static Target> {
    TARGETS
        .iter()
        .filter(move |target| name == "all" || target.name == name)
}

fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("{USAGE}\ntargets: {}", names.join(", "));
    ExitCode::FAILURE
}
