//! Strict names of one group at one node: at most one holder at any instant, with a fence, at the
//! price of a majority.
//!
//! ```text
//!  claims ──▶ Tenure (one per name held or asked for) ──▶ Prepare, Accept ──▶ the council
//!  asks   ──▶ Asks                                    ──▶ Ask             ──▶ (3 or 5 members)
//!  messages of others ──▶ Acceptor (if this node is of the council) ──▶ Promise, Accepted, Refused
//! ```
//! One CASPaxos register per name, whose only changes are *take it if it is free*, *renew*, and
//! *let go*; so a round is refused while somebody else holds the name, and needs to carry nobody's
//! value on. Promises: two processes never hold a name at once while clocks differ in rate by less
//! than [`StrictConfig::patience`] allows; fences rise from holder to holder, unless a majority of
//! the council lost its memory and the clocks that boots are taken from went back. It does not
//! promise that a name can be had: the side of a split that has no majority of the council cannot
//! take one, and its holders are over after one life.
//!
//! The council is named in the charter, and a later charter may name another one: members that go
//! by different councils do not answer each other, who holds a name keeps it for the rest of its
//! life and not longer, and the new council grants when a majority of the old one has said that it
//! does not any more, and a life has passed ([`Succession`]).
//!
//! Every message may be lost or repeated. Members of the council are trusted not to lie about what
//! they promised, and members of the group not to ask for absurd rounds: a liar can keep a name
//! from being taken, and not make two hold it unless a majority of the council lies.
//!
//! Source: CASPaxos (Rystsov 2018); leases (Gray, Cheriton 1989); fencing tokens (Kleppmann 2016).
//! Cost: two round trips to take a name, one each third of a life to keep it; nothing at rest.

mod acceptor;
mod ask;
mod config;
mod succession;
mod tenure;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::wire::{self, StrictBody, Tenancy};
use archipelago_core::{Boot, Context, LocalId, NodeId, Time};

pub use acceptor::{Acceptor, Claimant};
use ask::Asks;
pub use config::StrictConfig;
pub use succession::Succession;
pub use tenure::{Step, Tenure};

/// Fewest and most members of a council; an even number would bear no more losses than the odd one
/// below it.
pub const COUNCIL_MAX: usize = 5;

/// The strict names of one group at one node.
#[derive(Debug)]
pub struct Strict {
    config: Arc<StrictConfig>,
    council: Vec<NodeId>,
    council_hash: u64,
    /// Only at a member of the council.
    acceptor: Option<Acceptor>,
    tenures: BTreeMap<Bytes, Tenure>,
    asks: Asks,
    /// Higher than every round this node used before.
    round: u64,
    boot: Boot,
}

/// What the machine asks of its caller, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrictOutput {
    /// Send to a member of the group, by detour if need be; may be lost.
    Send {
        /// To whom; never this node.
        to: NodeId,
        /// What.
        message: wire::Strict,
    },
    /// For who asked.
    Event(StrictEvent),
}

/// The caller's buffer; a machine only appends to it.
pub type StrictOutputs = Vec<StrictOutput>;

/// What becomes of strict names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrictEvent {
    /// This node's process holds the name from now on.
    Held {
        /// Which.
        name: Bytes,
        /// Higher than that of every holder before.
        fence: u64,
        /// By this node's clock, unless it is renewed before.
        until: Time,
    },
    /// It holds it for longer.
    Renewed {
        /// Which.
        name: Bytes,
        /// By this node's clock.
        until: Time,
    },
    /// It holds it no longer, or asks for it no longer: it was let go, or no majority of the council
    /// renewed it in time.
    Lost {
        /// Which.
        name: Bytes,
        /// Under which fence it was held.
        fence: u64,
    },
    /// The name could not be had in time, and is not asked for any more.
    NotHeld {
        /// Which.
        name: Bytes,
        /// Why.
        error: StrictError,
    },
    /// The answer to [`Strict::handle_ask`].
    Answer {
        /// As it was asked under.
        id: u64,
        /// Who holds the name, if anybody does.
        result: Result<Option<Tenancy>, StrictError>,
    },
}

/// Why a strict name is not had, or not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrictError {
    /// The charter names no council.
    #[error("the group has no council: name 3 or 5 members in its charter")]
    NoCouncil,
    /// Somebody else holds it.
    #[error("held by {}, with fence {}", .0.holder, .0.round)]
    Held(Tenancy),
    /// No majority of the council answered in time: nothing is known, and nothing was taken.
    #[error("no majority of the council answered: this side of a split may be the smaller one")]
    NoQuorum,
    /// This node holds it, or asks for it, already.
    #[error("this node holds the name or asks for it already: let it go first")]
    Busy,
    /// Not a name.
    #[error("a name has 1 to 255 bytes, not {bytes}")]
    Name {
        /// How many it has.
        bytes: usize,
    },
    /// Too many at once.
    #[error("this node holds or asks for {max} strict names already")]
    TooMany {
        /// How many are allowed.
        max: usize,
    },
}

impl Strict {
    /// For a group with this council, which grants by what `open` says, or not yet.
    pub fn new(
        council: &[NodeId],
        open: Option<(Time, u64)>,
        boot: Boot,
        config: Arc<StrictConfig>,
        me: NodeId,
    ) -> Self {
        let council = normal(council);
        let open = open.filter(|_| council.contains(&me));
        Self {
            acceptor: open
                .map(|(since, highest)| Acceptor::new(since, boot, &config).above(highest)),
            council_hash: wire::Strict::council_hash(&council),
            council,
            config,
            tenures: BTreeMap::new(),
            asks: Asks::default(),
            round: boot.0,
            boot,
        }
    }

    /// This node goes on in a later start, before it has any mailbox.
    pub fn set_boot(&mut self, boot: Boot) {
        self.boot = boot;
        self.round = self.round.max(boot.0);
    }

    /// The group goes by this council from now on, and it does not grant yet. Returns the highest
    /// round that this node promised until now; it promises nothing by the one before any more.
    pub fn handle_council(&mut self, council: &[NodeId]) -> u64 {
        let council = normal(council);
        if council != self.council {
            self.council_hash = wire::Strict::council_hash(&council);
            self.council = council;
            self.tenures.values_mut().for_each(Tenure::handle_council);
            self.asks.handle_council();
        }
        let acceptor = self.acceptor.take();
        acceptor.map_or(0, |acceptor| acceptor.highest())
    }

    /// The council grants, after the silence that one keeps who may have forgotten something:
    /// nothing up to the round `highest`.
    pub fn handle_open(&mut self, highest: u64, cx: &Context<'_>) {
        if self.place(&cx.me).is_some() {
            let acceptor = Acceptor::new(cx.now, self.boot, &self.config);
            self.acceptor = Some(acceptor.above(highest));
        }
    }

    /// The highest round that this node promised as one of the council.
    pub fn highest(&self) -> u64 {
        self.acceptor.as_ref().map_or(0, Acceptor::highest)
    }

    /// Begins to ask for a name for one of this node's mailboxes, and goes on until `deadline`;
    /// answered by [`StrictEvent::Held`] or [`StrictEvent::NotHeld`]. Once held, it is renewed
    /// until it is let go or lost.
    ///
    /// # Errors
    /// [`StrictError`]; nothing changed.
    pub fn handle_claim(
        &mut self,
        name: Bytes,
        holder: LocalId,
        deadline: Time,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) -> Result<(), StrictError> {
        self.check(&name)?;
        if self.tenures.contains_key(&name) {
            return Err(StrictError::Busy);
        }
        if self.tenures.len() >= self.config.tenures_max {
            let max = self.config.tenures_max;
            return Err(StrictError::TooMany { max });
        }
        let tenure = Tenure::new(holder, self.round, deadline, cx.now);
        self.tenures.insert(name, tenure);
        self.handle_timeout(cx, out);
        Ok(())
    }

    /// Lets a name go; from here on it is not held by this node. Whether it held it or asked for it.
    pub fn handle_release(
        &mut self,
        name: &Bytes,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) -> bool {
        let Some(mut tenure) = self.tenures.remove(name) else {
            return false;
        };
        if let Some(body) = tenure.release() {
            self.ask(name, 0, body, cx, out);
        }
        self.round = self.round.max(tenure.round());
        let (name, fence) = (name.clone(), tenure.round());
        out.push(StrictOutput::Event(StrictEvent::Lost { name, fence }));
        true
    }

    /// A mailbox is gone and lets go of what it held or asked for; `None`: all of them.
    pub fn handle_ended(
        &mut self,
        holder: Option<LocalId>,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) {
        let held = self.tenures.iter();
        let held = held.filter(|(_, tenure)| holder.is_none_or(|gone| gone == tenure.holder()));
        let names: Vec<Bytes> = held.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.handle_release(&name, cx, out);
        }
    }

    /// Asks the council who holds a name; answered by [`StrictEvent::Answer`] under `id`, within
    /// half a life.
    ///
    /// # Errors
    /// [`StrictError`]; nothing was asked.
    pub fn handle_ask(
        &mut self,
        id: u64,
        name: Bytes,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) -> Result<(), StrictError> {
        self.check(&name)?;
        self.asks.add(id, name, self.config.attempt(), cx.now)?;
        self.handle_timeout(cx, out);
        Ok(())
    }

    /// A message of a member of the group, in this start of it.
    pub fn handle_message(
        &mut self,
        from: Claimant,
        message: &wire::Strict,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) {
        if message.council != self.council_hash || message.name.is_empty() {
            return;
        }
        if let Some(answer) = self.answer(from, &message.name, &message.body, cx.now) {
            let message = wire::Strict {
                body: answer,
                ..message.clone()
            };
            out.push(StrictOutput::Send {
                to: from.0,
                message,
            });
        } else if let Some(place) = self.place(&from.0) {
            self.on_answer(place, &message.name, &message.body, cx, out);
        }
    }

    /// What has come due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut StrictOutputs) {
        let due = self.tenures.iter();
        let due = due.filter(|(_, tenure)| tenure.due() <= cx.now);
        let names: Vec<Bytes> = due.map(|(name, _)| name.clone()).collect();
        for name in names {
            let jitter = jitter(cx);
            let Some(tenure) = self.tenures.get_mut(&name) else {
                continue;
            };
            if let Some(step) = tenure.handle_timeout(cx.now, jitter, &self.config) {
                self.take(&name, step, cx, out);
            }
            self.end_if_over(&name);
        }
        self.asks_due(cx, out);
    }

    /// When to call `handle_timeout`; may be early, never late. `None`: nothing to wait for.
    pub fn poll_timeout(&self) -> Option<Time> {
        let tenures = self.tenures.values().map(Tenure::due);
        let due = tenures.chain(self.asks.due()).min();
        due.filter(|&due| due < Time::NEVER)
    }

    /// The fence under which one of this node's mailboxes holds the name, and until when; for who
    /// acts in its name, to look at before it acts.
    pub fn tenure(&self, name: &Bytes, now: Time) -> Option<(LocalId, u64, Time)> {
        let tenure = self.tenures.get(name)?;
        let until = tenure.held_until(now)?;
        Some((tenure.holder(), tenure.round(), until))
    }

    /// Names that this node holds or asks for.
    pub fn tenures_len(&self) -> usize {
        self.tenures.len()
    }

    /// Whether nothing would be lost if this were made anew.
    pub fn is_at_rest(&self) -> bool {
        let acceptor = self.acceptor.as_ref();
        acceptor.is_none_or(Acceptor::is_empty) && self.tenures.is_empty() && self.asks.is_empty()
    }

    fn check(&self, name: &Bytes) -> Result<(), StrictError> {
        if name.is_empty() || name.len() > wire::Strict::NAME_BYTES_MAX {
            return Err(StrictError::Name { bytes: name.len() });
        }
        if self.council.is_empty() {
            return Err(StrictError::NoCouncil);
        }
        Ok(())
    }

    fn place(&self, node: &NodeId) -> Option<u8> {
        let place = self.council.iter().position(|member| member == node)?;
        u8::try_from(place).ok()
    }

    fn majority(&self) -> u32 {
        u32::try_from(self.council.len() / 2 + 1).unwrap_or(u32::MAX)
    }

    /// As a member of the council.
    fn answer(
        &mut self,
        from: Claimant,
        name: &Bytes,
        body: &StrictBody,
        now: Time,
    ) -> Option<StrictBody> {
        let acceptor = self.acceptor.as_mut()?;
        acceptor.handle(from, name, body, now, &self.config)
    }

    fn on_answer(
        &mut self,
        place: u8,
        name: &Bytes,
        body: &StrictBody,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) {
        let majority = self.majority();
        if let StrictBody::State { id, tenancy } = *body {
            let answer = self.asks.on_state(id, name, place, tenancy, majority);
            out.extend(answer.map(StrictOutput::Event));
            return;
        }
        let jitter = jitter(cx);
        let Some(tenure) = self.tenures.get_mut(name) else {
            return;
        };
        let step = tenure.handle_answer(place, majority, body, cx.now, jitter, &self.config);
        if let Some(step) = step {
            self.take(name, step, cx, out);
        }
        self.end_if_over(name);
    }

    fn take(&mut self, name: &Bytes, step: Step, cx: &mut Context<'_>, out: &mut StrictOutputs) {
        let name = name.clone();
        let event = match step {
            Step::Ask(body) => {
                let answered = self.tenures.get(&name).map_or(0, Tenure::answered);
                self.ask(&name, answered, body, cx, out);
                return;
            }
            Step::Held { fence, until } => StrictEvent::Held { name, fence, until },
            Step::Renewed { until } => StrictEvent::Renewed { name, until },
            Step::Lost { fence } => StrictEvent::Lost { name, fence },
            Step::GivenUp => {
                let held_by = self.tenures.get(&name).and_then(Tenure::held_by).copied();
                let error = held_by.map_or(StrictError::NoQuorum, StrictError::Held);
                StrictEvent::NotHeld { name, error }
            }
        };
        out.push(StrictOutput::Event(event));
    }

    fn end_if_over(&mut self, name: &Bytes) {
        if let Some(tenure) = self.tenures.get(name).filter(|tenure| tenure.is_over()) {
            self.round = self.round.max(tenure.round());
            self.tenures.remove(name);
        }
    }

    /// To all of the council but those in `answered`; this node's own acceptor answers at once,
    /// last, since its answer may lead to the next question.
    fn ask(
        &mut self,
        name: &Bytes,
        answered: u8,
        body: StrictBody,
        cx: &mut Context<'_>,
        out: &mut StrictOutputs,
    ) {
        let mut mine = None;
        for (place, &to) in (0_u8..).zip(&self.council) {
            if answered & (1 << place) != 0 {
                continue;
            }
            if to == cx.me {
                mine = Some(place);
                continue;
            }
            let message = wire::Strict {
                name: name.clone(),
                council: self.council_hash,
                body,
            };
            out.push(StrictOutput::Send { to, message });
        }
        let Some(place) = mine else { return };
        if let Some(answer) = self.answer((cx.me, self.boot), name, &body, cx.now) {
            self.on_answer(place, name, &answer, cx, out);
        }
    }

    fn asks_due(&mut self, cx: &mut Context<'_>, out: &mut StrictOutputs) {
        let repeat = self.config.repeat();
        for (id, name, answered) in self.asks.take_due(cx.now, repeat) {
            self.ask(&name, answered, StrictBody::Ask { id }, cx, out);
        }
        let over = self.asks.take_over(cx.now);
        out.extend(over.into_iter().map(StrictOutput::Event));
    }
}

/// In order, each once.
pub fn normal(council: &[NodeId]) -> Vec<NodeId> {
    let mut council = council.to_vec();
    council.sort_unstable();
    council.dedup();
    council.truncate(COUNCIL_MAX);
    council
}

fn jitter(cx: &mut Context<'_>) -> u8 {
    u8::try_from(cx.rng.below(256)).unwrap_or(0)
}
