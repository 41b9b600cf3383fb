//! Plans of groups: what each generator promises, files, hostile ones too, and worlds made of them.

use std::path::{Path, PathBuf};

use archipelago_sim::check::{sessions, views};
use archipelago_sim::tiers::is_formed;
use archipelago_sim::topology::{
    Flat, FromFile, Hierarchy, Mapping, Overlapping, Overlay, OverlayConfig, OverlayFormat,
    Regional, Shape, Shaped, Topology,
};
use archipelago_sim::underlay::{Delays, GraphConfig, LatencyModel, RegionsConfig, UnderlayConfig};
use archipelago_sim::{Random, Underlay, World, WorldConfig};
use petgraph::algo::connected_components;
use proptest::prelude::*;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn plan(config: &OverlayConfig) -> Overlay {
    config.build(7, &data(), None).expect("in range")
}

fn degrees(shape: Shape) -> Vec<usize> {
    let graph = shape.graph(&mut Random::new(3)).expect("in range");
    assert_eq!(connected_components(&graph), 1, "{shape:?}");
    let mut degrees: Vec<usize> = graph
        .node_indices()
        .map(|vertex| graph.neighbors(vertex).count())
        .collect();
    degrees.sort_unstable();
    degrees
}

#[test]
fn named_graphs_have_the_degrees_of_their_definitions() {
    assert_eq!(degrees(Shape::Chain { n: 5 }), [1, 1, 2, 2, 2]);
    assert_eq!(degrees(Shape::Ring { n: 5 }), [2; 5]);
    assert_eq!(degrees(Shape::Star { n: 5 }), [1, 1, 1, 1, 4]);
    assert_eq!(degrees(Shape::Complete { n: 5 }), [4; 5]);
    assert_eq!(
        degrees(Shape::Tree { n: 7, arity: 2 }),
        [1, 1, 1, 1, 2, 3, 3]
    );
    assert_eq!(degrees(Shape::Hypercube { dimension: 4 }), [4; 16]);
    for degree in [3, 8, 40, 97, 99] {
        let n = 100;
        assert_eq!(
            degrees(Shape::Regular { n, degree }),
            [degree as usize; 100]
        );
    }
    assert_eq!(
        degrees(Shape::WattsStrogatz {
            n: 50,
            degree: 6,
            rewire: 0.0
        }),
        [6; 50]
    );
    let rewired = degrees(Shape::WattsStrogatz {
        n: 500,
        degree: 6,
        rewire: 0.5,
    });
    assert_eq!(rewired.iter().sum::<usize>(), 500 * 6);
    assert!(rewired[0] >= 3 && rewired[499] > 9, "{rewired:?}");
    let grown = degrees(Shape::BarabasiAlbert { n: 2_000, edges: 3 });
    assert_eq!(grown.iter().sum::<usize>(), 2 * 3 * (2_000 - 3));
    assert!(
        grown[0] >= 1 && grown[1_999] > 60,
        "the tail is long: {}",
        grown[1_999]
    );
}

/// With beta so large that distance does not count, a Waxman graph has alpha of all pairs.
#[test]
fn a_waxman_graph_has_its_share_of_pairs_and_prefers_near_ones() {
    let pairs = |beta: f64| {
        let degrees = degrees(Shape::Waxman {
            n: 300,
            alpha: 0.2,
            beta,
        });
        degrees.iter().sum::<usize>() as f64 / (300.0 * 299.0)
    };
    assert!((pairs(10.0) - 0.2 * 0.96).abs() < 0.01, "{}", pairs(10.0));
    assert!(pairs(0.1) < 0.1);
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    let config = OverlayConfig::Shaped(Shaped {
        shape: Shape::BarabasiAlbert { n: 60, edges: 2 },
        mapping: Mapping::default(),
    });
    let build = |seed| config.build(seed, &data(), None).expect("in range");
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn along_a_graph_neighbours_share_their_reflectors_and_nothing_else() {
    let overlay = plan(&OverlayConfig::Shaped(Shaped {
        shape: Shape::Ring { n: 6 },
        mapping: Mapping::Groups {
            size: 5,
            reflectors: 2,
        },
    }));
    assert_eq!(overlay.nodes, 30);
    let graph = overlay.group_graph().expect("few");
    assert_eq!(graph.edge_count(), 6);
    assert!(graph.edge_weights().all(|&shared| shared == 2));
    assert!(overlay.groups.iter().all(|group| group.members.len() == 7));
    let pairs = plan(&OverlayConfig::Shaped(Shaped {
        shape: Shape::Hypercube { dimension: 3 },
        mapping: Mapping::Pairs,
    }));
    assert_eq!((pairs.nodes, pairs.groups.len()), (8, 12));
    assert_eq!(pairs.sessions(), [3; 8]);
    assert_eq!(pairs.session_graph().expect("few").edge_count(), 12);
}

/// DESIGN §11: sessions do not grow with the number of nodes, a reflector's only with its tiers.
#[test]
fn in_a_hierarchy_sessions_grow_with_tiers_only() {
    let sessions = |groups| {
        let overlay = plan(&OverlayConfig::Hierarchy(Hierarchy {
            groups,
            size: 100,
            reflectors: 3,
            parent_size: 100,
            parents: 1,
            tiers: 8,
        }));
        let sessions = overlay.sessions();
        let sum: u64 = sessions.iter().map(|&it| u64::from(it)).sum();
        let worst = sessions.into_iter().max().unwrap_or(0);
        (
            overlay.tier_max(),
            sum as f64 / f64::from(overlay.nodes),
            worst,
        )
    };
    let (tiers, mean, worst) = sessions(20);
    assert_eq!((tiers, worst), (1, 99 + 59 - 2));
    assert!((100.6..100.8).contains(&mean), "{mean}");
    let (tiers, mean, worst) = sessions(2_000);
    assert_eq!(tiers, 3);
    assert!(mean < 102.5 && worst < 320, "{mean} {worst}");
}

#[test]
fn every_group_of_a_hierarchy_leads_to_as_many_parents_as_it_is_to_have() {
    let config = Hierarchy {
        groups: 90,
        size: 10,
        reflectors: 2,
        parent_size: 24,
        parents: 2,
        tiers: 8,
    };
    let overlay = plan(&OverlayConfig::Hierarchy(config));
    let top = overlay.tier_max();
    for group in overlay.groups.iter().filter(|group| group.tier < top) {
        let above = overlay
            .groups
            .iter()
            .filter(|it| it.tier == group.tier + 1)
            .count();
        assert_eq!(group.parents.len(), above.min(2), "{}", group.name);
        for &parent in &group.parents {
            let there = &overlay.groups[parent].members;
            let shared = group.members.iter().filter(|it| there.contains(it)).count();
            assert!(
                shared >= 2,
                "{} in {}",
                group.name,
                overlay.groups[parent].name
            );
        }
    }
    let above: Vec<usize> = overlay
        .groups
        .iter()
        .filter(|it| it.tier > 0)
        .map(|it| it.members.len())
        .collect();
    assert!(above.iter().all(|&size| size <= 26), "{above:?}");
}

#[test]
fn a_flat_plan_has_one_backbone_and_its_overlaps() {
    let overlay = plan(&OverlayConfig::Flat(Flat {
        groups: 8,
        size: 10,
        reflectors: 2,
        overlap: 1,
    }));
    let backbone = overlay.groups.last().expect("a backbone");
    assert_eq!(backbone.members.len(), 16);
    let members: usize = overlay
        .groups
        .iter()
        .take(8)
        .map(|it| it.members.len())
        .sum();
    assert_eq!(members, 8 * 11);
    assert!(
        overlay
            .groups
            .iter()
            .take(8)
            .all(|it| it.reflectors.len() >= 3)
    );
}

#[test]
fn overlapping_groups_hold_every_node_once_and_overlaps_beyond() {
    let overlay = plan(&OverlayConfig::Overlapping(Overlapping {
        nodes: 100,
        groups: 10,
        overlaps: 30,
    }));
    let memberships: usize = overlay.groups.iter().map(|it| it.members.len()).sum();
    assert!((115..=130).contains(&memberships), "{memberships}");
    assert!(overlay.places().iter().all(|places| !places.is_empty()));
}

fn cloud() -> Underlay {
    let config = UnderlayConfig {
        latency: LatencyModel::Regions(RegionsConfig {
            folder: "cloud".into(),
            only: Vec::new(),
        }),
        ..UnderlayConfig::default()
    };
    config.build(1, &data()).expect("samples are well-formed")
}

#[test]
fn regional_groups_never_cross_regions() {
    let underlay = cloud();
    let config = OverlayConfig::Regional(Regional {
        nodes: 45,
        size: 10,
        reflectors: 2,
    });
    let overlay = config
        .build(1, &data(), Some(&underlay))
        .expect("there are sites");
    for group in overlay.groups.iter().filter(|group| group.tier < 2) {
        let sites = group.members.iter().map(|&node| underlay.site_of(node));
        let mut sites: Vec<u32> = sites.collect();
        sites.dedup();
        assert_eq!(sites.len(), 1, "{}", group.name);
        assert!(group.members.len() <= 10);
    }
    assert_eq!(overlay.tier_max(), 2);
    let error = config.build(1, &data(), None).unwrap_err().to_string();
    assert!(error.contains("needs an underlay with sites"), "{error}");
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let shaped = |shape| {
        OverlayConfig::Shaped(Shaped {
            shape,
            mapping: Mapping::Pairs,
        })
    };
    let bad = [
        (OverlayConfig::FullMesh { nodes: 0 }, "nodes"),
        (shaped(Shape::Regular { n: 5, degree: 3 }), "n × degree"),
        (
            shaped(Shape::WattsStrogatz {
                n: 9,
                degree: 3,
                rewire: 0.1,
            }),
            "degree",
        ),
        (
            shaped(Shape::WattsStrogatz {
                n: 9,
                degree: 4,
                rewire: f64::NAN,
            }),
            "rewire",
        ),
        (shaped(Shape::BarabasiAlbert { n: 3, edges: 3 }), "edges"),
        (shaped(Shape::Hypercube { dimension: 40 }), "dimension"),
        (shaped(Shape::Complete { n: 100_000 }), "n ="),
        (
            OverlayConfig::Flat(Flat {
                groups: 200_000,
                size: 20_000,
                reflectors: 1,
                overlap: 0,
            }),
            "4000000000 nodes",
        ),
    ];
    for (config, name) in bad {
        let error = config.build(1, &data(), None).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        assert!(error.contains("allowed"), "{error}");
    }
}

/// A hub in very many groups, or one very large group, costs an error and not the memory.
#[test]
fn graphs_that_would_be_too_large_are_refused() {
    let star = plan(&OverlayConfig::Shaped(Shaped {
        shape: Shape::Star { n: 100_000 },
        mapping: Mapping::Pairs,
    }));
    assert!(star.group_graph().is_err());
    assert!(star.session_graph().is_ok());
    let mesh = plan(&OverlayConfig::FullMesh { nodes: 7_000 });
    assert!(mesh.session_graph().is_err());
    assert_eq!(mesh.sessions(), vec![6_999; 7_000]);
}

#[test]
fn any_graph_in_a_file_can_be_an_overlay() {
    let file = |mapping| {
        OverlayConfig::File(FromFile {
            file: "triangle.graphml".into(),
            format: None,
            mapping,
        })
    };
    let groups = plan(&file(Mapping::default()));
    assert_eq!((groups.groups.len(), groups.nodes), (5, 50));
    let pairs = plan(&file(Mapping::Pairs));
    assert_eq!(
        (pairs.groups.len(), pairs.nodes),
        (3, 5),
        "the parallel edge counts once"
    );
}

#[test]
fn a_configuration_is_read_from_json_as_it_is_written() {
    let config = OverlayConfig::Shaped(Shaped {
        shape: Shape::WattsStrogatz {
            n: 20,
            degree: 4,
            rewire: 0.1,
        },
        mapping: Mapping::Groups {
            size: 5,
            reflectors: 1,
        },
    });
    let text = serde_json::to_string(&config).expect("plain values");
    assert!(text.contains("watts-strogatz"), "{text}");
    let again: OverlayConfig = serde_json::from_str(&text).expect("as written");
    assert_eq!(again, config);
    let typo = r#"{"hierarchy": {"groups": 3, "size": 9, "reflector": 2}}"#;
    let error = serde_json::from_str::<OverlayConfig>(typo)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("reflector") && error.contains("parent_size"),
        "{error}"
    );
}

/// A plan along a file's graph, on the underlay of another, forms, and the same seed gives the same
/// run.
#[test]
fn worlds_of_plans_on_underlays_form_and_repeat() {
    let run = || {
        let overlay = plan(&OverlayConfig::Hierarchy(Hierarchy {
            groups: 6,
            size: 4,
            reflectors: 2,
            parent_size: 4,
            parents: 1,
            tiers: 2,
        }));
        let graph = GraphConfig {
            file: "triangle.graphml".into(),
            format: None,
            delays: Delays::default(),
            unknown_ms: None,
            hop_ms: 0.0,
            local_ms: 0.5,
            bandwidths: None,
        };
        let underlay = UnderlayConfig {
            latency: LatencyModel::Graph(graph),
            loss_percent: 1.0,
            uplink_mbit: Some(10.0),
            duplication_percent: 1.0,
            ..UnderlayConfig::default()
        };
        let mut config = WorldConfig::new(5);
        config.underlay = Some(underlay.build(5, &data()).expect("samples are well-formed"));
        let topology = Topology::of(&overlay);
        let mut world = topology.build(config, |_, _| {});
        archipelago_sim::topology::start_all(&mut world);
        let limit = std::time::Duration::from_secs(30);
        let is_formed = |world: &World| views::all_agree(world) && sessions::mesh(world).is_empty();
        assert!(world.run_until(limit, is_formed).is_some(), "it forms");
        for (place, group) in overlay.groups.iter().enumerate() {
            let members = world.members_of(topology.id(place));
            assert_eq!(members.len(), group.members.len(), "{}", group.name);
        }
        world.trace()
    };
    assert_eq!(run(), run());
}

/// A member that nobody can dial dials all others, and the group is whole.
#[test]
fn a_group_forms_around_a_member_that_cannot_be_dialled() {
    let underlay = UnderlayConfig {
        undialable: [4].into(),
        ..UnderlayConfig::default()
    };
    let mut config = WorldConfig::new(2);
    config.underlay = Some(underlay.build(2, &data()).expect("in range"));
    let mut world = Topology::group(5).build(config, |_, _| {});
    archipelago_sim::topology::start_all(&mut world);
    let limit = std::time::Duration::from_secs(30);
    let is_formed = |world: &World| views::all_agree(world) && sessions::mesh(world).is_empty();
    assert!(world.run_until(limit, is_formed).is_some(), "it forms");
}

/// A planned hierarchy forms by elections as one that was put together by hand does.
#[test]
fn a_plan_in_tiers_forms_by_election() {
    let overlay = plan(&OverlayConfig::Hierarchy(Hierarchy {
        groups: 6,
        size: 6,
        reflectors: 2,
        parent_size: 6,
        parents: 1,
        tiers: 2,
    }));
    assert_eq!(overlay.tier_max(), 2);
    let hierarchy = overlay.elected().expect("groups share no node");
    assert_eq!(hierarchy.plans.len(), overlay.groups.len());
    let mut world = hierarchy.start(3);
    let limit = std::time::Duration::from_secs(60);
    let formed = world.run_until(limit, |world| is_formed(world, &hierarchy));
    assert!(formed.is_some(), "it forms");
    let crossing = plan(&OverlayConfig::Overlapping(Overlapping {
        nodes: 20,
        groups: 3,
        overlaps: 5,
    }));
    let error = crossing.elected().map(drop).unwrap_err().to_string();
    assert!(error.contains("elections need"), "{error}");
}

/// Plans that generators make, of any kind.
fn plans() -> impl Strategy<Value = Overlay> {
    let config = prop_oneof![
        (1u32..9, 1u32..6, 0u32..3, 0u32..3).prop_map(|(groups, size, reflectors, overlap)| {
            OverlayConfig::Flat(Flat {
                groups,
                size,
                reflectors: reflectors.min(size),
                overlap: overlap.min(size),
            })
        }),
        (1u32..30, 2u32..6, 1u32..4).prop_map(|(groups, size, parents)| {
            OverlayConfig::Hierarchy(Hierarchy {
                groups,
                size,
                reflectors: 2,
                parent_size: 6,
                parents,
                tiers: 4,
            })
        }),
        (1u32..40, 1u32..9, 0u32..50).prop_map(|(nodes, groups, overlaps)| {
            let groups = groups.min(nodes);
            OverlayConfig::Overlapping(Overlapping {
                nodes,
                groups,
                overlaps,
            })
        }),
        (3u32..20, 1u32..4).prop_map(|(n, reflectors)| OverlayConfig::Shaped(Shaped {
            shape: Shape::Ring { n },
            mapping: Mapping::Groups {
                size: 3,
                reflectors: reflectors.min(3)
            },
        })),
    ];
    (config, any::<u64>())
        .prop_map(|(config, seed)| config.build(seed, Path::new(""), None).expect("in range"))
}

const FORMATS: [OverlayFormat; 4] = [
    OverlayFormat::Json,
    OverlayFormat::Graphml,
    OverlayFormat::Dot,
    OverlayFormat::Csv,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_exported_is_imported_again(overlay in plans()) {
        for format in FORMATS {
            let text = overlay.export(format).expect("few");
            let mut again = Overlay::import(&text, format, Mapping::Pairs).expect("as exported");
            // Edge lists carry neither tiers, which parents give, nor an order of groups.
            again.groups.sort_by(|one, other| one.name.cmp(&other.name));
            let mut sorted = overlay.clone();
            sorted.groups.sort_by(|one, other| one.name.cmp(&other.name));
            prop_assert_eq!(again.nodes, overlay.nodes);
            for (one, other) in again.groups.iter().zip(&sorted.groups) {
                prop_assert_eq!(&one.name, &other.name);
                prop_assert_eq!(&one.members, &other.members);
                prop_assert_eq!(one.parents.len(), other.parents.len());
                prop_assert_eq!(one.tier, other.tier, "{:?}", format);
                let mut reflectors = one.reflectors.clone();
                reflectors.sort_unstable();
                prop_assert_eq!(&reflectors, &other.reflectors);
            }
        }
    }

    #[test]
    fn no_mutilated_plan_makes_the_import_panic(
        overlay in plans(),
        cut in 0usize..2_000,
        len in 0usize..30,
        noise in "[\\[\\]{}\",:0-9a-z=<>/\n-]{0,9}",
    ) {
        for format in FORMATS {
            let text: Vec<char> = overlay.export(format).expect("few").chars().collect();
            let cut = cut % text.len();
            let mut hostile: String = text[..cut].iter().collect();
            hostile.push_str(&noise);
            hostile.extend(text[cut..].iter().skip(len));
            if let Ok(overlay) = Overlay::import(&hostile, format, Mapping::Pairs)
                && overlay.nodes < 10_000
            {
                prop_assert_eq!(overlay.sessions().len(), overlay.nodes as usize);
                let _ = overlay.group_graph();
            }
        }
    }
}
