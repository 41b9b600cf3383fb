//! Memory and processor time of this process, as the kernel counts them.

use std::time::Duration;

/// Resident memory in bytes; `None` where the system does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The most resident memory so far, in bytes; `None` where the system does not say.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Processor time spent so far, by all threads, in user and kernel mode.
pub(crate) fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second column is the program's name in brackets, which may hold spaces.
    let columns: Vec<_> = stat.rsplit(')').next()?.split_ascii_whitespace().collect();
    let ticks: u64 =
        columns.get(11)?.parse::<u64>().ok()? + columns.get(12)?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
