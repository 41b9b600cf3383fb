//! The members of the measured group, their workers, and those that ask.

use std::time::Duration;

use archipelago::{
    Bytes, GroupSpec, HostConfig, Keyed, KeyedHost, KeyedRequest, KeyedWorker, Node, StopReason,
};

use super::super::names::BenchError;
use super::{EntryKind, Options};

const GROUP: &str = "workers";
const SERVICE: &str = "bench";
const PROXIES: usize = 2;
/// How long a group may take to form, and its hosts to agree.
const FORMING_MAX: Duration = Duration::from_secs(180);

/// A worker: how many requests it did.
#[derive(Debug)]
struct Counter(u64);

impl KeyedWorker for Counter {
    async fn handle(&mut self, request: KeyedRequest) -> Bytes {
        self.0 += 1;
        // The bytes are looked at once, as any use of them would.
        let sum = request
            .payload
            .iter()
            .fold(0_u64, |sum, byte| sum.wrapping_add(u64::from(*byte)));
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
    /// It hosts workers.
    pub(super) host: Option<KeyedHost>,
    /// It takes requests.
    pub(super) entry: Option<Keyed>,
}

/// Forms the group; hosts first, then proxies, if there are any.
pub(super) async fn form(
    hosts: usize,
    options: &Options,
    on_started: impl Fn(),
) -> Result<Vec<Member>, BenchError> {
    let proxies = match options.entry {
        EntryKind::Proxy => PROXIES,
        EntryKind::Any => 0,
    };
    let mut members: Vec<Member> = Vec::new();
    for number in 0..hosts + proxies {
        let first = members.first().map(|member| member.node.clone());
        members.push(Member {
            node: node(number, first.as_ref()).await?,
            host: None,
            entry: None,
        });
        on_started();
    }
    let all = members.len();
    let formed = async {
        for (number, member) in members.iter_mut().enumerate() {
            member.node.wait_members(GROUP, all).await?;
            if number < hosts {
                member.host = Some(host(&member.node).await?);
            }
            if number >= hosts || proxies == 0 {
                member.entry = Some(member.node.group(GROUP).keyed(SERVICE).await?);
            }
        }
        for host in members.iter_mut().filter_map(|member| member.host.as_mut()) {
            host.settled().await?;
        }
        Ok::<(), BenchError>(())
    };
    let formed = tokio::time::timeout(FORMING_MAX, formed).await;
    formed.map_err(|_| BenchError::Forming)??;
    Ok(members)
}

/// Another host, which takes no requests.
pub(super) async fn add(number: usize, first: &Node) -> Result<Member, BenchError> {
    let node = node(number, Some(first)).await?;
    let joined = tokio::time::timeout(FORMING_MAX, node.joined(GROUP)).await;
    joined.map_err(|_| BenchError::Forming)??;
    let host = Some(host(&node).await?);
    let entry = None;
    Ok(Member { node, host, entry })
}

async fn node(number: usize, first: Option<&Node>) -> Result<Node, BenchError> {
    let mut group = GroupSpec::open(GROUP);
    if let Some(first) = first {
        group = first.addresses().into_iter().fold(group, GroupSpec::seed);
    }
    let node = Node::builder(&format!("w{number}")).group(group);
    Ok(node.start().await?)
}

async fn host(node: &Node) -> Result<KeyedHost, BenchError> {
    // Nobody is put to rest while it is measured.
    let config = HostConfig {
        idle_timeout: Duration::from_secs(86_400),
        ..HostConfig::default()
    };
    let group = node.group(GROUP);
    Ok(group.host_keyed(SERVICE, config, start).await?)
}
