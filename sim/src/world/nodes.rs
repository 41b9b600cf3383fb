//! The nodes of one shard, and how an event reaches one of them.

use archipelago_core::ahead;
use archipelago_core::wire::{Control, SessionId};
use archipelago_router::{Coming, Node};

use crate::check::rows::RowSeen;
use crate::engine::{Due, Key, Order, Post, Shard};
use crate::event::{Body, Event};
use crate::frames;
use crate::hops::HopSeen;
use crate::host::{Host, ProcessState};
use crate::net::{Local, Net, Shared};
use crate::trace;

/// Hosts in the order of their numbers, and what they use in turn.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) hosts: Vec<Host>,
    pub(crate) local: Local,
}

impl Shard for Nodes {
    type Shared = Shared;
    type Body = Event;

    fn handle(&mut self, due: Due<Event>, shared: &Shared, post: &mut Post<'_, Event>) {
        let host = &mut self.hosts[post.layout().place(due.target)];
        let mut net = Net {
            now: due.key.time,
            shared,
            local: &mut self.local,
            post,
        };
        note(host, &due, &mut net);
        match due.body {
            Event::Packet {
                to,
                body: Body::Control(parcel),
                ..
            } if is_open(host, to) && shared.packet_time.is_zero() => {
                let mut batch = std::mem::take(&mut net.local.batch);
                batch.push(net.local.messages.open(parcel));
                gather(host, due.key, to, &mut batch, &mut net);
                host.handle_batch(to, &mut batch, &mut net);
                batch.clear();
                net.local.batch = batch;
            }
            other => host.handle(due.key.source, other, &mut net),
        }
    }

    /// A node is some dozens of lines of memory.
    const ORDER: Order = Order::Nodes;

    /// One for the host and what arrives, then those of its machine.
    const FORESIGHT: u32 = 1 + Node::FORESIGHT;

    fn foresee(&self, place: usize, event: &Event, step: u32) {
        let Some(host) = self.hosts.get(place) else {
            return;
        };
        let coming = match event {
            Event::Packet { to, .. } => Coming::Message(*to),
            Event::Wake if step == 0 || !host.is_timer_idle() => Coming::Timeout,
            _ => return,
        };
        if step == 0 {
            host.foresee();
            return foresee_message(event);
        }
        if let Some(node) = &host.node {
            node.foresee(coming, step - 1);
        }
        host.foresee_transport(coming, step);
    }
}

/// Has what a message says fetched.
fn foresee_message(event: &Event) {
    if let Event::Packet {
        body: Body::Control(parcel),
        ..
    } = event
    {
        ahead::fetch(&**parcel);
        ahead::fetch_at(std::slice::from_ref(&**parcel), 1);
    }
}

/// What arrives at the same instant on the same session, one after the other, is read at once.
fn gather(
    host: &mut Host,
    mut key: Key,
    session: SessionId,
    batch: &mut Vec<Control>,
    net: &mut Net,
) {
    let me = host.ix;
    let is_same = |target, event: &Event| {
        let is_control = matches!(
            event,
            Event::Packet { to, body: Body::Control(_), .. } if *to == session
        );
        is_control && target == me
    };
    while let Some(due) = net.post.successor_if(key, is_same) {
        note(host, &due, net);
        key = due.key;
        if let Event::Packet {
            body: Body::Control(parcel),
            ..
        } = due.body
        {
            batch.push(net.local.messages.open(parcel));
        }
    }
}

/// Whether control messages on this session go straight to a running machine.
fn is_open(host: &Host, session: SessionId) -> bool {
    host.state == ProcessState::Running && host.sessions.get(session).is_some()
}

/// Adds an event to its node's chain, counts it, and keeps what checkers look at.
fn note(host: &mut Host, due: &Due<Event>, net: &mut Net) {
    let content = if net.shared.trace {
        digest(&due.body)
    } else {
        kind(&due.body)
    };
    host.chain.add(due.key, content);
    net.local.events += 1;
    let Event::Packet {
        from,
        to,
        body: Body::Control(parcel),
    } = &due.body
    else {
        return;
    };
    let Some(message) = parcel.as_ref() else {
        return;
    };
    net.local.tally.note(message);
    if let Some(tap) = &net.shared.tap {
        net.local.caught.note(tap, due.key, due.target, message);
    }
    if net.shared.log {
        let nodes = (due.key.source, due.target);
        let seen = RowSeen::new(nodes, (*from, *to), message, due.key.time);
        net.local.rows.extend(seen);
        let seen = HopSeen::new(due.target, message, due.key.time);
        net.local.hops.extend(seen);
    }
}

/// What an event says, beside its place.
fn digest(event: &Event) -> u64 {
    let Event::Packet { body, .. } = event else {
        return kind(event);
    };
    match body {
        Body::Control(parcel) => trace::digest(&**parcel).0,
        Body::Frames(parcel) => parcel.as_deref().map_or(0, frames::digest),
        _ => kind(event),
    }
}

/// What an event is.
const fn kind(event: &Event) -> u64 {
    match event {
        Event::Wake => 1,
        Event::ChannelWake { .. } => 2,
        Event::Syn { .. } => 3,
        Event::Refused { .. } => 4,
        Event::DialTimeout { .. } => 5,
        Event::DialEnded { .. } => 6,
        Event::Abort { .. } => 7,
        Event::Gone { .. } => 8,
        Event::Flow { .. } => 9,
        Event::Timer => 16,
        Event::CallTimeout => 17,
        Event::Retransmit { .. } => 18,
        Event::Worked => 19,
        Event::Packet { body, .. } => match body {
            Body::Accepted => 10,
            Body::Established => 11,
            Body::Fin => 12,
            Body::Reset => 13,
            Body::Control(_) => 14,
            Body::Frames(_) => 15,
        },
    }
}
