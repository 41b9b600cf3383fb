//! Who a live node is: a key, and the number of its start.
//!
//! A key file keeps both: the key at its path, and beside it (`.boot` appended) the last boot
//! number, so that a start is never taken for an earlier one even where the clock went back.
//! The key never leaves its file but into [`LiveCrypto`] and the session's handshake; it is wiped
//! from memory when dropped.

mod boot;
mod error;
pub(crate) mod file;

pub use error::IdentityError;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use archipelago_core::{Boot, Crypto, NodeId};
use zeroize::Zeroizing;

use crate::crypto::LiveCrypto;

/// A node's key and the number of this start of it.
pub struct Identity {
    seed: Zeroizing<[u8; 32]>,
    crypto: Arc<LiveCrypto>,
    boot: Boot,
    boot_path: Option<PathBuf>,
}

impl Identity {
    /// A new node, which nothing remembers after it ends.
    ///
    /// # Errors
    /// [`IdentityError::Entropy`].
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self::new(random_seed()?, boot::from_clock(), None))
    }

    /// The node whose key is in the file at `path`, which is made, for its owner only, if it is
    /// not there; each call is a new start of the node, with a higher boot number.
    ///
    /// Of two processes that make the file at once, one makes it and both use it.
    ///
    /// # Errors
    /// [`IdentityError`]; a key file that exists is never changed.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let seed = match file::read_key(path)? {
            Some(seed) => seed,
            None => file::create_key(path, random_seed()?)?,
        };
        let boot_path = boot::path_beside(path);
        let boot = boot::next(&boot_path, boot::from_clock())?;
        Ok(Self::new(seed, boot, Some(boot_path)))
    }

    /// The node's public key.
    pub fn id(&self) -> NodeId {
        self.crypto.id()
    }

    /// The number of this start: higher than that of every earlier one.
    pub const fn boot(&self) -> Boot {
        self.boot
    }

    /// Others remember a later start than this one: continue as `boot`, and keep that.
    /// A lower number is ignored.
    ///
    /// # Errors
    /// [`IdentityError::Write`]; the number in memory is raised all the same.
    pub fn raise_boot(&mut self, boot: Boot) -> Result<(), IdentityError> {
        if boot <= self.boot {
            return Ok(());
        }
        self.boot = boot;
        match &self.boot_path {
            Some(path) => boot::write(path, boot),
            None => Ok(()),
        }
    }

    /// The node's secret keys, for its machines.
    pub(crate) fn crypto(&self) -> Arc<dyn Crypto> {
        Arc::clone(&self.crypto) as Arc<dyn Crypto>
    }

    /// The node's key as the session's handshake needs it.
    pub(crate) fn keypair(&self) -> libp2p::identity::Keypair {
        libp2p::identity::Keypair::ed25519_from_bytes(*self.seed)
            .expect("every 32 bytes are a seed of Ed25519")
    }

    fn new(seed: Zeroizing<[u8; 32]>, boot: Boot, boot_path: Option<PathBuf>) -> Self {
        let crypto = Arc::new(LiveCrypto::new(&seed));
        Self {
            seed,
            crypto,
            boot,
            boot_path,
        }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({}, {:?})", self.id(), self.boot)
    }
}

/// 32 random bytes of the operating system: a key, or the seed of a node's [`Rng`].
///
/// [`Rng`]: archipelago_core::Rng
///
/// # Errors
/// [`IdentityError::Entropy`].
pub(crate) fn random_seed() -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(IdentityError::Entropy)?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
