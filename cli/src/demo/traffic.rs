//! Streams between nodes that share no group: each begins by relay and goes over to direct.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago::{Mailbox, NodeId, Pid, SendError, Sender};
use archipelago_core::Rng;
use indicatif::ProgressBar;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::letter::{Ledger, Letter};
use crate::cluster::Plan;
use crate::live::watch::Watch;

/// Messages of a stream before it is waited for the direct session, and after.
const BEFORE: u32 = 20;
const AFTER: u32 = 5;
/// Between two messages of a stream.
const PAUSE: Duration = Duration::from_millis(10);
/// Streams under way at once: what is measured is a message, not a jam of dials.
pub(crate) const AT_ONCE: usize = 48;
/// Before a message is offered again that was refused because nobody said where its target is: a
/// look-up is given up after 2 s, on a machine that is short of processor time as well.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a message is offered again before the demo counts it as refused.
const OFFERED: Duration = Duration::from_secs(20);
/// How long a direct session may take, and how long the last messages may be under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one node needs to send, and another to be sent to.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) sender: Sender,
    pub(crate) pid: Pid,
    pub(crate) id: NodeId,
}

impl Post {
    /// Of the node that holds this mailbox.
    pub(crate) fn of(mailbox: &Mailbox) -> Self {
        Self {
            sender: mailbox.sender(),
            pid: mailbox.pid(),
            id: mailbox.pid().node,
        }
    }
}

/// What the senders saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) messages: u64,
    /// Messages that were never taken, by the last refusal.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Messages that were refused at first and taken later.
    pub(crate) taken_later: u64,
    /// Streams whose first message had its path before any session with the other end was up.
    pub(crate) relay_first: usize,
    /// Streams that went over to a direct session.
    pub(crate) direct: usize,
}

/// At most `wanted` different pairs of nodes with a mailbox and without a common group.
pub(crate) fn pairs(
    plan: &Plan,
    posts: &[Option<Post>],
    wanted: usize,
    rng: &mut Rng,
) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for one in 0..posts.len() {
        let near = plan.neighbours(one);
        let far = (one + 1..posts.len()).filter(|other| !near.contains(other));
        all.extend(
            far.filter(|&other| posts[one].is_some() && posts[other].is_some())
                .map(|other| (one, other)),
        );
    }
    // The first `wanted` places of a Fisher-Yates shuffle.
    for place in 0..wanted.min(all.len()) {
        let rest = (all.len() - place) as u64;
        all.swap(place, place + rng.below(rest) as usize);
    }
    all.truncate(wanted);
    for pair in &mut all {
        if rng.chance(1, 2) {
            *pair = (pair.1, pair.0);
        }
    }
    all
}

/// Runs every stream to its end, so many at once, and waits until all has arrived, or patience ends.
pub(crate) async fn run(
    pairs: &[(usize, usize)],
    (posts, at_once): (&[Option<Post>], usize),
    ledger: &Ledger,
    watch: &Watch,
    bar: &ProgressBar,
) -> Sent {
    let places = Arc::new(Semaphore::new(at_once));
    let mut streams = JoinSet::new();
    for (pair, &(from, to)) in pairs.iter().enumerate() {
        let (Some(from), Some(to)) = (posts[from].clone(), posts[to].clone()) else {
            continue;
        };
        let stream = Stream {
            pair: pair as u32,
            from,
            to,
            ledger: ledger.clone(),
            watch: watch.clone(),
        };
        let (places, bar) = (places.clone(), bar.clone());
        streams.spawn(async move {
            let _place = places.acquire().await;
            let sent = stream.run().await;
            bar.inc(1);
            sent
        });
    }
    let mut total = Sent::default();
    while let Some(sent) = streams.join_next().await {
        let sent = sent.unwrap_or_default();
        total.messages += sent.messages;
        total.taken_later += sent.taken_later;
        for (reason, count) in sent.refused {
            *total.refused.entry(reason).or_default() += count;
        }
        total.relay_first += sent.relay_first;
        total.direct += sent.direct;
    }
    let everything = |arrived: &super::letter::Arrived| arrived.distinct() >= total.messages;
    ledger.until(PATIENCE, everything).await;
    total
}

/// One pair's messages, numbered as they are taken: one that is refused leaves no gap.
struct Stream {
    pair: u32,
    from: Post,
    to: Post,
    ledger: Ledger,
    watch: Watch,
}

impl Stream {
    async fn run(self) -> Sent {
        let mut sent = Sent::default();
        let (one, other) = (self.from.id, self.to.id);
        self.send(false, &mut sent).await;
        // A send returns when the message has a path: without a session it is the relay.
        sent.relay_first += usize::from(!self.watch.seen().is_direct(one, other));
        for _ in 1..BEFORE {
            tokio::time::sleep(PAUSE).await;
            self.send(false, &mut sent).await;
        }
        let direct = self
            .watch
            .until(PATIENCE, |seen| seen.is_direct(one, other));
        sent.direct += usize::from(direct.await);
        for _ in 0..AFTER {
            tokio::time::sleep(PAUSE).await;
            self.send(true, &mut sent).await;
        }
        sent
    }

    /// Offers a message until it is taken, or was refused for too long.
    async fn send(&self, is_direct: bool, sent: &mut Sent) {
        let letter = Letter::Stream {
            pair: self.pair,
            number: sent.messages as u32,
            sent_us: self.ledger.now_us(),
            is_direct,
        };
        let give_up = tokio::time::Instant::now() + OFFERED;
        let mut is_again = false;
        loop {
            let taken = self.from.sender.send_typed(self.to.pid, &letter).await;
            let Err(error) = taken else {
                sent.messages += 1;
                sent.taken_later += u64::from(is_again);
                return;
            };
            let may_pass = matches!(error, SendError::Unreachable(_));
            if !may_pass || tokio::time::Instant::now() >= give_up {
                *sent.refused.entry(error.to_string()).or_default() += 1;
                return;
            }
            is_again = true;
            tokio::time::sleep(AGAIN).await;
        }
    }
}
