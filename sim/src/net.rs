//! What all nodes of a world share: the queue, the links, the instant, and lent buffers.

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::channel::{ChannelConfig, ChannelOutput};
use archipelago_core::wire::Control;
use archipelago_router::Output;

use crate::engine::{Key, Queue};
use crate::event::Event;
use crate::link::Links;
use crate::observe::Observed;
use crate::world::WorldConfig;

/// Shared by the nodes of one world; lent to one of them at a time.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) seed: u64,
    /// How many nodes there are.
    pub(crate) nodes: u32,
    pub(crate) queue: Queue<Event>,
    pub(crate) links: Links,
    pub(crate) timer_slack: Duration,
    pub(crate) dial_timeout: Duration,
    pub(crate) transport_timeout: Duration,
    pub(crate) codec: bool,
    pub(crate) channel: ChannelConfig,
    /// What nodes reported since the world last looked.
    pub(crate) observed: Vec<Observed>,
    /// Spare buffers, so that no input allocates one.
    pub(crate) outputs: Vec<Vec<Output>>,
    pub(crate) channel_outputs: Vec<Vec<ChannelOutput>>,
    pub(crate) batch: Vec<Control>,
    /// Connections that were asked for.
    pub(crate) dials: u64,
}

fn links(config: &WorldConfig) -> Links {
    let mut links = Links::new(config.link.clone());
    if let Some(underlay) = &config.underlay {
        links.set_underlay(underlay.clone());
    }
    links
}

impl Net {
    pub(crate) fn new(config: &WorldConfig) -> Self {
        Self {
            now: Time::START,
            seed: config.seed,
            nodes: 0,
            queue: Queue::default(),
            links: links(config),
            timer_slack: config.timer_slack,
            dial_timeout: config.dial_timeout,
            transport_timeout: config.transport_timeout,
            codec: config.codec,
            channel: config.channel.clone(),
            observed: Vec::new(),
            outputs: Vec::new(),
            channel_outputs: Vec::new(),
            batch: Vec::new(),
            dials: 0,
        }
    }

    /// Adds an event caused by the node and counter `source`.
    pub(crate) fn push(&mut self, time: Time, source: (u32, u32), target: u32, event: Event) {
        let (source, counter) = source;
        let key = Key {
            time,
            source,
            counter,
        };
        self.queue.push(key, target, event);
    }
}
