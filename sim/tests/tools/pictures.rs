//! Pictures of plans: well-formed, finite, equal for equal plans, and small however large the plan.

use std::path::Path;

use archipelago_sim::picture::{DISCS_MAX, draw, draw_on_map};
use archipelago_sim::topology::{
    Flat, Hierarchy, Mapping, Overlapping, Overlay, OverlayConfig, Regional, Shape, Shaped,
};
use archipelago_sim::underlay::{Delays, GraphConfig, LatencyModel, UnderlayConfig};

fn plan(config: &OverlayConfig) -> Overlay {
    config.build(3, Path::new(""), None).expect("in range")
}

fn hierarchy(groups: u32, size: u32) -> Overlay {
    plan(&OverlayConfig::Hierarchy(Hierarchy {
        groups,
        size,
        reflectors: 2,
        parent_size: 12,
        parents: 1,
        tiers: 8,
    }))
}

/// Every element's name, and how often it stands there; every number is one.
fn elements(svg: &str, name: &str) -> usize {
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let document = roxmltree::Document::parse(svg).expect("well-formed XML");
    let all = document.descendants();
    all.filter(|node| node.tag_name().name() == name).count()
}

fn shaped(shape: Shape) -> Overlay {
    let mapping = Mapping::Groups {
        size: 5,
        reflectors: 1,
    };
    plan(&OverlayConfig::Shaped(Shaped { shape, mapping }))
}

#[test]
fn every_node_and_every_bridge_of_a_small_plan_is_drawn() {
    let overlay = hierarchy(6, 5);
    let svg = draw(&overlay);
    let reflectors = overlay
        .places()
        .iter()
        .filter(|places| places.len() > 1)
        .count();
    let title = format!(
        "30 nodes in {} groups, {reflectors} reflectors",
        overlay.groups.len()
    );
    assert!(svg.contains(&title), "{title}");
    let dots = |colour: &str| svg.matches(&format!("r=\"4.6\" fill=\"{colour}\"")).count();
    assert_eq!(dots("#d9480f"), reflectors);
    let memberships: usize = overlay.groups.iter().map(|group| group.members.len()).sum();
    assert_eq!(elements(&svg, "line"), memberships - 30);
}

#[test]
fn pictures_of_all_shapes_are_well_formed() {
    let plans = [
        Overlay::default(),
        plan(&OverlayConfig::FullMesh { nodes: 1 }),
        plan(&OverlayConfig::FullMesh { nodes: 5_000 }),
        plan(&OverlayConfig::Flat(Flat {
            groups: 9,
            size: 4,
            reflectors: 1,
            overlap: 2,
        })),
        plan(&OverlayConfig::Overlapping(Overlapping {
            nodes: 90,
            groups: 7,
            overlaps: 60,
        })),
        hierarchy(40, 3),
        hierarchy(3_000, 6),
        shaped(Shape::Hypercube { dimension: 3 }),
        shaped(Shape::Waxman {
            n: 30,
            alpha: 0.2,
            beta: 0.2,
        }),
        shaped(Shape::Ring { n: 3_000 }),
        plan(&OverlayConfig::Shaped(Shaped {
            shape: Shape::Star { n: 50_000 },
            mapping: Mapping::Pairs,
        })),
    ];
    for overlay in plans {
        let svg = draw(&overlay);
        assert_eq!(elements(&svg, "svg"), 1);
        assert!(svg.len() < 600_000, "{} bytes", svg.len());
        assert_eq!(svg, draw(&overlay));
    }
}

#[test]
fn many_groups_are_drawn_as_few_stacks_that_hold_them_all() {
    for overlay in [hierarchy(3_000, 6), shaped(Shape::Ring { n: 3_000 })] {
        let svg = draw(&overlay);
        assert!(svg.contains("several drawn as one stack"));
        let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
        let titles = document
            .descendants()
            .filter(|it| it.tag_name().name() == "title");
        let discs: Vec<usize> = titles
            .filter_map(|title| {
                let text = title.text()?;
                if text.contains(" nodes, tier ") {
                    return Some(1);
                }
                let (groups, _) = text.split_once(" groups, ")?;
                let digits: String = groups.chars().filter(char::is_ascii_digit).collect();
                (!groups.contains("nodes")).then(|| digits.parse().unwrap_or(0))
            })
            .collect();
        assert!(discs.len() <= DISCS_MAX, "{}", discs.len());
        assert_eq!(discs.iter().sum::<usize>(), overlay.groups.len());
    }
}

/// North is up and east is right.
#[test]
fn on_a_map_groups_are_where_their_nodes_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let config = UnderlayConfig {
        latency: LatencyModel::Graph(GraphConfig {
            file: "triangle.graphml".into(),
            format: None,
            delays: Delays::default(),
            unknown_ms: None,
            hop_ms: 0.0,
            local_ms: 0.25,
            bandwidths: None,
        }),
        ..UnderlayConfig::default()
    };
    let underlay = config.build(1, &folder).expect("samples are well-formed");
    let regional = OverlayConfig::Regional(Regional {
        nodes: 3,
        size: 5,
        reflectors: 1,
    });
    let mut overlay = regional
        .build(1, &folder, Some(&underlay))
        .expect("there are sites");
    overlay.groups.truncate(3);
    let svg = draw_on_map(&overlay, &underlay);
    let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
    let mut at = Vec::new();
    for group in document
        .descendants()
        .filter(|it| it.tag_name().name() == "g")
    {
        let title = group.children().find(|it| it.tag_name().name() == "title");
        let circle = group.children().find(|it| it.tag_name().name() == "circle");
        if let (Some(_), Some(circle)) = (title, circle) {
            let number = |name| circle.attribute(name).and_then(|it| it.parse::<f64>().ok());
            at.push((
                number("cx").expect("a place"),
                number("cy").expect("a place"),
            ));
        }
    }
    let [origin, east, north] = at.as_slice() else {
        panic!("three groups: {at:?}");
    };
    assert!(
        east.0 > origin.0 && (east.1 - origin.1).abs() < 1.0,
        "{at:?}"
    );
    assert!(north.1 < origin.1, "{at:?}");
}
