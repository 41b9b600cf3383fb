//! One node in this process: started, and looked at until it has formed.

use archipelago::{GroupId, Node, StartError, TierInfo, Timing};

use super::super::order::{Expected, ExpectedGroup, NodeOrder};
use crate::machine::clock;

/// A running node.
#[derive(Debug)]
pub(super) struct Hosted {
    pub(super) node: Node,
    expected: Expected,
    pub(super) started_us: u64,
    formed_us: Option<u64>,
}

/// Starts it; returns when it listens.
pub(super) async fn start(order: NodeOrder) -> Result<(usize, Hosted), StartError> {
    let mut builder = Node::builder(&order.name)
        .realm(&order.realm)
        .listen(&order.listen);
    if order.is_reflector {
        builder = builder.reflector();
    }
    if let Some(path) = order.key_file {
        builder = builder.key_file(path);
    }
    if let Some(observers) = order.observers {
        builder = builder.timing(Timing {
            observers,
            ..Timing::default()
        });
    }
    for group in order.groups {
        builder = builder.group(group.into());
    }
    let started_us = clock::now_us();
    let hosted = Hosted {
        node: builder.start().await?,
        expected: order.expected,
        started_us,
        formed_us: None,
    };
    Ok((order.index, hosted))
}

impl Hosted {
    /// When it was first seen to have formed, or what it waits for.
    pub(super) fn look(&mut self) -> Result<u64, String> {
        if let Some(at) = self.formed_us {
            return Ok(at);
        }
        self.lack().map_or(Ok(()), Err)?;
        let now = clock::now_us();
        self.formed_us = Some(now);
        Ok(now)
    }

    fn lack(&self) -> Option<String> {
        let name = self.node.name();
        let (sessions, wanted) = (self.node.sessions().len(), self.expected.sessions);
        if sessions != wanted {
            return Some(format!("{name} has {sessions} sessions of {wanted}"));
        }
        let mut groups = self.expected.groups.iter();
        if let Some((group, seen)) = groups.find_map(|group| self.unseen(group)) {
            let wanted = group.members;
            return Some(format!("{name} sees {seen} of {wanted} in {}", group.name));
        }
        let has_tiers = self.expected.groups.iter().any(|one| one.tiers.is_some());
        let tiers = if has_tiers {
            self.node.tiers()
        } else {
            Vec::new()
        };
        let mut groups = self.expected.groups.iter();
        let lacking =
            groups.find(|group| !knows(group, self.node.group_id(&group.name), &tiers))?;
        Some(format!(
            "{name} knows not all above and below {}",
            lacking.name
        ))
    }

    fn unseen<'a>(&self, group: &'a ExpectedGroup) -> Option<(&'a ExpectedGroup, usize)> {
        let members = self.node.members(&group.name);
        let seen = members.map_or(0, |members| members.len());
        (seen != group.members).then_some((group, seen))
    }
}

/// Whether all groups above and below, and who leads up, are known.
fn knows(expected: &ExpectedGroup, group: GroupId, tiers: &[TierInfo]) -> bool {
    let Some((leads, above, below)) = expected.tiers else {
        return true;
    };
    let known = tiers.iter().find(|tier| tier.group == group);
    known.is_some_and(|tier| {
        tier.ancestors.len() == above
            && tier.below.len() == below
            && (above == 0 || tier.reflectors.len() == leads)
    })
}
