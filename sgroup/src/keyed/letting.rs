//! A host that runs a shard only while it is leased to it: what [`Host`] does besides.
//!
//! ```text
//!  the service's strict name ─▶ handle_office ─▶ Lessor: who holds the name calls the hosts
//!  what this host would run  ─▶ Leases: Apply ─▶ Lessor ─▶ Lease ─▶ a fence for each shard's workers
//!  a life without an answer  ─▶ workers aborted and dropped, requests refused as `Unleased`
//! ```
//! Ownership goes on as without leases: claims, drains, states. A lease comes on top: it is applied
//! for once a shard is this host's, kept while the shard drains, and given back after that. The
//! host that gives a shard back says who has its states; a host that is leased a shard which
//! somebody else ran meanwhile throws away what it has of it, so that no worker goes on from a state
//! that is not the last one.

use std::time::Duration;

use archipelago_core::wire::KeyedWord;
use archipelago_core::{LocalId, NodeId, Time};

use super::deed::Deed;
use super::leases::{Answer, Leases};
use super::lessor::{Application, Lessor};
use super::{Host, Outputs};
use crate::shards::{Shard, ShardSet};

/// What a host with leases has besides.
#[derive(Debug)]
pub(super) struct Letting {
    life: Duration,
    pub(super) leases: Leases,
    /// While this node holds the service's strict name.
    pub(super) lessor: Option<Lessor>,
}

impl Letting {
    pub(super) fn new(life: Duration) -> Self {
        Self {
            life,
            leases: Leases::new(life),
            lessor: None,
        }
    }

    /// When anything of it is due.
    pub(super) fn next(&self) -> Time {
        let lessor = self.lessor.as_ref();
        let lessor = lessor.map_or(Time::NEVER, Lessor::next);
        lessor.min(self.leases.next())
    }
}

impl<W, M> Host<W, M> {
    /// This node holds the service's strict name under this fence, until then by its own clock; or
    /// does not any more. Ignored by a host without leases.
    pub fn handle_office(
        &mut self,
        office: Option<(u64, Time)>,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        let Some(letting) = &mut self.letting else {
            return;
        };
        match (office, &mut letting.lessor) {
            (None, lessor) => *lessor = None,
            (Some((term, until)), Some(lessor)) if lessor.term() == term => lessor.renew(until),
            (Some((term, until)), lessor) => {
                *lessor = Some(Lessor::new(term, until, letting.life, now));
            }
        }
        self.handle_timeout(now, out);
    }

    /// Whether the leases are all that is wanted; also without any.
    pub(super) fn is_let(&self, now: Time) -> bool {
        let letting = self.letting.as_ref();
        letting.is_none_or(|letting| letting.leases.is_whole(now))
    }

    /// Whether nobody waits for a lease of this host's.
    pub(super) fn has_let(&self) -> bool {
        let lessor = self.letting.as_ref();
        let lessor = lessor.and_then(|letting| letting.lessor.as_ref());
        lessor.is_none_or(Lessor::has_let)
    }

    /// Whether a shard of this host's may be run now.
    pub(super) fn is_leased(&self, shard: Shard, now: Time) -> bool {
        let letting = self.letting.as_ref();
        letting.is_none_or(|letting| letting.leases.is_held(shard, now))
    }

    /// Ends what is leased no more.
    pub(super) fn lapse(&mut self, now: Time, out: &mut Outputs<W, M>) {
        let letting = self.letting.as_mut();
        let over = letting.map_or_else(Vec::new, |letting| letting.leases.expire(now));
        for shard in over {
            self.workers.set_fence(shard, None);
            self.workers.lose(shard, out);
            self.hand_on(shard, now, out);
        }
    }

    /// Calls the hosts, if this one lets, and takes back what is over.
    pub(super) fn let_out(&mut self, now: Time, out: &mut Vec<Deed>) {
        let hosts = self.ownership.others().chain([self.me]);
        let lessor = self
            .letting
            .as_mut()
            .and_then(|letting| letting.lessor.as_mut());
        if let Some(lessor) = lessor
            && lessor.next() <= now
        {
            lessor.timeout(hosts, now, out);
        }
    }

    /// Applies anew where what it would run has changed.
    pub(super) fn relet(&mut self, now: Time, out: &mut Vec<Deed>) {
        let Some(letting) = &mut self.letting else {
            return;
        };
        if let Some((wanted, heirs)) = self.ownership.take_wanted() {
            for shard in letting.leases.want(wanted, heirs, now, out) {
                self.workers.set_fence(shard, None);
            }
        }
    }

    /// A word about leases; whether it was one.
    pub(super) fn on_lease_word(
        &mut self,
        from: NodeId,
        word: &KeyedWord,
        now: Time,
        (deeds, out): (&mut Vec<Deed>, &mut Outputs<W, M>),
    ) -> bool {
        let Some(letting) = &mut self.letting else {
            return false;
        };
        let run = self.ownership.run_of(from).unwrap_or(LocalId(0));
        match word {
            KeyedWord::Lessor { term } => {
                letting.leases.on_lessor((from, run), *term, now, deeds);
            }
            KeyedWord::Apply { term, .. } => {
                let lessor = letting.lessor.as_mut();
                let lessor = lessor.filter(|lessor| lessor.term() == *term);
                if let (Some(lessor), Some(application)) = (lessor, application(word)) {
                    lessor.apply((from, run), application, now, deeds);
                }
            }
            KeyedWord::Lease { .. } => self.on_lease(from, word, now, out),
            _ => return false,
        }
        true
    }

    fn on_lease(&mut self, from: NodeId, word: &KeyedWord, now: Time, out: &mut Outputs<W, M>) {
        let (Some(letting), Some(answer)) = (&mut self.letting, answer(word)) else {
            return;
        };
        for taken in letting.leases.on_answer(from, &answer, now) {
            if taken.is_fresh {
                self.workers.lose(taken.shard, out);
            }
            self.workers.set_fence(taken.shard, Some(taken.fence));
        }
    }
}

fn application(word: &KeyedWord) -> Option<Application> {
    let KeyedWord::Apply {
        number,
        seen,
        wanted,
        lacking,
        heirs,
        ..
    } = word
    else {
        return None;
    };
    let wanted = ShardSet::from_bits(wanted);
    let heirs = heirs.iter();
    let heirs = heirs.filter_map(|(shard, to)| Some((Shard::new(*shard)?, *to)));
    Some(Application {
        number: *number,
        seen: *seen,
        held: wanted.without(&ShardSet::from_bits(lacking)),
        wanted,
        heirs: heirs.collect(),
    })
}

fn answer(word: &KeyedWord) -> Option<Answer> {
    let KeyedWord::Lease {
        term,
        number,
        serial,
        refused,
        fresh,
        life_ms,
    } = word
    else {
        return None;
    };
    Some(Answer {
        term: *term,
        number: *number,
        serial: *serial,
        refused: ShardSet::from_bits(refused),
        fresh: ShardSet::from_bits(fresh),
        life: Duration::from_millis(u64::from(*life_ms)),
    })
}
