//! One thing that a member says, and how it lies in the member's log.
//!
//! | key | value |
//! |---|---|
//! | `0x03` len name mailbox | how often the mailbox joined the process group |
//! | `0x04` len service mailbox | an [`Offer`] |
//! | `0x05` `0` len key mailbox | a [`Value`]; of mailbox 0 it is an attribute of the node |
//! | `0x05` `1` len key mailbox | the mailbox's counter |
//! | `0x06` | the load |
//! | `0x80` key | the application's own bytes |
//!
//! `len` is one byte, the mailbox eight. So what belongs to one name lies together, and no name
//! reads as the beginning of another. A key that is none of these is passed over; a value that
//! cannot be read counts as gone.

use archipelago_core::wire::{Offer, Value, number_from_bytes, number_to_bytes};
use archipelago_core::{Boot, LocalId, NodeId};
use bytes::Bytes;

use super::RegistryError;
use crate::log::keys;

/// What the keys of all offers of a service begin with; `None` for what can be no service's name.
pub(super) fn service_prefix(service: &[u8]) -> Option<Vec<u8>> {
    let len = u8::try_from(service.len()).ok()?;
    Some([&[keys::SERVICE, len], service].concat())
}

/// Longest name in bytes; the shortest has one.
pub(super) const NAME_BYTES_MAX: usize = 255;

const PROPERTY: u8 = 0;
const COUNTER: u8 = 1;

/// One thing that a member says, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A mailbox is in a process group.
    ProcessGroup {
        /// Of which name.
        name: Bytes,
        /// Which mailbox.
        local: LocalId,
        /// How often it joined; 0: it is not in it any more.
        times: u16,
    },
    /// A mailbox offers a service; mailbox 0 ([`LocalId::default`]) is the node itself.
    Service {
        /// Of which name.
        service: Bytes,
        /// Which mailbox.
        local: LocalId,
        /// How; `None`: not any more.
        offer: Option<Offer>,
    },
    /// A property of a mailbox; of mailbox 0 it is an attribute of the node.
    Property {
        /// Of which name.
        key: Bytes,
        /// Which mailbox.
        local: LocalId,
        /// What; `None`: not any more.
        value: Option<Value>,
    },
    /// A mailbox's counter.
    Counter {
        /// Of which name.
        key: Bytes,
        /// Which mailbox.
        local: LocalId,
        /// How much; `None`: there is none any more.
        value: Option<i64>,
    },
    /// How busy the member is.
    Load {
        /// In thousandths of the member's own measure; `None`: it does not say any more.
        load: Option<u32>,
    },
    /// One of the application's own keys.
    Shared {
        /// Which, 1 to 255 bytes.
        key: Bytes,
        /// What; `None`: it is deleted.
        value: Option<Bytes>,
    },
}

/// What changed in what one member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryChange {
    /// Who says it.
    pub owner: NodeId,
    /// In which start; of entries that are gone it means nothing.
    pub boot: Boot,
    /// As it is now; never empty.
    pub entries: Vec<Entry>,
}

impl Entry {
    /// Whether a key of a log is of one of these kinds.
    pub(super) fn is_key(key: &[u8]) -> bool {
        let first = key.first();
        first.is_some_and(|first| {
            (keys::PROCESS_GROUP..=keys::LOAD).contains(first) || *first == keys::USER
        })
    }

    /// Reads an entry of a log, `None` for a value that is gone.
    ///
    /// # Errors
    /// Where the key is no such key, `None`; where the value cannot be read, the entry as gone.
    pub(super) fn read(key: &Bytes, value: Option<&Bytes>) -> Result<Self, Option<Self>> {
        let gone = Self::named(key).ok_or(None)?;
        let Some(value) = value else { return Ok(gone) };
        gone.clone().with(value).ok_or(Some(gone))
    }

    /// The entry of a key, holding nothing; `None` for another user's key.
    pub(crate) fn gone(key: &Bytes) -> Option<Self> {
        Self::is_key(key).then(|| Self::named(key))?
    }

    /// The entry's key in its owner's log.
    pub(super) fn key(&self) -> Result<Bytes, RegistryError> {
        let check = |name: &Bytes| {
            let bytes = name.len();
            let is_fine = (1..=NAME_BYTES_MAX).contains(&bytes);
            is_fine.then_some(()).ok_or(RegistryError::Name { bytes })
        };
        Ok(match self {
            Self::ProcessGroup { name, local, .. } => {
                check(name)?;
                mailbox_key(keys::PROCESS_GROUP, name, *local)
            }
            Self::Service { service, local, .. } => {
                check(service)?;
                mailbox_key(keys::SERVICE, service, *local)
            }
            Self::Property { key, local, .. } => {
                check(key)?;
                property_key(key, *local)
            }
            Self::Counter { key, local, .. } => {
                check(key)?;
                counter_key(key, *local)
            }
            Self::Load { .. } => keys::key(keys::LOAD, &[]),
            Self::Shared { key, .. } => {
                check(key)?;
                keys::key(keys::USER, key)
            }
        })
    }

    /// The entry's value there; `None` where it is to be deleted.
    pub(super) fn value(&self) -> Result<Option<Bytes>, RegistryError> {
        let value = match self {
            Self::ProcessGroup { times: 0, .. } => None,
            Self::ProcessGroup { times, .. } => Some(number_to_bytes((*times).into())),
            Self::Service { offer, .. } => offer.map(|offer| offer.to_bytes()).transpose()?,
            Self::Property { value, .. } => value.as_ref().map(Value::to_bytes).transpose()?,
            Self::Counter { value, .. } => value.map(number_to_bytes),
            Self::Load { load } => load.map(|load| number_to_bytes(load.into())),
            Self::Shared { value, .. } => return Ok(value.clone()),
        };
        Ok(value.map(Bytes::from))
    }

    /// The mailbox that the entry ends with; none for what is the node's own.
    pub fn mailbox(&self) -> Option<LocalId> {
        let local = match self {
            Self::ProcessGroup { local, .. }
            | Self::Service { local, .. }
            | Self::Property { local, .. }
            | Self::Counter { local, .. } => *local,
            Self::Load { .. } | Self::Shared { .. } => LocalId::default(),
        };
        (local != LocalId::default()).then_some(local)
    }

    /// The entry of a key, as gone.
    fn named(key: &Bytes) -> Option<Self> {
        let (first, rest) = key.split_first()?;
        match *first {
            keys::PROCESS_GROUP => {
                let (name, local) = split(key, rest)?;
                let times = 0;
                Some(Self::ProcessGroup { name, local, times })
            }
            keys::SERVICE => {
                let (service, local) = split(key, rest)?;
                let offer = None;
                Some(Self::Service {
                    service,
                    local,
                    offer,
                })
            }
            keys::ATTRIBUTE => {
                let (kind, rest) = rest.split_first()?;
                let (name, local) = split(key, rest)?;
                match *kind {
                    PROPERTY => Some(Self::Property {
                        key: name,
                        local,
                        value: None,
                    }),
                    COUNTER => Some(Self::Counter {
                        key: name,
                        local,
                        value: None,
                    }),
                    _ => None,
                }
            }
            keys::LOAD => rest.is_empty().then_some(Self::Load { load: None }),
            keys::USER => {
                let is_name = (1..=NAME_BYTES_MAX).contains(&rest.len());
                is_name.then(|| Self::Shared {
                    key: key.slice_ref(rest),
                    value: None,
                })
            }
            _ => None,
        }
    }

    /// The same entry holding `bytes`, if they are such a value.
    fn with(mut self, bytes: &Bytes) -> Option<Self> {
        match &mut self {
            Self::ProcessGroup { times, .. } => {
                *times = u16::try_from(number_from_bytes(bytes).ok()?).ok()?;
                (*times > 0).then_some(())?;
            }
            Self::Service { offer, .. } => *offer = Some(Offer::from_bytes(bytes).ok()?),
            Self::Property { value, .. } => *value = Some(Value::from_bytes(bytes).ok()?),
            Self::Counter { value, .. } => *value = Some(number_from_bytes(bytes).ok()?),
            Self::Load { load } => {
                *load = Some(u32::try_from(number_from_bytes(bytes).ok()?).ok()?);
            }
            Self::Shared { value, .. } => *value = Some(bytes.clone()),
        }
        Some(self)
    }
}

/// The entry that lies under a key of a log, if it is one.
pub(crate) fn readable(key: &Bytes, value: &Bytes) -> Option<Entry> {
    Entry::read(key, Some(value)).ok()
}

/// The key of a property of a mailbox.
pub(crate) fn property_key(name: &[u8], local: LocalId) -> Bytes {
    compose(&[keys::ATTRIBUTE, PROPERTY], name, local)
}

/// The key of a mailbox's counter.
pub(super) fn counter_key(name: &[u8], local: LocalId) -> Bytes {
    compose(&[keys::ATTRIBUTE, COUNTER], name, local)
}

/// The key of what a mailbox has under a name, for users of the log with one kind of it.
pub(super) fn mailbox_key(prefix: u8, name: &[u8], local: LocalId) -> Bytes {
    compose(&[prefix], name, local)
}

fn compose(prefix: &[u8], name: &[u8], local: LocalId) -> Bytes {
    let mut key = Vec::with_capacity(prefix.len() + 1 + name.len() + 8);
    key.extend_from_slice(prefix);
    // Whoever writes has checked the length; a longer name finds nothing.
    key.push(u8::try_from(name.len()).unwrap_or(0));
    key.extend_from_slice(name);
    key.extend_from_slice(&local.0.to_be_bytes());
    key.into()
}

/// Name and mailbox of what follows a key's kind.
fn split(key: &Bytes, rest: &[u8]) -> Option<(Bytes, LocalId)> {
    let (&len, rest) = rest.split_first()?;
    let (name, local) = rest.split_at_checked(len.into())?;
    let local = u64::from_be_bytes(local.try_into().ok()?);
    (!name.is_empty()).then(|| (key.slice_ref(name), LocalId(local)))
}
