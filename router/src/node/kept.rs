//! What a driver keeps over a restart: groups that were made or entered while the node ran.

use std::sync::Arc;

use archipelago_core::GroupId;
use archipelago_sgroup::GroupConfig;

use super::Node;

/// Living members that are kept as seeds: they may all be gone at the next start.
const SEEDS_MAX: usize = 8;

impl Node {
    /// The groups that this node is in now but for `configured`, which its configuration names
    /// anyway, and parents that it was elected into: each with the cookies that count now, and with
    /// members as seeds. At its next start they belong in
    /// [`NodeConfig::groups`](super::NodeConfig::groups) and
    /// [`NodeConfig::resumed`](super::NodeConfig::resumed).
    pub fn kept(&self, configured: &[GroupId]) -> Vec<GroupConfig> {
        let groups = self.config.groups.iter().filter(|config| {
            let id = config.id();
            !configured.contains(&id) && !self.up.is_elected(id)
        });
        groups.map(|config| self.with_members(config)).collect()
    }

    /// The group as it is configured, asked for by the members that are here.
    fn with_members(&self, config: &Arc<GroupConfig>) -> GroupConfig {
        let members = self.members(config.id()).unwrap_or_default();
        let others = members.iter().filter(|member| member.node != self.base.me);
        let seeds = others.filter_map(|member| self.seed_of(&member.node));
        let seeds: Vec<_> = seeds.take(SEEDS_MAX).collect();
        let mut kept = GroupConfig::clone(config);
        // Nobody else is here: whoever let it in is still the one to ask.
        if !seeds.is_empty() {
            kept.seeds = seeds;
        }
        kept
    }
}
