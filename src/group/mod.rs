//! One s-group, as its user holds it: a handle with the verbs of names, services and membership.
//!
//! A [`Group`] is a name and a way to its node; it exists whether or not the node is in the group.
//! Each concern adds its verbs in a file of its own. Nothing here decides: writes are commands to
//! the node's machine, reads are answered from copies that it keeps up to date.
//!
//! Cost: two pointers and an id; a clone is two counts.

mod lookup;
mod membership;
mod moves;
mod names;
mod registry;
mod service;
mod strict;

pub use lookup::{LookupError, SendNamedError};
pub use membership::NodeRef;
pub(crate) use moves::Moves;
pub use names::{Claim, RegisterError};
pub use registry::SayError;
pub use service::RunError;
pub use strict::{AcquireError, Tenure};

use std::fmt;
use std::sync::Arc;

use archipelago_core::GroupId;

use crate::node::Shared;

/// One s-group of a node. Clones are handles to the same group.
///
/// Any name gives a handle; a verb fails with a typed error where the node is not in the group. A
/// handle does not keep its node running: that does [`Node`](crate::Node).
#[derive(Clone)]
pub struct Group {
    pub(crate) shared: Arc<Shared>,
    id: GroupId,
    name: Arc<str>,
}

impl Group {
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self {
            id: GroupId::new(&shared.realm, name),
            shared,
            name: Arc::from(name),
        }
    }

    /// A handle where only the id is known; it has no name.
    #[cfg(feature = "outbox")]
    pub(crate) fn by_id(shared: Arc<Shared>, id: GroupId) -> Self {
        let name = Arc::from("");
        Self { shared, id, name }
    }

    /// The group's id: of its name in the node's realm.
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The group that this node is in instead of this one, if it moved: groups that keep themselves
    /// in size ([`GroupSpec::kept_at`](crate::GroupSpec::kept_at)) move their members. This handle
    /// means that group then. [`Group::id`] where it did not move.
    pub fn present(&self) -> GroupId {
        self.shared.moves.present(self.id)
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        write!(f, "Group({name} at {:?})", self.shared.id)
    }
}
