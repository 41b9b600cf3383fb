//! What a group is, as its members agree on it: the higher (epoch, hash) wins.

use std::sync::Arc;

use archipelago_core::Context;
use archipelago_core::wire::{Charter, CharterId, List};
use bytes::Bytes;

use super::{Group, GroupOutput, GroupOutputs};
use crate::GroupConfig;
use crate::log::keys;

/// Longest cluster list of rows, where nobody says otherwise.
const HOPS_MAX: u8 = 32;

/// The charter that a configuration stands for.
pub fn of(config: &GroupConfig) -> Charter {
    Charter {
        name: config.name.clone(),
        epoch: config.place.epoch,
        open: config.cookies.is_none(),
        size: config.size,
        members_max: config.members_max,
        parents: List::truncated(config.place.parents.iter().map(|parent| parent.id())),
        tier: config.place.tier,
        hops_max: HOPS_MAX,
        reflectors: config.place.reflectors,
        pinned: List::truncated(config.place.pinned.iter().copied()),
        council: List::truncated(config.place.council.iter().copied()),
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
        u64::from(charter.reflectors),
    ];
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let parents = charter.parents.iter().flat_map(|parent| parent.0);
    let pinned = charter.pinned.iter().flat_map(|node| node.0);
    let bytes = charter.name.bytes().chain(numbers).chain(parents);
    let council = charter.council.iter().flat_map(|node| node.0);
    let hash = fnv(bytes.chain(pinned).chain(council));
    // Of two charters of one epoch the one with more parents wins: who was not told of a parent
    // does not take it away.
    let parents = u64::try_from(charter.parents.len()).unwrap_or(u64::MAX);
    CharterId {
        epoch: charter.epoch,
        hash: (parents << 56) | (hash >> 8),
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): portable, for comparison only.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Group {
    /// Size, limit and place of the configuration changed at run time: a charter of a later epoch
    /// is told to all members. Whether it was one.
    pub fn handle_config(
        &mut self,
        config: &GroupConfig,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        let charter = of(config);
        // Seeds stay: they are known by their places in the list.
        let own = Arc::make_mut(&mut self.config);
        own.place = config.place.clone();
        (own.size, own.members_max) = (config.size, config.members_max);
        if !self.adopt(&Arc::new(charter), out) {
            return false;
        }
        self.tell_charter(cx);
        self.settle(Vec::new(), cx, out);
        true
    }

    /// Says to all members by which charter this node goes.
    pub(super) fn tell_charter(&mut self, cx: &mut Context<'_>) {
        if let Ok(bytes) = self.charter.to_bytes() {
            // A full log costs those who join later, not us.
            let _ = self.logs.put(charter_key(), bytes.into(), cx);
        }
    }

    /// Takes a charter that outranks the present one; whether it does.
    pub(super) fn adopt(&mut self, charter: &Arc<Charter>, out: &mut GroupOutputs) -> bool {
        if *charter == self.charter {
            // Nodes of one process then share it.
            self.charter = Arc::clone(charter);
            return false;
        }
        if charter.name != self.charter.name || id_of(charter) <= id_of(&self.charter) {
            return false;
        }
        let former = std::mem::replace(&mut self.charter, Arc::clone(charter));
        self.on_charter_replaced(&former);
        out.push(GroupOutput::Charter(Arc::clone(charter)));
        true
    }

    /// A member tells of a charter in its log.
    pub(super) fn on_charter_told(&mut self, value: Option<&Bytes>, out: &mut GroupOutputs) {
        let told = value.and_then(|bytes| Charter::from_bytes(bytes).ok());
        if let Some(charter) = told {
            self.adopt(&Arc::new(charter), out);
        }
    }
}

pub(super) fn charter_key() -> Bytes {
    keys::key(keys::CHARTER, &[])
}
