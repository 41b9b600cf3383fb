//! From one council to the next: never two that grant.
//!
//! ```text
//!  a charter names another council ─▶ shut ── a majority of each former one is sealed ─▶ open
//!                                       ▲     or one of this council is open already      │
//!                                       └─ a former one that was not known of ◀───────────┘
//! ```
//! A member of the group goes by one charter at a time, the highest that it knows, and grants
//! nothing by a lower one from then on: it is *sealed*. The members of the new council ask those of
//! every former one that they know of whether they are; whoever is asked takes the higher charter
//! and says which former councils it knows of itself, so two changes at once cannot pass each
//! other: both need majorities of the same council, and who is in both knows both. When all are
//! sealed the new council waits as long as an acceptor that lost its memory, for what was granted
//! last to be over, and then grants, above the highest round that a sealed one promised.
//!
//! Promises: a council grants only when no lower one can. Needs: a majority of each former council
//! in the group until then; and what a node knows of councils is memory, so a node that is started
//! by an old configuration, or by a new one where it can ask nobody, knows only that one. *Never*:
//! more than [`FormerCouncil::COUNT_MAX`] former councils; those beyond keep this one shut until one
//! that is open is met.
//! Source: reconfiguration by sealing as in Vertical Paxos (Lamport, Malkhi, Zhou 2009).
//! Cost: nothing until a council changes; then a question to each of both councils each half life.

use archipelago_core::wire::{CharterId, FormerCouncil, List};
use archipelago_core::{NodeId, Time};

/// What one member knows of councils that its charter's council takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    former: Vec<Sealing>,
    /// The highest round that was promised by former councils, as far as is known.
    highest: u64,
    /// Councils of charters below this one are over.
    covers: CharterId,
    /// Since when this council may grant, if it may.
    open: Option<Time>,
    ask_at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sealing {
    charter: CharterId,
    members: Vec<NodeId>,
    /// A bit for each that is sealed.
    sealed: u8,
}

impl Default for Succession {
    fn default() -> Self {
        Self {
            former: Vec::new(),
            highest: 0,
            covers: CharterId::default(),
            open: None,
            ask_at: Time::START,
        }
    }
}

impl Succession {
    /// There was a council by this charter which may grant yet. Whether that was news; if so, the
    /// present one is shut.
    pub fn handle_former(&mut self, charter: CharterId, members: &[NodeId]) -> bool {
        if charter < self.covers {
            return false;
        }
        let mut known = self.former.iter_mut();
        if let Some(known) = known.find(|known| known.members == members) {
            known.charter = known.charter.max(charter);
            return false;
        }
        self.former.push(Sealing {
            charter,
            members: members.to_vec(),
            sealed: 0,
        });
        self.bound();
        self.shut();
        true
    }

    /// A charter of another council is gone by now: what was sealed for the one before is not for
    /// this one.
    pub fn handle_charter(&mut self) {
        for former in &mut self.former {
            former.sealed = 0;
        }
        self.shut();
    }

    /// This node promised no more than this so far.
    pub fn handle_promised(&mut self, highest: u64) {
        self.highest = self.highest.max(highest);
    }

    /// A member of the group goes by this node's council and is sealed, having promised no more
    /// than `highest`. Whether all former councils are sealed now.
    pub fn handle_sealed(&mut self, by: &NodeId, highest: u64) -> bool {
        self.highest = self.highest.max(highest);
        for former in &mut self.former {
            let place = former.members.iter().position(|member| member == by);
            former.sealed |= place.map_or(0, |place| 1 << (place & 7));
        }
        self.open.is_none() && self.former.iter().all(Sealing::is_over)
    }

    /// The council may grant when it was silent for a life from now on, above the round `highest`;
    /// councils of charters below `covers` are over.
    pub fn open(&mut self, highest: u64, covers: CharterId, now: Time) {
        self.covers = self.covers.max(covers);
        self.highest = self.highest.max(highest);
        self.former = Vec::new();
        self.ask_at = Time::NEVER;
        self.open = Some(now);
    }

    /// One of this council says that it grants, and that councils of charters below `covers` are
    /// over. Whether those are all that are known of here.
    pub fn is_open_by(&self, covers: CharterId) -> bool {
        let mut former = self.former.iter();
        self.open.is_none() && former.all(|former| former.charter < covers)
    }

    /// Since when the council may grant, if it may.
    pub const fn opened(&self) -> Option<Time> {
        self.open
    }

    /// Councils of charters below this one are over.
    pub const fn covers(&self) -> CharterId {
        self.covers
    }

    /// The highest round that is known to have been promised by former councils.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// When to ask (again).
    pub const fn poll_timeout(&self) -> Time {
        self.ask_at
    }

    /// The question is said, and again then.
    pub const fn asked(&mut self, again_at: Time) {
        self.ask_at = again_at;
    }

    /// The councils that may grant yet.
    pub fn former(&self) -> List<FormerCouncil, { FormerCouncil::COUNT_MAX }> {
        List::truncated(self.former.iter().map(|former| FormerCouncil {
            charter: former.charter,
            members: List::truncated(former.members.iter().copied()),
        }))
    }

    /// What is beyond the limit is one former council that nobody can seal.
    fn bound(&mut self) {
        if self.former.len() > FormerCouncil::COUNT_MAX
            && let Some(last) = self.former.pop()
            && let Some(full) = self.former.last_mut()
        {
            full.charter = full.charter.max(last.charter);
            (full.members, full.sealed) = (Vec::new(), 0);
        }
    }

    const fn shut(&mut self) {
        self.open = None;
        self.ask_at = Time::START;
    }
}

impl Sealing {
    /// A majority of those who might have granted do not any more.
    fn is_over(&self) -> bool {
        self.sealed.count_ones() as usize > self.members.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    fn charter(epoch: u64) -> CharterId {
        CharterId { epoch, hash: 0 }
    }

    fn council(first: u8) -> [NodeId; 3] {
        [first, first + 1, first + 2].map(node)
    }

    #[test]
    fn i6_a_council_opens_when_a_majority_of_each_former_one_is_sealed() {
        let mut next = Succession::default();
        assert!(next.handle_former(charter(1), &council(1)));
        assert!(next.handle_former(charter(2), &council(3)));
        assert!(!next.handle_former(charter(1), &council(1)), "it is known");
        next.handle_promised(5);
        assert!(!next.handle_sealed(&node(1), 7));
        assert!(!next.handle_sealed(&node(1), 7), "one is no majority");
        assert!(
            !next.handle_sealed(&node(2), 3),
            "the other one is not over"
        );
        assert!(!next.handle_sealed(&node(9), 9), "of neither");
        assert!(!next.handle_sealed(&node(5), 1));
        assert!(next.handle_sealed(&node(3), 1), "it is of both");
        next.open(2, charter(3), Time::from_micros(8));
        assert_eq!(next.opened(), Some(Time::from_micros(8)));
        assert_eq!((next.highest(), next.covers()), (9, charter(3)));
        assert!(next.former().is_empty() && next.poll_timeout() == Time::NEVER);
    }

    #[test]
    fn i6_what_was_sealed_for_one_charter_is_not_for_the_next() {
        let mut next = Succession::default();
        next.handle_former(charter(1), &council(1));
        assert!(!next.handle_sealed(&node(1), 0));
        next.handle_charter();
        next.handle_former(charter(2), &council(4));
        assert!(!next.handle_sealed(&node(2), 0));
        assert!(!next.handle_sealed(&node(4), 0));
        assert!(
            !next.handle_sealed(&node(5), 0),
            "of the first one only one is"
        );
        assert!(next.handle_sealed(&node(3), 0));
    }

    #[test]
    fn i6_an_open_council_shuts_for_a_former_one_that_it_does_not_cover() {
        let mut next = Succession::default();
        next.open(0, charter(4), Time::START);
        assert!(!next.handle_former(charter(3), &council(1)));
        assert!(next.opened().is_some());
        assert!(next.handle_former(charter(4), &council(1)));
        assert!(next.opened().is_none() && next.poll_timeout() == Time::START);
        assert!(
            !next.is_open_by(charter(4)),
            "who says so does not cover it"
        );
        assert!(next.is_open_by(charter(5)));
    }

    #[test]
    fn more_councils_than_can_be_named_are_never_sealed() {
        let mut next = Succession::default();
        for first in 0..9 {
            next.handle_former(charter(u64::from(first)), &council(3 * first));
        }
        assert_eq!(next.former().len(), FormerCouncil::COUNT_MAX);
        let sealed = (0..27).any(|byte| next.handle_sealed(&node(byte), 0));
        assert!(!sealed);
        assert!(!next.is_open_by(charter(8)) && next.is_open_by(charter(9)));
    }
}
