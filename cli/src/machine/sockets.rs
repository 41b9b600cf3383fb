//! The kernel's own table of TCP sockets: what sessions there are, by somebody else's count.

use std::collections::{BTreeMap, BTreeSet};

/// Established connections of this machine that were accepted on one of `ports`, by port.
///
/// Each loopback connection stands in the table twice; only the accepting end is counted, since
/// its local port is the listener's. `None` where the kernel does not show the table.
pub(crate) fn accepted(ports: &BTreeSet<u16>) -> Option<BTreeMap<u16, usize>> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    Some(count(&table, ports))
}

fn count(table: &str, ports: &BTreeSet<u16>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for port in table.lines().skip(1).filter_map(established) {
        if ports.contains(&port) {
            *counts.entry(port).or_insert(0) += 1;
        }
    }
    counts
}

/// The local port of a line that describes an established connection.
fn established(line: &str) -> Option<u16> {
    const ESTABLISHED: &str = "01";
    let mut columns = line.split_ascii_whitespace();
    let local = columns.nth(1)?;
    if columns.nth(1)? != ESTABLISHED {
        return None;
    }
    u16::from_str_radix(local.rsplit(':').next()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0
   3: 0100007F:1F90 0100007F:C351 06 00000000:00000000 00:00000000 00000000     0
";

    #[test]
    fn counts_the_accepting_end_of_established_connections_only() {
        let ports = BTreeSet::from([0x1f90, 80]);
        assert_eq!(count(TABLE, &ports), BTreeMap::from([(0x1f90, 1)]));
    }
}
