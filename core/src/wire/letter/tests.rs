//! The bytes of letters: as agreed on in each wire version, read back, and of strangers (F16).
//!
//! Where a difference is meant, raise `WIRE_MAX`, name a new file in [`GOLDEN`], and write it:
//! `GOLDEN=write cargo test -p archipelago-core letter`.

use proptest::prelude::*;

use super::*;
use crate::wire::{WIRE_MAX, WIRE_MIN};

/// By wire version, the newest last.
const GOLDEN: &[(u16, &str)] = &[(1, include_str!("golden/1.txt"))];

fn node(byte: u8) -> NodeId {
    NodeId([byte; 32])
}

/// One of each kind.
fn letters() -> Vec<(&'static str, Letter)> {
    let locals = || Locals::truncated([LocalId(1), LocalId(u64::MAX)]);
    let group = GroupId([7; 16]);
    let exits = [
        Some(Exit::Normal),
        Some(Exit::failed("no disk")),
        Some(Exit::panicked("index out of range")),
        Some(Exit::Killed),
        None,
    ];
    let ends = exits.into_iter().zip(9..).map(|(exit, local)| End {
        local: LocalId(local),
        exit,
    });
    let watch = [
        (
            "watch",
            WatchLetter::Watch {
                seq: 3,
                home: None,
                boot: Boot(300),
                locals: locals(),
            },
        ),
        (
            "watched",
            WatchLetter::Watched {
                seq: 3,
                refused: locals(),
                group: Some(group),
                wardens: List::truncated([node(1), node(2)]),
            },
        ),
        (
            "unwatch",
            WatchLetter::Unwatch {
                boot: Boot(300),
                locals: locals(),
            },
        ),
        (
            "ended",
            WatchLetter::Ended {
                ended: List::truncated(ends),
            },
        ),
        (
            "guard",
            WatchLetter::Guard {
                seq: 4,
                home: Some(group),
                group,
                nodes: List::truncated([(node(5), Boot(6))]),
            },
        ),
        (
            "guarded",
            WatchLetter::Guarded {
                seq: 4,
                refused: List::truncated([node(5)]),
            },
        ),
        (
            "unguard",
            WatchLetter::Unguard {
                group,
                nodes: List::truncated([node(5)]),
            },
        ),
        (
            "fallen",
            WatchLetter::Fallen {
                group,
                node: node(5),
                boot: Boot(6),
                is_dead: true,
            },
        ),
    ];
    watch
        .into_iter()
        .map(|(name, letter)| (name, Letter::Watch(letter)))
        .collect()
}

#[test]
fn golden_bytes_of_every_kind_of_letter() {
    let mut text = String::new();
    for (name, letter) in letters() {
        let bytes = letter.to_bytes().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{name} {hex}\n"));
        assert_eq!(Letter::from_bytes(&bytes), Ok(letter));
    }
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/letter/golden");
        std::fs::write(format!("{folder}/{WIRE_MAX}.txt"), &text).unwrap();
        return;
    }
    assert_eq!(GOLDEN.last().map(|(_, newest)| *newest), Some(&*text));
}

#[test]
fn f16_letters_of_every_version_that_is_spoken_are_read() {
    let versions: Vec<u16> = GOLDEN.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (WIRE_MIN..=WIRE_MAX).collect::<Vec<u16>>());
    for line in GOLDEN.iter().flat_map(|(_, text)| text.lines()) {
        let (name, hex) = line.rsplit_once(' ').unwrap();
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
        assert!(Letter::from_bytes(&bytes).is_ok(), "{name}");
    }
}

#[test]
fn the_fullest_letters_fit_into_one_chunk() {
    let locals = || Locals::truncated((0..).map(|n| LocalId(u64::MAX - n)));
    let watched = WatchLetter::Watched {
        seq: u32::MAX,
        refused: locals(),
        group: Some(GroupId([255; 16])),
        wardens: List::truncated((0..).map(node)),
    };
    let exit = Some(Exit::failed(&"é".repeat(999)));
    let ended = WatchLetter::Ended {
        ended: List::truncated(std::iter::repeat_with(|| End {
            local: LocalId(u64::MAX),
            exit: exit.clone(),
        })),
    };
    let guard = WatchLetter::Guard {
        seq: u32::MAX,
        home: None,
        group: GroupId([255; 16]),
        nodes: List::truncated((0..=255).map(|byte| (node(byte), Boot(u64::MAX)))),
    };
    for letter in [watched, ended, guard] {
        let letter = Letter::Watch(letter);
        let bytes = letter.to_bytes().expect("it fits");
        assert_eq!(Letter::from_bytes(&bytes), Ok(letter));
    }
}

#[test]
fn a_text_is_cut_at_a_character_and_cleaned() {
    let Exit::Failed(text) = Exit::failed(&format!("a\nb{}", "é".repeat(300))) else {
        panic!("a failure");
    };
    assert!(text.as_str().starts_with("a bé"));
    assert_eq!(text.as_str().len(), 255);
}

#[test]
fn a7_what_follows_a_letter_makes_it_none() {
    for (_, letter) in letters() {
        let mut bytes = letter.to_bytes().unwrap().to_vec();
        bytes.push(0);
        assert_eq!(Letter::from_bytes(&bytes), Err(LetterError));
        bytes.truncate(bytes.len() - 2);
        assert_eq!(Letter::from_bytes(&bytes), Err(LetterError));
    }
    assert_eq!(
        Letter::from_bytes(&vec![0; Letter::BYTES_MAX + 1]),
        Err(LetterError)
    );
}

proptest! {
    #[test]
    fn a7_arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(letter) = Letter::from_bytes(&bytes) {
            // Numbers have longer spellings than the shortest: what comes back need not be the same bytes.
            let again = letter.to_bytes().expect("what was read can be written");
            prop_assert_eq!(Letter::from_bytes(&again), Ok(letter));
        }
    }

    #[test]
    fn a7_a_changed_letter_never_panics(which in 0_usize..8, at in 0_usize..64, byte: u8) {
        let (_, letter) = letters().swap_remove(which);
        let mut bytes = letter.to_bytes().unwrap().to_vec();
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = Letter::from_bytes(&bytes);
    }
}
