//! `[node]`: what every node is told that differs from the defaults.

use std::time::Duration;

use archipelago_router::NodeConfig;

use super::error::ScenarioError;
use super::reader::Table;

/// What is set; the rest are the product's own defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// An on-demand session that carried nothing for so long closes.
    pub idle_timeout: Option<Duration>,
    /// On-demand sessions of a node at once.
    pub on_demand_max: Option<u32>,
    /// Whether first messages go by relay.
    pub relay: Option<bool>,
    /// Whether control messages pass through their bytes, as live. Default true up to 2,000
    /// nodes.
    pub codec: Option<bool>,
    /// Whether nodes that are late doubt themselves before others. Default true.
    pub local_health: Option<bool>,
    /// What a handshake takes a node's processor at each end. Default nothing.
    pub handshake_time: Option<Duration>,
    /// What each packet takes the processor of the node that it arrives at. Default nothing.
    pub packet_time: Option<Duration>,
}

impl NodeSettings {
    /// Tells a node.
    pub fn apply(&self, config: &mut NodeConfig) {
        if let Some(idle_timeout) = self.idle_timeout {
            config.idle_timeout = idle_timeout;
        }
        if let Some(sessions) = self.on_demand_max {
            config.on_demand_max = sessions as usize;
        }
        if let Some(relay) = self.relay {
            config.relay = relay;
        }
        if let Some(local_health) = self.local_health {
            for group in &mut config.groups {
                let mut other = (**group).clone();
                let mut timing = (*other.timing).clone();
                timing.local_health = local_health;
                other.timing = timing.into();
                *group = other.into();
            }
        }
    }
}

pub(super) fn read(table: Option<Table<'_>>) -> Result<NodeSettings, ScenarioError> {
    let Some(table) = table else {
        return Ok(NodeSettings::default());
    };
    table.only(&[
        "idle_timeout",
        "on_demand_max",
        "relay",
        "codec",
        "local_health",
        "handshake_time",
        "packet_time",
    ])?;
    Ok(NodeSettings {
        idle_timeout: table.period("idle_timeout")?,
        on_demand_max: table.count("on_demand_max", 1..=100_000)?,
        relay: table.flag("relay")?,
        codec: table.flag("codec")?,
        local_health: table.flag("local_health")?,
        handshake_time: table.period("handshake_time")?,
        packet_time: table.period("packet_time")?,
    })
}
