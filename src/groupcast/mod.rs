//! Groupcast: a message to all subscribers of a topic at all members of a group.
//!
//! [`Sender::groupcast`] works towards any group that a route leads to, of which the sender need not
//! be a member: then one copy goes from reflector to reflector, and the first member that has it
//! brings it to the others. A topic is any name, the name of a service for instance; the empty one
//! is the group itself. How it goes from member to member decides
//! [`archipelago_sgroup::groupcast`]; here are its task, its lines to other nodes and its users.

mod body;
mod lines;
mod subscription;
mod task;

pub use subscription::{Groupcasted, Subscription};
pub(crate) use task::{Groupcasts, Input, Task};

use archipelago_core::{GroupId, LocalId};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Group, Sender};

/// The mailbox of a node that groupcasts come to; never given to a user.
pub(crate) const MAILBOX: LocalId = LocalId(1);

/// Longest topic in bytes, as of names.
const TOPIC_BYTES_MAX: usize = 255;

/// A groupcast was not made; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupcastError {
    /// Longer than a groupcast may be.
    #[error("{len} bytes, but a groupcast holds at most {max}: send it in parts")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A topic has at most 255 bytes.
    #[error("a topic has at most 255 bytes")]
    TopicTooLong,
    /// This node is not in the group, and knows no reflector that might lead there.
    #[error("no route leads to the group: try later, or join it")]
    NoRoute,
    /// This node was shut down or killed.
    #[error("this node has stopped: start another")]
    Stopped,
}

impl Sender {
    /// Sends `payload` to everybody who subscribed to `topic` of the group called `group`, on this
    /// node too if it is a member. Waits while other groupcasts of this node wait to be sent.
    ///
    /// `Ok` says that it is under way: members get the groupcasts of one node in order and each
    /// once, whoever dies on the way, and are told what they missed
    /// ([`Groupcasted::Missed`]). From outside of the group it is in order as long as the route
    /// stays the same, and lost, which its node counts, if a reflector dies with it or knows no way.
    ///
    /// Not cancel safe: dropped before it returns, it may have been sent.
    ///
    /// # Errors
    /// [`GroupcastError`]; nothing was sent.
    pub async fn groupcast(
        &self,
        group: &str,
        topic: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> Result<(), GroupcastError> {
        let group = GroupId::new(&self.shared().realm, group);
        let group = self.shared().moves.present(group);
        let topic = checked(topic.as_ref())?;
        let body = body::encode(self.pid(), topic, payload.as_ref());
        let (done, result) = oneshot::channel();
        let input = Input::Cast { group, body, done };
        let sent = self.shared().groupcasts.inputs.send(input).await;
        sent.map_err(|_| GroupcastError::Stopped)?;
        result.await.unwrap_or(Err(GroupcastError::Stopped))
    }
}

impl Group {
    /// What is groupcast to `topic` of this group from now on. Only while this node is a member
    /// anything comes.
    ///
    /// Cancel safe: dropped before it returns, nothing is subscribed.
    ///
    /// # Errors
    /// [`GroupcastError::TopicTooLong`], [`GroupcastError::Stopped`].
    pub async fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<Subscription, GroupcastError> {
        let topic = checked(topic.as_ref())?;
        let (queue, subscription) = subscription::channel();
        let input = Input::Subscribe {
            group: self.present(),
            topic: Bytes::copy_from_slice(topic),
            queue,
        };
        let sent = self.shared.groupcasts.inputs.send(input).await;
        sent.map_err(|_| GroupcastError::Stopped)?;
        Ok(subscription)
    }
}

fn checked(topic: &[u8]) -> Result<&[u8], GroupcastError> {
    if topic.len() > TOPIC_BYTES_MAX {
        return Err(GroupcastError::TopicTooLong);
    }
    Ok(topic)
}
