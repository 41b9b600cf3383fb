//! Two ends over a pipe in memory: whatever is said in whatever pieces, and what an enemy makes of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncReadExt, AsyncWriteExt};
use snow::types::Dh;
use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf, duplex};

use super::*;

/// A pipe in terms of `futures`.
#[derive(Debug)]
struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(wanted);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn pipe(len: usize) -> (Pipe, Pipe) {
    let (one, two) = duplex(len);
    (Pipe(one), Pipe(two))
}

fn keys() -> Keypair {
    Keypair::generate_ed25519()
}

fn own(keys: &Keypair) -> NoiseAes {
    NoiseAes::new(keys).unwrap()
}

async fn pair(len: usize) -> (Channel<Pipe>, Channel<Pipe>) {
    let (near, far) = pipe(len);
    let (one, two) = (keys(), keys());
    let near = own(&one).shake(near, true);
    let far = own(&two).shake(far, false);
    let ((at_one, near), (at_two, far)) = futures::try_join!(near, far).unwrap();
    assert_eq!(at_one, two.public().to_peer_id());
    assert_eq!(at_two, one.public().to_peer_id());
    (near, far)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

/// Writes around each border, through pipes that take little and much, to readers that ask for
/// little and much: all arrives, in order, and nothing is kept.
#[tokio::test]
async fn what_is_written_is_read_whatever_the_pieces() {
    const LENS: [usize; 10] = [
        1, 2, 100, 8_191, 8_192, 65_518, 65_519, 65_520, 131_072, 300_000,
    ];
    for (room, wanted) in [
        (1_000, 65_536),
        (1 << 20, 65_536),
        (1 << 20, 700),
        (70_000, 65_534),
    ] {
        let (mut near, mut far) = pair(room).await;
        let sending = async {
            for len in LENS {
                near.write_all(&bytes(len)).await.unwrap();
                // Some are flushed each, some with the next.
                if len % 2 == 0 {
                    near.flush().await.unwrap();
                }
            }
            near.close().await.unwrap();
        };
        let receiving = async {
            let (mut received, mut buffer) = (Vec::new(), vec![0; wanted]);
            loop {
                match far.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => received.extend_from_slice(&buffer[..count]),
                }
            }
            received
        };
        let ((), received) = futures::join!(sending, receiving);
        assert!(received == LENS.map(bytes).concat(), "{room}, {wanted}");
        assert_eq!(near.kept() + far.kept(), 0);
    }
}

/// What passes between two ends, and what arrives in its place.
async fn through(
    change: impl Fn(usize, &mut Vec<u8>),
) -> (Result<PeerId, NoiseError>, Result<PeerId, NoiseError>) {
    let ((near, mut left), (mut right, far)) = (pipe(1 << 16), pipe(1 << 16));
    let between = async {
        for message in 0.. {
            let (from, to) = match message % 2 {
                0 => (&mut left, &mut right),
                _ => (&mut right, &mut left),
            };
            let mut head = [0; 2];
            if message > 2 || from.read_exact(&mut head).await.is_err() {
                break;
            }
            let mut bytes = head.to_vec();
            bytes.resize(2 + usize::from(u16::from_be_bytes(head)), 0);
            if from.read_exact(&mut bytes[2..]).await.is_err() {
                break;
            }
            change(message, &mut bytes);
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        drop((left, right));
    };
    let (one, two) = (keys(), keys());
    let near = async { own(&one).shake(near, true).await.map(|(peer, _)| peer) };
    let far = async { own(&two).shake(far, false).await.map(|(peer, _)| peer) };
    let (near, far, ()) = futures::join!(near, far, between);
    // Whoever is content speaks to whom it should.
    assert!(
        near.as_ref()
            .ok()
            .is_none_or(|peer| *peer == two.public().to_peer_id())
    );
    assert!(
        far.as_ref()
            .ok()
            .is_none_or(|peer| *peer == one.public().to_peer_id())
    );
    (near, far)
}

/// A14: who sits between changes any one byte of the handshake: one end at least refuses, and no
/// end takes another's key for the peer's.
#[tokio::test]
async fn a14_no_byte_of_the_handshake_can_be_changed() {
    let (near, far) = through(|_, _| ()).await;
    assert!(near.is_ok() && far.is_ok());
    for message in 0..3 {
        for at in (2..32).chain([60, 100, 150]) {
            let (near, far) = through(|number, bytes| {
                if number == message
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte ^= 1;
                } else if number == message {
                    bytes.push(0);
                    bytes[1] += 1;
                }
            })
            .await;
            assert!(
                near.is_err() || far.is_err(),
                "message {message}, byte {at}"
            );
        }
    }
}

/// A6: a length beyond what a handshake has is refused before anything is read for it.
#[tokio::test]
async fn a6_a_handshake_of_any_length_is_not_taken() {
    let (near, mut enemy) = pipe(1 << 16);
    enemy.write_all(&[0xff; 300]).await.unwrap();
    let refused = own(&keys()).shake(near, false).await;
    assert!(matches!(refused, Err(NoiseError::TooLong)));
    let (near, mut enemy) = pipe(1 << 16);
    enemy.write_all(&[0, 3, 1, 2, 3]).await.unwrap();
    let refused = own(&keys()).shake(near, false).await;
    assert!(matches!(refused, Err(NoiseError::Noise(_))));
    let (near, enemy) = pipe(1 << 16);
    drop(enemy);
    let refused = own(&keys()).shake(near, true).await;
    assert!(matches!(refused, Err(NoiseError::Io(_))));
}

/// A2: a proof of somebody else's, relayed or recorded, is none of whoever shows it.
#[tokio::test]
async fn a2_an_identity_proves_its_own_static_key_only() {
    let victim = keys();
    let honest = own(&victim);
    let (stolen, static_key) = (honest.0.identity.clone(), dh::public(&honest.0.secret));
    assert_eq!(
        whose(&stolen, &static_key).unwrap(),
        victim.public().to_peer_id()
    );
    assert!(matches!(
        whose(&stolen, &[7; 32]),
        Err(NoiseError::Identity)
    ));
    for cut in 0..stolen.len() {
        assert!(whose(&stolen[..cut], &static_key).is_err());
    }
    for is_dialler in [true, false] {
        let thief = NoiseAes(Arc::new(Own {
            secret: own(&keys()).0.secret.clone(),
            identity: stolen.clone(),
        }));
        let (near, far) = pipe(1 << 16);
        let honest = own(&keys());
        let ends = futures::join!(
            thief.shake(near, is_dialler),
            honest.shake(far, !is_dialler)
        );
        assert!(matches!(ends.1, Err(NoiseError::Identity)));
    }
}

/// A socket that never takes all that it is given at once.
struct Trickle {
    is_full: bool,
    taken: usize,
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_full = !self.is_full;
        if self.is_full {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = bytes.len().min(50_000);
        self.taken += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What waits for a socket is bounded, also if the socket is never done.
#[tokio::test]
async fn a_socket_that_never_takes_all_keeps_little_waiting() {
    let socket = Trickle {
        is_full: false,
        taken: 0,
    };
    let mut near = pair(1 << 16).await.0.over(socket);
    let piece = bytes(65_536);
    for _ in 0..400 {
        near.write_all(&piece).await.unwrap();
        assert!(near.kept() < 1 << 20, "{}", near.kept());
    }
    near.flush().await.unwrap();
    assert!(near.socket().taken > 400 * piece.len());
}

/// Both ends take the next key at the same message.
#[tokio::test]
async fn keys_change_at_both_ends_at_once() {
    const MESSAGES: usize = (1 << 20) + 3;
    let (mut near, mut far) = pair(1 << 20).await;
    let sending = async {
        for _ in 0..MESSAGES {
            near.write_all(b"m").await.unwrap();
            near.flush().await.unwrap();
        }
        near.close().await.unwrap();
    };
    let receiving = async {
        let (mut count, mut buffer) = (0, [0; 64]);
        while far.read(&mut buffer).await.unwrap() == 1 {
            count += 1;
        }
        count
    };
    let ((), count) = futures::join!(sending, receiving);
    assert_eq!(count, MESSAGES);
}

/// What both ends say by `rest`, after a handshake.
async fn said(rest: impl AsyncFnOnce(&mut Pipe, Vec<u8>)) -> io::Result<usize> {
    let (mut near, mut far) = pair(1 << 16).await;
    near.write_all(b"once").await.unwrap();
    near.flush().await.unwrap();
    // As it came over the socket.
    let mut sealed = vec![0; 2 + 4 + 16];
    far.socket().read_exact(&mut sealed).await.unwrap();
    rest(near.socket(), sealed).await;
    drop(near);
    let mut buffer = [0; 100];
    let first = far.read(&mut buffer).await?;
    Ok(first + far.read(&mut buffer).await?)
}

/// A2, A14: a message that is changed, said twice, cut off or empty ends the channel with an error.
#[tokio::test]
async fn a2_a_message_is_opened_once_and_as_it_was() {
    let write = async |socket: &mut Pipe, bytes: Vec<u8>| socket.write_all(&bytes).await.unwrap();
    assert_eq!(said(write).await.unwrap(), 4);
    let kind = |read: io::Result<usize>| read.unwrap_err().kind();
    let twice = said(async |socket, bytes| write(socket, bytes.repeat(2)).await).await;
    assert_eq!(kind(twice), io::ErrorKind::InvalidData);
    for at in 0..22 {
        let changed = said(async |socket, mut bytes: Vec<u8>| {
            bytes[at] ^= 0x80;
            write(socket, bytes).await;
        });
        // Of a length that is changed the message is cut off, or longer than it was sealed.
        let expected = match at {
            0 | 1 => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        assert_eq!(kind(changed.await), expected, "{at}");
    }
    let cut = said(async |socket, bytes: Vec<u8>| write(socket, bytes[..21].to_vec()).await);
    assert_eq!(kind(cut.await), io::ErrorKind::UnexpectedEof);
    let (mut near, mut far) = pair(1 << 16).await;
    let empty = near.sealed(b"");
    assert_eq!(empty.len(), 2 + 16);
    near.socket().write_all(&empty).await.unwrap();
    assert_eq!(
        kind(far.read(&mut [0; 64]).await),
        io::ErrorKind::InvalidData
    );
}

/// RFC 7748, section 5.2; and a point of small order, which says nothing.
#[test]
fn x25519_is_the_one_of_the_rfc() {
    let key = |hex: &str| -> [u8; 32] {
        let digits = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
        digits.collect::<Vec<_>>().try_into().unwrap()
    };
    let mut keys = dh::Keys::default();
    let mut out = [0; 64];
    keys.set(&key(
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    ));
    let point = key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    keys.dh(&point, &mut out).unwrap();
    let expected = key("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    assert_eq!(out[..32], expected);
    assert!(keys.dh(&[0; 32], &mut out).is_err());
    assert!(keys.dh(&[0; 31], &mut out).is_err());
    let mut nine = [0; 32];
    nine[0] = 9;
    keys.set(&nine);
    let expected = key("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    assert_eq!(keys.pubkey(), expected);
}
