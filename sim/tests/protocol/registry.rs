//! What members say without a contest: everybody reads the same, and nothing of the dead (U4, U15,
//! U30, L1, I4).

use std::collections::BTreeMap;

use crate::support::{formed, ms, restart, s, within};
use archipelago_core::wire::{Offer, Value};
use archipelago_core::{GroupId, LocalId, NodeId, Pid};
use archipelago_sgroup::registry::{Entry, RegistryChange, RegistryCommand, Table};
use archipelago_sim::check::views;
use archipelago_sim::tally::Kind;
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, ProcessState, World};
use bytes::Bytes;

const NODES: u32 = 5;
const NAMES: [&str; 3] = ["a", "ab", "b"];

fn name(index: u64) -> Bytes {
    let index = usize::try_from(index).expect("a small number") % NAMES.len();
    Bytes::from_static(NAMES[index].as_bytes())
}

/// The reference: what each living process said of itself, entry by entry.
#[derive(Default)]
struct Model {
    said: BTreeMap<NodeIx, BTreeMap<(u8, Bytes, LocalId), Entry>>,
    mailboxes: BTreeMap<NodeIx, Vec<Pid>>,
}

impl Model {
    fn crash(&mut self, node: NodeIx) {
        self.said.remove(&node);
        self.mailboxes.remove(&node);
    }

    fn end(&mut self, pid: Pid, node: NodeIx) {
        self.mailboxes
            .entry(node)
            .or_default()
            .retain(|other| *other != pid);
        let said = self.said.entry(node).or_default();
        said.retain(|(_, _, local), _| *local != pid.local);
    }

    fn say(&mut self, node: NodeIx, entry: Entry) {
        let of = |kind, key: &Bytes, local: &LocalId| (kind, key.clone(), *local);
        let (place, is_there) = match &entry {
            Entry::ProcessGroup { name, local, times } => (of(0, name, local), *times > 0),
            Entry::Service {
                service,
                local,
                offer,
            } => (of(1, service, local), offer.is_some()),
            Entry::Property { key, local, value } => (of(2, key, local), value.is_some()),
            Entry::Counter { key, local, value } => (of(3, key, local), value.is_some()),
            Entry::Shared { key, value } => (of(4, key, &LocalId::default()), value.is_some()),
            _ => unreachable!("the schedule says nothing else"),
        };
        let said = self.said.entry(node).or_default();
        if is_there {
            said.insert(place, entry);
        } else {
            said.remove(&place);
        }
    }

    /// How often a mailbox joined.
    fn times(&self, node: NodeIx, name: &Bytes, local: LocalId) -> u16 {
        let said = self
            .said
            .get(&node)
            .and_then(|said| said.get(&(0, name.clone(), local)));
        match said {
            Some(Entry::ProcessGroup { times, .. }) => *times,
            _ => 0,
        }
    }

    fn table(&self, world: &World) -> Table {
        let mut table = Table::default();
        for (&node, said) in &self.said {
            let boot = world.node(node).map(|node| node.boot());
            table.apply(&RegistryChange {
                owner: world.id(node),
                boot: boot.unwrap_or_default(),
                entries: said.values().cloned().collect(),
            });
        }
        table
    }
}

/// I4, L1, U4, U30: random schedules of joins, ends, crashes, restarts and splits, then a heal:
/// soon every member reads exactly what the living said last.
#[test]
fn i4_l1_after_quiet_all_members_read_what_the_living_said() {
    crate::support::seeds("i4_l1", 500, |seed| {
        let topology = Topology::group(NODES);
        let group = topology.id(0);
        let mut world = formed(&topology, seed);
        let mut model = Model::default();
        for _ in 0..60 {
            step(&mut world, group, &mut model);
            let pause = world.random().below(400);
            world.run_for(ms(pause));
        }
        world.heal();
        for node in world.nodes() {
            if world.state(node) == ProcessState::Down {
                restart(&mut world, node);
            }
        }
        within(&mut world, "agreeing on members", s(60), views::all_agree);
        let expected = model.table(&world);
        within(&mut world, "reading the same", s(40), |world| {
            let read = |node| world.table(node, group).cloned().unwrap_or_default();
            world.nodes().into_iter().all(|node| read(node) == expected)
        });
    });
}

/// One thing that happens: mostly somebody says something, sometimes the world breaks or heals.
fn step(world: &mut World, group: GroupId, model: &mut Model) {
    let nodes = u64::from(NODES);
    let victim = NodeIx(u32::try_from(world.random().below(nodes)).expect("a small number"));
    match world.random().below(20) {
        0 if world.running().len() > 2 && world.state(victim) == ProcessState::Running => {
            world.crash(victim);
            model.crash(victim);
        }
        1 if world.state(victim) == ProcessState::Down => restart(world, victim),
        2 => {
            let (here, there) = world
                .nodes()
                .into_iter()
                .partition::<Vec<_>, _>(|n| n.0 <= victim.0);
            world.partition(&[here, there]);
        }
        3 => world.heal(),
        4 => {
            let other = NodeIx((victim.0 + 1) % NODES);
            world.cut_pair(victim, other);
        }
        _ if is_started(world, victim, group) => speak(world, victim, group, model),
        _ => {}
    }
}

/// Whether the node's start is final, so that its pids are.
fn is_started(world: &World, node: NodeIx, group: GroupId) -> bool {
    let id = world.id(node);
    let members = world.node(node).and_then(|machine| machine.members(group));
    members.is_some_and(|members| members.iter().any(|member| member.node == id))
}

fn speak(world: &mut World, node: NodeIx, group: GroupId, model: &mut Model) {
    let known = model.mailboxes.entry(node).or_default().clone();
    let pid = if known.len() < 3 {
        let pid = world.another_pid(node).expect("it runs");
        model.mailboxes.entry(node).or_default().push(pid);
        pid
    } else {
        let index = world.random().below(known.len() as u64);
        known[usize::try_from(index).expect("a small number")]
    };
    let local = pid.local;
    let key = name(world.random().below(3));
    let number = world.random().below(5);
    let is_there = number > 0;
    let number = i64::try_from(number).expect("a small number");
    let entry = match world.random().below(8) {
        0 => {
            world.end_mailbox(pid);
            return model.end(pid, node);
        }
        1 => Entry::Service {
            service: key,
            local,
            offer: is_there.then(Offer::default),
        },
        2 => Entry::Property {
            key,
            local: if number > 2 {
                LocalId::default()
            } else {
                local
            },
            value: is_there.then_some(Value::Int(number)),
        },
        3 => Entry::Counter {
            key,
            local,
            value: is_there.then_some(number),
        },
        4 => Entry::Shared {
            key,
            value: is_there.then(|| number.to_be_bytes().to_vec().into()),
        },
        choice => return join_or_leave(world, node, group, model, (key, local, choice == 5)),
    };
    let said = RegistryCommand::Say(entry.clone());
    assert_eq!(world.say(node, group, said), Ok(()));
    model.say(node, entry);
}

fn join_or_leave(
    world: &mut World,
    node: NodeIx,
    group: GroupId,
    model: &mut Model,
    (name, local, is_leaving): (Bytes, LocalId, bool),
) {
    let times = model.times(node, &name, local);
    let key = name.clone();
    let (said, after) = if is_leaving {
        let said = RegistryCommand::LeaveProcessGroup { name, local };
        (said, times.checked_sub(1))
    } else {
        let said = RegistryCommand::JoinProcessGroup { name, local };
        (said, Some(times + 1))
    };
    assert_eq!(world.say(node, group, said).is_ok(), after.is_some());
    if let Some(times) = after {
        let name = key;
        model.say(node, Entry::ProcessGroup { name, local, times });
    }
}

/// U4, L1: a process group's members elsewhere are gone when their mailbox or their node is.
#[test]
fn u4_l1_the_dead_are_in_no_process_group() {
    let topology = Topology::group(6);
    let group = topology.id(0);
    let mut world = formed(&topology, 7);
    let pids: Vec<Pid> = world
        .nodes()
        .into_iter()
        .filter_map(|node| world.pid(node))
        .collect();
    for &pid in &pids {
        world.join_process_group(pid, group, "workers").unwrap();
    }
    let members = |world: &World, node| -> Vec<NodeId> {
        let table = world.table(node, group);
        let all = table
            .into_iter()
            .flat_map(|table| table.process_group(b"workers", None));
        all.map(|(pid, _)| pid.node).collect()
    };
    let took = within(&mut world, "joining", s(2), |world| {
        world
            .nodes()
            .into_iter()
            .all(|node| members(world, node).len() == 6)
    });
    println!("all members read all joins after {took:?}");
    world.end_mailbox(pids[2]);
    let took = within(&mut world, "the mailbox's end", s(2), |world| {
        world
            .nodes()
            .into_iter()
            .all(|node| members(world, node).len() == 5)
    });
    println!("all members read a mailbox's end after {took:?}");
    world.crash(NodeIx(4));
    let dead = world.id(NodeIx(4));
    let took = within(&mut world, "the node's end", s(3), |world| {
        let running = world.running();
        running
            .into_iter()
            .all(|node| !members(world, node).contains(&dead))
    });
    println!("all members read a killed node's end after {took:?}");
    restart(&mut world, NodeIx(4));
    within(&mut world, "the return", s(10), views::all_agree);
    world.run_for(s(3));
    assert!(
        world
            .nodes()
            .into_iter()
            .all(|node| members(&world, node).len() == 4)
    );
}

/// A load that trembles costs no message; one that moves is told at most once a second.
#[test]
fn an_idle_loads_changes_cost_nothing() {
    let topology = Topology::group(4);
    let group = topology.id(0);
    let mut world = formed(&topology, 3);
    let set = |world: &mut World, load| {
        let said = RegistryCommand::SetLoad { load };
        world.say(NodeIx(1), group, said).unwrap();
    };
    set(&mut world, 1_000);
    world.run_for(s(3));
    let told = |world: &World| {
        let table = world.table(NodeIx(3), group).expect("it heard of the load");
        table.load(world.id(NodeIx(1)))
    };
    assert_eq!(told(&world), Some(1_000));
    let before = world.tally().of(Kind::Log);
    for round in 0..40 {
        set(&mut world, 1_000 + round % 2 * 100);
        world.run_for(ms(100));
    }
    assert_eq!(
        (told(&world), world.tally().of(Kind::Log)),
        (Some(1_000), before)
    );
    for round in 0..40 {
        set(&mut world, 3_000 + round * 1_000);
        world.run_for(ms(100));
    }
    world.run_for(s(2));
    assert_eq!(told(&world), Some(42_000));
    // An update and an acknowledgement for each of three members, five or six times.
    let messages = world.tally().of(Kind::Log) - before;
    assert!((30..=36).contains(&messages), "{messages} messages");
}
