//! GraphML, as the Internet Topology Zoo, yEd, Gephi and NetworkX write it.
//!
//! Keys give attributes their names; nested graphs are read as one; hyperedges and ports are left
//! out. No document type is read, so no entity can expand.
//! Source: GraphML Primer, U. Brandes, M. Eiglsperger, J. Lerner, 2001.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use roxmltree::{Document, Node, ParsingOptions};

use super::{Attributes, FormatError, Graph, excerpt};

/// XML elements, texts and attributes that are read at most.
const XML_NODES_MAX: u32 = 8_000_000;
const REMEDY: &str = "expected is GraphML: <graphml><graph><node id=…/><edge source=… target=…/>";

/// Reads a graph.
///
/// # Errors
/// [`FormatError`] with the line for XML that is none, an edge to an unknown node, a missing
/// attribute, and for too much of anything.
pub fn read(text: &str) -> Result<Graph, FormatError> {
    let options = ParsingOptions {
        nodes_limit: XML_NODES_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let line = usize::try_from(error.pos().row).unwrap_or(0);
        FormatError::line(line, error.to_string(), REMEDY)
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "graphml" {
        let problem = format!("the root is <{}>", excerpt(root.tag_name().name()));
        return Err(FormatError::whole(problem, REMEDY));
    }
    Reader {
        keys: keys(root),
        graph: Graph::default(),
        document: &document,
    }
    .read(root)
}

/// By id: the attribute's name.
fn keys<'a>(root: Node<'a, '_>) -> BTreeMap<&'a str, &'a str> {
    let elements = root
        .children()
        .filter(|node| node.tag_name().name() == "key");
    elements
        .filter_map(|key| {
            let id = key.attribute("id")?;
            Some((id, key.attribute("attr.name").unwrap_or(id)))
        })
        .collect()
}

struct Reader<'a, 'input> {
    keys: BTreeMap<&'a str, &'a str>,
    graph: Graph,
    document: &'a Document<'input>,
}

impl<'a, 'input> Reader<'a, 'input> {
    fn read(mut self, root: Node<'a, 'input>) -> Result<Graph, FormatError> {
        let elements = root.descendants().filter(Node::is_element);
        for element in elements.clone() {
            match element.tag_name().name() {
                "graph" => self.graph_element(element),
                "node" => self.node(element)?,
                _ => {}
            }
        }
        for edge in elements.filter(|element| element.tag_name().name() == "edge") {
            self.edge(edge)?;
        }
        if self.graph.vertices().is_empty() {
            return Err(FormatError::whole("no node", REMEDY));
        }
        Ok(self.graph)
    }

    fn graph_element(&mut self, element: Node<'a, 'input>) {
        self.graph.is_directed |= element.attribute("edgedefault") == Some("directed");
        let attributes = self.attributes(element);
        self.graph.attributes.extend(attributes);
    }

    fn node(&mut self, element: Node<'a, 'input>) -> Result<(), FormatError> {
        let id = self.required(element, "id")?;
        if self.graph.place(id).is_some() {
            let problem = format!("a second node '{}'", excerpt(id));
            return Err(self.error(element, problem));
        }
        let place = self.graph.vertex(id)?;
        let attributes = self.attributes(element);
        if let Some(slot) = self.graph.attributes_mut(place) {
            *slot = attributes;
        }
        Ok(())
    }

    fn edge(&mut self, element: Node<'a, 'input>) -> Result<(), FormatError> {
        let from = self.end(element, "source")?;
        let to = self.end(element, "target")?;
        let attributes = self.attributes(element);
        self.graph.edge(from, to, attributes)
    }

    fn end(&self, element: Node<'a, 'input>, name: &str) -> Result<usize, FormatError> {
        let id = self.required(element, name)?;
        self.graph.place(id).ok_or_else(|| {
            let problem = format!("no node '{}' for this edge", excerpt(id));
            self.error(element, problem)
        })
    }

    fn required(&self, element: Node<'a, 'input>, name: &str) -> Result<&'a str, FormatError> {
        element.attribute(name).ok_or_else(|| {
            let tag = element.tag_name().name();
            self.error(element, format!("<{tag}> without '{name}'"))
        })
    }

    fn attributes(&self, element: Node<'a, 'input>) -> Attributes {
        let data = element
            .children()
            .filter(|child| child.tag_name().name() == "data");
        data.filter_map(|child| {
            let key = child.attribute("key")?;
            let name = self.keys.get(key).copied().unwrap_or(key);
            Some((name.to_owned(), child.text()?.trim().to_owned()))
        })
        .collect()
    }

    fn error(&self, element: Node<'a, 'input>, problem: String) -> FormatError {
        let position = self.document.text_pos_at(element.range().start);
        let line = usize::try_from(position.row).unwrap_or(0);
        FormatError::line(line, problem, REMEDY)
    }
}

/// Writes a graph, every attribute as a string.
pub fn write(graph: &Graph) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    out.push_str("<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n");
    let ids = write_keys(graph, &mut out);
    let direction = if graph.is_directed {
        "directed"
    } else {
        "undirected"
    };
    let _ = writeln!(out, "  <graph edgedefault=\"{direction}\">");
    write_data(&graph.attributes, "graph", &ids, &mut out);
    for vertex in graph.vertices() {
        let _ = writeln!(out, "    <node id=\"{}\">", escape(&vertex.name));
        write_data(&vertex.attributes, "node", &ids, &mut out);
        out.push_str("    </node>\n");
    }
    for edge in graph.edges() {
        let name = |place: usize| graph.vertices().get(place).map(|it| escape(&it.name));
        let (from, to) = (name(edge.from), name(edge.to));
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        let _ = writeln!(out, "    <edge source=\"{from}\" target=\"{to}\">");
        write_data(&edge.attributes, "edge", &ids, &mut out);
        out.push_str("    </edge>\n");
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

type Ids<'a> = BTreeMap<(&'static str, &'a str), usize>;

/// Declares what is used, and gives each a number.
fn write_keys<'a>(graph: &'a Graph, out: &mut String) -> Ids<'a> {
    let mut used = BTreeSet::new();
    used.extend(graph.attributes.keys().map(|name| ("graph", name.as_str())));
    for vertex in graph.vertices() {
        used.extend(vertex.attributes.keys().map(|name| ("node", name.as_str())));
    }
    for edge in graph.edges() {
        used.extend(edge.attributes.keys().map(|name| ("edge", name.as_str())));
    }
    let ids: Ids<'a> = used.into_iter().zip(0..).collect();
    for (&(of, name), id) in &ids {
        let name = escape(name);
        let _ = writeln!(
            out,
            "  <key id=\"d{id}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"string\"/>"
        );
    }
    ids
}

fn write_data(attributes: &Attributes, of: &'static str, ids: &Ids<'_>, out: &mut String) {
    for (name, value) in attributes {
        let id = ids.get(&(of, name.as_str())).copied().unwrap_or_default();
        let _ = writeln!(out, "      <data key=\"d{id}\">{}</data>", escape(value));
    }
}

/// Text that may stand in XML; characters that XML cannot hold become blanks.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(letter),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}
