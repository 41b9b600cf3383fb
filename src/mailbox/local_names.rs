//! Names local to a node: a process is reached as (node, name), and nobody else is asked.
//!
//! [`Pid::named`] makes the address of such a name out of the node's id and a hash of the name, so
//! all verbs take it: `send`, `call`, typed ones, a tower service. The message goes to the node, and
//! there to whoever has the name then, also after a restart of the node. Nobody having it is told
//! like a pid that ended: a call fails with [`SendError::NoMailbox`](crate::SendError::NoMailbox)
//! after one round trip, and what was only sent counts as
//! [`NodeEvent::Undelivered`](crate::NodeEvent::Undelivered).
//!
//! Who can send to the node can guess its names: a name is no capability, as a pid is one. What one
//! sender sends to a name and what it sends to the pid are two flows, in no order between them.
//!
//! Cost: a name counts as a mailbox towards `mailboxes_max`; no message, no memory elsewhere.

use archipelago_core::{LocalId, Pid};
use bytes::Bytes;

use super::table::NotNamed;
use crate::Node;

/// Longest name in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A name of this node was not registered; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalNameError {
    /// Another process of this node has it, or this one has it already.
    #[error("a process of this node has the name: unregister it first")]
    Taken,
    /// The pid is no living mailbox of this node.
    #[error("no such mailbox on this node: register the node's own mailboxes")]
    NoProcess,
    /// Names have 1 to 255 bytes.
    #[error("a name of {bytes} bytes: 1 to {NAME_BYTES_MAX} are allowed")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Names that begin with `archipelago/` are the library's own.
    #[error("names that begin with `archipelago/` are the library's own")]
    Reserved,
    /// Names and mailboxes are as many as may be.
    #[error("the node has as many mailboxes and names as it may: raise `mailboxes_max`")]
    Full,
}

impl Node {
    /// Gives a process of this node a name on this node, until [`Node::unregister_local`] or its
    /// mailbox's end. Others reach it by [`Pid::named`]. A process may have several names.
    ///
    /// # Errors
    /// [`LocalNameError`]; nothing changed.
    pub fn register_local(&self, name: impl AsRef<[u8]>, pid: Pid) -> Result<(), LocalNameError> {
        let shared = self.shared();
        let name = Bytes::copy_from_slice(name.as_ref());
        let bytes = name.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(LocalNameError::Length { bytes });
        }
        if is_reserved(&name) {
            return Err(LocalNameError::Reserved);
        }
        if pid.node != shared.id || pid.boot != shared.boot() {
            return Err(LocalNameError::NoProcess);
        }
        let named = shared.mailboxes.name(name, pid.local);
        named.map_err(|error| match error {
            NotNamed::Taken(_) => LocalNameError::Taken,
            NotNamed::NoMailbox => LocalNameError::NoProcess,
            NotNamed::Full => LocalNameError::Full,
        })
    }

    /// Takes a name of this node back; whose it was, `None` where nobody had it.
    pub fn unregister_local(&self, name: impl AsRef<[u8]>) -> Option<Pid> {
        let name = name.as_ref();
        let mailboxes = &self.shared().mailboxes;
        let owner = (!is_reserved(name)).then(|| mailboxes.unname(name))??;
        Some(self.own_pid(owner))
    }

    /// The process of this node that has a name on it. A local read.
    pub fn whereis_local(&self, name: impl AsRef<[u8]>) -> Option<Pid> {
        let owner = self.shared().mailboxes.named(name.as_ref())?;
        Some(self.own_pid(owner))
    }

    /// The names of this node that processes have, in order. O(n).
    pub fn local_names(&self) -> Vec<Bytes> {
        let mut names = self.shared().mailboxes.names();
        names.retain(|name| !is_reserved(name));
        names
    }

    fn own_pid(&self, local: LocalId) -> Pid {
        let shared = self.shared();
        Pid {
            node: shared.id,
            boot: shared.boot(),
            local,
            home: shared.home(),
        }
    }
}

fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b"archipelago/")
}
