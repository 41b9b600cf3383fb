//! What one latency costs to draw: `cargo run --release -p archipelago-sim --example latency_cost`.

#![expect(
    clippy::disallowed_types,
    reason = "it measures the program, not the protocol"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use archipelago_core::Time;
use archipelago_sim::underlay::{
    Constant, CoordinatesConfig, Distribution, LatencyModel, Lognormal, MatrixConfig, MatrixFormat,
    Normal, Pareto, UnderlayConfig, Uniform, Way,
};
use archipelago_sim::{Random, Underlay};

const DRAWS: u32 = 10_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (name, config) in models() {
        let underlay = config.build(1, &samples)?;
        println!("{name:<24} {:>6.1} ns", nanoseconds(&underlay));
    }
    Ok(())
}

fn nanoseconds(underlay: &Underlay) -> f64 {
    let mut random = Random::new(1);
    let begun = Instant::now();
    let mut sum = Duration::ZERO;
    for draw in 0..DRAWS {
        let now = Time::from_micros(draw.into());
        sum += underlay.latency(draw % 1_000, draw / 7 % 1_000, now, &mut random);
    }
    black_box(sum);
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(DRAWS)
}

fn models() -> Vec<(&'static str, UnderlayConfig)> {
    let drawn = |distribution: Distribution| UnderlayConfig {
        latency: distribution.into(),
        ..UnderlayConfig::default()
    };
    let uniform = Distribution::Uniform(Uniform {
        low_ms: 1.0,
        high_ms: 100.0,
    });
    let lognormal = Distribution::Lognormal(Lognormal {
        median_ms: 40.0,
        sigma: 0.5,
        least_ms: None,
    });
    let matrix = LatencyModel::Matrix(MatrixConfig {
        files: vec!["square.tsv".into()],
        slice_s: 600.0,
        format: MatrixFormat::Square,
        unit_ms: 1.0,
        way: Way::RoundTrip,
        local_ms: 0.25,
    });
    vec![
        (
            "constant",
            drawn(Distribution::Constant(Constant { latency_ms: 5.0 })),
        ),
        ("uniform", drawn(uniform)),
        (
            "normal",
            drawn(Distribution::Normal(Normal {
                mean_ms: 50.0,
                deviation_ms: 5.0,
                least_ms: None,
            })),
        ),
        ("lognormal", drawn(lognormal)),
        (
            "pareto",
            drawn(Distribution::Pareto(Pareto {
                scale_ms: 5.0,
                shape: 2.5,
                most_ms: None,
            })),
        ),
        (
            "matrix",
            UnderlayConfig {
                latency: matrix.clone(),
                ..UnderlayConfig::default()
            },
        ),
        (
            "points by chance",
            UnderlayConfig {
                latency: LatencyModel::Coordinates(CoordinatesConfig::default()),
                ..UnderlayConfig::default()
            },
        ),
        (
            "matrix, access, jitter",
            UnderlayConfig {
                latency: matrix,
                access: Some(lognormal),
                jitter: Some(uniform),
                ..UnderlayConfig::default()
            },
        ),
    ]
}
