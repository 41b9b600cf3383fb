//! The unit that a path carries.

use bytes::Bytes;

/// One frame of a channel, typed; its header's bytes are made at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A placeholder until the sequence exists.
    Data(Bytes),
}
