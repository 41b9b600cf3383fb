//! What nodes say to each other by messages: groupcasts, keyed workers, outboxes.

use archipelago_core::wire::{
    GroupcastWord, KeyedAnswer, KeyedPacket, KeyedWord, List, Piece, ShardBits,
};
use archipelago_core::{Boot, LocalId, NodeId, Pid};
use archipelago_router::outbox::{Answer, Batch, StreamId};
use bytes::Bytes;

use super::decoded;
use crate::{Seen, Target};

/// Words with what they bring behind them; the first byte says of which kind.
pub(super) const WORDS: Target = Target {
    name: "word",
    run: words,
    corpus: word_corpus,
    len_max: 64 * 1024,
};

/// Batches of an outbox and their answers.
pub(super) const OUTBOX: Target = Target {
    name: "outbox",
    run: outbox,
    corpus: outbox_corpus,
    len_max: 64 * 1024,
};

fn words(bytes: &[u8], seen: &mut Seen) {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    // A message is in memory already when it is looked at: what it brings is a slice of it.
    let shared = Bytes::copy_from_slice(bytes);
    let message = |it: &[u8]| {
        if it.len() == shared.len() && it == shared {
            shared.clone()
        } else {
            Bytes::copy_from_slice(it)
        }
    };
    match kind {
        0 => drop(decoded(
            bytes,
            seen,
            |it| GroupcastWord::decode(&message(it)).ok(),
            |(word, body)| Some(word.encode(body)),
        )),
        1 => drop(decoded(
            bytes,
            seen,
            |it| KeyedPacket::decode(&message(it)).ok(),
            |(packet, body)| Some(packet.encode(body)),
        )),
        _ => drop(decoded(
            bytes,
            seen,
            |it| KeyedAnswer::decode(&message(it)).ok(),
            |(answer, body)| Some(answer.encode(body)),
        )),
    }
}

fn outbox(bytes: &[u8], seen: &mut Seen) {
    let decode = |it: &[u8]| Batch::decode(Bytes::copy_from_slice(it)).ok();
    decoded(bytes, seen, decode, |batch| Some(batch.encode()));
    let decode = |it: &[u8]| Answer::decode(it).ok();
    decoded(bytes, seen, decode, |answer| Some(answer.encode()));
}

fn word_corpus() -> Vec<Vec<u8>> {
    let node = NodeId([7; 32]);
    let piece = Piece {
        origin: node,
        boot: Boot(300),
        seq: 4,
        index: 0,
        count: 2,
        subtree: List::truncated([node; 3]),
    };
    let (boot, until) = (Boot(300), 1 << 40);
    let groupcasts = [
        GroupcastWord::Piece(piece),
        GroupcastWord::Last { boot, next: 5 },
        GroupcastWord::Want {
            boot,
            from: 1,
            until,
        },
        GroupcastWord::Gone { boot, below: 9 },
    ];
    let pid = Pid {
        node,
        boot,
        local: LocalId(3),
        home: None,
    };
    let answers = [
        KeyedAnswer::Done,
        KeyedAnswer::Moved { to: Some(pid) },
        KeyedAnswer::Full,
        KeyedAnswer::Unleased,
    ];
    let tagged = |kind: u8, bytes: Bytes| [&[kind][..], &bytes].concat();
    let groupcasts = groupcasts.iter().map(|it| tagged(0, it.encode(b"body")));
    let packets = packets()
        .into_iter()
        .map(|it| tagged(1, it.encode(b"body")));
    let answers = answers.iter().map(|it| tagged(2, it.encode(b"body")));
    groupcasts.chain(packets).chain(answers).collect()
}

fn packets() -> Vec<KeyedPacket> {
    let shards = || ShardBits::truncated([1, u64::MAX, 0]);
    let key = || Bytes::from_static(b"key");
    let request = KeyedPacket::Request {
        is_cast: false,
        key: key(),
    };
    let words = [
        KeyedWord::Claim {
            round: 1,
            shards: shards(),
        },
        KeyedWord::State {
            round: 1,
            index: 0,
            version: 2,
            fence: Some((1, 2)),
            key: key(),
        },
        KeyedWord::Release {
            round: 1,
            shards: shards(),
            states: 1,
        },
        KeyedWord::Took { round: 1, shard: 9 },
        KeyedWord::Lessor { term: 3 },
        KeyedWord::Apply {
            term: 3,
            number: 1,
            seen: 0,
            wanted: shards(),
            lacking: shards(),
            heirs: List::truncated([(5, NodeId([7; 32]))]),
        },
        KeyedWord::Lease {
            term: 3,
            number: 1,
            serial: 2,
            refused: shards(),
            fresh: shards(),
            life_ms: 4_000,
        },
    ];
    let words = words.into_iter().map(KeyedPacket::Word);
    std::iter::once(request).chain(words).collect()
}

fn outbox_corpus() -> Vec<Vec<u8>> {
    let batch = |len: u64| Batch {
        stream: StreamId([3; 16]),
        records: (1..=len)
            .map(|seq| (seq, Bytes::from_static(b"record")))
            .collect(),
    };
    let answer = Answer { done: 7 };
    [batch(0).encode(), batch(3).encode(), answer.encode()]
        .map(|it| it.to_vec())
        .to_vec()
}
