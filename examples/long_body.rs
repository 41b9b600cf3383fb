//! A body of any length through little memory: a stream from mailbox to mailbox.
//!
//! `cargo run --release --example long_body -- 1024` moves 1,024 MiB (default 64), and says how
//! fast, and how much of it lay in either node at most.

use std::time::{Duration, Instant};

use archipelago::{Bytes, GroupSpec, Node, StreamReader, StreamWriter};

const PIECE_BYTES: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mib = std::env::args().nth(1).map_or(Ok(64), |arg| arg.parse())?;
    let one = Node::builder("one")
        .group(GroupSpec::open("yard"))
        .start()
        .await?;
    let seed = one.addresses()[0].clone();
    let two = Node::builder("two")
        .group(GroupSpec::open("yard").seed(seed))
        .start()
        .await?;
    two.joined("yard").await?;
    let mut inbox = one.mailbox().await?;
    let outbox = two.mailbox().await?;

    // The receiver gets a message that says what comes, and a reader.
    let writer = outbox.send_stream(inbox.pid(), "long body").await?;
    let begun = Instant::now();
    let writing = tokio::spawn(write(writer, mib * MIB));
    let received = inbox.recv().await.ok_or("the node has stopped")?;
    assert_eq!(received.payload, "long body");
    let reader = received.stream.ok_or("it opens a stream")?;
    let reading = tokio::spawn(read(reader));

    // What each node holds for the other one meanwhile.
    let (mut held, mut streams) = ((0, 0), (0, 0));
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let (Some(there), Some(here)) = (one.peers().first(), two.peers().first()) {
            held.0 = held.0.max(here.outgoing_bytes);
            held.1 = held.1.max(there.incoming_bytes);
            streams = (here.streams_out, there.streams_in);
        }
    }
    let sent = writing.await??;
    let read = reading.await??;
    assert_eq!(sent, read);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{mib} MiB, checksum {:016x}, in {seconds:.2} s: {:.0} MB/s",
        read.1,
        read.0 as f64 / 1e6 / seconds
    );
    println!(
        "held at most {} kB before the wire and {} kB behind it ({streams:?} streams)",
        held.0 / 1_000,
        held.1 / 1_000
    );

    two.shutdown().await;
    one.shutdown().await;
    Ok(())
}

/// Writes a body that nobody has in memory; its length as the reader confirmed it, and its sum.
async fn write(
    mut writer: StreamWriter,
    len: usize,
) -> Result<(u64, u64), archipelago::StreamError> {
    let (mut left, mut sum) = (len, Sum::default());
    while left > 0 {
        let piece = sum.piece(left.min(PIECE_BYTES));
        left -= piece.len();
        // Waits while the reader is behind.
        writer.write(piece).await?;
    }
    Ok((writer.finish().await?, sum.finish()))
}

async fn read(mut reader: StreamReader) -> Result<(u64, u64), archipelago::StreamError> {
    let (mut len, mut sum) = (0, Sum::default());
    while let Some(piece) = reader.next().await? {
        len += piece.len() as u64;
        sum.add(&piece);
    }
    Ok((len, sum.finish()))
}

/// A sum of eight bytes at a time in which their order counts, whatever pieces they come in.
#[derive(Default)]
struct Sum {
    sum: u64,
    rest: Vec<u8>,
    words: u64,
}

impl Sum {
    fn piece(&mut self, len: usize) -> Bytes {
        let start = self.words;
        let words = (start..).map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let piece: Vec<u8> = words.take(len / 8).flatten().collect();
        self.add(&piece);
        piece.into()
    }

    fn add(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(8 - self.rest.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < 8 {
                return;
            }
            let rest = std::mem::take(&mut self.rest);
            self.add_words(&rest);
        }
        let (whole, rest) = bytes.split_at(bytes.len() / 8 * 8);
        self.add_words(whole);
        self.rest.extend_from_slice(rest);
    }

    fn add_words(&mut self, bytes: &[u8]) {
        for word in bytes.chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes each"));
            self.sum = self.sum.rotate_left(5).wrapping_add(word);
            self.words += 1;
        }
    }

    const fn finish(&self) -> u64 {
        self.sum
    }
}
