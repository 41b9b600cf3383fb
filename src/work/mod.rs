//! Work started elsewhere: factories by name, workers on other nodes, and pools of them.
//!
//! A node registers how it makes workers ([`Node::factory`](crate::Node::factory)); members of its
//! groups start them by name with arguments ([`Group::start_worker`](crate::Group::start_worker)),
//! or let a [`Pool`] keep a number of them running, placed by a
//! [`Choice`](crate::Choice), restarted by policy, and moved with their state as nodes come and go.
//! What decides of a pool is [`archipelago_sgroup::supervise`]; here are its task, and the *desk*:
//! the process of a node that takes such requests, under a name of its own. A node without a
//! factory has none.
//!
//! Workers never die with whoever started them: a pool that is dropped, or whose node is lost,
//! leaves them running. They say in the group which place of which pool they have
//! ([`Group::pool_workers`](crate::Group::pool_workers)), so anybody finds them, and a new pool of
//! the same name takes them over.
//!
//! A worker that is to move gets no more messages: [`Mailbox::recv`](crate::Mailbox::recv) yields
//! what is there and then `None`, and what the worker returns is its state. Its node keeps the
//! state until the successor runs; if nobody asks for it within 60 s (the pool is gone), the node
//! starts the worker again itself, with its state. So a state is lost with its node only, or when a
//! new pool filled the place before that.

mod desk;
mod error;
mod job;
mod pool;
mod remote;
mod wire;

pub(crate) use desk::Desk;
pub use error::StartWorkerError;
pub use job::Job;
pub use pool::{Pool, PoolError, PoolSpec};
