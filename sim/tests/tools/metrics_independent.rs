//! Graph metrics against an independent library, `rustworkx-core`, on graphs of every kind.

use archipelago_sim::Random;
use archipelago_sim::metrics::{
    Adjacency, betweenness, clustering, components, cores, cuts, distances, edge_connectivity,
};
use archipelago_sim::topology::Shape;
use petgraph::graph::UnGraph;
use rustworkx_core::centrality::betweenness_centrality;
use rustworkx_core::connectivity::{
    articulation_points, core_number, number_connected_components, stoer_wagner_min_cut,
};
use rustworkx_core::shortest_path::distance_matrix;
use rustworkx_core::transitivity::graph_transitivity;

/// Above any number of vertices here: no threads.
const NEVER_PARALLEL: usize = 100_000;

fn graphs() -> Vec<UnGraph<(), ()>> {
    let mut random = Random::new(5);
    let mut graphs: Vec<UnGraph<(), ()>> = [
        Shape::Chain { n: 9 },
        Shape::Tree { n: 40, arity: 3 },
        Shape::Hypercube { dimension: 5 },
        Shape::Regular { n: 60, degree: 5 },
        Shape::WattsStrogatz {
            n: 120,
            degree: 6,
            rewire: 0.2,
        },
        Shape::BarabasiAlbert { n: 150, edges: 1 },
        Shape::BarabasiAlbert { n: 100, edges: 3 },
        Shape::Waxman {
            n: 80,
            alpha: 0.4,
            beta: 0.15,
        },
    ]
    .into_iter()
    .map(|shape| shape.graph(&mut random).expect("in range"))
    .collect();
    // Thin by chance, so that some fall apart.
    for edges in [30u64, 60, 120] {
        let mut graph = UnGraph::default();
        let vertices: Vec<_> = (0..60).map(|_| graph.add_node(())).collect();
        for _ in 0..edges {
            let (one, other) = (random.index(60), random.index(60));
            if one != other {
                graph.update_edge(vertices[one], vertices[other], ());
            }
        }
        graphs.push(graph);
    }
    graphs
}

/// Edges whose loss leaves more components. The library's own function of that name gives seven of
/// the eight bridges of a chain of nine, so its count of components is asked instead.
fn bridges(graph: &UnGraph<(), ()>) -> usize {
    let parts = number_connected_components(graph);
    let cuts = |edge: &petgraph::graph::EdgeIndex| {
        let mut without = graph.clone();
        without.remove_edge(*edge);
        number_connected_components(&without) > parts
    };
    graph.edge_indices().filter(cuts).count()
}

#[test]
fn an_independent_library_agrees() {
    for graph in graphs() {
        let ours = Adjacency::of(&graph);
        let theirs = betweenness_centrality(&graph, false, false, NEVER_PARALLEL);
        for (found, expected) in betweenness(&ours, 0..ours.len()).into_iter().zip(theirs) {
            let expected = expected.expect("every vertex has one");
            assert!(
                (found - expected).abs() < 1e-6,
                "betweenness {found}, not {expected}"
            );
        }
        let theirs = core_number(graph.clone());
        for (vertex, core) in graph.node_indices().zip(cores(&ours)) {
            assert_eq!(Some(&(core as usize)), theirs.get(&vertex));
        }
        let mut theirs: Vec<usize> = articulation_points(&graph, None)
            .iter()
            .map(|it| it.index())
            .collect();
        theirs.sort_unstable();
        let cuts = cuts(&ours);
        let found: Vec<usize> = cuts
            .articulation_points
            .iter()
            .map(|&it| it as usize)
            .collect();
        assert_eq!(found, theirs);
        assert_eq!(cuts.bridges.len(), bridges(&graph));
        assert_eq!(components(&ours).len(), number_connected_components(&graph));
        let transitivity = graph_transitivity(&graph);
        let found = clustering(&ours).transitivity;
        assert!((found - transitivity).abs() < 1e-9 || (found == 0.0 && transitivity.is_nan()));
        if components(&ours).len() == 1 {
            let theirs = stoer_wagner_min_cut(&graph, |_| Ok::<usize, ()>(1));
            let cut = theirs.expect("no cost fails").map(|(cut, _)| cut);
            assert_eq!(Some(edge_connectivity(&ours)), cut);
        }
        let theirs = distance_matrix(&graph, NEVER_PARALLEL, false, 0.0);
        let found = distances(&ours, 0..ours.len());
        let diameter = theirs.iter().copied().fold(0.0, f64::max);
        assert!((f64::from(found.diameter) - diameter).abs() < 1e-9);
        let pairs = theirs.iter().filter(|&&distance| distance > 0.0).count();
        let mean = theirs.iter().sum::<f64>() / pairs as f64;
        assert!(
            (found.mean - mean).abs() < 1e-9,
            "mean {} not {mean}",
            found.mean
        );
    }
}
