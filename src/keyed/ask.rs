//! Asking keyed workers, from any node.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archipelago_core::Pid;
use archipelago_core::wire::{KEY_BYTES_MAX, KeyedAnswer, KeyedPacket};
use archipelago_sgroup::keyed::{Entry, Ticket, pause};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::KeyedError;
use crate::{
    CallError, Deadline, Group, LookupError, Mailbox, NodeError, RegistryEvents, SendError, Sender,
};

/// Asks the workers of a service by their keys. Clones ask in the same order.
///
/// Requests of one `Keyed` and one key are done in the order in which they were made, one at a time,
/// wherever the key lives and moves; those of different keys at once. One that its host refuses,
/// because the key has moved on, is asked again where it is now, until its deadline.
#[derive(Clone)]
pub struct Keyed {
    inner: Arc<Inner>,
}

struct Inner {
    group: Group,
    service: Bytes,
    /// In whose name it asks.
    mailbox: Mailbox,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entry: Entry,
    /// `None`: this node is not in the group, or no more.
    changes: Option<RegistryEvents>,
    /// Requests that wait for others of their keys.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
    /// How often a host said that a key is another's.
    redirected: u64,
}

impl Group {
    /// What asks the workers of `service` in this group.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As for [`Node::mailbox`](crate::Node::mailbox).
    pub async fn keyed(&self, service: impl AsRef<[u8]>) -> Result<Keyed, NodeError> {
        let mailbox = Mailbox::open(&self.shared, None).await?;
        let state = State {
            entry: Entry::default(),
            changes: None,
            waiting: HashMap::new(),
            redirected: 0,
        };
        let inner = Inner {
            group: self.clone(),
            service: Bytes::copy_from_slice(service.as_ref()),
            mailbox,
            state: Mutex::new(state),
        };
        Ok(Keyed {
            inner: Arc::new(inner),
        })
    }
}

impl Keyed {
    /// Asks the worker of `key`, and waits for what it returns, until `deadline` at most.
    ///
    /// Cancel safe: dropped before it returns, its answer is of no interest any more; the worker may
    /// have done it.
    ///
    /// # Errors
    /// [`KeyedError`], which says whether it may have been done
    /// ([`KeyedError::may_be_done`]). Never later than `deadline`.
    pub async fn call(
        &self,
        key: impl AsRef<[u8]>,
        request: impl AsRef<[u8]>,
        deadline: impl Into<Deadline>,
    ) -> Result<Bytes, KeyedError> {
        self.ask(key.as_ref(), request.as_ref(), false, deadline.into())
            .await
    }

    /// Asks the worker of `key`, and waits until it has begun, until `deadline` at most.
    ///
    /// Cancel safe, as [`Keyed::call`].
    ///
    /// # Errors
    /// As there.
    pub async fn cast(
        &self,
        key: impl AsRef<[u8]>,
        request: impl AsRef<[u8]>,
        deadline: impl Into<Deadline>,
    ) -> Result<(), KeyedError> {
        let asked = self.ask(key.as_ref(), request.as_ref(), true, deadline.into());
        asked.await.map(drop)
    }

    /// The mailbox of the host that a request for `key` would be sent to now; `None` where none is
    /// known. For those who look.
    pub fn host_of(&self, key: impl AsRef<[u8]>) -> Option<Pid> {
        self.inner.state().entry.target(key.as_ref())
    }

    /// How often a host that was asked said that the key is another's, since this was made.
    pub fn redirected(&self) -> u64 {
        self.inner.state().redirected
    }

    async fn ask(
        &self,
        key: &[u8],
        request: &[u8],
        is_cast: bool,
        deadline: Deadline,
    ) -> Result<Bytes, KeyedError> {
        let bytes = key.len();
        if !(1..=KEY_BYTES_MAX).contains(&bytes) {
            return Err(KeyedError::Key { bytes });
        }
        let key = Bytes::copy_from_slice(key);
        let packet = KeyedPacket::Request {
            is_cast,
            key: key.clone(),
        };
        let packet = packet.encode(request);
        let _turn = self.inner.turn(key.clone(), deadline).await?;
        let mut tries = 0;
        loop {
            let why_not = match self.inner.target(&key).await? {
                None => KeyedError::NoHost,
                Some(host) => match self.inner.ask_at(host, &key, &packet, deadline).await? {
                    Ok(answer) => return Ok(answer),
                    Err(why_not) => why_not,
                },
            };
            tries += 1;
            let wait = pause(tries);
            if deadline.instant() <= Instant::now() + wait {
                return Err(why_not);
            }
            self.inner.sleep(wait).await;
        }
    }
}

impl Inner {
    fn sender(&self) -> Sender {
        self.mailbox.sender()
    }

    /// Waits for the requests of the key that were made before.
    async fn turn(self: &Arc<Self>, key: Bytes, deadline: Deadline) -> Result<Turn, KeyedError> {
        let (turn, waiting) = {
            let mut state = self.state();
            let (ticket, is_first) = state.entry.begin(&key);
            let inner = self.clone();
            let waiting = (!is_first).then(|| {
                let (go, waiting) = oneshot::channel();
                state.waiting.insert(ticket, go);
                waiting
            });
            (Turn { inner, key, ticket }, waiting)
        };
        if let Some(waiting) = waiting {
            let left = deadline.instant().saturating_duration_since(Instant::now());
            tokio::select! {
                // The sender goes only by being used.
                _ = waiting => {}
                () = self.sleep(left) => return Err(KeyedError::Busy),
            }
        }
        Ok(turn)
    }

    /// Where a request for the key goes. Outside of the group any host will do that a reflector names:
    /// it knows better.
    async fn target(&self, key: &[u8]) -> Result<Option<Pid>, KeyedError> {
        {
            let mut state = self.state();
            let is_member = self.refresh(&mut state);
            let known = state.entry.target(key);
            if is_member || known.is_some() {
                return Ok(known);
            }
        }
        match self.group.find_providers(&self.service).await {
            Ok(hosts) => Ok(hosts.first().copied()),
            // Reflectors come back.
            Err(LookupError::NoRoute | LookupError::Overloaded) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in who hosts the service now, if that has changed; whether this node is a member.
    fn refresh(&self, state: &mut State) -> bool {
        let replica = &self.group.shared.replica;
        if replica.members_len(self.group.present()).is_none() {
            if state.changes.take().is_some() {
                state.entry.handle_hosts(&self.service, []);
            }
            return false;
        }
        let mut is_stale = state.changes.is_none();
        let changes = state
            .changes
            .get_or_insert_with(|| self.group.watch_service(&self.service).1);
        while changes.try_next().is_some() {
            is_stale = true;
        }
        if is_stale {
            let offers = self.group.offers(&self.service).into_iter();
            let takers = offers.filter(|(_, offer)| !offer.is_leaving);
            let takers = takers.map(|(pid, _)| pid);
            state.entry.handle_hosts(&self.service, takers);
        }
        true
    }

    /// Asks one host; the inner error: it did nothing, and may another time, or another one may.
    async fn ask_at(
        &self,
        host: Pid,
        key: &[u8],
        packet: &Bytes,
        deadline: Deadline,
    ) -> Result<Result<Bytes, KeyedError>, KeyedError> {
        let called = self.sender().call(host, packet.clone(), deadline).await;
        let answer = match called {
            Ok(answer) => answer,
            Err(error) if is_elsewhere(&error) => {
                self.state().entry.handle_failed(host);
                self.group.forget_providers(&self.service).await;
                return Ok(Err(KeyedError::Busy));
            }
            Err(error) => return Err(error.into()),
        };
        let (answer, body) = KeyedAnswer::decode(&answer).map_err(|_| KeyedError::Answer)?;
        match answer {
            KeyedAnswer::Done => Ok(Ok(body)),
            KeyedAnswer::Failed => Err(KeyedError::Failed),
            KeyedAnswer::Full => Ok(Err(KeyedError::Busy)),
            KeyedAnswer::Unleased => Ok(Err(KeyedError::Unleased)),
            KeyedAnswer::Moved { to } => {
                self.state().redirected += 1;
                self.state().entry.handle_moved(key, to);
                Ok(Err(KeyedError::Busy))
            }
        }
    }

    /// On the node's own executor: the caller's may have no timer.
    async fn sleep(&self, duration: Duration) {
        let timer = {
            let _timers = self.group.shared.runtime.handle().enter();
            tokio::time::sleep(duration)
        };
        timer.await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call failed before anything was done, for a reason that another host may not have.
fn is_elsewhere(error: &CallError) -> bool {
    matches!(
        error,
        CallError::NotSent(SendError::NoMailbox | SendError::Unreachable(_)) | CallError::Refused
    )
}

/// A request's place among those of its key, given up when it is dropped.
struct Turn {
    inner: Arc<Inner>,
    key: Bytes,
    ticket: Ticket,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        state.waiting.remove(&self.ticket);
        if let Some(next) = state.entry.end(&self.key, self.ticket)
            && let Some(go) = state.waiting.remove(&next)
        {
            // Who waits drops its turn when it goes, which wakes the one behind.
            let _ = go.send(());
        }
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.inner.service.escape_ascii();
        write!(f, "Keyed({service} of {:?})", self.inner.group)
    }
}
