//! Plans in files: JSON as it is; GraphML, DOT and edge lists as a graph of groups and nodes.
//!
//! In the graph, a vertex has `kind` group or node, a membership is an edge with `role` member or
//! reflector, and a parent an edge with `role` parent. A graph with no `kind` at all is not a plan:
//! its vertices and edges stand for what the mapping says. Edge lists carry no vertices' attributes,
//! so there `group:` and `node:` in front of names tell them apart.

use std::collections::BTreeSet;
use std::path::Path;

use petgraph::graph::{NodeIndex, UnGraph};
use serde::{Deserialize, Serialize};

use super::config::Mapping;
use super::error::TopologyError;
use super::generate::along;
use super::plan::{GroupPlan, Overlay};
use crate::formats::{Attributes, Edge, FormatError, Graph, GraphFormat, bounded};

const REMEDY: &str = "expected is a plan as this program exports it";

/// How a plan is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlayFormat {
    /// The plan as it is, `.json`.
    Json,
    /// `.graphml`, `.xml`.
    Graphml,
    /// `.gml`; written as GraphML.
    Gml,
    /// `.dot`, `.gv`.
    Dot,
    /// `.csv`, `.tsv`, `.txt`, `.edges`.
    Csv,
}

impl OverlayFormat {
    /// The format that a file's name tells.
    pub fn of(file: &Path) -> Option<Self> {
        Some(match GraphFormat::of(file)? {
            GraphFormat::Json => Self::Json,
            GraphFormat::Graphml => Self::Graphml,
            GraphFormat::Gml => Self::Gml,
            GraphFormat::Dot => Self::Dot,
            GraphFormat::Edges => Self::Csv,
        })
    }

    const fn graph(self) -> GraphFormat {
        match self {
            Self::Json => GraphFormat::Json,
            Self::Graphml => GraphFormat::Graphml,
            Self::Gml => GraphFormat::Gml,
            Self::Dot => GraphFormat::Dot,
            Self::Csv => GraphFormat::Edges,
        }
    }
}

/// Why a text is no plan.
#[derive(Debug)]
pub(super) enum ReadError {
    Format(FormatError),
    Plan(TopologyError),
}

impl From<FormatError> for ReadError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl Overlay {
    /// Writes the plan.
    ///
    /// # Errors
    /// [`TopologyError::Format`] where the plan has more groups, nodes or memberships than graphs
    /// in files have; JSON has no such limit.
    pub fn export(&self, format: OverlayFormat) -> Result<String, TopologyError> {
        if format == OverlayFormat::Json {
            let text = serde_json::to_string_pretty(self);
            return Ok(text.expect("numbers and names are always JSON"));
        }
        let graph = self.membership_graph();
        let graph = graph.map_err(|source| TopologyError::Format {
            file: "the plan".to_owned(),
            source,
        })?;
        Ok(format.graph().write(&graph))
    }

    /// Reads a plan, or a graph that stands for one as `mapping` says.
    ///
    /// # Errors
    /// [`TopologyError::Format`] with the line, and what [`Overlay::check`] says.
    pub fn import(
        text: &str,
        format: OverlayFormat,
        mapping: Mapping,
    ) -> Result<Self, TopologyError> {
        let overlay = read(format, text, mapping).map_err(|error| match error {
            ReadError::Format(source) => TopologyError::Format {
                file: "the text".to_owned(),
                source,
            },
            ReadError::Plan(error) => error,
        })?;
        overlay.check()?;
        Ok(overlay)
    }

    /// Groups and nodes as vertices, memberships and parents as edges.
    fn membership_graph(&self) -> Result<Graph, FormatError> {
        let mut graph = Graph::default();
        for group in &self.groups {
            let tier = ("tier".to_owned(), group.tier.to_string());
            add_vertex(
                &mut graph,
                &format!("group:{}", group.name),
                "group",
                [tier].into(),
            )?;
        }
        for node in 0..self.nodes {
            add_vertex(
                &mut graph,
                &format!("node:{node}"),
                "node",
                Attributes::new(),
            )?;
        }
        let groups = self.groups.len();
        for (place, group) in self.groups.iter().enumerate() {
            let reflectors: BTreeSet<u32> = group.reflectors.iter().copied().collect();
            for member in &group.members {
                let is_reflector = reflectors.contains(member);
                let role = role(if is_reflector { "reflector" } else { "member" });
                graph.edge(place, groups + *member as usize, role)?;
            }
            for &parent in &group.parents {
                graph.edge(place, parent, role("parent"))?;
            }
        }
        Ok(graph)
    }
}

fn add_vertex(
    graph: &mut Graph,
    name: &str,
    kind: &str,
    mut attributes: Attributes,
) -> Result<(), FormatError> {
    attributes.insert("kind".to_owned(), kind.to_owned());
    let place = graph.vertex(name)?;
    if let Some(slot) = graph.attributes_mut(place) {
        *slot = attributes;
    }
    Ok(())
}

fn role(role: &str) -> Attributes {
    [("role".to_owned(), role.to_owned())].into()
}

pub(super) fn read(
    format: OverlayFormat,
    text: &str,
    mapping: Mapping,
) -> Result<Overlay, ReadError> {
    bounded(text)?;
    if format == OverlayFormat::Json
        && let Ok(plan) = serde_json::from_str::<Overlay>(text)
    {
        return Ok(plan);
    }
    let graph = format.graph().read(text)?;
    let is_plan = graph.vertices().iter().any(|vertex| is_group(&vertex.name));
    if is_plan {
        return Ok(plan(&graph)?);
    }
    along(&simple(&graph), mapping).map_err(ReadError::Plan)
}

fn is_group(name: &str) -> bool {
    name.starts_with("group:")
}

/// The graph without loops and parallel edges.
fn simple(graph: &Graph) -> UnGraph<(), ()> {
    let pairs: BTreeSet<(usize, usize)> = graph
        .edges()
        .iter()
        .filter(|edge| edge.from != edge.to)
        .map(|edge| (edge.from.min(edge.to), edge.from.max(edge.to)))
        .collect();
    let mut simple = UnGraph::with_capacity(graph.vertices().len(), pairs.len());
    for _ in graph.vertices() {
        simple.add_node(());
    }
    for (from, to) in pairs {
        simple.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    simple
}

/// What a vertex of a plan's graph is.
#[derive(Clone, Copy)]
enum Kind {
    /// At this place.
    Group(usize),
    /// Of this number.
    Node(u32),
}

fn plan(graph: &Graph) -> Result<Overlay, FormatError> {
    let mut overlay = Overlay::default();
    let mut kinds = Vec::with_capacity(graph.vertices().len());
    for vertex in graph.vertices() {
        if let Some(name) = vertex.name.strip_prefix("group:") {
            let tier = vertex.attributes.get("tier");
            let tier = tier.map_or(Some(0), |tier| tier.parse().ok());
            let place = overlay.push(name.to_owned(), Vec::new());
            overlay.groups[place].tier =
                tier.ok_or_else(|| wrong(&format!("the tier of group '{name}'")))?;
            kinds.push(Kind::Group(place));
        } else {
            let number = vertex.name.strip_prefix("node:");
            let number = number.and_then(|number| number.parse::<u32>().ok());
            let number = number.filter(|&number| number < u32::MAX);
            let number = number.ok_or_else(|| wrong(&format!("vertex '{}'", vertex.name)))?;
            overlay.nodes = overlay.nodes.max(number + 1);
            kinds.push(Kind::Node(number));
        }
    }
    for edge in graph.edges() {
        add(&mut overlay, edge, (kinds[edge.from], kinds[edge.to]))?;
    }
    lift(&mut overlay);
    Ok(overlay)
}

fn add(overlay: &mut Overlay, edge: &Edge, ends: (Kind, Kind)) -> Result<(), FormatError> {
    match ends {
        (Kind::Group(child), Kind::Group(parent)) => overlay.groups[child].parents.push(parent),
        (Kind::Group(group), Kind::Node(node)) | (Kind::Node(node), Kind::Group(group)) => {
            let group: &mut GroupPlan = &mut overlay.groups[group];
            group.members.push(node);
            if edge
                .attributes
                .get("role")
                .is_some_and(|it| it == "reflector")
            {
                group.reflectors.push(node);
            }
        }
        (Kind::Node(one), Kind::Node(other)) => {
            return Err(wrong(&format!("an edge between nodes {one} and {other}")));
        }
    }
    Ok(())
}

/// Where a file says nothing of tiers, a parent is one above its highest child.
fn lift(overlay: &mut Overlay) {
    for _ in 0..=u8::MAX {
        let mut is_changed = false;
        for child in 0..overlay.groups.len() {
            let tier = overlay.groups[child].tier;
            for parent in overlay.groups[child].parents.clone() {
                if let Some(above) = overlay.groups.get_mut(parent)
                    && above.tier <= tier
                    && tier < u8::MAX
                {
                    above.tier = tier + 1;
                    is_changed = true;
                }
            }
        }
        if !is_changed {
            return;
        }
    }
}

fn wrong(problem: &str) -> FormatError {
    FormatError::whole(format!("{problem} is not understood"), REMEDY)
}
