//! What look-ups, forwarding and watchers ask: the map of reflection and the hierarchy as one.
//!
//! On the way up tiers rise with each hop, on the way down they fall, so that nothing circles
//! whatever is wired how: a question that came up by a group of tier t goes on only in groups
//! above t, one that came down by it only in groups below.

use std::collections::BTreeSet;

use archipelago_core::wire::{Heading, Uplink};
use archipelago_core::{GroupId, NodeId, Peer, Peers};

use super::Up;
use super::level::Level;
use crate::clients::Clients;
use crate::reflect::Reflect;
use crate::routes::{Hop, Membership, Routes, Standing, has_session, rank};

/// One group of a hierarchy as this node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierInfo {
    /// Which.
    pub group: GroupId,
    /// Its tier.
    pub tier: u8,
    /// This node is there because it was elected.
    pub is_elected: bool,
    /// The parents that this node is up in, for this group.
    pub parents: Vec<GroupId>,
    /// Members, this one included, that lead up.
    pub reflectors: Vec<NodeId>,
    /// Groups above that any of them leads to, nearest first.
    pub ancestors: Vec<GroupId>,
    /// Groups below that are known here.
    pub below: Vec<GroupId>,
}

impl Up {
    /// The groups that have parents or children, by id.
    pub fn tiers(&self, me: NodeId) -> Vec<TierInfo> {
        let levels = self.levels.iter();
        levels
            .map(|(&group, level)| info(group, level, me))
            .collect()
    }

    /// Rises when what is read here may read differently.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    fn tier(&self, group: GroupId) -> u8 {
        self.levels.get(&group).map_or(0, |level| level.tier())
    }

    /// The groups below any of this node's, by their ids.
    pub fn below(&self) -> BTreeSet<GroupId> {
        let levels = self.levels.values();
        levels
            .flat_map(|level| level.below.keys().copied())
            .collect()
    }

    /// This node's groups that something in this heading may go through, lowest tier first.
    fn open(&self, heading: Option<Heading>) -> Vec<(u8, GroupId, &Level)> {
        let is_open = |tier: u8| match heading {
            None => true,
            Some(Heading::Sideways) => false,
            Some(Heading::Up(from)) => tier > from,
            Some(Heading::Down(from)) => tier < from,
        };
        let levels = self
            .levels
            .iter()
            .map(|(&id, level)| (level.tier(), id, &**level));
        let mut open: Vec<_> = levels
            .filter(|(tier, _, level)| level.is_up && is_open(*tier))
            .collect();
        open.sort_unstable_by_key(|&(tier, id, _)| (tier, id));
        open
    }

    /// Who tells of `target` below, of the lowest group that has it.
    fn down(
        &self,
        target: GroupId,
        heading: Option<Heading>,
        routes: &dyn Routes,
        peers: &Peers,
    ) -> Vec<Hop> {
        let mut hops = Vec::new();
        for (tier, group, level) in self.open(heading) {
            let Some(tellers) = level.below.get(&target) else {
                continue;
            };
            // Who took a group in is asked for it after those of its own.
            for is_alive in [true, false] {
                let of = tellers
                    .iter()
                    .filter(|(_, signed)| (signed.record.size > 0) == is_alive);
                let ids = of.flat_map(|(&teller, signed)| {
                    let reflectors = signed.record.reflectors.iter().copied();
                    reflectors.chain([teller])
                });
                let ids: BTreeSet<NodeId> = ids.collect();
                let members = members(group, ids, routes, peers);
                hops.extend(ranked(
                    members,
                    Heading::Down(tier),
                    peers,
                    self.record.record.node,
                ));
            }
        }
        hops
    }

    /// Who leads up from the highest group on: only where this node is not itself.
    fn up(&self, heading: Option<Heading>, routes: &dyn Routes, peers: &Peers) -> Vec<Hop> {
        if matches!(heading, Some(Heading::Down(_) | Heading::Sideways)) {
            return Vec::new();
        }
        let leads_on = |level: &Level, uplink: &Uplink| {
            let mut ancestors = level.ancestors(uplink);
            ancestors.any(|ancestor| !self.is_up_in(ancestor.group))
        };
        let mut hops = Vec::new();
        for (tier, group, level) in self.open(heading).into_iter().rev() {
            let uplinks = level.uplinks.iter();
            let leading = uplinks.filter(|(_, uplink)| leads_on(level, uplink));
            let ids = leading.map(|(&id, _)| id);
            let members = members(group, ids, routes, peers);
            hops.extend(ranked(
                members,
                Heading::Up(tier),
                peers,
                self.record.record.node,
            ));
        }
        hops
    }

    fn is_up_in(&self, group: GroupId) -> bool {
        self.levels.get(&group).is_some_and(|level| level.is_up)
    }
}

fn info(group: GroupId, level: &Level, me: NodeId) -> TierInfo {
    let own = level.said.0.parents.iter();
    let own = own.filter(|said| !said.ancestors.is_empty());
    let parents: Vec<GroupId> = own.map(|said| said.group).collect();
    let leads = |uplink: &Uplink| uplink.parents.iter().any(|p| !p.ancestors.is_empty());
    let uplinks = level.uplinks.iter();
    let others = uplinks
        .filter(|(_, uplink)| leads(uplink))
        .map(|(&id, _)| id);
    let own = (!parents.is_empty()).then_some(me);
    TierInfo {
        group,
        tier: level.tier(),
        is_elected: level.is_elected,
        parents,
        reflectors: own.into_iter().chain(others).collect(),
        ancestors: level.lead().iter().map(|a| a.group).collect(),
        below: level.groups_below().into_iter().collect(),
    }
}

/// Those of `ids` that are living members of `group` with a session.
fn members(
    group: GroupId,
    ids: impl IntoIterator<Item = NodeId>,
    routes: &dyn Routes,
    peers: &Peers,
) -> Vec<Peer> {
    let ids = ids.into_iter();
    ids.filter_map(|id| match routes.membership(group, &id, peers) {
        Membership::Up(peer) if has_session(peer, peers) => Some(peer),
        _ => None,
    })
    .collect()
}

fn ranked(members: Vec<Peer>, heading: Heading, peers: &Peers, me: NodeId) -> Vec<Hop> {
    let mut ranked: Vec<_> = members
        .into_iter()
        .map(|peer| rank(me, peer, peers))
        .collect();
    ranked.sort_unstable();
    let ranked = ranked.into_iter();
    ranked.map(|(.., peer)| Hop { peer, heading }).collect()
}

/// The map of reflection with the hierarchy over it: what look-ups and forwarding are lent.
pub(crate) struct Atlas<'a> {
    pub(crate) reflect: &'a Reflect,
    pub(crate) up: &'a Up,
    pub(crate) clients: Option<&'a Clients>,
}

impl Atlas<'_> {
    /// A hidden node asks those who serve it, for itself only.
    fn own_hosts(&self, group: GroupId, heading: Option<Heading>) -> Vec<Hop> {
        let clients = self.clients.filter(|_| heading.is_none());
        let hosts = clients.into_iter().flat_map(|c| c.own_hosts(group));
        let heading = Heading::Sideways;
        hosts.map(|peer| Hop { peer, heading }).collect()
    }

    /// To overlapping groups. A plain member asks reflectors of its groups, who know more.
    fn sideways(&self, group: GroupId, heading: Option<Heading>, peers: &Peers) -> Vec<Hop> {
        if matches!(heading, Some(Heading::Down(_) | Heading::Up(1..))) {
            return Vec::new();
        }
        let next_hops = self.reflect.next_hops(group, peers).into_iter();
        if self.reflect.reflects() {
            let heading = Heading::Sideways;
            return next_hops.map(|peer| Hop { peer, heading }).collect();
        }
        let up = |peer| {
            let common = self.reflect.common_groups(peer).into_iter();
            let tier = common.map(|group| self.up.tier(group)).min();
            let heading = Heading::Up(tier.unwrap_or(0));
            Hop { peer, heading }
        };
        next_hops.map(up).collect()
    }
}

impl Routes for Atlas<'_> {
    fn standing(&self, group: GroupId) -> Option<Standing> {
        self.reflect.standing(group)
    }

    fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership {
        self.reflect.membership(group, node, peers)
    }

    fn common_groups(&self, peer: Peer) -> Vec<GroupId> {
        self.reflect.common_groups(peer)
    }

    fn members(&self, group: GroupId) -> Vec<Peer> {
        self.reflect.members(group)
    }

    fn reflectors(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        self.reflect.reflectors(group, peers)
    }

    fn next_hops(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        let hops = self.hops(group, None, peers).into_iter();
        hops.map(|hop| hop.peer).collect()
    }

    fn hops_to(
        &self,
        group: GroupId,
        target: &NodeId,
        heading: Option<Heading>,
        peers: &Peers,
    ) -> Vec<Hop> {
        if self.reflect.standing(group).is_none() {
            return self.hops(group, heading, peers);
        }
        let heading = heading.unwrap_or(Heading::Sideways);
        let hosts = self.hosts(group, target, peers).into_iter();
        hosts.map(|peer| Hop { peer, heading }).collect()
    }

    fn hosts(&self, group: GroupId, client: &NodeId, peers: &Peers) -> Vec<Peer> {
        let Some(clients) = self.clients else {
            return Vec::new();
        };
        let hosts = clients.hosts(group, *client);
        members(group, hosts.iter().copied(), self.reflect, peers)
    }

    fn is_served(&self, client: &NodeId, host: &NodeId) -> bool {
        let clients = self.clients;
        clients.is_some_and(|clients| clients.is_served(client, host))
    }

    fn is_inside(&self, group: GroupId, node: &NodeId, peers: &Peers) -> bool {
        let clients = self.clients;
        clients.is_some_and(|clients| !clients.hosts(group, *node).is_empty())
            || matches!(self.membership(group, node, peers), Membership::Up(_))
    }

    fn uses(&self, group: GroupId) -> bool {
        let clients = self.clients;
        clients.is_some_and(|clients| clients.own.contains_key(&group))
    }

    /// Down where the group is known below, sideways where it is known beside, else up; what a
    /// plain member does not know itself it asks a reflector last.
    fn hops(&self, group: GroupId, heading: Option<Heading>, peers: &Peers) -> Vec<Hop> {
        let sideways = self.sideways(group, heading, peers);
        let down = self.up.down(group, heading, self.reflect, peers);
        let (beside, asked) = if self.reflect.reflects() {
            (sideways, Vec::new())
        } else {
            (Vec::new(), sideways)
        };
        let is_known = !beside.is_empty() || !down.is_empty();
        let up = if is_known {
            Vec::new()
        } else {
            self.up.up(heading, self.reflect, peers)
        };
        let mut seen = BTreeSet::new();
        let all = beside.into_iter().chain(down).chain(up).chain(asked);
        let all = self.own_hosts(group, heading).into_iter().chain(all);
        all.filter(|hop| seen.insert(hop.peer)).collect()
    }

    fn reflects(&self) -> bool {
        self.reflect.reflects()
    }

    fn is_reflector(&self, peer: Peer) -> bool {
        let clients = self.clients;
        self.reflect.is_reflector(peer) || clients.is_some_and(|clients| clients.is_own_host(peer))
    }
}
