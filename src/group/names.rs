//! Names in a group: register, look up, watch.
//!
//! A name is any 1 to 255 bytes; its holder a process of some member, with metadata of up to 1 KiB.
//! Looking up is a local read; registering takes one round trip to all members, shared by all
//! registrations that are under way. Of two that register one name at once, exactly one succeeds.
//! After a split both sides may have registered it: then the better claim wins everywhere (higher
//! priority, more moves, earlier, lower node), and the process that lost it is told.

use archipelago_core::Pid;
use archipelago_sgroup::names::{
    Mode, NameAct, NameError, NameInfo, OnLoss, Registration, Standing, Verdict,
};
use bytes::Bytes;

use super::Group;
use crate::actor::NameReply;
use crate::names::NameWatch;
use crate::{NodeError, Refused};

/// How a name is claimed; the default is what `register` does.
#[derive(Clone, Debug)]
#[must_use]
pub struct Claim {
    priority: i32,
    metadata: Bytes,
    on_loss: OnLoss,
    is_exported: bool,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            priority: 0,
            metadata: Bytes::new(),
            on_loss: OnLoss::Unregister,
            is_exported: true,
        }
    }
}

impl Claim {
    /// Priority 0, no metadata, given up when lost, found from outside where the group lets in.
    pub fn new() -> Self {
        Self::default()
    }

    /// The claim of higher priority holds the name, whenever it was made. Default 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// What whoever looks the name up gets with it; at most 1 KiB.
    pub fn metadata(mut self, metadata: impl Into<Bytes>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// What becomes of the claim when another one is better. [`OnLoss::Standby`] also waits below
    /// a holder that is there already, and takes over when it goes.
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// The name is found by members of the group only.
    pub fn private(mut self) -> Self {
        self.is_exported = false;
        self
    }
}

/// A name was not registered or changed. Unless it says otherwise, nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// By the group's names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// By the node: it is not in the group, or shutting down.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

impl RegisterError {
    /// Who holds the name, if that is why.
    pub fn holder(&self) -> Option<&NameInfo> {
        match self {
            Self::Name(NameError::Taken(holder)) => Some(holder),
            _ => None,
        }
    }
}

impl Group {
    /// Registers `name` for a process of this node, until the process ends (its mailbox is
    /// dropped), its node goes, or it is unregistered. Done when every living member knows.
    ///
    /// A process may hold many names. Registering anew what it holds changes metadata and priority.
    ///
    /// Takes a round trip; at most 10 s, should members not answer. Not cancel safe: dropped before
    /// it returns, the name may be registered; unregister it, or drop the mailbox.
    ///
    /// # Errors
    /// [`RegisterError`]; [`RegisterError::holder`] says who has the name.
    pub async fn register(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
    ) -> Result<Standing, RegisterError> {
        self.register_as(name, pid, Claim::default()).await
    }

    /// As [`Group::register`], with priority, metadata, and what becomes of a lost claim.
    ///
    /// # Errors
    /// As there.
    pub async fn register_as(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
        claim: Claim,
    ) -> Result<Standing, RegisterError> {
        self.claim(name.as_ref(), pid, claim, Mode::Claim).await
    }

    /// Moves `name` to a process of this node, whoever holds it, by one write and with no moment
    /// at which nobody does; registers it where nobody holds it. The process that held it is told
    /// ([`NodeEvent::NameLost`](crate::NodeEvent::NameLost)).
    ///
    /// As [`Group::register`] otherwise.
    ///
    /// # Errors
    /// As there; [`NameError::Taken`] by a claim of higher priority.
    pub async fn reregister(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
    ) -> Result<Standing, RegisterError> {
        self.reregister_as(name, pid, Claim::default()).await
    }

    /// As [`Group::reregister`], with priority, metadata, and what becomes of a lost claim.
    ///
    /// # Errors
    /// As there.
    pub async fn reregister_as(
        &self,
        name: impl AsRef<[u8]>,
        pid: Pid,
        claim: Claim,
    ) -> Result<Standing, RegisterError> {
        self.claim(name.as_ref(), pid, claim, Mode::Move).await
    }

    /// Withdraws this node's claim on `name`, whichever of its processes has it. Here it is gone
    /// when this returns, at the other members one way later. A name that nobody holds is no
    /// error.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NameError::NotOurs`] for a name that another node holds: only that node can withdraw it.
    /// Others as for [`Group::register`].
    pub async fn unregister(&self, name: impl AsRef<[u8]>) -> Result<(), RegisterError> {
        let name = Bytes::copy_from_slice(name.as_ref());
        let act = NameAct::Unregister { name };
        self.name_act(act).await.map(|_| ())
    }

    /// Decides what becomes of a claim that lost its name under [`OnLoss::Custom`] or stands by.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`NameError::NotOurs`] where this node has no claim on the name. Others as for
    /// [`Group::register`].
    pub async fn resolve(
        &self,
        name: impl AsRef<[u8]>,
        verdict: Verdict,
    ) -> Result<Option<Standing>, RegisterError> {
        let name = Bytes::copy_from_slice(name.as_ref());
        self.name_act(NameAct::Resolve { name, verdict }).await
    }

    /// The process that holds `name`; `None` where nobody does, or this node is not in the group.
    ///
    /// A local read, well below a microsecond; never behind a registration that is under way.
    pub fn whereis(&self, name: impl AsRef<[u8]>) -> Option<Pid> {
        self.shared.names.find(self.present())?.pid(name.as_ref())
    }

    /// As [`Group::whereis`], with the holder's metadata and priority.
    pub fn name_info(&self, name: impl AsRef<[u8]>) -> Option<NameInfo> {
        self.shared.names.find(self.present())?.get(name.as_ref())
    }

    /// Every name of the group that is held, in order of its bytes. O(n log n).
    pub fn names(&self) -> Vec<Bytes> {
        let table = self.shared.names.find(self.present());
        table.map_or_else(Vec::new, |table| table.names())
    }

    /// How many names of the group are held.
    pub fn names_count(&self) -> usize {
        let table = self.shared.names.find(self.present());
        table.map_or(0, |table| table.len())
    }

    /// Follows `name` from now on; also where nobody holds it yet, or this node is not in the
    /// group yet. `None` when 65,536 names are watched.
    pub fn watch_name(&self, name: impl AsRef<[u8]>) -> Option<NameWatch> {
        let name = Bytes::copy_from_slice(name.as_ref());
        self.shared.names.table(self.present()).watch(name)
    }

    async fn claim(
        &self,
        name: &[u8],
        pid: Pid,
        claim: Claim,
        mode: Mode,
    ) -> Result<Standing, RegisterError> {
        if pid.node != self.shared.id || pid.boot != self.shared.boot() {
            return Err(NameError::NoProcess.into());
        }
        let asked = Registration {
            priority: claim.priority,
            metadata: claim.metadata,
            on_loss: claim.on_loss,
            is_exported: claim.is_exported,
            mode,
            ..Registration::new(Bytes::copy_from_slice(name), pid.local)
        };
        let standing = self.name_act(NameAct::Register(asked)).await?;
        // A claim is answered by how it stands.
        Ok(standing.unwrap_or(Standing::Holder))
    }

    async fn name_act(&self, act: NameAct) -> NameReply {
        let answered = self.shared.name(self.present(), act).await;
        answered.unwrap_or(Err(RegisterError::Stopped))
    }
}

impl From<NodeError> for RegisterError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(refused) => Self::Refused(refused),
            _ => Self::Stopped,
        }
    }
}
