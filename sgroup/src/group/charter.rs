//! What a group is, as its members agree on it: the higher (epoch, hash) wins.

use archipelago_core::wire::{Charter, CharterId, List};

use crate::GroupConfig;

/// Longest cluster list of rows, where nobody says otherwise.
const HOPS_MAX: u8 = 32;

/// The charter that a configuration stands for.
pub(super) fn of(config: &GroupConfig) -> Charter {
    Charter {
        name: config.name.clone(),
        epoch: 0,
        open: config.cookies.is_none(),
        size: config.size,
        members_max: config.members_max,
        parents: List::new(),
        tier: 0,
        hops_max: HOPS_MAX,
    }
}

/// What it is compared by.
pub(super) fn id_of(charter: &Charter) -> CharterId {
    let numbers = [
        u64::from(charter.open),
        u64::from(charter.size),
        u64::from(charter.members_max),
        u64::from(charter.tier),
        u64::from(charter.hops_max),
    ];
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let parents = charter.parents.iter().flat_map(|parent| parent.0);
    let bytes = charter.name.bytes().chain(numbers).chain(parents);
    CharterId {
        epoch: charter.epoch,
        hash: fnv(bytes),
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): portable, for comparison only.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
