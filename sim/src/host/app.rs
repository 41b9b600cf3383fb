//! The application of a simulated node: a mailbox (more on request), and flows of numbered messages to others.
//!
//! Every message carries (sender, flow, number, time), so the receiver sees at once what comes
//! twice, out of order or not at all. What the sender was told may be lost is counted beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::channel::{Data, Frame, Kind, Message, Outcome, Part};
use archipelago_core::{GroupId, LocalId, Pid, Time};
use bytes::Bytes;

use super::calls::Account;
use super::latencies::Latencies;
use super::{Host, Installed, Mutant};
use crate::event::Event;
use crate::names;
use crate::net::Net;

/// Bytes of a message that the checker needs.
const HEADER_LEN: usize = 24;
/// Set in a message's first word when its fourth is the length of a body.
const BODY_MARK: u64 = 1 << 63;
/// What was sent so long before links mended had waited for it, and was not merely under way.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// Messages from one node's mailbox to another's.
#[derive(Clone, Debug)]
pub struct Flow {
    /// To whom.
    pub to: Pid,
    /// How many messages in all.
    pub messages: u64,
    /// Between two of them; zero sends all at once, as far as there is room.
    pub period: Duration,
    /// Bytes of each, at least 24 (32 with a body).
    pub bytes: usize,
    /// Bytes of a body that each carries besides. They are charged to the links that have a
    /// bandwidth, and held and copied nowhere; 0 is none. By relay or detour they cost nothing: a
    /// body makes the control machine dial instead.
    pub body: u64,
    /// Each message is a call that waits so long for its answer; `None`: a cast.
    pub call: Option<Duration>,
}

/// How a flow went so far, as its sender knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowReport {
    /// Messages accepted by the channel.
    pub sent: u64,
    /// Messages of the channel (of all its flows) that the sender was told may be lost.
    pub told_lost: u64,
    /// Messages answered by "no such mailbox".
    pub no_mailbox: u64,
    /// How often the channel had no room.
    pub full: u64,
}

/// What one receiver saw of one flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Messages delivered.
    pub delivered: u64,
    /// The number that would come next without a gap.
    pub next: u64,
    /// Numbers that were skipped.
    pub skipped: u64,
    /// Messages whose number was lower than one delivered before: twice, or out of order.
    pub misordered: u64,
    /// When the last one came.
    pub last: Time,
    /// The longest time between two, or before the first, since that one was sent.
    pub gap_max: Duration,
    /// The longest time from sender to mailbox.
    pub latency_max: Duration,
    /// How long the first message took.
    pub latency_first: Duration,
    /// The shortest time from sender to mailbox.
    pub latency_min: Duration,
    /// All times from sender to mailbox together.
    pub latency_total: Duration,
}

/// The application of one node.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) flows: Vec<(Flow, FlowReport)>,
    /// By sending node and flow. Outlives the process: it is the world's record, not the node's.
    pub(crate) received: BTreeMap<(u32, u32), Received>,
    /// How long every message took.
    pub(crate) latencies: Latencies,
    /// Messages for a mailbox that is not there.
    pub(crate) strays: u64,
    /// Messages to the control machine that were no letters.
    pub(crate) letters_ignored: u64,
    /// Monitors begun so far, by all processes.
    pub(crate) monitors: u64,
    /// The user's own protocol.
    pub(crate) installed: Option<Installed>,
    /// Of those who call.
    account: Option<Box<Account>>,
    mailbox: Option<LocalId>,
    /// Made besides, for tests of what flows do to each other.
    more_mailboxes: Vec<LocalId>,
    /// Whether any flow so far had bodies.
    has_bodies: bool,
    /// Flows of this process that wait for room.
    blocked: Vec<u32>,
    /// Flows of earlier processes are over.
    first_flow: u32,
}

impl App {
    /// The process is gone, and its mailbox and flows with it.
    pub(crate) fn forget_mailboxes(&mut self) {
        if let Some(account) = &mut self.account {
            account.on_process_end();
        }
        self.mailbox = None;
        self.installed = None;
        self.more_mailboxes.clear();
        self.blocked.clear();
        self.first_flow = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
    }

    /// Whether a flow belongs to the running process.
    pub(crate) const fn is_current(&self, flow: u32) -> bool {
        self.mailbox.is_some() && flow >= self.first_flow
    }

    /// A mailbox is gone.
    pub(super) fn end_mailbox(&mut self, local: LocalId) {
        self.more_mailboxes.retain(|&other| other != local);
        if self.mailbox == Some(local) {
            self.mailbox = None;
        }
    }

    /// What the bodies of the messages that begin in these frames weigh.
    pub(super) fn body_bytes(&self, frames: &[Frame]) -> u64 {
        let bodies = frames.iter().filter_map(|frame| self.body(frame));
        bodies.fold(0, u64::saturating_add)
    }

    /// The place of the first of these frames with which a body goes.
    pub(super) fn first_with_body(&self, frames: &[Frame]) -> Option<usize> {
        frames.iter().position(|frame| self.body(frame).is_some())
    }

    fn body(&self, frame: &Frame) -> Option<u64> {
        match frame {
            Frame::Data(data) if self.has_bodies && self.has_mailbox(data.from) => body(data),
            _ => None,
        }
    }

    /// The calls of this node, if it ever called.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// A stopped process goes on: what fell due meanwhile is not late.
    pub(super) fn note_resumed(&mut self, now: Time) {
        if let Some(account) = &mut self.account {
            account.note_resumed(now);
        }
    }

    pub(super) fn calls(&mut self) -> &mut Account {
        self.account.get_or_insert_default()
    }

    pub(super) fn calls_if_any(&mut self) -> Option<&mut Account> {
        self.account.as_deref_mut()
    }

    pub(super) fn has_mailbox(&self, local: LocalId) -> bool {
        self.mailbox == Some(local) || self.more_mailboxes.contains(&local)
    }

    /// The senders to `peer` hear that so many messages may be lost.
    pub(super) fn on_lost(&mut self, peer: u32, messages: u64) {
        for (flow, report) in &mut self.flows {
            if names::node_of(&flow.to.node) == peer {
                report.told_lost = report.told_lost.saturating_add(messages);
            }
        }
    }
}

impl Host {
    /// The address of this node's mailbox, made if the process has none yet.
    pub(crate) fn pid(&mut self) -> Option<Pid> {
        let boot = self.boot()?;
        let random = &mut self.random;
        let local = *self
            .app
            .mailbox
            .get_or_insert_with(|| LocalId(random.u64()));
        Some(Pid {
            node: self.id,
            boot,
            local,
            home: self.home(),
        })
    }

    /// The first group of its configuration; of a free node the first that it came to use.
    fn home(&self) -> Option<GroupId> {
        let configured = self.config.groups.first().map(|group| group.id());
        let used = || self.node.as_ref()?.hosts().first().map(|(group, _)| *group);
        configured.or_else(used)
    }

    /// The address of one more mailbox of this process.
    pub(crate) fn another_pid(&mut self) -> Option<Pid> {
        let first = self.pid()?;
        let local = LocalId(self.random.u64());
        self.app.more_mailboxes.push(local);
        Some(Pid { local, ..first })
    }

    /// Starts a flow of this process; its number.
    pub(crate) fn start_flow(&mut self, flow: Flow, net: &mut Net) -> u32 {
        let number = u32::try_from(self.app.flows.len()).expect("fewer than 2^32 flows");
        self.app.has_bodies |= flow.body > 0;
        self.app.flows.push((flow, FlowReport::default()));
        self.push(net.now, self.ix, Event::Flow { flow: number }, net);
        number
    }

    /// A flow's next message is due.
    pub(super) fn on_flow(&mut self, number: u32, net: &mut Net) {
        loop {
            let Some((flow, report)) = self.app.flows.get(number as usize) else {
                return;
            };
            if number < self.app.first_flow || report.sent >= flow.messages {
                return;
            }
            let period = flow.period;
            if !self.send_next(number, net) {
                self.app.blocked.push(number);
                return;
            }
            if period > Duration::ZERO {
                return self.push(
                    net.now.after(period),
                    self.ix,
                    Event::Flow { flow: number },
                    net,
                );
            }
        }
    }

    /// A message arrived; whether its mailbox is here.
    pub(super) fn on_deliver(&mut self, source: u32, message: Message, net: &mut Net) -> bool {
        match message.kind {
            Kind::Stream { .. } => false,
            Kind::Cast => self.on_message(source, &message, net),
            Kind::Reply { id, outcome } => {
                let boot = self.boot_of(source).unwrap_or_default();
                self.on_reply(source, boot, (id, outcome), net);
                true
            }
            Kind::Call { id, .. } => {
                if !message.kind.is_expired(net.now) {
                    let is_here = self.on_message(source, &message, net);
                    let outcome = if is_here {
                        Outcome::Done
                    } else {
                        Outcome::NoMailbox
                    };
                    self.answer(source, (&message, id), outcome, net);
                }
                true
            }
        }
    }

    fn on_message(&mut self, source: u32, message: &Message, net: &mut Net) -> bool {
        if !self.app.has_mailbox(message.to) {
            self.app.strays += 1;
            return false;
        }
        let is_owned = |installed: &Installed| installed.owns(message.to);
        if self.app.installed.as_ref().is_some_and(is_owned) {
            self.on_protocol_message(source, message, net);
            return true;
        }
        if let Some((flow, number, sent_at)) = parse(&message.payload) {
            if self.mutant == Some(Mutant::DeliverLess) && number % 3 == 2 {
                return true;
            }
            let received = self.app.received.entry((source, flow)).or_default();
            received.on_message(number, sent_at, net.now);
            if self.mutant == Some(Mutant::DeliverTwice) {
                received.on_message(number, sent_at, net.now);
            }
            self.app.latencies.note(net.now.since(sent_at));
            note_after_mending(sent_at, net);
        }
        true
    }

    /// The receiver has no such mailbox.
    pub(super) fn on_no_mailbox(&mut self, peer: u32, from: LocalId, to: LocalId) {
        if self.app.mailbox != Some(from) {
            return;
        }
        for (flow, report) in &mut self.app.flows {
            if names::node_of(&flow.to.node) == peer && flow.to.local == to {
                report.no_mailbox += 1;
            }
        }
    }

    /// The channel to `peer` has room again.
    pub(super) fn on_writable(&mut self, peer: u32, net: &mut Net) {
        let mut blocked = std::mem::take(&mut self.app.blocked);
        blocked.retain(|&number| {
            let is_for_peer = self
                .app
                .flows
                .get(number as usize)
                .is_some_and(|(flow, _)| names::node_of(&flow.to.node) == peer);
            if is_for_peer {
                self.push(net.now, self.ix, Event::Flow { flow: number }, net);
            }
            !is_for_peer
        });
        self.app.blocked.append(&mut blocked);
        self.send_waiting(net);
    }

    /// Sends a flow's next message; whether there was room.
    fn send_next(&mut self, number: u32, net: &mut Net) -> bool {
        let Some(from) = self.pid() else { return true };
        let Some((flow, report)) = self.app.flows.get(number as usize) else {
            return true;
        };
        let (to, life, sent) = (flow.to, flow.call, report.sent);
        let peer = names::node_of(&to.node);
        let payload = compose(number, sent, net.now, flow);
        let kind = match life {
            None => Kind::Cast,
            // Where too many are open, the next is made when one has ended.
            Some(life) => match self.begin_call(&to, (number, sent), life, net) {
                Some(kind) => kind,
                None => return false,
            },
        };
        let message = Message {
            from: from.local,
            to: to.local,
            kind,
            payload,
        };
        let is_accepted = if peer == self.ix {
            self.on_deliver(peer, message, net)
        } else {
            self.send_message(peer, to.boot, to.home, message, net)
        };
        self.on_call_sent(kind, is_accepted);
        if let Some((_, report)) = self.app.flows.get_mut(number as usize) {
            report.sent += u64::from(is_accepted);
            report.full += u64::from(!is_accepted);
        }
        is_accepted
    }
}

/// What had waited for links to mend when it arrives after that, and was not merely under way.
fn note_after_mending(sent_at: Time, net: &mut Net) {
    if let Some(mended) = net.shared.mended
        && sent_at.after(UNDER_WAY) <= mended
    {
        net.local.after_mending.note(net.now.since(mended));
    }
}

impl Received {
    fn on_message(&mut self, number: u64, sent_at: Time, now: Time) {
        let latency = now.since(sent_at);
        if self.delivered == 0 {
            self.latency_first = latency;
            self.latency_min = latency;
            self.last = sent_at;
        }
        self.latency_min = self.latency_min.min(latency);
        self.latency_total = self.latency_total.saturating_add(latency);
        self.latency_max = self.latency_max.max(latency);
        self.gap_max = self.gap_max.max(now.since(self.last));
        self.last = now;
        self.delivered += 1;
        if number < self.next {
            self.misordered += 1;
        } else {
            self.skipped += number - self.next;
            self.next = number + 1;
        }
    }
}

fn compose(number: u32, message: u64, now: Time, flow: &Flow) -> Bytes {
    let mut payload = Vec::with_capacity(flow.bytes.max(HEADER_LEN + 8));
    let words = [u64::from(number) | has_body(flow), message, now.as_micros()];
    let body = (flow.body > 0).then_some(flow.body);
    for word in words.into_iter().chain(body) {
        payload.extend_from_slice(&word.to_le_bytes());
    }
    payload.resize(flow.bytes.max(payload.len()), 0xa5);
    payload.into()
}

/// The mark of a message that says how long its body is.
const fn has_body(flow: &Flow) -> u64 {
    if flow.body > 0 { BODY_MARK } else { 0 }
}

/// How long the body is of the message that ends with this frame, if this frame has its header.
fn body(data: &Data) -> Option<u64> {
    let is_whole = matches!(data.part, Part::Whole | Part::First { .. });
    let word = |index: usize| {
        let bytes = data.payload.get(index * 8..index * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    (is_whole && word(0)? & BODY_MARK != 0).then(|| word(3))?
}

fn parse(payload: &[u8]) -> Option<(u32, u64, Time)> {
    let word = |index: usize| {
        let bytes = payload.get(index * 8..index * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let flow = u32::try_from(word(0)? & !BODY_MARK).ok()?;
    Some((flow, word(1)?, Time::from_micros(word(2)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_sees_gaps_repeats_and_order() {
        let mut received = Received::default();
        for number in [0, 1, 3, 2, 3, 4] {
            received.on_message(number, Time::START, Time::from_micros(number));
        }
        assert_eq!(received.delivered, 6);
        assert_eq!(received.skipped, 1);
        assert_eq!(received.misordered, 2);
        assert_eq!(received.next, 5);
    }

    fn flow(bytes: usize, body: u64) -> Flow {
        let to = Pid {
            node: names::node_id(1, 0),
            boot: archipelago_core::Boot(1),
            local: LocalId(2),
            home: None,
        };
        Flow {
            to,
            messages: 1,
            period: Duration::ZERO,
            bytes,
            body,
            call: None,
        }
    }

    #[test]
    fn a_body_is_said_and_not_carried() {
        let flow = flow(300, 5_000_000_000);
        let payload = compose(3, 9, Time::from_micros(77), &flow);
        assert_eq!(payload.len(), 300);
        assert_eq!(parse(&payload), Some((3, 9, Time::from_micros(77))));
        let mut app = App {
            has_bodies: true,
            mailbox: Some(LocalId(1)),
            ..App::default()
        };
        app.more_mailboxes.push(LocalId(3));
        let frame = |from, part, payload| {
            Frame::Data(Data {
                epoch: 1,
                seq: 0,
                is_fresh: false,
                from,
                to: LocalId(2),
                part,
                head: archipelago_core::channel::Head::Cast,
                payload,
            })
        };
        let first = Part::First { len: 300 };
        let frames = [
            frame(LocalId(1), Part::Whole, payload.clone()),
            frame(LocalId(1), first, payload.slice(..100)),
            frame(LocalId(1), Part::Last, payload.slice(..100)),
            frame(LocalId(9), Part::Whole, payload),
        ];
        assert_eq!(app.body_bytes(&frames), 10_000_000_000);
    }

    #[test]
    fn a_message_says_who_and_which() {
        let payload = compose(3, 9, Time::from_micros(77), &flow(300, 0));
        assert_eq!(payload.len(), 300);
        assert_eq!(parse(&payload), Some((3, 9, Time::from_micros(77))));
        assert_eq!(parse(&payload[..20]), None);
    }
}
