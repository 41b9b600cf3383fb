//! What stands in for `Node`: sessions, dials, pings.

use super::*;

const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
const RETRANSMIT: Duration = Duration::from_millis(200);

impl World {
    pub(super) fn act(&mut self, from: usize, output: GroupOutput) {
        match output {
            GroupOutput::Send { to, body } => {
                let to = self.number(from, to);
                if let Some(generation) = self.generation(from, to) {
                    self.sent += 1;
                    self.transmit(from, to, Event::Message(from, generation, body));
                }
            }
            GroupOutput::Ping { peer } => {
                let to = self.number(from, peer);
                if let Some(generation) = self.generation(from, to) {
                    self.transmit(from, to, Event::Ping(from, generation, self.now));
                }
            }
            GroupOutput::Dial { target } => self.dial(from, target),
            GroupOutput::Admitted { .. } => {}
            GroupOutput::Released { peer } => {
                let to = self.number(from, peer);
                if !self.nodes[from].group.holds(peer) {
                    self.close(from, to);
                }
            }
            GroupOutput::RaiseBoot { boot } => self.raise_boot(from, boot),
            GroupOutput::Event(event) => self.told.push((self.now, from, event)),
            _ => {}
        }
    }

    fn raise_boot(&mut self, node: usize, boot: Boot) {
        let state = &mut self.nodes[node];
        state.boot = boot;
        state.record_seq += 1;
        let record = record_of(node, boot, state.record_seq, &state.crypto);
        for other in 0..self.nodes.len() {
            if self.generation(node, other).is_some() {
                let peer = self.peer(other, node).unwrap();
                let state = self.nodes[other].peers.get_mut(peer).unwrap();
                state.set_record(record.clone());
                state.set_boot(boot);
            }
        }
        self.with(node, |group, cx, out| group.handle_record(record, cx, out));
    }

    fn number(&self, at: usize, peer: Peer) -> usize {
        number_of(&self.nodes[at].peers.id(peer))
    }

    pub(super) fn generation(&self, a: usize, b: usize) -> Option<u32> {
        let session = self.sessions.get(&(a.min(b), a.max(b)))?;
        // Only once this end knows of it, and until it knows of its end.
        let peer = self.peer(a, b)?;
        let known = self.nodes[a].peers.get(peer)?.session?;
        (known == session_id(session.generation)).then_some(session.generation)
    }

    fn delay(&mut self) -> Duration {
        let span = self.latency.1 - self.latency.0;
        let jitter = self.rng.below(span.as_micros() as u64 + 1);
        let mut delay = self.latency.0 + Duration::from_micros(jitter);
        let mut wait = RETRANSMIT;
        while self.loss > 0 && self.rng.chance(self.loss, 1_000) && wait < SECOND * 60 {
            delay += wait;
            wait *= 2;
        }
        delay
    }

    pub(super) fn transmit(&mut self, from: usize, to: usize, event: Event) {
        let at = self.now.after(self.delay());
        let key = (from.min(to), from.max(to));
        let is_blocked = self.blocked.contains(&(from, to));
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if is_blocked {
            session.held.push((from, to, event));
            return;
        }
        let last = &mut session.last[usize::from(from > to)];
        *last = at.max(last.after(Duration::from_micros(1)));
        let at = *last;
        self.push(at, to, event);
    }

    /// Over a cut path the other end only notices after a while.
    pub(super) fn transmit_close(&mut self, from: usize, to: usize, generation: u32) {
        let event = Event::Closed(from, generation);
        if self.blocked.contains(&(from, to)) {
            let at = self.now.after(SECOND * 8);
            self.push(at, to, event);
        } else {
            self.transmit(from, to, event);
        }
    }

    fn dial(&mut self, from: usize, target: DialTarget) {
        let to = match target {
            DialTarget::Seed(index) => {
                let address = &self.nodes[from].config.seeds[index].address;
                (0..self.nodes.len()).find(|&node| &address_of(node) == address)
            }
            DialTarget::Peer(peer) => Some(self.number(from, peer)),
        };
        let round = self.delay() + self.delay();
        let Some(to) = to.filter(|&to| to != from && self.nodes[to].is_alive) else {
            let at = self.now.after(round);
            return self.push(at, from, Event::Failed(target));
        };
        if let Some(generation) = self.generation(from, to) {
            let event = Event::Opened(to, generation, Some(target));
            let at = self.now.after(Duration::from_micros(1));
            return self.push(at, from, event);
        }
        let is_cut = self.blocked.contains(&(from, to)) || self.blocked.contains(&(to, from));
        let is_paused = self.nodes[to]
            .paused_until
            .is_some_and(|until| until > self.now);
        if is_cut || is_paused {
            let at = self.now.after(DIAL_TIMEOUT);
            return self.push(at, from, Event::Failed(target));
        }
        self.open(from, to, Some(target), round);
    }

    /// A session that this group did not ask for: another group of the two nodes has it.
    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        self.open(from, to, None, ms(1));
    }

    fn open(&mut self, from: usize, to: usize, target: Option<DialTarget>, round: Duration) {
        let key = (from.min(to), from.max(to));
        if !self.sessions.contains_key(&key) {
            self.generation += 1;
            let session = Session {
                generation: self.generation,
                last: [self.now; 2],
                held: Vec::new(),
                cut_at: None,
            };
            self.sessions.insert(key, session);
        }
        let generation = self.sessions[&key].generation;
        let at = self.now.after(round);
        self.push(at, to, Event::Opened(from, generation, None));
        self.push(at, from, Event::Opened(to, generation, target));
        let session = self.sessions.get_mut(&key).unwrap();
        session.last = session.last.map(|last| last.max(at));
    }

    /// Both ends learn of the close: this one at once, the other after what was sent before.
    pub(super) fn close(&mut self, from: usize, to: usize) {
        let key = (from.min(to), from.max(to));
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        let generation = session.generation;
        self.transmit_close(from, to, generation);
        let at = self.now.after(Duration::from_micros(1));
        self.push(at, from, Event::Closed(to, generation));
        self.sessions.remove(&key);
    }

    pub(super) fn handle_net(&mut self, number: usize, event: Event) {
        match event {
            Event::Opened(other, generation, target) => {
                self.on_opened(number, other, generation, target);
            }
            Event::Closed(other, generation) => self.on_closed(number, other, generation),
            Event::Failed(target) => {
                self.with(number, |group, cx, out| {
                    group.handle_dial_failed(target, cx, out);
                });
            }
            Event::Message(other, generation, body) => {
                let Some(peer) = self.hear(number, other, generation) else {
                    return;
                };
                let transcript = self.nodes[number].peers.get(peer).unwrap().transcript;
                let by = archipelago_sgroup::By::Session;
                let origin = archipelago_sgroup::Origin {
                    peer,
                    transcript,
                    by,
                };
                self.with(number, |group, cx, out| {
                    group.handle_message(origin, body, cx, out);
                });
            }
            Event::Ping(other, generation, sent) => {
                if self.hear(number, other, generation).is_some() {
                    self.transmit(number, other, Event::Pong(number, generation, sent));
                }
            }
            Event::Pong(other, generation, sent) => {
                let Some(peer) = self.hear(number, other, generation) else {
                    return;
                };
                let rtt = u32::try_from(self.now.since(sent).as_micros()).unwrap();
                let state = self.nodes[number].peers.get_mut(peer).unwrap();
                state.srtt_us = rtt.max(1);
                state.rttvar_us = rtt / 4;
                self.with(number, |group, cx, out| group.handle_pong(peer, cx, out));
            }
            Event::Wake => {}
        }
    }

    fn hear(&mut self, number: usize, other: usize, generation: u32) -> Option<Peer> {
        let peer = self.peer(number, other)?;
        let now = self.now;
        let state = self.nodes[number].peers.get_mut(peer)?;
        let is_current = state.session == Some(session_id(generation));
        is_current.then(|| {
            state.last_heard = now;
            peer
        })
    }

    fn on_opened(
        &mut self,
        number: usize,
        other: usize,
        generation: u32,
        target: Option<DialTarget>,
    ) {
        let key = (number.min(other), number.max(other));
        let is_current = self
            .sessions
            .get(&key)
            .is_some_and(|s| s.generation == generation);
        if !is_current {
            if let Some(target) = target {
                self.handle_net(number, Event::Failed(target));
            }
            return;
        }
        let their = &self.nodes[other];
        let record = record_of(other, their.boot, their.record_seq, &their.crypto);
        let now = self.now;
        let node = &mut self.nodes[number];
        let peer = node.peers.intern(id_of(other)).unwrap();
        let state = node.peers.get_mut(peer).unwrap();
        let is_known = state.session == Some(session_id(generation));
        if is_known && target.is_none() {
            return;
        }
        state.session = Some(session_id(generation));
        state.transcript = [0; 16];
        state.transcript[..4].copy_from_slice(&generation.to_le_bytes());
        state.set_boot(record.record.boot);
        let known = state.record().map(|known| known.version());
        if known.is_none_or(|known| known < record.version()) {
            state.set_record(record);
        }
        state.last_heard = now;
        self.with(number, |group, cx, out| {
            group.handle_session_ready(peer, target, cx, out);
        });
    }

    fn on_closed(&mut self, number: usize, other: usize, generation: u32) {
        let Some(peer) = self.peer(number, other) else {
            return;
        };
        let state = self.nodes[number].peers.get_mut(peer).unwrap();
        if state.session != Some(session_id(generation)) {
            return;
        }
        state.session = None;
        self.with(number, |group, cx, out| {
            group.handle_session_closed(peer, cx, out);
        });
    }
}
