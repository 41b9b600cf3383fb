//! Bodies of messages in boxes that are used again, so that events stay small and a message costs
//! no allocation.
//!
//! A box travels with its message, from shard to shard if need be; who opens it keeps the box.

/// A body under way.
pub(crate) type Parcel<T> = Box<Option<T>>;

/// Most empty boxes that a shard keeps.
const SPARES_MAX: usize = 1 << 16;

/// The empty boxes of a shard.
#[derive(Debug)]
pub(crate) struct Spares<T>(Vec<Parcel<T>>);

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Spares<T> {
    /// Puts a body into a box.
    pub(crate) fn wrap(&mut self, body: T) -> Parcel<T> {
        match self.0.pop() {
            Some(mut parcel) => {
                *parcel = Some(body);
                parcel
            }
            None => Box::new(Some(body)),
        }
    }

    /// Takes the body out.
    pub(crate) fn open(&mut self, mut parcel: Parcel<T>) -> T {
        let body = parcel.take();
        if self.0.len() < SPARES_MAX {
            self.0.push(parcel);
        }
        body.expect("a parcel is opened once")
    }

    /// What the empty boxes hold on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.0.len() * size_of::<Option<T>>() + self.0.capacity() * size_of::<Parcel<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_used_again() {
        let mut spares = Spares::default();
        let first = spares.wrap(7u64);
        let address = std::ptr::from_ref(&*first);
        assert_eq!(spares.open(first), 7);
        let second = spares.wrap(8);
        assert_eq!(std::ptr::from_ref(&*second), address);
        assert_eq!(spares.open(second), 8);
    }
}
