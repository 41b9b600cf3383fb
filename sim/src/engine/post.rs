//! Where a node's events go while its shard runs: into the shard's own queue, or into the bag for
//! a shard.

use super::layout::Layout;
use super::queue::{Due, Key, Queue};

/// An event under way to another shard.
pub(super) type Letter<T> = (Key, u32, T);

/// Takes what an event leads to.
#[derive(Debug)]
pub struct Post<'a, T> {
    queue: &'a mut Queue<T>,
    mail: &'a mut [Vec<Letter<T>>],
    layout: Layout,
}

impl<'a, T> Post<'a, T> {
    pub(super) const fn new(
        queue: &'a mut Queue<T>,
        mail: &'a mut [Vec<Letter<T>>],
        layout: Layout,
    ) -> Self {
        Self {
            queue,
            mail,
            layout,
        }
    }

    /// Which node is where.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Adds an event for `target`.
    ///
    /// Where there are several shards, even what stays in this one waits until the window is over:
    /// to ask which it is costs more, since no processor can guess the answer.
    #[inline]
    pub fn push(&mut self, key: Key, target: u32, body: T) {
        if key.source == target || self.mail.len() <= 1 {
            self.queue.push(key, target, body);
        } else {
            self.mail[self.layout.shard(target)].push((key, target, body));
        }
    }

    /// Takes the event that comes right after the one at `key`: same instant, same source, its
    /// next count. Only such a successor is sure to be next whatever the shards.
    pub fn successor_if(
        &mut self,
        key: Key,
        is_wanted: impl FnOnce(u32, &T) -> bool,
    ) -> Option<Due<T>> {
        let (next, target, body) = self.queue.peek(key.time)?;
        let is_next = next.time == key.time
            && next.source == key.source
            && next.counter == key.counter.wrapping_add(1);
        if !is_next || !is_wanted(target, body) {
            return None;
        }
        self.queue.pop(key.time)
    }
}
