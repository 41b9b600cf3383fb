//! What lies between two nodes: latency, jitter, loss, bandwidth, and whether anything gets through.
//!
//! A link has two directions with a state each. Its figures come from a profile of its own, else
//! from the world's [`Underlay`], else from the profile of all links. Loss is a delay: sessions are
//! reliable, so a lost packet arrives later, as the sender's transport would send it again. A cut
//! direction carries nothing; the sender's session holds what it has, tries again at the instants
//! that TCP would, and breaks after the transport's time-out. A node without power is at the end of cut links only.
//! Cost: nothing per packet while every link is up and has no profile of its own; else O(log n).

pub(crate) mod backoff;
mod line;
pub(crate) mod loss;
mod profile;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::Time;

pub(crate) use line::{Lane, Line};
pub use profile::LinkProfile;
pub(crate) use profile::occupancy;

use crate::random::Random;
use crate::underlay::Underlay;

/// How one direction of a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// Packets get through.
    #[default]
    Up,
    /// Packets wait, and sessions do not notice: for tests that need an exact order.
    Held,
    /// Nothing gets through; sessions break after the transport's time-out.
    Cut,
}

/// All links of a world: a default, and what differs from it.
#[derive(Debug)]
pub struct Links {
    default: LinkProfile,
    underlay: Option<Underlay>,
    profiles: BTreeMap<(u32, u32), LinkProfile>,
    states: BTreeMap<(u32, u32), LinkState>,
    /// On which side of a partition a node is; nodes that are not listed reach all sides.
    sides: BTreeMap<u32, u32>,
    /// Nodes without power.
    dark: BTreeSet<u32>,
}

impl Links {
    /// Every link up, and like `default`.
    pub const fn new(default: LinkProfile) -> Self {
        Self {
            default,
            underlay: None,
            profiles: BTreeMap::new(),
            states: BTreeMap::new(),
            sides: BTreeMap::new(),
            dark: BTreeSet::new(),
        }
    }

    /// How long the next packet from `from` to `to` is under way when it leaves at `now`,
    /// retransmissions included.
    pub fn delay(&self, from: u32, to: u32, now: Time, random: &mut Random) -> Duration {
        match (self.own_profile(from, to), &self.underlay) {
            (Some(profile), _) => profile.delay(random),
            (None, Some(underlay)) => underlay.delay(from, to, now, random),
            (None, None) => self.default.delay(random),
        }
    }

    /// A packet's way from `from` to `to` and back when it leaves at `now`, with nothing lost.
    pub fn round_trip(&self, from: u32, to: u32, now: Time, random: &mut Random) -> Duration {
        let mut way = |from, to| match (self.own_profile(from, to), &self.underlay) {
            (Some(profile), _) => profile.latency + profile.jitter / 2,
            (None, Some(underlay)) => underlay.latency(from, to, now, random),
            (None, None) => self.default.latency + self.default.jitter / 2,
        };
        way(from, to) + way(to, from)
    }

    /// No packet is under way for less than this, at least 1 µs. Holds until a profile or the
    /// underlay changes.
    pub fn latency_min(&self) -> Duration {
        let common = match &self.underlay {
            Some(underlay) => underlay.latency_min(),
            None => self.default.latency,
        };
        let own = self.profiles.values().map(|profile| profile.latency);
        let least = own.fold(common, Duration::min);
        least.max(Duration::from_micros(1))
    }

    /// Bytes per second from `from` to `to`; `None` is unlimited.
    pub fn bandwidth(&self, from: u32, to: u32) -> Option<u64> {
        match (self.own_profile(from, to), &self.underlay) {
            (Some(profile), _) => profile.bandwidth,
            (None, Some(underlay)) => underlay.bandwidth(from, to),
            (None, None) => self.default.bandwidth,
        }
    }

    /// What a node sends to all others together, in bytes per second; `None` is unlimited.
    pub fn uplink(&self, node: u32) -> Option<u64> {
        self.underlay.as_ref()?.uplink(node)
    }

    /// How often the next packet from `from` to `to` is carried: more than once where the network
    /// duplicates it.
    pub fn copies(&self, from: u32, to: u32, random: &mut Random) -> u32 {
        match (self.own_profile(from, to), &self.underlay) {
            (None, Some(underlay)) => underlay.copies(random),
            _ => 1,
        }
    }

    /// Whether others can dial this node.
    pub fn is_dialable(&self, node: u32) -> bool {
        let underlay = self.underlay.as_ref();
        underlay.is_none_or(|underlay| underlay.is_dialable(node))
    }

    fn own_profile(&self, from: u32, to: u32) -> Option<&LinkProfile> {
        if self.profiles.is_empty() {
            return None;
        }
        self.profiles.get(&(from, to))
    }

    /// Whether packets from `from` get through to `to`.
    pub fn state(&self, from: u32, to: u32) -> LinkState {
        if self.is_clean() || from == to {
            return LinkState::Up;
        }
        if self.is_dark(from) || self.is_dark(to) || self.is_split(from, to) {
            return LinkState::Cut;
        }
        self.states.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Whether every link is up.
    pub fn is_clean(&self) -> bool {
        self.states.is_empty() && self.sides.is_empty() && self.dark.is_empty()
    }

    /// Whether a node has no power: nothing gets to it or from it, not even a refusal.
    pub fn is_dark(&self, node: u32) -> bool {
        self.dark.contains(&node)
    }

    /// Whether any link has a bandwidth, so that the length of packets matters.
    pub fn is_shaped(&self) -> bool {
        let common = match &self.underlay {
            Some(underlay) => underlay.is_shaped(),
            None => self.default.bandwidth.is_some(),
        };
        let mut own = self.profiles.values();
        common || own.any(|profile| profile.bandwidth.is_some())
    }

    /// Whether packets get through both ways.
    pub fn is_up(&self, a: u32, b: u32) -> bool {
        self.state(a, b) == LinkState::Up && self.state(b, a) == LinkState::Up
    }

    /// Changes the profile of every link that has none of its own; an underlay is gone.
    pub fn set_default(&mut self, profile: LinkProfile) {
        self.default = profile;
        self.underlay = None;
    }

    /// Puts every link that has no profile of its own on this underlay.
    pub fn set_underlay(&mut self, underlay: Underlay) {
        self.underlay = Some(underlay);
    }

    /// Gives the link between `a` and `b` a profile of its own, both ways.
    pub fn set_profile(&mut self, a: u32, b: u32, profile: LinkProfile) {
        self.profiles.insert((a, b), profile.clone());
        self.profiles.insert((b, a), profile);
    }

    /// Sets one direction's state.
    pub fn set_state(&mut self, from: u32, to: u32, state: LinkState) {
        if state == LinkState::Up {
            self.states.remove(&(from, to));
        } else {
            self.states.insert((from, to), state);
        }
    }

    /// Puts nodes on sides: who is on two different sides is cut off from the other.
    pub fn set_sides(&mut self, sides: &[Vec<u32>]) {
        self.sides.clear();
        for (side, nodes) in (0u32..).zip(sides) {
            self.sides.extend(nodes.iter().map(|&node| (node, side)));
        }
    }

    /// Takes a node's power.
    pub fn darken(&mut self, node: u32) {
        self.dark.insert(node);
    }

    /// Gives a node its power back; returns whether it had none.
    pub fn lighten(&mut self, node: u32) -> bool {
        self.dark.remove(&node)
    }

    /// Every link is up again; profiles stay, and who has no power still has none.
    pub fn heal(&mut self) {
        self.states.clear();
        self.sides.clear();
    }

    fn is_split(&self, from: u32, to: u32) -> bool {
        match (self.sides.get(&from), self.sides.get(&to)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_cut_one_by_one() {
        let mut links = Links::new(LinkProfile::default());
        links.set_state(1, 2, LinkState::Cut);
        assert_eq!(links.state(1, 2), LinkState::Cut);
        assert_eq!(links.state(2, 1), LinkState::Up);
        assert!(!links.is_up(2, 1));
        links.set_state(1, 2, LinkState::Up);
        assert!(links.is_clean());
    }

    #[test]
    fn nothing_passes_to_or_from_a_node_without_power() {
        let mut links = Links::new(LinkProfile::default());
        links.darken(2);
        assert_eq!(links.state(1, 2), LinkState::Cut);
        assert_eq!(links.state(2, 1), LinkState::Cut);
        assert!(links.is_up(1, 3));
        links.heal();
        assert!(!links.is_up(1, 2), "a heal of the network is no power");
        assert!(links.lighten(2) && !links.lighten(2));
        assert!(links.is_clean());
    }

    #[test]
    fn a_partition_cuts_between_its_sides_only() {
        let mut links = Links::new(LinkProfile::default());
        links.set_sides(&[vec![1, 2], vec![3]]);
        assert!(links.is_up(1, 2));
        assert!(!links.is_up(1, 3));
        assert!(links.is_up(3, 4), "who is on no side reaches all");
        links.heal();
        assert!(links.is_up(1, 3));
    }
}
