//! The readers of files: samples, round trips, and hostile text.

use archipelago_sim::formats::{
    Graph, GraphFormat, dot, edges, gml, graphml, json, king, matrix, points, regions,
};
use proptest::prelude::*;

fn sample(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    std::fs::read_to_string(path.join(name)).expect("samples lie beside the tests")
}

fn names(graph: &Graph) -> Vec<&str> {
    graph
        .vertices()
        .iter()
        .map(|vertex| vertex.name.as_str())
        .collect()
}

#[test]
fn gml_reads_nested_lists_by_dotted_names() {
    let graph = gml::read(&sample("triangle.gml")).unwrap();
    assert_eq!(names(&graph), ["0", "1", "2"]);
    assert_eq!(graph.vertices()[0].attributes["label"], "a & b");
    assert_eq!(graph.vertices()[0].attributes["graphics.x"], "1.5");
    assert_eq!(graph.edges()[2].attributes["delay"], "10");
}

#[test]
fn dot_reads_chains_subgraphs_ports_and_comments() {
    let graph = dot::read(&sample("triangle.dot")).unwrap();
    assert_eq!(names(&graph), ["a", "b", "c", "d", "e", "two words"]);
    assert_eq!(graph.vertices()[0].attributes["label"], "first \"place\"");
    let ends: Vec<(usize, usize)> = graph
        .edges()
        .iter()
        .map(|edge| (edge.from, edge.to))
        .collect();
    assert_eq!(ends, [(0, 1), (1, 2), (4, 0), (5, 0)]);
    assert_eq!(graph.edges()[2].attributes["delay"], "-1");
    assert_eq!(graph.edges()[2].attributes["note"], "b<i>x</i>");
}

#[test]
fn edge_lists_read_headers_quotations_and_lone_vertices() {
    let graph = edges::read(&sample("triangle.csv")).unwrap();
    assert_eq!(names(&graph), ["a", "b", "c, the third", "alone"]);
    assert_eq!(graph.edges()[1].attributes["delay"], "3");
    let graph = edges::read("1 2 9\n2 3\n").unwrap();
    assert_eq!(graph.edges()[0].attributes["weight"], "9");
}

#[test]
fn json_reads_numbers_as_names() {
    let graph = json::read(&sample("triangle.json")).unwrap();
    assert_eq!(names(&graph), ["a", "2", "c"]);
    assert_eq!(graph.edges()[0].attributes["delay"], "2.5");
}

/// What is wrong is named with its line, and what would be right.
#[test]
fn errors_name_the_line_and_the_remedy() {
    let bad: &[(GraphFormat, &str, &str)] = &[
        (
            GraphFormat::Graphml,
            "<graphml>\n<graph>\n</node>",
            "line 3",
        ),
        (
            GraphFormat::Graphml,
            "<graphml><graph>\n<node/></graph></graphml>",
            "line 2: <node> without 'id'",
        ),
        (
            GraphFormat::Graphml,
            "<graphml><graph><node id=\"a\"/>\n<edge source=\"a\" target=\"b\"/></graph></graphml>",
            "line 2: no node 'b'",
        ),
        (GraphFormat::Graphml, "<svg/>", "the root is <svg>"),
        (
            GraphFormat::Gml,
            "graph [\nnode [ label 1 ]\n]",
            "line 2: a node without an id",
        ),
        (
            GraphFormat::Gml,
            "graph [\nnode [ id 1 ]",
            "line 2: the text ends inside a list",
        ),
        (
            GraphFormat::Gml,
            "graph ]",
            "line 1: key 'graph' without a value",
        ),
        (
            GraphFormat::Dot,
            "graph {\na -- \n}",
            "line 3: an edge to no node",
        ),
        (
            GraphFormat::Dot,
            "graph {\n a -- { b c } }",
            "line 2: an edge to no node",
        ),
        (GraphFormat::Dot, "nothing", "no 'graph' or 'digraph'"),
        (
            GraphFormat::Json,
            "{\"nodes\": [],\n\"links\": [}",
            "line 2",
        ),
        (
            GraphFormat::Json,
            "{\"nodes\": [], \"links\": []}",
            "no node",
        ),
        (GraphFormat::Edges, "a,b\n,c\n", "line 2: an empty name"),
        (GraphFormat::Edges, "a,\"b\n", "line 1: a quotation"),
    ];
    for (format, text, expected) in bad {
        let error = format.read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("; "), "{error}");
    }
    let error = matrix::read("1 2\n3\n").unwrap_err().to_string();
    assert!(
        error.starts_with("line 2: 1 numbers, and 2 in the first line"),
        "{error}"
    );
    let error = king::read("node 1\n1,2 5").unwrap_err().to_string();
    assert!(error.starts_with("line 2: no node 2"), "{error}");
    let error = regions::read("3/2/1/0:x").unwrap_err().to_string();
    assert!(
        error.starts_with("line 1: '3/2/1/0' is not min/avg/max/mdev"),
        "{error}"
    );
    let error = points::read("a 1 2\nb 1").unwrap_err().to_string();
    assert!(error.starts_with("line 2: 'b 1' has 1 numbers"), "{error}");
}

/// Neither entities that expand nor nesting without end cost more than an error.
#[test]
fn bombs_are_refused() {
    let entities =
        "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><graphml>&b;</graphml>";
    assert!(graphml::read(entities).is_err());
    assert!(graphml::read(&("<graphml>".to_owned() + &"<graph>".repeat(200_000))).is_err());
    assert!(gml::read(&"a [ ".repeat(200_000)).is_err());
    assert!(dot::read(&("graph ".to_owned() + &"{".repeat(200_000))).is_err());
    assert!(json::read(&"[".repeat(200_000)).is_err());
    assert!(matrix::read(&"1 ".repeat(5_000)).is_err());
}

/// Graphs of any names and attributes that text can have.
fn graphs() -> impl Strategy<Value = Graph> {
    let name = "[ -~äλ\"<>&',;#%]{1,6}".prop_map(|name| format!("v{}", name.trim()));
    let attribute = ("[a-z]{1,4}", "[!-~]([ -~]{0,4}[!-~])?");
    let vertices = proptest::collection::btree_set(name, 1..8);
    let edges = proptest::collection::vec((0usize..8, 0usize..8, attribute), 0..12);
    (vertices, edges, any::<bool>()).prop_map(|(vertices, edges, is_directed)| {
        let mut graph = Graph::default();
        graph.is_directed = is_directed;
        for vertex in &vertices {
            graph.vertex(vertex).expect("few vertices");
        }
        for (from, to, (key, value)) in edges {
            let (from, to) = (from % vertices.len(), to % vertices.len());
            graph
                .edge(from, to, [(key, value)].into())
                .expect("of this graph");
        }
        graph
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(graph in graphs()) {
        for format in [GraphFormat::Graphml, GraphFormat::Dot, GraphFormat::Json] {
            let text = format.write(&graph);
            let again = format.read(&text);
            prop_assert_eq!(again.as_ref(), Ok(&graph), "{}", text);
        }
        let text = edges::write(&graph);
        let again = edges::read(&text).unwrap();
        let ends = |graph: &Graph| -> Vec<_> {
            let name = |place: usize| graph.vertices()[place].name.clone();
            let edges = graph.edges().iter();
            edges.map(|edge| (name(edge.from), name(edge.to), edge.attributes.clone())).collect()
        };
        prop_assert_eq!(ends(&again), ends(&graph), "{}", text);
        prop_assert_eq!(again.vertices().len(), graph.vertices().len(), "{}", text);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        read_all(&text);
    }

    /// Text that nearly is one of the formats.
    #[test]
    fn no_mutilated_sample_makes_a_reader_panic(
        pieces in proptest::collection::vec((0usize..9, 0usize..400, 0usize..60), 1..6),
        noise in "[\\[\\]{}<>=\"/\\-,;:#0-9e.+ \n]{0,12}",
    ) {
        let samples = [
            "triangle.graphml", "triangle.gml", "triangle.dot", "triangle.csv", "triangle.json",
            "square.tsv", "pairs.king", "cloud/east.dat", "points.txt",
        ];
        let mut text = String::new();
        for (which, from, len) in pieces {
            let sample: Vec<char> = sample(samples[which]).chars().collect();
            let from = from % sample.len();
            text.extend(sample[..from].iter());
            text.push_str(&noise);
            text.extend(sample[from..].iter().skip(len));
        }
        read_all(&text);
    }
}

fn read_all(text: &str) {
    let _ = graphml::read(text);
    let _ = gml::read(text);
    let _ = dot::read(text);
    let _ = json::read(text);
    let _ = edges::read(text);
    let _ = matrix::read(text);
    let _ = king::read(text);
    let _ = regions::read(text);
    let _ = points::read(text);
}
