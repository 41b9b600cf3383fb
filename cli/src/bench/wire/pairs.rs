//! The pairs of nodes that have turns with each other, and with bare TCP.

use archipelago_load::raw::Raw;

use super::pair::Pair;
use super::report::Transport;
use super::threads::Threads;
use super::{Options, WireError};

/// One pair of nodes for each kind of threads that is wanted: one at least.
#[derive(Debug)]
pub(crate) struct Pairs {
    own: Option<Pair>,
    caller: Option<Pair>,
}

impl Pairs {
    /// Starts them.
    pub(crate) async fn start(options: &Options) -> Result<Self, WireError> {
        let of = async |threads| -> Result<Option<Pair>, WireError> {
            if !options.threads.contains(&threads) {
                return Ok(None);
            }
            let pair = Pair::start(options.transport, threads, options.shape);
            pair.await.map(Some)
        };
        Ok(Self {
            own: of(Threads::Own).await?,
            caller: of(Threads::Caller).await?,
        })
    }

    /// The pair whose processes carry it.
    pub(crate) const fn of(&self, transport: Transport) -> Option<&Pair> {
        match (transport, &self.own) {
            (Transport::Own, own) => own.as_ref(),
            (Transport::Raw, Some(own)) => Some(own),
            (Transport::Raw, None) | (Transport::Caller, _) => self.caller.as_ref(),
        }
    }

    /// A new way over bare TCP, for messages of `body_len` bytes.
    pub(crate) async fn raw(&self, body_len: usize) -> Result<Raw, WireError> {
        let pair = self.of(Transport::Raw).ok_or(WireError::NoThreads)?;
        pair.raw(body_len).await
    }

    /// Ends all.
    pub(crate) async fn end(self) {
        for pair in self.own.into_iter().chain(self.caller) {
            pair.end().await;
        }
    }
}
