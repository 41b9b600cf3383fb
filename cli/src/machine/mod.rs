//! What the machine has and what this program takes of it.

pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod sockets;
pub(crate) mod usage;
