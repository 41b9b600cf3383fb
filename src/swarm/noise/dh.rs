//! X25519 for the Noise framework, whose other primitives are *ring*'s.

use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

/// Bytes of a key, secret or public.
const KEY_LEN: usize = 32;

/// Where the framework finds its primitives.
#[derive(Debug)]
pub(super) struct Primitives;

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        RingResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(Keys::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

/// The public key of a secret one.
pub(super) fn public(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    x25519(*secret, X25519_BASEPOINT_BYTES)
}

/// A pair of keys.
#[derive(Default)]
pub(super) struct Keys {
    secret: Zeroizing<[u8; KEY_LEN]>,
    public: [u8; KEY_LEN],
}

impl Dh for Keys {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_LEN
    }

    fn priv_len(&self) -> usize {
        KEY_LEN
    }

    fn set(&mut self, secret: &[u8]) {
        // The framework hands over keys of the length above only.
        if let Ok(secret) = secret.try_into() {
            self.secret = Zeroizing::new(secret);
            self.public = public(&self.secret);
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(self.secret.as_mut())?;
        self.public = public(&self.secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_ref()
    }

    /// A point of small order, whose outcome is zero for every secret, is refused.
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.first_chunk::<KEY_LEN>().ok_or(Error::Dh)?;
        let shared = Zeroizing::new(x25519(*self.secret, *public));
        let out = out.first_chunk_mut::<KEY_LEN>().ok_or(Error::Dh)?;
        if shared.iter().fold(0, |any, byte| any | byte) == 0 {
            return Err(Error::Dh);
        }
        *out = *shared;
        Ok(())
    }
}
