//! The members as the view stores them: 16 bytes each, ordered by slot.
//!
//! Almost every member is in its first era and has refuted little: both numbers, its life and the
//! flags fit four bytes. Numbers beyond that lie in a table of their own, which is empty at rest.

use std::collections::BTreeMap;

use archipelago_core::ahead::fetch_at;
use archipelago_core::footprint::{map_bytes, reserve_tight, vec_bytes};
use archipelago_core::wire::Life;
use archipelago_core::{Boot, Era, Incarnation, Peer};

use super::{Member, Standing};

const ADMITTED: u8 = 1;
const TOLD: u8 = 2;
const SUSPECT: u8 = 4;
const UNREACHABLE: u8 = 8;
const PATH_DOWN: u8 = 16;
const ALIVE: u8 = 32;
const ENDED: u8 = 64;
/// Era and incarnation are in the other table.
const LARGE: u8 = 128;

/// All members, ordered by slot.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    large: BTreeMap<Peer, (Era, Incarnation)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    boot: Boot,
    peer: Peer,
    incarnation: u16,
    era: u8,
    flags: u8,
}

impl Table {
    /// Of members that are ordered by slot; no room to spare.
    pub(super) fn formed(members: &[Member]) -> Self {
        let mut table = Self::default();
        table.rows.reserve_exact(members.len());
        for member in members {
            let row = table.row(member);
            table.rows.push(row);
        }
        table
    }

    pub(super) fn find(&self, peer: Peer) -> Option<Member> {
        let index = self.search(peer).ok()?;
        self.rows.get(index).map(|row| self.member(row))
    }

    /// Has a member's row fetched from memory, where it lies at the place of its slot.
    pub(super) fn foresee(&self, peer: Peer) {
        fetch_at(&self.rows, peer.0 as usize);
    }

    /// Inserts a member, or replaces what was known of it.
    pub(super) fn put(&mut self, member: &Member) {
        let row = self.row(member);
        match self.search(member.peer) {
            Ok(index) => self.rows[index] = row,
            Err(index) => {
                reserve_tight(&mut self.rows);
                self.rows.insert(index, row);
            }
        }
    }

    pub(super) fn remove(&mut self, peer: Peer) {
        if let Ok(index) = self.search(peer) {
            self.rows.remove(index);
            self.large.remove(&peer);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Member> {
        self.rows.iter().map(|row| self.member(row))
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        vec_bytes(&self.rows) + map_bytes(&self.large)
    }

    fn search(&self, peer: Peer) -> Result<usize, usize> {
        // A node whose only peers are one group's members finds each at the place of its slot.
        let guess = peer.0 as usize;
        if self.rows.get(guess).is_some_and(|row| row.peer == peer) {
            return Ok(guess);
        }
        self.rows.binary_search_by_key(&peer, |row| row.peer)
    }

    fn row(&mut self, member: &Member) -> Row {
        let standing = &member.standing;
        let small = (
            u8::try_from(standing.era.0),
            u16::try_from(standing.incarnation.0),
        );
        let mut flags = flags(member);
        let (era, incarnation) = if let (Ok(era), Ok(incarnation)) = small {
            self.large.remove(&member.peer);
            (era, incarnation)
        } else {
            flags |= LARGE;
            let numbers = (standing.era, standing.incarnation);
            self.large.insert(member.peer, numbers);
            (0, 0)
        };
        Row {
            boot: standing.boot,
            peer: member.peer,
            incarnation,
            era,
            flags,
        }
    }

    #[inline]
    fn member(&self, row: &Row) -> Member {
        let is = |flag| row.flags & flag != 0;
        let mut numbers = (Era(row.era.into()), Incarnation(row.incarnation.into()));
        if is(LARGE) {
            numbers = self.large.get(&row.peer).copied().unwrap_or(numbers);
        }
        let life = match (is(ENDED), is(ALIVE)) {
            (false, false) => Life::Joining,
            (false, true) => Life::Alive,
            (true, false) => Life::Down,
            (true, true) => Life::Left,
        };
        Member {
            peer: row.peer,
            standing: Standing::new(row.boot, numbers.0, numbers.1, life),
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
                let is_large = |member: &&Member| member.standing.era.0 > 255 || member.standing.incarnation.0 > 65_535;
                prop_assert_eq!(table.large.len(), model.values().filter(is_large).count());
            }
        }
    }

    #[test]
    fn a_member_takes_16_bytes() {
        assert_eq!(size_of::<Row>(), 16);
    }
}
