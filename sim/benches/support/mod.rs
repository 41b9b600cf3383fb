//! What the whole-program benchmarks have in common: options, and the kernel's own counts.
#![allow(unreachable_pub, reason = "a module of several programs")]

/// The number after `name` on the command line.
pub fn option(name: &str, default: u32) -> u32 {
    let mut words = std::env::args().skip_while(|word| word != name);
    let value = words.nth(1);
    value.map_or(default, |word| {
        word.replace('_', "").parse().unwrap_or_else(|_| {
            eprintln!("{name} takes a number, not {word}");
            std::process::exit(2)
        })
    })
}

/// Processor time of this process: what counts on a machine that others use too.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|word| word.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Resident memory of this process, as the kernel counts it.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4_096
}
