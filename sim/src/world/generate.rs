//! A start that is generated instead of joined message by message: every configured group formed,
//! every session open, at the world's present instant.
//!
//! The machines are the real ones, put by their own constructors ([`Formed`], `Node::form`) into
//! the state that joining leads to; `tests/generated.rs` holds it against joined nodes, what they
//! do afterwards included. Parents of a hierarchy are joined by those whom an election of all at
//! once chooses ([`FormedTiers`]). Results that begin so say "generated". Rows of reflectors are told by
//! messages in the first second. Round trips are drawn from the links, once for each end.
//! Cost: some µs per session; nothing is signed but each node's own record.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::{SessionId, SignedGroupRecord};
use archipelago_core::{Boot, FormedPeer, GroupId, NodeId, SignedRecord, Time};
use archipelago_router::ConfigError;
use archipelago_router::up::FormedTiers;
use archipelago_sgroup::{Formed, GroupConfig};
use std::sync::Arc;

use super::{NodeIx, World};
use crate::host::ProcessState;
use crate::observe::Observation;
use crate::random::Random;

/// The world's least age: sessions were used a while ago, some longer than others.
const AGE: Duration = Duration::from_secs(60);
/// The longest that a session was silent: all are pinged before they are quiet for 45 s.
const UNUSED_MAX: Duration = Duration::from_secs(44);
/// Splits the chance of pairs from all other chance of the run.
const PAIRS: u64 = 0x70a1;

/// Groups by their ids, with a configuration and the members' numbers.
type Plan = BTreeMap<GroupId, (Arc<GroupConfig>, Vec<u32>)>;

/// What nodes are formed from.
struct Start {
    groups: BTreeMap<GroupId, Formed>,
    /// Of each node, by its number.
    records: Vec<Option<Arc<SignedRecord>>>,
    tiers: FormedTiers,
}

impl World {
    /// Starts every node that is down in the state in which all of its groups have formed, and in
    /// a hierarchy all elections are over. A world younger than a minute becomes a minute old.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that cannot work; nodes before it are prepared and not
    /// formed.
    pub fn generate(&mut self) -> Result<(), ConfigError> {
        let age = self.now().since(Time::START);
        self.run_for(AGE.saturating_sub(age));
        let down = |node: &NodeIx| self.state(*node) == ProcessState::Down;
        let nodes: Vec<NodeIx> = self.nodes().into_iter().filter(down).collect();
        let tiers = self.elect(&nodes);
        let plan = self.plan(&nodes, &tiers);
        let mut records = vec![None; self.nodes().len()];
        for &node in &nodes {
            let joined = tiers.joined(&self.host(node).id);
            let record = self.with(node, |host, net| host.prepare(joined, net))?;
            records[node.0 as usize] = Some(record);
        }
        self.reserve(&plan);
        let is_in_several = several(&plan, records.len());
        for (_, members) in plan.values() {
            self.connect(members, &is_in_several);
        }
        let start = Start {
            groups: form(&plan, &records, &tiers),
            records,
            tiers,
        };
        if self.config().log {
            self.note_formed(&start.groups);
        }
        for node in nodes {
            self.form(node, &start);
        }
        Ok(())
    }

    /// Who joins the parents of the nodes' groups, and what they tell of them.
    fn elect(&self, nodes: &[NodeIx]) -> FormedTiers {
        let configs = nodes.iter().map(|&node| self.node_config(node));
        FormedTiers::new(configs, &mut |record| {
            let reflector = self.host(self.node_of(&record.reflector));
            SignedGroupRecord::new(record, reflector.crypto())
        })
    }

    /// Who is to be in which group, by the nodes' configurations and elections.
    fn plan(&self, nodes: &[NodeIx], tiers: &FormedTiers) -> Plan {
        let mut plan = Plan::new();
        for &node in nodes {
            let host = self.host(node);
            for config in host.config.groups.iter().chain(tiers.joined(&host.id)) {
                let entry = plan.entry(config.id());
                let (_, members) = entry.or_insert_with(|| (Arc::clone(config), Vec::new()));
                members.push(node.0);
            }
        }
        plan
    }

    /// Makes room for all sessions at once, so that no table is copied while it grows.
    fn reserve(&mut self, plan: &Plan) {
        for (_, members) in plan.values() {
            for &member in members {
                let sessions = &mut self.host_mut(NodeIx(member)).sessions;
                sessions.reserve(members.len().saturating_sub(1));
            }
        }
    }

    /// Opens a session between every two members that have none yet: only nodes in several groups
    /// can have met before.
    fn connect(&mut self, members: &[u32], is_in_several: &[bool]) {
        for (place, &a) in members.iter().enumerate() {
            for &b in &members[place + 1..] {
                let may_have_met = is_in_several[a as usize] && is_in_several[b as usize];
                if !(may_have_met && self.is_met(a, b)) {
                    self.open(a, b);
                }
            }
        }
    }

    fn is_met(&self, a: u32, b: u32) -> bool {
        let mut ends = self.host(NodeIx(a)).sessions.iter();
        ends.any(|(_, end)| end.peer == b)
    }

    fn open(&mut self, a: u32, b: u32) {
        let (boot_a, boot_b) = (
            self.node_config(NodeIx(a)).boot,
            self.node_config(NodeIx(b)).boot,
        );
        let ours = self.host_mut(NodeIx(a)).sessions.open(b, None);
        let sessions = &mut self.host_mut(NodeIx(b)).sessions;
        let theirs = sessions.open(a, Some(ours));
        if let Some(end) = sessions.get_mut(theirs) {
            end.open();
            end.attach(Some(boot_a));
        }
        if let Some(end) = self.host_mut(NodeIx(a)).sessions.get_mut(ours) {
            end.set_remote(theirs);
            end.open();
            end.attach(Some(boot_b));
        }
    }

    /// Puts one node into its state.
    fn form(&mut self, node: NodeIx, start: &Start) {
        let host = self.host(node);
        let mine = host
            .config
            .groups
            .iter()
            .chain(start.tiers.joined(&host.id));
        let groups: Vec<&Formed> = mine
            .filter_map(|group| start.groups.get(&group.id()))
            .collect();
        let seed = self.config().seed;
        self.with(node, |host, net| {
            let peers = host.formed_peers(&start.records, seed, net);
            host.form(peers, (&groups, &start.tiers), net);
        });
        self.collect();
    }

    /// What nodes that joined would have told their watchers by now, in short: by the first member
    /// of each group for all of them.
    fn note_formed(&mut self, groups: &BTreeMap<GroupId, Formed>) {
        for (&group, formed) in groups {
            let members = formed.members().iter();
            let named = members.map(|signed| (signed.record.node, signed.record.boot));
            let members: Arc<[(NodeId, Boot)]> = named.collect();
            if let Some((first, _)) = members.first() {
                let first = self.node_of(first);
                self.note(first, Observation::Formed { group, members });
            }
        }
    }
}

/// What a pair of nodes drew when it met: the same at both ends.
pub(crate) fn pair(seed: u64, a: u32, b: u32) -> ([u8; 16], Duration) {
    let index = (u64::from(a.min(b)) << 32) | u64::from(a.max(b));
    let mut random = Random::split(seed ^ PAIRS, index);
    let mut transcript = [0; 16];
    transcript[..8].copy_from_slice(&random.u64().to_le_bytes());
    transcript[8..].copy_from_slice(&random.u64().to_le_bytes());
    (transcript, random.duration(Duration::ZERO, UNUSED_MAX))
}

/// A peer as its session leaves it.
pub(crate) fn peer(
    record: Arc<SignedRecord>,
    (session, is_ours): (SessionId, bool),
    (transcript, unused): ([u8; 16], Duration),
    round_trip: Duration,
    now: Time,
) -> FormedPeer {
    let unused_us = u64::try_from(unused.as_micros()).unwrap_or(u64::MAX);
    FormedPeer {
        record,
        session,
        is_ours,
        transcript,
        round_trip,
        used_at: Time::from_micros(now.as_micros().saturating_sub(unused_us)),
    }
}

/// Which nodes are in more than one group.
fn several(plan: &Plan, nodes: usize) -> Vec<bool> {
    let mut counts = vec![0u8; nodes];
    for &member in plan.values().flat_map(|(_, members)| members) {
        let count = &mut counts[member as usize];
        *count = count.saturating_add(1);
    }
    counts.into_iter().map(|count| count > 1).collect()
}

fn form(
    plan: &Plan,
    records: &[Option<Arc<SignedRecord>>],
    tiers: &FormedTiers,
) -> BTreeMap<GroupId, Formed> {
    let record = |&node: &u32| records.get(node as usize).cloned().flatten();
    let groups = plan.iter().map(|(&id, (config, members))| {
        let records = members.iter().filter_map(record).collect();
        let mut formed = Formed::new(config, records);
        for (node, written) in tiers.written(id) {
            formed.write(node, written);
        }
        (id, formed)
    });
    groups.collect()
}
