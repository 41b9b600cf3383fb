//! Node-link JSON, as D3 and NetworkX have it: `nodes` with an `id`, `links` (or `edges`) with a
//! `source` and a `target`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, FormatError, Graph, excerpt};

const REMEDY: &str = r#"expected is {"nodes": [{"id": …}], "links": [{"source": …, "target": …}]}"#;

#[derive(Serialize, Deserialize)]
struct NodeLink {
    #[serde(default)]
    directed: bool,
    #[serde(default)]
    graph: BTreeMap<String, Value>,
    nodes: Vec<Item>,
    #[serde(alias = "edges")]
    links: Vec<Item>,
}

type Item = BTreeMap<String, Value>;

/// Reads a graph.
///
/// # Errors
/// [`FormatError`] with the line for what is no such JSON, and for edges to unknown nodes.
pub fn read(text: &str) -> Result<Graph, FormatError> {
    let file: NodeLink = serde_json::from_str(text)
        .map_err(|error| FormatError::line(error.line(), error.to_string(), REMEDY))?;
    let mut graph = Graph::default();
    graph.is_directed = file.directed;
    graph.attributes = attributes(file.graph);
    for mut node in file.nodes {
        let id = take(&mut node, "id")?;
        if graph.place(&id).is_some() {
            let problem = format!("a second node '{}'", excerpt(&id));
            return Err(FormatError::whole(problem, REMEDY));
        }
        let place = graph.vertex(&id)?;
        if let Some(slot) = graph.attributes_mut(place) {
            *slot = attributes(node);
        }
    }
    for mut link in file.links {
        let from = end(&graph, &mut link, "source")?;
        let to = end(&graph, &mut link, "target")?;
        graph.edge(from, to, attributes(link))?;
    }
    if graph.vertices().is_empty() {
        return Err(FormatError::whole("no node", REMEDY));
    }
    Ok(graph)
}

fn end(graph: &Graph, link: &mut Item, key: &str) -> Result<usize, FormatError> {
    let id = take(link, key)?;
    graph.place(&id).ok_or_else(|| {
        let problem = format!("no node '{}' for a link", excerpt(&id));
        FormatError::whole(problem, REMEDY)
    })
}

fn take(item: &mut Item, key: &str) -> Result<String, FormatError> {
    let value = item.remove(key).map(text);
    value.ok_or_else(|| FormatError::whole(format!("something without '{key}'"), REMEDY))
}

fn attributes(item: Item) -> Attributes {
    let named = item.into_iter().map(|(name, value)| (name, text(value)));
    named.collect()
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Writes a graph, every attribute as a string.
pub fn write(graph: &Graph) -> String {
    let name = |place: usize| graph.vertices().get(place).map(|it| it.name.clone());
    let nodes = graph.vertices().iter().map(|vertex| {
        let mut item = item(&vertex.attributes);
        item.insert("id".to_owned(), vertex.name.clone().into());
        item
    });
    let links = graph.edges().iter().map(|edge| {
        let mut item = item(&edge.attributes);
        item.insert("source".to_owned(), name(edge.from).into());
        item.insert("target".to_owned(), name(edge.to).into());
        item
    });
    let file = NodeLink {
        directed: graph.is_directed,
        graph: item(&graph.attributes),
        nodes: nodes.collect(),
        links: links.collect(),
    };
    serde_json::to_string_pretty(&file).expect("text by text is always JSON")
}

fn item(attributes: &Attributes) -> Item {
    let named = attributes.iter();
    named
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect()
}
