//! What look-ups and forwarding may ask of the map of groups; reflection answers.
//!
//! The machines do not know each other: `Node` lends one of them to the others by this trait, and
//! tests lend a map of their own.

use archipelago_core::wire::Heading;
use archipelago_core::{GroupId, NodeId, Peer, Peers};

/// How this node stands in one of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It reflects for the group.
    pub reflects: bool,
    /// The group lets nobody in from outside.
    pub is_closed: bool,
}

/// How a node stands in one of this node's groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// A living member.
    Up(Peer),
    /// It was a member and is down or left.
    Gone,
    /// Never heard of, or forgotten, or this node is not in the group itself.
    Unknown,
}

/// A choice of whom to hand something, and which way it may go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// To whom.
    pub peer: Peer,
    /// Which way then.
    pub heading: Heading,
}

/// The map of groups as this node knows it. Reads only; every list is short and ranked.
pub trait Routes {
    /// This node's standing in `group`; `None` if it is not in it.
    fn standing(&self, group: GroupId) -> Option<Standing>;

    /// How `node` stands in `group`, one of this node's.
    fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership;

    /// This node's groups in which `peer` is a living member too.
    fn common_groups(&self, peer: Peer) -> Vec<GroupId>;

    /// The living members of `group` but this node, in the order of their slots.
    fn members(&self, group: GroupId) -> Vec<Peer>;

    /// Reflectors of `group`, one of this node's, that have a session: nearest first.
    fn reflectors(&self, group: GroupId, peers: &Peers) -> Vec<Peer>;

    /// Whom to hand something for `group`, which is none of this node's: a reflector says its
    /// equally near next hops, a plain member the reflectors of its groups; best first, all with
    /// a session. Empty: no route.
    fn next_hops(&self, group: GroupId, peers: &Peers) -> Vec<Peer>;

    /// As [`Routes::next_hops`], for something that came in this heading; `None` for something of
    /// this node's own, which may go anywhere. Without a hierarchy everything goes sideways.
    fn hops(&self, group: GroupId, heading: Option<Heading>, peers: &Peers) -> Vec<Hop> {
        let _ = heading;
        let next_hops = self.next_hops(group, peers).into_iter();
        let heading = Heading::Sideways;
        next_hops.map(|peer| Hop { peer, heading }).collect()
    }

    /// As [`Routes::hops`], to one node: in a group of this node's own, to members that serve it.
    fn hops_to(
        &self,
        group: GroupId,
        target: &NodeId,
        heading: Option<Heading>,
        peers: &Peers,
    ) -> Vec<Hop> {
        let _ = target;
        self.hops(group, heading, peers)
    }

    /// Members of `group`, one of this node's, that serve the hidden node `client` and have a
    /// session with this node; this node itself is left out.
    fn hosts(&self, group: GroupId, client: &NodeId, peers: &Peers) -> Vec<Peer> {
        let _ = (group, client, peers);
        Vec::new()
    }

    /// Whether `host`, a member of one of this node's groups or this node itself, serves the hidden
    /// node `client` there.
    fn is_served(&self, client: &NodeId, host: &NodeId) -> bool {
        let _ = (client, host);
        false
    }

    /// Whether `node` is a living member of `group`, one of this node's, or a client of it.
    fn is_inside(&self, group: GroupId, node: &NodeId, peers: &Peers) -> bool {
        matches!(self.membership(group, node, peers), Membership::Up(_))
    }

    /// Whether this node uses `group` without being in it.
    fn uses(&self, group: GroupId) -> bool {
        let _ = group;
        false
    }

    /// Whether this node reflects, and so passes things on for others.
    fn reflects(&self) -> bool;

    /// Whether `peer` is a living reflector of a group that this node is in.
    fn is_reflector(&self, peer: Peer) -> bool;
}

/// The order in which equal choices are tried: round trip by powers of two, then a hash of the
/// pair, so that nodes spread over reflectors that are equally near.
pub(crate) fn rank(me: NodeId, peer: Peer, peers: &Peers) -> (u32, u64, Peer) {
    let Some(state) = peers.get(peer) else {
        return (u32::MAX, u64::MAX, peer);
    };
    let doublings = match state.srtt_us {
        0 => u32::BITS,
        rtt_us => rtt_us.ilog2(),
    };
    (doublings, pair_hash(me, state.id()), peer)
}

/// Whether something can be handed to `peer` now.
pub(crate) fn has_session(peer: Peer, peers: &Peers) -> bool {
    peers.get(peer).is_some_and(|state| state.session.is_some())
}

/// A hash of an ordered pair, the same on every platform (splitmix64, Steele et al. 2014).
pub(crate) fn pair_hash(from: NodeId, to: NodeId) -> u64 {
    let mut mixed = from.prefix() ^ to.prefix().rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
