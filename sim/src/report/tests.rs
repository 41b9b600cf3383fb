//! Pages are well formed and need nothing from elsewhere; CSV keeps its columns.

use super::*;
use crate::run::{RunResult, Sample, Times};

fn result(nodes: u64) -> RunResult {
    let curve = (1..20u32)
        .map(|ms| (f64::from(ms), f64::from(ms) / 19.0))
        .collect();
    RunResult {
        name: "a <name>, with \"quotes\"".to_owned(),
        command: "archipelago sim run a.toml".to_owned(),
        nodes,
        groups: 3,
        detection: Times {
            count: 19,
            max_ms: 19.0,
            curve,
            ..Times::default()
        },
        series: (0..10u32)
            .map(|at| Sample {
                at_s: f64::from(at),
                sessions_max: 9,
                ..Sample::default()
            })
            .collect(),
        picture: "<svg viewBox=\"0 0 9 9\"></svg>".to_owned(),
        sessions: vec![(4, 10), (9, 2)],
        ..RunResult::default()
    }
}

#[test]
fn a_page_needs_nothing_beside_itself() {
    let mut swept = vec![result(10), result(20)];
    for run in &mut swept {
        run.parameters = vec![("topology.size".to_owned(), run.nodes.to_string())];
    }
    let pages = [
        run_page(&result(12)),
        compare_page(&[result(12), result(24)]),
        sweep_page("sizes", "about", "archipelago sim sweep a.toml", &swept),
    ];
    for page in pages {
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        assert!(
            page.matches("<svg").count() >= 2,
            "{} plots",
            page.matches("<svg").count()
        );
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<name>"));
        // The one address is the name of SVG's own namespace.
        assert!(
            !page
                .replace("http://www.w3.org/2000/svg", "")
                .contains("http")
        );
    }
}

#[test]
fn a_line_of_csv_has_as_many_fields_as_its_header() {
    let mut plain = result(7);
    plain.name = "plain".to_owned();
    let header = csv_header();
    let line = csv_line(&plain);
    assert_eq!(header.split(',').count(), line.split(',').count());
    assert!(csv_line(&result(7)).starts_with("\"a <name>, with \"\"quotes\"\"\","));
}

#[test]
fn points_gather_the_runs_of_the_same_values() {
    let mut runs = Vec::new();
    for (size, seed) in [(10, 1), (20, 1), (10, 2)] {
        let mut run = result(size);
        (run.seed, run.sessions_mean) = (seed, 2.0 * size as f64);
        run.parameters = vec![("topology.size".to_owned(), size.to_string())];
        runs.push(run);
    }
    let points = points(&runs);
    assert_eq!(points.len(), 2);
    assert_eq!((points[0].runs, points[1].runs), (2, 1));
    let place = figures(&runs[0])
        .iter()
        .position(|figure| figure.key == "sessions_mean");
    assert_eq!(points[0].figures[place.unwrap()].mean, 20.0);
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!(count(1_234_567), "1,234,567");
    assert_eq!(count(7), "7");
    assert_eq!(
        (figure(0.123), figure(99.6), figure(12_345.0)),
        ("0.12".into(), "99.6".into(), "12.3k".into())
    );
    assert_eq!(figure(f64::NAN), "–");
    assert_eq!(
        (ms(0.25), ms(1.5), ms(250.4), ms(12_000.0)),
        (
            "250 µs".into(),
            "1.5 ms".into(),
            "250 ms".into(),
            "12.0 s".into()
        )
    );
}
