//! What the ownership of shards asks its host to do, and says of a request.

use archipelago_core::NodeId;
use archipelago_core::wire::KeyedWord;
use bytes::Bytes;

use super::Fence;
use super::workers::Left;

use crate::shards::{Shard, ShardSet};

/// What is to be done about shards, in order.
#[derive(Debug)]
pub(super) enum Deed {
    /// A word to another host, and what it brings.
    Send(NodeId, KeyedWord, Bytes),
    /// A worker's state came, of this lease.
    Adopt(Option<Fence>, Left),
    /// The shard is this host's from now on.
    Begin(Shard),
    /// Stop its workers, and give what they left to the ownership.
    Drain(Shard),
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Its worker is here.
    Here,
    /// Its shard is on its way here.
    Hold,
    /// It belongs to another host, or to nobody.
    Moved(Option<NodeId>),
}

/// The word that lets go of shards, of which so many states went before.
pub(super) fn release(to: NodeId, round: u32, shards: &ShardSet, states: u32) -> Deed {
    let word = KeyedWord::Release {
        round,
        shards: shards.to_bits(),
        states,
    };
    Deed::Send(to, word, Bytes::new())
}
