//! Over Archipelago, through its public API.

use archipelago::{GroupSpec, Mailbox, Node, Pid};
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

pub(super) async fn serve() -> Result<Served, Failure> {
    let realm = format!("peers-{}", std::process::id());
    let node = Node::builder("served").realm(&realm);
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
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        let address: Address = serde_json::from_str(address)?;
        let seeds = address.seeds.iter().map(String::as_str);
        let group = seeds.fold(GroupSpec::open(GROUP), GroupSpec::seed);
        let node = Node::builder("asking").realm(&address.realm).group(group);
        let node = node.start().await?;
        node.wait_members(GROUP, 2).await?;
        let (sink, echo) = (node.mailbox().await?, node.mailbox().await?);
        let link = ours::Ours::new((&sink, address.sink), (&echo, address.echo));
        let held = std::sync::Arc::new((node, sink, echo));
        Ok(Self { link, _held: held })
    }
}
