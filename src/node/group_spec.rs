//! How a group to join is described.

use std::sync::Arc;

use archipelago_core::{Address, GroupId, NodeId};
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};

use super::Sizing;

/// A group to join: its name, who may enter, whom to ask.
///
/// The group's id is a hash of the realm and the name: nodes that name the same group in the same
/// realm mean the same one, whoever came first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    name: String,
    cookies: Option<Cookies>,
    seeds: Vec<Seed>,
    size: u32,
    members_max: u32,
    is_closed: bool,
    epoch: u64,
    tier: u8,
    parents: Vec<GroupSpec>,
    reflectors: u8,
    pinned: Vec<NodeId>,
    council: Vec<NodeId>,
    sizing: Option<Sizing>,
}

impl GroupSpec {
    /// A group that anyone of the realm may enter: for local experiments.
    pub fn open(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cookies: None,
            seeds: Vec::new(),
            size: 0,
            members_max: 1_024,
            is_closed: false,
            epoch: 0,
            tier: 0,
            parents: Vec::new(),
            reflectors: 3,
            pinned: Vec::new(),
            council: Vec::new(),
            sizing: None,
        }
    }

    /// A group that is entered by proving a secret, which itself never travels.
    pub fn with_cookie(name: &str, cookie: impl AsRef<[u8]>) -> Self {
        Self {
            cookies: Some(Cookies {
                current: Arc::from(cookie.as_ref()),
                previous: None,
            }),
            ..Self::open(name)
        }
    }

    /// Also accepts the cookie that was valid before, while a rotation lasts. Without effect on
    /// an open group.
    #[must_use]
    pub fn previous_cookie(mut self, cookie: impl AsRef<[u8]>) -> Self {
        if let Some(cookies) = &mut self.cookies {
            cookies.previous = Some(Arc::from(cookie.as_ref()));
        }
        self
    }

    /// A member to ask for admission; may be given several times. A group without seeds is
    /// founded by this node alone.
    #[must_use]
    pub fn seed(mut self, address: impl Into<Address>) -> Self {
        self.seeds.push(Seed {
            address: address.into(),
            node: None,
        });
        self
    }

    /// As [`GroupSpec::seed`], for a seed that must be `node`: no other is believed.
    #[must_use]
    pub fn seed_node(mut self, address: impl Into<Address>, node: NodeId) -> Self {
        self.seeds.push(Seed {
            address: address.into(),
            node: Some(node),
        });
        self
    }

    /// How many members the group is meant for; quorums count against it. Default: not said.
    #[must_use]
    pub const fn size(mut self, members: u32) -> Self {
        self.size = members;
        self
    }

    /// Most members admitted. Default 1,024.
    #[must_use]
    pub const fn members_max(mut self, members: u32) -> Self {
        self.members_max = members;
        self
    }

    /// Nobody outside the group may be introduced to its members.
    #[must_use]
    pub const fn closed(mut self) -> Self {
        self.is_closed = true;
        self
    }

    /// How high the group stands in a hierarchy. Default 0; a parent's tier is higher than each
    /// of its children's.
    #[must_use]
    pub const fn tier(mut self, tier: u8) -> Self {
        self.tier = tier;
        self
    }

    /// A parent of the group; may be given several times, for redundancy. A few reflectors of the
    /// group join it, by election, with the seeds and the cookie that are given here; it may have
    /// parents itself. Only nodes that are told so and are [reflectors](crate::Builder::reflector)
    /// can be elected. Tell all members of the same parents, or those that stand in more of them
    /// win.
    #[must_use]
    pub fn parent(mut self, parent: GroupSpec) -> Self {
        self.parents.push(parent);
        self
    }

    /// How many members join each parent, 1 to 8. Default 3.
    #[must_use]
    pub const fn reflectors(mut self, members: u8) -> Self {
        self.reflectors = members;
        self
    }

    /// Lets `node` be one of those that join the parents, and nobody who is not named so. May be
    /// given up to 8 times; without it members are elected.
    #[must_use]
    pub fn pinned(mut self, node: NodeId) -> Self {
        self.pinned.push(node);
        self
    }

    /// The members whose majority says who holds a strict name: 1, 3 or 5 of them, the same for all
    /// members. Default: none, and no strict names.
    ///
    /// [`Node::recharter`](crate::Node::recharter) and [`Node::apply`](crate::Node::apply) name
    /// others while the group runs: who holds a name is over with its life then, and the new council
    /// grants a life after a majority of the old one has let go, which must be in the group until
    /// then. Restart no member by the old configuration after that.
    #[must_use]
    pub fn council(mut self, members: impl IntoIterator<Item = NodeId>) -> Self {
        self.council = members.into_iter().collect();
        self
    }

    /// The group keeps itself at this size while it runs: it splits when it grows too large, and
    /// joins another one of the same parent when it becomes small, each time with the new group made
    /// before the old one is left. A group without a parent gets one when it first splits, by the same
    /// cookie. Tell all members the same. Default: a group stays as it is, whatever its size.
    ///
    /// A node that moves keeps its handles: a [`Group`](crate::Group) means, from
    /// [`NodeEvent::Regrouped`](crate::NodeEvent::Regrouped) on, the group that the node is in
    /// instead, and names, services, attributes and keys that it said in the one it says in the other.
    /// What lies in the other part is found by [`Group::lookup`](crate::Group::lookup) and
    /// [`Group::find_providers`](crate::Group::find_providers) if it is exported, as across any groups.
    /// Who watches a name or a service watches anew after that event. Not taken along: duties
    /// ([`Group::run_on_every_member`](crate::Group::run_on_every_member)), and strict names, which such a group cannot have.
    ///
    /// Members have to be [reflectors](crate::Builder::reflector), two at least of either part:
    /// otherwise nobody can lead from one part to the other, and a split is undone.
    #[must_use]
    pub fn kept_at(mut self, sizing: Sizing) -> Self {
        self.sizing = Some(sizing);
        self
    }

    /// The number of this description among those of the same group: raise it with each change at
    /// run time, the highest one wins. Default 0.
    #[must_use]
    pub const fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The group's id in `realm`.
    pub fn id(&self, realm: &str) -> GroupId {
        GroupId::new(realm, &self.name)
    }

    /// As this one says, above the epoch of `old` where the group's place is another one.
    pub(crate) fn after(mut self, old: &Self) -> Self {
        self.epoch = if self.has_place_of(old) {
            self.epoch.max(old.epoch)
        } else {
            self.epoch.max(old.epoch.saturating_add(1))
        };
        self
    }

    /// Whether members of the one group cannot be members of the other.
    pub(crate) const fn is_other_kind(&self, other: &Self) -> bool {
        self.cookies.is_some() != other.cookies.is_some() || self.is_closed != other.is_closed
    }

    /// Whether both have the same cookies.
    pub(crate) fn has_cookies_of(&self, other: &Self) -> bool {
        self.cookies == other.cookies
    }

    /// Whether all that a charter says is the same.
    pub(crate) fn has_place_of(&self, other: &Self) -> bool {
        (self.size, self.members_max, self.tier, self.reflectors)
            == (other.size, other.members_max, other.tier, other.reflectors)
            && self.parents == other.parents
            && self.pinned == other.pinned
            && self.council == other.council
            && self.sizing == other.sizing
    }

    pub(crate) fn into_config(self, realm: &Arc<str>, timing: &Arc<Timing>) -> GroupConfig {
        let standard = self.sizing.map(|sizing| sizing.standard(self.reflectors));
        let parents = self.parents.into_iter();
        let parents = parents.map(|parent| Arc::new(parent.into_config(realm, timing)));
        GroupConfig {
            realm: realm.clone(),
            name: self.name.into(),
            cookies: self.cookies,
            seeds: self.seeds,
            size: self.size,
            members_max: self.members_max,
            is_closed: self.is_closed,
            timing: timing.clone(),
            place: Place {
                epoch: self.epoch,
                tier: self.tier,
                parents: parents.collect(),
                reflectors: self.reflectors,
                pinned: self.pinned,
                council: self.council,
                standard: standard.map(Arc::new),
            },
        }
    }
}
