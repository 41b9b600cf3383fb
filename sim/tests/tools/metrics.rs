//! Graph metrics: named graphs whose figures are known, and small ones by definition.

use archipelago_sim::Random;
use archipelago_sim::formats::edges;
use archipelago_sim::metrics::{
    Adjacency, Removal, Summary, betweenness, clustering, components, cores, cuts, distances,
    edge_connectivity, gini, robustness,
};
use archipelago_sim::topology::Shape;
use proptest::prelude::*;

fn shape(shape: Shape) -> Adjacency {
    Adjacency::of(&shape.graph(&mut Random::new(1)).expect("in range"))
}

/// Zachary's karate club; member k at its number less one.
fn karate() -> Adjacency {
    let text = include_str!("../data/karate.csv");
    let graph = edges::read(text).expect("the sample is well-formed");
    let number = |place: usize| {
        graph.vertices()[place]
            .name
            .parse::<u32>()
            .expect("a number")
            - 1
    };
    let pairs = graph
        .edges()
        .iter()
        .map(|edge| (number(edge.from), number(edge.to)));
    Adjacency::from_pairs(34, pairs)
}

fn petersen() -> Adjacency {
    let rim = (0..5).map(|it| (it, (it + 1) % 5));
    let spokes = (0..5).map(|it| (it, it + 5));
    let star = (0..5).map(|it| (5 + it, 5 + (it + 2) % 5));
    Adjacency::from_pairs(10, rim.chain(spokes).chain(star))
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

fn all(graph: &Adjacency) -> std::ops::Range<usize> {
    0..graph.len()
}

#[test]
fn the_karate_club_has_its_published_figures() {
    let graph = karate();
    assert_eq!((graph.len(), graph.edges_len()), (34, 78));
    let paths = distances(&graph, all(&graph));
    assert_eq!((paths.diameter, paths.radius), (5, 3));
    near(paths.mean, 2.408_199_643);
    let clustering = clustering(&graph);
    near(clustering.average, 0.570_638_478);
    near(clustering.transitivity, 0.255_681_818);
    assert_eq!(clustering.triangles, 45);
    let between = betweenness(&graph, all(&graph));
    near(between[0], 0.437_635_281_385_281_3 * 528.0);
    near(between[33], 0.304_074_975_949_976 * 528.0);
    assert_eq!(between[11], 0.0);
    let cores = cores(&graph);
    assert_eq!(cores.iter().max(), Some(&4));
    assert_eq!(cores.iter().filter(|&&core| core == 4).count(), 10);
    let cuts = cuts(&graph);
    assert_eq!(cuts.articulation_points, [0]);
    assert_eq!(cuts.bridges, [(0, 11)]);
    assert_eq!(edge_connectivity(&graph), 1);
}

#[test]
fn the_petersen_graph_is_what_it_is_famous_for() {
    let graph = petersen();
    let paths = distances(&graph, all(&graph));
    assert_eq!((paths.diameter, paths.radius), (2, 2));
    near(paths.mean, 15.0 / 9.0);
    assert_eq!(clustering(&graph).triangles, 0);
    betweenness(&graph, all(&graph))
        .into_iter()
        .for_each(|it| near(it, 3.0));
    assert_eq!(cores(&graph), [3; 10]);
    assert_eq!(edge_connectivity(&graph), 3);
    assert_eq!(cuts(&graph).bridges, []);
}

#[test]
fn named_graphs_have_the_figures_of_their_formulas() {
    for dimension in 1..8 {
        let graph = shape(Shape::Hypercube { dimension });
        let paths = distances(&graph, all(&graph));
        assert_eq!(paths.diameter, dimension);
        let vertices = f64::from(1u32 << dimension);
        near(
            paths.mean,
            f64::from(dimension) * vertices / 2.0 / (vertices - 1.0),
        );
        assert_eq!(edge_connectivity(&graph), dimension as usize);
    }
    for n in [5u32, 12, 31] {
        let graph = shape(Shape::Ring { n });
        let paths = distances(&graph, all(&graph));
        assert_eq!((paths.diameter, paths.radius), (n / 2, n / 2));
        let through = if n % 2 == 0 {
            (n - 2).pow(2)
        } else {
            (n - 1) * (n - 3)
        };
        let between = betweenness(&graph, all(&graph));
        between
            .into_iter()
            .for_each(|it| near(it, f64::from(through) / 8.0));
        assert_eq!(edge_connectivity(&graph), 2);
        let graph = shape(Shape::Complete { n });
        let clustering = clustering(&graph);
        near(clustering.average, 1.0);
        near(clustering.transitivity, 1.0);
        assert_eq!(edge_connectivity(&graph), n as usize - 1);
        assert_eq!(cores(&graph), vec![n - 1; n as usize]);
        let graph = shape(Shape::Chain { n });
        let between = betweenness(&graph, all(&graph));
        for (place, it) in (0..n).zip(between) {
            near(it, f64::from(place * (n - 1 - place)));
        }
        assert_eq!(cuts(&graph).bridges.len(), n as usize - 1);
        assert_eq!(cuts(&graph).articulation_points.len(), n as usize - 2);
    }
}

#[test]
fn gini_is_known_for_equal_and_for_single_shares() {
    near(gini(&[4.0; 9]), 0.0);
    near(gini(&[0.0, 0.0, 0.0, 1.0]), 0.75);
    near(gini(&[1.0, 3.0]), 0.25);
    near(gini(&[]), 0.0);
    near(gini(&[0.0, 0.0]), 0.0);
}

#[test]
fn removal_shrinks_a_complete_graph_evenly_and_breaks_a_star_at_once() {
    let complete = shape(Shape::Complete { n: 20 });
    for removal in [Removal::Random, Removal::Targeted] {
        let curve = robustness(&complete, removal, &mut Random::new(1));
        near(curve.index, 19.0 / 40.0);
        let even = (0..=20).rev().map(|left| f64::from(left) / 20.0);
        curve
            .largest
            .iter()
            .zip(even)
            .for_each(|(&found, even)| near(found, even));
    }
    let star = shape(Shape::Star { n: 101 });
    let attacked = robustness(&star, Removal::Targeted, &mut Random::new(1));
    near(attacked.largest[1], 1.0 / 101.0);
    let failed = robustness(&star, Removal::Random, &mut Random::new(1));
    assert!(failed.index > 10.0 * attacked.index);
}

#[test]
fn a_sample_of_sources_estimates_what_all_sources_give() {
    let graph = shape(Shape::BarabasiAlbert { n: 1_000, edges: 3 });
    let exact = Summary::of(&graph, 1_000, 1);
    let sampled = Summary::of(&graph, 100, 1);
    assert!(exact.is_exact && !sampled.is_exact);
    assert_eq!(
        (exact.edge_connectivity, sampled.edge_connectivity.is_some()),
        (
            sampled.edge_connectivity.or(exact.edge_connectivity),
            sampled.bridges > 0
        )
    );
    assert!((sampled.path_mean / exact.path_mean - 1.0).abs() < 0.05);
    assert!((sampled.betweenness.mean / exact.betweenness.mean - 1.0).abs() < 0.1);
    assert!(sampled.diameter <= exact.diameter && sampled.radius >= exact.radius);
    assert_eq!(exact.robustness_random.len(), 101);
}

/// Figure 2 of Watts and Strogatz: with a tenth of the edges moved, neighbours still know each other,
/// and everybody is near.
#[test]
fn small_worlds_are_clustered_and_short() {
    let figures = |rewire: f64| {
        let n = 1_000;
        let graph = shape(Shape::WattsStrogatz {
            n,
            degree: 10,
            rewire,
        });
        let paths = distances(&graph, all(&graph));
        (clustering(&graph).average, paths.mean)
    };
    let (clustered, long) = figures(0.0);
    // A ring lattice of degree k: 3 (k − 2) / 4 (k − 1).
    near(clustered, 3.0 * 8.0 / (4.0 * 9.0));
    for rewire in [0.01, 0.1, 1.0] {
        let (clustering, mean) = figures(rewire);
        let (share, part) = (clustering / clustered, mean / long);
        println!("p = {rewire}: C(p)/C(0) = {share:.2}, L(p)/L(0) = {part:.3}");
        match rewire {
            0.01 => assert!(share > 0.95 && part < 0.35, "{share} {part}"),
            0.1 => assert!((0.7..0.8).contains(&share) && part < 0.12, "{share} {part}"),
            _ => assert!(share < 0.03 && part < 0.08, "{share} {part}"),
        }
    }
}

/// The law of degrees: 2 m (m + 1) / (k (k + 1) (k + 2)).
#[test]
fn preferential_attachment_has_its_law_of_degrees() {
    let (n, m) = (20_000u32, 3u32);
    let degrees = shape(Shape::BarabasiAlbert { n, edges: m }).degrees();
    for k in m..m + 6 {
        let law = f64::from(2 * m * (m + 1)) / f64::from(k * (k + 1) * (k + 2));
        let found = degrees[k as usize] as f64 / f64::from(n);
        println!("k = {k}: {found:.4}, by the law {law:.4}");
        assert!((found - law).abs() < 4.0 * (law / f64::from(n)).sqrt() + 0.001);
    }
}

/// Error and attack tolerance: a graph with hubs bears failures, and falls to attacks.
#[test]
fn hubs_bear_failures_and_fall_to_attacks() {
    let graph = shape(Shape::BarabasiAlbert { n: 2_000, edges: 2 });
    let left = |removal| robustness(&graph, removal, &mut Random::new(2)).largest[300];
    let (failed, attacked) = (left(Removal::Random), left(Removal::Targeted));
    println!("15 % of vertices lost: {failed:.2} by chance, {attacked:.2} by attack");
    assert!(failed > 0.75 && attacked < 0.1, "{failed} {attacked}");
}

/// Graphs of up to 8 vertices.
fn graphs() -> impl Strategy<Value = Adjacency> {
    (1usize..8).prop_flat_map(|len| {
        let pair = (0u32..8, 0u32..8);
        proptest::collection::vec(pair, 0..20)
            .prop_map(move |pairs| Adjacency::from_pairs(len, pairs.into_iter()))
    })
}

/// Without a vertex, whose number stays but who has no neighbours.
fn without(graph: &Adjacency, vertex: u32) -> Adjacency {
    let kept = pairs(graph).into_iter();
    Adjacency::from_pairs(
        graph.len(),
        kept.filter(|&(one, other)| one != vertex && other != vertex),
    )
}

fn pairs(graph: &Adjacency) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for (vertex, number) in (0..graph.len()).zip(0u32..) {
        let above = graph.neighbours(vertex).iter().filter(|&&it| it > number);
        pairs.extend(above.map(|&it| (number, it)));
    }
    pairs
}

/// The fewest edges between the two sides of any cut, by trying all.
fn connectivity_by_definition(graph: &Adjacency) -> usize {
    let sides = 1u32..(1 << (graph.len() - 1));
    let crossing = |side: u32| {
        let crosses = |&(one, other): &(u32, u32)| (side >> one & 1) != (side >> other & 1);
        pairs(graph)
            .into_iter()
            .filter(|pair| crosses(pair))
            .count()
    };
    sides.map(crossing).min().unwrap_or(0)
}

/// Paths counted by walking all of them.
fn betweenness_by_definition(graph: &Adjacency) -> Vec<f64> {
    let mut result = vec![0.0; graph.len()];
    for from in 0..graph.len() {
        for to in from + 1..graph.len() {
            let mut level = vec![vec![from]];
            while !level.is_empty() && !level.iter().any(|path| path.last() == Some(&to)) {
                let longer = level.into_iter().flat_map(|path| {
                    let last = *path.last().unwrap_or(&from);
                    let nexts = graph.neighbours(last).iter().map(|&it| it as usize);
                    let fresh: Vec<usize> = nexts.filter(|it| !path.contains(it)).collect();
                    fresh
                        .into_iter()
                        .map(move |next| [path.clone(), vec![next]].concat())
                });
                level = longer.collect();
            }
            level.retain(|path| path.last() == Some(&to));
            for path in &level {
                for &inner in &path[1..path.len() - 1] {
                    result[inner] += 1.0 / level.len() as f64;
                }
            }
        }
    }
    result
}

fn cores_by_definition(graph: &Adjacency) -> Vec<u32> {
    let mut result = vec![0; graph.len()];
    for k in 1..8 {
        let mut is_in = vec![true; graph.len()];
        loop {
            let inside = |it: usize| {
                graph
                    .neighbours(it)
                    .iter()
                    .filter(|&&other| is_in[other as usize])
                    .count()
            };
            let weak: Vec<usize> = (0..graph.len())
                .filter(|&it| is_in[it] && inside(it) < k)
                .collect();
            if weak.is_empty() {
                break;
            }
            weak.into_iter().for_each(|it| is_in[it] = false);
        }
        for (core, is_in) in result.iter_mut().zip(is_in) {
            if is_in {
                *core = u32::try_from(k).expect("small");
            }
        }
    }
    result
}

proptest! {
    #[test]
    fn small_graphs_have_what_the_definitions_say(graph in graphs()) {
        let parts = components(&graph).len();
        let cuts = cuts(&graph);
        for vertex in 0..u32::try_from(graph.len()).expect("small") {
            // Taken away, it stays as a part of its own.
            let is_alone = usize::from(graph.degree(vertex as usize) > 0);
            let is_point = components(&without(&graph, vertex)).len() > parts + is_alone;
            prop_assert_eq!(cuts.articulation_points.contains(&vertex), is_point);
        }
        for pair in pairs(&graph) {
            let kept = pairs(&graph).into_iter().filter(|&it| it != pair);
            let is_bridge = components(&Adjacency::from_pairs(graph.len(), kept)).len() > parts;
            prop_assert_eq!(cuts.bridges.contains(&pair), is_bridge);
        }
        if graph.len() > 1 {
            prop_assert_eq!(edge_connectivity(&graph), connectivity_by_definition(&graph));
        }
        for (found, expected) in betweenness(&graph, 0..graph.len()).into_iter().zip(betweenness_by_definition(&graph)) {
            prop_assert!((found - expected).abs() < 1e-9, "{} {}", found, expected);
        }
        prop_assert_eq!(cores(&graph), cores_by_definition(&graph));
    }

    #[test]
    fn a_curve_of_removal_is_what_is_left_step_by_step(graph in graphs(), seed in any::<u64>()) {
        for removal in [Removal::Random, Removal::Targeted] {
            let curve = robustness(&graph, removal, &mut Random::new(seed)).largest;
            prop_assert_eq!(curve.len(), graph.len() + 1);
            let whole = components(&graph)[0] as f64 / graph.len() as f64;
            prop_assert!((curve[0] - whole).abs() < 1e-12);
            prop_assert!(curve.windows(2).all(|pair| pair[0] >= pair[1]));
            prop_assert!(curve[graph.len()] == 0.0);
        }
    }
}
