//! What a driver keeps over a restart: groups that were made or entered while the node ran.

use std::sync::Arc;

use archipelago_core::GroupId;
use archipelago_sgroup::{Cookies, GroupConfig, SecretState};

use super::Node;
use crate::regroup::{Descent, Regroup};

/// Living members that are kept as seeds: they may all be gone at the next start.
const SEEDS_MAX: usize = 8;

impl Node {
    /// The groups that this node is in now, each with the cookies that count now, and with members as
    /// seeds: but for those of `configured` that do not keep themselves in size, which its
    /// configuration names anyway, parents that it was elected into, and a group that it is about to
    /// move to. At its next start they belong in [`NodeConfig::groups`](super::NodeConfig::groups), as
    /// [`Descent::resume`] says, and those that are not configured in
    /// [`NodeConfig::resumed`](super::NodeConfig::resumed).
    pub fn kept(&self, configured: &[GroupId]) -> Vec<GroupConfig> {
        let groups = self.config.groups.iter().filter(|config| {
            let id = config.id();
            let is_kept = !configured.contains(&id) || config.place.standard.is_some();
            is_kept && !self.up.is_elected(id) && !self.is_about_to_move_to(id)
        });
        groups.map(|config| self.with_members(config)).collect()
    }

    /// The cookies that count now in a group that this node is configured for, whether it was
    /// configured with them or they were changed since; `None`: it is not, or the group is open.
    pub fn cookies(&self, group: GroupId) -> Option<&Cookies> {
        let mut groups = self.config.groups.iter();
        let config = groups.find(|config| config.id() == group)?;
        config.cookies.as_ref()
    }

    /// How the secret of a group stands that this node is in: with the cookies it is to be kept
    /// ([`NodeConfig::secrets`](super::NodeConfig::secrets)), or a window that closes while the
    /// node is down would stay open after its next start. `None`: it is not in the group.
    pub fn secret_state(&self, group: GroupId) -> Option<SecretState> {
        self.groups.get(&group).map(|group| group.secret_state())
    }

    fn is_about_to_move_to(&self, group: GroupId) -> bool {
        let regroup = self.regroup.as_deref();
        regroup.is_some_and(|regroup| regroup.is_entered(group))
    }

    /// What is to be known at the next start of groups that keep themselves in size: it belongs in
    /// [`NodeConfig::descent`](super::NodeConfig::descent). Groups that this node moved out of do not
    /// belong in [`NodeConfig::groups`](super::NodeConfig::groups) then; those that it moved to are
    /// among [`Node::kept`].
    pub fn descent(&self) -> Descent {
        let regroup = self.regroup.as_deref();
        regroup.map_or_else(Descent::default, Regroup::descent)
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
