//! Two ends, a relay that does what it likes, and sessions that come and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use archipelago_core::channel::{
    Channel, ChannelConfig, ChannelOutput, Frame, FrameError, Path, PathEvent, SendError,
};
use archipelago_core::{Boot, Time};

use super::account::Account;
use super::{direct, message};

/// Frames on their way by relay, with the starts that their envelope is bound to.
#[derive(Clone, Debug)]
struct Relayed {
    from: Boot,
    to: Boot,
    frames: Vec<Frame>,
}

/// A session: a queue each way, in order; a closed one may have lost its end.
#[derive(Debug, Default)]
struct Session {
    /// Towards each end.
    queues: [VecDeque<Vec<Frame>>; 2],
    attached: [bool; 2],
    is_closed: bool,
    boots: [Boot; 2],
}

/// What works in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// A session that is new to both.
    NewSession,
    /// The sessions that did not break, or else a new one.
    SurvivingSessions,
    /// Only the relay, which loses nothing more.
    Relay,
}

/// One node's end.
#[derive(Debug)]
pub struct End {
    pub channel: Channel,
    pub boot: Boot,
    pub account: Account,
    pub full: BTreeSet<u64>,
    pub writable: usize,
}

/// Two ends and all between them.
#[derive(Debug)]
pub struct World {
    pub config: ChannelConfig,
    pub now: Time,
    pub ends: [End; 2],
    relayed: [Vec<Relayed>; 2],
    sessions: BTreeMap<u32, Session>,
    slots: u32,
}

impl World {
    pub fn new(config: ChannelConfig) -> Self {
        let end = || End {
            channel: Channel::new(Boot(1)),
            boot: Boot(1),
            account: Account::default(),
            full: BTreeSet::new(),
            writable: 0,
        };
        Self {
            config,
            now: Time::START,
            ends: [end(), end()],
            relayed: [Vec::new(), Vec::new()],
            sessions: BTreeMap::new(),
            slots: 0,
        }
    }

    /// Sends the next message of a flow, if the queue takes it.
    pub fn send(&mut self, at: usize, from: u64, to: u64, len: usize) -> Result<(), SendError> {
        let end = &mut self.ends[at];
        let direction = end.account.direction(end.boot, end.channel.peer_boot());
        let payload = direction.next_payload(from, to, len);
        end.channel
            .send(message(from, to, payload), &self.config, self.now)?;
        let direction = end.account.direction(end.boot, end.channel.peer_boot());
        direction.on_sent(from, to);
        Ok(())
    }

    pub fn path(&mut self, at: usize, event: PathEvent) {
        let mut out = Vec::new();
        let peer_boot = self.ends[1 - at].boot;
        let (config, now) = (&self.config, self.now);
        let channel = &mut self.ends[at].channel;
        let known = channel.peer_boot();
        channel.handle_path(event, peer_boot, config, now, &mut out);
        self.on_outputs(at, known, out);
    }

    /// A session exists; neither end has heard of it.
    pub fn open(&mut self) -> u32 {
        self.slots += 1;
        let session = Session {
            boots: [self.ends[0].boot, self.ends[1].boot],
            ..Session::default()
        };
        self.sessions.insert(self.slots, session);
        self.slots
    }

    /// One end hears of the oldest session that it has not heard of, if there is one.
    pub fn attach(&mut self, at: usize) -> bool {
        let unknown = self
            .sessions
            .iter_mut()
            .find(|(_, session)| !session.attached[at] && !session.is_closed);
        let Some((&slot, session)) = unknown else {
            return false;
        };
        session.attached[at] = true;
        self.path(at, PathEvent::Attached(direct(slot)));
        true
    }

    /// A session breaks: `keep` batches each way may still be read.
    pub fn close(&mut self, index: usize, keep: usize) {
        let count = self.sessions.len().max(1);
        if let Some((_, session)) = self.sessions.iter_mut().nth(index % count) {
            session.is_closed = true;
            for queue in &mut session.queues {
                queue.truncate(keep);
            }
        }
    }

    /// One end hears that closed sessions are closed.
    pub fn detach_closed(&mut self, at: usize) {
        let closed: Vec<u32> = self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.is_closed && session.attached[at])
            .map(|(&slot, session)| {
                session.attached[at] = false;
                session.queues[at].clear();
                slot
            })
            .collect();
        for slot in closed {
            self.path(at, PathEvent::Detached(direct(slot)));
        }
        self.sessions
            .retain(|_, session| !session.is_closed || session.attached != [false, false]);
    }

    /// Takes one burst from an end; whether there was one.
    pub fn pump(&mut self, at: usize, bytes_max: usize) -> bool {
        let Some(path) = self.ends[at].channel.poll_path() else {
            return false;
        };
        let (mut batch, mut out) = (Vec::new(), Vec::new());
        let end = &mut self.ends[at];
        let (config, now) = (&self.config, self.now);
        end.channel
            .poll_transmit(path, bytes_max, config, now, &mut batch, &mut out);
        assert!(
            !batch.is_empty() || end.channel.poll_path().is_none(),
            "a path is ready, and nothing comes"
        );
        let (from, to) = (end.boot, end.channel.peer_boot());
        self.on_outputs(at, to, out);
        if !batch.is_empty() {
            self.put(at, path, from, to, batch);
        }
        true
    }

    fn put(&mut self, at: usize, path: Path, from: Boot, to: Boot, frames: Vec<Frame>) {
        match path {
            Path::Direct(id) => {
                let session = self.sessions.get_mut(&id.slot);
                if let Some(session) = session.filter(|session| !session.is_closed) {
                    session.queues[1 - at].push_back(frames);
                }
            }
            Path::Relay | Path::Detour => {
                self.relayed[1 - at].push(Relayed { from, to, frames });
            }
        }
    }

    /// One batch arrives by relay; it may come again if `repeats`.
    pub fn deliver_relayed(&mut self, at: usize, index: usize, repeats: bool) -> bool {
        let count = self.relayed[at].len();
        if count == 0 {
            return false;
        }
        let batch = if repeats {
            self.relayed[at][index % count].clone()
        } else {
            self.relayed[at].remove(index % count)
        };
        // The envelope is bound to one start of the target, and the node opens no other.
        if batch.to == self.ends[at].boot {
            self.arrive(at, Path::Relay, batch.from, batch.frames)
                .unwrap();
        }
        true
    }

    pub fn lose_relayed(&mut self, at: usize, index: usize) {
        let count = self.relayed[at].len();
        if count > 0 {
            self.relayed[at].remove(index % count);
        }
    }

    /// The next batch of one session that this end reads.
    pub fn deliver_direct(&mut self, at: usize, index: usize) -> bool {
        let mut ready: Vec<(&u32, &mut Session)> = self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.attached[at] && !session.queues[at].is_empty())
            .collect();
        if ready.is_empty() {
            return false;
        }
        let chosen = index % ready.len();
        let (&slot, session) = ready.swap_remove(chosen);
        let boot = session.boots[1 - at];
        let frames = session.queues[at].pop_front().unwrap();
        self.arrive(at, direct(slot), boot, frames).unwrap();
        true
    }

    fn arrive(
        &mut self,
        at: usize,
        path: Path,
        boot: Boot,
        mut frames: Vec<Frame>,
    ) -> Result<(), FrameError> {
        let mut out = Vec::new();
        let (config, now) = (&self.config, self.now);
        let channel = &mut self.ends[at].channel;
        let known = channel.peer_boot();
        let result = channel.handle_frames(path, boot, &mut frames, config, now, &mut out);
        assert!(frames.is_empty());
        self.on_outputs(at, known, out);
        result
    }

    pub fn mailbox(&mut self, at: usize, to: u64, is_full: bool) {
        let mut out = Vec::new();
        let end = &mut self.ends[at];
        let known = end.channel.peer_boot();
        if is_full {
            end.full.insert(to);
        } else {
            end.full.remove(&to);
        }
        let local = archipelago_core::LocalId(to);
        end.channel
            .handle_mailbox(local, is_full, &self.config, &mut out);
        self.on_outputs(at, known, out);
    }

    /// Time passes, and every timer that is due fires.
    pub fn tick(&mut self, by: Duration) {
        self.now = self.now.after(by);
        for at in 0..2 {
            let due = self.ends[at].channel.poll_timeout();
            if due.is_some_and(|(time, _)| time <= self.now) {
                let mut out = Vec::new();
                let channel = &mut self.ends[at].channel;
                channel.handle_timeout(&self.config, self.now, &mut out);
                let next = channel.poll_timeout();
                assert!(
                    next.is_none_or(|(time, _)| time > self.now),
                    "a timer fired and is still due: {next:?}"
                );
                let known = self.ends[at].channel.peer_boot();
                self.on_outputs(at, known, out);
            }
        }
    }

    /// One node's process dies and another begins; its sessions break.
    pub fn restart(&mut self, at: usize) {
        let boot = Boot(self.ends[at].boot.0 + 1);
        let peer_boot = self.ends[1 - at].boot;
        let end = &mut self.ends[at];
        end.boot = boot;
        end.channel = Channel::new(peer_boot);
        end.full.clear();
        for session in self.sessions.values_mut() {
            session.is_closed = true;
            session.attached[at] = false;
            session.queues[at].clear();
        }
    }

    /// One end forgets a channel that has been without work and path for long; nothing lingers on
    /// a relay, and the other end has given up by then what it could not get acknowledged.
    pub fn forget(&mut self, at: usize) {
        let peer = &self.ends[1 - at].channel;
        let is_waited_for = peer.has_path() && peer.stats().unacked_bytes > 0;
        let channel = &self.ends[at].channel;
        if !channel.is_at_rest() || channel.has_path() || is_waited_for {
            return;
        }
        self.relayed = [Vec::new(), Vec::new()];
        self.now = self.now.after(Duration::from_secs(60));
        self.give_up(1 - at);
        let end = &mut self.ends[at];
        end.channel = Channel::new(end.channel.peer_boot());
    }

    /// No way to the peer was found in time.
    pub fn give_up(&mut self, at: usize) {
        if self.ends[at].channel.has_path() {
            return;
        }
        let mut out = Vec::new();
        let channel = &mut self.ends[at].channel;
        let known = channel.peer_boot();
        channel.handle_unreachable(&self.config, self.now, &mut out);
        self.on_outputs(at, known, out);
    }

    /// All that is broken is repaired: mailboxes have room, and one kind of path stays up.
    pub fn heal(&mut self, heal: Heal) {
        if heal != Heal::SurvivingSessions {
            for index in 0..self.sessions.len() {
                self.close(index, 0);
            }
        }
        for at in 0..2 {
            self.detach_closed(at);
            for to in std::mem::take(&mut self.ends[at].full) {
                self.mailbox(at, to, false);
            }
        }
        if heal == Heal::Relay {
            self.path(0, PathEvent::Attached(Path::Relay));
            self.path(1, PathEvent::Attached(Path::Relay));
            // The relay may have lost the news that an epoch is over: the next message tells.
            let _ = self.send(0, 0, 0, 4);
            let _ = self.send(1, 0, 0, 4);
            return;
        }
        if self.sessions.is_empty() {
            self.open();
        }
        for at in 0..2 {
            while self.attach(at) {}
        }
    }

    /// Everything arrives, in order, until nothing is under way.
    pub fn run_to_rest(&mut self) {
        for _ in 0..10_000 {
            let mut is_busy = false;
            for at in 0..2 {
                is_busy |= self.pump(at, 1000);
                is_busy |= self.deliver_direct(at, 0);
                is_busy |= self.deliver_relayed(at, 0, false);
            }
            if !is_busy {
                if self.ends.iter().all(|end| end.channel.is_at_rest()) {
                    return;
                }
                self.tick(Duration::from_millis(100));
            }
        }
        panic!("never comes to rest: {self:#?}");
    }

    fn on_outputs(&mut self, at: usize, known: Boot, out: Vec<ChannelOutput>) {
        let receiver_boot = self.ends[at].boot;
        let sender_boot = self.ends[at].channel.peer_boot();
        for output in out {
            match output {
                ChannelOutput::Deliver(message) => {
                    let account = &mut self.ends[1 - at].account;
                    account
                        .direction(sender_boot, receiver_boot)
                        .on_delivered(&message);
                }
                ChannelOutput::Reset { unacked, .. } => {
                    // A restart ends what was sent to the start known before.
                    let end = &mut self.ends[at];
                    end.account.on_reset(end.boot, known, unacked);
                }
                ChannelOutput::Writable => self.ends[at].writable += 1,
                // Messages may still be sent, and wait.
                ChannelOutput::Paused { .. } | ChannelOutput::Resumed { .. } => {}
                other => panic!("nobody asked for {other:?}"),
            }
        }
        self.ends[1 - at].account.check_gaps();
    }
}
