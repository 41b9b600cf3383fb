//! Latencies against what they are drawn from, importers on samples of our own, and, where
//! ARCHIPELAGO_DATA names a folder, on everything in it.
//!
//! Samples are drawn by fixed seeds; bounds are four standard errors, so they hold for good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use archipelago_core::Time;
use archipelago_sim::underlay::{
    Bandwidths, Constant, CoordinatesConfig, Delays, Distribution, Draw, GraphConfig, LatencyModel,
    Lognormal, MatrixConfig, MatrixFormat, Normal, Pareto, Placement, RegionsConfig, Sinusoid,
    Step, UnderlayConfig, Uniform, Varying, Way,
};
use archipelago_sim::{Random, Underlay};

const DRAWS: usize = 200_000;

/// Sorted draws in milliseconds.
fn draws(distribution: Distribution) -> Vec<f64> {
    let sampler = distribution.sampler().expect("in range");
    let mut random = Random::new(7);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| sampler.draw(&mut random) as f64 / 1_000.0)
        .collect();
    draws.sort_by(f64::total_cmp);
    assert!(draws[0] * 1_000.0 >= sampler.least() as f64);
    draws
}

fn mean(draws: &[f64]) -> f64 {
    draws.iter().sum::<f64>() / draws.len() as f64
}

fn variance(draws: &[f64]) -> f64 {
    let mean = mean(draws);
    draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / (draws.len() - 1) as f64
}

fn quantile(draws: &[f64], share: f64) -> f64 {
    draws[(share * draws.len() as f64) as usize]
}

/// The mean within four standard errors, the variance and the quantiles within `tolerance`.
fn matches(
    draws: &[f64],
    mean_is: f64,
    variance_is: f64,
    quantiles: &[(f64, f64)],
    tolerance: f64,
) {
    let error = 4.0 * (variance_is / draws.len() as f64).sqrt() + 0.000_5;
    let found = mean(draws);
    assert!(
        (found - mean_is).abs() <= error,
        "mean {found}, not {mean_is}"
    );
    let found = variance(draws);
    let off = (found / variance_is - 1.0).abs();
    assert!(off <= tolerance, "variance {found}, not {variance_is}");
    for &(share, value) in quantiles {
        let found = quantile(draws, share);
        let off = (found / value - 1.0).abs();
        assert!(off <= tolerance, "quantile {share} {found}, not {value}");
    }
}

#[test]
fn a_constant_is_one() {
    let it = draws(Distribution::Constant(Constant { latency_ms: 5.0 }));
    assert!(it.iter().all(|&draw| draw == 5.0));
}

#[test]
fn uniform_draws_have_the_mean_variance_and_quantiles_of_the_law() {
    let it = draws(Distribution::Uniform(Uniform {
        low_ms: 1.0,
        high_ms: 100.0,
    }));
    let variance = 99.0 * 99.0 / 12.0;
    let quantiles = [(0.1, 10.9), (0.5, 50.5), (0.9, 90.1)];
    matches(&it, 50.5, variance, &quantiles, 0.01);
    assert!(it[0] >= 1.0 && it[DRAWS - 1] <= 100.0);
}

#[test]
fn normal_draws_have_the_mean_variance_and_quantiles_of_the_law() {
    let it = draws(Distribution::Normal(Normal {
        mean_ms: 50.0,
        deviation_ms: 5.0,
        least_ms: None,
    }));
    // Five and more deviations from the mean, the truncation does not show.
    let quantiles = [(0.025, 40.2002), (0.5, 50.0), (0.975, 59.7998)];
    matches(&it, 50.0, 25.0, &quantiles, 0.015);
}

#[test]
fn a_normal_law_cut_at_its_mean_is_half_normal() {
    let it = draws(Distribution::Normal(Normal {
        mean_ms: 50.0,
        deviation_ms: 5.0,
        least_ms: Some(50.0),
    }));
    let pi = std::f64::consts::PI;
    let mean_is = 50.0 + 5.0 * (2.0 / pi).sqrt();
    matches(
        &it,
        mean_is,
        25.0 * (1.0 - 2.0 / pi),
        &[(0.5, 53.372)],
        0.02,
    );
}

#[test]
fn lognormal_draws_have_the_mean_variance_and_quantiles_of_the_law() {
    let sigma: f64 = 0.5;
    let it = draws(Distribution::Lognormal(Lognormal {
        median_ms: 40.0,
        sigma,
        least_ms: None,
    }));
    let square = sigma * sigma;
    let mean_is = 40.0 * (square / 2.0).exp();
    let variance = 1_600.0 * (square.exp() - 1.0) * square.exp();
    let quantiles = [(0.1586, 24.2612), (0.5, 40.0), (0.8413, 65.949)];
    matches(&it, mean_is, variance, &quantiles, 0.03);
}

#[test]
fn pareto_draws_have_the_mean_variance_and_quantiles_of_the_bounded_law() {
    let (low, high, shape): (f64, f64, f64) = (10.0, 1_000.0, 2.5);
    let it = draws(Distribution::Pareto(Pareto {
        scale_ms: low,
        shape,
        most_ms: Some(high),
    }));
    let mass = 1.0 - (low / high).powf(shape);
    let moment = |order: f64| {
        let power = order - shape;
        shape * low.powf(shape) / mass * (high.powf(power) - low.powf(power)) / power
    };
    let variance = moment(2.0) - moment(1.0).powi(2);
    let at = |share: f64| low * (1.0 - share * mass).powf(-1.0 / shape);
    let quantiles = [(0.1, at(0.1)), (0.5, at(0.5)), (0.99, at(0.99))];
    matches(&it, moment(1.0), variance, &quantiles, 0.1);
    assert!(it[DRAWS - 1] <= high);
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let bad = [
        Distribution::Constant(Constant { latency_ms: -1.0 }),
        Distribution::Constant(Constant {
            latency_ms: f64::NAN,
        }),
        Distribution::Uniform(Uniform {
            low_ms: 5.0,
            high_ms: 4.0,
        }),
        Distribution::Normal(Normal {
            mean_ms: 5.0,
            deviation_ms: 1.0,
            least_ms: Some(6.0),
        }),
        Distribution::Lognormal(Lognormal {
            median_ms: 5.0,
            sigma: 9.0,
            least_ms: None,
        }),
        Distribution::Pareto(Pareto {
            scale_ms: 5.0,
            shape: 0.0,
            most_ms: None,
        }),
    ];
    let names = [
        "latency_ms",
        "latency_ms",
        "high_ms",
        "least_ms",
        "sigma",
        "shape",
    ];
    for (distribution, name) in bad.iter().zip(names) {
        let error = distribution.sampler().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        assert!(error.contains("allowed is"), "{error}");
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn build(config: UnderlayConfig) -> Underlay {
    config.build(1, &data("")).expect("samples are well-formed")
}

fn with(latency: LatencyModel) -> UnderlayConfig {
    UnderlayConfig {
        latency,
        ..UnderlayConfig::default()
    }
}

fn micros(underlay: &Underlay, from: u32, to: u32, at_s: u64) -> u128 {
    let now = Time::from_micros(at_s * 1_000_000);
    underlay
        .latency(from, to, now, &mut Random::new(3))
        .as_micros()
}

fn square(files: &[&str]) -> MatrixConfig {
    MatrixConfig {
        files: files.iter().map(PathBuf::from).collect(),
        slice_s: 60.0,
        format: MatrixFormat::Square,
        unit_ms: 1.0,
        way: Way::RoundTrip,
        local_ms: 0.25,
    }
}

#[test]
fn a_matrix_gives_half_its_round_trips_and_fills_what_is_missing() {
    let underlay = build(with(LatencyModel::Matrix(square(&["square.tsv"]))));
    assert_eq!(micros(&underlay, 0, 1, 0), 5_000);
    assert_eq!(micros(&underlay, 1, 0, 0), 6_000);
    assert_eq!(micros(&underlay, 2, 1, 0), 20_000, "the other direction");
    assert_eq!(micros(&underlay, 3, 4, 0), 5_000, "round robin");
    assert_eq!(micros(&underlay, 0, 3, 0), 250, "one site");
    assert_eq!(underlay.pairs_missing(), 1);
    assert_eq!(underlay.latency_min(), Duration::from_micros(250));
}

#[test]
fn slices_of_a_matrix_follow_each_other_and_begin_again() {
    let files = ["square.tsv", "square-later.txt"];
    let underlay = build(with(LatencyModel::Matrix(square(&files))));
    let seen: Vec<u128> = [0, 59, 60, 119, 120]
        .map(|at| micros(&underlay, 0, 1, at))
        .to_vec();
    assert_eq!(seen, [5_000, 5_000, 10_000, 10_000, 5_000]);
}

#[test]
fn king_lists_are_in_microseconds_and_a_single_direction_is_both() {
    let mut config = square(&["pairs.king"]);
    config.format = MatrixFormat::King;
    let underlay = build(with(LatencyModel::Matrix(config)));
    assert_eq!(micros(&underlay, 0, 1, 0), 19_000);
    assert_eq!(micros(&underlay, 1, 0, 0), 19_000);
    assert_eq!(micros(&underlay, 1, 2, 0), 2_500);
    assert_eq!(micros(&underlay, 2, 1, 0), 3_500);
    assert_eq!(underlay.sites()[2].name, "3");
}

#[test]
fn regions_stay_within_the_spread_of_their_pings() {
    let underlay = build(with(LatencyModel::Regions(RegionsConfig {
        folder: "cloud".into(),
        only: Vec::new(),
    })));
    let mut random = Random::new(1);
    let draws: Vec<f64> = (0..10_000)
        .map(|_| {
            underlay
                .latency(0, 1, Time::START, &mut random)
                .as_secs_f64()
                * 1_000.0
        })
        .collect();
    assert!(draws.iter().all(|draw| (30.0..=35.0).contains(draw)));
    assert!((mean(&draws) - 31.0).abs() < 0.3, "{}", mean(&draws));
    assert_eq!(underlay.latency_min(), Duration::from_micros(100));
    let names: Vec<&str> = underlay
        .sites()
        .iter()
        .map(|site| site.name.as_str())
        .collect();
    assert_eq!(names, ["east", "west"]);
}

#[test]
fn coordinates_are_distance_and_heights() {
    let underlay = build(with(LatencyModel::Coordinates(CoordinatesConfig {
        file: Some("points.txt".into()),
        heights: true,
        ..CoordinatesConfig::default()
    })));
    assert_eq!(micros(&underlay, 0, 1, 0), 25_000 + 2_000 + 5_000);
    assert_eq!(underlay.sites()[1].name, "away");
}

#[test]
fn points_by_chance_are_as_far_apart_as_points_in_a_square() {
    let underlay = build(with(
        LatencyModel::Coordinates(CoordinatesConfig::default()),
    ));
    let pairs = (0..20_000u32).map(|pair| micros(&underlay, 2 * pair, 2 * pair + 1, 0));
    let distances: Vec<f64> = pairs.map(|micros| micros as f64 / 100_000.0).collect();
    // The mean distance in a unit square: (2 + √2 + 5 asinh 1) / 15.
    let expected = (2.0 + 2f64.sqrt() + 5.0 * 1f64.asinh()) / 15.0;
    assert!(
        (mean(&distances) - expected).abs() < 0.01,
        "{}",
        mean(&distances)
    );
    assert_eq!(micros(&underlay, 5, 9, 0), micros(&underlay, 9, 5, 0));
}

fn graph(file: &str, delays: Delays) -> GraphConfig {
    GraphConfig {
        file: file.into(),
        format: None,
        delays,
        unknown_ms: None,
        hop_ms: 0.0,
        local_ms: 0.25,
        bandwidths: None,
    }
}

#[test]
fn great_circles_are_quarters_of_the_earth() {
    let underlay = build(with(LatencyModel::Graph(graph(
        "triangle.graphml",
        Delays::default(),
    ))));
    // A quarter of the circumference of 6371 km at 200 km per millisecond.
    let quarter = (std::f64::consts::FRAC_PI_2 * 6_371.0 / 200.0 * 1_000.0).round() as u128;
    assert_eq!(micros(&underlay, 0, 1, 0), quarter);
    assert_eq!(micros(&underlay, 0, 2, 0), 2 * quarter, "by the only path");
    assert_eq!(
        micros(&underlay, 2, 3, 0),
        quarter,
        "the median of the others"
    );
    assert_eq!(
        underlay.sites().len(),
        4,
        "the one with no edge is left out"
    );
    assert_eq!(underlay.sites()[0].name, "Null & Island");
    assert_eq!(underlay.sites()[2].position, Some((90.0, 0.0)));
}

#[test]
fn given_delays_take_the_shortest_path() {
    let delays = || Delays::Attribute {
        name: "delay".into(),
        unit_ms: 1.0,
    };
    for (file, there) in [
        ("triangle.gml", 5_500),
        ("triangle.dot", 5_000),
        ("triangle.csv", 5_500),
    ] {
        let underlay = build(with(LatencyModel::Graph(graph(file, delays()))));
        assert_eq!(micros(&underlay, 0, 2, 0), there, "{file}");
    }
    let mut config = graph("triangle.gml", delays());
    config.hop_ms = 1.0;
    let underlay = build(with(LatencyModel::Graph(config)));
    assert_eq!(micros(&underlay, 0, 2, 0), 7_500);
}

/// What paths carry in a graph of a file, by `bandwidths`.
fn carried(file: &str, bandwidths: Bandwidths) -> Underlay {
    let delays = Delays::Attribute {
        name: "delay".into(),
        unit_ms: 1.0,
    };
    let mut config = graph(file, delays);
    config.bandwidths = Some(bandwidths);
    build(with(LatencyModel::Graph(config)))
}

#[test]
fn a_path_carries_what_its_narrowest_edge_does() {
    let underlay = carried("speeds.graphml", Bandwidths::default());
    assert!(underlay.is_shaped());
    let mbit = |from, to| underlay.bandwidth(from, to).map(|rate| rate / 125_000);
    assert_eq!(mbit(0, 1), Some(10_000), "an edge of its own");
    assert_eq!(
        mbit(0, 2),
        Some(155),
        "by the shortest path, not the widest"
    );
    assert_eq!(mbit(2, 0), Some(155), "both ways");
    assert_eq!(
        mbit(0, 3),
        Some(155),
        "the median of the others is no narrower"
    );
    assert_eq!(mbit(0, 4), Some(155), "of two that are as short, the wider");
    assert_eq!(mbit(0, 0), None, "one site is not limited");
    assert_eq!(micros(&underlay, 0, 2, 0), 2_000);
}

#[test]
fn an_attribute_of_ones_own_has_its_own_unit_and_the_underlay_its_own_limit() {
    let bandwidths = Bandwidths {
        attribute: "capacity".into(),
        unit_mbit: Some(1_000.0),
        unknown_mbit: Some(1.0),
    };
    let underlay = carried("speeds.graphml", bandwidths.clone());
    assert_eq!(underlay.bandwidth(0, 1), Some(5_000 * 125_000));
    assert_eq!(underlay.bandwidth(0, 2), Some(125_000), "none is said");
    let mut config = graph("speeds.graphml", Delays::default());
    config.unknown_ms = Some(1.0);
    config.bandwidths = Some(bandwidths);
    let mut config = with(LatencyModel::Graph(config));
    config.bandwidth_mbit = Some(100.0);
    assert_eq!(build(config).bandwidth(0, 1), Some(100 * 125_000));
}

#[test]
fn a_graph_without_a_bandwidth_says_what_to_give() {
    let bandwidths = Bandwidths {
        attribute: "speed".into(),
        ..Bandwidths::default()
    };
    let mut config = graph("speeds.graphml", Delays::default());
    config.unknown_ms = Some(1.0);
    config.bandwidths = Some(bandwidths);
    let built = with(LatencyModel::Graph(config)).build(1, &data(""));
    let error = built.expect_err("no edge has it").to_string();
    assert!(
        error.contains("speed") && error.contains("unknown_mbit"),
        "{error}"
    );
}

#[test]
fn latency_follows_a_schedule_and_a_wave() {
    let mut config = UnderlayConfig {
        varying: Some(Varying::Schedule(vec![
            Step {
                at_s: 10.0,
                factor: 3.0,
            },
            Step {
                at_s: 20.0,
                factor: 0.5,
            },
        ])),
        ..UnderlayConfig::default()
    };
    let underlay = build(config.clone());
    let seen = [0, 10, 19, 20].map(|at| micros(&underlay, 0, 1, at));
    assert_eq!(seen, [500, 1_500, 1_500, 250]);
    assert_eq!(underlay.latency_min(), Duration::from_micros(250));
    config.varying = Some(Varying::Sinusoid(Sinusoid {
        period_s: 40.0,
        amplitude: 0.5,
        phase: 0.0,
    }));
    let underlay = build(config);
    let seen = [0, 10, 20, 30].map(|at| micros(&underlay, 0, 1, at));
    assert_eq!(seen, [500, 750, 500, 250]);
}

#[test]
fn access_jitter_and_pairs_add_up_and_hold() {
    let uniform = Distribution::Uniform(Uniform {
        low_ms: 1.0,
        high_ms: 9.0,
    });
    let underlay = build(UnderlayConfig {
        latency: uniform.into(),
        draw: Draw::Pair,
        access: Some(uniform),
        ..UnderlayConfig::default()
    });
    let mut random = Random::new(5);
    let mut latency = |from, to| underlay.latency(from, to, Time::START, &mut random);
    assert_eq!(latency(1, 2), latency(2, 1));
    assert_ne!(latency(1, 2), latency(1, 3));
    assert_eq!(underlay.latency_min(), Duration::from_millis(3));
    let many: Vec<f64> = (0..20_000)
        .map(|to| latency(7, 10 + to).as_secs_f64() * 1_000.0)
        .collect();
    let own = many.iter().copied().fold(f64::MAX, f64::min) - 2.0;
    assert!(
        (mean(&many) - own - 10.0).abs() < 0.2,
        "{} {own}",
        mean(&many)
    );
}

#[test]
fn some_nodes_cannot_be_dialled_and_some_messages_travel_twice() {
    let underlay = build(UnderlayConfig {
        undialable_percent: 20.0,
        undialable: [3].into(),
        duplication_percent: 5.0,
        bandwidth_mbit: Some(8.0),
        ..UnderlayConfig::default()
    });
    let share = (0..20_000)
        .filter(|&node| !underlay.is_dialable(node))
        .count();
    assert!((3_800..4_200).contains(&share), "{share}");
    assert!(!underlay.is_dialable(3));
    let mut random = Random::new(1);
    let twice = (0..20_000)
        .filter(|_| underlay.copies(&mut random) == 2)
        .count();
    assert!((880..1_120).contains(&twice), "{twice}");
    assert_eq!(underlay.bandwidth(0, 1), Some(1_000_000));
    assert!(underlay.is_shaped());
}

#[test]
fn nodes_are_placed_round_robin_in_blocks_by_chance_or_as_told() {
    let site = |placement, nodes: &[u32]| {
        let mut config = with(LatencyModel::Matrix(square(&["square.tsv"])));
        config.placement = placement;
        let underlay = build(config);
        nodes
            .iter()
            .map(|&node| underlay.site_of(node))
            .collect::<Vec<_>>()
    };
    assert_eq!(site(Placement::RoundRobin, &[0, 1, 2, 3]), [0, 1, 2, 0]);
    assert_eq!(
        site(Placement::Blocks(2), &[0, 1, 2, 5, 6]),
        [0, 0, 1, 2, 0]
    );
    assert_eq!(site(Placement::Given(vec![2, 1]), &[0, 1, 2]), [2, 1, 2]);
    let all: Vec<u32> = (0..3_000).collect();
    let mut counts = BTreeMap::new();
    for place in site(Placement::Random, &all) {
        *counts.entry(place).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| (880..1_120).contains(count)));
}

#[test]
fn no_latency_is_below_the_least_whatever_the_model() {
    let lognormal = Distribution::Lognormal(Lognormal {
        median_ms: 2.0,
        sigma: 2.0,
        least_ms: Some(0.0),
    });
    for latency in [
        lognormal.into(),
        LatencyModel::Regions(RegionsConfig {
            folder: "cloud".into(),
            only: Vec::new(),
        }),
        LatencyModel::Coordinates(CoordinatesConfig::default()),
        LatencyModel::Graph(graph("triangle.graphml", Delays::default())),
    ] {
        let underlay = build(UnderlayConfig {
            latency,
            jitter: Some(lognormal),
            varying: Some(Varying::Sinusoid(Sinusoid {
                period_s: 1.0,
                amplitude: 0.9,
                phase: 0.3,
            })),
            ..UnderlayConfig::default()
        });
        let mut random = Random::new(11);
        let least = underlay.latency_min();
        assert!(least >= Duration::from_micros(1));
        for draw in 0..20_000u32 {
            let now = Time::from_micros(u64::from(draw) * 777);
            let latency = underlay.latency(draw, draw.wrapping_mul(7) % 100, now, &mut random);
            assert!(latency >= least);
        }
    }
}

#[test]
fn an_error_names_file_line_and_remedy() {
    let config = with(LatencyModel::Matrix(square(&["triangle.csv"])));
    let error = config.build(1, &data("")).unwrap_err().to_string();
    assert!(error.contains("triangle.csv: line 1"), "{error}");
    assert!(error.contains("expected is"), "{error}");
    let config = with(LatencyModel::Matrix(square(&["none.tsv"])));
    assert!(
        config
            .build(1, &data(""))
            .unwrap_err()
            .to_string()
            .contains("none.tsv")
    );
}

#[test]
fn an_underlay_may_be_read_from_any_thread() {
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Underlay>();
}

/// Whether a file says the speeds of links; then every pair of two sites has a bandwidth, between a
/// modem's and ten terabits, and both ways the same.
fn has_link_speeds(name: &str, folder: &Path) -> bool {
    let mut config = graph(name, Delays::default());
    config.unknown_ms = Some(1.0);
    config.bandwidths = Some(Bandwidths::default());
    let built = with(LatencyModel::Graph(config)).build(1, folder);
    let text = std::fs::read_to_string(name).expect("it was listed");
    let is_said = text.contains("LinkSpeedRaw");
    let underlay = match built {
        Ok(underlay) => underlay,
        Err(error) => {
            assert!(!is_said, "{name}: {error}");
            return false;
        }
    };
    let sites = u32::try_from(underlay.sites().len()).expect("a few hundred");
    for (from, to) in (0..sites).flat_map(|from| (0..from).map(move |to| (from, to))) {
        let rate = underlay.bandwidth(from, to).expect("every path has one");
        assert!(
            (1_000..=1_250_000_000_000).contains(&rate),
            "{name}: {rate}"
        );
        assert_eq!(underlay.bandwidth(to, from), Some(rate), "{name}");
    }
    true
}

/// Everything in the folder that ARCHIPELAGO_DATA names becomes an underlay, with no pair of sites
/// farther than half the earth's circumference (or a second, where it was measured).
#[test]
fn real_underlays_are_read() {
    let Ok(folder) = std::env::var("ARCHIPELAGO_DATA") else {
        return;
    };
    let folder = Path::new(&folder);
    let (mut read, mut shaped) = (0, 0);
    for entry in std::fs::read_dir(folder.join("topology-zoo"))
        .into_iter()
        .flatten()
    {
        let file = entry.unwrap().path();
        let Some(name) = file.to_str().filter(|name| name.ends_with(".graphml")) else {
            continue;
        };
        let mut config = graph(name, Delays::default());
        config.unknown_ms = Some(1.0);
        let underlay = with(LatencyModel::Graph(config)).build(1, folder);
        let underlay = underlay.unwrap_or_else(|error| panic!("{name}: {error}"));
        let sites = u32::try_from(underlay.sites().len()).unwrap();
        let farthest = (1..sites).map(|to| micros(&underlay, 0, to, 0)).max();
        assert!(farthest.unwrap_or(0) < 400_000, "{name}: {farthest:?}");
        shaped += usize::from(has_link_speeds(name, folder));
        read += 1;
    }
    let aws = folder.join("aws-2020-06-05");
    if aws.is_dir() {
        let regions = RegionsConfig {
            folder: aws,
            only: Vec::new(),
        };
        let underlay = with(LatencyModel::Regions(regions))
            .build(1, folder)
            .unwrap();
        assert!(underlay.sites().len() > 1);
        read += 1;
    }
    let slices = std::fs::read_dir(folder.join("seattle"))
        .into_iter()
        .flatten();
    let mut files: Vec<PathBuf> = slices.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().contains("SeattleData_"));
    files.sort();
    if !files.is_empty() {
        let mut config = square(&[]);
        config.files = files;
        config.unit_ms = 1_000.0;
        let underlay = with(LatencyModel::Matrix(config)).build(1, folder).unwrap();
        assert!(micros(&underlay, 0, 1, 0) < 1_000_000);
        read += 1;
    }
    assert!(read > 0, "nothing known in {}", folder.display());
    println!("{read} underlays, {shaped} of them with the speeds of links");
}
