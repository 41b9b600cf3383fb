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
//! Cost at rest: about 80 bytes and 24 per member whose log is empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::wire::{GroupBody, List, LogMark, LogPull, LogUpdate};
use archipelago_core::{Boot, Context, Era, NodeId, Peer, Time};

use super::acks::Sender;
use super::digest::{DIGEST_MARKS_MAX, Differences, contribution};
use super::{Applied, LogChange, LogError, OwnLog, PeerLog, UpdateError};
use crate::Timing;

/// What the logs ask of their caller, or tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOutput {
    /// Send to a member, by detour if need be; may be lost.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        body: GroupBody,
    },
    /// Keys of a member's log changed here; also when its log vanishes with it.
    Changed {
        /// Whose log.
        owner: Peer,
        /// Each key once at most, unless the owner restarted: then what vanished comes first.
        changes: Vec<LogChange>,
    },
    /// A member has the own log up to `seq`.
    Acked {
        /// Who.
        by: Peer,
        /// Up to which write.
        seq: u64,
    },
}

/// The caller's buffer; a machine only appends to it.
pub type LogOutputs = Vec<LogOutput>;

/// What peers did wrong, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Updates that contradict themselves.
    pub malformed: u32,
    /// Updates beyond what one owner may have.
    pub too_large: u32,
    /// Messages from those who are no members.
    pub strangers: u32,
}

/// The logs of one group at one node.
#[derive(Debug)]
pub struct Logs {
    timing: Arc<Timing>,
    boot: Boot,
    own: Option<Box<Sender>>,
    /// Ordered by owner.
    peers: Vec<PeerLog>,
    repair: Option<Box<Repair>>,
    era: Era,
    hash: u32,
}

/// What is only there once any log has an entry.
#[derive(Debug, Default)]
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
        match self.search(peer) {
            Ok(index) if self.peers[index].epoch() >= (boot, era) => return,
            Ok(index) => self.change(index, cx, out, |log, changes| {
                log.on_epoch(boot, era, changes);
            }),
            Err(index) => self.peers.insert(index, PeerLog::new(peer, boot, era)),
        }
        self.on_receiver(peer, cx.now);
    }

    /// A member is gone, and its log with it.
    pub fn handle_member_removed(&mut self, peer: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
        if let Ok(index) = self.search(peer) {
            self.change(index, cx, out, PeerLog::clear);
            self.peers.remove(index);
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
        let Ok(index) = self.search(peer) else { return };
        let log = &mut self.peers[index];
        log.on_head(head);
        if log.applied() < log.head() {
            self.pull(index, cx, out);
        } else if head > 0 {
            self.ack(index, cx, out);
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
        let Ok(index) = self.search(from) else {
            self.repair().counts.strangers += 1;
            return Ok(());
        };
        let timing = Arc::clone(&self.timing);
        let epoch = self.peers[index].epoch();
        let applied = self.change(index, cx, out, |log, changes| {
            log.apply(update, &timing.log, changes)
        });
        if epoch != self.peers[index].epoch() {
            self.on_receiver(from, cx.now);
        }
        let applied = applied.inspect_err(|error| self.count(*error))?;
        self.on_applied(index, applied, update.snapshot, cx, out);
        Ok(())
    }

    /// A member has the own log up to a mark. What waited for that leaves.
    pub fn handle_ack(
        &mut self,
        from: Peer,
        mark: &LogMark,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        if self.on_ack(from, mark, cx, out)
            && let Some(sender) = &mut self.own
        {
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
        self.on_ack(from, &pull.mark, cx, out);
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
        let is_member = self.search(from).is_ok();
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
        if self.search(from).is_err() {
            self.repair().counts.strangers += 1;
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
            let Ok(index) = self.search(peer) else {
                continue;
            };
            let log = &self.peers[index];
            if log.applied() < log.head() {
                self.pull(index, cx, out);
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

    /// The replica of a member's log.
    pub fn peer(&self, owner: Peer) -> Option<&PeerLog> {
        self.search(owner).ok().map(|index| &self.peers[index])
    }

    /// Whether everything is here that the member said it has written.
    pub fn is_caught_up(&self, owner: Peer) -> bool {
        self.peer(owner)
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

    /// Whether the mark is news.
    fn on_ack(
        &mut self,
        from: Peer,
        mark: &LogMark,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) -> bool {
        let is_ours = mark.owner == cx.me && (mark.boot, mark.era) == (self.boot, self.era);
        let Some(sender) = self.own.as_mut().filter(|_| is_ours) else {
            return false;
        };
        let is_news = sender.on_ack(from, mark.seq, cx.now, &self.timing.log);
        if is_news {
            let (by, seq) = (from, mark.seq);
            out.push(LogOutput::Acked { by, seq });
        }
        is_news
    }

    /// A member began afresh, so nothing is known of what it has.
    fn on_receiver(&mut self, peer: Peer, now: Time) {
        let due = now.after(self.timing.log.wait(0));
        if let Some(sender) = &mut self.own {
            sender.add(peer, due);
        }
    }

    fn on_applied(
        &mut self,
        index: usize,
        applied: Applied,
        is_page: bool,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        let peer = self.peers[index].owner();
        match applied {
            Applied::Ignored => {}
            Applied::Gap => {
                if !self.is_asked(peer, cx.now) {
                    self.pull(index, cx, out);
                }
            }
            Applied::Page => {
                self.repair().pulls.remove(&peer);
                self.pull(index, cx, out);
            }
            Applied::Known | Applied::Advanced => {
                self.ack(index, cx, out);
                self.on_progress(index, is_page, cx, out);
            }
        }
    }

    /// After an acknowledgement: done, or the owner's next message is awaited, or (after a
    /// snapshot) asked for.
    fn on_progress(&mut self, index: usize, is_page: bool, cx: &Context<'_>, out: &mut LogOutputs) {
        let log = &self.peers[index];
        let (peer, is_current) = (log.owner(), log.applied() >= log.head());
        let due = cx.now.after(self.timing.log.wait(0));
        let pulls = &mut self.repair().pulls;
        if is_current {
            pulls.remove(&peer);
        } else if is_page {
            pulls.remove(&peer);
            self.pull(index, cx, out);
        } else {
            pulls.insert(peer, Asked { due, tries: 0 });
        }
    }

    /// One mark of a member's digest; whether the member is behind us in that log.
    fn on_mark(
        &mut self,
        from: Peer,
        mark: &LogMark,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) -> bool {
        if mark.owner == cx.me {
            self.on_ack(from, mark, cx, out);
            if let Some(sender) = &mut self.own {
                sender.on_contact(from, cx.now);
            }
            return false;
        }
        let owner = cx.peers.find(&mark.owner);
        let Some(index) = owner.and_then(|owner| self.search(owner).ok()) else {
            return false;
        };
        let ours = self.peers[index].mark(mark.owner);
        let asked = self.is_asked(self.peers[index].owner(), cx.now);
        if *mark > ours && !asked {
            self.pull(index, cx, out);
        }
        *mark < ours
    }

    fn send_digest(&self, to: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
        let own = self.own_mark(cx.me);
        let peers = self.peers.iter().filter(|log| log.applied() > 0);
        let peers = peers.map(|log| log.mark(cx.peers.id(log.owner())));
        let marks: Vec<LogMark> = peers.chain((own.seq > 0).then_some(own)).collect();
        // Also when there is none: it says that everything is missing.
        let chunks = marks.chunks(DIGEST_MARKS_MAX);
        let chunks = chunks.chain(marks.is_empty().then_some(&[][..]));
        out.extend(chunks.map(|marks| LogOutput::Send {
            to,
            body: GroupBody::LogDigest(Arc::new(List::truncated(marks.iter().copied()))),
        }));
    }

    /// Asks the owner, and remembers to ask again.
    fn pull(&mut self, index: usize, cx: &Context<'_>, out: &mut LogOutputs) {
        let timing = Arc::clone(&self.timing);
        let log = &self.peers[index];
        let to = log.owner();
        let body = GroupBody::LogPull(log.pull(cx.peers.id(to)));
        let asked = self.repair().pulls.entry(to).or_insert(Asked {
            due: cx.now,
            tries: 0,
        });
        asked.due = cx.now.after(timing.log.wait(asked.tries));
        asked.tries = asked.tries.saturating_add(1);
        out.push(LogOutput::Send { to, body });
    }

    fn ack(&self, index: usize, cx: &Context<'_>, out: &mut LogOutputs) {
        let log = &self.peers[index];
        let to = log.owner();
        let body = GroupBody::LogAck(log.mark(cx.peers.id(to)));
        out.push(LogOutput::Send { to, body });
    }

    /// Changes one replica and keeps the hash and the watchers up to date.
    fn change<T>(
        &mut self,
        index: usize,
        cx: &Context<'_>,
        out: &mut LogOutputs,
        action: impl FnOnce(&mut PeerLog, &mut Vec<LogChange>) -> T,
    ) -> T {
        let log = &mut self.peers[index];
        let owner = log.owner();
        let id = cx.peers.id(owner);
        let before = log.mark(id);
        let mut changes = Vec::new();
        let result = action(log, &mut changes);
        let after = log.mark(id);
        self.on_marks(before, after, cx.now);
        if !changes.is_empty() {
            out.push(LogOutput::Changed { owner, changes });
        }
        result
    }

    fn on_marks(&mut self, before: LogMark, after: LogMark, now: Time) {
        let hash = self
            .hash
            .wrapping_sub(contribution(&before))
            .wrapping_add(contribution(&after));
        if hash != self.hash {
            let old = std::mem::replace(&mut self.hash, hash);
            self.repair().differences.on_change(old, now);
        }
    }

    fn own_mark(&self, me: NodeId) -> LogMark {
        LogMark {
            owner: me,
            boot: self.boot,
            era: self.era,
            seq: self.head(),
        }
    }

    /// Logs with an entry, the own one included.
    fn logs_len(&self) -> usize {
        let peers = self.peers.iter().filter(|log| log.applied() > 0).count();
        peers + usize::from(self.head() > 0)
    }

    fn is_asked(&self, peer: Peer, now: Time) -> bool {
        let asked = self
            .repair
            .as_ref()
            .and_then(|repair| repair.pulls.get(&peer));
        asked.is_some_and(|asked| now < asked.due)
    }

    fn due_pulls(&self, now: Time) -> Vec<Peer> {
        let pulls = self.repair.iter().flat_map(|repair| &repair.pulls);
        let due = pulls.filter(|(_, asked)| asked.due <= now);
        due.map(|(&peer, _)| peer).collect()
    }

    fn count(&mut self, error: UpdateError) {
        let counts = &mut self.repair().counts;
        let count = match error {
            UpdateError::Malformed => &mut counts.malformed,
            UpdateError::TooLarge => &mut counts.too_large,
        };
        *count = count.saturating_add(1);
    }

    fn sender(&mut self, now: Time) -> &mut Sender {
        let (boot, era, peers) = (self.boot, self.era, &self.peers);
        self.own.get_or_insert_with(|| {
            let receivers = peers.iter().map(PeerLog::owner);
            Box::new(Sender::new(OwnLog::new(boot, era), receivers, now))
        })
    }

    fn repair(&mut self) -> &mut Repair {
        self.repair.get_or_insert_default()
    }

    fn search(&self, owner: Peer) -> Result<usize, usize> {
        self.peers.binary_search_by_key(&owner, PeerLog::owner)
    }
}

#[cfg(test)]
mod tests;
