//! Known answers, and everything that must not open, verify or match.

use super::*;

const CONTEXT: &[u8] = b"source, target, group";

fn unhex<const N: usize>(hex: &str) -> [u8; N] {
    let byte = |at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

fn each_bit_flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    })
}

/// RFC 8032 section 7.1, test 1: the id is the Ed25519 public key of the seed.
#[test]
fn the_id_is_the_public_key_of_the_seed() {
    let crypto = LiveCrypto::new(&unhex(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    ));
    let public = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(crypto.id(), NodeId(public));
}

/// RFC 4231 section 4.3, test case 2.
#[test]
fn the_mac_is_hmac_sha256() {
    let crypto = LiveCrypto::new(&[1; 32]);
    let tag = unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    let question = b"what do ya want for nothing?";
    assert_eq!(crypto.mac(b"Jefe", question), tag);
    assert!(crypto.verify_mac(b"Jefe", question, &tag));
    for bytes in each_bit_flipped(&tag) {
        assert!(!crypto.verify_mac(b"Jefe", question, &bytes.try_into().unwrap()));
    }
}

#[test]
fn a_signature_binds_signer_domain_and_every_bit() {
    let (alice, bob) = (LiveCrypto::new(&[1; 32]), LiveCrypto::new(&[2; 32]));
    let good = alice.sign("d", b"statement");
    assert!(bob.verify(&alice.id(), "d", b"statement", &good));
    assert!(!bob.verify(&bob.id(), "d", b"statement", &good));
    assert!(!bob.verify(&alice.id(), "ds", b"tatement", &good));
    for bytes in each_bit_flipped(b"statement") {
        assert!(!bob.verify(&alice.id(), "d", &bytes, &good));
    }
    for bytes in each_bit_flipped(&good.0) {
        let bad = Signature(bytes.try_into().unwrap());
        assert!(!bob.verify(&alice.id(), "d", b"statement", &bad));
    }
}

/// The neutral element as key, with the signature that loose verification takes for any message.
#[test]
fn a_key_of_low_order_signs_nothing() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let crypto = LiveCrypto::new(&[1; 32]);
    assert!(!crypto.verify(&NodeId(neutral), "d", b"anything", &Signature(signature)));
}

#[test]
fn a14_sealed_bytes_open_only_as_they_were_made() {
    let [alice, bob, eve] = [1, 2, 3].map(|seed| LiveCrypto::new(&[seed; 32]));
    let sealed = alice.seal(&bob.sealing_key(), [9; 24], CONTEXT, b"a secret");
    assert_eq!(sealed.len(), b"a secret".len() + 16);
    let open = |who: &LiveCrypto, from: &LiveCrypto, nonce, context, sealed: &[u8]| {
        who.open(&from.sealing_key(), nonce, context, sealed)
    };
    let plain = open(&bob, &alice, [9; 24], CONTEXT, &sealed);
    assert_eq!(plain.as_deref(), Ok(&b"a secret"[..]));
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
    // Sent back, it does not pass for bob's own words to alice.
    assert_eq!(
        open(&alice, &bob, [9; 24], CONTEXT, &sealed),
        Err(OpenError)
    );
    for bytes in each_bit_flipped(&sealed) {
        assert_eq!(open(&bob, &alice, [9; 24], CONTEXT, &bytes), Err(OpenError));
    }
}

#[test]
fn nothing_opens_from_a_key_of_low_order() {
    let bob = LiveCrypto::new(&[2; 32]);
    let low_order = SealingKey([0; 32]);
    // Whoever "has" this key knows the shared secret with everybody: all zeros.
    assert_eq!(bob.open(&low_order, [0; 24], b"", &[0; 32]), Err(OpenError));
    assert_eq!(bob.seal(&low_order, [0; 24], b"", b"x").len(), 17);
}

#[test]
fn debug_shows_no_secret() {
    let crypto = LiveCrypto::new(&[1; 32]);
    assert_eq!(
        format!("{crypto:?}"),
        format!("LiveCrypto({})", crypto.id())
    );
}

/// Computed from RFC 5869 and RFC 7748 by a program that shares nothing with this one.
#[test]
fn the_sealing_key_of_a_seed_never_changes() {
    let key = LiveCrypto::new(&[1; 32]).sealing_key();
    assert_eq!(
        key.0,
        unhex("8fc96dc6ea5107865bb22542187e834b62746566e1916ab9b1184b2aa4a45d7d")
    );
}

#[test]
fn a_record_is_believed_of_its_real_signer_only() {
    use archipelago_core::wire::List;
    use archipelago_core::{Boot, NodeRecord, RecordError, Roles, SignedRecord};
    let [alice, bob] = [1, 2].map(|seed| LiveCrypto::new(&[seed; 32]));
    let record = NodeRecord {
        node: alice.id(),
        boot: Boot(1),
        seq: 1,
        name: "alice".into(),
        groups: List::new(),
        addresses: List::new(),
        roles: Roles::default(),
        sealing_key: alice.sealing_key(),
        wire: (1, 1),
        life_s: 86_400,
    };
    let signed = SignedRecord::new(record.clone(), &alice).unwrap();
    assert_eq!(signed.check(&bob), Ok(()));
    let stolen = SignedRecord::new(record, &bob).unwrap();
    assert_eq!(stolen.check(&alice), Err(RecordError::Signature));
    let mut redirected = signed;
    redirected.record.sealing_key = bob.sealing_key();
    assert_eq!(redirected.check(&bob), Err(RecordError::Signature));
}
