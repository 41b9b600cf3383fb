//! Three members with their sessions, as a state of the checker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use archipelago_core::wire::{GroupBody, Life};
use archipelago_core::{Boot, Era, GroupId, Incarnation, NodeId, Peer, Time};
use bytes::Bytes;

use super::{Directory, Mutant};
use crate::Timing;
use crate::log::Logs;
use crate::names::{NameOutput, Names, NamesConfig, Standing};
use crate::testing::{TestNode, node};
use crate::view::{Member, Standing as Stand, View};

pub(super) const MEMBERS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    Whole,
    Cut,
    Mended,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now: Time,
    pub(super) ticks_left: u8,
    pub(super) session: Session,
    pub(super) members: Vec<State>,
    /// `wires[from][to]`, in order.
    pub(super) wires: Vec<Vec<VecDeque<Said>>>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) logs: Logs,
    /// To whom the direct path is known to be broken.
    pub(super) path_down: [bool; MEMBERS],
    pub(super) may_claim: bool,
    pub(super) may_withdraw: bool,
    pub(super) claim: Claim,
}

/// What the process was told of its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    None,
    Waiting,
    Holds,
    Refused,
    Lost,
    Withdrawn,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Body(GroupBody),
    /// The session is new, and the log goes up to there.
    Head(u64),
}
thread_local! {
    static NODES: RefCell<Vec<TestNode>> = RefCell::new((0..MEMBERS).map(test_node).collect());
}

/// A node whose peers have the slots of their numbers.
fn test_node(number: usize) -> TestNode {
    let mut it = TestNode::new(byte(number));
    for other in 0..MEMBERS {
        assert_eq!(it.peer(byte(other)), slot(other), "slots go in order");
    }
    it
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

pub(super) fn slot(number: usize) -> Peer {
    Peer(u32::from(byte(number)))
}

pub(super) fn number(peer: Peer) -> usize {
    usize::try_from(peer.0).unwrap_or(usize::MAX)
}

pub(super) fn name() -> Bytes {
    Bytes::from_static(b"name")
}

fn timing() -> Arc<Timing> {
    static TIMING: OnceLock<Arc<Timing>> = OnceLock::new();
    Arc::clone(TIMING.get_or_init(Arc::default))
}

impl State {
    pub(super) fn new(me: usize, model: &Directory) -> Self {
        let mut logs = Logs::new(Boot(1), Era(0), timing());
        let mut said = Vec::new();
        with_node(me, Time::from_micros(0), |it| {
            for other in others(me) {
                logs.handle_member(slot(other), (Boot(1), Era(0)), &it.cx(), &mut said);
            }
        });
        assert!(said.is_empty(), "nobody has written yet");
        Self {
            names: Names::new(GroupId([7; 16]), NamesConfig::default()),
            logs,
            path_down: [false; MEMBERS],
            may_claim: model.claimants[me],
            may_withdraw: model.withdraws && model.claimants[me],
            claim: Claim::None,
        }
    }

    pub(super) fn view(&self, me: usize, mutant: Option<Mutant>) -> View {
        let stand = Stand::new(Boot(1), Era(0), Incarnation(0), Life::Alive);
        let is_shown = mutant != Some(Mutant::NobodyAwaited);
        let members: Vec<Member> = others(me)
            .filter(|_| is_shown)
            .map(|other| Member {
                is_path_down: self.path_down[other],
                ..Member::formed(slot(other), stand)
            })
            .collect();
        View::formed(node(byte(me)), stand, Duration::from_secs(60), &members, 0)
    }

    pub(super) fn holder(&self, me: usize) -> Option<NodeId> {
        with_node(me, Time::from_micros(0), |it| {
            let union = self.names.union(&self.logs);
            let best = union.holder(&name(), &it.peers, it.me);
            best.map(|best| best.pid.node)
        })
    }

    pub(super) fn on_told(&mut self, told: Vec<NameOutput>) {
        for output in told {
            self.claim = match (output, self.claim) {
                (NameOutput::Done { result, .. }, Claim::Waiting) => match result {
                    Ok(Some(Standing::Holder)) => Claim::Holds,
                    Ok(_) | Err(_) => Claim::Refused,
                },
                (NameOutput::Lost { .. }, Claim::Holds) => Claim::Lost,
                (_, before) => before,
            };
        }
    }
}

fn others(me: usize) -> impl Iterator<Item = usize> {
    (0..MEMBERS).filter(move |&other| other != me)
}

pub(super) fn with_node<T>(me: usize, now: Time, act: impl FnOnce(&mut TestNode) -> T) -> T {
    NODES.with_borrow_mut(|nodes| {
        nodes[me].now = now;
        act(&mut nodes[me])
    })
}
impl World {
    pub(super) fn send(&mut self, model: &Directory, from: usize, to: usize, said: Said) {
        let is_cut = self.session == Session::Cut
            && model.cut.is_some_and(|(one, other)| {
                (from, to) == (one, other) || (to, from) == (one, other)
            });
        if !is_cut {
            self.wires[from][to].push_back(said);
        }
    }

    pub(super) fn is_flush_due(&self, me: usize) -> bool {
        let due = self.members[me].logs.poll_timeout();
        due.is_some_and(|(due, _)| due <= self.now)
    }

    /// Nothing is under way, and everybody has everything.
    pub(super) fn is_quiet(&self) -> bool {
        let hash = self.members[0].logs.hash();
        self.session != Session::Cut
            && self.wires.iter().flatten().all(VecDeque::is_empty)
            && self.members.iter().all(|state| state.logs.hash() == hash)
            && (0..MEMBERS).all(|me| !self.is_flush_due(me))
    }

    pub(super) fn holding(&self) -> usize {
        let states = self.members.iter();
        states.filter(|state| state.claim == Claim::Holds).count()
    }

    /// At most one claim was ever confirmed, and it still is.
    pub(super) fn is_held_by_one(&self) -> bool {
        let mut states = self.members.iter();
        self.holding() <= 1 && states.all(|state| state.claim != Claim::Lost)
    }

    /// What is left of all claims when everything has been said.
    pub(super) fn is_settled(&self) -> bool {
        let claims: Vec<Claim> = self.members.iter().map(|state| state.claim).collect();
        let wanted = |claim: &&Claim| !matches!(claim, Claim::None | Claim::Withdrawn);
        let is_claimed = claims.iter().any(|claim| wanted(&claim));
        let is_free = claims.contains(&Claim::Withdrawn) || !is_claimed;
        !claims.contains(&Claim::Waiting) && self.holding() <= 1 && (is_free || self.holding() == 1)
    }

    pub(super) fn agrees(&self) -> bool {
        let pairs = (0..MEMBERS).flat_map(|me| others(me).map(move |other| (me, other)));
        pairs.into_iter().all(|(me, other)| {
            let (one, two) = (&self.members[me], &self.members[other]);
            one.logs.hash() != two.logs.hash() || one.holder(me) == two.holder(other)
        })
    }
}

/// Feeds what is printed of a machine to a hasher: machines need no hash but here.
struct Printed<'a, H>(&'a mut H);

impl<H: Hasher> Write for Printed<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, self.ticks_left).hash(state);
        let mut printed = Printed(state);
        let written = write!(printed, "{:?}{:?}", self.session, self.wires);
        assert!(written.is_ok(), "a hasher takes everything");
        for member in &self.members {
            member.hash(state);
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.path_down, self.may_claim, self.may_withdraw).hash(state);
        let mut printed = Printed(state);
        let written = write!(printed, "{:?}{:?}{:?}", self.claim, self.names, self.logs);
        assert!(written.is_ok(), "a hasher takes everything");
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
