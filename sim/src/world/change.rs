//! Groups that change while the world runs: what a member's user asks for, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{GroupId, Time};
use archipelago_router::{Ask, ChangeFault, Changed, Command, Event, Refused, Regrouped};
use archipelago_sgroup::GroupConfig;

use super::{NodeIx, World};
use crate::observe::Observation;

/// How long a change waits for its nodes.
const LIMIT: Duration = Duration::from_secs(10);

/// A change that a node was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// By whose user.
    pub node: NodeIx,
    /// The command's number.
    pub ticket: u64,
}

/// What became of each node.
pub type ChangeResults = Vec<(NodeIx, Result<Changed, ChangeFault>)>;

impl World {
    /// `node` makes the group of this configuration, and invites `others` into it.
    ///
    /// # Errors
    /// What the node answers.
    pub fn create_group(
        &mut self,
        node: NodeIx,
        config: Arc<GroupConfig>,
        others: &[NodeIx],
    ) -> Result<Change, Refused> {
        let nodes = self.asks(node, others);
        self.change(node, |ticket| Command::CreateGroup {
            ticket,
            config,
            nodes,
            limit: LIMIT,
        })
    }

    /// `node` invites `others` into a group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn add_members(
        &mut self,
        node: NodeIx,
        group: GroupId,
        others: &[NodeIx],
    ) -> Result<Change, Refused> {
        let nodes = self.asks(node, others);
        self.change(node, |ticket| Command::AddMembers {
            ticket,
            group,
            nodes,
            limit: LIMIT,
        })
    }

    /// `node` puts `others` out of a group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn remove_members(
        &mut self,
        node: NodeIx,
        group: GroupId,
        others: &[NodeIx],
    ) -> Result<Change, Refused> {
        let nodes = others.iter().map(|&other| self.id(other)).collect();
        self.change(node, |ticket| Command::RemoveMembers {
            ticket,
            group,
            nodes,
        })
    }

    /// `node` ends a group.
    ///
    /// # Errors
    /// What the node answers.
    pub fn delete_group(&mut self, node: NodeIx, group: GroupId) -> Result<Change, Refused> {
        self.change(node, |ticket| Command::DeleteGroup {
            ticket,
            group,
            limit: LIMIT,
        })
    }

    /// What became of a change, as far as the log is kept; `None` while it goes on.
    pub fn changed(&self, change: Change) -> Option<ChangeResults> {
        self.log.iter().rev().find_map(|observed| {
            let Observation::Changed {
                ticket, results, ..
            } = &observed.what
            else {
                return None;
            };
            let is_it = observed.node == change.node.0 && *ticket == change.ticket;
            is_it.then(|| {
                let results = results.iter();
                let named = results.map(|result| (self.node_of(&result.node), result.result));
                let mut named: ChangeResults = named.collect();
                named.sort_by_key(|&(node, _)| node);
                named
            })
        })
    }

    /// What groups did that keep themselves in size, as far as the log is kept: when, by whose word,
    /// which group, what.
    pub fn regrouped(&self) -> Vec<(Time, NodeIx, GroupId, Regrouped)> {
        let told = self.log.iter().filter_map(|observed| match &observed.what {
            Observation::Event(Event::Regrouped { group, change }) => {
                Some((observed.time, NodeIx(observed.node), *group, *change))
            }
            _ => None,
        });
        told.collect()
    }

    fn change(
        &mut self,
        node: NodeIx,
        command: impl FnOnce(u64) -> Command,
    ) -> Result<Change, Refused> {
        self.changes += 1;
        let ticket = self.changes;
        self.command(node, command(ticket))?;
        Ok(Change { node, ticket })
    }

    /// Nodes as a user of `node` names them: by the group that they are found in, if they are in
    /// any, else by address.
    fn asks(&self, node: NodeIx, others: &[NodeIx]) -> Vec<Ask> {
        let own = self.groups_of(node);
        let ask = |&other: &NodeIx| {
            let groups = self.groups_of(other);
            let has_common = groups.iter().any(|group| own.contains(group));
            Ask {
                node: self.id(other),
                home: groups.first().copied().filter(|_| !has_common),
                address: Some(self.address(other)),
            }
        };
        others.iter().map(ask).collect()
    }
}
