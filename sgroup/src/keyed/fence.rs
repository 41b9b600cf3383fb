//! What tells one activation of a shard from the ones before it.

/// A fencing token of one lease of a shard: higher than that of every lease of it before. What a
/// worker writes carries it, and whoever keeps what is written refuses lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The fence of the strict name under which the lease was given.
    pub term: u64,
    /// Which answer of that term gave it.
    pub serial: u64,
}

impl Fence {
    /// As bytes that compare as the fences do.
    pub fn to_bytes(self) -> [u8; 16] {
        let both = (u128::from(self.term) << 64) | u128::from(self.serial);
        both.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::Fence;

    proptest! {
        #[test]
        fn bytes_compare_as_fences_do(one in any::<(u64, u64)>(), other in any::<(u64, u64)>()) {
            let [one, other] = [one, other].map(|(term, serial)| Fence { term, serial });
            prop_assert_eq!(one.cmp(&other), one.to_bytes().cmp(&other.to_bytes()));
        }
    }
}
