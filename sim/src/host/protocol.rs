//! A user's own protocol on top of a node: a machine with a mailbox, driven like the product's own.
//!
//! What it says travels in the node's real channels, over relay or direct sessions, in order, and is
//! lost only where the product says so. Its process dies with the node's, and it with the process.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use archipelago_core::channel::{Kind, Message};
use archipelago_core::{GroupId, LocalId, Pid, Time};
use archipelago_sgroup::registry::Table;
use bytes::Bytes;

use super::Host;
use crate::event::Event;
use crate::names;
use crate::net::Net;
use crate::random::Random;

/// A machine of the user's: deterministic, with time, chance and outputs lent by the [`Turn`].
pub trait Protocol: Any + Send + Debug {
    /// A message arrived from this mailbox.
    fn handle_message(&mut self, from: Pid, payload: &Bytes, turn: &mut Turn<'_>);

    /// A timer of its own fired. Default: nothing happens.
    fn handle_timer(&mut self, _turn: &mut Turn<'_>) {}
}

/// What a protocol is lent for one input.
#[derive(Debug)]
pub struct Turn<'a> {
    now: Time,
    me: Pid,
    random: &'a mut Random,
    tables: &'a BTreeMap<GroupId, Table>,
    sends: Vec<(Pid, Bytes)>,
    timers: Vec<Duration>,
}

impl Turn<'_> {
    /// The instant.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The protocol's own mailbox.
    pub const fn me(&self) -> Pid {
        self.me
    }

    /// The node's own stream of chance.
    pub const fn random(&mut self) -> &mut Random {
        self.random
    }

    /// What the members of a group say; `None` where this node has heard nothing.
    pub fn table(&self, group: GroupId) -> Option<&Table> {
        self.tables.get(&group)
    }

    /// Sends a message. It waits at the node while the channel has no room.
    pub fn send(&mut self, to: Pid, payload: impl Into<Bytes>) {
        self.sends.push((to, payload.into()));
    }

    /// Calls [`Protocol::handle_timer`] after so long.
    pub fn wake_after(&mut self, delay: Duration) {
        self.timers.push(delay);
    }
}

/// A protocol in its node.
#[derive(Debug)]
pub(crate) struct Installed {
    protocol: Box<dyn Protocol>,
    me: Pid,
    /// What the channels had no room for.
    waiting: VecDeque<(Pid, Bytes)>,
}

impl Installed {
    /// Whether this is its mailbox.
    pub(super) fn owns(&self, local: LocalId) -> bool {
        self.me.local == local
    }

    /// The protocol, if it is of this type.
    pub(crate) fn protocol<P: Protocol>(&self) -> Option<&P> {
        let any: &dyn Any = &*self.protocol;
        any.downcast_ref()
    }
}

impl Host {
    /// Puts a protocol on the running process; its mailbox.
    pub(crate) fn install(&mut self, protocol: Box<dyn Protocol>) -> Option<Pid> {
        let me = self.another_pid()?;
        let waiting = VecDeque::new();
        self.app.installed = Some(Installed {
            protocol,
            me,
            waiting,
        });
        Some(me)
    }

    /// Gives the protocol an input, and does what it says.
    pub(crate) fn turn<R>(
        &mut self,
        net: &mut Net,
        call: impl FnOnce(&mut dyn Protocol, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let mut installed = self.app.installed.take()?;
        let mut turn = Turn {
            now: net.now,
            me: installed.me,
            random: &mut self.random,
            tables: &self.tables,
            sends: Vec::new(),
            timers: Vec::new(),
        };
        let result = call(&mut *installed.protocol, &mut turn);
        let Turn { sends, timers, .. } = turn;
        installed.waiting.extend(sends);
        self.app.installed = Some(installed);
        for delay in timers {
            self.push(net.now.after(delay), self.ix, Event::Timer, net);
        }
        self.send_waiting(net);
        Some(result)
    }

    /// A message for the protocol.
    pub(super) fn on_protocol_message(&mut self, source: u32, message: &Message, net: &mut Net) {
        let boot = self.boot_of(source).unwrap_or_default();
        let from = Pid {
            node: names::node_id(net.shared.seed, source),
            boot,
            local: message.from,
            home: None,
        };
        self.turn(net, |protocol, turn| {
            protocol.handle_message(from, &message.payload, turn);
        });
    }

    /// Sends what waits, as far as there is room; what waits for one peer stays in order.
    pub(super) fn send_waiting(&mut self, net: &mut Net) {
        let Some(installed) = self.app.installed.as_mut() else {
            return;
        };
        let from = installed.me.local;
        let mut full = Vec::new();
        for (to, payload) in std::mem::take(&mut installed.waiting) {
            let peer = names::node_of(&to.node);
            let message = Message {
                from,
                to: to.local,
                kind: Kind::Cast,
                payload: payload.clone(),
            };
            let is_sent = !full.contains(&peer)
                && if peer == self.ix {
                    self.on_deliver(peer, message, net)
                } else {
                    self.send_message(peer, to.boot, to.home, message, net)
                };
            if !is_sent && peer != self.ix {
                full.push(peer);
                if let Some(installed) = self.app.installed.as_mut() {
                    installed.waiting.push_back((to, payload));
                }
            }
        }
    }
}
