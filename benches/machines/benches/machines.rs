//! How long each hot path takes on this machine now: `cargo bench -p archipelago-machines [NAME]`.
//!
//! Another program's load shows in every figure. For changes of a few per cent, count instructions
//! instead: `cargo run --release -p archipelago-machines`.

use std::time::Duration;

use archipelago_machines::PATHS;
use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("machines");
    for path in PATHS {
        let mut operation = (path.make)();
        group.throughput(Throughput::Elements(path.per));
        group.bench_function(path.name, |bencher| bencher.iter(&mut operation));
    }
    group.finish();
    criterion.final_summary();
}
