//! All logs of one group at one node: the own one and the replicas of the other members'.
//!
//! Every message of it is idempotent and may be lost. What is unacknowledged or asked for is
//! repeated by a timer; what nobody knows to be missing is found by comparing hashes that ride on
//! heartbeats ([`Logs::hash`]).
//!
//! It accepts a log only from its owner and only from members ([`Logs::handle_member`]). Timers:
//! one deadline for everything, asked for by [`Logs::poll_timeout`], which may be early. A write
//! leaves with the next [`Logs::handle_timeout`], due at once, so that writes of one call share a
//! message.
//!
//! Cost at rest: about 90 bytes, 24 for each run of members that said nothing and began together,
//! and 24 for each member that wrote.

mod formed;
mod output;
mod reactions;

pub(crate) use formed::FormedLog;
pub use output::{LogCounts, LogOutput, LogOutputs};

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::footprint::{map_bytes, vec_bytes};
use archipelago_core::wire::{LogMark, LogPull, LogUpdate};
use archipelago_core::{Boot, Context, Era, Peer, Runs, Time};

use super::acks::Sender;
use super::digest::Differences;
use super::{LogError, OwnLog, PeerLog, UpdateError};
use crate::Timing;

/// The logs of one group at one node; laid out as written, what a heartbeat reads first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Logs {
    repair: Option<Box<Repair>>,
    hash: u32,
    era: Era,
    own: Option<Box<Sender>>,
    /// The members that wrote, ordered by owner.
    peers: Vec<PeerLog>,
    /// The start and era of each member that wrote nothing.
    silent: Runs<(Boot, Era)>,
    timing: Arc<Timing>,
    boot: Boot,
}

/// What is only there once any log has an entry.
#[derive(Clone, Debug, Default)]
struct Repair {
    /// Whom we asked, and when to ask again.
    pulls: BTreeMap<Peer, Asked>,
    differences: Differences,
    counts: LogCounts,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    due: Time,
    tries: u8,
}

impl Logs {
    /// No entries and no members, in this start and era of this node.
    pub const fn new(boot: Boot, era: Era, timing: Arc<Timing>) -> Self {
        Self {
            timing,
            boot,
            own: None,
            peers: Vec::new(),
            silent: Runs::new(),
            repair: None,
            era,
            hash: 0,
        }
    }

    /// Writes `value` under `key` in the own log; returns the number of the write. It leaves with
    /// the next `handle_timeout`, which is due at once.
    ///
    /// # Errors
    /// [`LogError`]; nothing changed.
    pub fn put(&mut self, key: Bytes, value: Bytes, cx: &Context<'_>) -> Result<u64, LogError> {
        let before = self.own_mark(cx.me);
        let timing = Arc::clone(&self.timing);
        let sender = self.sender(cx.now);
        let seq = sender.log.put(key, value, &timing.log)?;
        sender.on_write(cx.now);
        self.on_marks(before, self.own_mark(cx.me), cx.now);
        Ok(seq)
    }

    /// Deletes `key` from the own log; returns the number of the deletion, `None` if the key was
    /// not there.
    pub fn delete(&mut self, key: &[u8], cx: &Context<'_>) -> Option<u64> {
        let before = self.own_mark(cx.me);
        let sender = self.own.as_mut()?;
        let seq = sender.log.delete(key, &self.timing.log)?;
        sender.on_write(cx.now);
        self.on_marks(before, self.own_mark(cx.me), cx.now);
        Some(seq)
    }

    /// This node goes on in a later start or era: everybody gets its log afresh.
    pub fn set_epoch(&mut self, boot: Boot, era: Era, cx: &Context<'_>) {
        let before = self.own_mark(cx.me);
        (self.boot, self.era) = (boot, era);
        if let Some(sender) = &mut self.own {
            sender.log.set_epoch(boot, era);
            sender.on_epoch(cx.now);
        }
        self.on_marks(before, self.own_mark(cx.me), cx.now);
    }

    /// A member is there in this start and era: new, or returned. What it had said in an earlier
    /// one vanishes; an earlier one than is known changes nothing.
    pub fn handle_member(
        &mut self,
        peer: Peer,
        (boot, era): (Boot, Era),
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        match self.epoch(peer) {
            Some(known) if known >= (boot, era) => return,
            Some(_) => self.change(peer, cx, out, |log, changes| {
                log.on_epoch(boot, era, changes);
            }),
            None => self.silent.insert(peer, (boot, era)),
        }
        self.on_receiver(peer, cx);
    }

    /// A member is gone, and its log with it.
    pub fn handle_member_removed(&mut self, peer: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
        if self.epoch(peer).is_some() {
            self.change(peer, cx, out, PeerLog::clear);
            self.silent.remove(peer);
        }
        if let Some(sender) = &mut self.own {
            sender.remove(peer);
        }
        if let Some(repair) = &mut self.repair {
            repair.pulls.remove(&peer);
            repair.differences.remove(peer);
        }
    }

    /// A member said (`Join`, `Welcome`) that its log goes up to `head`: asks for what is missing,
    /// and expects the same of it.
    pub fn handle_head(&mut self, peer: Peer, head: u64, cx: &Context<'_>, out: &mut LogOutputs) {
        if self.epoch(peer).is_none() {
            return;
        }
        self.change(peer, cx, out, |log, _| log.on_head(head));
        if !self.is_caught_up(peer) {
            self.pull(peer, cx, out);
        } else if head > 0 {
            self.ack(peer, cx, out);
        }
        let due = cx.now.after(self.timing.log.wait(0));
        if let Some(sender) = &mut self.own {
            sender.on_contact(peer, due);
        }
    }

    /// A part of the sender's log.
    ///
    /// # Errors
    /// [`UpdateError`], counted: the sender breaks the protocol; its log stays as it was.
    pub fn handle_update(
        &mut self,
        from: Peer,
        update: &LogUpdate,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) -> Result<(), UpdateError> {
        let Some(epoch) = self.epoch(from) else {
            self.count_stranger();
            return Ok(());
        };
        let timing = Arc::clone(&self.timing);
        let applied = self.change(from, cx, out, |log, changes| {
            log.apply(update, &timing.log, changes)
        });
        if self.epoch(from) != Some(epoch) {
            self.on_receiver(from, cx);
        }
        let applied = applied.inspect_err(|error| self.count(*error))?;
        self.on_applied(from, applied, update.snapshot, cx, out);
        Ok(())
    }

    /// A member has the own log up to a mark, and had written its own up to `head` by then. What
    /// waited for that leaves.
    pub fn handle_ack(
        &mut self,
        from: Peer,
        (mark, head): (&LogMark, u64),
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        if !self.on_ack(from, mark, cx) {
            return;
        }
        let (by, seq) = (from, mark.seq);
        out.push(LogOutput::Acked { by, seq, head });
        if let Some(sender) = &mut self.own {
            sender.poll(cx.now, &self.timing.log, out);
        }
    }

    /// A member asks for the own log from a mark on.
    pub fn handle_pull(
        &mut self,
        from: Peer,
        pull: &LogPull,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        if pull.mark.owner != cx.me {
            return;
        }
        // Not the head of it: only an acknowledgement tells how far the other's own log goes.
        if pull.mark.seq < self.head() {
            self.on_ack(from, &pull.mark, cx);
        }
        if let Some(sender) = &mut self.own {
            sender.on_pull(from, pull, cx.now, &self.timing.log, out);
        }
    }

    /// A member's heartbeat told its [`Logs::hash`].
    pub fn handle_hash(&mut self, from: Peer, theirs: u32, cx: &Context<'_>, out: &mut LogOutputs) {
        if theirs == self.hash && self.repair.is_none() {
            return;
        }
        let both = (theirs, self.hash);
        let delay = self.timing.digest_delay;
        let is_member = self.epoch(from).is_some();
        let differences = &mut self.repair().differences;
        if is_member && differences.on_hash(from, both, cx.now, delay) {
            self.send_digest(from, cx, out);
        }
    }

    /// How far a member has all logs: asks the owners for what this node misses, and lets the
    /// member know what it misses.
    pub fn handle_digest(
        &mut self,
        from: Peer,
        marks: &[LogMark],
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        if self.epoch(from).is_none() {
            self.count_stranger();
            return;
        }
        let mut is_behind = marks.len() < self.logs_len();
        for mark in marks {
            is_behind |= self.on_mark(from, mark, cx, out);
        }
        let delay = self.timing.digest_delay;
        if is_behind && self.repair().differences.on_behind(from, cx.now, delay) {
            self.send_digest(from, cx, out);
        }
    }

    /// Sends what is due; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, cx: &Context<'_>, out: &mut LogOutputs) {
        if let Some(sender) = &mut self.own {
            sender.poll(cx.now, &self.timing.log, out);
        }
        for peer in self.due_pulls(cx.now) {
            if self.epoch(peer).is_some() && !self.is_caught_up(peer) {
                self.pull(peer, cx, out);
            } else {
                self.repair().pulls.remove(&peer);
            }
        }
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let send = self.own.as_ref().map_or(Time::NEVER, |own| own.next_due());
        let pulls = self.repair.iter().flat_map(|repair| repair.pulls.values());
        let pull = pulls.map(|asked| asked.due).min().unwrap_or(Time::NEVER);
        if send == Time::NEVER && pull == Time::NEVER {
            None
        } else if send <= pull {
            Some((send, "log update"))
        } else {
            Some((pull, "log pull"))
        }
    }

    /// A hash of how far all logs are here; equal at two members that have the same.
    pub const fn hash(&self) -> u32 {
        self.hash
    }

    /// The number of the own log's last write; goes into `Join` and `Welcome`.
    pub fn head(&self) -> u64 {
        self.own.as_ref().map_or(0, |own| own.log.head())
    }

    /// The own log; `None` before the first write.
    pub fn own(&self) -> Option<&OwnLog> {
        self.own.as_ref().map(|own| &own.log)
    }

    /// The replica of a member's log; `None` also while the member has written nothing.
    pub fn peer(&self, owner: Peer) -> Option<&PeerLog> {
        self.search(owner).ok().map(|index| &self.peers[index])
    }

    /// The start and era of which a member's log is here.
    pub fn epoch(&self, owner: Peer) -> Option<(Boot, Era)> {
        let written = self.peer(owner).map(PeerLog::epoch);
        written.or_else(|| self.silent.get(owner))
    }

    /// What the logs hold on the heap, about; keys and values are counted as their owners limit
    /// them.
    pub fn heap_bytes(&self) -> usize {
        let own = self.own.as_ref().map_or(0, |own| own.heap_bytes());
        let peers: usize = self.peers.iter().map(PeerLog::heap_bytes).sum();
        let repair = self
            .repair
            .as_ref()
            .map_or(0, |repair| size_of::<Repair>() + map_bytes(&repair.pulls));
        own + vec_bytes(&self.peers) + peers + self.silent.heap_bytes() + repair
    }

    /// Whether everything is here that the member said it has written.
    pub fn is_caught_up(&self, owner: Peer) -> bool {
        self.log(owner)
            .is_some_and(|log| log.applied() >= log.head())
    }

    /// Whether all of `members` have the own log up to `seq`.
    pub fn is_confirmed(&self, seq: u64, members: impl IntoIterator<Item = Peer>) -> bool {
        let acked = |peer| self.own.as_ref().map_or(0, |own| own.acked(peer));
        members.into_iter().all(|peer| acked(peer) >= seq)
    }

    /// What peers did wrong.
    pub fn counts(&self) -> LogCounts {
        self.repair
            .as_ref()
            .map_or_else(LogCounts::default, |repair| repair.counts)
    }
}

#[cfg(test)]
mod tests;
