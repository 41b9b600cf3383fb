//! The ways to other hosts: a queue and a task for each that gets words.
//!
//! A word is written when its turn comes, so that states which wait are not in memory twice. A slow
//! host holds up nobody else. What cannot be sent is dropped: hosts repeat what was not answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use archipelago_core::channel::Kind;
use archipelago_core::wire::{KeyedPacket, KeyedWord};
use archipelago_core::{NodeId, Pid};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::Sender;

/// Words that wait for one host; more than the states of the shards that move at once are no use.
const WAITING_MAX: usize = 1 << 20;

type Word = (KeyedWord, Bytes);

/// The lines of one host of workers.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: HashMap<NodeId, Line>,
}

#[derive(Debug)]
struct Line {
    to: Pid,
    queue: Arc<Queue>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Queue {
    words: Mutex<VecDeque<Word>>,
    wake: Notify,
}

impl Lines {
    /// Puts a word on the line to `to`, opened if there is none.
    pub(super) fn send(&mut self, sender: &Sender, to: Pid, word: KeyedWord, body: Bytes) {
        if self.open.get(&to.node).is_none_or(|line| line.to != to) {
            self.open.insert(to.node, Line::open(sender.clone(), to));
        }
        if let Some(line) = self.open.get(&to.node) {
            line.queue.push((word, body));
        }
    }

    /// Ends the lines to those who host no more.
    pub(super) fn retain(&mut self, is_host: impl Fn(&Pid) -> bool) {
        self.open.retain(|_, line| is_host(&line.to));
    }
}

impl Line {
    fn open(sender: Sender, to: Pid) -> Self {
        let queue = Arc::new(Queue::default());
        let handle = sender.shared().runtime.handle().clone();
        let task = handle
            .spawn(carry(sender, to, queue.clone()))
            .abort_handle();
        Self { to, queue, task }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Queue {
    fn push(&self, word: Word) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(word.0, KeyedWord::Claim { .. }) {
            // A claim says all that is claimed.
            words.retain(|(other, _)| !matches!(other, KeyedWord::Claim { .. }));
        }
        if words.len() < WAITING_MAX {
            words.push_back(word);
        }
        drop(words);
        self.wake.notify_one();
    }

    async fn pop(&self) -> Word {
        loop {
            let next = {
                let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
                words.pop_front()
            };
            if let Some(word) = next {
                return word;
            }
            self.wake.notified().await;
        }
    }
}

async fn carry(sender: Sender, to: Pid, queue: Arc<Queue>) {
    loop {
        let (word, body) = queue.pop().await;
        let packet = KeyedPacket::Word(word).encode(&body);
        drop(body);
        // What is lost is asked for again.
        let _ = sender.deliver(to, Kind::Cast, packet).await;
    }
}
