//! What is known of one peer, in 64 bytes.
//!
//! A peer whose newest record is of the start that it goes by, which is the rule, is the record
//! that all tables share and a few numbers. Name, start and record of any other lie in a box.

use std::sync::Arc;
use std::time::Duration;

use crate::wire::SessionId;
use crate::{Boot, NodeId, SignedRecord, Time};

/// What is known of a node as a peer, whatever groups it shares with us.
#[derive(Clone, Debug)]
pub struct PeerState {
    who: Who,
    /// When anything authenticated by it last arrived; `Time::START` if never.
    pub last_heard: Time,
    /// The session to use, once Hellos were exchanged on it.
    pub session: Option<SessionId>,
    /// What both Hellos of that session (or of a detour, while there is none) said, hashed:
    /// admission proofs bind it.
    pub transcript: [u8; 16],
    /// Smoothed round-trip time in µs; 0 until measured (RFC 6298 section 2).
    pub srtt_us: u32,
    /// Its mean deviation in µs.
    pub rttvar_us: u32,
    /// Milliseconds, wrapping after seven weeks.
    sent_ms: u32,
}

/// Name, start and record.
#[derive(Clone, Debug)]
enum Who {
    /// It goes by the start that its newest record names.
    Signed(Arc<SignedRecord>),
    /// Anything else.
    Other(Box<Other>),
}

#[derive(Clone, Debug)]
struct Other {
    id: NodeId,
    boot: Boot,
    record: Option<Arc<SignedRecord>>,
}

impl PeerState {
    pub(super) fn new(id: NodeId) -> Self {
        Self {
            who: Who::Other(Box::new(Other {
                id,
                boot: Boot(0),
                record: None,
            })),
            last_heard: Time::START,
            session: None,
            transcript: [0; 16],
            srtt_us: 0,
            rttvar_us: 0,
            sent_ms: 0,
        }
    }

    /// Its name.
    pub fn id(&self) -> NodeId {
        match &self.who {
            Who::Signed(signed) => signed.record.node,
            Who::Other(other) => other.id,
        }
    }

    /// The start that it last proved by Hello or record; 0 before.
    pub fn boot(&self) -> Boot {
        match &self.who {
            Who::Signed(signed) => signed.record.boot,
            Who::Other(other) => other.boot,
        }
    }

    /// Its newest record, verified.
    pub fn record(&self) -> Option<&Arc<SignedRecord>> {
        match &self.who {
            Who::Signed(signed) => Some(signed),
            Who::Other(other) => other.record.as_ref(),
        }
    }

    /// It goes by this start now.
    pub fn set_boot(&mut self, boot: Boot) {
        if self.boot() != boot {
            self.who = Who::new(self.id(), boot, self.record().cloned());
        }
    }

    /// Takes a record of it, which the caller has verified.
    ///
    /// # Panics
    /// When the record is of another node.
    pub fn set_record(&mut self, record: Arc<SignedRecord>) {
        let id = self.id();
        assert!(record.record.node == id, "a record is of who signed it");
        self.who = Who::new(id, self.boot(), Some(record));
    }

    /// When anything was last sent to it, to a millisecond. What lies more than seven weeks back
    /// may read as more recent.
    pub fn last_sent(&self, now: Time) -> Time {
        let age_ms = millis(now).wrapping_sub(self.sent_ms);
        let age = Duration::from_millis(age_ms.into());
        let sent_us = now.as_micros().saturating_sub(micros(age));
        Time::from_micros(sent_us)
    }

    /// Something is sent to it.
    pub const fn note_sent(&mut self, now: Time) {
        self.sent_ms = millis(now);
    }
}

impl Who {
    fn new(id: NodeId, boot: Boot, record: Option<Arc<SignedRecord>>) -> Self {
        match record {
            Some(signed) if signed.record.boot == boot => Self::Signed(signed),
            record => Self::Other(Box::new(Other { id, boot, record })),
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "milliseconds wrap, and only their differences are read"
)]
const fn millis(now: Time) -> u32 {
    (now.as_micros() / 1_000) as u32
}

fn micros(age: Duration) -> u64 {
    u64::try_from(age.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::List;
    use crate::{Crypto, NodeRecord, Roles, ToyCrypto};

    fn record(crypto: &ToyCrypto, boot: u64) -> Arc<SignedRecord> {
        let record = NodeRecord {
            node: crypto.id(),
            boot: Boot(boot),
            seq: 1,
            name: "node".into(),
            groups: List::default(),
            addresses: List::default(),
            roles: Roles::default(),
            sealing_key: crypto.sealing_key(),
            wire: (1, 1),
            life_s: 60,
        };
        Arc::new(SignedRecord::new(record, crypto).unwrap())
    }

    #[test]
    fn name_start_and_record_stay_whatever_comes_in_which_order() {
        let crypto = ToyCrypto::new(1);
        let (old, new) = (record(&crypto, 5), record(&crypto, 6));
        let mut state = PeerState::new(crypto.id());
        state.set_record(old.clone());
        assert_eq!((state.boot(), state.record()), (Boot(0), Some(&old)));
        state.set_boot(Boot(5));
        assert!(matches!(state.who, Who::Signed(_)));
        state.set_record(new.clone());
        assert_eq!((state.boot(), state.record()), (Boot(5), Some(&new)));
        state.set_boot(Boot(6));
        assert!(matches!(state.who, Who::Signed(_)));
        assert_eq!((state.id(), state.boot()), (crypto.id(), Boot(6)));
    }

    #[test]
    fn what_was_sent_is_remembered_to_a_millisecond() {
        let mut state = PeerState::new(NodeId([1; 32]));
        let day = Duration::from_secs(86_400);
        for days in [0, 1, 49, 50, 1_000] {
            let sent = Time::START.after(day * days);
            state.note_sent(sent);
            let later = sent.after(Duration::from_secs(3));
            let error = sent.since(state.last_sent(later));
            assert!(error < Duration::from_millis(1), "{days} days: {error:?}");
        }
    }

    #[test]
    fn a_peer_takes_64_bytes() {
        assert_eq!(size_of::<Option<PeerState>>(), 64);
    }
}
