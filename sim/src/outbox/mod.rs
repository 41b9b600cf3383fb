//! The product's outbox in virtual time: its two machines on nodes of a world, over disks that lose
//! what was not synced, tear writes, fill up, fail and flip bits.
//!
//! [`SendingNode`] and [`ReceivingNode`] are drivers as the live ones are: they carry between a
//! machine, a [`Disk`] and the node's channels, and decide nothing. They are [`Protocol`](crate::Protocol)s;
//! who crashes a node takes its disk first ([`SendingNode::disk`]) and gives it, crashed
//! ([`Disk::crashed`]), to the next.

mod disk;
mod receiver;
mod sender;

pub use disk::{Disk, Fault};
pub use receiver::ReceivingNode;
pub use sender::SendingNode;

use archipelago_router::outbox::Attempt;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A try's number before what it carries: in place of the call that the live driver makes.
fn framed(attempt: Attempt, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(8 + body.len());
    out.put_u64(attempt.0);
    out.put_slice(body);
    out.freeze()
}

fn unframed(payload: &Bytes) -> Option<(Attempt, Bytes)> {
    let mut payload = payload.clone();
    (payload.len() >= 8).then(|| (Attempt(payload.get_u64()), payload))
}
