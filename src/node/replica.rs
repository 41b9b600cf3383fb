//! What readers see of a node: a copy, replaced by the node's task after each change.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archipelago_core::{Boot, GroupId, NodeId};
use archipelago_router::up::TierInfo;
use archipelago_router::{RouteInfo, SessionInfo};
use archipelago_sgroup::MemberInfo;
use tokio::sync::watch;

/// The copy, and a number that rises whenever it changes.
#[derive(Debug)]
pub(crate) struct Replica {
    state: RwLock<State>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<GroupId, GroupState>,
    sessions: Vec<SessionInfo>,
    routes: Vec<RouteInfo>,
    tiers: Vec<TierInfo>,
}

#[derive(Debug, Default)]
struct GroupState {
    joined: Option<usize>,
    members: Vec<MemberInfo>,
}

impl Replica {
    pub(crate) fn new(groups: impl IntoIterator<Item = GroupId>) -> Self {
        let groups = groups
            .into_iter()
            .map(|group| (group, GroupState::default()))
            .collect();
        Self {
            state: RwLock::new(State {
                groups,
                ..State::default()
            }),
            version: watch::Sender::new(0),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn groups(&self) -> Vec<GroupId> {
        self.read().groups.keys().copied().collect()
    }

    pub(crate) fn members(&self, group: GroupId) -> Option<Vec<MemberInfo>> {
        Some(self.read().groups.get(&group)?.members.clone())
    }

    /// The living members with their starts.
    pub(crate) fn boots(&self, group: GroupId) -> Option<BTreeMap<NodeId, Boot>> {
        let state = self.read();
        let members = state.groups.get(&group)?.members.iter();
        Some(members.map(|member| (member.node, member.boot)).collect())
    }

    pub(crate) fn members_len(&self, group: GroupId) -> Option<usize> {
        Some(self.read().groups.get(&group)?.members.len())
    }

    /// `None` for an unknown group; `Some(None)` for one that is still being joined.
    pub(crate) fn joined(&self, group: GroupId) -> Option<Option<usize>> {
        Some(self.read().groups.get(&group)?.joined)
    }

    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        self.read().sessions.clone()
    }

    pub(crate) fn routes(&self) -> Vec<RouteInfo> {
        self.read().routes.clone()
    }

    pub(crate) fn tiers(&self) -> Vec<TierInfo> {
        self.read().tiers.clone()
    }

    pub(crate) fn set_tiers(&self, tiers: Vec<TierInfo>) {
        self.write().tiers = tiers;
        self.changed();
    }

    pub(crate) fn add_group(&self, group: GroupId) {
        self.write().groups.entry(group).or_default();
        self.changed();
    }

    pub(crate) fn remove_group(&self, group: GroupId) {
        self.write().groups.remove(&group);
        self.changed();
    }

    pub(crate) fn set_joined(&self, group: GroupId, missing: usize) {
        self.write().groups.entry(group).or_default().joined = Some(missing);
        self.changed();
    }

    /// `None`: the node is not in that group any more.
    pub(crate) fn set_members(&self, group: GroupId, members: Option<Vec<MemberInfo>>) {
        if let Some(members) = members {
            self.write().groups.entry(group).or_default().members = members;
        } else {
            self.write().groups.remove(&group);
        }
        self.changed();
    }

    pub(crate) fn set_sessions(&self, sessions: Vec<SessionInfo>) {
        self.write().sessions = sessions;
        self.changed();
    }

    pub(crate) fn set_routes(&self, routes: Vec<RouteInfo>) {
        self.write().routes = routes;
        self.changed();
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
