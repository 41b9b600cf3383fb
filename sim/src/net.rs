//! What a node finds around it while an event happens to it: what all nodes read, what the nodes of
//! its shard use in turn, and where its own events go.
//!
//! Nothing here is shared by two threads that could change it, so a run does not depend on them.

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::channel::{ChannelConfig, ChannelOutput, Frame};
use archipelago_core::wire::Control;
use archipelago_router::Output;

use crate::check::rows::RowSeen;
use crate::engine::{Key, Post};
use crate::event::Event;
use crate::hops::HopSeen;
use crate::host::Latencies;
use crate::link::Links;
use crate::observe::Observed;
use crate::parcel::Spares;
use crate::tally::Tally;
use crate::tap::{Caught, Tap};
use crate::world::WorldConfig;

/// What all nodes of a world read, and only the world's verbs change, between two runs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    /// How many nodes there are.
    pub(crate) nodes: u32,
    pub(crate) links: Links,
    /// When links last changed for the better.
    pub(crate) mended: Option<Time>,
    pub(crate) timer_slack: Duration,
    pub(crate) handshake_time: Duration,
    pub(crate) packet_time: Duration,
    pub(crate) dial_timeout: Duration,
    pub(crate) transport_timeout: Duration,
    pub(crate) codec: bool,
    /// Whether the digest covers what messages say.
    pub(crate) trace: bool,
    /// Whether what nodes report is kept.
    pub(crate) log: bool,
    pub(crate) channel: ChannelConfig,
    /// Whose messages are kept, if anybody's.
    pub(crate) tap: Option<Tap>,
}

/// What the nodes of one shard use in turn.
#[derive(Debug, Default)]
pub(crate) struct Local {
    /// What nodes reported since the world last looked.
    pub(crate) observed: Vec<Observed>,
    /// Rows that arrived since the world last looked.
    pub(crate) rows: Vec<RowSeen>,
    /// Questions and answers of look-ups, likewise.
    pub(crate) hops: Vec<HopSeen>,
    /// From the last mending of links until what had waited for it arrived.
    pub(crate) after_mending: Latencies,
    /// Spare buffers, so that no input allocates one.
    pub(crate) outputs: Vec<Vec<Output>>,
    pub(crate) channel_outputs: Vec<Vec<ChannelOutput>>,
    pub(crate) batch: Vec<Control>,
    pub(crate) messages: Spares<Control>,
    pub(crate) frames: Spares<Vec<Frame>>,
    /// Events that happened.
    pub(crate) events: u64,
    /// What arrived, and connections that were asked for.
    pub(crate) tally: Tally,
    /// What the tap let through since the world last looked.
    pub(crate) caught: Caught,
}

/// Lent to one node for one event.
#[derive(Debug)]
pub(crate) struct Net<'a, 'b> {
    pub(crate) now: Time,
    pub(crate) shared: &'a Shared,
    pub(crate) local: &'a mut Local,
    pub(crate) post: &'a mut Post<'b, Event>,
}

impl Shared {
    pub(crate) fn new(config: &WorldConfig) -> Self {
        let mut links = Links::new(config.link.clone());
        if let Some(underlay) = &config.underlay {
            links.set_underlay(underlay.clone());
        }
        Self {
            seed: config.seed,
            nodes: 0,
            links,
            mended: None,
            timer_slack: config.timer_slack,
            handshake_time: config.handshake_time,
            packet_time: config.packet_time,
            dial_timeout: config.dial_timeout,
            transport_timeout: config.transport_timeout,
            codec: config.codec,
            trace: config.trace,
            log: config.log,
            channel: config.channel.clone(),
            tap: None,
        }
    }
}

impl Local {
    /// What the spare boxes hold on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.messages.heap_bytes() + self.frames.heap_bytes()
    }
}

impl Net<'_, '_> {
    /// Adds an event caused by the node and counter `source`.
    pub(crate) fn push(&mut self, time: Time, source: (u32, u32), target: u32, event: Event) {
        let (source, counter) = source;
        let key = Key {
            time,
            source,
            counter,
        };
        self.post.push(key, target, event);
    }
}
