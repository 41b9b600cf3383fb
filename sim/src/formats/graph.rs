//! A graph as files have it: named vertices, edges, and attributes that are text.
//!
//! Cost: O(log n) per vertex and edge that is added.

use std::collections::BTreeMap;

use super::{EDGES_MAX, FormatError, VERTICES_MAX};

/// What a file says about a vertex, an edge or the graph, by name.
pub type Attributes = BTreeMap<String, String>;

/// One vertex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vertex {
    /// Unique in its graph.
    pub name: String,
    /// What else is said about it.
    pub attributes: Attributes,
}

/// One edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The place of the vertex where it begins.
    pub from: usize,
    /// The place of the vertex where it ends.
    pub to: usize,
    /// What else is said about it.
    pub attributes: Attributes,
}

/// A graph of a file. Parallel edges and loops stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// What the file says about the whole.
    pub attributes: Attributes,
    /// Whether edges have a direction.
    pub is_directed: bool,
    vertices: Vec<Vertex>,
    edges: Vec<Edge>,
    places: BTreeMap<String, usize>,
}

impl Graph {
    /// The vertices, in the order of the file.
    pub fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }

    /// The edges, in the order of the file.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The place of the vertex of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The place of the vertex of this name, which is added if it is new.
    ///
    /// # Errors
    /// [`FormatError::TooMuch`]; the graph is unchanged.
    pub fn vertex(&mut self, name: &str) -> Result<usize, FormatError> {
        if let Some(place) = self.place(name) {
            return Ok(place);
        }
        let place = self.vertices.len();
        if place >= VERTICES_MAX {
            let (what, limit) = ("vertices", VERTICES_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
        self.places.insert(name.to_owned(), place);
        self.vertices.push(Vertex {
            name: name.to_owned(),
            attributes: Attributes::new(),
        });
        Ok(place)
    }

    /// What is said about a vertex, to be added to; `None` when there is no such place.
    pub fn attributes_mut(&mut self, place: usize) -> Option<&mut Attributes> {
        let vertex = self.vertices.get_mut(place)?;
        Some(&mut vertex.attributes)
    }

    /// Adds an edge between two vertices of this graph.
    ///
    /// # Errors
    /// [`FormatError::TooMuch`], and [`FormatError::Whole`] for a place that is none; the graph is
    /// unchanged.
    pub fn edge(
        &mut self,
        from: usize,
        to: usize,
        attributes: Attributes,
    ) -> Result<(), FormatError> {
        if self.edges.len() >= EDGES_MAX {
            let (what, limit) = ("edges", EDGES_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
        if from.max(to) >= self.vertices.len() {
            let problem = format!("an edge from vertex {from} to {to}");
            return Err(FormatError::whole(problem, "add both vertices first"));
        }
        self.edges.push(Edge {
            from,
            to,
            attributes,
        });
        Ok(())
    }
}
