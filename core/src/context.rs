//! What every handler of a control machine is lent for the length of one call.

use crate::{Crypto, NodeId, Peers, Rng, Time};

/// Lent by `Node` to the machines inside it; none of them keeps any of it.
pub struct Context<'a> {
    /// The instant of this call.
    pub now: Time,
    /// This node.
    pub me: NodeId,
    /// This node's random stream.
    pub rng: &'a mut Rng,
    /// This node's keys.
    pub crypto: &'a dyn Crypto,
    /// Everything known of peers as peers, whatever groups they share with us.
    pub peers: &'a mut Peers,
}
