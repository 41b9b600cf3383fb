//! What a groupcast says before its payload, and how words of it travel between nodes.
//!
//! ```text
//! word        0, group (16 bytes), word of sgroup's machine    between members
//! publish     1, group, hops, body                             towards a group, by reflectors
//! body        from: postcard, topic: postcard, payload
//! ```

use archipelago_core::{GroupId, Pid};
use bytes::{Buf, Bytes};

const WORD: u8 = 0;
const PUBLISH: u8 = 1;

/// A message of one node's groupcast task to another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Within a group.
    Word { group: GroupId, word: Bytes },
    /// On its way to a group.
    Publish {
        group: GroupId,
        hops: u8,
        body: Bytes,
    },
}

impl Packet {
    pub(super) fn encode(&self) -> Bytes {
        let (tag, group, hops, rest) = match self {
            Self::Word { group, word } => (WORD, group, None, word),
            Self::Publish { group, hops, body } => (PUBLISH, group, Some(*hops), body),
        };
        let mut bytes = Vec::with_capacity(18 + rest.len());
        bytes.push(tag);
        bytes.extend_from_slice(&group.0);
        bytes.extend(hops);
        bytes.extend_from_slice(rest);
        bytes.into()
    }

    /// `None` for bytes that are no packet.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let tag = *bytes.first()?;
        bytes.advance(1);
        let group = GroupId(*bytes.first_chunk()?);
        bytes.advance(group.0.len());
        match tag {
            WORD => Some(Self::Word { group, word: bytes }),
            PUBLISH => {
                let hops = *bytes.first()?;
                bytes.advance(1);
                let body = bytes;
                Some(Self::Publish { group, hops, body })
            }
            _ => None,
        }
    }
}

/// A message with its sender and its topic.
pub(super) fn encode(from: Pid, topic: &[u8], payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(96 + topic.len() + payload.len());
    let head = postcard::to_stdvec(&(from, topic)).expect("a pid and bytes can be written");
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// The reverse; `None` for bytes that are none.
pub(super) fn decode(body: &Bytes) -> Option<(Pid, Bytes, Bytes)> {
    let ((from, topic), rest): ((Pid, &[u8]), _) = postcard::take_from_bytes(body).ok()?;
    let payload = body.slice(body.len() - rest.len()..);
    let topic = body.slice_ref(topic);
    (topic.len() <= super::TOPIC_BYTES_MAX).then_some((from, topic, payload))
}

#[cfg(test)]
mod tests {
    use archipelago_core::{Boot, LocalId, NodeId};

    use super::*;

    #[test]
    fn packets_and_bodies_come_back_and_others_are_none() {
        let pid = Pid {
            node: NodeId([1; 32]),
            boot: Boot(2),
            local: LocalId(3),
            home: None,
        };
        let body = encode(pid, b"topic", b"payload");
        let expected = (pid, "topic".into(), "payload".into());
        assert_eq!(decode(&body), Some(expected));
        assert_eq!(decode(&body.slice(..10)), None);
        let group = GroupId([4; 16]);
        let word = Packet::Word {
            group,
            word: "w".into(),
        };
        let publish = Packet::Publish {
            group,
            hops: 3,
            body,
        };
        for packet in [word, publish] {
            let bytes = packet.encode();
            assert_eq!(Packet::decode(bytes.clone()), Some(packet));
            assert_eq!(Packet::decode(bytes.slice(..10)), None);
        }
        assert_eq!(Packet::decode(Bytes::from_static(&[2; 40])), None);
    }
}
