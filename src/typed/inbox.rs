//! Where messages of one protocol come out.

use std::any::TypeId;
use std::marker::PhantomData;

use archipelago_core::Pid;
use serde::Serialize;

use super::{Protocol, Recipient, codec};
use crate::call::{Deadline, Reply};
use crate::{Mailbox, Node, NodeError, Received, RecvError, SendError, Sender};

/// A mailbox for messages of one protocol. Dropping it ends the pid.
#[derive(Debug)]
pub struct Inbox<M> {
    mailbox: Mailbox,
    protocol: PhantomData<fn() -> M>,
}

/// A message of a protocol, as its receiver gets it.
#[derive(Debug)]
pub struct Delivery<M: Protocol> {
    /// Who sent it; proved as far as its node.
    pub from: Pid,
    /// What was sent.
    pub message: M,
    /// How to answer, if the sender waits for that.
    pub reply: Option<ReplyTo<M::Reply>>,
}

/// The way back to a caller who waits for an `R`. Dropped unanswered, it tells the caller so.
#[derive(Debug)]
pub struct ReplyTo<R> {
    reply: Reply,
    kind: PhantomData<fn(R)>,
}

impl Node {
    /// A new mailbox for messages of the protocol `M`; otherwise as [`Node::mailbox`].
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn inbox<M: Protocol>(&self) -> Result<Inbox<M>, NodeError> {
        let mailbox = self.mailbox_of(Some(TypeId::of::<M>())).await?;
        let protocol = PhantomData;
        Ok(Inbox { mailbox, protocol })
    }
}

impl<M: Protocol> Inbox<M> {
    /// What others send to, with [`Sender::recipient`].
    pub const fn pid(&self) -> Pid {
        self.mailbox.pid()
    }

    /// What sends in this mailbox's name.
    pub fn sender(&self) -> Sender {
        self.mailbox.sender()
    }

    /// The pid `to` as one that takes messages of the protocol `N` from this mailbox.
    pub fn recipient<N: Protocol>(&self, to: Pid) -> Recipient<N> {
        self.sender().recipient(to)
    }

    /// The next message. A call that nobody waits for any more is not among them.
    ///
    /// Cancel safe: a message is taken only when it is returned.
    ///
    /// # Errors
    /// [`RecvError::Decode`] for a message of another protocol: it is taken out, and if it was a
    /// call its caller is told. [`RecvError::Stopped`] at the end.
    pub async fn recv(&mut self) -> Result<Delivery<M>, RecvError> {
        open(self.mailbox.recv().await.ok_or(RecvError::Stopped)?)
    }

    /// The next message, if one is there.
    ///
    /// # Errors
    /// [`RecvError::Decode`], as [`Inbox::recv`].
    pub fn try_recv(&mut self) -> Result<Option<Delivery<M>>, RecvError> {
        self.mailbox.try_recv().map(open).transpose()
    }
}

fn open<M: Protocol>(received: Received) -> Result<Delivery<M>, RecvError> {
    let Received {
        from,
        payload,
        reply,
        value,
        // It takes values: whoever opens a stream hears that nobody reads it.
        stream: _,
    } = received;
    let message = match value {
        // Senders look at the mailbox's type before they hand a value over.
        Some(value) => value
            .downcast()
            .map(|value| *value)
            .map_err(|_| "a value of another type".to_owned()),
        None => codec::decode(&payload),
    };
    match message {
        Ok(message) => Ok(Delivery {
            from,
            message,
            reply: reply.map(ReplyTo::new),
        }),
        Err(reason) => {
            if let Some(reply) = reply {
                reply.wrong_type();
            }
            Err(RecvError::Decode { from, reason })
        }
    }
}

impl<R: Serialize + Send + 'static> ReplyTo<R> {
    const fn new(reply: Reply) -> Self {
        let kind = PhantomData;
        Self { reply, kind }
    }

    /// Answers the call; as [`Reply::send`].
    ///
    /// # Errors
    /// [`SendError::Encode`], and as there.
    pub async fn send(self, value: R) -> Result<(), SendError> {
        self.reply.send_value(value, codec::encode_reply).await
    }

    /// As [`Reply::refuse`].
    pub fn refuse(self) {
        self.reply.refuse();
    }

    /// As [`Reply::deadline`].
    pub fn deadline(&self) -> Deadline {
        self.reply.deadline()
    }

    /// As [`Reply::is_expired`].
    pub fn is_expired(&self) -> bool {
        self.reply.is_expired()
    }
}
