//! Groupcasts on a node: the product's own machine behind a mailbox, and what it handed over.
//!
//! Members are those that ran when the timeline began: one that ends misses what follows, one that
//! comes back takes no part any more, and senders go on counting on it. What the machine says goes
//! by the nodes' real channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{GroupId, NodeId, Pid, Time};
use archipelago_sgroup::groupcast::{Groupcast, GroupcastConfig, GroupcastOutput};
use bytes::Bytes;

use crate::host::{Latencies, ProcessState, Protocol, Turn};
use crate::topology::Topology;
use crate::world::{NodeIx, World};

/// Bytes of a group's id before a word.
const GROUP_LEN: usize = 16;

/// The mailboxes of all members.
type Mailboxes = Arc<BTreeMap<NodeId, Pid>>;

/// One node's groupcasts in all of its groups.
#[derive(Debug)]
pub(super) struct Caster {
    mailboxes: Mailboxes,
    rooms: BTreeMap<GroupId, Room>,
    /// From a sending to its handing over here.
    pub(super) took: Latencies,
    /// Messages that were told as missed.
    pub(super) missed: u64,
    sending: Vec<Sending>,
    armed: Time,
}

#[derive(Debug)]
struct Room {
    machine: Groupcast,
    members: BTreeSet<NodeId>,
}

/// A stream of groupcasts that goes on.
#[derive(Debug)]
struct Sending {
    group: GroupId,
    left: u32,
    every: Duration,
    bytes: usize,
    due: Time,
}

/// Puts one on every running node.
pub(super) fn install(world: &mut World, topology: &Topology) {
    let mut installed: BTreeMap<NodeIx, Pid> = BTreeMap::new();
    for node in world.nodes() {
        if world.state(node) == ProcessState::Running
            && let Some(pid) = world.install(node, Caster::new())
        {
            installed.insert(node, pid);
        }
    }
    let mailboxes = installed.values().map(|pid| (pid.node, *pid));
    let mailboxes: Mailboxes = Arc::new(mailboxes.collect());
    for (place, (_, members)) in topology.groups.iter().enumerate() {
        let group = topology.id(place);
        let known = members.iter().filter_map(|node| installed.get(node));
        let ids: BTreeSet<NodeId> = known.map(|pid| pid.node).collect();
        for node in members.iter().filter(|node| installed.contains_key(node)) {
            let (ids, mailboxes) = (ids.clone(), mailboxes.clone());
            world.prompt::<Caster>(*node, |caster, turn| {
                caster.enter(group, ids, mailboxes, turn);
            });
        }
    }
}

impl Caster {
    fn new() -> Self {
        Self {
            mailboxes: Mailboxes::default(),
            rooms: BTreeMap::new(),
            took: Latencies::default(),
            missed: 0,
            sending: Vec::new(),
            armed: Time::NEVER,
        }
    }

    fn enter(
        &mut self,
        group: GroupId,
        members: BTreeSet<NodeId>,
        mailboxes: Mailboxes,
        turn: &Turn<'_>,
    ) {
        let me = turn.me();
        let machine = Groupcast::new(me.node, me.boot, GroupcastConfig::default());
        self.rooms.insert(group, Room { machine, members });
        self.mailboxes = mailboxes;
    }

    /// Members of a group, this one included; 0 for a group that it is not in.
    pub(super) fn members_len(&self, group: GroupId) -> u64 {
        let room = self.rooms.get(&group);
        room.map_or(0, |room| room.members.len() as u64)
    }

    /// Sends so many messages, so far apart, of so many bytes.
    pub(super) fn begin(
        &mut self,
        group: GroupId,
        (left, every, bytes): (u32, Duration, usize),
        turn: &mut Turn<'_>,
    ) {
        let due = turn.now();
        self.sending.push(Sending {
            group,
            left,
            every,
            bytes,
            due,
        });
        self.go_on(turn);
    }

    /// Sends what is due, lets the machines do what is due, and arms the next timer.
    fn go_on(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        let mut sending = std::mem::take(&mut self.sending);
        for stream in &mut sending {
            while stream.left > 0 && stream.due <= now {
                self.cast(stream, turn);
                stream.left -= 1;
                stream.due = stream.due.after(stream.every);
            }
        }
        sending.retain(|stream| stream.left > 0);
        self.sending = sending;
        let groups: Vec<GroupId> = self.rooms.keys().copied().collect();
        for group in groups {
            let mut out = Vec::new();
            if let Some(room) = self.rooms.get_mut(&group) {
                room.machine.handle_timeout(now, &mut out);
            }
            self.perform(group, out, turn);
        }
        self.arm(turn);
    }

    fn cast(&mut self, stream: &Sending, turn: &mut Turn<'_>) {
        let mut message = turn.now().as_micros().to_le_bytes().to_vec();
        message.resize(stream.bytes.max(message.len()), 0);
        let Some(room) = self.rooms.get_mut(&stream.group) else {
            return;
        };
        let mut out = Vec::new();
        let cast = room
            .machine
            .cast(message.into(), &room.members, turn.now(), &mut out);
        cast.expect("scenarios keep groupcasts below the machine's limit");
        self.perform(stream.group, out, turn);
    }

    fn perform(&mut self, group: GroupId, out: Vec<GroupcastOutput>, turn: &mut Turn<'_>) {
        for output in out {
            match output {
                GroupcastOutput::Send { to, word } => {
                    if let Some(pid) = self.mailboxes.get(&to) {
                        turn.send(*pid, [&group.0[..], &word].concat());
                    }
                }
                GroupcastOutput::Deliver { message, .. } => {
                    if let Some((sent, _)) = message.split_first_chunk() {
                        let sent = Time::from_micros(u64::from_le_bytes(*sent));
                        self.took.note(turn.now().since(sent));
                    }
                }
                GroupcastOutput::Missed { messages, .. } => self.missed += messages,
            }
        }
    }

    fn arm(&mut self, turn: &mut Turn<'_>) {
        let machines = self.rooms.values();
        let machines = machines.filter_map(|room| room.machine.poll_timeout());
        let due = machines.map(|(due, _)| due);
        let due = due
            .chain(self.sending.iter().map(|stream| stream.due))
            .min();
        if let Some(due) = due.filter(|due| *due < self.armed) {
            self.armed = due;
            turn.wake_after(due.since(turn.now()));
        }
    }
}

impl Protocol for Caster {
    fn handle_message(&mut self, from: Pid, payload: &Bytes, turn: &mut Turn<'_>) {
        let Some((group, _)) = payload.split_first_chunk::<GROUP_LEN>() else {
            return;
        };
        let group = GroupId(*group);
        let word = payload.slice(GROUP_LEN..);
        let mut out = Vec::new();
        if let Some(room) = self.rooms.get_mut(&group) {
            let members = &room.members;
            let (now, out) = (turn.now(), &mut out);
            room.machine
                .handle_word(from.node, &word, members, now, out);
        }
        self.perform(group, out, turn);
        self.arm(turn);
    }

    fn handle_timer(&mut self, turn: &mut Turn<'_>) {
        self.armed = Time::NEVER;
        self.go_on(turn);
    }
}
