//! The composed control machine of one node. It only dispatches.
//!
//! # Contract with the driver
//! - Inputs: [`Node::handle_messages`], [`Node::handle_session`], [`Node::handle_command`],
//!   [`Node::handle_timeout`]. Each appends what is to be done to the caller's buffer; the driver
//!   does it, in order, before the next input, and decides nothing.
//! - [`Node::poll_timeout`] may be early, never late; it is asked again after every input.
//! - A session is reliable and in order until it closes; closing may lose a suffix. The driver
//!   has authenticated the peer's key before it says `Opened`.
//! - Payloads between pids never come here but on relay and detour: [`Output::AttachPath`] tells
//!   the driver which path a peer's [`Channel`](archipelago_core::channel::Channel) has.

mod contract;

pub use contract::{
    CloseReason, Command, ConfigError, DialId, Event, NodeConfig, Output, Outputs, Refused,
    RouteInfo, SessionEvent, SessionInfo, SessionKind, Unreachable,
};

use std::sync::Arc;

use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{Boot, Crypto, GroupId, NodeId, Rng, Time};
use archipelago_sgroup::MemberInfo;

/// The control machine of one node.
#[derive(Debug)]
pub struct Node {
    config: Arc<NodeConfig>,
}

impl Node {
    /// A node before its start.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub fn new(
        config: Arc<NodeConfig>,
        _crypto: Arc<dyn Crypto>,
        _rng: Rng,
        _now: Time,
    ) -> Result<Self, ConfigError> {
        Ok(Self { config })
    }

    /// Control messages arrived on a session; the batch is emptied.
    pub fn handle_messages(
        &mut self,
        _session: SessionId,
        batch: &mut Vec<Control>,
        _now: Time,
        _out: &mut Outputs,
    ) {
        batch.clear();
    }

    /// A session opened or closed, or a dial failed.
    pub fn handle_session(&mut self, _event: SessionEvent, _now: Time, _out: &mut Outputs) {}

    /// The user, or the driver on behalf of the data plane, asks for something.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed.
    pub fn handle_command(
        &mut self,
        _command: Command,
        _now: Time,
        _out: &mut Outputs,
    ) -> Result<(), Refused> {
        Ok(())
    }

    /// What has come due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, _now: Time, _out: &mut Outputs) {}

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The start that this node goes by; final once [`Event::Started`] was told.
    pub fn boot(&self) -> Boot {
        self.config.boot
    }

    /// Living members of a group, by name; `None` for a group that this node is not in.
    pub fn members(&self, _group: GroupId) -> Option<Vec<MemberInfo>> {
        None
    }

    /// All sessions, by the peer's name.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        Vec::new()
    }

    /// Groups that can be reached, and over whom.
    pub fn routes(&self) -> Vec<RouteInfo> {
        Vec::new()
    }
}
