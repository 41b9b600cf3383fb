//! One node's entry and, if it hosts, its workers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::wire::{KeyedAnswer, KeyedPacket};
use archipelago_core::{GroupId, NodeId, Pid, Time};
use archipelago_sgroup::keyed::{
    Entry, Fence, Host, HostConfig, HostInfo, HostOutput, Refusal, Start, Ticket, pause,
};
use bytes::Bytes;

use super::KeyedReport;
use crate::host::Latencies;
use crate::{Protocol, Turn};

/// How often a node looks at who hosts, and asks its share of requests.
const TICK: Duration = Duration::from_millis(20);

/// A message of this protocol: its first byte.
const ASK: u8 = 0;
const ANSWER: u8 = 1;

/// What all nodes of one service agree on.
#[derive(Clone, Debug)]
pub struct KeyedConfig {
    /// In which group.
    pub group: GroupId,
    /// Which service.
    pub service: Bytes,
    /// Keys are 0 to one less.
    pub keys: u64,
    /// Which key is asked next. Default drawn, all alike.
    pub draw: KeyedDraw,
    /// Requests per second of this node; may be a fraction.
    pub rate: f64,
    /// Bytes of each worker's state besides its counts.
    pub state_bytes: usize,
    /// What a worker takes for a request.
    pub work: Duration,
    /// For each request.
    pub patience: Duration,
    /// Of the hosts.
    pub host: HostConfig,
}

/// In which order an entry asks keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyedDraw {
    /// At random, all alike.
    #[default]
    Alike,
    /// This is one of so many entries that ask every key in turn, in a mixed order.
    InTurn {
        /// Which, from 0 on.
        place: u64,
        /// Of how many; at least 1.
        entries: u64,
    },
}

/// Coprime to every number of keys below it that a scenario may have: the order is mixed, and
/// every key comes once before any comes again.
const MIXING: u64 = 1_000_000_007;

/// A worker: the last request of each entry, and how many it has done.
type Worker = BTreeMap<u32, u64>;

/// A request as its host keeps it.
#[derive(Clone, Debug)]
struct Asked {
    from: Pid,
    number: u64,
    key: Bytes,
    entry: u32,
    order: u64,
    /// Nobody waits for it from here on, and it is not begun any more.
    deadline: Time,
}

/// A request as its entry keeps it.
#[derive(Debug)]
struct Pending {
    key: Bytes,
    ticket: Ticket,
    begun: Time,
    deadline: Time,
    tries: u32,
    is_sent: bool,
}

/// Work of a worker that ends later.
#[derive(Debug)]
enum Work {
    Done(Bytes, u64, Worker, Asked),
    Stopped(Bytes, u64, Worker),
}

/// One node of a service of keyed workers.
#[derive(Debug)]
pub struct KeyedNode {
    config: KeyedConfig,
    number: u32,
    host: Option<Host<Worker, Asked>>,
    entry: Entry,
    hosts: Vec<(Pid, bool)>,
    pending: BTreeMap<u64, Pending>,
    of_ticket: BTreeMap<Ticket, u64>,
    /// When a request is to be tried again, or ends.
    due: BTreeSet<(Time, u64)>,
    working: BTreeMap<(Time, u64), Work>,
    last: u64,
    owed: f64,
    is_asking: bool,
    ticks_at: Time,
    armed: Time,
    report: KeyedReport,
    latencies: Latencies,
}

impl KeyedNode {
    /// The entry of the node of that number.
    pub fn new(config: KeyedConfig, number: u32) -> Self {
        Self {
            config,
            number,
            host: None,
            entry: Entry::default(),
            hosts: Vec::new(),
            pending: BTreeMap::new(),
            of_ticket: BTreeMap::new(),
            due: BTreeSet::new(),
            working: BTreeMap::new(),
            last: 0,
            owed: 0.0,
            is_asking: false,
            ticks_at: Time::START,
            armed: Time::NEVER,
            report: KeyedReport::default(),
            latencies: Latencies::default(),
        }
    }

    /// Begins to look at who hosts, and to host itself if so told.
    pub fn begin(&mut self, is_host: bool, turn: &mut Turn<'_>) {
        if is_host {
            let (service, config) = (self.config.service.clone(), self.config.host.clone());
            self.host = Some(Host::new(turn.me().node, service, config, turn.now()));
            // Read anew, for the host.
            self.hosts.clear();
        }
        self.ticks_at = turn.now();
        self.work(turn);
    }

    /// Asks from now on, or no more.
    pub const fn set_asking(&mut self, is_asking: bool) {
        self.is_asking = is_asking;
    }

    /// Hands everything over.
    pub fn leave(&mut self, turn: &mut Turn<'_>) {
        self.with_host(turn, |host, now, out| host.leave(now, out));
        self.work(turn);
    }

    /// Whether it hosts, and has handed everything over.
    pub fn has_left(&self) -> bool {
        self.host.as_ref().is_some_and(Host::has_left)
    }

    /// Whether it hosts.
    pub const fn is_host(&self) -> bool {
        self.host.is_some()
    }

    /// Whether it runs this key.
    pub fn is_serving(&self, key: u64, now: Time) -> bool {
        let key = key.to_be_bytes();
        let host = self.host.as_ref();
        host.is_some_and(|host| host.is_serving(&key, now))
    }

    /// The fence of a key that is leased to this node.
    pub fn fence(&self, key: u64, now: Time) -> Option<Fence> {
        self.host.as_ref()?.fence(&key.to_be_bytes(), now)
    }

    /// This node holds the service's strict name, or does not any more.
    pub fn set_office(&mut self, office: Option<(u64, Time)>, turn: &mut Turn<'_>) {
        self.with_host(turn, |host, now, out| host.handle_office(office, now, out));
        self.work(turn);
    }

    /// Workers here.
    pub fn workers_len(&self) -> usize {
        self.host.as_ref().map_or(0, Host::workers_len)
    }

    /// Requests that have not ended.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What has come of everything so far.
    pub const fn report(&self) -> &KeyedReport {
        &self.report
    }

    /// From each request to its answer.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Does what is due, and sets the timer.
    fn work(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        if self.ticks_at <= now {
            self.ticks_at = now.after(TICK);
            self.look(turn);
            self.ask_some(turn);
        }
        while let Some((&at, _)) = self.working.first_key_value().filter(|(at, _)| at.0 <= now) {
            if let Some(work) = self.working.remove(&at) {
                self.finish(work, turn);
            }
        }
        while let Some(&(at, number)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, number));
            self.on_due(number, turn);
        }
        let machine = self.host.as_ref().and_then(Host::poll_timeout);
        if machine.is_some_and(|(at, _)| at <= now) {
            self.with_host(turn, Host::handle_timeout);
        }
        self.arm(turn);
    }

    fn arm(&mut self, turn: &mut Turn<'_>) {
        let machine = self.host.as_ref().and_then(Host::poll_timeout);
        let all = [
            Some(self.ticks_at),
            self.due.first().map(|(at, _)| *at),
            self.working.first_key_value().map(|(at, _)| at.0),
            machine.map(|(at, _)| at),
        ];
        let first = all.into_iter().flatten().min().unwrap_or(Time::NEVER);
        let now = turn.now();
        if self.armed <= now || first < self.armed {
            self.armed = first.max(now);
            turn.wake_after(first.since(now));
        }
    }

    /// Reads who hosts, as the live driver does when it is told of a change.
    fn look(&mut self, turn: &mut Turn<'_>) {
        let (group, service) = (self.config.group, &self.config.service);
        let table = turn.table(group);
        let offers = table
            .into_iter()
            .flat_map(|table| table.providers(service, Some(group)));
        let hosts: Vec<(Pid, bool)> = offers.map(|(pid, offer)| (pid, offer.is_leaving)).collect();
        if hosts == self.hosts {
            return;
        }
        self.hosts = hosts;
        let takers = self.hosts.iter().filter(|(_, is_leaving)| !is_leaving);
        let takers = takers.map(|(pid, _)| *pid);
        self.entry.handle_hosts(&self.config.service, takers);
        let infos: Vec<HostInfo> = self.hosts.iter().map(info).collect();
        self.with_host(turn, |host, now, out| host.handle_hosts(&infos, now, out));
    }

    fn ask_some(&mut self, turn: &mut Turn<'_>) {
        if !self.is_asking {
            return;
        }
        self.owed += self.config.rate * TICK.as_secs_f64();
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            let key = self.next_key(turn);
            self.ask(Bytes::copy_from_slice(&key.to_be_bytes()), turn);
        }
    }

    fn next_key(&self, turn: &mut Turn<'_>) -> u64 {
        let keys = self.config.keys.max(1);
        match self.config.draw {
            KeyedDraw::Alike => turn.random().below(keys),
            KeyedDraw::InTurn { place, entries } => {
                let number = self.report.asked.wrapping_mul(entries).wrapping_add(place);
                (number % keys).wrapping_mul(MIXING) % keys
            }
        }
    }

    fn ask(&mut self, key: Bytes, turn: &mut Turn<'_>) {
        self.last += 1;
        let (number, now) = (self.last, turn.now());
        let (ticket, is_first) = self.entry.begin(&key);
        let deadline = now.after(self.config.patience);
        let pending = Pending {
            key,
            ticket,
            begun: now,
            deadline,
            tries: 0,
            is_sent: false,
        };
        self.report.asked += 1;
        self.pending.insert(number, pending);
        self.of_ticket.insert(ticket, number);
        if is_first {
            self.send(number, turn);
        } else {
            self.due.insert((deadline, number));
        }
    }

    /// Sends a request to where its key lives.
    fn send(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        let deadline = pending.deadline;
        let Some(to) = self.entry.target(&pending.key) else {
            return self.again(number, turn);
        };
        pending.is_sent = true;
        let is_cast = false;
        let key = pending.key.clone();
        let packet = KeyedPacket::Request { is_cast, key };
        let body = [number, u64::from(self.number), deadline.as_micros()];
        let body = body.map(u64::to_le_bytes).concat();
        turn.send(to, tagged(ASK, &packet.encode(&body)));
        self.due.insert((deadline, number));
    }

    /// It was refused, or nobody is known: later, or never.
    fn again(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        pending.tries += 1;
        pending.is_sent = false;
        let at = turn.now().after(pause(pending.tries)).min(pending.deadline);
        self.due.remove(&(pending.deadline, number));
        self.due.insert((at, number));
    }

    fn on_due(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.get(&number) else {
            return;
        };
        if pending.deadline > turn.now() {
            return self.send(number, turn);
        }
        if pending.is_sent {
            self.report.unanswered += 1;
        } else {
            self.report.refused += 1;
        }
        self.end(number, turn);
    }

    fn on_answer(&mut self, number: u64, answer: KeyedAnswer, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.get(&number) else {
            return;
        };
        match answer {
            KeyedAnswer::Done | KeyedAnswer::Failed => {
                self.report.answered += 1;
                let latency = turn.now().since(pending.begun);
                self.report.latency_max = self.report.latency_max.max(latency);
                self.latencies.note(latency);
                self.end(number, turn);
            }
            KeyedAnswer::Moved { to } => {
                self.entry.handle_moved(&pending.key, to);
                self.report.redirected += 1;
                self.again(number, turn);
            }
            KeyedAnswer::Full => self.again(number, turn),
            KeyedAnswer::Unleased => {
                self.report.unleased += 1;
                self.again(number, turn);
            }
        }
    }

    fn end(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.remove(&number) else {
            return;
        };
        self.due.remove(&(pending.deadline, number));
        self.of_ticket.remove(&pending.ticket);
        let next = self.entry.end(&pending.key, pending.ticket);
        if let Some(next) = next.and_then(|ticket| self.of_ticket.get(&ticket).copied()) {
            if let Some(next_pending) = self.pending.get(&next) {
                self.due.remove(&(next_pending.deadline, next));
            }
            self.send(next, turn);
        }
    }

    fn with_host(
        &mut self,
        turn: &mut Turn<'_>,
        give: impl FnOnce(&mut Host<Worker, Asked>, Time, &mut Vec<HostOutput<Worker, Asked>>),
    ) {
        let mut out = Vec::new();
        if let Some(host) = &mut self.host {
            give(host, turn.now(), &mut out);
        }
        for output in out {
            self.perform(output, turn);
        }
    }

    fn perform(&mut self, output: HostOutput<Worker, Asked>, turn: &mut Turn<'_>) {
        let at = turn.now().after(self.config.work);
        match output {
            HostOutput::Send { to, word, body } => {
                let packet = KeyedPacket::Word(word).encode(&body);
                if let Some(to) = self.pid_of(to) {
                    turn.send(to, tagged(ASK, &packet));
                }
            }
            HostOutput::Run {
                key,
                run,
                worker,
                message,
                ..
            } => {
                let worker = self.started(worker);
                self.working
                    .insert((at, run), Work::Done(key, run, worker, message));
            }
            HostOutput::Stop { run: 0, .. } => {}
            HostOutput::Stop {
                key, run, worker, ..
            } => {
                self.working
                    .insert((at, run), Work::Stopped(key, run, worker));
            }
            HostOutput::Refuse { message, refusal } => self.refuse(&message, refusal, turn),
            HostOutput::Abort { run, .. } => self.working.retain(|(_, other), _| *other != run),
            _ => {}
        }
    }

    fn started(&mut self, worker: Start<Worker>) -> Worker {
        match worker {
            Start::Active(worker) => return worker,
            Start::Fresh => self.report.fresh += 1,
            Start::Kept(state) => {
                self.report.resumed += 1;
                if let Ok((worker, _)) = postcard::take_from_bytes(&state) {
                    return worker;
                }
            }
        }
        Worker::new()
    }

    fn finish(&mut self, work: Work, turn: &mut Turn<'_>) {
        match work {
            Work::Done(key, run, worker, asked) if asked.deadline <= turn.now() => {
                self.with_host(turn, |host, now, out| {
                    host.handle_done(key, run, Some(worker), now, out);
                });
            }
            Work::Done(key, run, mut worker, asked) => {
                let last = worker.insert(asked.entry, asked.order);
                self.report.disordered += u64::from(last.is_some_and(|last| last >= asked.order));
                self.report.done += 1;
                answer(&asked, KeyedAnswer::Done, turn);
                self.with_host(turn, |host, now, out| {
                    host.handle_done(key, run, Some(worker), now, out);
                });
            }
            Work::Stopped(key, run, worker) => {
                let mut state = postcard::to_stdvec(&worker).unwrap_or_default();
                state.resize(state.len() + self.config.state_bytes, 0);
                self.with_host(turn, |host, now, out| {
                    host.handle_stopped(key, run, Some(state.into()), now, out);
                });
            }
        }
    }

    fn refuse(&self, asked: &Asked, refusal: Refusal, turn: &mut Turn<'_>) {
        let owner = self
            .host
            .as_ref()
            .and_then(|host| host.owner_of(&asked.key));
        let to = owner.and_then(|owner| self.pid_of(owner));
        let refused = match refusal {
            Refusal::Full => KeyedAnswer::Full,
            Refusal::Unleased => KeyedAnswer::Unleased,
            _ => KeyedAnswer::Moved { to },
        };
        answer(asked, refused, turn);
    }

    fn pid_of(&self, node: NodeId) -> Option<Pid> {
        let mut hosts = self.hosts.iter();
        hosts.find(|(pid, _)| pid.node == node).map(|(pid, _)| *pid)
    }

    fn on_packet(&mut self, from: Pid, bytes: &Bytes, turn: &mut Turn<'_>) {
        match KeyedPacket::decode(bytes) {
            Ok((KeyedPacket::Word(word), body)) => {
                let host = self.host.as_ref();
                if host.is_some_and(|host| host.is_host(from.node, from.local)) {
                    self.with_host(turn, |host, now, out| {
                        host.handle_word(from.node, word, body, now, out);
                    });
                }
            }
            Ok((KeyedPacket::Request { key, .. }, body)) => {
                let numbers = [0, 8, 16].map(|at| number_at(&body, at));
                let [Some(number), Some(entry), Some(deadline)] = numbers else {
                    return;
                };
                let deadline = Time::from_micros(deadline);
                if deadline <= turn.now() {
                    return;
                }
                let asked = Asked {
                    from,
                    number,
                    key: key.clone(),
                    entry: u32::try_from(entry).unwrap_or(u32::MAX),
                    order: number,
                    deadline,
                };
                if self.host.is_none() {
                    return answer(&asked, KeyedAnswer::Moved { to: None }, turn);
                }
                self.with_host(turn, |host, now, out| {
                    host.handle_request(key, asked, body.len(), now, out);
                });
            }
            Err(_) => {}
        }
    }
}

impl Protocol for KeyedNode {
    fn handle_message(&mut self, from: Pid, payload: &Bytes, turn: &mut Turn<'_>) {
        match payload.first() {
            Some(&ASK) => self.on_packet(from, &payload.slice(1..), turn),
            Some(&ANSWER) => {
                let rest = payload.slice(1..);
                let answer = rest.len().checked_sub(8).map(|_| rest.slice(8..));
                let answer = answer.and_then(|bytes| KeyedAnswer::decode(&bytes).ok());
                if let (Some(number), Some((answer, _))) = (number_at(&rest, 0), answer) {
                    self.on_answer(number, answer, turn);
                }
            }
            _ => {}
        }
        self.work(turn);
    }

    fn handle_timer(&mut self, turn: &mut Turn<'_>) {
        self.work(turn);
    }
}

fn info((pid, is_leaving): &(Pid, bool)) -> HostInfo {
    HostInfo {
        node: pid.node,
        run: pid.local,
        is_leaving: *is_leaving,
    }
}

fn answer(asked: &Asked, answer: KeyedAnswer, turn: &mut Turn<'_>) {
    let body = [&asked.number.to_le_bytes()[..], &answer.encode(&[])].concat();
    turn.send(asked.from, tagged(ANSWER, &body));
}

fn tagged(tag: u8, body: &[u8]) -> Bytes {
    [&[tag], body].concat().into()
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}
