//! U2, A1, A2, A3: who gets in and who does not.

use std::time::Duration;

use super::*;
use crate::testing::{MACS, Tags, node};

const NOW: Time = Time::from_micros(5_000_000);

fn group(name: &str) -> GroupId {
    GroupId::new("realm", name)
}

fn cookies(current: &str, previous: Option<&str>) -> Option<Cookies> {
    Some(Cookies {
        current: current.as_bytes().into(),
        previous: previous.map(|cookie| cookie.as_bytes().into()),
    })
}

fn admission(current: &str, previous: Option<&str>) -> Admission {
    Admission::new(group("g"), cookies(current, previous))
}

/// Node 1 proves to node 2.
const fn encounter() -> Encounter {
    Encounter {
        transcript: [7; 16],
        prover: node(1),
        verifier: node(2),
        role: ProofRole::Joiner,
    }
}

fn check(
    verifier: &mut Admission,
    proof: &Proof,
    encounter: &Encounter,
) -> Result<Admitted, NotAdmitted> {
    verifier.check(proof, encounter, NOW, &Tags)
}

#[test]
fn u2_the_cookie_admits() {
    let mut verifier = admission("secret", None);
    let proof = admission("secret", None).prove(&encounter(), &Tags);
    let admitted = check(&mut verifier, &proof, &encounter()).unwrap();
    assert!(verifier.accepts(admitted.by) && verifier.is_current(admitted.by));
    assert_eq!(verifier.counts().admitted, 1);
}

#[test]
fn a1_a_wrong_and_a_missing_cookie_are_refused_and_counted() {
    let mut verifier = admission("secret", None);
    let wrong = admission("Secret", None).prove(&encounter(), &Tags);
    for proof in [wrong, Proof::Open, Proof::Cookie([0; 32])] {
        let refused = check(&mut verifier, &proof, &encounter());
        assert_eq!(refused, Err(NotAdmitted::Wrong));
    }
    assert_eq!(verifier.counts().failed, 3);
    assert_eq!(NotAdmitted::Wrong.reason(), RefuseReason::NotAdmitted);
}

#[test]
fn u2_the_cookie_of_x_enters_x_and_not_y() {
    let mut x = Admission::new(group("x"), cookies("of x", None));
    let mut y = Admission::new(group("y"), cookies("of y", None));
    let proof = x.prove(&encounter(), &Tags);
    assert!(check(&mut x, &proof, &encounter()).is_ok());
    assert!(check(&mut y, &proof, &encounter()).is_err());
}

#[test]
fn a1_the_same_cookie_in_two_groups_makes_different_proofs() {
    let x = Admission::new(group("x"), cookies("same", None));
    let mut y = Admission::new(group("y"), cookies("same", None));
    let proof = x.prove(&encounter(), &Tags);
    assert!(check(&mut y, &proof, &encounter()).is_err());
}

/// A2: each field of the encounter is bound: a proof made for one is worth nothing in another.
#[test]
fn a2_replayed_reflected_and_relayed_proofs_are_refused() {
    let made = encounter();
    let proof = admission("secret", None).prove(&made, &Tags);
    let replayed = Encounter {
        transcript: [8; 16],
        ..made
    };
    let reflected = Encounter {
        prover: node(2),
        verifier: node(1),
        ..made
    };
    let relayed = Encounter {
        verifier: node(3),
        ..made
    };
    let stolen = Encounter {
        prover: node(3),
        ..made
    };
    let other_role = Encounter {
        role: ProofRole::Member,
        ..made
    };
    let as_welcome = Encounter {
        role: ProofRole::Welcome,
        ..reflected
    };
    for other in [replayed, reflected, relayed, stolen, other_role, as_welcome] {
        let mut verifier = admission("secret", None);
        let refused = check(&mut verifier, &proof, &other);
        assert_eq!(refused, Err(NotAdmitted::Wrong), "{other:?}");
    }
}

#[test]
fn a2_nobody_is_admitted_to_itself() {
    let own = Encounter {
        verifier: node(1),
        ..encounter()
    };
    for cookies in [cookies("secret", None), None] {
        let mut me = Admission::new(group("g"), cookies);
        let proof = me.prove(&own, &Tags);
        assert_eq!(check(&mut me, &proof, &own), Err(NotAdmitted::Wrong));
    }
}

/// U2: in whichever order the members get the new cookie, every pair admits each other.
#[test]
fn u2_during_a_rotation_all_that_know_either_cookie_admit_each_other() {
    let before = || admission("old", None);
    let during = || admission("new", Some("old"));
    let after = || admission("new", None);
    let pairs = [
        (before(), during()),
        (during(), before()),
        (during(), during()),
        (during(), after()),
        (after(), during()),
    ];
    for (prover, mut verifier) in pairs {
        let proof = prover.prove(&encounter(), &Tags);
        assert!(check(&mut verifier, &proof, &encounter()).is_ok());
    }
    let proof = before().prove(&encounter(), &Tags);
    assert!(check(&mut after(), &proof, &encounter()).is_err());
}

/// A3: the end of a rotation evicts those who know only the old cookie, and nobody else.
#[test]
fn a3_a_dropped_cookie_is_accepted_no_longer() {
    let mut verifier = admission("old", None);
    let proof = admission("old", None).prove(&encounter(), &Tags);
    let early = check(&mut verifier, &proof, &encounter()).unwrap();

    verifier.set_cookies(cookies("new", Some("old")));
    assert!(verifier.accepts(early.by) && !verifier.is_current(early.by));
    let stolen = check(&mut verifier, &proof, &encounter()).unwrap();
    assert_eq!(stolen.by, early.by);
    let proof = admission("new", None).prove(&encounter(), &Tags);
    let rotated = check(&mut verifier, &proof, &encounter()).unwrap();
    let proof = admission("new", Some("old")).prove(&encounter(), &Tags);
    let rotating = check(&mut verifier, &proof, &encounter()).unwrap();
    assert_eq!(rotating.by, rotated.by);

    verifier.set_cookies(cookies("new", None));
    assert!(verifier.accepts(rotated.by) && !verifier.accepts(early.by));

    verifier.set_cookies(cookies("newer", None));
    assert!(!verifier.accepts(rotated.by) && !verifier.accepts(early.by));
}

#[test]
fn a3_a_thousand_rotations_never_take_a_dropped_cookie_for_the_current_one() {
    let mut verifier = admission("0", None);
    for rotation in 1..1_000 {
        let dropped = verifier.current;
        verifier.set_cookies(cookies(&rotation.to_string(), None));
        assert!(!verifier.accepts(dropped));
    }
}

#[test]
fn an_open_group_admits_anybody_until_it_gets_a_cookie() {
    let mut verifier = Admission::new(group("g"), None);
    let open = verifier.prove(&encounter(), &Tags);
    assert_eq!(open, Proof::Open);
    let admitted = check(&mut verifier, &open, &encounter()).unwrap();
    assert_eq!(admitted.by, CookieId::OPEN);
    verifier.set_cookies(cookies("secret", None));
    assert!(!verifier.accepts(admitted.by));
    assert!(check(&mut verifier, &open, &encounter()).is_err());
}

/// A1: what one failed proof costs its verifier: two tags at most, none once it is backed off.
#[test]
fn a1_failures_cost_two_tags_and_then_none() {
    let mut verifier = admission("new", Some("old"));
    let wrong = admission("guess", Some("guessed")).prove(&encounter(), &Tags);
    let before = MACS.get();
    for _ in 0..=FAILURES_FREE {
        assert_eq!(
            check(&mut verifier, &wrong, &encounter()),
            Err(NotAdmitted::Wrong)
        );
    }
    assert_eq!(MACS.get() - before, 2 * (FAILURES_FREE + 1));

    let right = admission("new", None).prove(&encounter(), &Tags);
    let before = MACS.get();
    for proof in [wrong, right] {
        let refused = check(&mut verifier, &proof, &encounter());
        assert_eq!(refused, Err(NotAdmitted::BackOff));
    }
    assert_eq!(MACS.get(), before);
    assert_eq!(verifier.counts().backed_off, 2);

    let later = NOW.after(Duration::from_secs(1));
    let admitted = verifier.check(&right, &encounter(), later, &Tags);
    assert!(admitted.is_ok(), "the wait is over");
}

#[test]
fn the_comparison_sees_every_bit() {
    let tag = [0x5a; 32];
    assert!(is_equal(&tag, &tag));
    for bit in 0..256 {
        let mut other = tag;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_equal(&tag, &other), "bit {bit}");
    }
}

#[test]
fn what_is_tagged_has_a_fixed_length() {
    let bytes = admission("secret", None).bytes(&encounter());
    assert_eq!(bytes.len(), DOMAIN.len() + 16 + 32 + 32 + 16 + 1 + 2);
}

/// A1, A11: who is refused gets fewer bytes than it sent, and learns nothing of the group.
#[test]
fn a1_a_refusal_is_a_few_bytes() {
    use archipelago_core::wire::{Control, GroupBody, codec};
    for error in [NotAdmitted::Wrong, NotAdmitted::BackOff] {
        let refusal = Control::Group(group("g"), GroupBody::Refused(error.reason()));
        let mut bytes = Vec::new();
        codec::encode(&refusal, &mut bytes).unwrap();
        assert!(bytes.len() <= 24, "{} bytes", bytes.len());
    }
}
