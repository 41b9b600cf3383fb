//! One simulated node: the product's `Node` and `Channel`s, and the driver around them.
//!
//! It does what the live runtime does with the machines' outputs, and decides nothing of the
//! protocol. A host touches itself only; everything between hosts is an event in the queue.
//!
//! ```text
//!  event ─▶ Host::handle ─▶ Node / Channel ─▶ outputs ─▶ settle ─▶ events for others
//! ```

mod app;
mod calls;
mod claims;
mod data;
mod dial;
mod duty;
mod foresee;
mod form;
mod heard;
mod latencies;
mod letters;
mod mischief;
mod outputs;
mod packets;
mod processor;
mod protocol;
mod registry;
pub(crate) mod sessions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::footprint::{Footprint, map_bytes, set_bytes, vec_bytes};
use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{Boot, Crypto, GroupId, NodeId, Rng, Time};
use archipelago_router::{Command, ConfigError, Node, NodeConfig, Output, Refused, SessionEvent};
use archipelago_sgroup::duty::DutyCommand;
use archipelago_sgroup::registry::Table;

pub(crate) use app::App;
pub use app::{Flow, FlowReport, Received};
pub use calls::CallReport;
pub(crate) use claims::Claims;
pub use claims::{Belief, FoundName, NameLoad, NameNotice, NameResult};
use data::PeerData;
use dial::Pending;
pub use duty::DutyRun;
pub use heard::Heard;
pub use latencies::Latencies;
use letters::Post;
use mischief::Puppet;
pub use mischief::{Mutant, Tamper};
use processor::Processor;
pub(crate) use protocol::Installed;
pub use protocol::{Protocol, Turn};
use sessions::Sessions;

use crate::event::{Body, Event};
use crate::link::Line;
use crate::net::Net;
use crate::observe::{Observation, Observed};
use crate::random::Random;
use crate::tally::{CountedCrypto, CryptoCount};
use crate::trace::Chain;

/// Whether a node's process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Never started, crashed or shut down.
    Down,
    /// Working.
    Running,
    /// Stopped by a signal: its sockets stay open, nothing is read, no timer fires.
    Stopped,
}

/// One simulated node.
///
/// Laid out as written: what every event reads comes first, on as few lines of memory as it can.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Host {
    /// Everything that happened to it.
    pub(crate) chain: Chain,
    pub(crate) state: ProcessState,
    /// The control machine said that its shutdown is complete.
    stopped: bool,
    /// What it does to envelopes of others, where it is dishonest.
    pub(crate) tamper: Option<Tamper>,
    /// What it does wrong, where it is broken.
    pub(crate) mutant: Option<Mutant>,
    pub(crate) node: Option<Box<Node>>,
    /// Its number in the world.
    pub(crate) ix: u32,
    /// Events caused so far.
    counter: u32,
    /// The deadline that a timer is armed for and when that fires; an older timer is stale.
    armed: Option<(Time, Time)>,
    /// The machine's deadline, as of its last input.
    deadline: Time,
    random: Random,
    /// What it was told, for those who measure.
    pub(crate) heard: Heard,
    pub(crate) sessions: Sessions,
    /// Where a test is the machine.
    pub(crate) puppet: Option<Puppet>,
    /// Peers whose channels may have something to send.
    dirty: BTreeSet<u32>,
    /// Sessions whose traffic the control machine is to hear of.
    activities: Vec<SessionId>,
    /// Letters that came and that were lost, for the control machine.
    letters: VecDeque<Post>,
    /// Runs that have ended, for the machine.
    ended: Vec<(GroupId, DutyCommand)>,
    /// What its processes asked of names.
    pub(crate) claims: Option<Box<Claims>>,
    /// What all its links share, where that is limited.
    uplink: Option<Box<Line>>,
    /// Its processor, where handshakes or packets take it time.
    processor: Option<Box<Processor>>,
    pub(crate) id: NodeId,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) app: App,
    /// What members say, in the groups that this node is in.
    pub(crate) tables: BTreeMap<GroupId, Table>,
    /// What runs here because every member is to run it.
    pub(crate) runs: Vec<DutyRun>,
    crypto: Arc<dyn Crypto>,
    /// Starts so far.
    pub(crate) starts: u32,
    dials: BTreeMap<SessionId, Pending>,
    /// What arrived while the process was stopped.
    inbox: Vec<(u32, Event)>,
    peers: BTreeMap<u32, PeerData>,
    /// How often it tampered.
    pub(crate) tampered_count: u64,
}

impl Host {
    /// A node that was never started.
    pub(crate) fn new(
        ix: u32,
        config: Arc<NodeConfig>,
        random: Random,
        count: &Arc<CryptoCount>,
    ) -> Self {
        Self {
            ix,
            id: config.id,
            state: ProcessState::Down,
            crypto: Arc::new(CountedCrypto::new(config.id, count)),
            config,
            node: None,
            sessions: Sessions::default(),
            app: App::default(),
            tables: BTreeMap::new(),
            claims: None,
            runs: Vec::new(),
            ended: Vec::new(),
            random,
            uplink: None,
            processor: None,
            counter: 0,
            starts: 0,
            dials: BTreeMap::new(),
            armed: None,
            deadline: Time::NEVER,
            inbox: Vec::new(),
            peers: BTreeMap::new(),
            dirty: BTreeSet::new(),
            activities: Vec::new(),
            letters: VecDeque::new(),
            stopped: false,
            tamper: None,
            mutant: None,
            tampered_count: 0,
            puppet: None,
            heard: Heard::default(),
            chain: Chain::default(),
        }
    }

    /// Starts the process with what `config` says, its boot included.
    pub(crate) fn start(&mut self, net: &mut Net) -> Result<(), ConfigError> {
        assert!(self.state == ProcessState::Down, "the process runs already");
        let seed = Rng::from_u64(net.shared.seed)
            .split(u64::from(self.ix))
            .split(u64::from(self.starts));
        let config = Arc::clone(&self.config);
        let node = Node::new(config, Arc::clone(&self.crypto), seed)?;
        self.node = Some(Box::new(node));
        self.state = ProcessState::Running;
        self.starts += 1;
        let started = self.command(Command::Start, net);
        assert!(started.is_ok(), "a fresh node accepts its start");
        Ok(())
    }

    /// Ends the process at once, as by kill -9: its kernel resets its sessions, unless the whole
    /// machine lost its power and says nothing any more.
    pub(crate) fn crash(&mut self, is_power_lost: bool, net: &mut Net) {
        for session in self.sessions.ids() {
            if is_power_lost {
                self.sessions.close(session);
            } else {
                self.reset(session, net);
            }
        }
        self.forget_process();
    }

    /// Lets a stopped process go on: what came meanwhile is read, and its timers fire late, in an
    /// order of chance.
    pub(crate) fn resume(&mut self, net: &mut Net) {
        self.app.note_resumed(net.now);
        if self.state != ProcessState::Stopped {
            return;
        }
        self.state = ProcessState::Running;
        let is_timer_first = self.random.chance(500_000);
        if is_timer_first {
            self.wake(net);
        }
        for (source, event) in std::mem::take(&mut self.inbox) {
            self.handle(source, event, net);
        }
        if !is_timer_first {
            self.wake(net);
        }
    }

    /// Something happens to this node.
    pub(crate) fn handle(&mut self, source: u32, event: Event, net: &mut Net) {
        match self.state {
            ProcessState::Running => {
                if let Some(event) = self.defer(source, event, net) {
                    self.handle_running(source, event, net);
                }
                self.settle(net);
            }
            ProcessState::Stopped => self.handle_stopped(source, event, net),
            ProcessState::Down => self.handle_down(source, event, net),
        }
    }

    /// Control messages that arrived together on one session.
    pub(crate) fn handle_batch(
        &mut self,
        session: SessionId,
        batch: &mut Vec<Control>,
        net: &mut Net,
    ) {
        if self.puppet.is_some() {
            return self.on_puppet(session, batch, net);
        }
        let peer = self.sessions.get(session).map(|end| end.peer);
        self.heard.note(batch, peer);
        self.drive(net, |node, now, out| {
            node.handle_messages(session, batch, now, out);
        });
        self.settle(net);
    }

    /// A command of the user or of this driver.
    pub(crate) fn command(&mut self, command: Command, net: &mut Net) -> Result<(), Refused> {
        let left = match &command {
            Command::Leave(group) => Some(*group),
            _ => None,
        };
        let mut result = Ok(());
        self.drive(net, |node, now, out| {
            result = node.handle_command(command, now, out);
        });
        if let Some(group) = left.filter(|_| result.is_ok()) {
            self.observe(Observation::GroupLeft { group }, net);
            self.forget_group(group);
        }
        result
    }

    /// What this node takes, by part: its machine, and this driver's own.
    pub(crate) fn footprint(&self) -> Footprint {
        let mut footprint = self.node.as_ref().map(|node| node.footprint());
        let footprint = footprint.get_or_insert_default();
        let inbox = vec_bytes(&self.inbox) + vec_bytes(&self.activities);
        let tables = map_bytes(&self.dials) + map_bytes(&self.peers) + set_bytes(&self.dirty);
        footprint.add("host", size_of::<Self>() + inbox + tables);
        footprint.add("transport", self.sessions.heap_bytes());
        std::mem::take(footprint)
    }

    /// The boot that the running process goes by.
    pub(crate) fn boot(&self) -> Option<Boot> {
        self.node.as_ref().map(|node| node.boot())
    }

    fn handle_running(&mut self, source: u32, event: Event, net: &mut Net) {
        match event {
            Event::Wake => self.on_wake(net),
            Event::ChannelWake { peer } => self.on_channel_wake(peer, net),
            Event::Syn { session } => self.on_syn(source, session, net),
            Event::Refused { session } => self.on_dial_failed(session, "connection refused", net),
            Event::DialTimeout { session } => self.on_dial_failed(session, "timed out", net),
            Event::DialEnded { dial, reason } => {
                let reason = reason.to_owned();
                self.session_event(SessionEvent::OpenFailed { dial, reason }, net);
            }
            Event::Packet { from, to, body } => self.on_packet(source, from, to, body, net),
            Event::Worked => self.on_worked(net),
            Event::Abort { session } => self.on_abort(session, net),
            Event::Retransmit { session } => self.on_retransmit(session, net),
            Event::Gone { session } => {
                self.session_event(SessionEvent::Closed { session }, net);
            }
            Event::CallTimeout => self.on_call_timeout(net),
            Event::Flow { flow } => self.on_flow(flow, net),
            Event::Timer => {
                self.turn(net, |protocol, turn| protocol.handle_timer(turn));
            }
        }
    }

    /// The kernel of a stopped process takes what comes; its own work waits.
    fn handle_stopped(&mut self, source: u32, event: Event, net: &mut Net) {
        match event {
            Event::Wake => self.armed = None,
            Event::Abort { session } if self.is_hopeless(session, net) => {
                self.inbox.push((source, Event::Abort { session }));
            }
            Event::Abort { .. } => {}
            Event::Retransmit { session } => self.on_retransmit(session, net),
            other => self.inbox.push((source, other)),
        }
    }

    /// Where no process runs, the kernel answers; where there is no power, its links are cut and
    /// carry no answer.
    fn handle_down(&mut self, source: u32, event: Event, net: &mut Net) {
        match event {
            Event::Syn { session } => self.refuse(source, session, net),
            Event::Packet { from, to, body } if !matches!(body, Body::Reset) => {
                self.answer_reset(source, from, to, net);
            }
            Event::Worked => self.on_worked(net),
            _ => {}
        }
    }

    fn forget_process(&mut self) {
        self.state = ProcessState::Down;
        self.node = None;
        self.armed = None;
        self.dials.clear();
        self.inbox.clear();
        if let Some(processor) = &mut self.processor {
            processor.crash();
        }
        self.activities.clear();
        self.letters.clear();
        self.stopped = false;
        self.lose_channels();
        self.app.forget_mailboxes();
        self.tables.clear();
        if let Some(claims) = &mut self.claims {
            claims.forget_process();
        }
        self.runs.clear();
        self.ended.clear();
    }

    /// Gives the machine an input, and then does everything that follows from it.
    fn drive(&mut self, net: &mut Net, input: impl FnOnce(&mut Node, Time, &mut Vec<Output>)) {
        let Some(node) = self.node.as_mut() else {
            return;
        };
        let mut outputs = net.local.outputs.pop().unwrap_or_default();
        input(node, net.now, &mut outputs);
        for output in outputs.drain(..) {
            self.apply(output, net);
        }
        net.local.outputs.push(outputs);
        self.arm(net);
    }

    /// Lets the channels that have something to say say it, until all are quiet.
    pub(crate) fn settle(&mut self, net: &mut Net) {
        self.tell_ended(net);
        while self.work_on_names(net)
            || !self.dirty.is_empty()
            || !self.activities.is_empty()
            || !self.letters.is_empty()
        {
            self.read_letters(net);
            if let Some(peer) = self.dirty.pop_first() {
                self.pump(peer, net);
            }
            while let Some(session) = self.activities.pop() {
                // A session that closed meanwhile is refused, and that is all there is to it.
                let _refused = self.command(Command::Activity(session), net);
            }
        }
        if self.stopped && self.state == ProcessState::Running {
            self.observe(Observation::Ended, net);
            self.crash(false, net);
        }
    }

    /// Reports to checkers and tests.
    pub(crate) fn observe(&self, what: Observation, net: &mut Net) {
        let boot = self.boot().unwrap_or_default();
        let observed = Observed {
            time: net.now,
            node: self.ix,
            boot,
            what,
        };
        if self.mutant == Some(Mutant::UpTwice) && observed.is_member_up() {
            net.local.observed.push(observed.clone());
        }
        net.local.observed.push(observed);
    }

    fn session_event(&mut self, event: SessionEvent, net: &mut Net) {
        self.drive(net, |node, now, out| node.handle_session(event, now, out));
    }

    /// A timer fired. Where the machine was heard of since and its deadline moved on, it is let
    /// rest: its memory is cold.
    fn on_wake(&mut self, net: &mut Net) {
        if self.armed.is_none_or(|(_, fires)| fires != net.now) {
            return;
        }
        if self.deadline > net.now {
            self.armed = None;
            self.set_timer(net);
        } else {
            self.wake(net);
        }
    }

    /// Whether the next timer finds nothing to do, as far as is known.
    pub(crate) fn is_timer_idle(&self) -> bool {
        self.armed.is_some_and(|(_, fires)| self.deadline > fires)
    }

    fn wake(&mut self, net: &mut Net) {
        self.armed = None;
        self.drive(net, |node, now, out| {
            let is_due = node.poll_timeout().is_some_and(|(time, _)| time <= now);
            if is_due {
                node.handle_timeout(now, out);
            }
        });
    }

    /// Asks the machine for its deadline, and sees to it that a timer fires then.
    fn arm(&mut self, net: &mut Net) {
        let Some(node) = self.node.as_ref() else {
            return;
        };
        let deadline = node.poll_timeout();
        self.deadline = deadline.map_or(Time::NEVER, |(deadline, _)| deadline);
        self.set_timer(net);
    }

    /// Has a timer fire at the deadline, up to the configured slack late.
    fn set_timer(&mut self, net: &mut Net) {
        let deadline = self.deadline;
        if deadline == Time::NEVER || self.armed.is_some_and(|(armed, _)| armed <= deadline) {
            return;
        }
        let slack = self.random.duration(Duration::ZERO, net.shared.timer_slack);
        let fires = deadline.max(net.now).after(slack);
        self.armed = Some((deadline, fires));
        self.push(fires, self.ix, Event::Wake, net);
    }

    /// Puts an event of this node's making into the queue.
    fn push(&mut self, time: Time, target: u32, event: Event, net: &mut Net) {
        self.counter = self.counter.wrapping_add(1);
        net.push(time, (self.ix, self.counter), target, event);
    }
}
