//! Deterministic tags in place of cryptography, for the simulator and for tests.
//!
//! They bind exactly what the real thing binds (signer, domain, both sealing keys, nonce, context,
//! every byte), so a machine that forgets a check fails here too. Whoever knows the scheme forges
//! them: there is no secret in them, and nothing of a live node may use them.
//! Cost: one multiplication per 8 bytes, which is some fifty times cheaper than the real thing.

use super::{Crypto, OpenError};
use crate::{NodeId, SealingKey, Signature};

/// Bytes that sealing adds, as many as the real cipher's tag.
const TAG_LEN: usize = 16;

/// The toy keys of one node, derived from a number. Authenticates nothing against a real enemy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToyCrypto {
    id: NodeId,
    sealing_key: SealingKey,
}

impl ToyCrypto {
    /// The keys of node number `seed`; equal numbers give equal keys on every platform.
    pub fn new(seed: u64) -> Self {
        let id = NodeId(Mixer::new(1).u64(seed).finish());
        Self::of(id)
    }

    /// The keys of a node that is already named: in this scheme the name gives away everything.
    pub fn of(id: NodeId) -> Self {
        Self {
            id,
            sealing_key: SealingKey(Mixer::new(2).bytes(&id.0).finish()),
        }
    }

    /// The node whose keys these are.
    pub const fn id(&self) -> NodeId {
        self.id
    }
}

impl Crypto for ToyCrypto {
    fn sign(&self, domain: &str, bytes: &[u8]) -> Signature {
        signature(&self.id, domain, bytes)
    }

    fn verify(&self, signer: &NodeId, domain: &str, bytes: &[u8], given: &Signature) -> bool {
        signature(signer, domain, bytes) == *given
    }

    fn sealing_key(&self) -> SealingKey {
        self.sealing_key
    }

    fn seal(&self, to: &SealingKey, nonce: [u8; 24], context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mixer = Mixer::sealing(&self.sealing_key, to, &nonce, context);
        let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        mixer.keystream(&mut sealed);
        sealed.extend_from_slice(&mixer.tag(plain));
        sealed
    }

    fn open(
        &self,
        from: &SealingKey,
        nonce: [u8; 24],
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let mixer = Mixer::sealing(from, &self.sealing_key, &nonce, context);
        let (hidden, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(OpenError)?;
        let mut plain = hidden.to_vec();
        mixer.keystream(&mut plain);
        if mixer.tag(&plain) == *tag {
            Ok(plain)
        } else {
            Err(OpenError)
        }
    }

    fn mac(&self, key: &[u8], bytes: &[u8]) -> [u8; 32] {
        Mixer::new(3).bytes(key).bytes(bytes).finish()
    }
}

fn signature(signer: &NodeId, domain: &str, bytes: &[u8]) -> Signature {
    let mixer = Mixer::new(4)
        .bytes(&signer.0)
        .bytes(domain.as_bytes())
        .bytes(bytes);
    Signature(mixer.finish())
}

/// A 128-bit mixing state; every input is preceded by its length, so none runs into the next.
#[derive(Clone, Copy)]
struct Mixer {
    left: u64,
    right: u64,
}

impl Mixer {
    const fn new(purpose: u64) -> Self {
        Self {
            left: 0x243f_6a88_85a3_08d3 ^ purpose,
            right: 0x1319_8a2e_0370_7344,
        }
    }

    fn sealing(from: &SealingKey, to: &SealingKey, nonce: &[u8], context: &[u8]) -> Self {
        let keys = Self::new(5).bytes(&from.0).bytes(&to.0);
        keys.bytes(nonce).bytes(context)
    }

    fn u64(self, word: u64) -> Self {
        let product =
            u128::from(self.left ^ word) * u128::from((0x9e37_79b9_7f4a_7c15 ^ self.right) | 1);
        let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(product >> 64).unwrap_or(0);
        Self {
            left: (low ^ high).wrapping_add(self.right.rotate_left(23)),
            right: (self.right ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd) ^ high.rotate_left(41),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut mixer = self.u64(bytes.len() as u64);
        for word in words {
            mixer = mixer.u64(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        mixer.u64(u64::from_le_bytes(last))
    }

    fn finish<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        self.u64(6).keystream(&mut bytes);
        bytes
    }

    fn tag(self, plain: &[u8]) -> [u8; TAG_LEN] {
        self.bytes(plain).finish()
    }

    fn keystream(self, bytes: &mut [u8]) {
        let mut mixer = self.u64(7);
        for chunk in bytes.chunks_mut(8) {
            mixer = mixer.u64(8);
            for (byte, key) in chunk.iter_mut().zip(mixer.left.to_le_bytes()) {
                *byte ^= key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &[u8] = b"source, target, group";

    fn altered(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..bytes.len() * 8).map(|bit| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        })
    }

    #[test]
    fn equal_numbers_give_equal_keys_and_others_do_not() {
        assert_eq!(ToyCrypto::new(7), ToyCrypto::new(7));
        let mut ids: Vec<_> = (0..10_000).map(|n| ToyCrypto::new(n).id()).collect();
        ids.sort();
        ids.dedup_by_key(|id| id.prefix());
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn the_scheme_is_the_same_on_every_platform() {
        let crypto = ToyCrypto::new(1);
        assert_eq!(crypto.id().prefix(), 15_110_550_042_857_718_614);
        assert_eq!(&crypto.mac(b"key", b"bytes")[..4], &[69, 139, 204, 164]);
    }

    #[test]
    fn a_signature_binds_signer_domain_and_every_bit() {
        let (alice, bob) = (ToyCrypto::new(1), ToyCrypto::new(2));
        let good = alice.sign("d", b"statement");
        assert!(bob.verify(&alice.id(), "d", b"statement", &good));
        assert!(!bob.verify(&bob.id(), "d", b"statement", &good));
        assert!(!bob.verify(&alice.id(), "ds", b"tatement", &good));
        for bytes in altered(b"statement") {
            assert!(!bob.verify(&alice.id(), "d", &bytes, &good));
        }
        for bytes in altered(&good.0) {
            let bad = Signature(bytes.try_into().unwrap());
            assert!(!bob.verify(&alice.id(), "d", b"statement", &bad));
        }
    }

    #[test]
    fn a14_sealed_bytes_open_only_as_they_were_made_and_show_nothing() {
        let (alice, bob, eve) = (ToyCrypto::new(1), ToyCrypto::new(2), ToyCrypto::new(3));
        let sealed = alice.seal(&bob.sealing_key(), [9; 24], CONTEXT, b"a secret message");
        let open = |who: &ToyCrypto, from: &ToyCrypto, nonce, context, sealed: &[u8]| {
            who.open(&from.sealing_key(), nonce, context, sealed)
        };
        let plain = open(&bob, &alice, [9; 24], CONTEXT, &sealed);
        assert_eq!(plain.as_deref(), Ok(&b"a secret message"[..]));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(
            open(&eve, &alice, [9; 24], CONTEXT, &sealed),
            Err(OpenError)
        );
        assert_eq!(open(&bob, &eve, [9; 24], CONTEXT, &sealed), Err(OpenError));
        assert_eq!(
            open(&bob, &alice, [8; 24], CONTEXT, &sealed),
            Err(OpenError)
        );
        assert_eq!(open(&bob, &alice, [9; 24], b"", &sealed), Err(OpenError));
        assert_eq!(open(&bob, &alice, [9; 24], CONTEXT, &[]), Err(OpenError));
        for bytes in altered(&sealed) {
            assert_eq!(open(&bob, &alice, [9; 24], CONTEXT, &bytes), Err(OpenError));
        }
    }

    #[test]
    fn a_tag_binds_key_and_every_bit() {
        let crypto = ToyCrypto::new(1);
        let good = crypto.mac(b"cookie", b"statement");
        assert!(ToyCrypto::new(2).verify_mac(b"cookie", b"statement", &good));
        assert!(!crypto.verify_mac(b"cookies", b"tatement", &good));
        for bytes in altered(&good) {
            let bad = bytes.try_into().unwrap();
            assert!(!crypto.verify_mac(b"cookie", b"statement", &bad));
        }
    }
}
