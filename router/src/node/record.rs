//! This node's own record: what it signs about itself, anew with each change.

use std::sync::Arc;

use archipelago_core::wire::{List, WIRE_MAX, WIRE_MIN};
use archipelago_core::{Boot, Crypto, GroupId, NodeRecord, Roles, SignedRecord};

use super::NodeConfig;

/// A day.
const LIFE_S: u32 = 86_400;

/// What this node says of itself now.
pub(super) fn own(
    config: &NodeConfig,
    boot: Boot,
    seq: u64,
    groups: impl Iterator<Item = GroupId>,
    crypto: &dyn Crypto,
) -> Arc<SignedRecord> {
    // An address that no peer would take is of use to nobody, and would keep the rest from being said.
    let addresses = config
        .addresses
        .iter()
        .filter(|address| address.is_sendable());
    let is_hidden = config.groups.is_empty() && !config.clients.is_empty();
    let hidden = if is_hidden {
        Roles::HIDDEN
    } else {
        Roles::default()
    };
    let used = config.clients.iter().map(|client| client.id());
    let record = NodeRecord {
        node: config.id,
        boot,
        seq,
        name: config.name.clone(),
        groups: List::truncated(groups.chain(used)),
        addresses: List::truncated(addresses.cloned()),
        roles: Roles(config.roles.0 | hidden.0),
        sealing_key: crypto.sealing_key(),
        wire: (WIRE_MIN, WIRE_MAX),
        life_s: LIFE_S,
    };
    let signed = SignedRecord::new(record, crypto);
    Arc::new(signed.expect("lists and strings within their limits have an encoding"))
}
