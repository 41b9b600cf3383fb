//! The node's task: drives [`archipelago_router::Node`], and decides nothing.

use std::sync::Arc;

use archipelago_router::{Command, Refused};
use tokio::sync::oneshot;

use crate::Runtime;
use crate::node::{Builder, Shared, StartError};

/// Something for the node's task.
#[derive(Debug)]
pub(crate) enum Request {
    /// For the machine.
    Command {
        command: Command,
        /// Who waits for the answer.
        reply: Option<oneshot::Sender<Result<(), Refused>>>,
    },
}

/// Makes a node and starts its task.
pub(crate) async fn launch(
    _builder: Builder,
    _runtime: Runtime,
) -> Result<Arc<Shared>, StartError> {
    Err(StartError::Random(String::new()))
}
