//! A node's one processor, where work takes it time: handshakes and packets, one after the other.
//!
//! Where neither costs anything, which is the default, none is made and a packet is taken in at the
//! moment of its arrival. What sends cost is part of what they answer: a node that is asked twice as
//! much is half as fast. Costs nothing at rest, and one event for each packet where packets cost.

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::Time;

use super::Host;
use crate::event::Event;
use crate::net::Net;

/// What a busy processor has before it.
#[derive(Debug, Default)]
pub(super) struct Processor {
    /// When it is done with all that it was given.
    busy_until: Time,
    /// Packets that arrived and are not worked on yet, with their senders, oldest first.
    tray: VecDeque<(u32, Event)>,
    /// Ends of work on packets that a crash has taken out of the tray.
    stale: usize,
}

impl Processor {
    /// Adds work of so long; when that is done.
    fn take_on(&mut self, now: Time, work: Duration) -> Time {
        self.busy_until = self.busy_until.max(now).after(work);
        self.busy_until
    }

    /// The process ended: what it had not worked on is lost.
    pub(super) fn crash(&mut self) {
        self.stale += self.tray.len();
        self.tray.clear();
    }

    /// The oldest packet, now that its work is done; none if a crash has taken it.
    fn worked(&mut self) -> Option<(u32, Event)> {
        if self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        self.tray.pop_front()
    }
}

impl Host {
    /// How long until this node is done with one more handshake.
    pub(super) fn handshake(&mut self, net: &Net) -> Duration {
        let work = net.shared.handshake_time;
        if work.is_zero() {
            return Duration::ZERO;
        }
        let processor = self.processor.get_or_insert_default();
        processor.take_on(net.now, work).since(net.now)
    }

    /// Lays a packet into the tray, if packets take this node time; else gives it back.
    pub(super) fn defer(&mut self, source: u32, event: Event, net: &mut Net) -> Option<Event> {
        let work = net.shared.packet_time;
        if work.is_zero() || !matches!(event, Event::Packet { .. }) {
            return Some(event);
        }
        let processor = self.processor.get_or_insert_default();
        let done = processor.take_on(net.now, work);
        processor.tray.push_back((source, event));
        self.push(done, self.ix, Event::Worked, net);
        None
    }

    /// The oldest packet of the tray has been worked on. Where no process runs, the crash of the last
    /// one has emptied the tray, and this end of its work is one of those that count for nothing.
    pub(super) fn on_worked(&mut self, net: &mut Net) {
        let worked = self.processor.as_mut().and_then(|it| it.worked());
        if let Some((source, event)) = worked {
            self.handle_running(source, event, net);
        }
    }
}
