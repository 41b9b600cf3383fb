//! Three messages, after which both ends know whose keys they speak to.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;
use snow::{Builder, HandshakeState};

use super::channel::{Channel, TAG_LEN};
use super::dh::Primitives;
use super::{NAME, NoiseError, Own, whose};

/// Longest message of the handshake: the longest one has two keys, two tags and an identity.
const MESSAGE_MAX: usize = 512;

/// The pattern and its primitives.
const PATTERN: &str = "Noise_XX_25519_AESGCM_SHA256";

pub(super) async fn run<S>(
    own: &Own,
    mut socket: S,
    is_dialler: bool,
) -> Result<(PeerId, Channel<S>), NoiseError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let builder = Builder::with_resolver(PATTERN.parse()?, Box::new(Primitives))
        .prologue(NAME.as_bytes())?
        .local_private_key(own.secret.as_ref())?;
    let mut noise = if is_dialler {
        builder.build_initiator()?
    } else {
        builder.build_responder()?
    };
    let identity = if is_dialler {
        write(&mut noise, &mut socket, &[]).await?;
        let identity = read(&mut noise, &mut socket).await?;
        write(&mut noise, &mut socket, &own.identity).await?;
        identity
    } else {
        read(&mut noise, &mut socket).await?;
        write(&mut noise, &mut socket, &own.identity).await?;
        read(&mut noise, &mut socket).await?
    };
    let static_key = noise.get_remote_static().ok_or(NoiseError::Identity)?;
    let peer = whose(&identity, static_key)?;
    Ok((peer, Channel::new(socket, noise.into_transport_mode()?)))
}

async fn write<S: AsyncWrite + Unpin>(
    noise: &mut HandshakeState,
    socket: &mut S,
    payload: &[u8],
) -> Result<(), NoiseError> {
    let mut message = [0; 2 + MESSAGE_MAX];
    let (head, sealed) = message.split_at_mut(2);
    let len = noise.write_message(payload, sealed)?;
    head.copy_from_slice(&u16::try_from(len).unwrap_or(0).to_be_bytes());
    socket
        .write_all(message.get(..2 + len).unwrap_or_default())
        .await?;
    Ok(socket.flush().await?)
}

async fn read<S: AsyncRead + Unpin>(
    noise: &mut HandshakeState,
    socket: &mut S,
) -> Result<Vec<u8>, NoiseError> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).await?;
    let mut message = [0; MESSAGE_MAX];
    let message = message
        .get_mut(..usize::from(u16::from_be_bytes(head)))
        .ok_or(NoiseError::TooLong)?;
    socket.read_exact(message).await?;
    let mut payload = vec![0; message.len().max(TAG_LEN)];
    let len = noise.read_message(message, &mut payload)?;
    payload.truncate(len);
    Ok(payload)
}
