//! The names of simulated nodes: ids and addresses that give away the node's place in the world.
//!
//! An id is as random as a key (its first bytes order nodes and rank observers) and still leads to
//! its node without a table.

use archipelago_core::{Address, NodeId};

use crate::random::Random;

/// The id of node number `node` in the world of `seed`.
pub(crate) fn node_id(seed: u64, node: u32) -> NodeId {
    let mut random = Random::split(seed ^ 0x1d, u64::from(node));
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&random.u64().to_le_bytes());
    }
    bytes[28..].copy_from_slice(&node.to_le_bytes());
    NodeId(bytes)
}

/// The number of the node with this id, if the world made it.
pub(crate) fn node_of(id: &NodeId) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&id.0[28..]);
    u32::from_le_bytes(bytes)
}

/// Where node number `node` listens.
pub(crate) fn address(node: u32) -> Address {
    Address::from(format!("/sim/{node}").as_str())
}

/// Who listens there.
pub(crate) fn listener(address: &Address) -> Option<u32> {
    address.0.strip_prefix("/sim/")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_addresses_lead_to_their_node() {
        for node in [0, 1, 999_999] {
            assert_eq!(node_of(&node_id(7, node)), node);
            assert_eq!(listener(&address(node)), Some(node));
        }
        assert_ne!(node_id(7, 1), node_id(8, 1));
        assert_eq!(listener(&"/ip4/127.0.0.1/tcp/1".into()), None);
    }
}
