//! Over Archipelago, through its public API.

use archipelago::{Builder, GroupSpec, Mailbox, Node, Pid, Runtime, RuntimeError};
use archipelago_load::ours;
use serde::{Deserialize, Serialize};

use super::Served;
use crate::Failure;

/// The group of the two nodes.
const GROUP: &str = "peers";

#[derive(Serialize, Deserialize)]
struct Address {
    realm: String,
    seeds: Vec<String>,
    sink: Pid,
    echo: Pid,
}

/// A node, and the way to the other one.
#[derive(Clone)]
pub(crate) struct Ours {
    pub(crate) link: ours::Ours,
    _held: std::sync::Arc<(Node, Mailbox, Mailbox)>,
}

/// On this process's threads, or on threads of its own.
fn on(node: Builder, is_here: bool) -> Result<Builder, RuntimeError> {
    Ok(match is_here {
        true => node.runtime(&Runtime::current()?),
        false => node,
    })
}

pub(super) async fn serve(is_here: bool) -> Result<Served, Failure> {
    let realm = format!("peers-{}", std::process::id());
    let node = on(Node::builder("served").realm(&realm), is_here)?;
    let node = node.group(GroupSpec::open(GROUP)).start().await?;
    let (sink, echo) = ours::serve(&node).await?;
    let seeds = node.addresses().into_iter().map(|seed| seed.0.to_string());
    let address = serde_json::to_string(&Address {
        realm,
        seeds: seeds.collect(),
        sink,
        echo,
    })?;
    Ok(Served::new(address, node))
}

impl Ours {
    pub(super) async fn connect(address: &str, is_here: bool) -> Result<Self, Failure> {
        let address: Address = serde_json::from_str(address)?;
        let seeds = address.seeds.iter().map(String::as_str);
        let group = seeds.fold(GroupSpec::open(GROUP), GroupSpec::seed);
        let node = Node::builder("asking").realm(&address.realm).group(group);
        let node = on(node, is_here)?.start().await?;
        node.wait_members(GROUP, 2).await?;
        let (sink, echo) = (node.mailbox().await?, node.mailbox().await?);
        let link = ours::Ours::new((&sink, address.sink), (&echo, address.echo));
        let held = std::sync::Arc::new((node, sink, echo));
        Ok(Self { link, _held: held })
    }
}
