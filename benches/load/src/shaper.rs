//! A proxy on loopback that forwards so many bits per second each way, through small buffers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

/// What is forwarded at a time.
const PIECE_BYTES: usize = 4 * 1024;
/// How much lateness of a sleep is made up for.
const OVERSLEPT_MAX: Duration = Duration::from_millis(3);
/// What the kernel may hold in each socket.
const BUFFER_BYTES: u32 = 16 * 1024;

/// Forwards connections to the local `port`; returns the proxy's own port. It runs until the
/// executor ends.
///
/// # Errors
/// Those of the listening socket.
pub async fn start(port: u16, bits_per_s: u64) -> std::io::Result<u16> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(16)?;
    let own = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(forward(near, port, bits_per_s));
        }
    });
    Ok(own)
}

async fn forward(near: TcpStream, port: u16, bits_per_s: u64) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(BUFFER_BYTES)?;
    let far = socket
        .connect(SocketAddr::from(([127, 0, 0, 1], port)))
        .await?;
    // What is measured is the line, not what TCP holds back to fill its segments.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let back = tokio::spawn(pump(far_in, near_out, bits_per_s));
    pump(near_in, far_out, bits_per_s).await?;
    back.abort();
    Ok(())
}

/// Moves bytes one way, each piece not before the line would be free for it.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bits_per_s: u64,
) -> std::io::Result<()> {
    let mut piece = [0; PIECE_BYTES];
    let mut free_at = Instant::now();
    loop {
        let len = from.read(&mut piece).await?;
        if len == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let took = Duration::from_nanos(len as u64 * 8 * 1_000_000_000 / bits_per_s);
        // A sleep lasts whole milliseconds: what it overslept is made up for.
        free_at = free_at.max(now.checked_sub(OVERSLEPT_MAX).unwrap_or(now)) + took;
        if free_at > now {
            tokio::time::sleep_until(free_at).await;
        }
        to.write_all(&piece[..len]).await?;
    }
}
