//! Names of any group, its member or not: who holds one, and messages to whoever does.

use archipelago_core::{LocalId, Pid};
use archipelago_router::{Command, Unreachable};
use archipelago_sgroup::names::{NAME_BYTES_MAX, NameInfo};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::Group;
use crate::actor::Request;
use crate::{Refused, SendError, Sender};

/// Who holds a name could not be found out; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No live reflector leads to the group.
    #[error("no live reflector leads to the group: try again when one does")]
    NoRoute,
    /// The group tells nobody outside.
    #[error("the group is closed to others: join it, or ask a member")]
    Closed,
    /// Too many look-ups are under way, here or there.
    #[error("too many look-ups at once: try again later")]
    Overloaded,
    /// A name of this many bytes can be nobody's.
    #[error("a name of {bytes} bytes: 1 to {NAME_BYTES_MAX} are allowed")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

impl From<Unreachable> for LookupError {
    fn from(reason: Unreachable) -> Self {
        match reason {
            Unreachable::Closed => Self::Closed,
            Unreachable::Overloaded => Self::Overloaded,
            _ => Self::NoRoute,
        }
    }
}

impl From<Refused> for LookupError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overloaded => Self::Overloaded,
            _ => Self::Stopped,
        }
    }
}

/// A message to a name was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendNamedError {
    /// Who holds the name could not be found out.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Nobody holds it.
    #[error("nobody holds the name")]
    NoHolder,
    /// Its holder could not be sent to.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Group {
    /// Who holds `name` in this group, whether or not this node is in it: `None` where nobody does,
    /// or its holder keeps it private and this node is outside.
    ///
    /// In a group of one's own a local read, but for what the parts of a group
    /// ([`GroupSpec::kept_at`](crate::GroupSpec::kept_at)) do not have here. Of another group a reflector is asked, once; its
    /// answer is kept for 2 s, and for 30 s more while it is asked for anew, and that nobody holds
    /// the name for 1 s. No session is opened.
    ///
    /// Cancel safe. Ends within 2 s, or at once where no reflector leads there.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn lookup(&self, name: impl AsRef<[u8]>) -> Result<Option<NameInfo>, LookupError> {
        let name = name.as_ref();
        let here = self.is_member().then(|| self.name_info(name));
        if let Some(found) = here.filter(|found| found.is_some() || !self.may_be_parted()) {
            return Ok(found);
        }
        let bytes = name.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(LookupError::Length { bytes });
        }
        let (reply, answer) = oneshot::channel();
        let request = Request::FindName {
            group: self.id(),
            name: Bytes::copy_from_slice(name),
            reply,
        };
        let sent = self.shared.requests.send(request).await;
        sent.map_err(|_| LookupError::Stopped)?;
        answer.await.map_err(|_| LookupError::Stopped)?
    }

    /// Who offers `service` in this group, whether or not this node is in it: best to ask first.
    ///
    /// In a group of one's own a local read: those of this node first, then the others by chance.
    /// Of another group a reflector is asked, once, and names up to 16 of those whose
    /// [`Offer`](crate::Offer) is exported, the least busy first ([`Group::set_load`]); its answer is
    /// kept as that of [`Group::lookup`]. No session is opened.
    ///
    /// Cancel safe. Ends within 2 s, or at once where no reflector leads there.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn find_providers(&self, service: impl AsRef<[u8]>) -> Result<Vec<Pid>, LookupError> {
        let service = service.as_ref();
        let here = self.is_member().then(|| self.own_providers(service));
        if let Some(found) = here.filter(|found| !found.is_empty() || !self.may_be_parted()) {
            return Ok(found);
        }
        let bytes = service.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(LookupError::Length { bytes });
        }
        let (reply, answer) = oneshot::channel();
        let request = Request::FindService {
            group: self.id(),
            service: Bytes::copy_from_slice(service),
            reply,
        };
        let sent = self.shared.requests.send(request).await;
        sent.map_err(|_| LookupError::Stopped)?;
        let all = answer.await.map_err(|_| LookupError::Stopped)??;
        let home = Some(self.present());
        Ok(all
            .into_iter()
            .map(|one| Pid {
                node: one.node,
                boot: one.boot,
                local: one.local,
                home,
            })
            .collect())
    }

    /// What was said of who offers a service did not hold: it is asked for anew next time.
    pub async fn forget_providers(&self, service: impl AsRef<[u8]>) {
        let command = Command::ForgetService {
            group: self.id(),
            service: Bytes::copy_from_slice(service.as_ref()),
        };
        // A stopped node is noticed by the look-up that follows.
        let _ = self.shared.command(command).await;
    }

    fn is_member(&self) -> bool {
        let replica = &self.shared.replica;
        replica.members_len(self.present()).is_some()
    }

    /// Whether a part of the group may be another one by now: what is not found here may be there.
    fn may_be_parted(&self) -> bool {
        self.shared.moves.are_possible()
    }

    /// Processes that take new work: this node's own first, the others by chance.
    fn own_providers(&self, service: &[u8]) -> Vec<Pid> {
        let offers = self.offers(service).into_iter();
        let takers = offers.filter(|(pid, offer)| !offer.is_leaving && pid.local != LocalId::NODE);
        let mut all: Vec<Pid> = takers.map(|(pid, _)| pid).collect();
        let mut rng = self.shared.tables.rng();
        all.sort_by_cached_key(|_| rng.u64());
        all.sort_by_key(|pid| pid.node != self.shared.id);
        all
    }

    /// Sends bytes to whoever holds `name` in this group, in the name of `from`'s mailbox; returns
    /// to whom. Looks the name up and sends as [`Sender::send`] does; a name that has moved meanwhile
    /// is looked up once more.
    ///
    /// Cancel safe: dropped before it returns, nothing was sent.
    ///
    /// # Errors
    /// [`SendNamedError`]; nothing was sent.
    pub async fn send(
        &self,
        from: &Sender,
        name: impl AsRef<[u8]>,
        payload: impl Into<Bytes>,
    ) -> Result<Pid, SendNamedError> {
        let (name, payload) = (name.as_ref(), payload.into());
        let to = self.holder(name).await?;
        match from.send(to, payload.clone()).await {
            Err(SendError::NoMailbox | SendError::Unreachable(_)) => {}
            Err(other) => return Err(other.into()),
            Ok(()) => return Ok(to),
        }
        self.forget(name).await;
        let to = self.holder(name).await?;
        from.send(to, payload).await?;
        Ok(to)
    }

    async fn holder(&self, name: &[u8]) -> Result<Pid, SendNamedError> {
        let holder = self.lookup(name).await?;
        let holder = holder.ok_or(SendNamedError::NoHolder)?;
        Ok(holder.pid)
    }

    /// What was said of the name did not hold.
    pub(crate) async fn forget(&self, name: &[u8]) {
        let command = Command::ForgetName {
            group: self.id(),
            name: Bytes::copy_from_slice(name),
        };
        // A stopped node is noticed by the look-up that follows.
        let _ = self.shared.command(command).await;
    }
}
