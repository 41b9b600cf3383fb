//! Who claims which name: the union of all members' logs, by name.
//!
//! It holds no claim itself, only whose log has one, so it cannot differ from the logs: equal logs,
//! equal answers. The key's bytes are those of the log's entry, shared.
//!
//! Cost: O(log n) per look-up and change; about 70 bytes per name.

use std::collections::BTreeMap;

use archipelago_core::Peer;
use archipelago_core::footprint::map_bytes;
use bytes::Bytes;

/// The members that claim each name, this node left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    owners: BTreeMap<Bytes, Owners>,
}

/// Almost every name is claimed by one.
#[derive(Clone, Debug)]
enum Owners {
    One(Peer),
    /// Two or more, ordered.
    #[expect(
        clippy::box_collection,
        reason = "rare, and a pointer keeps the others small"
    )]
    Many(Box<Vec<Peer>>),
}

impl Index {
    /// `owner` claims the name of this key.
    pub(super) fn insert(&mut self, key: &Bytes, owner: Peer) {
        let Some(owners) = self.owners.get_mut(key) else {
            self.owners.insert(key.clone(), Owners::One(owner));
            return;
        };
        match owners {
            Owners::One(known) if *known == owner => {}
            Owners::One(known) => {
                let mut both = vec![*known, owner];
                both.sort_unstable();
                *owners = Owners::Many(Box::new(both));
            }
            Owners::Many(all) => {
                if let Err(place) = all.binary_search(&owner) {
                    all.insert(place, owner);
                }
            }
        }
    }

    /// `owner` no longer claims it.
    pub(super) fn remove(&mut self, key: &[u8], owner: Peer) {
        let rest = match self.owners.get_mut(key) {
            None => return,
            Some(Owners::One(known)) if *known != owner => return,
            Some(Owners::One(_)) => None,
            Some(Owners::Many(all)) => {
                all.retain(|known| *known != owner);
                match all[..] {
                    [one] => Some(one),
                    _ => return,
                }
            }
        };
        match rest {
            Some(one) => {
                if let Some(owners) = self.owners.get_mut(key) {
                    *owners = Owners::One(one);
                }
            }
            None => {
                self.owners.remove(key);
            }
        }
    }

    /// Who claims the name of this key.
    pub(super) fn owners(&self, key: &[u8]) -> &[Peer] {
        match self.owners.get(key) {
            None => &[],
            Some(Owners::One(one)) => std::slice::from_ref(one),
            Some(Owners::Many(all)) => all,
        }
    }

    /// Every key that somebody claims, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.owners.keys()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        map_bytes(&self.owners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a set of pairs.
        #[test]
        fn claims_are_found_as_they_were_made(steps in prop::collection::vec((0u8..4, 0u32..4, any::<bool>()), 0..60)) {
            let mut index = Index::default();
            let mut model = BTreeSet::new();
            for (name, owner, is_claim) in steps {
                let key = Bytes::from(vec![name]);
                if is_claim {
                    index.insert(&key, Peer(owner));
                    model.insert((name, owner));
                } else {
                    index.remove(&key, Peer(owner));
                    model.remove(&(name, owner));
                }
                for name in 0..4 {
                    let expected: Vec<Peer> = model
                        .range((name, 0)..(name + 1, 0))
                        .map(|&(_, owner)| Peer(owner))
                        .collect();
                    prop_assert_eq!(index.owners(&[name]), &expected[..]);
                }
                let names: BTreeSet<u8> = model.iter().map(|&(name, _)| name).collect();
                prop_assert_eq!(index.keys().count(), names.len());
            }
        }
    }

    #[test]
    fn a_name_takes_48_bytes_of_a_node_of_the_tree() {
        assert_eq!(size_of::<(Bytes, Owners)>(), 48);
    }
}
