//! Two ends over a pipe in memory: order, windows, ends, and bytes that are no frames.

use std::collections::VecDeque;
use std::task::Waker;

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use tokio::sync::mpsc;

use super::frame::{Head, Kind};
use super::streams::WINDOW;
use super::*;

/// Streams of one connection at most.
const STREAMS: usize = 8;

/// One direction of a pipe that holds a few bytes.
#[derive(Debug)]
struct Lane {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a pipe.
#[derive(Debug)]
struct Pipe {
    read: Arc<Mutex<Lane>>,
    write: Arc<Mutex<Lane>>,
}

fn pipe(bytes_max: usize) -> (Pipe, Pipe) {
    let lane = || {
        Arc::new(Mutex::new(Lane {
            bytes: VecDeque::new(),
            bytes_max,
            is_closed: false,
            reader: None,
            writer: None,
        }))
    };
    let (one, other) = (lane(), lane());
    let near = Pipe {
        read: one.clone(),
        write: other.clone(),
    };
    let far = Pipe {
        read: other,
        write: one,
    };
    (near, far)
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = self.read.lock().unwrap();
        let count = lane.bytes.len().min(wanted.len());
        if count == 0 && !lane.is_closed {
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (to, from) in wanted.iter_mut().zip(lane.bytes.drain(..count)) {
            *to = from;
        }
        if let Some(writer) = lane.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = self.write.lock().unwrap();
        if lane.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(lane.bytes_max - lane.bytes.len());
        if count == 0 {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        lane.bytes.extend(&bytes[..count]);
        if let Some(reader) = lane.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for lane in [&self.read, &self.write] {
            let mut lane = lane.lock().unwrap();
            lane.is_closed = true;
            let wakers = [lane.reader.take(), lane.writer.take()];
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

/// One end of a connection, with its task running.
struct Side {
    wanted: mpsc::Sender<()>,
    opened: mpsc::Receiver<Substream<Pipe>>,
    accepted: mpsc::Receiver<Substream<Pipe>>,
    task: tokio::task::JoinHandle<io::Error>,
}

impl Side {
    async fn open(&mut self) -> Substream<Pipe> {
        self.wanted.send(()).await.unwrap();
        self.opened.recv().await.unwrap()
    }
}

fn start(socket: Pipe, is_dialler: bool) -> Side {
    let upgrade = Mux::new(STREAMS);
    let Ok(mut muxer) = upgrade.start(socket, is_dialler).now_or_never().unwrap();
    let (wanted, mut wants) = mpsc::channel(1);
    let (opened_in, opened) = mpsc::channel(STREAMS);
    let (accepted_in, accepted) = mpsc::channel(STREAMS);
    let task = tokio::spawn(std::future::poll_fn(move |cx| {
        if let Poll::Ready(ended) = Pin::new(&mut muxer).poll(cx) {
            return Poll::Ready(ended.unwrap_err());
        }
        while let Poll::Ready(stream) = Pin::new(&mut muxer).poll_inbound(cx) {
            let _ = accepted_in.try_send(stream.unwrap());
        }
        while let Poll::Ready(Some(())) = wants.poll_recv(cx) {
            let Poll::Ready(stream) = Pin::new(&mut muxer).poll_outbound(cx) else {
                panic!("one thread: nobody else has the lock");
            };
            let _ = opened_in.try_send(stream.unwrap());
        }
        Poll::Pending
    }));
    Side {
        wanted,
        opened,
        accepted,
        task,
    }
}

fn connect(bytes_max: usize) -> (Side, Side) {
    let (near, far) = pipe(bytes_max);
    (start(near, true), start(far, false))
}

/// Bytes that differ by stream and place.
fn pattern(stream: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * 7 + at / 251 + stream) as u8)
        .collect()
}

#[tokio::test]
async fn what_is_written_arrives_in_order_on_each_stream_by_a_narrow_pipe() {
    let (mut near, mut far) = connect(1_000);
    let mut tasks = Vec::new();
    for number in 0..3 {
        let mut stream = near.open().await;
        let bytes = pattern(number, 3 * WINDOW + number);
        tasks.push(tokio::spawn(async move {
            for piece in bytes.chunks(10_000 + number) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.close().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"done");
        }));
    }
    for number in 0..3 {
        let mut stream = far.accepted.recv().await.unwrap();
        tasks.push(tokio::spawn(async move {
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert!(received == pattern(number, 3 * WINDOW + number));
            stream.write_all(b"done").await.unwrap();
            stream.close().await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_takes_a_window_and_holds_up_no_other() {
    let (mut near, mut far) = connect(100_000);
    let (mut full, mut other) = (near.open().await, near.open().await);
    full.write_all(&pattern(0, WINDOW)).await.unwrap();
    let mut unread = far.accepted.recv().await.unwrap();
    let mut heard = far.accepted.recv().await.unwrap();
    assert!(full.write(&[1]).now_or_never().is_none());
    other.write_all(b"still").await.unwrap();
    other.flush().await.unwrap();
    let mut word = [0; 5];
    heard.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"still");
    // Half of it read is half of it granted.
    let mut half = vec![0; WINDOW / 2];
    unread.read_exact(&mut half).await.unwrap();
    assert!(half == pattern(0, WINDOW)[..WINDOW / 2]);
    full.write_all(&pattern(1, WINDOW / 2)).await.unwrap();
    assert!(full.write(&[1]).now_or_never().is_none());
}

#[tokio::test]
async fn a_forgotten_stream_fails_its_writer_and_ends_its_reader_after_what_was_sent() {
    let (mut near, mut far) = connect(10_000);
    let mut stream = near.open().await;
    stream.write_all(b"last words").await.unwrap();
    stream.flush().await.unwrap();
    let mut theirs = far.accepted.recv().await.unwrap();
    drop(stream);
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"last words");
    let error = theirs.write_all(b"?").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_end_of_a_connection_is_the_end_of_its_streams() {
    let (mut near, mut far) = connect(10_000);
    let mut stream = near.open().await;
    stream.write_all(b"a").await.unwrap();
    stream.flush().await.unwrap();
    let mut theirs = far.accepted.recv().await.unwrap();
    near.task.abort();
    assert!(near.task.await.unwrap_err().is_cancelled());
    assert!(stream.write_all(b"b").await.is_err());
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"a");
    assert_eq!(far.task.await.unwrap().kind(), io::ErrorKind::UnexpectedEof);
}

/// What a connection's task says of bytes that a peer wrote; `None`: it takes them.
async fn verdict(bytes: &[u8]) -> Option<io::ErrorKind> {
    let (mut peer, far) = pipe(8 << 20);
    peer.write_all(bytes).await.unwrap();
    let mut side = start(far, false);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let ended = (&mut side.task).now_or_never();
    ended.map(|error| error.unwrap().kind())
}

fn frames(heads: &[(u32, Kind)]) -> Vec<u8> {
    let heads = heads.iter().map(|&(stream, kind)| Head { stream, kind });
    heads.flat_map(Head::encode).collect()
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_loses_the_connection() {
    let opened = frames(&[(1, Kind::Open)]);
    assert_eq!(verdict(&opened).await, None);
    let unknown = frames(&[(5, Kind::Credit(9)), (5, Kind::Reset), (5, Kind::Finish)]);
    assert_eq!(verdict(&unknown).await, None);
    let broken = Some(io::ErrorKind::InvalidData);
    for bad in [
        vec![7; 8],
        frames(&[(2, Kind::Open)]),
        frames(&[(0, Kind::Open)]),
        frames(&[(1, Kind::Open), (1, Kind::Open)]),
        frames(
            &(0..=STREAMS as u32)
                .map(|at| (2 * at + 1, Kind::Open))
                .collect::<Vec<_>>(),
        ),
    ] {
        assert_eq!(verdict(&bad).await, broken, "{bad:?}");
    }
    let mut much = frames(&[(1, Kind::Open), (1, Kind::Data(WINDOW as u32 + 1))]);
    much.extend(vec![0; WINDOW + 1]);
    assert_eq!(verdict(&much).await, broken);
}

/// As the rapid reset of HTTP/2 (CVE-2023-44487), for memory.
#[tokio::test]
async fn a_peer_that_opens_streams_for_ever_and_hears_no_refusal_loses_the_connection() {
    let (mut peer, far) = pipe(1_000);
    let mut side = start(far, false);
    // Whatever it accepts is forgotten at once, which the peer is told.
    side.accepted.close();
    let mut opened = 0;
    let ended = loop {
        let heads = [(2 * opened + 1, Kind::Open)];
        let _ = peer.write_all(&frames(&heads)).now_or_never();
        tokio::task::yield_now().await;
        if let Some(ended) = (&mut side.task).now_or_never() {
            break ended.unwrap();
        }
        opened += 1;
        assert!(opened < 100_000, "it says as much as it is made to");
    };
    assert_eq!(ended.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn arbitrary_bytes_end_a_connection_or_are_taken() {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    for len in 0..200 {
        // Every other one begins like a frame.
        let mut bytes: Vec<u8> = (0..len).map(|_| next()).collect();
        if len % 2 == 0 && len >= 8 {
            bytes[..8].copy_from_slice(&[next() % 8 + 8, 0, 0, 0, next(), 0, 0, 0]);
        }
        verdict(&bytes).await;
    }
}
