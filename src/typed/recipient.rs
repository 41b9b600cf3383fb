//! A pid with its protocol, and the mailbox in whose name it is written to.

use std::any::TypeId;
use std::marker::PhantomData;

use archipelago_core::Pid;
use archipelago_core::channel::Kind;
use bytes::Bytes;

use super::{Protocol, codec};
use crate::call::{Answer, CallError, Deadline};
use crate::mailbox::Slot;
use crate::{Received, SendError, Sender};

/// A pid that takes messages of the protocol `M`, as one mailbox writes to it. Cheap to clone.
///
/// Whether it does take them shows when a message arrives: a wrong protocol is an error of the
/// call, and of a cast on one node.
#[derive(Debug)]
pub struct Recipient<M> {
    sender: Sender,
    to: Pid,
    protocol: PhantomData<fn(M)>,
}

impl<M> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            to: self.to,
            protocol: PhantomData,
        }
    }
}

impl Sender {
    /// The pid `to` as one that takes messages of the protocol `M` from this mailbox. Opens and
    /// asks nothing.
    pub fn recipient<M: Protocol>(&self, to: Pid) -> Recipient<M> {
        Recipient {
            sender: self.clone(),
            to,
            protocol: PhantomData,
        }
    }
}

/// A message as it goes to where its receiver lives.
enum Packed<M> {
    /// To an inbox of this node that takes it as it is.
    Here(Slot, M),
    /// To another node, or to a mailbox that takes bytes.
    Bytes(Bytes),
}

impl<M: Protocol> Recipient<M> {
    /// Whom it writes to.
    pub const fn pid(&self) -> Pid {
        self.to
    }

    /// Sends `message`, waiting as [`Sender::send`] does. Cancel safe as that.
    ///
    /// # Errors
    /// [`SendError::WrongType`] for a mailbox of this node that takes another type;
    /// [`SendError::Encode`], and as for [`Sender::send`]. Nothing was sent.
    pub async fn cast(&self, message: M) -> Result<(), SendError> {
        let packed = self.pack(message)?;
        self.deliver(packed, Kind::Cast).await
    }

    /// Sends `message` and waits for the answer, until `deadline` at most; as [`Sender::call`].
    ///
    /// Cancel safe as that.
    ///
    /// # Errors
    /// [`CallError`]: [`CallError::WrongType`] if the receiver takes another protocol, and as
    /// there. Never later than `deadline`.
    pub async fn call(
        &self,
        message: M,
        deadline: impl Into<Deadline>,
    ) -> Result<M::Reply, CallError> {
        let deadline = self.sender.shared().clock.time(deadline.into().instant());
        let packed = match self.pack(message) {
            Err(SendError::WrongType) => return Err(CallError::WrongType),
            packed => packed?,
        };
        let wants = Some(TypeId::of::<M::Reply>());
        let answer = self
            .sender
            .ask(self.to, deadline, wants, |kind| self.deliver(packed, kind))
            .await?;
        match answer {
            Answer::Bytes(bytes) => codec::decode_reply(&bytes).map_err(CallError::WrongReply),
            Answer::Value(value) => match value.downcast() {
                Ok(value) => Ok(*value),
                Err(_) => Err(CallError::WrongReply("a value of another type".into())),
            },
        }
    }

    fn pack(&self, message: M) -> Result<Packed<M>, SendError> {
        if self.to.node == self.sender.shared().id {
            let slot = self.sender.here(self.to)?;
            match slot.type_id {
                Some(known) if known == TypeId::of::<M>() => {
                    return Ok(Packed::Here(slot, message));
                }
                Some(_) => return Err(SendError::WrongType),
                None => {}
            }
        }
        let bytes = codec::encode(&message)?;
        Ok(Packed::Bytes(self.sender.checked(bytes.into())?))
    }

    async fn deliver(&self, packed: Packed<M>, kind: Kind) -> Result<(), SendError> {
        match packed {
            Packed::Bytes(bytes) => self.sender.deliver(self.to, kind, bytes).await,
            Packed::Here(slot, message) => {
                let received = Received {
                    value: Some(Box::new(message)),
                    ..self.sender.received(kind, Bytes::new())
                };
                self.sender.put(slot, received).await
            }
        }
    }
}
