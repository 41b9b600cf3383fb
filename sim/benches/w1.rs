//! Workload W1 on the engine alone: events per second, and bytes per node.
//! `cargo bench -p archipelago-sim --bench w1 -- --nodes 1000000 --seconds 10 --threads 2`

mod support;

use std::time::Duration;

use archipelago_sim::w1::W1;
use support::{option, processor_seconds, resident_bytes};

fn main() {
    let nodes = option("--nodes", 100_000);
    let seconds = option("--seconds", 10);
    let threads = option("--threads", 1) as usize;
    let shards = option("--shards", u32::try_from(threads).unwrap_or(1)) as usize;
    let before = resident_bytes();
    let mut workload = W1::new(1, nodes, Duration::from_secs(seconds.into()), shards);
    #[allow(clippy::disallowed_types, reason = "a benchmark reads the clock")]
    let (start, busy) = (std::time::Instant::now(), processor_seconds());
    workload.run(workload.end(), threads);
    let took = start.elapsed().as_secs_f64();
    let busy = processor_seconds() - busy;
    let counted = workload.counted();
    let bytes = resident_bytes().saturating_sub(before) / u64::from(nodes);
    println!(
        "W1 nodes={nodes} seconds={seconds} shards={shards} threads={threads}: {} events \
         ({} heartbeats) in {took:.2} s, {:.1} M events/s ({:.1} M per second of processor \
         time), {bytes} B/node ({} of them the node), digest {:016x}",
        counted.events,
        counted.heartbeats,
        counted.events as f64 / took / 1e6,
        counted.events as f64 / busy / 1e6,
        W1::NODE_BYTES,
        counted.digest,
    );
}
