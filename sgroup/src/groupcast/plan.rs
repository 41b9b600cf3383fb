//! Who sends to whom: pure functions of a list of nodes.
//!
//! Small messages go straight to everybody. Long ones go down a tree whose every node serves a few
//! others: so the origin sends `FAN_OUT` copies and not g − 1, and the last one has it after
//! log₄ g steps. Whoever is known to be dead is left out, and those below it move up.

use std::collections::BTreeSet;

use archipelago_core::NodeId;

/// Copies that one node of a tree sends.
pub const FAN_OUT: usize = 4;

/// Bytes that an origin sends for one message before it leaves most of it to others.
pub const DIRECT_BYTES_MAX: usize = 1024 * 1024;

/// One copy, and for whom its receiver is to see besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Who gets the copy.
    pub to: NodeId,
    /// Whom it brings it to.
    pub below: Vec<NodeId>,
}

/// Whether a message of `len` bytes goes to so many members without a tree.
pub const fn is_direct(members: usize, len: usize) -> bool {
    members <= FAN_OUT || members.saturating_mul(len) <= DIRECT_BYTES_MAX
}

/// A copy for each.
pub fn direct(members: &[NodeId]) -> Vec<Branch> {
    let branch = |&to| Branch {
        to,
        below: Vec::new(),
    };
    members.iter().map(branch).collect()
}

/// Splits the nodes into at most [`FAN_OUT`] branches of nearly one size. Nodes that are not
/// `alive` get nothing, and nobody waits for them.
pub fn tree(nodes: &[NodeId], alive: &BTreeSet<NodeId>) -> Vec<Branch> {
    let nodes: Vec<NodeId> = nodes
        .iter()
        .filter(|node| alive.contains(node))
        .copied()
        .collect();
    let branches = FAN_OUT.min(nodes.len());
    let mut rest = nodes.as_slice();
    let mut plan = Vec::with_capacity(branches);
    for left in (1..=branches).rev() {
        let (part, others) = rest.split_at(rest.len().div_ceil(left));
        rest = others;
        if let Some((&to, below)) = part.split_first() {
            let below = below.to_vec();
            plan.push(Branch { to, below });
        }
    }
    plan
}
