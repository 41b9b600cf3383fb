//! Counts what one operation of each hot path takes in instructions and allocations.
//!
//! `cargo run --release -p archipelago-machines [NAME]…` prints a table. Instructions are counted by
//! valgrind, which runs this program again for each path, once with few operations and once with
//! more: the difference leaves out what comes before and after. They vary by far less than a per
//! cent from run to run, so a change that saves two of a hundred shows on any machine. Without
//! valgrind that column is empty, and the program says so.

use std::process::{Command, ExitCode, Stdio};

use archipelago_machines::{HotPath, PATHS};

/// Operations before any is counted: tables have grown to their sizes then.
const WARM_UP: u64 = 20;

/// Operations that allocations are counted over.
const COUNTED: u64 = 50;

/// Operations of the two runs under valgrind beyond the first ones.
const FEW_AND_MORE: [u64; 2] = [10, 60];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, times] = &arguments[..]
        && flag == "--times"
    {
        return repeat(name, times);
    }
    let is_wanted = |path: &&HotPath| {
        let mut names = arguments.iter();
        arguments.is_empty() || names.any(|name| path.name.contains(name.as_str()))
    };
    let has_valgrind = instructions(&PATHS[0], 1).is_some();
    println!(
        "{:<18}{:>14}{:>13}{:>13}  for one",
        "", "instructions", "allocations", "bytes"
    );
    for path in PATHS.iter().filter(is_wanted) {
        let counted = if has_valgrind { count(path) } else { None };
        let counted = counted.map_or_else(|| "–".to_owned(), |count| format!("{count:.0}"));
        let (count, bytes) = allocations(path);
        let (name, unit) = (path.name, path.unit);
        println!("{name:<18}{counted:>14}{count:>13.2}{bytes:>13.0}  {unit}");
    }
    if !has_valgrind {
        println!("no instructions were counted: `valgrind` is not installed, or does not run here");
    }
    ExitCode::SUCCESS
}

/// Does what valgrind counts.
fn repeat(name: &str, times: &str) -> ExitCode {
    let path = PATHS.iter().find(|path| path.name == name);
    let (Some(path), Ok(times)) = (path, times.parse::<u64>()) else {
        eprintln!("--times NAME COUNT is for this program itself");
        return ExitCode::FAILURE;
    };
    let mut operation = (path.make)();
    for _ in 0..WARM_UP + times {
        operation();
    }
    ExitCode::SUCCESS
}

/// Instructions of one.
fn count(path: &HotPath) -> Option<f64> {
    let [few, more] = FEW_AND_MORE;
    let difference = instructions(path, more)?.checked_sub(instructions(path, few)?)?;
    Some(difference as f64 / ((more - few) * path.per) as f64)
}

/// Instructions of a whole run with so many operations.
fn instructions(path: &HotPath, times: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args(["--times", path.name, &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Allocations of one, and their bytes.
fn allocations(path: &HotPath) -> (f64, f64) {
    let mut operation = (path.make)();
    for _ in 0..WARM_UP {
        operation();
    }
    let cost = allocation_counter::measure(|| (0..COUNTED).for_each(|_| operation()));
    let each = |total: u64| total as f64 / (COUNTED * path.per) as f64;
    (each(cost.count_total), each(cost.bytes_total))
}
