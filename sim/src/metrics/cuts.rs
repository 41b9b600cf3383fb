//! What falls apart when something is taken away: components, articulation points, bridges, the
//! least number of edges.
//!
//! Sources: J. Hopcroft, R. Tarjan, Algorithm 447, 1973, without recursion; edge connectivity as the
//! least of flows between the vertices of a dominating set and of all degrees, D. Matula, FOCS 1987;
//! flows by augmenting paths, L. Ford, D. Fulkerson 1956, stopped at the best so far.

use std::collections::{BTreeSet, VecDeque};

use super::adjacency::{Adjacency, place};
use super::distances::Search;

/// Vertices and edges whose loss cuts a component in two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Vertices, rising.
    pub articulation_points: Vec<u32>,
    /// Edges, the lower end first, rising.
    pub bridges: Vec<(u32, u32)>,
}

/// The sizes of the connected components, falling. Cost: O(m).
pub fn components(graph: &Adjacency) -> Vec<usize> {
    let mut is_seen = vec![false; graph.len()];
    let mut sizes = Vec::new();
    for start in 0..graph.len() {
        let mut open = vec![place(start)];
        let mut size = 0;
        while let Some(vertex) = open.pop() {
            if !std::mem::replace(&mut is_seen[vertex as usize], true) {
                size += 1;
                open.extend(graph.neighbours(vertex as usize));
            }
        }
        if size > 0 {
            sizes.push(size);
        }
    }
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}

/// Articulation points and bridges. Cost: O(m).
pub fn cuts(graph: &Adjacency) -> Cuts {
    let mut walk = Walk {
        graph,
        entered: vec![u32::MAX; graph.len()],
        lowest: vec![u32::MAX; graph.len()],
        clock: 0,
        points: BTreeSet::new(),
        bridges: Vec::new(),
    };
    for root in 0..graph.len() {
        if walk.entered[root] == u32::MAX {
            walk.component(root);
        }
    }
    walk.bridges.sort_unstable();
    Cuts {
        articulation_points: walk.points.into_iter().collect(),
        bridges: walk.bridges,
    }
}

/// A depth-first walk.
struct Walk<'a> {
    graph: &'a Adjacency,
    entered: Vec<u32>,
    /// The earliest vertex that is reached from a vertex's subtree by one edge back.
    lowest: Vec<u32>,
    clock: u32,
    points: BTreeSet<u32>,
    bridges: Vec<(u32, u32)>,
}

impl Walk<'_> {
    fn component(&mut self, root: usize) {
        // Vertex, where it was entered from, the next of its neighbours.
        let mut path = vec![(root, usize::MAX, 0usize)];
        let mut root_children = 0;
        self.enter(root);
        while let Some(&mut (vertex, from, ref mut next)) = path.last_mut() {
            let Some(&neighbour) = self.graph.neighbours(vertex).get(*next) else {
                path.pop();
                if from != usize::MAX {
                    self.leave(vertex, from, root);
                }
                continue;
            };
            *next += 1;
            let neighbour = neighbour as usize;
            if self.entered[neighbour] == u32::MAX {
                root_children += u32::from(vertex == root);
                self.enter(neighbour);
                path.push((neighbour, vertex, 0));
            } else if neighbour != from {
                self.lowest[vertex] = self.lowest[vertex].min(self.entered[neighbour]);
            }
        }
        if root_children > 1 {
            self.points.insert(place(root));
        }
    }

    fn enter(&mut self, vertex: usize) {
        self.entered[vertex] = self.clock;
        self.lowest[vertex] = self.clock;
        self.clock += 1;
    }

    fn leave(&mut self, vertex: usize, parent: usize, root: usize) {
        self.lowest[parent] = self.lowest[parent].min(self.lowest[vertex]);
        if self.lowest[vertex] >= self.entered[parent] && parent != root {
            self.points.insert(place(parent));
        }
        if self.lowest[vertex] > self.entered[parent] {
            let (low, high) = (vertex.min(parent), vertex.max(parent));
            self.bridges.push((place(low), place(high)));
        }
    }
}

/// The least number of edges whose loss cuts the graph in two; 0 where it is in two already, and of
/// fewer than two vertices. Cost: λ searches for each vertex of a dominating set.
pub fn edge_connectivity(graph: &Adjacency) -> usize {
    if graph.len() < 2 || components(graph).len() > 1 {
        return 0;
    }
    let degrees = (0..graph.len()).map(|vertex| graph.degree(vertex));
    let mut least = degrees.min().unwrap_or(0);
    let set = dominating_set(graph);
    let Some((&source, targets)) = set.split_first() else {
        return least;
    };
    let mut flow = Flow::new(graph);
    for &target in targets {
        least = least.min(flow.run(source, target, least));
    }
    least
}

/// Vertices such that every other is next to one of them.
fn dominating_set(graph: &Adjacency) -> Vec<usize> {
    let mut is_covered = vec![false; graph.len()];
    let mut set = Vec::new();
    for vertex in 0..graph.len() {
        if !is_covered[vertex] {
            set.push(vertex);
            is_covered[vertex] = true;
            for &neighbour in graph.neighbours(vertex) {
                is_covered[neighbour as usize] = true;
            }
        }
    }
    set
}

/// Flows of unit capacity, each edge usable once in either direction.
struct Flow<'a> {
    graph: &'a Adjacency,
    /// Directed edges that carry flow.
    used: BTreeSet<(u32, u32)>,
    from: Vec<u32>,
}

impl<'a> Flow<'a> {
    fn new(graph: &'a Adjacency) -> Self {
        Self {
            graph,
            used: BTreeSet::new(),
            from: vec![u32::MAX; graph.len()],
        }
    }

    /// The flow between two vertices, at most `limit`.
    fn run(&mut self, source: usize, target: usize, limit: usize) -> usize {
        self.used.clear();
        let mut flow = 0;
        while flow < limit && self.augment(source, target) {
            flow += 1;
        }
        flow
    }

    fn augment(&mut self, source: usize, target: usize) -> bool {
        self.from.fill(u32::MAX);
        self.from[source] = place(source);
        let mut open = VecDeque::from([place(source)]);
        while let Some(vertex) = open.pop_front() {
            for &next in self.graph.neighbours(vertex as usize) {
                let is_new = self.from[next as usize] == u32::MAX;
                if !is_new || self.used.contains(&(vertex, next)) {
                    continue;
                }
                self.from[next as usize] = vertex;
                if next as usize == target {
                    self.take(source, target);
                    return true;
                }
                open.push_back(next);
            }
        }
        false
    }

    /// Sends one unit along the path found; flow against it is taken back.
    fn take(&mut self, source: usize, target: usize) {
        let mut vertex = place(target);
        while vertex as usize != source {
            let before = self.from[vertex as usize];
            if !self.used.remove(&(vertex, before)) {
                self.used.insert((before, vertex));
            }
            vertex = before;
        }
    }
}

/// Whether every vertex reaches every other.
pub(super) fn is_connected(graph: &Adjacency) -> bool {
    let mut reached = 1;
    if !graph.is_empty() {
        Search::new(graph.len()).run(graph, 0, |_, _| reached += 1);
    }
    reached >= graph.len()
}
