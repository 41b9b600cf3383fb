//! Whom to ask for admission: asked until one lets this node in, and for ever while absent.
//!
//! A node founds its group alone when it has no seeds or is one of them itself; and when all of
//! its seeds are there, none is in the group, and its id is the lowest among them, so that nodes
//! that name each other find a beginning. Who was elected to enter need not wait for ever: seeds that
//! it asked in vain until the longest wait do not keep it from founding. Two beginnings meet by
//! their seeds and become one.
//!
//! Cost: 48 bytes per seed, nothing while all are members.

use std::time::Duration;

use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::RefuseReason;
use archipelago_core::{Context, NodeRecord, Peer, Time};

use super::back_off;
use crate::view::View;
use crate::{DialTarget, GroupConfig, Timing};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be done about a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeedAct {
    /// Open a session with the seed of this index.
    Dial(usize),
    /// There is one: ask for admission on it.
    Ask(Peer),
}

/// The seeds of one group's configuration, in its order.
#[derive(Debug)]
pub(crate) struct Seeds(Vec<State>);

#[derive(Clone, Debug)]
struct State {
    peer: Option<Peer>,
    stage: Stage,
    due: Time,
    wait: Duration,
    is_self: bool,
    is_told: bool,
    /// It is there and said that it is not in the group.
    is_outside: bool,
    /// Once it was asked in vain for long, it keeps this node from nothing.
    is_dispensable: bool,
    /// It said for long that it is not in the group, and is not looked for until it is back by itself.
    is_forsaken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Dialling,
    Asked,
}

impl Seeds {
    /// Of `config`, for the node with `record`.
    pub(crate) fn new(config: &GroupConfig, record: &NodeRecord, cx: &mut Context<'_>) -> Self {
        let state = |seed: &crate::Seed| {
            let is_self = seed.node == Some(record.node)
                || (seed.node.is_none() && record.addresses.contains(&seed.address));
            let node = seed.node.filter(|_| !is_self);
            State {
                peer: node.and_then(|node| cx.peers.intern(node).ok()),
                stage: Stage::Waiting,
                due: if is_self { Time::NEVER } else { Time::START },
                wait: Duration::ZERO,
                is_self,
                is_told: false,
                is_outside: false,
                is_dispensable: false,
                is_forsaken: false,
            }
        };
        Self(config.seeds.iter().map(state).collect())
    }

    /// Whether this node may be the group's beginning without asking anybody.
    pub(crate) fn may_found(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|seed| seed.is_self)
    }

    /// This node was elected to enter: somebody has to be the beginning if all seeds are lost.
    pub(crate) fn dispense(&mut self) {
        for seed in &mut self.0 {
            seed.is_dispensable = true;
        }
    }

    /// Whether all seeds are there, none is in the group, and this node comes first among them;
    /// those that can be dispensed with not counted.
    pub(crate) fn is_first_of_all(&self, timing: &Timing, cx: &Context<'_>) -> bool {
        self.0.iter().all(|seed| {
            let is_after = seed.peer.is_some_and(|peer| cx.me < cx.peers.id(peer));
            let is_vain = seed.is_dispensable && seed.wait >= timing.redial.1;
            seed.is_self || (seed.is_outside && is_after) || is_vain
        })
    }

    /// Whether this node, which `peer` asks from outside as it asks itself, is the beginning of the
    /// two. Where seeds can be dispensed with, only if they all are as well.
    pub(crate) fn is_beginning_with(
        &mut self,
        peer: Peer,
        timing: &Timing,
        cx: &Context<'_>,
    ) -> bool {
        let mut same = self.0.iter_mut().filter(|seed| seed.peer == Some(peer));
        let Some(seed) = same.next() else {
            return false;
        };
        if !seed.is_dispensable {
            return cx.me < cx.peers.id(peer);
        }
        seed.is_outside = true;
        self.is_first_of_all(timing, cx)
    }

    /// Whether `peer` is one of them.
    pub(crate) fn contains(&self, peer: Peer) -> bool {
        self.0.iter().any(|seed| seed.peer == Some(peer))
    }

    /// How long ago a seed was dialled whose session is there now.
    pub(crate) fn dialled_for(&self, dialled: Option<DialTarget>, now: Time) -> Option<Duration> {
        let Some(DialTarget::Seed(index)) = dialled else {
            return None;
        };
        let seed = self.0.get(index);
        let seed = seed.filter(|seed| seed.stage == Stage::Dialling)?;
        Some(ANSWER_TIMEOUT.saturating_sub(seed.due.since(now)))
    }

    /// A session is there; learns which seed the peer is. Whether to ask it for admission.
    pub(crate) fn on_ready(
        &mut self,
        peer: Peer,
        dialled: Option<DialTarget>,
        config: &GroupConfig,
        cx: &Context<'_>,
    ) -> bool {
        let state = cx.peers.get(peer);
        let record = state.and_then(|state| state.record());
        let mut is_seed = false;
        for (index, seed) in self.0.iter_mut().enumerate() {
            let listens = || {
                let address = config.seeds.get(index).map(|seed| &seed.address);
                record
                    .zip(address)
                    .is_some_and(|(signed, address)| signed.record.addresses.contains(address))
            };
            let is_match = seed.peer == Some(peer)
                || dialled == Some(DialTarget::Seed(index))
                || (seed.peer.is_none() && listens());
            if is_match {
                seed.peer = Some(peer);
                seed.stage = Stage::Asked;
                seed.due = cx.now.after(ANSWER_TIMEOUT);
                is_seed = true;
            }
        }
        is_seed
    }

    /// A dial came to nothing; whether that is the first time since the seed was last there.
    pub(crate) fn on_dial_failed(
        &mut self,
        index: usize,
        timing: &Timing,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(seed) = self.0.get_mut(index) else {
            return false;
        };
        seed.wait_again(timing, cx);
        seed.is_outside = false;
        !std::mem::replace(&mut seed.is_told, true)
    }

    /// The peer does not let this node in, or did not answer. Where members may move to other groups
    /// (`may_move`), who says until the longest wait that it is outside is not asked again.
    pub(crate) fn on_refused(
        &mut self,
        peer: Peer,
        (reason, may_move): (RefuseReason, bool),
        timing: &Timing,
        cx: &mut Context<'_>,
    ) {
        for seed in &mut self.0 {
            if seed.peer == Some(peer) {
                seed.is_outside = reason == RefuseReason::UnknownGroup;
                let is_long = seed.wait >= timing.redial.1;
                seed.is_forsaken |= may_move && seed.is_outside && is_long;
                seed.wait_again(timing, cx);
            }
        }
    }

    /// The peer is a member now.
    pub(crate) fn on_member(&mut self, peer: Peer) {
        for seed in &mut self.0 {
            if seed.peer == Some(peer) {
                seed.stage = Stage::Waiting;
                seed.due = Time::NEVER;
                seed.wait = Duration::ZERO;
                seed.is_told = false;
                seed.is_outside = false;
                seed.is_forsaken = false;
            }
        }
    }

    /// The peer is none any more, or its session closed before it became one.
    pub(crate) fn on_absent(&mut self, peer: Peer, timing: &Timing, cx: &mut Context<'_>) {
        for seed in &mut self.0 {
            if seed.peer == Some(peer) {
                seed.wait_again(timing, cx);
                seed.is_outside = false;
            }
        }
    }

    /// What has come due, one thing per call.
    pub(crate) fn poll(
        &mut self,
        view: &View,
        timing: &Timing,
        cx: &mut Context<'_>,
    ) -> Option<SeedAct> {
        let index = self.0.iter().position(|seed| seed.due <= cx.now)?;
        let seed = &mut self.0[index];
        let member = seed.peer.and_then(|peer| view.find(peer));
        if member.is_some_and(|member| member.is_present()) {
            // The mesh pursues members.
            seed.due = Time::NEVER;
            return self.poll(view, timing, cx);
        }
        if seed.stage == Stage::Dialling {
            seed.wait_again(timing, cx);
            return self.poll(view, timing, cx);
        }
        let session = seed.peer.filter(|&peer| {
            let state = cx.peers.get(peer);
            state.is_some_and(|state| state.session.is_some())
        });
        seed.due = cx.now.after(ANSWER_TIMEOUT);
        Some(if let Some(peer) = session {
            seed.stage = Stage::Asked;
            SeedAct::Ask(peer)
        } else {
            seed.stage = Stage::Dialling;
            SeedAct::Dial(index)
        })
    }

    /// What it holds on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.0)
    }

    /// When `poll` has something to do.
    pub(crate) fn next(&self) -> Time {
        self.0
            .iter()
            .map(|seed| seed.due)
            .min()
            .unwrap_or(Time::NEVER)
    }
}

impl State {
    fn wait_again(&mut self, timing: &Timing, cx: &mut Context<'_>) {
        if self.is_self {
            return;
        }
        let (wait, jittered) = back_off(self.wait, timing.redial, cx.rng);
        self.stage = Stage::Waiting;
        self.wait = wait;
        self.due = if self.is_forsaken {
            Time::NEVER
        } else {
            cx.now.after(jittered)
        };
    }
}
