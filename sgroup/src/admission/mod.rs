//! Who may enter one s-group: mutual proofs of its cookie.
//!
//! A proof is a keyed tag over everything that makes the encounter what it is: the transcript of
//! both Hellos (both nonces, both names, the wire version), who proves, to whom, which group and
//! in which role. So a recorded proof means nothing in another session, a reflected one names the
//! wrong prover, a relayed one names the wrong verifier, and a joiner's is worth nothing as a
//! member's. The cookie itself never travels. Nothing of the group is said before the proof.
//!
//! While a cookie is rotated there are two: a node that has both proves both, and accepts either,
//! so members may be given the new one in any order. [`Admission::check`] says by which cookie a
//! peer came in; after [`Admission::set_cookies`] its keeper asks [`Admission::accepts`] and lets
//! go of those who only know a cookie that was dropped.
//!
//! Cost: a failed proof costs its verifier two tags over 118 bytes (some µs), one answer of some
//! twenty bytes and one entry of a bounded table. Repeated failures cost a look-up.
//! Source: mutual challenge and response with role separation, as ISO/IEC 9798-4 has it.

mod backoff;
mod deletion;
mod secret;

pub use backoff::{BACKOFF_PEERS_MAX, FAILURES_FREE};
pub use secret::{Rank, Route, Secret};

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{JoinRole, Proof, RefuseReason};
use archipelago_core::{Context, Crypto, GroupId, NodeId, Peer, Time};

use crate::Cookies;
use backoff::BackOff;

/// What every tag is made for, so that the cookie proves nothing else.
const DOMAIN: &[u8] = b"archipelago/admit/1";
/// The layout of what is tagged. The version that the session speaks is in its transcript.
const PROOF_VERSION: u16 = 1;

/// In what capacity a node proves that it knows the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofRole {
    /// Asks to be let in and for the view.
    Joiner,
    /// Attaches a session to a group that both are in.
    Member,
    /// Answers any of the others: grants.
    Welcome,
    /// Uses the group without being in it.
    Client,
}

impl From<JoinRole> for ProofRole {
    fn from(role: JoinRole) -> Self {
        match role {
            JoinRole::Joiner => Self::Joiner,
            JoinRole::Member => Self::Member,
            JoinRole::Client => Self::Client,
        }
    }
}

/// The encounter that a proof is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encounter {
    /// Of the session or detour on which the proof travels.
    pub transcript: [u8; 16],
    /// Who proves.
    pub prover: NodeId,
    /// To whom.
    pub verifier: NodeId,
    /// In what capacity the prover speaks.
    pub role: ProofRole,
}

/// Names one cookie of a group at one node, for as long as that node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CookieId(u16);

impl CookieId {
    /// What stands for the cookie of an open group.
    pub const OPEN: Self = Self(0);
}

/// The proof holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The cookie it was made with: the current one, if the peer knows that.
    pub by: CookieId,
}

/// The proof does not let its maker in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It is wrong, missing, of another group, another encounter or another role.
    #[error("the proof does not hold for this group and this encounter")]
    Wrong,
    /// It was not looked at, after too many that were wrong.
    #[error("too many proofs failed lately: this one was not looked at")]
    BackOff,
}

impl NotAdmitted {
    /// What the prover is told.
    pub const fn reason(self) -> RefuseReason {
        match self {
            Self::Wrong => RefuseReason::NotAdmitted,
            Self::BackOff => RefuseReason::BackOff,
        }
    }
}

/// How many proofs had which end since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionCounts {
    /// Held.
    pub admitted: u64,
    /// Did not hold.
    pub failed: u64,
    /// Were not looked at.
    pub backed_off: u64,
}

/// The admission of one group at one node.
#[derive(Debug)]
pub struct Admission {
    group: GroupId,
    cookies: Option<Cookies>,
    current: CookieId,
    previous: CookieId,
    /// How often members rotated the secret.
    serial: u64,
    backoff: BackOff,
    counts: AdmissionCounts,
}

impl Admission {
    /// For `group`; without cookies it is open to all.
    pub fn new(group: GroupId, cookies: Option<Cookies>) -> Self {
        let mut admission = Self {
            group,
            cookies: None,
            current: CookieId::OPEN,
            previous: CookieId::OPEN,
            serial: 0,
            backoff: BackOff::default(),
            counts: AdmissionCounts::default(),
        };
        admission.set_cookies(cookies);
        admission
    }

    /// Changes the cookies while the group runs. A cookie that stays, in whichever place, keeps
    /// its [`CookieId`]; one that is dropped is no longer [accepted](Self::accepts).
    pub fn set_cookies(&mut self, cookies: Option<Cookies>) {
        let (current, previous) = match &cookies {
            None => (CookieId::OPEN, CookieId::OPEN),
            Some(new) => {
                let current = self.id_of(&new.current, CookieId::OPEN);
                let previous = new.previous.as_ref();
                let previous = previous.map_or(current, |cookie| self.id_of(cookie, current));
                (current, previous)
            }
        };
        self.cookies = cookies;
        self.current = current;
        self.previous = previous;
    }

    /// The present secret, for a member; `None` in an open group. The receiver accepts the
    /// previous cookie for `window`.
    pub fn secret(&self, window: Duration) -> Option<Secret> {
        self.cookies.as_ref().map(|cookies| Secret {
            serial: self.serial,
            cookies: cookies.clone(),
            window,
        })
    }

    /// How the present secret ranks; `None` in an open group.
    pub fn rank(&self, crypto: &dyn Crypto) -> Option<Rank> {
        let current = &self.cookies.as_ref()?.current;
        Some(secret::rank(self.serial, current, &self.group, crypto))
    }

    /// How often members rotated the secret.
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// The secret that is configured was rotated so often before this node had it.
    pub const fn set_serial(&mut self, serial: u64) {
        self.serial = serial;
    }

    /// Takes the secret that another member gave; what was current stays accepted until
    /// [`Admission::set_cookies`] says otherwise.
    pub fn take(&mut self, secret: &Secret) {
        let mut cookies = secret.cookies.clone();
        let own = self.cookies.as_ref().map(|own| own.current.clone());
        cookies.previous = own.filter(|own| *own != cookies.current);
        self.serial = secret.serial;
        self.set_cookies(Some(cookies));
    }

    /// Beside the current cookie, another one counts as if it were the previous one.
    pub fn accept_too(&mut self, cookie: &Arc<[u8]>) {
        if let Some(mut cookies) = self.cookies.clone()
            && cookies.current != *cookie
        {
            cookies.previous = Some(cookie.clone());
            self.set_cookies(Some(cookies));
        }
    }

    /// The cookies in use.
    pub const fn cookies(&self) -> Option<&Cookies> {
        self.cookies.as_ref()
    }

    /// Whether the group is declared open.
    pub const fn is_open(&self) -> bool {
        self.cookies.is_none()
    }

    /// Whether a peer that proved `by` still belongs here.
    pub fn accepts(&self, by: CookieId) -> bool {
        by == self.current || by == self.previous
    }

    /// Whether a peer that proved `by` outlives the end of the rotation; one that does not is
    /// asked for a new proof once it may have the new cookie.
    pub fn is_current(&self, by: CookieId) -> bool {
        by == self.current
    }

    /// How many proofs had which end.
    pub const fn counts(&self) -> AdmissionCounts {
        self.counts
    }

    /// A proof that this node, the encounter's prover, may be in the group.
    pub fn prove(&self, encounter: &Encounter, crypto: &dyn Crypto) -> Proof {
        self.proof_over(|| self.bytes(encounter), crypto)
    }

    /// A proof that this node knows the group's secret, over bytes that say what for.
    fn proof_over(&self, bytes: impl FnOnce() -> Vec<u8>, crypto: &dyn Crypto) -> Proof {
        let Some(cookies) = &self.cookies else {
            return Proof::Open;
        };
        let bytes = bytes();
        let current = crypto.mac(&cookies.current, &bytes);
        match &cookies.previous {
            None => Proof::Cookie(current),
            Some(previous) => Proof::Rotating {
                current,
                previous: crypto.mac(previous, &bytes),
            },
        }
    }

    /// Checks a proof that the encounter's prover sent to this node, its verifier.
    ///
    /// # Errors
    /// [`NotAdmitted`]; counted, and from [`FAILURES_FREE`] on backed off.
    pub fn check(
        &mut self,
        proof: &Proof,
        encounter: &Encounter,
        now: Time,
        crypto: &dyn Crypto,
    ) -> Result<Admitted, NotAdmitted> {
        if !self.is_open() && self.backoff.is_blocked(&encounter.prover, now) {
            self.counts.backed_off += 1;
            return Err(NotAdmitted::BackOff);
        }
        if let Some(by) = self.verify(proof, encounter, crypto) {
            self.backoff.on_success(&encounter.prover);
            self.counts.admitted += 1;
            Ok(Admitted { by })
        } else {
            self.backoff.on_failure(encounter.prover, now);
            self.counts.failed += 1;
            Err(NotAdmitted::Wrong)
        }
    }

    /// As [`check`](Self::check), of what `peer` sent to this node over the session or detour of
    /// `transcript`.
    ///
    /// # Errors
    /// As there.
    pub fn check_from(
        &mut self,
        (peer, transcript): (Peer, [u8; 16]),
        role: ProofRole,
        proof: &Proof,
        cx: &Context<'_>,
    ) -> Result<Admitted, NotAdmitted> {
        let encounter = Encounter {
            transcript,
            prover: cx.peers.id(peer),
            verifier: cx.me,
            role,
        };
        self.check(proof, &encounter, cx.now, cx.crypto)
    }

    /// By which cookie the proof holds, if by any. Takes the same time for every wrong tag.
    fn verify(
        &self,
        proof: &Proof,
        encounter: &Encounter,
        crypto: &dyn Crypto,
    ) -> Option<CookieId> {
        if encounter.prover == encounter.verifier {
            return None;
        }
        let Some(cookies) = &self.cookies else {
            return Some(CookieId::OPEN);
        };
        let (first, second) = match proof {
            Proof::Open => return None,
            Proof::Cookie(tag) => (tag, tag),
            Proof::Rotating { current, previous } => (current, previous),
        };
        let bytes = self.bytes(encounter);
        let matches = |cookie: &Arc<[u8]>| {
            let tag = crypto.mac(cookie, &bytes);
            is_equal(&tag, first) | is_equal(&tag, second)
        };
        let is_current = matches(&cookies.current);
        let is_previous = cookies.previous.as_ref().is_some_and(matches);
        if is_current {
            Some(self.current)
        } else if is_previous {
            Some(self.previous)
        } else {
            None
        }
    }

    /// What is tagged: fields of fixed width, so that no two encounters have the same bytes.
    fn bytes(&self, encounter: &Encounter) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(118);
        bytes.extend_from_slice(DOMAIN);
        bytes.extend_from_slice(&encounter.transcript);
        bytes.extend_from_slice(&encounter.prover.0);
        bytes.extend_from_slice(&encounter.verifier.0);
        bytes.extend_from_slice(&self.group.0);
        bytes.push(match encounter.role {
            ProofRole::Joiner => 1,
            ProofRole::Member => 2,
            ProofRole::Welcome => 3,
            ProofRole::Client => 4,
        });
        bytes.extend_from_slice(&PROOF_VERSION.to_le_bytes());
        bytes
    }

    /// The id that `cookie` has already, else one that no cookie has; `taken` is in use too.
    fn id_of(&self, cookie: &Arc<[u8]>, taken: CookieId) -> CookieId {
        if let Some(old) = &self.cookies {
            if old.current == *cookie {
                return self.current;
            }
            if old.previous.as_ref() == Some(cookie) {
                return self.previous;
            }
        }
        let mut id = CookieId(self.current.0.max(self.previous.0).max(taken.0));
        loop {
            id.0 = id.0.wrapping_add(1).max(1);
            if ![self.current, self.previous, taken].contains(&id) {
                return id;
            }
        }
    }
}

/// Compares without telling by its time where the first difference is.
fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a
        .iter()
        .zip(b)
        .fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(difference) == 0
}

#[cfg(test)]
mod tests;
