//! The owner-log: the one state primitive of a group.
//!
//! Each member owns one key→value map in each of its groups. Only the owner writes it and only the
//! owner sends it; everybody else has a replica. So there is nothing to merge: a replica is as far
//! as a number says, and a *mark* (boot, era, number) orders all states of one log. Names,
//! services, attributes and sets of broken paths are all users of it ([`keys`]).
//!
//! ```text
//!  owner                                             each other member
//!  OwnLog ── put / delete ──► Log(delta) ──────────► PeerLog ──► Changed{keys}
//!     ▲ ▲                                              │
//!     │ └──────────── LogAck(mark) ◄───────────────────┤ applied, or known already
//!     └────────────── LogPull(mark, after) ◄───────────┘ a gap, or the next page of a snapshot
//! ```
//!
//! - [`OwnLog`] and [`PeerLog`] are the two ends, without time or addresses.
//! - [`Logs`] composes them for one group: whom to send what and when to repeat it.
//!
//! It promises (I1): per (owner, boot, era) what was applied never goes back, key by key; a later
//! boot or era begins afresh and nothing of an earlier one shows; when messages get through, all
//! replicas of a log become equal to it. It does not promise that two keys written one after the
//! other become visible in that order.

mod acks;
mod config;
mod digest;
pub mod keys;
mod logs;
mod own;
mod peer;

pub use config::{
    KEY_BYTES_MAX, LogConfig, LogError, PAGE_ENTRIES_MAX, UpdateError, VALUE_BYTES_MAX,
};
pub(crate) use logs::FormedLog;
pub use logs::{LogCounts, LogOutput, LogOutputs, Logs};
pub use own::OwnLog;
pub use peer::{Applied, LogChange, PeerLog};

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// The entries of `map` whose key begins with `prefix`, in order.
fn prefixed<'a, V>(
    map: &'a BTreeMap<Bytes, V>,
    prefix: &[u8],
) -> impl Iterator<Item = (&'a Bytes, &'a V)> + use<'a, V> {
    let owned = Bytes::copy_from_slice(prefix);
    map.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(&owned))
}
