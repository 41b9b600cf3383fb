//! A plan in tiers as a world whose parents are joined by whoever is elected at run time.
//!
//! [`Topology::of`](super::Topology::of) makes every planned membership a configured one. Here only
//! the lowest groups' are; who is in a parent is for the nodes to settle.

use super::error::TopologyError;
use super::plan::Overlay;
use crate::tiers::Hierarchy;

impl Overlay {
    /// The same tiers with elections. Groups keep their places; each has as many reflectors as the
    /// first of the lowest groups.
    ///
    /// # Errors
    /// [`TopologyError::Contradiction`] where the lowest groups do not hold the nodes in order, each
    /// in one of them.
    pub fn elected(&self) -> Result<Hierarchy, TopologyError> {
        let mut hierarchy = Hierarchy::default();
        let mut next = 0u32;
        for group in &self.groups {
            if group.tier > 0 {
                hierarchy.parent(&group.name, group.tier, &group.parents);
                continue;
            }
            let len = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
            if !group
                .members
                .iter()
                .copied()
                .eq(next..next.saturating_add(len))
            {
                let problem = format!(
                    "group '{}' does not begin where the one before ends: elections need lowest \
                     groups that share no node, in order",
                    group.name
                );
                return Err(TopologyError::Contradiction(problem));
            }
            next += len;
            hierarchy.leaf(&group.name, len, &group.parents);
        }
        let lowest = self.groups.iter().find(|group| group.tier == 0);
        let reflectors = lowest.map_or(0, |group| group.reflectors.len());
        hierarchy.reflectors = u8::try_from(reflectors.clamp(1, 8)).unwrap_or(8);
        hierarchy.capable = usize::from(hierarchy.reflectors) + 2;
        Ok(hierarchy)
    }
}
