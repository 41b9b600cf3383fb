//! Work that every member of a group runs, present and future.

use std::future::Future;

use archipelago_router::{Command, Refused};
use archipelago_sgroup::duty::{DutyCommand, DutyError};
use bytes::Bytes;

use super::Group;
use crate::NodeError;
use crate::service::ServiceError;

/// A service of every member was not declared or changed; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The group's limits.
    #[error(transparent)]
    Duty(#[from] DutyError),
    /// The node refuses it: it is not in the group, or shutting down.
    #[error(transparent)]
    Refused(Refused),
    /// There is no tokio executor where this was called, to run on.
    #[error("call this on a tokio runtime: that is where the service will run")]
    NoExecutor,
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

impl From<NodeError> for RunError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(Refused::Duty(error)) => Self::Duty(error),
            NodeError::Refused(refused) => Self::Refused(refused),
            _ => Self::Stopped,
        }
    }
}

impl Group {
    /// Has every member run the service `name` that knows how ([`Group::provide`]), from now on,
    /// and whoever joins later. It holds as long as a member lives, also when this node is gone.
    /// Declared again with other arguments (at most 2 KiB), each member stops its run and starts
    /// another.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`RunError`]; nothing changed.
    pub async fn run_on_every_member(
        &self,
        name: impl AsRef<[u8]>,
        arguments: impl Into<Bytes>,
    ) -> Result<(), RunError> {
        let (name, arguments) = (named(name), arguments.into());
        self.duty(DutyCommand::Declare { name, arguments }).await
    }

    /// No member runs it any more.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`DutyError::Unknown`] where it was not declared; [`RunError`]; nothing changed.
    pub async fn stop_on_every_member(&self, name: impl AsRef<[u8]>) -> Result<(), RunError> {
        let name = named(name);
        self.duty(DutyCommand::Withdraw { name }).await
    }

    /// This node knows how to run the service `name`: by what `factory` makes of the arguments.
    /// It runs on the tokio runtime that this is called on, once at a time, as long as the group
    /// wants it. A run that returns an error or panics is started again after a pause that grows
    /// from 0.1 s to 30 s; one that returns `Ok` has done its work. A run that is to stop is
    /// dropped where it waits.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`RunError`]; nothing changed.
    pub async fn provide<F>(
        &self,
        name: impl AsRef<[u8]>,
        factory: impl Fn(Bytes) -> F + Send + Sync + 'static,
    ) -> Result<(), RunError>
    where
        F: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let name = named(name);
        let on = tokio::runtime::Handle::try_current().map_err(|_| RunError::NoExecutor)?;
        let services = &self.shared.services;
        services.add((self.present(), name.clone()), on, factory);
        let command = DutyCommand::AddFactory { name: name.clone() };
        let added = self.duty(command).await;
        if added.is_err() {
            services.remove(self.present(), &name);
        }
        added
    }

    /// This node runs the service no more; others do.
    ///
    /// Not cancel safe: dropped before it returns, it may have been done.
    ///
    /// # Errors
    /// [`RunError`]; nothing changed.
    pub async fn stop_providing(&self, name: impl AsRef<[u8]>) -> Result<(), RunError> {
        let name = named(name);
        let command = DutyCommand::RemoveFactory { name: name.clone() };
        self.duty(command).await?;
        self.shared.services.remove(self.present(), &name);
        Ok(())
    }

    async fn duty(&self, command: DutyCommand) -> Result<(), RunError> {
        let command = Command::Duty(self.present(), command);
        Ok(self.shared.command(command).await?)
    }
}

fn named(name: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(name.as_ref())
}
