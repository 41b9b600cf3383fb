//! Streams of bytes on loopback: whole whatever the length and the path, bounded at both ends, and
//! each end with its reason.

use std::time::Duration;

use crate::reach::Bridged;
use crate::support::{group_of, mailboxes, shutdown, within};
use archipelago::{
    Bytes, GroupSpec, Limits, Mailbox, Node, SendError, StreamError, StreamReader, StreamWriter,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PIECE: usize = 64 * 1024;

/// A body of any length, known from its places: FNV-1a over what was written or read.
struct Body {
    at: u64,
    hash: u64,
}

impl Body {
    const fn new() -> Self {
        Self {
            at: 0,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// The next piece.
    fn piece(&mut self, len: usize) -> Bytes {
        let words = (self.at..).step_by(8).take(len.div_ceil(8));
        let mut piece: Vec<u8> = words
            .flat_map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        piece.truncate(len);
        self.add(&piece);
        piece.into()
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.at += bytes.len() as u64;
    }
}

async fn write_body(mut writer: StreamWriter, len: usize) -> (u64, u64) {
    let mut body = Body::new();
    let mut left = len;
    while left > 0 {
        let piece = body.piece(left.min(PIECE));
        left -= piece.len();
        writer.write(piece).await.unwrap();
    }
    (writer.finish().await.unwrap(), body.hash)
}

async fn read_body(mut reader: StreamReader) -> (u64, u64) {
    let mut body = Body::new();
    while let Some(piece) = reader.next().await.unwrap() {
        body.add(&piece);
    }
    (body.at, body.hash)
}

/// The stream that the next message opens, and what it is about.
async fn opened(inbox: &mut Mailbox) -> (Bytes, StreamReader) {
    let received = within("a stream", inbox.recv()).await.unwrap();
    (received.payload, received.stream.unwrap())
}

/// The order of messages holds for the opening of a stream, whose body goes beside them.
#[tokio::test]
async fn a_stream_has_its_place_in_the_order_and_its_body_is_whole() {
    const LEN: usize = 40_000_000;
    let nodes = group_of("streams", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();
    outbox.send(to, "before").await.unwrap();
    let writer = outbox.send_stream(to, "about it").await.unwrap();
    outbox.send(to, "after").await.unwrap();
    let writing = tokio::spawn(write_body(writer, LEN));
    let before = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(before.payload, "before");
    assert!(before.stream.is_none());
    let (about, reader) = opened(&mut inbox).await;
    assert_eq!(about, "about it");
    let after = within("a message", inbox.recv()).await.unwrap();
    assert_eq!(after.payload, "after");
    let read = within("the body", read_body(reader)).await;
    assert_eq!(read.0, LEN as u64);
    assert_eq!(within("its end", writing).await.unwrap(), read);
    shutdown(nodes).await;
}

/// Both ways, as the traits of tokio, in writes of all lengths.
#[tokio::test]
async fn streams_cross_both_ways_by_the_traits_of_tokio() {
    let nodes = group_of("streams-cross", 2).await;
    let boxes = mailboxes(&nodes).await;
    let pids: Vec<_> = boxes.iter().map(Mailbox::pid).collect();
    let mut tasks = Vec::new();
    for (index, mut mailbox) in boxes.into_iter().enumerate() {
        let to = pids[1 - index];
        tasks.push(tokio::spawn(async move {
            let mut writer = mailbox.send_stream(to, "").await.unwrap();
            let writing = tokio::spawn(async move {
                let mut body = Body::new();
                for len in [1, 0, 100_000, 7, 1_000_000, 16_384] {
                    writer.write_all(&body.piece(len)).await.unwrap();
                }
                writer.shutdown().await.unwrap();
                (body.at, body.hash)
            });
            let (_, mut reader) = opened(&mut mailbox).await;
            let mut bytes = Vec::new();
            let reading = reader.read_to_end(&mut bytes);
            within("the body", reading).await.unwrap();
            let mut body = Body::new();
            body.add(&bytes);
            assert_eq!(writing.await.unwrap(), (body.at, body.hash));
            mailbox
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    shutdown(nodes).await;
}

#[tokio::test]
async fn a_stream_between_mailboxes_of_one_node_is_whole_too() {
    let nodes = group_of("streams-here", 1).await;
    let mut inbox = nodes[0].mailbox().await.unwrap();
    let outbox = nodes[0].mailbox().await.unwrap();
    let writer = outbox.send_stream(inbox.pid(), "here").await.unwrap();
    let writing = tokio::spawn(write_body(writer, 3_000_001));
    let (about, reader) = opened(&mut inbox).await;
    assert_eq!(about, "here");
    let read = within("the body", read_body(reader)).await;
    assert_eq!(within("its end", writing).await.unwrap(), read);
    shutdown(nodes).await;
}

/// F14: who reads slowly holds up its own writer, and neither other streams nor messages.
#[tokio::test]
async fn f14_a_slow_reader_holds_only_its_own_stream() {
    let nodes = group_of("streams-slow", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();
    let slow = outbox.send_stream(to, "slow").await.unwrap();
    let fast = outbox.send_stream(to, "fast").await.unwrap();
    let (_, mut slow_reader) = opened(&mut inbox).await;
    let (_, fast_reader) = opened(&mut inbox).await;
    let slow_writing = tokio::spawn(write_body(slow, 2_000_000));
    let fast_writing = tokio::spawn(write_body(fast, 10_000_000));
    let read = within("the fast body", read_body(fast_reader)).await;
    assert_eq!(within("its end", fast_writing).await.unwrap(), read);
    for _ in 0..100 {
        within("a send", outbox.send(to, "small")).await.unwrap();
        let small = within("a small message", inbox.recv()).await.unwrap();
        assert_eq!(small.payload, "small");
    }
    assert!(!slow_writing.is_finished());
    let mut body = Body::new();
    while let Some(piece) = within("a piece", slow_reader.next()).await.unwrap() {
        body.add(&piece);
    }
    let written = within("its end", slow_writing).await.unwrap();
    assert_eq!(written, (body.at, body.hash));
    shutdown(nodes).await;
}

#[tokio::test]
async fn each_end_hears_why_the_other_one_gave_up() {
    let nodes = group_of("streams-ends", 2).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();

    let mut writer = outbox.send_stream(to, "").await.unwrap();
    writer.write("some").await.unwrap();
    let (_, mut reader) = opened(&mut inbox).await;
    assert_eq!(within("some", reader.next()).await, Ok(Some("some".into())));
    writer.abort("changed my mind");
    let aborted = StreamError::Aborted("changed my mind".to_owned());
    assert_eq!(within("an end", reader.next()).await, Err(aborted));

    let writer = outbox.send_stream(to, "").await.unwrap();
    drop(writer);
    let (_, mut reader) = opened(&mut inbox).await;
    let dropped = Err(StreamError::WriterDropped);
    assert_eq!(within("an end", reader.next()).await, dropped);

    let writer = outbox.send_stream(to, "").await.unwrap();
    drop(opened(&mut inbox).await);
    let dropped = Err(StreamError::ReaderDropped);
    assert_eq!(within("an end", writer.finish()).await, dropped);

    drop(inbox);
    let mut writer = outbox.send_stream(to, "").await.unwrap();
    let nobody = loop {
        match within("a write", writer.write(vec![0; PIECE])).await {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(nobody, StreamError::NoMailbox);
    shutdown(nodes).await;
}

/// A node that ends takes its streams with it, whichever side it has.
#[tokio::test]
async fn a_node_that_ends_ends_its_streams() {
    let mut nodes = group_of("streams-death", 2).await;
    let [mut inbox, mut outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let mut writer = outbox.send_stream(inbox.pid(), "").await.unwrap();
    let back = inbox.send_stream(outbox.pid(), "").await.unwrap();
    let (_, mut reader) = opened(&mut inbox).await;
    let (_, mut back_reader) = opened(&mut outbox).await;
    writer.write("some").await.unwrap();
    assert!(within("some", reader.next()).await.is_ok());
    nodes.remove(0).kill();
    let stopped = Err(StreamError::Stopped);
    assert_eq!(within("its own end", reader.next()).await, stopped);
    let finished = within("its own end", back.finish()).await;
    assert_eq!(finished, Err(StreamError::Stopped));
    // The others hear of it when no way leads there any more.
    let end = within("the writer's end", writer.finish()).await;
    assert!(
        matches!(end, Err(StreamError::Unreachable(_) | StreamError::Lost)),
        "{end:?}"
    );
    let end = within("the reader's end", back_reader.next()).await;
    assert!(
        matches!(end, Err(StreamError::Unreachable(_) | StreamError::Lost)),
        "{end:?}"
    );
    shutdown(nodes).await;
}

/// Two members of a group with limits of their own.
pub(crate) async fn limited(name: &str, limits: &Limits) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for index in 0..2 {
        let mut group = GroupSpec::open(name);
        if let Some(first) = nodes.first() {
            group = group.seed(first.addresses()[0].clone());
        }
        let node = Node::builder(&format!("{name}-{index}")).limits(limits.clone());
        nodes.push(node.group(group).start().await.unwrap());
    }
    for node in &nodes {
        within("joining", node.wait_members(name, 2)).await.unwrap();
    }
    nodes
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_one_that_is_idle_ends() {
    let limits = Limits {
        streams_per_peer_max: 2,
        stream_idle_max: Duration::from_millis(500),
        ..Limits::default()
    };
    let nodes = limited("streams-limited", &limits).await;
    let [mut inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();
    let one = outbox.send_stream(to, "").await.unwrap();
    let two = outbox.send_stream(to, "").await.unwrap();
    let three = outbox.send_stream(to, "").await;
    assert_eq!(three.err(), Some(SendError::TooManyStreams));
    let (_, mut reader) = opened(&mut inbox).await;
    let (_, two_reader) = opened(&mut inbox).await;
    assert_eq!(within("idle", reader.next()).await, Err(StreamError::Idle));
    let end = within("idle", one.finish()).await;
    assert!(matches!(end, Err(StreamError::Idle)), "{end:?}");
    drop((two, two_reader));
    let opening = async {
        loop {
            match outbox.send_stream(to, "").await {
                Err(SendError::TooManyStreams) => tokio::task::yield_now().await,
                opened => return opened,
            }
        }
    };
    let writer = within("a place", opening).await.unwrap();
    let writing = tokio::spawn(write_body(writer, 100_000));
    let (_, reader) = opened(&mut inbox).await;
    let read = within("the body", read_body(reader)).await;
    assert_eq!(within("its end", writing).await.unwrap(), read);
    shutdown(nodes).await;
}

/// A stream begins by relay, goes over to a direct session in mid-body, and is whole.
#[tokio::test]
async fn a_stream_to_another_group_begins_by_relay_and_goes_on_directly() {
    const LEN: usize = 5_000_000;
    let world = Bridged::start("streams-far").await;
    let mut inbox = world.west[1].mailbox().await.unwrap();
    let outbox = world.east[1].mailbox().await.unwrap();
    let to = inbox.pid();
    let opening = async {
        loop {
            match outbox.send_stream(to, "far").await {
                Err(SendError::Unreachable(_)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => return opened,
            }
        }
    };
    let writer = within("a way", opening).await.unwrap();
    let writing = tokio::spawn(write_body(writer, LEN));
    let (_, reader) = opened(&mut inbox).await;
    let read = within("the body", read_body(reader)).await;
    assert_eq!(within("its end", writing).await.unwrap(), read);
    assert_eq!(read.0, LEN as u64);
    let metrics = world.east[1].metrics();
    assert!(metrics.relay_bytes_sent > 0, "{metrics:?}");
    assert!(metrics.data_bytes_sent > 0, "{metrics:?}");
    world.shutdown().await;
}
