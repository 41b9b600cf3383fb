//! How deep in the graph a vertex is: the largest k such that it survives when all of fewer than k
//! neighbours are taken away, again and again.
//!
//! Source: V. Batagelj, M. Zaveršnik, An O(m) Algorithm for Cores Decomposition of Networks, 2003.

use super::adjacency::Adjacency;

/// By vertex: its core number.
pub fn cores(graph: &Adjacency) -> Vec<u32> {
    let mut degrees: Vec<usize> = (0..graph.len()).map(|it| graph.degree(it)).collect();
    let mut buckets: Vec<Vec<usize>> = vec![Vec::new(); graph.degrees().len()];
    for (vertex, &degree) in degrees.iter().enumerate() {
        buckets[degree].push(vertex);
    }
    let mut cores = vec![u32::MAX; graph.len()];
    let (mut level, mut core) = (0, 0);
    while level < buckets.len() {
        let Some(vertex) = buckets[level].pop() else {
            level += 1;
            continue;
        };
        // A vertex waits in a bucket for each degree that it had; only the last one counts.
        if cores[vertex] != u32::MAX || degrees[vertex] != level {
            continue;
        }
        core = core.max(level);
        cores[vertex] = super::adjacency::place(core);
        for &neighbour in graph.neighbours(vertex) {
            let it = neighbour as usize;
            if cores[it] == u32::MAX && degrees[it] > level {
                degrees[it] -= 1;
                buckets[degrees[it]].push(it);
            }
        }
    }
    cores
}
