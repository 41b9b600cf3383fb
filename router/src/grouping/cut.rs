//! Cutting a crowd into even parts of neighbours by the round-trip times between them.

use super::Distance;

/// `parts` parts of `nodes` whose sizes differ by one at most, near ones together; in their order
/// where all are equally far.
pub(super) fn cut(nodes: Vec<usize>, parts: usize, distance: &dyn Distance) -> Vec<Vec<usize>> {
    let mut done = Vec::with_capacity(parts);
    let mut open = vec![(nodes, parts.max(1))];
    while let Some((nodes, parts)) = open.pop() {
        if parts == 1 {
            done.push(nodes);
            continue;
        }
        let near = parts / 2;
        let len = nodes.len() * near / parts;
        let (one, other) = bisect(nodes, len, distance);
        // The first part is taken up next, so that parts stand in the order of their nodes.
        open.push((other, parts - near));
        open.push((one, near));
    }
    done
}

/// The `len` that are nearer to one end of the crowd than to the other, and the rest.
pub(super) fn bisect(
    mut nodes: Vec<usize>,
    len: usize,
    distance: &dyn Distance,
) -> (Vec<usize>, Vec<usize>) {
    let (one, other) = ends(&nodes, distance);
    nodes.sort_by_cached_key(|&node| {
        let near = i128::from(distance.micros(one, node));
        let far = i128::from(distance.micros(other, node));
        (near - far, node)
    });
    let rest = nodes.split_off(len.min(nodes.len()));
    (nodes, rest)
}

/// Two that are far from each other: the farthest from the first, and the farthest from that one.
fn ends(nodes: &[usize], distance: &dyn Distance) -> (usize, usize) {
    let first = nodes.iter().copied().min().unwrap_or_default();
    let farthest = |from: usize| {
        let rank = |&&node: &&usize| (distance.micros(from, node), std::cmp::Reverse(node));
        nodes.iter().max_by_key(rank).copied().unwrap_or(from)
    };
    let one = farthest(first);
    let other = farthest(one);
    (one.min(other), one.max(other))
}
