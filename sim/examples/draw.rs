//! Draws some topologies: `cargo run -p archipelago-sim --example draw -- FOLDER [GRAPH]`.
//!
//! One picture per shape, as SVG, and a line about each graph of groups. With a graph that knows
//! latitudes and longitudes (one of the Internet Topology Zoo, say), also a map of groups on it.

use std::path::Path;

use archipelago_sim::metrics::{Adjacency, Summary};
use archipelago_sim::picture;
use archipelago_sim::topology::{
    Flat, Hierarchy, Mapping, Overlapping, OverlayConfig, Regional, Shape, Shaped,
};
use archipelago_sim::underlay::{Delays, GraphConfig, LatencyModel, UnderlayConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for (name, config) in topologies() {
        let overlay = config.build(1, Path::new("."), None)?;
        let file = Path::new(&folder).join(format!("{name}.svg"));
        std::fs::write(&file, picture::draw(&overlay))?;
        let graph = Adjacency::of(&overlay.group_graph()?);
        let summary = Summary::of(&graph, 500, 1);
        println!(
            "{}: {} nodes, {} groups, {} edges between them, diameter {}, mean path {:.2}",
            file.display(),
            overlay.nodes,
            summary.vertices,
            summary.edges,
            summary.diameter,
            summary.path_mean,
        );
    }
    if let Some(graph) = std::env::args().nth(2) {
        let file = Path::new(&folder).join("map.svg");
        std::fs::write(&file, map(&graph)?)?;
        println!("{}: groups on {graph}", file.display());
    }
    Ok(())
}

/// Ten nodes at each place of a graph, in groups of ten, with the groups' reflectors above.
fn map(graph: &str) -> Result<String, Box<dyn std::error::Error>> {
    let config = UnderlayConfig {
        latency: LatencyModel::Graph(GraphConfig {
            file: graph.into(),
            format: None,
            delays: Delays::default(),
            unknown_ms: Some(1.0),
            hop_ms: 0.0,
            local_ms: 0.25,
            bandwidths: None,
        }),
        ..UnderlayConfig::default()
    };
    let underlay = config.build(1, Path::new("."))?;
    let places = u32::try_from(underlay.sites().len())?;
    let regional = OverlayConfig::Regional(Regional {
        nodes: 10 * places,
        size: 10,
        reflectors: 2,
    });
    let overlay = regional.build(1, Path::new("."), Some(&underlay))?;
    Ok(picture::draw_on_map(&overlay, &underlay))
}

fn topologies() -> Vec<(&'static str, OverlayConfig)> {
    let shaped = |shape, size| {
        let mapping = Mapping::Groups {
            size,
            reflectors: 2,
        };
        OverlayConfig::Shaped(Shaped { shape, mapping })
    };
    let hierarchy = |groups, size, parent_size, parents| {
        OverlayConfig::Hierarchy(Hierarchy {
            groups,
            size,
            reflectors: 3,
            parent_size,
            parents,
            tiers: 8,
        })
    };
    vec![
        ("full-mesh", OverlayConfig::FullMesh { nodes: 120 }),
        (
            "backbone",
            OverlayConfig::Flat(Flat {
                groups: 10,
                size: 20,
                reflectors: 2,
                overlap: 0,
            }),
        ),
        ("layers", hierarchy(12, 20, 12, 1)),
        ("rings", hierarchy(40, 20, 24, 1)),
        ("hundred-thousand", hierarchy(1_000, 100, 100, 1)),
        ("million", hierarchy(10_000, 100, 100, 1)),
        ("ring", shaped(Shape::Ring { n: 9 }, 12)),
        ("hypercube", shaped(Shape::Hypercube { dimension: 4 }, 10)),
        (
            "preferential",
            shaped(Shape::BarabasiAlbert { n: 40, edges: 1 }, 12),
        ),
        (
            "waxman",
            shaped(
                Shape::Waxman {
                    n: 24,
                    alpha: 0.3,
                    beta: 0.2,
                },
                8,
            ),
        ),
        (
            "many",
            shaped(
                Shape::WattsStrogatz {
                    n: 400,
                    degree: 4,
                    rewire: 0.1,
                },
                10,
            ),
        ),
        (
            "overlapping",
            OverlayConfig::Overlapping(Overlapping {
                nodes: 150,
                groups: 12,
                overlaps: 25,
            }),
        ),
    ]
}
