//! Virtual sessions: Hellos between two members that cannot reach each other, inside sealed
//! envelopes that other members carry.
//!
//! They give the pair a transcript of its own, so that the same proofs of membership hold as on a
//! connection. Envelopes may be lost: who wants to speak asks again, at most once in
//! [`RETRY`]; a repeated Hello is answered a few times, so that two ends never answer each other
//! for ever. A connection takes the place of the detour as soon as there is one; a session that
//! carries nothing is bypassed meanwhile (see [`bypass`]).
//!
//! Cost: 200 bytes per broken path, none for others.

mod bypass;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::footprint::{map_bytes, set_bytes};
use archipelago_core::wire::Nonce;
use archipelago_core::{Boot, Context, Peer, Time};

use super::hello::{End, transcript};
use bypass::Bypass;
pub(crate) use bypass::{Due, Question};

/// Between two Hellos to a peer that has not answered.
const RETRY: Duration = Duration::from_secs(1);
/// How often one Hello is answered when it comes again.
const ANSWERS: u8 = 4;

/// What detours ask of their caller, or tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetourOutput {
    /// Say Hello with this nonce by detour.
    Say(Peer, Nonce),
    /// Both Hellos were exchanged; the table of peers has boot and transcript.
    Ready(Peer),
}

/// The detours of one node.
#[derive(Debug, Default)]
pub(crate) struct Detours {
    table: BTreeMap<Peer, Detour>,
    /// Who could not be dialled lately.
    cut_off: BTreeSet<Peer>,
    /// Whose data may take the detour.
    attached: BTreeSet<Peer>,
    /// Whose session carries nothing, or did until a moment ago.
    bypassed: BTreeMap<Peer, Bypass>,
}

#[derive(Debug)]
struct Detour {
    nonce: Nonce,
    said_at: Time,
    answers: u8,
    other: Option<Other>,
}

/// What the other end said.
#[derive(Clone, Copy, Debug)]
struct Other {
    nonce: Nonce,
    boot: Boot,
    transcript: [u8; 16],
}

impl Detours {
    /// There is something to say to a peer that cannot be reached: asks, or asks again.
    pub(crate) fn want(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut Vec<DetourOutput>) {
        if let Some(detour) = self.table.get_mut(&peer) {
            if detour.other.is_none() && cx.now.since(detour.said_at) >= RETRY {
                detour.said_at = cx.now;
                out.push(DetourOutput::Say(peer, detour.nonce));
            }
            return;
        }
        let detour = Detour::new(cx);
        out.push(DetourOutput::Say(peer, detour.nonce));
        self.table.insert(peer, detour);
    }

    /// A Hello came by detour, and was checked.
    pub(crate) fn handle_hello(
        &mut self,
        peer: Peer,
        (nonce, boot, version): (Nonce, Boot, u16),
        cx: &mut Context<'_>,
        out: &mut Vec<DetourOutput>,
    ) {
        let known = self.table.get(&peer).and_then(|detour| detour.other);
        if known.is_some_and(|other| boot < other.boot) {
            return;
        }
        if known.is_some_and(|other| other.nonce == nonce && other.boot == boot) {
            return self.answer_again(peer, out);
        }
        if known.is_some() || !self.table.contains_key(&peer) {
            // The peer begins, or begins anew: it waits for our word. Fresh once in `RETRY`: two
            // ends that answered every late Hello with a new one would never agree.
            let said = self.table.remove(&peer);
            let is_fresh = |detour: &Detour| cx.now.since(detour.said_at) < RETRY;
            let detour = said.filter(is_fresh).unwrap_or_else(|| Detour::new(cx));
            out.push(DetourOutput::Say(peer, detour.nonce));
            self.table.insert(peer, detour);
        }
        let (me, name) = (cx.me, cx.peers.id(peer));
        let Some(detour) = self.table.get_mut(&peer) else {
            return;
        };
        let own = End {
            node: me,
            nonce: detour.nonce,
        };
        let transcript = transcript(own, End { node: name, nonce }, version);
        detour.other = Some(Other {
            nonce,
            boot,
            transcript,
        });
        // A session that is there still has a transcript of its own.
        let state = cx.peers.get_mut(peer);
        if let Some(state) = state.filter(|state| state.session.is_none()) {
            state.set_boot(boot);
            state.transcript = transcript;
        }
        out.push(DetourOutput::Ready(peer));
    }

    /// The session is gone: the detour stands for it in the table of peers. Whether there is one.
    pub(crate) fn stand_in(&mut self, peer: Peer, cx: &mut Context<'_>) -> bool {
        let other = self.table.get(&peer).and_then(|detour| detour.other);
        if let (Some(other), Some(state)) = (other, cx.peers.get_mut(peer)) {
            state.set_boot(other.boot);
            state.transcript = other.transcript;
        }
        other.is_some()
    }

    /// Under which transcript the start `boot` of the peer speaks by detour; `None` before both
    /// Hellos.
    pub(crate) fn transcript(&self, peer: Peer, boot: Boot) -> Option<[u8; 16]> {
        let other = self.table.get(&peer)?.other?;
        (other.boot == boot).then_some(other.transcript)
    }

    /// Whether both Hellos were exchanged.
    pub(crate) fn is_ready(&self, peer: Peer) -> bool {
        let detour = self.table.get(&peer);
        detour.is_some_and(|detour| detour.other.is_some())
    }

    /// A dial to the peer came to nothing.
    pub(crate) fn note_cut_off(&mut self, peer: Peer) {
        self.cut_off.insert(peer);
    }

    /// Whether the last dial to the peer came to nothing.
    pub(crate) fn is_cut_off(&self, peer: Peer) -> bool {
        self.cut_off.contains(&peer)
    }

    /// The peer was admitted by detour: whether its data may take it now.
    pub(crate) fn attach(&mut self, peer: Peer) -> bool {
        let is_ready = self.is_ready(peer);
        if is_ready {
            self.attached.insert(peer);
        }
        is_ready
    }

    /// A connection took its place, or nobody wants to speak to the peer any more. Whether data
    /// took the detour.
    pub(crate) fn forget(&mut self, peer: Peer) -> bool {
        self.table.remove(&peer);
        self.cut_off.remove(&peer);
        self.bypassed.remove(&peer);
        self.attached.remove(&peer)
    }

    /// Whether anything is known of the peer here.
    pub(crate) fn knows(&self, peer: Peer) -> bool {
        self.table.contains_key(&peer) || self.cut_off.contains(&peer)
    }

    /// What they hold on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        map_bytes(&self.table) + set_bytes(&self.cut_off) + set_bytes(&self.attached)
    }

    fn answer_again(&mut self, peer: Peer, out: &mut Vec<DetourOutput>) {
        let Some(detour) = self.table.get_mut(&peer) else {
            return;
        };
        if let Some(left) = detour.answers.checked_sub(1) {
            detour.answers = left;
            out.push(DetourOutput::Say(peer, detour.nonce));
        }
    }
}

impl Detour {
    fn new(cx: &mut Context<'_>) -> Self {
        Self {
            nonce: Nonce(cx.rng.array()),
            said_at: cx.now,
            answers: ANSWERS,
            other: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use archipelago_core::{NodeId, Peers, Rng, ToyCrypto};

    use super::*;

    /// One end, which knows the other as its only peer.
    struct Side {
        detours: Detours,
        crypto: ToyCrypto,
        rng: Rng,
        peers: Peers,
        other: Peer,
    }

    impl Side {
        fn new(seed: u64, other: NodeId) -> Self {
            let mut peers = Peers::new(4);
            let other = peers.intern(other).unwrap();
            Self {
                detours: Detours::default(),
                crypto: ToyCrypto::new(seed),
                rng: Rng::from_u64(seed),
                peers,
                other,
            }
        }

        fn call(
            &mut self,
            now: Time,
            call: impl FnOnce(&mut Detours, Peer, &mut Context<'_>, &mut Vec<DetourOutput>),
        ) -> Vec<DetourOutput> {
            let mut out = Vec::new();
            let mut cx = Context {
                now,
                me: self.crypto.id(),
                rng: &mut self.rng,
                crypto: &self.crypto,
                peers: &mut self.peers,
            };
            call(&mut self.detours, self.other, &mut cx, &mut out);
            out
        }

        fn want(&mut self, now: Time) -> Vec<DetourOutput> {
            self.call(now, |detours, peer, cx, out| detours.want(peer, cx, out))
        }

        fn hear(&mut self, said: DetourOutput) -> Vec<DetourOutput> {
            let DetourOutput::Say(_, nonce) = said else {
                panic!("not a Hello: {said:?}");
            };
            self.call(Time::START, |detours, peer, cx, out| {
                detours.handle_hello(peer, (nonce, Boot(1), 1), cx, out);
            })
        }

        fn transcript(&self) -> Option<[u8; 16]> {
            self.detours.transcript(self.other, Boot(1))
        }
    }

    fn sides() -> (Side, Side) {
        let (left, right) = (ToyCrypto::new(1).id(), ToyCrypto::new(2).id());
        (Side::new(1, right), Side::new(2, left))
    }

    #[test]
    fn both_ends_get_the_same_transcript() {
        let (mut left, mut right) = sides();
        let asked = left.want(Time::START);
        let answered = right.hear(asked[0]);
        assert_eq!(answered[1..], [DetourOutput::Ready(right.other)]);
        assert_eq!(left.hear(answered[0]), [DetourOutput::Ready(left.other)]);
        assert!(left.transcript().is_some());
        assert_eq!(left.transcript(), right.transcript());
        assert_eq!(left.detours.transcript(left.other, Boot(2)), None);
    }

    #[test]
    fn two_that_ask_at_once_agree_too() {
        let (mut left, mut right) = sides();
        let (first, second) = (left.want(Time::START), right.want(Time::START));
        assert_eq!(left.hear(second[0]), [DetourOutput::Ready(left.other)]);
        assert_eq!(right.hear(first[0]), [DetourOutput::Ready(right.other)]);
        assert_eq!(left.transcript(), right.transcript());
    }

    #[test]
    fn a_lost_hello_is_said_again_and_two_ends_do_not_answer_for_ever() {
        let (mut left, mut right) = sides();
        let asked = left.want(Time::START);
        assert_eq!(left.want(Time::START), []);
        let again = left.want(Time::START.after(RETRY));
        assert_eq!(again, asked);
        right.hear(asked[0]);
        let mut said = right.hear(again[0]);
        let mut count = 0;
        let mut is_left = true;
        while let Some(&next @ DetourOutput::Say(..)) = said.first() {
            said = if is_left {
                left.hear(next)
            } else {
                right.hear(next)
            };
            is_left = !is_left;
            count += 1;
        }
        assert!(count <= 2 * usize::from(ANSWERS), "{count}");
        assert_eq!(left.transcript(), right.transcript());
    }

    #[test]
    fn who_begins_anew_gets_a_new_transcript() {
        let (mut left, mut right) = sides();
        let asked = left.want(Time::START);
        let answered = right.hear(asked[0]);
        left.hear(answered[0]);
        let before = left.transcript();
        left.detours.forget(left.other);
        let asked = left.want(Time::START);
        let answered = right.hear(asked[0]);
        left.hear(answered[0]);
        assert_ne!(left.transcript(), before);
        assert_eq!(left.transcript(), right.transcript());
    }
}
