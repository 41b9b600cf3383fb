//! What hosts of keyed workers say to each other, and what is asked of them.
//!
//! A packet is the payload of a message to a host's mailbox, an answer that of its reply. What they
//! bring (a request, its reply, a worker's state) follows the head and is not copied to be read.
//! Heads are bounded by their types before anything is allocated.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec::DecodeError;
use super::{List, bounded};
use crate::{NodeId, Pid};

/// Longest key of a worker in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Words of 64 bits in a set of shards.
pub const SHARD_WORDS: usize = 64;

/// Most shards of which one application for leases says who has their states; the next says more.
pub const HEIRS_MAX: usize = 64;

/// A set of shards: bit b of word w is shard 64 · w + b.
pub type ShardBits = List<u64, SHARD_WORDS>;

/// The head of a message to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyedPacket {
    /// For a worker; the request follows.
    Request {
        /// It is answered when its worker begins it, not when it is done.
        is_cast: bool,
        /// Whose: 1 to [`KEY_BYTES_MAX`] bytes of any kind.
        #[serde(
            serialize_with = "bounded::put_bytes::<KEY_BYTES_MAX, _>",
            deserialize_with = "bounded::bytes::<KEY_BYTES_MAX, _>"
        )]
        key: Bytes,
    },
    /// From another host.
    Word(KeyedWord),
}

/// What one host of a service says to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyedWord {
    /// These belong to me as I see it: let go of them.
    Claim {
        /// The claimant's number of the claim; rises.
        round: u32,
        /// Which.
        shards: ShardBits,
    },
    /// A worker of a shard that is about to be released; its state follows.
    State {
        /// The claim that this answers.
        round: u32,
        /// Which state of its shard, from 0 on.
        index: u32,
        /// How often the worker was handed over: of two states the higher one holds.
        version: u32,
        /// The lease under which it was run last, of which the higher one holds before that; `None`
        /// where there are no leases.
        fence: Option<(u64, u64)>,
        /// Its key, which says its shard.
        #[serde(
            serialize_with = "bounded::put_bytes::<KEY_BYTES_MAX, _>",
            deserialize_with = "bounded::bytes::<KEY_BYTES_MAX, _>"
        )]
        key: Bytes,
    },
    /// I do not run these, and shall not before you release them to me.
    Release {
        /// The claim that this answers.
        round: u32,
        /// Which.
        shards: ShardBits,
        /// As many states went before, all of one shard; I keep them until you say that you took
        /// them.
        states: u32,
    },
    /// I took the states of a shard.
    Took {
        /// As the release said it.
        round: u32,
        /// Which, below 4,096.
        shard: u16,
    },
    /// I let shards out on lease in this term: apply to me.
    Lessor {
        /// Higher than that of every lessor before.
        term: u64,
    },
    /// I would run these: lease them to me. What an earlier application named and this one does not
    /// is given back.
    Apply {
        /// As the lessor said it.
        term: u64,
        /// The applicant's number of the application; rises. Its leases count from its sending.
        number: u32,
        /// The serial of the last answer that came.
        seen: u64,
        /// Which.
        wanted: ShardBits,
        /// Those of them of which no lease is held.
        lacking: ShardBits,
        /// Shards given back, below 4,096, and who got their states.
        heirs: List<(u16, NodeId), HEIRS_MAX>,
    },
    /// They are leased to you, but for these.
    Lease {
        /// As in the application.
        term: u64,
        /// The application that this answers.
        number: u32,
        /// Rises from answer to answer of a term: the second half of the fence.
        serial: u64,
        /// Of those that the application wanted: not leased.
        refused: ShardBits,
        /// Of those that are: run by somebody else since the states that the applicant may have of
        /// them.
        fresh: ShardBits,
        /// From the sending of the application, in ms.
        life_ms: u32,
    },
}

/// The head of a host's reply to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyedAnswer {
    /// Done, or for a cast begun; the worker's reply follows.
    Done,
    /// It is not this host's; nothing was done.
    Moved {
        /// The host's idea of whose it is.
        to: Option<Pid>,
    },
    /// As much waits as may; nothing was done.
    Full,
    /// The worker failed; it may have been done.
    Failed,
    /// The host has no lease of the key's shard; nothing was done.
    Unleased,
}

impl KeyedPacket {
    /// The packet, and behind it what it brings.
    pub fn encode(&self, body: &[u8]) -> Bytes {
        encode(self, body)
    }

    /// The packet, and what is behind it, which is a slice of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are no packet.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        decode(bytes)
    }
}

impl KeyedAnswer {
    /// The answer, and behind it what it brings.
    pub fn encode(&self, body: &[u8]) -> Bytes {
        encode(self, body)
    }

    /// The answer, and what is behind it, which is a slice of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are no answer.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        decode(bytes)
    }
}

fn encode(head: &impl Serialize, body: &[u8]) -> Bytes {
    // Keys are checked where they come from; the rest has no limit to miss.
    let head = postcard::to_stdvec(head).expect("a head in memory can be written");
    let mut bytes = Vec::with_capacity(head.len() + body.len());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(body);
    bytes.into()
}

fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Result<(T, Bytes), DecodeError> {
    let (head, rest) = postcard::take_from_bytes(bytes).map_err(|_| DecodeError::Malformed)?;
    Ok((head, bytes.slice(bytes.len() - rest.len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_word() -> impl Strategy<Value = KeyedWord> {
        let bits = || prop::collection::vec(any::<u64>(), 0..=SHARD_WORDS);
        let bits = move || bits().prop_map(List::truncated);
        let key = prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let round = any::<u32>;
        prop_oneof![
            (round(), bits()).prop_map(|(round, shards)| KeyedWord::Claim { round, shards }),
            (round(), round(), round(), key).prop_map(|(round, index, version, key)| {
                KeyedWord::State {
                    round,
                    index,
                    version,
                    fence: (version % 2 == 1).then_some((round.into(), index.into())),
                    key,
                }
            }),
            (round(), bits(), round()).prop_map(|(round, shards, states)| {
                KeyedWord::Release {
                    round,
                    shards,
                    states,
                }
            }),
            (round(), any::<u16>()).prop_map(|(round, shard)| KeyedWord::Took { round, shard }),
            any::<u64>().prop_map(|term| KeyedWord::Lessor { term }),
            (any::<u64>(), round(), bits(), bits(), any::<u16>()).prop_map(
                |(term, number, wanted, lacking, shard)| KeyedWord::Apply {
                    term,
                    number,
                    seen: term / 2,
                    wanted,
                    lacking,
                    heirs: List::truncated([(shard, NodeId([7; 32]))]),
                }
            ),
            (any::<u64>(), round(), bits(), bits(), round()).prop_map(
                |(term, number, refused, fresh, life_ms)| KeyedWord::Lease {
                    term,
                    number,
                    serial: term / 2,
                    refused,
                    fresh,
                    life_ms,
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_packet_and_its_body_are_read_back(word in any_word(), body in prop::collection::vec(any::<u8>(), 0..40)) {
            let packet = KeyedPacket::Word(word);
            let bytes = packet.encode(&body);
            prop_assert_eq!(KeyedPacket::decode(&bytes), Ok((packet, body.into())));
        }

        /// A6: whatever comes is a head within its limits, or refused.
        #[test]
        fn a6_arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let bytes = Bytes::from(bytes);
            if let Ok((KeyedPacket::Request { key, .. }, _)) = KeyedPacket::decode(&bytes) {
                prop_assert!(key.len() <= KEY_BYTES_MAX);
            }
            let _ = KeyedAnswer::decode(&bytes);
        }
    }

    #[test]
    fn golden_bytes_of_a_request_and_of_an_answer() {
        let key = Bytes::from_static(b"k");
        let packet = KeyedPacket::Request { is_cast: true, key };
        assert_eq!(&packet.encode(b"body")[..], b"\x00\x01\x01kbody");
        assert_eq!(&KeyedAnswer::Done.encode(b"x")[..], b"\x00x");
        assert_eq!(&KeyedAnswer::Full.encode(b"")[..], b"\x02");
        assert_eq!(&KeyedAnswer::Unleased.encode(b"")[..], b"\x04");
        let lessor = KeyedPacket::Word(KeyedWord::Lessor { term: 5 });
        assert_eq!(&lessor.encode(b"")[..], b"\x01\x04\x05");
    }
}
