//! Which member of a group a key belongs to: 4,096 shards, spread over those who host a service.
//!
//! Keys are too many to be names, so nobody writes down where each lives: a key's shard is a hash
//! of it, and a shard's owner is the host that is drawn to it most (rendezvous). Everybody who
//! knows the same hosts finds the same owner, without a word; when one host comes or goes, only its
//! own share moves. It says where a key belongs, and moves nothing.
//!
//! Cost: a [`ShardMap`] is made in O(4,096 · hosts) and takes 8 KiB; a look-up hashes the key.
//! Source: highest random weight (Thaler and Ravishankar 1998); the fixed number of shards as in
//! Redis Cluster and Riak, so that what moves is counted and named.

mod set;

pub use set::ShardSet;

use archipelago_core::NodeId;

use crate::view::rendezvous;

/// Shards of every service. 4,096: a hundred hosts have some forty each, which is even enough, and
/// a table of all of them fits eight KiB.
pub const SHARDS: u16 = 4_096;

/// A part of all keys of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

/// Who owns which shard, among the hosts of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardMap {
    /// In order of their names.
    hosts: Vec<NodeId>,
    /// For each shard the place of its owner.
    owners: Vec<u16>,
}

/// A shard that belongs to somebody else than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardMove {
    /// Which.
    pub shard: Shard,
    /// Whose it was; `None`: nobody's.
    pub from: Option<NodeId>,
    /// Whose it is; `None`: nobody's.
    pub to: Option<NodeId>,
}

impl Shard {
    /// The shard of a key: 1 to any number of bytes, of any kind.
    pub fn of(key: &[u8]) -> Self {
        let hash = fnv(key);
        // Rendezvous mixes well what FNV leaves in the low bits.
        let mixed = rendezvous(hash, 0x5a);
        Self(u16::try_from(mixed % u64::from(SHARDS)).unwrap_or(0))
    }

    /// The shard of this number; `None` from 4,096 on.
    pub fn new(number: u16) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// Its number, below 4,096.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The end of the range that ends with this shard.
    pub(crate) const fn bound(self) -> Self {
        Self(self.0 + 1)
    }

    /// All shards, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }
}

impl ShardMap {
    /// The shards of `service` over `hosts`, in whatever order they are named; each counts once.
    /// Beyond 65,535 hosts the last by name get nothing.
    pub fn new(service: &[u8], hosts: impl IntoIterator<Item = NodeId>) -> Self {
        let mut hosts: Vec<NodeId> = hosts.into_iter().collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.truncate(usize::from(u16::MAX));
        let seed = fnv(service);
        let owner = |shard: Shard| {
            let place = rendezvous(seed, u64::from(shard.0));
            let drawn = |host: &NodeId| (rendezvous(place, host.prefix()), *host);
            let all = (0_u16..).zip(&hosts);
            let best = all.max_by_key(|(_, host)| drawn(host));
            best.map_or(u16::MAX, |(index, _)| index)
        };
        let owners = Shard::all().map(owner).collect();
        Self { hosts, owners }
    }

    /// Whose a shard is; `None` where there is no host.
    pub fn owner(&self, shard: Shard) -> Option<NodeId> {
        let index = self.owners.get(usize::from(shard.0))?;
        self.hosts.get(usize::from(*index)).copied()
    }

    /// Whose a key is; `None` where there is no host.
    pub fn owner_of(&self, key: &[u8]) -> Option<NodeId> {
        self.owner(Shard::of(key))
    }

    /// The hosts, in order of their names.
    pub fn hosts(&self) -> &[NodeId] {
        &self.hosts
    }

    /// Shards of one host, in order.
    pub fn shards_of(&self, host: NodeId) -> impl Iterator<Item = Shard> {
        Shard::all().filter(move |&shard| self.owner(shard) == Some(host))
    }

    /// What belongs to somebody else than in `before`, in order.
    pub fn moves_since(&self, before: &Self) -> Vec<ShardMove> {
        let moves = Shard::all().map(|shard| ShardMove {
            shard,
            from: before.owner(shard),
            to: self.owner(shard),
        });
        moves.filter(|step| step.from != step.to).collect()
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): the same on every platform.
/// FNV-1a over 64 bits.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    fn host(number: u32) -> NodeId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&rendezvous(7, number.into()).to_le_bytes());
        id[8..12].copy_from_slice(&number.to_le_bytes());
        NodeId(id)
    }

    /// The naive reference, host by host.
    fn owner(service: &[u8], hosts: &BTreeSet<NodeId>, shard: Shard) -> Option<NodeId> {
        let place = rendezvous(fnv(service), u64::from(shard.0));
        let mut best: Option<(u64, NodeId)> = None;
        for &host in hosts {
            best = best.max(Some((rendezvous(place, host.prefix()), host)));
        }
        best.map(|(_, host)| host)
    }

    proptest! {
        /// U11: the same owner for all who know the same hosts; and when hosts come and go, a shard
        /// moves only to one that came or from one that went.
        #[test]
        fn u11_only_the_share_of_who_comes_or_goes_moves(
            before in prop::collection::btree_set(0_u32..40, 0..12),
            after in prop::collection::btree_set(0_u32..40, 0..12),
            service in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let [before, after] = [before, after].map(|set| set.into_iter().map(host).collect::<BTreeSet<_>>());
            let old = ShardMap::new(&service, before.iter().rev().copied());
            let new = ShardMap::new(&service, after.iter().copied().chain(after.iter().copied()));
            for shard in Shard::all().step_by(61) {
                prop_assert_eq!(old.owner(shard), owner(&service, &before, shard));
                prop_assert_eq!(new.owner(shard), owner(&service, &after, shard));
            }
            for step in new.moves_since(&old) {
                let has_gone = step.from.is_none_or(|from| !after.contains(&from));
                let has_come = step.to.is_none_or(|to| !before.contains(&to));
                prop_assert!(has_gone || has_come, "{:?}", step);
            }
        }
    }

    /// U11: hosts have shares of about the same size, and another service other ones.
    #[test]
    fn u11_shares_are_even() {
        let hosts: Vec<NodeId> = (0..32).map(host).collect();
        let map = ShardMap::new(b"workers", hosts.iter().copied());
        for &host in &hosts {
            let share = map.shards_of(host).count();
            // 128 expected, with a deviation of 11.
            assert!((80..=180).contains(&share), "{share} shards");
        }
        let other = ShardMap::new(b"others", hosts);
        assert!(other.moves_since(&map).len() > 3_800);
    }

    /// Golden: another hash would send all keys elsewhere while versions are mixed.
    #[test]
    fn keys_have_the_same_shard_on_every_platform() {
        let shards = [&b"a"[..], b"b", b"worker-99999"].map(|key| Shard::of(key).number());
        let spread: BTreeSet<Shard> = (0..40_000_u32)
            .map(|number| Shard::of(&number.to_be_bytes()))
            .collect();
        assert_eq!(spread.len(), usize::from(SHARDS), "every shard has keys");
        assert_eq!(Shard::new(SHARDS), None);
        assert_eq!(shards, GOLDEN);
    }

    const GOLDEN: [u16; 3] = [1860, 3071, 660];
}
