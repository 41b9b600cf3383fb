//! How far look-ups go: the reflectors that each one's question reached, one after the other.
//!
//! Questions are seen as they arrive, and a look-up is over with the first answer at whoever asked; a
//! question to several at once (a hedge) counts as deep as the deepest of them had come by then.
//! Cost: an entry for each look-up under way, and one for each depth.

use std::collections::BTreeMap;

use archipelago_core::wire::{Control, RouteBody};
use archipelago_core::{NodeId, Time};

use crate::names;

/// A question or an answer, as it arrived.
#[derive(Debug)]
pub(crate) struct HopSeen {
    time: Time,
    /// Who wants to know, and of whom.
    flight: (u32, NodeId),
    /// How many more reflectors the question may pass; none for the answer.
    hops: Option<u8>,
}

impl HopSeen {
    /// If the message to `target` is of interest.
    pub(crate) fn new(target: u32, message: &Control, time: Time) -> Option<Self> {
        let Control::Route(body) = message else {
            return None;
        };
        let (flight, hops) = match body {
            RouteBody::Lookup(lookup) => {
                let requester = names::node_of(&lookup.requester);
                ((requester, lookup.target), Some(lookup.hops))
            }
            RouteBody::LookupReply(reply) => ((target, reply.target), None),
            _ => return None,
        };
        Some(Self { time, flight, hops })
    }
}

/// Look-ups under way and done.
#[derive(Debug, Default)]
pub(crate) struct HopTap {
    /// With how many hops the question set out, and the fewest it had left anywhere.
    flights: BTreeMap<(u32, NodeId), (u8, u8)>,
    /// How many look-ups reached so many reflectors.
    done: BTreeMap<u64, u64>,
}

impl HopTap {
    /// What arrived since the last time, of all shards.
    pub(crate) fn on_seen(&mut self, mut seen: Vec<HopSeen>) {
        // Equal times are of different nodes, and what follows from a message is later.
        seen.sort_by_key(|seen| (seen.time, seen.flight, seen.hops.is_none()));
        for HopSeen { flight, hops, .. } in seen {
            match hops {
                Some(hops) => {
                    let (_, least) = self.flights.entry(flight).or_insert((hops, hops));
                    *least = hops.min(*least);
                }
                None => self.on_answer(flight),
            }
        }
    }

    /// How many look-ups reached so many reflectors before they were answered, rising.
    pub(crate) fn done(&self) -> Vec<(u64, u64)> {
        self.done
            .iter()
            .map(|(&hops, &count)| (hops, count))
            .collect()
    }

    /// The first answer at whoever asked; reflectors on the way have no flight of their own here.
    fn on_answer(&mut self, flight: (u32, NodeId)) {
        if let Some((first, least)) = self.flights.remove(&flight) {
            let hops = u64::from(first.saturating_sub(least)) + 1;
            *self.done.entry(hops).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_is_as_long_as_its_deepest_question_before_the_answer() {
        let sought = NodeId([7; 32]);
        let seen = |micros, asker, hops| HopSeen {
            time: Time::from_micros(micros),
            flight: (asker, sought),
            hops,
        };
        let mut tap = HopTap::default();
        tap.on_seen(vec![
            seen(30, 1, None),
            seen(10, 1, Some(32)),
            seen(20, 1, Some(31)),
            seen(40, 1, None),
        ]);
        assert_eq!(tap.done(), [(2, 1)], "the second answer is of no flight");
        tap.on_seen(vec![seen(50, 2, Some(32)), seen(50, 3, Some(32))]);
        tap.on_seen(vec![seen(60, 2, None), seen(60, 3, None)]);
        assert_eq!(tap.done(), [(1, 2), (2, 1)]);
    }
}
