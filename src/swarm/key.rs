//! A node's name here and in libp2p: the same Ed25519 key, written differently.

use archipelago_core::NodeId;
use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};

/// What precedes an Ed25519 key in a peer id: an identity multihash (code 0, 36 bytes) of a
/// protobuf message (field 1: key type 1; field 2: 32 bytes).
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node of a peer id; `None` unless its key is Ed25519.
pub(crate) fn node_id(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PREFIX)?;
    Some(NodeId(key.try_into().ok()?))
}

/// The peer id of a node; `None` if its bytes are no key.
pub(crate) fn peer_id(node: &NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&node.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    #[test]
    fn a_name_goes_over_and_comes_back() {
        let keys = Keypair::generate_ed25519();
        let peer = keys.public().to_peer_id();
        let node = node_id(&peer).unwrap();
        let public = keys.public().try_into_ed25519().unwrap();
        assert_eq!(node.0, public.to_bytes());
        assert_eq!(peer_id(&node), Some(peer));
    }

    #[test]
    fn bytes_that_are_no_key_are_nobody() {
        // No point of the curve has this y.
        assert_eq!(peer_id(&NodeId([0x02; 32])), None);
        assert_eq!(node_id(&PeerId::random()), None);
    }
}
