//! The first byte of a key of the owner-log tells which of its users the key belongs to.
//!
//! | byte | user | rest of the key | value |
//! |---|---|---|---|
//! | `0x01` | broken paths: whom the owner cannot reach | the other's 32-byte name | empty |
//! | `0x02` | claims on names | reserved | |
//! | `0x03` | process groups | name, mailbox | how often it joined |
//! | `0x04` | services | name, mailbox | an `Offer` |
//! | `0x05` | attributes, properties, counters | which, name, mailbox | a `Value`, a count |
//! | `0x06` | load | empty | a number |
//! | `0x07` | the group's charter, where it was changed at run time | empty | a `Charter` |
//! | `0x08` | the owner leads to the group's parents | empty | an `Uplink` |
//! | `0x09` | a group below this one | its 16-byte id | a `SignedGroupRecord` |
//! | `0x0a` | what every member is to run | name | a `Duty` |
//! | `0x0b` | a hidden node that uses the group through the owner | its 32-byte name | empty |
//! | `0x0c` `0` | what the program is to keep the group at, and what came of it | empty | a `Lineage` |
//! | `0x0c` `1` | the change of the group that is under way | empty | an `Intent` |
//! | `0x0c` `2` | who moves in it | empty | `Movers` |
//! | `0x0c` `3` | the owner is ready for it | empty | its generation |
//! | `0x0c` `4` | a group below seeks one that takes it in | its 16-byte id | a `Seek` |
//! | `0x80` | the application's own keys | 1 to 255 bytes | any |
//!
//! All other bytes are reserved. A reader passes over keys that it cannot parse: they come from a
//! later version, or from a peer that lies, and harm nobody but the owner's own log.

use bytes::Bytes;

use archipelago_core::{GroupId, NodeId};

/// Whom the owner cannot reach directly.
pub const PATH_DOWN: u8 = 0x01;
/// Claims on names.
pub const NAME: u8 = 0x02;
/// Memberships in process groups.
pub const PROCESS_GROUP: u8 = 0x03;
/// Services that the owner offers.
pub const SERVICE: u8 = 0x04;
/// Attributes and properties of the owner.
pub const ATTRIBUTE: u8 = 0x05;
/// How busy the owner is.
pub const LOAD: u8 = 0x06;
/// The group's charter, by whoever was told a new one.
pub const CHARTER: u8 = 0x07;
/// That the owner leads to parents of the group.
pub const UPLINK: u8 = 0x08;
/// A group below this one.
pub const BELOW: u8 = 0x09;
/// What every member is to run.
pub const DUTY: u8 = 0x0a;
/// A hidden node that the owner serves.
pub const CLIENT: u8 = 0x0b;
/// Groups that the program keeps in size.
pub const REGROUP: u8 = 0x0c;
/// The application's own keys.
pub const USER: u8 = 0x80;

/// The key of `rest` under `prefix`.
pub fn key(prefix: u8, rest: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + rest.len());
    bytes.push(prefix);
    bytes.extend_from_slice(rest);
    bytes.into()
}

/// What follows `prefix` in `key`; `None` for another user's key.
pub fn rest(prefix: u8, key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&[prefix])
}

/// The key under which the owner says that it cannot reach `node`.
pub fn path_down(node: &NodeId) -> Bytes {
    key(PATH_DOWN, &node.0)
}

/// Whom a key of [`path_down`] names; `None` for any other key.
pub fn path_down_node(key: &[u8]) -> Option<NodeId> {
    rest(PATH_DOWN, key)?.try_into().ok().map(NodeId)
}

/// The key under which the owner says that it serves the hidden node `node`.
pub fn client(node: &NodeId) -> Bytes {
    key(CLIENT, &node.0)
}

/// Whom a key of [`client`] names; `None` for any other key.
pub fn client_node(key: &[u8]) -> Option<NodeId> {
    rest(CLIENT, key)?.try_into().ok().map(NodeId)
}

/// The key under which the owner tells of the group `id` below this one.
pub fn below(id: &GroupId) -> Bytes {
    key(BELOW, &id.0)
}

/// Which group a key of [`below`] names; `None` for any other key.
pub fn below_group(key: &[u8]) -> Option<GroupId> {
    rest(BELOW, key)?.try_into().ok().map(GroupId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_path_is_read_back_and_nothing_else_is_taken_for_one() {
        let node = NodeId([7; 32]);
        assert_eq!(path_down_node(&path_down(&node)), Some(node));
        assert_eq!(path_down_node(&key(NAME, &node.0)), None);
        assert_eq!(path_down_node(&key(PATH_DOWN, &[7; 31])), None);
        assert_eq!(path_down_node(b""), None);
    }
}
