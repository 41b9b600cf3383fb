//! How a member stands: the join semilattice that views are made of.
//!
//! A standing is ordered by (boot, era, ended or not, incarnation, life), and the higher of two
//! wins, so that merging is commutative, associative and idempotent, whatever the order in which
//! members hear of things. An end (`Down`, `Left`) outranks every incarnation of its era: only a
//! new era or a new start brings a node back, so the highest incarnation makes nobody immortal.
//! `Suspect` is not part of it: suspicions are votes, short-lived and counted elsewhere.
//!
//! Source: SWIM (DSN 2002) section 4.2 for incarnations; eras are ours.

use archipelago_core::wire::{Entry, Life};
use archipelago_core::{Boot, Era, Incarnation};

/// Hearsay may raise a number by so much at once: who lies about others cannot exhaust it.
pub(crate) const HEARSAY_STEP_MAX: u32 = 64;

/// Start, era, incarnation and life of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) boot: Boot,
    pub(crate) era: Era,
    pub(crate) incarnation: Incarnation,
    life: Life,
}

impl Standing {
    pub(crate) fn new(boot: Boot, era: Era, incarnation: Incarnation, life: Life) -> Self {
        let life = if life == Life::Suspect {
            Life::Alive
        } else {
            life
        };
        Self {
            boot,
            era,
            incarnation,
            life,
        }
    }

    pub(crate) fn of(entry: &Entry) -> Self {
        Self::new(entry.boot, entry.era, entry.incarnation, entry.life)
    }

    /// `Joining`, `Alive`, `Down` or `Left`.
    pub(crate) const fn life(&self) -> Life {
        self.life
    }

    /// The same start and era with another life.
    pub(crate) fn with_life(self, life: Life) -> Self {
        Self::new(self.boot, self.era, self.incarnation, life)
    }

    /// Down or left: nothing but a new era or start follows.
    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.life, Life::Down | Life::Left)
    }

    /// What up and down events are keyed by.
    pub(crate) const fn tenure(&self) -> (Boot, Era) {
        (self.boot, self.era)
    }

    /// The higher of the two.
    #[must_use]
    pub(crate) fn merge(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    /// Whether this one would change `other` by merging.
    pub(crate) fn outranks(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    /// Whether a third party's word for this standing is believable where `known` was known.
    pub(crate) fn is_near(&self, known: &Self) -> bool {
        let era_max = known.era.0.saturating_add(HEARSAY_STEP_MAX);
        let incarnation_max = known.incarnation.0.saturating_add(HEARSAY_STEP_MAX);
        self.boot != known.boot
            || (self.era.0 <= era_max
                && (self.era != known.era || self.incarnation.0 <= incarnation_max))
    }

    /// What a node says of itself to refute a suspicion about incarnation `suspected`. Beyond the
    /// last incarnation a new era begins; in the last era it stays as it is, and can die.
    #[must_use]
    pub(crate) fn refuted(self, suspected: Incarnation) -> Self {
        let seen_max = self.incarnation.0.saturating_add(HEARSAY_STEP_MAX);
        let base = suspected.0.min(seen_max).max(self.incarnation.0);
        match base.checked_add(1) {
            Some(next) => Self {
                incarnation: Incarnation(next),
                ..self
            },
            None => self.returned(self.era),
        }
    }

    /// What a node says of itself after its era `ended` was declared over.
    #[must_use]
    pub(crate) fn returned(self, ended: Era) -> Self {
        let era_max = self.era.0.saturating_add(HEARSAY_STEP_MAX);
        let base = ended.0.min(era_max).max(self.era.0);
        Self {
            era: Era(base.saturating_add(1)),
            incarnation: Incarnation(0),
            ..self
        }
    }

    fn rank(&self) -> (Boot, Era, bool, Incarnation, Life) {
        (
            self.boot,
            self.era,
            self.is_ended(),
            self.incarnation,
            self.life,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn standing(boot: u64, era: u32, incarnation: u32, life: Life) -> Standing {
        Standing::new(Boot(boot), Era(era), Incarnation(incarnation), life)
    }

    fn any() -> impl Strategy<Value = Standing> {
        let life = prop_oneof![
            Just(Life::Joining),
            Just(Life::Alive),
            Just(Life::Suspect),
            Just(Life::Down),
            Just(Life::Left)
        ];
        let number = || prop_oneof![0u32..3, Just(u32::MAX)];
        (0u64..3, number(), number(), life)
            .prop_map(|(boot, era, incarnation, life)| standing(boot, era, incarnation, life))
    }

    proptest! {
        #[test]
        fn merging_is_a_join_semilattice(a in any(), b in any(), c in any()) {
            prop_assert_eq!(a.merge(b), b.merge(a));
            prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
            prop_assert_eq!(a.merge(a), a);
        }

        /// A8: no incarnation survives the end of its era.
        #[test]
        fn an_end_outranks_every_incarnation_of_its_era(a in any(), incarnation: u32) {
            let down = a.with_life(Life::Down);
            let immortal = standing(a.boot.0, a.era.0, incarnation, Life::Alive);
            prop_assert!(down.merge(immortal).is_ended());
        }
    }

    #[test]
    fn a_refutation_steps_once_and_past_the_last_incarnation_moves_to_the_next_era() {
        let alive = standing(1, 0, 3, Life::Alive);
        assert_eq!(alive.refuted(Incarnation(3)).incarnation, Incarnation(4));
        assert_eq!(
            alive.refuted(Incarnation(u32::MAX)).incarnation,
            Incarnation(68)
        );
        let last = standing(1, 0, u32::MAX, Life::Alive).refuted(Incarnation(u32::MAX));
        assert_eq!((last.era, last.incarnation), (Era(1), Incarnation(0)));
    }
}
