//! Memory and processor time of a process, as the kernel counts them.

use std::time::Duration;

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// The one that asks.
    This,
    /// The one with that number, of the same user.
    Other(u32),
}

impl Process {
    fn file(self, name: &str) -> String {
        match self {
            Self::This => format!("/proc/self/{name}"),
            Self::Other(id) => format!("/proc/{id}/{name}"),
        }
    }
}

/// Resident memory of this process in bytes; `None` where the system does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_bytes(Process::This, "VmRSS:")
}

/// The most that this process had resident at once, in bytes, since the start or [`forget_peak`].
pub(crate) fn peak_bytes() -> Option<u64> {
    peak_bytes_of(Process::This)
}

/// The same of any process.
pub(crate) fn peak_bytes_of(process: Process) -> Option<u64> {
    status_bytes(process, "VmHWM:")
}

/// Memory of a process in bytes, where what it shares with others counts by its share.
pub(crate) fn proportional_bytes_of(process: Process) -> Option<u64> {
    bytes_in(process, "smaps_rollup", "Pss:")
}

/// Memory that programs can still have without others being put out, in bytes.
pub(crate) fn available_bytes() -> Option<u64> {
    find_bytes(
        &std::fs::read_to_string("/proc/meminfo").ok()?,
        "MemAvailable:",
    )
}

/// Has the kernel begin the peak anew with what is resident now; where it refuses, the peak is
/// that since the start.
pub(crate) fn forget_peak(process: Process) {
    let _refused = std::fs::write(process.file("clear_refs"), "5");
}

fn status_bytes(process: Process, key: &str) -> Option<u64> {
    bytes_in(process, "status", key)
}

fn bytes_in(process: Process, file: &str, key: &str) -> Option<u64> {
    find_bytes(&std::fs::read_to_string(process.file(file)).ok()?, key)
}

fn find_bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Processor time that this process spent so far, by all threads, in user and kernel mode.
pub(crate) fn processor_time() -> Option<Duration> {
    processor_time_of(Process::This)
}

/// The same of any process.
pub(crate) fn processor_time_of(process: Process) -> Option<Duration> {
    let stat = std::fs::read_to_string(process.file("stat")).ok()?;
    // The second column is the program's name in brackets, which may hold spaces.
    let columns: Vec<_> = stat.rsplit(')').next()?.split_ascii_whitespace().collect();
    let ticks: u64 =
        columns.get(11)?.parse::<u64>().ok()? + columns.get(12)?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
