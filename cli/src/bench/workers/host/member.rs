//! One node of this process, its workers, and its entry.

use std::time::Duration;

use archipelago::{
    Bytes, GroupSpec, HostConfig, Keyed, KeyedHost, KeyedRequest, KeyedWorker, Node, StopReason,
};

use super::super::WorkersError;
use super::super::order::NodeOrder;
use crate::live::spec::Told;

const SERVICE: &str = "bench";

/// How long a group may take to form, and its hosts to agree.
const FORMING_MAX: Duration = Duration::from_secs(180);

/// Sessions that an entry may open to hosts of other groups: all of them.
const ON_DEMAND_MAX: usize = 1_024;

/// A worker: how many requests it did.
#[derive(Debug)]
struct Counter(u64);

impl KeyedWorker for Counter {
    async fn handle(&mut self, request: KeyedRequest) -> Bytes {
        self.0 += 1;
        // The bytes are looked at once, as any use of them would.
        let (words, rest) = request.payload.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let rest = rest.iter().map(|byte| u64::from(*byte));
        let sum = words.chain(rest).fold(0, u64::wrapping_add);
        let answer = [self.0.to_le_bytes(), sum.to_le_bytes()];
        Bytes::copy_from_slice(&answer.concat())
    }

    async fn stop(self, _reason: StopReason) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&self.0.to_le_bytes()))
    }
}

async fn start(_key: Bytes, state: Option<Bytes>) -> Counter {
    let count = state.and_then(|state| Some(u64::from_le_bytes(state[..].try_into().ok()?)));
    Counter(count.unwrap_or(0))
}

/// One node and what it does.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) node: Node,
    order: NodeOrder,
    host: Option<KeyedHost>,
}

impl Member {
    /// Starts it; returns when it listens.
    pub(super) async fn start(order: NodeOrder) -> Result<Self, WorkersError> {
        let mut builder = Node::builder(&format!("w{}", order.index)).realm(&order.realm);
        if order.is_reflector {
            builder = builder.reflector();
        }
        if order.is_entry {
            builder = builder.on_demand_max(ON_DEMAND_MAX);
        }
        for group in &order.groups {
            let told = Told::open(&group.name, group.seeds.clone());
            builder = builder.group(GroupSpec::from(told));
        }
        Ok(Self {
            node: builder.start().await?,
            order,
            host: None,
        })
    }

    pub(super) const fn index(&self) -> usize {
        self.order.index
    }

    pub(super) const fn is_entry(&self) -> bool {
        self.order.is_entry
    }

    /// The group whose workers it hosts.
    pub(super) fn home(&self) -> &str {
        &self.order.groups[0].name
    }

    /// Waits until it sees all members of its groups.
    pub(super) async fn formed(&self) -> Result<(), WorkersError> {
        let formed = async {
            for group in &self.order.groups {
                self.node.wait_members(&group.name, group.members).await?;
            }
            Ok::<(), WorkersError>(())
        };
        let formed = tokio::time::timeout(FORMING_MAX, formed).await;
        formed.map_err(|_| WorkersError::Forming)?
    }

    /// Hosts workers, if it is to.
    pub(super) async fn host(&mut self) -> Result<(), WorkersError> {
        if !self.order.is_host || self.host.is_some() {
            return Ok(());
        }
        // Nobody is put to rest while it is measured.
        let config = HostConfig {
            idle_timeout: Duration::from_secs(86_400),
            is_exported: true,
            ..HostConfig::default()
        };
        let group = self.node.group(self.home());
        self.host = Some(group.host_keyed(SERVICE, config, start).await?);
        Ok(())
    }

    /// Waits until it runs all shards that are its own.
    pub(super) async fn settled(&mut self) -> Result<(), WorkersError> {
        let Some(host) = &mut self.host else {
            return Ok(());
        };
        let settled = tokio::time::timeout(FORMING_MAX, host.settled()).await;
        Ok(settled.map_err(|_| WorkersError::Forming)??)
    }

    /// What asks the workers of a group from here.
    pub(super) async fn entry(&self, group: &str) -> Result<Keyed, WorkersError> {
        Ok(self.node.group(group).keyed(SERVICE).await?)
    }
}
