//! Which node is in which shard: stripes of neighbouring numbers, dealt out in turn.
//!
//! Neighbours by number are usually neighbours in a group, so a wide stripe keeps most messages
//! inside a shard; a narrow one spreads small worlds. The choice never changes a result.

/// How nodes are spread over shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    shards: u32,
    /// Nodes of a stripe, as a power of two.
    stripe_bits: u32,
    /// 2^64 / shards, rounded up: a multiplication in place of a division.
    reciprocal: u64,
}

impl Layout {
    /// So many shards, in stripes of at least so many nodes (rounded up to a power of two).
    ///
    /// # Panics
    /// Without a shard.
    pub fn new(shards: usize, stripe_len: u32) -> Self {
        assert!(shards > 0, "nodes must be somewhere");
        let shards = u32::try_from(shards).expect("fewer than 2^32 shards");
        Self {
            shards,
            reciprocal: (u64::MAX / u64::from(shards)).wrapping_add(1),
            stripe_bits: stripe_len
                .clamp(1, 1 << 20)
                .next_power_of_two()
                .trailing_zeros(),
        }
    }

    /// How many shards there are.
    pub const fn shards(&self) -> usize {
        self.shards as usize
    }

    /// The shard of a node.
    #[inline]
    pub const fn shard(&self, node: u32) -> usize {
        if self.shards == 1 {
            return 0;
        }
        let stripe = node >> self.stripe_bits;
        (stripe - self.turn(stripe) * self.shards) as usize
    }

    /// The place of a node among those of its shard, in the order of their numbers.
    #[inline]
    pub const fn place(&self, node: u32) -> usize {
        if self.shards == 1 {
            return node as usize;
        }
        let stripe = self.turn(node >> self.stripe_bits);
        let within = node & ((1 << self.stripe_bits) - 1);
        ((stripe << self.stripe_bits) + within) as usize
    }

    /// How often all shards had a stripe before this one: `stripe / shards`, of two or more.
    #[inline]
    const fn turn(&self, stripe: u32) -> u32 {
        ((self.reciprocal as u128 * stripe as u128) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiplication_divides() {
        for shards in [2, 3, 5, 7, 1_000, 65_535, u32::MAX] {
            let layout = Layout::new(shards as usize, 1);
            for stripe in [0, 1, shards - 1, shards, u32::MAX - 1, u32::MAX] {
                assert_eq!(layout.turn(stripe), stripe / shards, "{stripe} / {shards}");
            }
        }
    }

    #[test]
    fn places_are_dense_in_every_shard() {
        for (shards, stripe) in [(1, 1), (2, 1), (3, 4), (5, 64)] {
            let layout = Layout::new(shards, stripe);
            let mut next = vec![0; shards];
            for node in 0..1_000 {
                let here = layout.shard(node);
                assert_eq!(layout.place(node), next[here], "node {node} of {layout:?}");
                next[here] += 1;
            }
        }
    }
}
