//! The nodes that envelopes are exchanged with: their records, and the way taken to each.
//!
//! A way is kept while it works, since another one may be faster or slower and so reorder what is
//! sent. Cost: at most one record, one window and ~100 bytes per contact.

use std::sync::Arc;

use archipelago_core::{Boot, GroupId, NodeId, Peer, SignedRecord, Time};

use super::replay::Window;
use super::{ForwardConfig, Way};
use crate::lru::Lru;

/// One node at the other end.
#[derive(Debug)]
pub(super) struct Contact {
    /// Verified.
    pub(super) record: Arc<SignedRecord>,
    /// Where relays to it go.
    pub(super) group: Option<GroupId>,
    /// Of its present boot.
    pub(super) window: Window,
    relay: Line,
    detour: Line,
    /// Version of our record that was sent with an envelope.
    introduced: Option<(Boot, u64)>,
    /// Something came back since.
    is_acquainted: bool,
}

/// How one way to a contact does.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The next hop in use.
    pub(super) choice: Option<Peer>,
    /// Who brought the last envelope.
    pub(super) via: Option<Peer>,
    /// How often the way was changed.
    pub(super) attempt: u8,
    /// Envelopes sent since one last came back.
    unanswered: u32,
    /// When the first of them was sent.
    unanswered_since: Time,
}

impl Contact {
    pub(super) fn new(record: Arc<SignedRecord>, group: Option<GroupId>) -> Self {
        Self {
            record,
            group,
            window: Window::default(),
            relay: Line::default(),
            detour: Line::default(),
            introduced: None,
            is_acquainted: false,
        }
    }

    pub(super) fn line(&mut self, way: Way) -> &mut Line {
        match way {
            Way::Relay => &mut self.relay,
            Way::Detour => &mut self.detour,
        }
    }

    /// Takes a record that is newer; with another boot, everything starts over.
    pub(super) fn renew(&mut self, record: &Arc<SignedRecord>) {
        if record.version() <= self.record.version() {
            return;
        }
        if record.record.boot != self.record.record.boot {
            let group = self.group;
            *self = Self::new(Arc::clone(record), group);
        } else {
            self.record = Arc::clone(record);
        }
    }

    /// Whether the next envelope should carry our record of version `own`; notes that it does.
    pub(super) fn introduce(&mut self, own: (Boot, u64)) -> bool {
        if self.introduced == Some(own) && self.is_acquainted {
            return false;
        }
        if self.introduced != Some(own) {
            self.introduced = Some(own);
            self.is_acquainted = false;
        }
        true
    }

    /// Something of it arrived, by `via`. On a detour only what comes back by the member in use
    /// answers for that member: another one may bring everything here while this one drops what
    /// it is given.
    pub(super) fn note_heard(&mut self, way: Way, via: Peer) {
        self.is_acquainted = self.introduced.is_some();
        let line = self.line(way);
        line.via = Some(via);
        if way == Way::Relay || line.choice.is_none_or(|choice| choice == via) {
            line.unanswered = 0;
        }
    }

    /// Gives up the present way: nothing comes back by it. On a detour the member by which the
    /// other end speaks is taken next, so that both come to use the same.
    pub(super) fn reroute(&mut self, way: Way) {
        self.is_acquainted = false;
        let line = self.line(way);
        let other = line.via.filter(|&via| line.choice != Some(via));
        line.choice = other.filter(|_| way == Way::Detour);
        line.via = None;
        line.unanswered = 0;
        line.attempt = line.attempt.wrapping_add(1);
    }
}

impl Line {
    /// Whether so much was sent without an answer that another way should be tried. `patience` is
    /// 1 or more: two ends that moved at once might miss each other for ever.
    pub(super) fn is_withheld(&self, config: &ForwardConfig, patience: u32, now: Time) -> bool {
        let (count, span) = config.withheld_after;
        self.unanswered >= count && now.since(self.unanswered_since) >= span * patience
    }

    pub(super) fn note_sent(&mut self, now: Time) {
        if self.unanswered == 0 {
            self.unanswered_since = now;
        }
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The next hop among `choices`, best first: the one in use, else who brought the last
    /// envelope, else by the number of attempts.
    pub(super) fn choose(&mut self, choices: &[Peer]) -> Option<Peer> {
        let is_there = |peer: &Peer| choices.contains(peer);
        let turn = usize::from(self.attempt).checked_rem(choices.len())?;
        let kept = self.choice.filter(is_there);
        let choice = kept
            .or(self.via.filter(is_there))
            .or(choices.get(turn).copied());
        self.choice = choice;
        choice
    }
}

/// All contacts.
pub(super) type Contacts = Lru<NodeId, Contact>;
