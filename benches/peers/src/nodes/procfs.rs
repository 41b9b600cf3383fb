//! What the kernel says of processes: memory, processor time and connections. Linux only; a process
//! that is gone counts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// State `ESTABLISHED` in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// Memory of a process, with its part of what it shares, in bytes.
pub(super) fn memory_bytes(pid: u32) -> u64 {
    field(&read(&format!("/proc/{pid}/smaps_rollup")), "Pss:") << 10
}

/// Memory that the machine still has, in bytes.
pub(super) fn available_bytes() -> u64 {
    field(&read("/proc/meminfo"), "MemAvailable:") << 10
}

/// Processor time of the running threads of a process.
///
/// Out of `schedstat`, whose unit is a nanosecond: `stat` counts in 10 ms, and a node at rest takes
/// less than that in some seconds.
pub(super) fn processor_time(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let of = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ')
            .next()
            .and_then(|nanos| nanos.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Duration::from_nanos(threads.map(|thread| of(thread.path())).sum())
}

/// TCP connections with both ends among these processes.
pub(super) fn connections(pids: impl Iterator<Item = u32>) -> usize {
    let mut ours = BTreeSet::new();
    for pid in pids {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        for one in open.into_iter().flatten().flatten() {
            let target = std::fs::read_link(one.path()).unwrap_or_default();
            ours.extend(target.to_str().and_then(socket));
        }
    }
    let table = read("/proc/net/tcp") + &read("/proc/net/tcp6");
    pairs(&table, &ours)
}

fn socket(target: &str) -> Option<u64> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Of the ends in the table that are ours, those that face each other.
fn pairs(table: &str, ours: &BTreeSet<u64>) -> usize {
    let mut ends: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (local, remote) in table.lines().filter_map(|line| end(line, ours)) {
        *ends
            .entry((local.min(remote), local.max(remote)))
            .or_default() += 1;
    }
    ends.values().map(|ends| ends / 2).sum()
}

/// The two ports of an established end that is ours.
fn end<'a>(line: &'a str, ours: &BTreeSet<u64>) -> Option<(&'a str, &'a str)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let inode = words.nth(5)?.parse().ok()?;
    let port = |address: &'a str| address.rsplit_once(':').map(|parts| parts.1);
    (state == ESTABLISHED && ours.contains(&inode)).then_some((port(local)?, port(remote)?))
}

/// The number behind a name.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 13 1
   3: 0100007F:9C41 0100007F:1F91 01 00000000:00000000 00:00000000 00000000     0        0 14 1
   4: 0100007F:9C42 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 15 1
";

    #[test]
    fn connections_are_pairs_of_our_established_ends() {
        assert_eq!(pairs(TABLE, &(11..=15).collect()), 1);
        // One end is somebody else's.
        assert_eq!(pairs(TABLE, &[12].into()), 0);
    }

    #[test]
    fn a_connection_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("is bound");
        let me = std::process::id();
        let before = connections(std::iter::once(me));
        let dialled = std::net::TcpStream::connect(address).expect("connects");
        let accepted = listener.accept().expect("accepts");
        assert!(connections(std::iter::once(me)) > before);
        drop((dialled, accepted));
    }

    #[test]
    fn this_process_has_memory_and_took_time() {
        let me = std::process::id();
        assert!(memory_bytes(me) > 100_000);
        assert!(available_bytes() > memory_bytes(me));
        assert!(processor_time(me) > Duration::ZERO);
        assert_eq!(socket("socket:[17]"), Some(17));
        assert_eq!(socket("pipe:[17]"), None);
    }
}
