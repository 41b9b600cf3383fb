//! The strict names of the group, as part of it.

use archipelago_core::wire::{self, GroupBody};
use archipelago_core::{Context, LocalId, NodeId, Peer, Time};
use bytes::Bytes;
use std::time::Duration;

use super::council::council_of;
use super::{Group, GroupOutput, GroupOutputs};
use crate::join::Phase;
use crate::strict::{Strict, StrictEvent, StrictOutput, StrictOutputs};

/// What a process does about a strict name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrictAct {
    /// Asks for it, for so long at most; answered by [`StrictEvent::Held`] or
    /// [`StrictEvent::NotHeld`].
    Claim {
        /// Which; 1 to 255 bytes.
        name: Bytes,
        /// For which mailbox of this node.
        holder: LocalId,
        /// Asks again while somebody else holds it, for so long.
        patience: Duration,
    },
    /// Lets it go; not answered.
    Release {
        /// Which.
        name: Bytes,
    },
    /// Asks the council who holds it; answered by [`StrictEvent::Answer`] under this number.
    Ask {
        /// Comes back in the answer.
        id: u64,
        /// Which.
        name: Bytes,
    },
}

impl Group {
    /// Claims, lets go or asks for a strict name.
    pub fn handle_strict(&mut self, act: StrictAct, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.with_strict(cx, out, |strict, cx, said| match act {
            StrictAct::Claim {
                name,
                holder,
                patience,
            } => {
                let deadline = cx.now.after(patience);
                if let Err(error) = strict.handle_claim(name.clone(), holder, deadline, cx, said) {
                    said.push(StrictOutput::Event(StrictEvent::NotHeld { name, error }));
                }
            }
            StrictAct::Release { name } => {
                strict.handle_release(&name, cx, said);
            }
            StrictAct::Ask { id, name } => {
                if let Err(error) = strict.handle_ask(id, name, cx, said) {
                    let result = Err(error);
                    said.push(StrictOutput::Event(StrictEvent::Answer { id, result }));
                }
            }
        });
        self.settle(Vec::new(), cx, out);
    }

    /// Which mailbox of this node holds a strict name now, under which fence and until when by this
    /// node's clock; `None`: none does.
    pub fn tenure(&self, name: &Bytes, now: Time) -> Option<(LocalId, u64, Time)> {
        self.strict.as_ref()?.tenure(name, now)
    }

    pub(super) fn on_strict(
        &mut self,
        from: Peer,
        message: &wire::Strict,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(member) = self.view.find(from) else {
            return;
        };
        let from = (cx.peers.id(from), member.standing.boot);
        self.with_strict(cx, out, |strict, cx, said| {
            strict.handle_message(from, message, cx, said);
        });
    }

    pub(super) fn on_strict_due(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let due = self
            .strict
            .as_ref()
            .and_then(|strict| strict.poll_timeout());
        if due.is_some_and(|due| due <= cx.now) {
            self.with_strict(cx, out, |strict, cx, said| strict.handle_timeout(cx, said));
        }
        if self.council_due() <= cx.now {
            self.on_council_due(cx, out);
        }
    }

    /// A mailbox is gone: what it held is let go.
    pub(super) fn release_strict(
        &mut self,
        holder: Option<LocalId>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if self.strict.is_some() {
            self.with_strict(cx, out, |strict, cx, said| {
                strict.handle_ended(holder, cx, said);
            });
        }
    }

    fn with_strict(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        act: impl FnOnce(&mut Strict, &mut Context<'_>, &mut StrictOutputs),
    ) {
        let mut strict = self.strict.take().unwrap_or_else(|| self.new_strict(cx.me));
        let mut said = StrictOutputs::new();
        act(&mut strict, cx, &mut said);
        for output in said {
            match output {
                StrictOutput::Event(event) => out.push(GroupOutput::Strict(event)),
                StrictOutput::Send { to, message } => {
                    let present = cx.peers.find(&to).filter(|&peer| self.holds(peer));
                    out.extend(present.map(|to| GroupOutput::Send {
                        to,
                        body: GroupBody::Strict(Box::new(message)),
                    }));
                }
            }
        }
        // Nothing is kept of who only asked once.
        self.strict = Some(strict).filter(|strict| !strict.is_at_rest());
    }

    /// As one that entered the group when this node did, and may have forgotten what it promised
    /// before.
    fn new_strict(&self, me: NodeId) -> Box<Strict> {
        let is_in = self.phase != Phase::Left;
        let council = is_in.then(|| council_of(&self.charter));
        let open = match &self.succession {
            None => Some((self.since, 0)),
            Some(next) => next.opened().map(|since| (since, next.highest())),
        };
        let config = self.config.timing.strict.clone();
        let boot = self.view.own().boot;
        let council = council.unwrap_or_default();
        Box::new(Strict::new(&council, open, boot, config, me))
    }
}
