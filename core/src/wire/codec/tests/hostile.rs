//! Bytes of an enemy (A6, A7, A12): typed errors, no panic, no deep stack.

use proptest::prelude::*;

use super::generate::{Generator, KINDS};
use super::*;
use crate::wire::{GroupBody, Hello, LogEntry, LogUpdate, Payload, PayloadError};
use crate::{Address, GroupId};

fn bytes_of(message: &Control) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes).unwrap();
    bytes
}

proptest! {
    #[test]
    fn a6_arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&bytes_of(&message)), Ok(message));
        }
        let mut reader = FrameReader::new();
        let mut input = &bytes[..];
        while let Ok(Some(_)) = reader.read(&mut input) {}
        prop_assert!(reader.buffered_len() <= bytes.len());
    }

    #[test]
    fn a6_what_a_seal_held_never_panics_and_holds_no_envelope(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = Payload::from_bytes(&bytes);
        let message = Generator::new(seed, 2).any();
        let is_envelope = matches!(message, Control::Envelope(_));
        let payload = Payload::Control(Box::new(message));
        let mut opened = payload.to_bytes().unwrap();
        let expected = if is_envelope { Err(PayloadError) } else { Ok(payload) };
        prop_assert_eq!(Payload::from_bytes(&opened), expected);
        opened.push(0);
        prop_assert_eq!(Payload::from_bytes(&opened), Err(PayloadError));
    }

    #[test]
    fn a6_mutated_messages_never_panic(seed: u64, changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..6)) {
        let mut bytes = bytes_of(&Generator::new(seed, 4).any());
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&bytes_of(&message)), Ok(message));
        }
    }
}

#[test]
fn a6_every_prefix_is_truncated_and_every_byte_more_is_trailing() {
    for (index, (_, make)) in KINDS.iter().enumerate() {
        let mut bytes = bytes_of(&make(&mut Generator::new(index as u64, 3)));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), Err(DecodeError::Truncated));
        }
        let message = decode(&bytes).unwrap();
        bytes.push(0);
        let longer = decode(&bytes);
        if matches!(message, Control::Hello(_)) {
            assert_eq!(longer, Ok(message), "of a later version");
        } else {
            assert_eq!(longer, Err(DecodeError::Trailing { len: 1 }));
        }
    }
}

/// F16: what a later version says in its `Hello` is passed over, and its range of versions read, so
/// that it is answered in a version that both speak, or told that there is none.
#[test]
fn f16_the_hello_of_a_later_version_is_read() {
    let own = hello_of(&bytes_of(&KINDS[0].1(&mut Generator::new(0, 0))));
    for wire in [(1, 2), (2, 3), (7, u16::MAX)] {
        let later = Hello {
            wire,
            ..own.clone()
        };
        let mut bytes = bytes_of(&Control::Hello(Box::new(later.clone())));
        bytes.extend_from_slice(&[1, 200, b'n', b'e', b'w']);
        assert_eq!(hello_of(&bytes), later);
        let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(&bytes);
        let read = FrameReader::new().read(&mut &frame[..]);
        assert_eq!(read, Ok(Some(Control::Hello(Box::new(later)))));
    }
}

#[test]
fn a6_frames_that_are_empty_or_too_long_are_refused_by_their_header() {
    let read = |header: u32| FrameReader::new().read(&mut &header.to_le_bytes()[..]);
    let too_long = |len| Err(DecodeError::TooLong { len, max: 65_536 });
    assert_eq!(read(0), Err(DecodeError::Truncated));
    assert_eq!(read(65_536), Ok(None));
    assert_eq!(read(65_537), too_long(65_537));
    assert_eq!(read(u32::MAX), too_long(4_294_967_295));
    let mut reader = FrameReader::new();
    assert_eq!(reader.read(&mut &[255_u8, 255][..]), Ok(None));
    assert_eq!(
        reader.read(&mut &[255_u8, 255][..]),
        too_long(4_294_967_295)
    );
    assert_eq!(decode(&[0; 65_537]).map(Some), too_long(65_537));
}

#[test]
fn a6_unknown_kinds_and_bad_numbers_are_typed() {
    assert_eq!(decode(&[99]), Err(DecodeError::Unknown));
    assert_eq!(
        decode(&[2, 255, 255, 255, 255, 255]),
        Err(DecodeError::Malformed)
    );
    let mut bytes = bytes_of(&KINDS[0].1(&mut Generator::new(0, 0)));
    // The realm follows the two wire versions; give it a byte that is no UTF-8.
    let hello = Hello {
        wire: (1, 1),
        realm: "r".into(),
        ..hello_of(&bytes)
    };
    bytes = bytes_of(&Control::Hello(Box::new(hello)));
    assert_eq!(&bytes[..5], [0, 1, 1, 1, b'r']);
    bytes[4] = 0xff;
    assert_eq!(decode(&bytes), Err(DecodeError::Text));
    bytes[4] = b'\n';
    assert_eq!(decode(&bytes), Err(DecodeError::Unknown));
}

#[test]
fn a12_texts_with_control_characters_or_too_long_are_refused_at_both_ends() {
    let hello = hello_of(&bytes_of(&KINDS[0].1(&mut Generator::new(0, 0))));
    let long = "x".repeat(65);
    for realm in [
        "a\nb",
        "\u{1b}[2J",
        "\u{202e}abc",
        "a\u{2028}b",
        "\u{85}",
        long.as_str(),
    ] {
        let message = Control::Hello(Box::new(Hello {
            realm: realm.into(),
            ..hello.clone()
        }));
        let mut out = vec![7];
        assert_eq!(encode_frame(&message, &mut out), Err(EncodeError::Limit));
        assert_eq!(out, [7], "what was there before is left alone");
    }
    let address = postcard::to_stdvec(&Address("x".repeat(129).as_str().into()));
    assert_eq!(address, Err(postcard::Error::SerdeSerCustom));
    let mut bytes = vec![129, 1];
    bytes.resize(131, b'x');
    assert!(postcard::from_bytes::<Address>(&bytes).is_err());
    bytes[0] = 128;
    assert!(postcard::from_bytes::<Address>(&bytes[..130]).is_ok());
}

#[test]
fn limits_of_keys_and_values_hold_at_both_ends() {
    let entry = |key_len, value_len| LogEntry {
        seq: 1,
        key: vec![0; key_len].into(),
        value: Some(vec![0; value_len].into()),
    };
    assert!(postcard::to_stdvec(&entry(272, 4_096)).is_ok());
    assert!(postcard::to_stdvec(&entry(273, 0)).is_err());
    assert!(postcard::to_stdvec(&entry(0, 4_097)).is_err());
    let mut bytes = vec![1, 145, 2];
    bytes.resize(3 + 273, 0);
    bytes.push(0);
    assert!(postcard::from_bytes::<LogEntry>(&bytes).is_err());
}

#[test]
fn a_message_longer_than_a_frame_is_refused_and_leaves_no_trace() {
    let entry = LogEntry {
        seq: 1,
        key: vec![0; 255].into(),
        value: Some(vec![0; 4_096].into()),
    };
    let mut update = Generator::new(0, 0).log_update();
    update.entries = vec![entry; LogUpdate::ENTRIES_MAX].try_into().unwrap();
    let message = Control::Group(GroupId([0; 16]), GroupBody::Log(update.into()));
    let mut out = vec![7];
    let too_long = Err(EncodeError::TooLong { max: 65_536 });
    assert_eq!(encode_frame(&message, &mut out), too_long);
    assert_eq!(out, [7]);
}

/// No wire type contains itself, so depth does not depend on the bytes: messages of every kind, and
/// many that are not, decode on a stack of a few pages.
#[test]
fn a7_a_small_stack_is_enough_for_any_bytes() {
    let decode_all = || {
        for seed in 0..500 {
            let bytes = bytes_of(&Generator::new(seed, 8).any());
            assert!(decode(&bytes).is_ok());
        }
        for byte in 0..=255 {
            let _ = decode(&[byte; 4_096]);
        }
    };
    std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(decode_all)
        .unwrap()
        .join()
        .unwrap();
}

fn hello_of(bytes: &[u8]) -> Hello {
    match decode(bytes) {
        Ok(Control::Hello(hello)) => *hello,
        other => panic!("{other:?} is no hello"),
    }
}
