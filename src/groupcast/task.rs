//! The task that drives the groupcasts of one node, and decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use archipelago_core::{Boot, GroupId, NodeId, Pid, Time};
use archipelago_sgroup::groupcast::{Groupcast, GroupcastConfig, GroupcastOutput};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::body::{self, Packet};
use super::lines::Lines;
use super::subscription::Queue;
use super::{GroupcastError, Groupcasted, MAILBOX};
use crate::node::{Life, Shared};

/// Inputs that wait for the task; words beyond it are dropped, and asked for again.
const INPUTS_MAX: usize = 1_024;

/// Reflectors that a groupcast passes on its way to a group.
const HOPS_MAX: u8 = 32;

/// Something for the task.
#[derive(Debug)]
pub(crate) enum Input {
    /// From another node.
    Packet { from: NodeId, bytes: Bytes },
    /// From a user of this one.
    Cast {
        group: GroupId,
        body: Bytes,
        done: oneshot::Sender<Result<(), GroupcastError>>,
    },
    /// A user wants what comes.
    Subscribe {
        group: GroupId,
        topic: Bytes,
        queue: Queue,
    },
}

/// The way to the task.
#[derive(Debug)]
pub(crate) struct Groupcasts {
    pub(super) inputs: mpsc::Sender<Input>,
    /// For the task, which takes it.
    waiting: Mutex<Option<mpsc::Receiver<Input>>>,
}

impl Default for Groupcasts {
    fn default() -> Self {
        let (inputs, waiting) = mpsc::channel(INPUTS_MAX);
        Self {
            inputs,
            waiting: Mutex::new(Some(waiting)),
        }
    }
}

impl Groupcasts {
    /// A packet came from another node; whether there was room for it.
    pub(crate) fn on_packet(&self, from: NodeId, bytes: Bytes) -> bool {
        self.inputs.try_send(Input::Packet { from, bytes }).is_ok()
    }
}

/// One group's groupcasts on this node.
#[derive(Debug)]
struct Room {
    machine: Groupcast,
    subscribers: Vec<(Bytes, Queue)>,
}

/// The task, at work.
pub(crate) struct Task {
    shared: Arc<Shared>,
    rooms: BTreeMap<GroupId, Room>,
    lines: Lines,
}

impl Task {
    /// Runs until the node ends.
    pub(crate) async fn run(shared: Arc<Shared>) {
        let waiting = shared.groupcasts.waiting.lock();
        let taken = waiting.unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inputs) = taken else {
            return;
        };
        let mut life = shared.life.subscribe();
        let mut task = Self {
            shared,
            rooms: BTreeMap::new(),
            lines: Lines::default(),
        };
        loop {
            let due = task.shared.clock.instant(task.due());
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => task.on_input(input),
                    None => return,
                },
                () = tokio::time::sleep_until(due) => task.on_timeout(),
                _ = life.wait_for(|life| *life >= Life::Killed) => return,
            }
        }
    }

    fn due(&self) -> Time {
        let due = self
            .rooms
            .values()
            .filter_map(|room| room.machine.poll_timeout());
        due.map(|(at, _)| at).min().unwrap_or(Time::NEVER)
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Packet { from, bytes } => match Packet::decode(bytes) {
                Some(Packet::Word { group, word }) => self.on_word(from, group, &word),
                Some(Packet::Publish { group, hops, body }) => {
                    // Nobody waits to hear what became of it.
                    if self.publish(group, hops, body).is_err() {
                        self.shared.metrics.groupcast_words_dropped.add(1);
                    }
                }
                None => self.shared.metrics.groupcast_words_dropped.add(1),
            },
            // A caller that went away does not hear of it.
            Input::Cast { group, body, done } => {
                let _ = done.send(self.publish(group, 0, body));
            }
            Input::Subscribe {
                group,
                topic,
                queue,
            } => self.room(group).subscribers.push((topic, queue)),
        }
    }

    /// Groupcasts it, if this node is a member, or sends it on its way.
    fn publish(&mut self, group: GroupId, hops: u8, body: Bytes) -> Result<(), GroupcastError> {
        let Some(boots) = self.members(group) else {
            return self.forward(group, hops, body);
        };
        let (now, alive) = (self.shared.clock.now(), ids(&boots));
        let mut out = Vec::new();
        let machine = &mut self.room(group).machine;
        let cast = machine.cast(body, &alive, now, &mut out);
        cast.map_err(|error| GroupcastError::TooLong {
            len: error.len,
            max: error.max,
        })?;
        self.perform(group, &boots, out);
        Ok(())
    }

    fn forward(&mut self, group: GroupId, hops: u8, body: Bytes) -> Result<(), GroupcastError> {
        let to = self.next_hop(group, hops).filter(|_| hops < HOPS_MAX);
        let to = to.ok_or(GroupcastError::NoRoute)?;
        let hops = hops + 1;
        let packet = Packet::Publish { group, hops, body };
        self.send(to, &packet);
        Ok(())
    }

    /// A living reflector that leads to the group, best first. Only reflectors know of far groups:
    /// where a groupcast begins, any reflector of this node's groups is asked.
    fn next_hop(&self, group: GroupId, hops: u8) -> Option<Pid> {
        let replica = &self.shared.replica;
        let routes = replica.routes();
        let route = routes.iter().find(|route| route.group == group);
        let ways = match route {
            Some(route) => std::slice::from_ref(route),
            None if hops == 0 => routes.as_slice(),
            None => &[],
        };
        let mine = replica.groups();
        let mut ways = ways.iter().flat_map(|route| &route.next_hops);
        ways.find_map(|hop| {
            let mut boots = mine.iter().filter_map(|mine| replica.boots(*mine));
            let boot = boots.find_map(|boots| boots.get(hop).copied())?;
            (*hop != self.shared.id).then(|| pid(*hop, boot, None))
        })
    }

    fn on_word(&mut self, from: NodeId, group: GroupId, word: &Bytes) {
        // Only members speak to members.
        let boots = self
            .members(group)
            .filter(|boots| boots.contains_key(&from));
        let Some(boots) = boots else {
            return self.shared.metrics.groupcast_words_dropped.add(1);
        };
        let (now, alive) = (self.shared.clock.now(), ids(&boots));
        let mut out = Vec::new();
        let machine = &mut self.room(group).machine;
        machine.handle_word(from, word, &alive, now, &mut out);
        self.perform(group, &boots, out);
    }

    fn on_timeout(&mut self) {
        let now = self.shared.clock.now();
        let groups: Vec<GroupId> = self.rooms.keys().copied().collect();
        for group in groups {
            let mut out = Vec::new();
            self.room(group).machine.handle_timeout(now, &mut out);
            let boots = self.members(group).unwrap_or_default();
            self.perform(group, &boots, out);
        }
    }

    fn perform(
        &mut self,
        group: GroupId,
        boots: &BTreeMap<NodeId, Boot>,
        out: Vec<GroupcastOutput>,
    ) {
        for output in out {
            match output {
                GroupcastOutput::Send { to, word } => {
                    if let Some(boot) = boots.get(&to) {
                        let to = pid(to, *boot, Some(group));
                        self.send(to, &Packet::Word { group, word });
                    }
                }
                GroupcastOutput::Deliver { message, .. } => self.deliver(group, &message),
                GroupcastOutput::Missed { origin, messages } => {
                    let origin = Some(origin);
                    let missed = Groupcasted::Missed { origin, messages };
                    self.tell(group, None, &missed);
                }
            }
        }
    }

    fn deliver(&mut self, group: GroupId, message: &Bytes) {
        if let Some((from, topic, payload)) = body::decode(message) {
            let message = Groupcasted::Message { from, payload };
            self.tell(group, Some(&topic), &message);
        }
    }

    /// Tells those who subscribed to the topic, or all.
    fn tell(&mut self, group: GroupId, topic: Option<&Bytes>, what: &Groupcasted) {
        self.bring_subscribers(group);
        self.room(group).subscribers.retain_mut(|(known, queue)| {
            let is_meant = topic.is_none_or(|topic| topic == known);
            !is_meant || queue.tell(what.clone())
        });
    }

    /// Those who subscribed in a group that this node left for this one.
    fn bring_subscribers(&mut self, group: GroupId) {
        let moves = &self.shared.moves;
        if !moves.are_possible() {
            return;
        }
        let rooms = self.rooms.keys().copied();
        let left = rooms.filter(|&it| it != group && moves.present(it) == group);
        for it in left.collect::<Vec<_>>() {
            let room = self.rooms.remove(&it);
            let subscribers = room.map_or_else(Vec::new, |room| room.subscribers);
            self.room(group).subscribers.extend(subscribers);
        }
    }

    fn send(&mut self, to: Pid, packet: &Packet) {
        if !self.lines.send(&self.shared, to, packet.encode()) {
            self.shared.metrics.groupcast_words_dropped.add(1);
        }
    }

    /// The living members, if this node is one.
    fn members(&self, group: GroupId) -> Option<BTreeMap<NodeId, Boot>> {
        let boots = self.shared.replica.boots(group)?;
        boots.contains_key(&self.shared.id).then_some(boots)
    }

    fn room(&mut self, group: GroupId) -> &mut Room {
        let shared = &self.shared;
        self.rooms.entry(group).or_insert_with(|| Room {
            machine: Groupcast::new(shared.id, shared.boot(), GroupcastConfig::default()),
            subscribers: Vec::new(),
        })
    }
}

fn ids(boots: &BTreeMap<NodeId, Boot>) -> BTreeSet<NodeId> {
    boots.keys().copied().collect()
}

const fn pid(node: NodeId, boot: Boot, home: Option<GroupId>) -> Pid {
    Pid {
        node,
        boot,
        local: MAILBOX,
        home,
    }
}
