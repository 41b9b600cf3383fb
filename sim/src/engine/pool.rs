//! The bodies of pending events: slots that are used again, linked into lists by their owner.

use archipelago_core::footprint::vec_bytes;

use super::Key;

/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// Pending events by slot.
#[derive(Debug)]
pub(super) struct Pool<T> {
    slots: Vec<Slot<T>>,
    /// The first slot that is free.
    free: u32,
}

#[derive(Debug)]
struct Slot<T> {
    key: Key,
    target: u32,
    /// The next slot of the list that this one is in.
    next: u32,
    body: Option<T>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
        }
    }
}

impl<T> Pool<T> {
    /// Stores an event; its slot.
    pub(super) fn insert(&mut self, key: Key, target: u32, body: T) -> u32 {
        let slot = Slot {
            key,
            target,
            next: NONE,
            body: Some(body),
        };
        if self.free == NONE {
            self.slots.push(slot);
            return u32::try_from(self.slots.len() - 1)
                .expect("fewer than 2^32 events are pending");
        }
        let index = self.free;
        let place = &mut self.slots[index as usize];
        self.free = place.next;
        *place = slot;
        index
    }

    /// Whom the event of this slot happens to, and what.
    pub(super) fn get(&self, slot: u32) -> Option<(u32, &T)> {
        let slot = self.slots.get(slot as usize)?;
        Some((slot.target, slot.body.as_ref()?))
    }

    /// Takes an event out; its slot is free.
    pub(super) fn remove(&mut self, slot: u32) -> (u32, T) {
        let place = &mut self.slots[slot as usize];
        let body = place
            .body
            .take()
            .expect("a slot in the order holds its event");
        place.next = self.free;
        self.free = slot;
        (place.target, body)
    }

    /// The key of an event, and the slot that follows it in its list.
    pub(super) fn link(&self, slot: u32) -> (Key, u32) {
        let place = &self.slots[slot as usize];
        (place.key, place.next)
    }

    /// Says which slot follows in the list.
    pub(super) fn set_link(&mut self, slot: u32, next: u32) {
        self.slots[slot as usize].next = next;
    }

    /// What it holds on the heap, the events' own heap not counted.
    pub(super) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.slots)
    }

    /// Most events that were ever pending.
    #[cfg(test)]
    pub(super) fn len_max(&self) -> usize {
        self.slots.len()
    }
}
