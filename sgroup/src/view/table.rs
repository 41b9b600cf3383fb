//! The members as the view stores them, ordered by slot.
//!
//! At rest all members of a group stand alike: in their first era, admitted and told of, and those
//! that were started together of one start. So neighbours in the table share a row ([`Runs`]).

use archipelago_core::wire::Life;
use archipelago_core::{Boot, Era, Incarnation, Peer, Runs};

use super::{Member, Standing};

const ADMITTED: u8 = 1;
const TOLD: u8 = 2;
const SUSPECT: u8 = 4;
const UNREACHABLE: u8 = 8;
const PATH_DOWN: u8 = 16;
const ALIVE: u8 = 32;
const ENDED: u8 = 64;

/// All members, ordered by slot.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Runs<Row>,
}

/// What is known of a member, its slot apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    boot: Boot,
    era: Era,
    incarnation: Incarnation,
    flags: u8,
}

impl Table {
    /// Of members that are ordered by slot; no room to spare.
    pub(super) fn formed(members: &[Member]) -> Self {
        let rows = members.iter().map(|member| (member.peer, Row::of(member)));
        Self {
            rows: rows.collect(),
        }
    }

    pub(super) fn find(&self, peer: Peer) -> Option<Member> {
        Some(self.rows.get(peer)?.member(peer))
    }

    /// Has the rows fetched from memory.
    pub(super) fn foresee(&self) {
        self.rows.foresee();
    }

    /// Inserts a member, or replaces what was known of it.
    pub(super) fn put(&mut self, member: &Member) {
        self.rows.insert(member.peer, Row::of(member));
    }

    pub(super) fn remove(&mut self, peer: Peer) {
        self.rows.remove(peer);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Member> {
        self.rows.iter().map(|(peer, row)| row.member(peer))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes()
    }
}

impl Row {
    fn of(member: &Member) -> Self {
        let standing = &member.standing;
        Self {
            boot: standing.boot,
            era: standing.era,
            incarnation: standing.incarnation,
            flags: flags(member),
        }
    }

    #[inline]
    fn member(&self, peer: Peer) -> Member {
        let is = |flag| self.flags & flag != 0;
        let life = match (is(ENDED), is(ALIVE)) {
            (false, false) => Life::Joining,
            (false, true) => Life::Alive,
            (true, false) => Life::Down,
            (true, true) => Life::Left,
        };
        Member {
            peer,
            standing: Standing::new(self.boot, self.era, self.incarnation, life),
            is_admitted: is(ADMITTED),
            is_told: is(TOLD),
            is_suspect: is(SUSPECT),
            is_unreachable: is(UNREACHABLE),
            is_path_down: is(PATH_DOWN),
        }
    }
}

/// The life as two bits, and the rest as one each.
fn flags(member: &Member) -> u8 {
    let life = match member.standing.life() {
        Life::Joining => 0,
        Life::Alive | Life::Suspect => ALIVE,
        Life::Down => ENDED,
        Life::Left => ENDED | ALIVE,
    };
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    life | flag(member.is_admitted, ADMITTED)
        | flag(member.is_told, TOLD)
        | flag(member.is_suspect, SUSPECT)
        | flag(member.is_unreachable, UNREACHABLE)
        | flag(member.is_path_down, PATH_DOWN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn any_member() -> impl Strategy<Value = Member> {
        let life = prop_oneof![
            Just(Life::Joining),
            Just(Life::Alive),
            Just(Life::Down),
            Just(Life::Left)
        ];
        let number = || prop_oneof![0u32..3, 254u32..258, 65_534u32..65_538, Just(u32::MAX)];
        let flags = any::<[bool; 5]>();
        let numbers = (any::<u64>(), number(), number());
        (0u32..4, numbers, life, flags).prop_map(|(peer, numbers, life, flags)| {
            let (boot, era, incarnation) = numbers;
            let [
                is_admitted,
                is_told,
                is_suspect,
                is_unreachable,
                is_path_down,
            ] = flags;
            Member {
                peer: Peer(peer),
                standing: Standing::new(Boot(boot), Era(era), Incarnation(incarnation), life),
                is_admitted,
                is_told,
                is_suspect,
                is_unreachable,
                is_path_down,
            }
        })
    }

    proptest! {
        /// Against a map: what was put last is found, whatever its numbers.
        #[test]
        fn members_are_found_as_they_were_put(steps in prop::collection::vec((any_member(), 0u8..4), 0..40)) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (member, step) in steps {
                if step == 0 {
                    table.remove(member.peer);
                    model.remove(&member.peer);
                } else {
                    table.put(&member);
                    model.insert(member.peer, member);
                }
                let all: Vec<Member> = table.iter().collect();
                prop_assert_eq!(&all, &model.values().copied().collect::<Vec<_>>());
                prop_assert_eq!(table.find(member.peer), model.get(&member.peer).copied());
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }

    #[test]
    fn members_that_stand_alike_take_32_bytes_together() {
        let standing = Standing::new(Boot(9), Era(0), Incarnation(0), Life::Alive);
        let members: Vec<Member> = (0..50)
            .map(|slot| Member::formed(Peer(slot), standing))
            .collect();
        assert_eq!(Table::formed(&members).heap_bytes(), 32);
    }
}
