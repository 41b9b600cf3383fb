//! Hosting a service of keyed workers on this node.

use std::future::Future;
use std::sync::Arc;

use archipelago_core::Pid;
use archipelago_core::wire::Offer;
use archipelago_sgroup::keyed::HostConfig;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::office::Office;
use super::task::{HostState, Order, Task};
use super::{HostError, KeyedWorker};
use crate::{Deadline, Group, Mailbox};

/// A service of keyed workers that this node hosts. Dropped, the node hosts it no more, and hands
/// nothing over: its workers' states are lost, as when it dies. [`KeyedHost::leave`] hands over.
#[derive(Debug)]
pub struct KeyedHost {
    group: Group,
    service: Bytes,
    pid: Pid,
    offer: Offer,
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<HostState>,
}

impl Group {
    /// Hosts `service` on this node: its keys spread over all members that do, and workers of those
    /// that fall to this node run here. `start` makes the worker of a key, from what it left where it
    /// ran before (see [`KeyedWorker::stop`]), on the tokio runtime that this is called on.
    ///
    /// Another member that hosts it hands over the shards that are this node's now; until they come
    /// requests for them wait here. Hosts of one service must agree on what its workers' states and
    /// requests mean.
    ///
    /// With [`HostConfig::lease`] no key is active twice at any time, also in a split: the side
    /// without a majority of the group's council refuses requests with
    /// [`KeyedError::Unleased`](crate::KeyedError::Unleased). All hosts of a service have leases or
    /// none has: this is refused where another host is known to differ, and where two begin at once,
    /// or on two sides of a split, each tells [`NodeEvent::KeyedHostsDiffer`](crate::NodeEvent) of
    /// the other.
    ///
    /// Cancel safe: dropped before it returns, it is not hosted.
    ///
    /// # Errors
    /// [`HostError`]; nothing is hosted.
    pub async fn host_keyed<W, F, S>(
        &self,
        service: impl AsRef<[u8]>,
        config: HostConfig,
        start: S,
    ) -> Result<KeyedHost, HostError>
    where
        W: KeyedWorker,
        F: Future<Output = W> + Send + 'static,
        S: Fn(Bytes, Option<Bytes>) -> F + Send + Sync + 'static,
    {
        let on = Handle::try_current().map_err(|_| HostError::NoExecutor)?;
        let service = Bytes::copy_from_slice(service.as_ref());
        if self.nodes_offering(&service).contains(&self.shared.id) {
            return Err(HostError::Hosted);
        }
        let is_leased = config.lease.is_some();
        let offers = self.offers(&service);
        let mut others = offers.iter();
        if let Some((pid, other)) = others.find(|(_, other)| other.is_leased != is_leased) {
            return Err(HostError::Differs {
                node: pid.node,
                is_leased: other.is_leased,
            });
        }
        if is_leased {
            Office::check(self, &service).await?;
        }
        let mailbox = Mailbox::open(&self.shared, None).await?;
        let offer = Offer {
            is_exported: config.is_exported,
            is_leaving: false,
            is_leased,
        };
        let pid = mailbox.pid();
        let (orders, waiting) = mpsc::channel(4);
        let (teller, state) = watch::channel(HostState::default());
        let start = Arc::new(start);
        let task = Task::new(self.clone(), service.clone(), mailbox, config, start, on);
        // Offered first: requests wait in the mailbox. If it fails, the task ends with its orders.
        self.advertise(&service, pid, offer).await?;
        self.shared
            .runtime
            .handle()
            .spawn(task.run(waiting, teller));
        Ok(KeyedHost {
            group: self.clone(),
            service,
            pid,
            offer,
            orders,
            state,
        })
    }
}

impl KeyedHost {
    /// The mailbox of the service on this node.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Workers that are here, those at rest included. Some milliseconds old.
    pub fn workers_len(&self) -> usize {
        self.state.borrow().workers
    }

    /// Of the 4,096 shards those that run here. Some milliseconds old.
    pub fn shards_len(&self) -> usize {
        self.state.borrow().shards
    }

    /// Waits until this host runs all shards that are its own by what it knows of other hosts:
    /// no request waits here for a shard any more. Cancel safe; for ever where another host does not
    /// let go: give it a deadline.
    ///
    /// # Errors
    /// [`HostError::NotHandedOver`] where it has ended instead.
    pub async fn settled(&mut self) -> Result<(), HostError> {
        let settled = self.state.wait_for(|state| state.is_settled).await;
        settled.map(drop).map_err(|_| HostError::NotHandedOver)
    }

    /// Hosts the service no more: hands all workers over to the other hosts with their states, and
    /// ends. Requests go on meanwhile.
    ///
    /// Not cancel safe: dropped before it returns, it ends with what was handed over by then.
    ///
    /// # Errors
    /// [`HostError::NotHandedOver`]: not by `deadline`, or nobody else hosts the service. It has
    /// ended all the same.
    pub async fn leave(self, deadline: impl Into<Deadline>) -> Result<(), HostError> {
        let deadline = deadline.into().instant();
        let offer = Offer {
            is_leaving: true,
            ..self.offer
        };
        self.group.advertise(&self.service, self.pid, offer).await?;
        let (done, left) = oneshot::channel();
        let sent = self.orders.send(Order::Leave(done)).await;
        sent.map_err(|_| HostError::NotHandedOver)?;
        let late = {
            let _timers = self.group.shared.runtime.handle().enter();
            tokio::time::sleep_until(deadline.into())
        };
        let left = tokio::select! {
            left = left => left.map_err(|_| HostError::NotHandedOver),
            () = late => Err(HostError::NotHandedOver),
        };
        self.group.withdraw(&self.service, self.pid).await?;
        left
    }
}
