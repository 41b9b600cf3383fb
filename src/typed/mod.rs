//! Typed messages: a protocol names what a worker takes and what it answers.
//!
//! [`Inbox`] takes messages of one [`Protocol`]; a [`Recipient`] is a pid with its protocol, from
//! which `cast` and `call` take values. Between nodes a value travels as the protocol's tag (four
//! bytes) and postcard; between an inbox and a recipient of one node it is handed over as it is,
//! without codec. A message of another protocol is told to its sender as a typed error.

mod codec;
mod inbox;
mod recipient;

pub use inbox::{Delivery, Inbox, ReplyTo};
pub use recipient::Recipient;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a worker takes, most often an enum, and what it answers.
pub trait Protocol: Serialize + DeserializeOwned + Send + 'static {
    /// Tells protocols apart on the wire: the same at all nodes, and changed when the type changes
    /// so that older messages mean something else.
    const NAME: &'static str;

    /// What calls are answered by; `()` for a protocol of casts alone.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}
