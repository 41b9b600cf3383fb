//! The first upgrade of a TCP connection: keys are proven, and all that follows is encrypted.
//!
//! The dialler names what it speaks in its order of preference, and whoever is dialled takes the
//! first that it speaks. A node that speaks none of them is not reached, and the dial says so.
//!
//! Source: libp2p's specifications *noise* and *tls*, and [`super::noise`]. Cost: one box for a
//! connection.

use std::io;
use std::pin::Pin;

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt};
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise};

use super::noise::NoiseAes;
use crate::Security;

/// What a node speaks, in its order.
#[derive(Clone)]
pub(super) struct Secure(Vec<Method>);

#[derive(Clone)]
enum Method {
    NoiseAes(NoiseAes),
    Noise(Box<noise::Config>),
    #[cfg(feature = "tls")]
    Tls(Box<libp2p::tls::Config>),
}

/// Both ends are who they say; what is written is encrypted.
pub(super) type Secured = Pin<Box<dyn Encrypted>>;

/// Bytes in the clear on this side of it.
pub(super) trait Encrypted: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Encrypted for T {}

impl Secure {
    /// # Errors
    /// Those of the method about the key, for people.
    pub(super) fn new(keys: &Keypair, wanted: &[Security]) -> Result<Self, String> {
        let method = |security: &Security| Method::new(keys, *security);
        wanted
            .iter()
            .map(method)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The method that both ends agreed upon.
    fn agreed(self, name: &str) -> io::Result<Method> {
        let named = self.0.into_iter().find(|method| method.name() == name);
        named.ok_or_else(|| io::Error::other(format!("{name} was not offered")))
    }
}

impl Method {
    fn new(keys: &Keypair, security: Security) -> Result<Self, String> {
        match security {
            Security::NoiseAes => NoiseAes::new(keys).map(Self::NoiseAes),
            Security::Noise => noise::Config::new(keys)
                .map(|config| Self::Noise(Box::new(config)))
                .map_err(|error| error.to_string()),
            #[cfg(feature = "tls")]
            Security::Tls => libp2p::tls::Config::new(keys)
                .map(|config| Self::Tls(Box::new(config)))
                .map_err(|error| error.to_string()),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::NoiseAes(_) => super::noise::NAME,
            Self::Noise(_) => "/noise",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "/tls/1.0.0",
        }
    }
}

impl UpgradeInfo for Secure {
    type Info = &'static str;
    type InfoIter = std::vec::IntoIter<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        let names: Vec<_> = self.0.iter().map(Method::name).collect();
        names.into_iter()
    }
}

impl<C> InboundConnectionUpgrade<C> for Secure
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured);
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Output>>;

    fn upgrade_inbound(self, socket: C, name: Self::Info) -> Self::Future {
        async move {
            match self.agreed(name)? {
                Method::NoiseAes(noise) => boxed(noise.shake(socket, false)).await,
                Method::Noise(noise) => boxed(noise.upgrade_inbound(socket, name)).await,
                #[cfg(feature = "tls")]
                Method::Tls(tls) => boxed(tls.upgrade_inbound(socket, name)).await,
            }
        }
        .boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Secure
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured);
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Output>>;

    fn upgrade_outbound(self, socket: C, name: Self::Info) -> Self::Future {
        async move {
            match self.agreed(name)? {
                Method::NoiseAes(noise) => boxed(noise.shake(socket, true)).await,
                Method::Noise(noise) => boxed(noise.upgrade_outbound(socket, name)).await,
                #[cfg(feature = "tls")]
                Method::Tls(tls) => boxed(tls.upgrade_outbound(socket, name)).await,
            }
        }
        .boxed()
    }
}

/// The outcome of a handshake in terms that all methods share.
async fn boxed<S, E>(
    handshake: impl Future<Output = Result<(PeerId, S), E>>,
) -> io::Result<(PeerId, Secured)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let done = handshake.map_err(io::Error::other).await;
    done.map(|(peer, stream)| (peer, Box::pin(stream) as Secured))
}
