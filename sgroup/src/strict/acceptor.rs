//! One member of the council: what it promised for each name, and who holds it as far as it knows.
//!
//! Promises: it never accepts a round below one that it promised; while it takes a name for held it
//! promises it to nobody else; and for [`StrictConfig::mute`] after a start, when it may have
//! forgotten either, it says nothing at all. A name that was free and untouched for as long is
//! forgotten, which is the same loss of memory with the silence already kept.
//!
//! Every time here is this node's own clock. It waits a tenth longer than the holder believes, so
//! two clocks may differ in rate by 4.7 % each way.
//!
//! Memory: about 150 bytes and the name per name, at most [`StrictConfig::names_max`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use archipelago_core::wire::{StrictBody, StrictRefusal, Tenancy};
use archipelago_core::{Boot, NodeId, Pid, Time};

use super::StrictConfig;

/// What one acceptor remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor {
    mute_until: Time,
    /// The highest round of a name that is forgotten: fences rise across it.
    floor: u64,
    names: BTreeMap<Bytes, Register>,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Register {
    promised: u64,
    /// By whom the round was asked for; the same one may ask again.
    claimant: NodeId,
    /// The last step of the promised round that was accepted; 0: none.
    step: u32,
    tenant: Option<Tenant>,
    touched: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tenant {
    holder: Pid,
    round: u64,
    until: Time,
}

/// Who asks: the node, and its start, which its pids carry.
pub type Claimant = (NodeId, Boot);

impl Acceptor {
    /// One that started at `since` and remembers nothing. Its boot keeps the rounds of an earlier
    /// life below those to come.
    pub fn new(since: Time, boot: Boot, config: &StrictConfig) -> Self {
        Self {
            mute_until: since.after(config.mute()),
            floor: boot.0.min(ROUND_MAX),
            names: BTreeMap::new(),
        }
    }

    /// One of a council that takes the place of another one, of which nobody promised more than
    /// `highest`.
    pub(super) fn above(mut self, highest: u64) -> Self {
        self.floor = self.floor.max(highest.min(ROUND_MAX));
        self
    }

    /// The highest round that it promised to anybody, for any name.
    pub fn highest(&self) -> u64 {
        let promised = self.names.values().map(|register| register.promised);
        promised.max().unwrap_or(0).max(self.floor)
    }

    /// How many names it remembers anything of.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether it remembers nothing.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The answer to a claimant's message, if it is one for an acceptor.
    pub fn handle(
        &mut self,
        from: Claimant,
        name: &Bytes,
        body: &StrictBody,
        now: Time,
        config: &StrictConfig,
    ) -> Option<StrictBody> {
        Some(match *body {
            StrictBody::Ask { id } => StrictBody::State {
                id,
                tenancy: self.tenancy(name, now),
            },
            StrictBody::Prepare { round } => match self.prepare(from.0, name, round, now, config) {
                Ok(()) => StrictBody::Promise { round },
                Err(why) => StrictBody::Refused { round, why },
            },
            StrictBody::Accept {
                round,
                step,
                holder,
                life_ms,
            } => {
                let holder = holder.map(|local| Pid {
                    node: from.0,
                    boot: from.1,
                    local,
                    home: None,
                });
                let asked = Asked {
                    round,
                    step,
                    holder,
                    life_ms,
                };
                match self.accept(from.0, name, asked, now, config) {
                    Ok(()) => StrictBody::Accepted { round, step },
                    Err(why) => StrictBody::Refused { round, why },
                }
            }
            _ => return None,
        })
    }

    /// Who holds the name, as far as is known here; a mute acceptor knows of nobody.
    pub fn tenancy(&self, name: &Bytes, now: Time) -> Option<Tenancy> {
        let tenant = self.names.get(name)?.tenant?;
        (tenant.until > now).then(|| Tenancy {
            holder: tenant.holder,
            round: tenant.round,
            left_ms: to_ms(tenant.until.since(now)),
        })
    }

    fn prepare(
        &mut self,
        from: NodeId,
        name: &Bytes,
        round: u64,
        now: Time,
        config: &StrictConfig,
    ) -> Result<(), StrictRefusal> {
        self.check_mute(now)?;
        self.check_free(from, name, now)?;
        let floor = self.floor;
        let register = self.register(name, now, config)?;
        let is_again = register.promised == round && register.claimant == from;
        if round > ROUND_MAX || (!is_again && round <= register.promised.max(floor)) {
            return Err(StrictRefusal::Round(register.promised.max(floor)));
        }
        if !is_again {
            (register.promised, register.claimant) = (round, from);
            register.step = 0;
        }
        register.touched = now;
        Ok(())
    }

    fn accept(
        &mut self,
        from: NodeId,
        name: &Bytes,
        asked: Asked,
        now: Time,
        config: &StrictConfig,
    ) -> Result<(), StrictRefusal> {
        self.check_mute(now)?;
        let life = Duration::from_millis(u64::from(asked.life_ms));
        if life > config.life {
            let max_ms = to_ms(config.life);
            return Err(StrictRefusal::Life { max_ms });
        }
        self.check_free(from, name, now)?;
        let floor = self.floor;
        let register = self.register(name, now, config)?;
        let is_promised = register.promised == asked.round && register.claimant == from;
        if asked.round > ROUND_MAX
            || (!is_promised && asked.round <= register.promised.max(floor))
            || asked.step < register.step && is_promised
        {
            return Err(StrictRefusal::Round(register.promised.max(floor)));
        }
        if is_promised && asked.step == register.step {
            // Said twice: the first time counts.
            return Ok(());
        }
        (register.promised, register.claimant) = (asked.round, from);
        register.step = asked.step;
        register.tenant = asked.holder.map(|holder| Tenant {
            holder,
            round: asked.round,
            until: now.after(config.patience(life)),
        });
        register.touched = now;
        Ok(())
    }

    fn check_mute(&self, now: Time) -> Result<(), StrictRefusal> {
        if now < self.mute_until {
            let left_ms = to_ms(self.mute_until.since(now));
            return Err(StrictRefusal::Mute { left_ms });
        }
        Ok(())
    }

    /// Refuses while somebody else holds the name; nothing changes then, so that those who wait
    /// for a name do not disturb its holder.
    fn check_free(&self, from: NodeId, name: &Bytes, now: Time) -> Result<(), StrictRefusal> {
        match self.tenancy(name, now) {
            Some(tenancy) if tenancy.holder.node != from => Err(StrictRefusal::Held(tenancy)),
            _ => Ok(()),
        }
    }

    fn register(
        &mut self,
        name: &Bytes,
        now: Time,
        config: &StrictConfig,
    ) -> Result<&mut Register, StrictRefusal> {
        if !self.names.contains_key(name) && self.names.len() >= config.names_max {
            self.forget(now, config);
            if self.names.len() >= config.names_max {
                return Err(StrictRefusal::Full);
            }
        }
        Ok(self.names.entry(name.clone()).or_insert(Register {
            promised: 0,
            claimant: NodeId([0; 32]),
            step: 0,
            tenant: None,
            touched: now,
        }))
    }

    /// Forgets names that nobody held or asked for in a whole silence.
    fn forget(&mut self, now: Time, config: &StrictConfig) {
        let silence = config.mute();
        let floor = &mut self.floor;
        self.names.retain(|_, register| {
            let is_held = register.tenant.is_some_and(|tenant| tenant.until > now);
            let is_kept = is_held || now.since(register.touched) < silence;
            if !is_kept {
                *floor = register.promised.max(*floor);
            }
            is_kept
        });
    }
}

/// The highest round that is believed of anybody; there is always a next one.
pub(super) const ROUND_MAX: u64 = u64::MAX >> 1;

#[derive(Clone, Copy, Debug)]
struct Asked {
    round: u64,
    step: u32,
    holder: Option<Pid>,
    life_ms: u32,
}

fn to_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
