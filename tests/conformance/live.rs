//! The scenario on loopback, by the public API alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use archipelago::{Events, GroupSpec, Mailbox, Node, NodeEvent};
use futures::FutureExt;

use crate::driver::Driver;
use crate::outcome::{Names, Outcome, Told};
use crate::scenario::{IDLE_TIMEOUT, Name, Plan};

/// Longest wait for a call to return.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A node, and what was read from it so far.
struct Running {
    plan: Plan,
    node: Node,
    events: Events,
    mailbox: Option<Mailbox>,
    told: BTreeSet<Told>,
    refused: BTreeSet<Name>,
}

/// Nodes on sockets.
pub(crate) struct Live {
    /// Of the test; the nodes have threads of their own.
    executor: tokio::runtime::Runtime,
    started: Instant,
    names: Names,
    living: BTreeMap<Name, Running>,
    delivered: BTreeMap<(Name, Name), Vec<u64>>,
}

impl Live {
    pub(crate) fn new() -> Self {
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        Self {
            executor: executor.unwrap(),
            started: Instant::now(),
            names: Names::of_realm("default"),
            living: BTreeMap::new(),
            delivered: BTreeMap::new(),
        }
    }

    fn running(&mut self, name: Name) -> &mut Running {
        self.living.get_mut(name).unwrap()
    }

    fn spec(&self, plan: &Plan, name: Name) -> GroupSpec {
        let spec = GroupSpec::with_cookie(name, plan.cookie(name));
        match plan.seed(name) {
            Some(seed) => spec.seed(self.living[seed].node.addresses()[0].clone()),
            None => spec,
        }
    }

    /// The node's mailbox, made when first needed.
    fn open_mailbox(&mut self, name: Name) -> archipelago::Pid {
        let node = self.running(name).node.clone();
        if self.running(name).mailbox.is_none() {
            let mailbox = self.call(node.mailbox()).unwrap();
            self.running(name).mailbox = Some(mailbox);
        }
        self.running(name).mailbox.as_ref().unwrap().pid()
    }

    fn call<T>(&self, work: impl Future<Output = T>) -> T {
        let bounded = async { tokio::time::timeout(CALL_TIMEOUT, work).await };
        let done = self.executor.block_on(bounded);
        done.expect("a call that returns in time")
    }

    /// Takes what has arrived at the mailboxes.
    fn receive(&mut self) {
        for (&to, running) in &mut self.living {
            let mailbox = running.mailbox.iter_mut();
            for received in mailbox.flat_map(|mailbox| std::iter::from_fn(|| mailbox.try_recv())) {
                let from = self.names.node(received.from.node);
                let number = u64::from_le_bytes(received.payload[..].try_into().unwrap());
                self.delivered.entry((from, to)).or_default().push(number);
            }
        }
    }
}

impl Running {
    /// Takes the events that are there. What was up before anyone could watch was never told to
    /// this watcher, and is known from the view.
    fn read(&mut self, names: &Names) {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            match event {
                NodeEvent::MemberUp { group, member } => {
                    self.on_up(names.node(member.node), names.group(group));
                }
                NodeEvent::MemberDown {
                    group,
                    member,
                    reason,
                } => {
                    let told = Told::down(names.node(member.node), names.group(group), reason);
                    self.told.insert(told);
                }
                NodeEvent::Refused { group, .. } => {
                    self.refused.insert(names.group(group));
                }
                NodeEvent::Lagged { missed } => panic!("{missed} events were missed"),
                _ => {}
            }
        }
    }

    fn on_up(&mut self, member: Name, group: Name) {
        if member != self.plan.name {
            self.told.insert(Told::Up(member, group));
        }
    }
}

impl Driver for Live {
    fn start(&mut self, plan: &Plan) {
        let mut builder = Node::builder(plan.name).idle_timeout(IDLE_TIMEOUT);
        if plan.is_reflector() {
            builder = builder.reflector();
        }
        for group in plan.groups {
            builder = builder.group(self.spec(plan, group));
        }
        let node = self.call(builder.start()).unwrap();
        let events = node.events();
        self.names.add(node.id(), plan);
        let mut running = Running {
            plan: *plan,
            events,
            node,
            mailbox: None,
            told: BTreeSet::new(),
            refused: BTreeSet::new(),
        };
        for &group in plan.groups {
            let members = running.node.members(group).unwrap_or_default();
            for member in self.names.members(&members) {
                running.on_up(member, group);
            }
        }
        self.living.insert(plan.name, running);
    }

    fn send(&mut self, from: Name, to: Name, numbers: Range<u64>) {
        self.open_mailbox(from);
        let pid = self.open_mailbox(to);
        let sender = self.running(from).mailbox.as_ref().unwrap().sender();
        for number in numbers {
            let payload = number.to_le_bytes().to_vec();
            self.call(sender.send(pid, payload)).unwrap();
        }
    }

    fn leave(&mut self, node: Name, group: Name) {
        let node = self.running(node).node.clone();
        self.call(node.leave(group)).unwrap();
    }

    fn kill(&mut self, node: Name) {
        if let Some(running) = self.living.remove(node) {
            running.node.kill();
        }
    }

    fn look(&mut self) -> Outcome {
        self.receive();
        let mut outcome = Outcome {
            delivered: self.delivered.clone(),
            ..Outcome::default()
        };
        for (&name, running) in &mut self.living {
            running.read(&self.names);
            for group in running.plan.groups {
                if let Some(members) = running.node.members(group) {
                    let members = self.names.members(&members);
                    outcome.members.insert((name, group), members);
                }
            }
            let sessions = self.names.sessions(name, running.node.sessions());
            outcome.sessions.extend(sessions);
            outcome.told.insert(name, running.told.clone());
            let refused = running.refused.iter().map(|group| (name, *group));
            outcome.refused.extend(refused);
            if running.plan.is_reflector() {
                let routes = self.names.routes(running.node.routes());
                outcome.routes.insert(name, routes);
            }
        }
        outcome
    }

    fn pass(&mut self) {
        std::thread::sleep(Duration::from_millis(10));
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for running in self.living.values() {
            running.node.kill();
        }
    }
}
