//! Reflection, look-ups, forwarding and on-demand sessions; and [`Node`], which composes them with
//! the groups into the one control machine that a driver meets.

mod change;
mod clients;
pub mod forward;
pub mod grouping;
pub mod lookup;
mod lru;
mod node;
mod on_demand;
pub mod outbox;
mod pulse;
pub mod reflect;
mod regroup;
mod routes;
mod sessions;
pub mod up;
pub mod watch;

pub use change::{Ask, ChangeFault, ChangeKind, Changed, NodeChange};
pub use node::{
    CloseReason, Coming, Command, ConfigError, DialId, Event, GROUPS_MAX, InvitePolicy,
    LETTERS_BYTES_MAX, LETTERS_LEN_MAX, Node, NodeConfig, NodeCounters, Output, Outputs, Refused,
    RouteInfo, SessionEvent, SessionInfo, SessionKind, Unreachable,
};
pub use regroup::{Descent, Regrouped};
pub use routes::{Hop, Membership, Routes, Standing};
