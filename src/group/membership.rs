//! Who is in a group, changed while it runs, by any member.
//!
//! A change asks all its nodes at once and takes the round trips of one; it has a result for each
//! node. Nothing is locked, so two nodes may change one group, or make it, at the same time.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Address, GroupId, NodeId};
use archipelago_router::{Ask, Command, NodeChange};
use tokio::sync::oneshot;

use super::Group;
use crate::actor::{Change, Request};
use crate::identity::random_seed;
use crate::node::{GroupSpec, Node, NodeError, Shared};

/// How long a change waits for its nodes.
const LIMIT: Duration = Duration::from_secs(10);

/// A node, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRef(Ask);

impl NodeRef {
    /// A node that shares a group or a session with this one.
    pub const fn new(node: NodeId) -> Self {
        Self(Ask {
            node,
            home: None,
            address: None,
        })
    }

    /// A node of another group, to be looked up there.
    pub const fn in_group(node: NodeId, home: GroupId) -> Self {
        Self(Ask {
            node,
            home: Some(home),
            address: None,
        })
    }

    /// A node that listens at this address, as a free node does that is in no group.
    pub fn at(node: NodeId, address: impl Into<Address>) -> Self {
        Self(Ask {
            node,
            home: None,
            address: Some(address.into()),
        })
    }
}

impl From<NodeId> for NodeRef {
    fn from(node: NodeId) -> Self {
        Self::new(node)
    }
}

impl Node {
    /// Makes a group, with this node as its first member, and invites `nodes` into it; returns
    /// what became of each of them. The seeds of `group` are not used: it begins here.
    ///
    /// The invited get the group's cookie, sealed to them alone, if their
    /// [policy](crate::Builder::invites) lets them come. Waits at most 10 s for them; who has not
    /// answered by then may still come. Where another node makes the same group at the same time,
    /// the two become one, with one of the two cookies: see
    /// [`NodeEvent::CookieConflict`](crate::NodeEvent::CookieConflict).
    ///
    /// Not cancel safe: dropped before it returns, it goes on.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is in the group already, or the group cannot be
    /// used; [`NodeError::Stopped`]. Nothing changed.
    pub async fn create_group(
        &self,
        group: GroupSpec,
        nodes: &[NodeRef],
    ) -> Result<Vec<NodeChange>, NodeError> {
        let shared = self.shared();
        let config = Arc::new(group.into_config(&shared.realm, &shared.timing));
        let change = Change::Create {
            config,
            nodes: asks(nodes),
            limit: LIMIT,
        };
        request(shared, change).await
    }
}

impl Group {
    /// Invites nodes into this group; returns what became of each. When one has
    /// [`Changed::Joined`](crate::Changed::Joined), it is up and has all that the group knows.
    /// Waits at most 10 s. Also lets in again who was [removed](Group::remove).
    ///
    /// Not cancel safe: dropped before it returns, it goes on.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is not up in the group; [`NodeError::Stopped`].
    /// Nothing changed.
    pub async fn add(&self, nodes: &[NodeRef]) -> Result<Vec<NodeChange>, NodeError> {
        let change = Change::Add {
            group: self.present(),
            nodes: asks(nodes),
            limit: LIMIT,
        };
        request(&self.shared, change).await
    }

    /// Puts members out of this group: they hear of it, leave, and forget its names. Who is away
    /// hears of it when it is back. They are refused until somebody adds them anew, for at most a
    /// week; but they still know the cookie: see [`Group::remove_and_rotate`].
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is not up in the group; [`NodeError::Stopped`].
    /// Nothing changed.
    pub async fn remove(&self, nodes: &[NodeId]) -> Result<Vec<NodeChange>, NodeError> {
        let change = Change::Remove {
            group: self.present(),
            nodes: nodes.to_vec(),
        };
        request(&self.shared, change).await
    }

    /// As [`Group::remove`], and gives the others another cookie, so that what the removed know is
    /// worth nothing. Members that are away longer than `window` must be added anew.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done, or half of it.
    ///
    /// # Errors
    /// As for [`Group::remove`]; [`NodeError::NoRandom`], and nothing changed.
    pub async fn remove_and_rotate(
        &self,
        nodes: &[NodeId],
        window: Duration,
    ) -> Result<Vec<NodeChange>, NodeError> {
        let cookie = random_seed().map_err(|_| NodeError::NoRandom)?;
        let results = self.remove(nodes).await?;
        self.rotate_cookie(&cookie[..], window).await?;
        Ok(results)
    }

    /// Gives the group another cookie and hands it, sealed, to every member that is here. The old
    /// one counts for `window` more; who cannot prove the new one by then is out, and its session
    /// closes. Nobody else's does.
    ///
    /// Whoever is a member now gets the new cookie. To be rid of one who stole the old one, either
    /// [remove](Group::remove_and_rotate) it, or give each member the new cookie by
    /// [`Node::set_cookie`](crate::Node::set_cookie).
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is not up in the group, or the cookie is empty or
    /// longer than 4,096 bytes; [`NodeError::Stopped`]. Nothing changed.
    pub async fn rotate_cookie(
        &self,
        cookie: impl AsRef<[u8]>,
        window: Duration,
    ) -> Result<(), NodeError> {
        let command = Command::RotateCookie {
            group: self.present(),
            cookie: bytes::Bytes::copy_from_slice(cookie.as_ref()),
            window,
        };
        self.shared.command(command).await
    }

    /// Ends this group: all members leave it, and its names are gone. Who is away hears of it when
    /// it is back, for a week. A group that is made anew under this name is another one. Waits at
    /// most 10 s.
    ///
    /// Not cancel safe: dropped before it returns, it goes on.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where this node is not up in the group; [`NodeError::Stopped`].
    /// Nothing changed.
    pub async fn delete(&self) -> Result<Vec<NodeChange>, NodeError> {
        let change = Change::Delete {
            group: self.present(),
            limit: LIMIT,
        };
        request(&self.shared, change).await
    }
}

fn asks(nodes: &[NodeRef]) -> Vec<Ask> {
    nodes.iter().map(|node| node.0.clone()).collect()
}

async fn request(shared: &Shared, change: Change) -> Result<Vec<NodeChange>, NodeError> {
    let (reply, answer) = oneshot::channel();
    let request = Request::Change { change, reply };
    let sent = shared.requests.send(request).await;
    sent.map_err(|_| NodeError::Stopped)?;
    let answered = answer.await.map_err(|_| NodeError::Stopped)?;
    Ok(answered?)
}
