//! The naive model of one owner's log, and a witness of one replica that compares the two.
//!
//! The model is the list of all writes. Each value names its write, so what a replica shows tells
//! which state of the key it has, and the witness holds it to I1: key by key never an older state
//! than before, the newest one if that counts as applied, nothing of another boot.

use std::collections::BTreeMap;

use archipelago_core::{Boot, Era};
use archipelago_sgroup::log::{LogConfig, OwnLog, PeerLog};
use bytes::Bytes;

/// Few keys, one entry a message, one deletion remembered: everything happens early.
pub(crate) fn tiny() -> LogConfig {
    LogConfig {
        deletions_max: 1,
        page_entries: 1,
        ..LogConfig::default()
    }
}

/// The key of this number.
pub(crate) fn key(number: u8) -> Bytes {
    Bytes::from(vec![0x80, number])
}

/// An owner with everything it ever wrote, in each boot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) log: OwnLog,
    /// For each boot: which key each write was for, and whether it put.
    pub(crate) writes: BTreeMap<Boot, Vec<(u8, bool)>>,
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self {
            log: OwnLog::new(Boot(1), Era(0)),
            writes: BTreeMap::from([(Boot(1), Vec::new())]),
        }
    }

    pub(crate) fn put(&mut self, number: u8, config: &LogConfig) {
        let (boot, _) = self.log.epoch();
        let value = [boot.0.to_be_bytes(), (self.log.head() + 1).to_be_bytes()].concat();
        let written = self.log.put(key(number), value.into(), config);
        assert!(written.is_ok(), "the model keeps to the limits");
        self.writes.entry(boot).or_default().push((number, true));
    }

    /// Whether there was something to delete.
    pub(crate) fn delete(&mut self, number: u8, config: &LogConfig) -> bool {
        let (boot, _) = self.log.epoch();
        let deleted = self.log.delete(&key(number), config).is_some();
        if deleted {
            self.writes.entry(boot).or_default().push((number, false));
        }
        deleted
    }

    /// The process ends and another starts with nothing.
    pub(crate) fn restart(&mut self) {
        let (boot, _) = self.log.epoch();
        let boot = Boot(boot.0 + 1);
        self.log = OwnLog::new(boot, Era(0));
        self.writes.insert(boot, Vec::new());
    }

    /// It returns from a false death with all that it has.
    pub(crate) fn raise_era(&mut self) {
        let (boot, era) = self.log.epoch();
        self.log.set_epoch(boot, Era(era.0 + 1));
    }

    /// Whether the replica shows what the owner has.
    pub(crate) fn is_shown_by(&self, replica: &PeerLog) -> bool {
        self.log.range(b"").eq(replica.range(b""))
    }

    /// The states of `key` in `boot`, from `least` on: (number, whether it is there).
    fn states(&self, boot: Boot, number: u8) -> impl Iterator<Item = (u64, bool)> {
        let writes = self.writes.get(&boot).into_iter().flatten();
        let numbered = (1..).zip(writes);
        let of_key = numbered.filter(move |(_, (key, _))| *key == number);
        std::iter::once((0, false)).chain(of_key.map(|(seq, (_, is_put))| (seq, *is_put)))
    }
}

/// What a replica showed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Witness {
    epoch: (Boot, Era),
    applied: u64,
    /// For each key, the number of the state that it was seen in.
    states: BTreeMap<u8, u64>,
}

impl Witness {
    /// Looks at the replica after each step.
    pub(crate) fn look(
        &mut self,
        replica: &PeerLog,
        owner: &Owner,
        keys: u8,
    ) -> Result<(), &'static str> {
        if replica.epoch() < self.epoch {
            return Err("the (boot, era) fell");
        }
        if replica.epoch() > self.epoch {
            *self = Self {
                epoch: replica.epoch(),
                ..Self::default()
            };
        }
        if replica.applied() < self.applied {
            return Err("the applied number fell");
        }
        self.applied = replica.applied();
        (0..keys).try_for_each(|number| self.look_at(number, replica, owner))
    }

    fn look_at(
        &mut self,
        number: u8,
        replica: &PeerLog,
        owner: &Owner,
    ) -> Result<(), &'static str> {
        let boot = self.epoch.0;
        // A key that was written again since may still be on its way.
        let last = owner.states(boot, number).last();
        let promised = last
            .map(|(seq, _)| seq)
            .filter(|seq| *seq <= self.applied)
            .unwrap_or(0);
        let seen = self.states.get(&number).copied().unwrap_or(0);
        let state = match replica.get(&key(number)) {
            Some(value) => {
                let (of, seq) = value.split_at(8);
                if of != boot.0.to_be_bytes() {
                    return Err("something of another boot shows");
                }
                u64::from_be_bytes(seq.try_into().expect("a value has 16 bytes"))
            }
            // The earliest absence that does not contradict what was seen and promised.
            None => owner
                .states(boot, number)
                .find(|(seq, is_there)| !is_there && *seq >= seen.max(promised))
                .map(|(seq, _)| seq)
                .ok_or("a key is lost")?,
        };
        if state < seen {
            return Err("a key went back");
        }
        if state < promised {
            return Err("a key is older than what counts as applied");
        }
        self.states.insert(number, state);
        Ok(())
    }
}
