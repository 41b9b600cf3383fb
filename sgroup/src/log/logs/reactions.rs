//! What [`Logs`] does in answer to its inputs: asks, acknowledges, tells, and keeps its hash.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::footprint::reserve_tight;
use archipelago_core::wire::{GroupBody, List, LogAck, LogMark};
use archipelago_core::{Context, NodeId, Peer, Time};

use super::{Asked, LogOutput, LogOutputs, Logs, Repair};
use crate::log::acks::Sender;
use crate::log::digest::{DIGEST_MARKS_MAX, contribution};
use crate::log::{Applied, LogChange, OwnLog, PeerLog, UpdateError};

/// A member to whom there is a session is given so many round trips to ask for a log, and no less
/// than this.
const ROUNDS: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_millis(100);

impl Logs {
    /// Whether the mark is news.
    pub(super) fn on_ack(&mut self, from: Peer, mark: &LogMark, cx: &Context<'_>) -> bool {
        let is_ours = mark.owner == cx.me && (mark.boot, mark.era) == (self.boot, self.era);
        let Some(sender) = self.own.as_mut().filter(|_| is_ours) else {
            return false;
        };
        sender.on_ack(from, mark.seq, cx.now, &self.timing.log)
    }

    /// A member began afresh, so nothing is known of what it has. It asks for what it misses, but
    /// not if it heard how far this log goes before it knew this node for alive, as after a split.
    pub(super) fn on_receiver(&mut self, peer: Peer, cx: &Context<'_>) {
        let patience = cx.peers.get(peer).filter(|state| state.session.is_some());
        let patience = patience.map(|state| Duration::from_micros(state.srtt_us.into()) * ROUNDS);
        let longest = self.timing.log.wait(0);
        let due = patience.map_or(longest, |wait| wait.max(PATIENCE_MIN).min(longest));
        let due = cx.now.after(due);
        if let Some(sender) = &mut self.own {
            sender.add(peer, due);
        }
    }

    pub(super) fn on_applied(
        &mut self,
        peer: Peer,
        applied: Applied,
        is_page: bool,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        match applied {
            Applied::Ignored => {}
            Applied::Gap => {
                if !self.is_asked(peer, cx.now) {
                    self.pull(peer, cx, out);
                }
            }
            Applied::Page => {
                self.repair().pulls.remove(&peer);
                self.pull(peer, cx, out);
            }
            Applied::Known | Applied::Advanced => {
                self.ack(peer, cx, out);
                self.on_progress(peer, is_page, cx, out);
            }
        }
    }

    /// After an acknowledgement: done, or the owner's next message is awaited, or (after a
    /// snapshot) asked for.
    pub(super) fn on_progress(
        &mut self,
        peer: Peer,
        is_page: bool,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) {
        let is_current = self.is_caught_up(peer);
        let due = cx.now.after(self.timing.log.wait(0));
        let pulls = &mut self.repair().pulls;
        if is_current {
            pulls.remove(&peer);
        } else if is_page {
            pulls.remove(&peer);
            self.pull(peer, cx, out);
        } else {
            pulls.insert(peer, Asked { due, tries: 0 });
        }
    }

    /// One mark of a member's digest; whether the member is behind us in that log.
    pub(super) fn on_mark(
        &mut self,
        from: Peer,
        mark: &LogMark,
        cx: &Context<'_>,
        out: &mut LogOutputs,
    ) -> bool {
        if mark.owner == cx.me {
            if mark.seq < self.head() {
                self.on_ack(from, mark, cx);
            }
            if let Some(sender) = &mut self.own {
                sender.on_contact(from, cx.now);
            }
            return false;
        }
        let Some(owner) = cx.peers.find(&mark.owner) else {
            return false;
        };
        let Some(ours) = self.log(owner).map(|log| log.mark(mark.owner)) else {
            return false;
        };
        if *mark > ours && !self.is_asked(owner, cx.now) {
            self.pull(owner, cx, out);
        }
        *mark < ours
    }

    pub(super) fn send_digest(&self, to: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
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
    pub(super) fn pull(&mut self, to: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
        let Some(pull) = self.log(to).map(|log| log.pull(cx.peers.id(to))) else {
            return;
        };
        let timing = Arc::clone(&self.timing);
        let body = GroupBody::LogPull(Box::new(pull));
        let asked = self.repair().pulls.entry(to).or_insert(Asked {
            due: cx.now,
            tries: 0,
        });
        asked.due = cx.now.after(timing.log.wait(asked.tries));
        asked.tries = asked.tries.saturating_add(1);
        out.push(LogOutput::Send { to, body });
    }

    pub(super) fn ack(&self, to: Peer, cx: &Context<'_>, out: &mut LogOutputs) {
        let Some(mark) = self.log(to).map(|log| log.mark(cx.peers.id(to))) else {
            return;
        };
        let head = self.head();
        let body = GroupBody::LogAck(Box::new(LogAck { mark, head }));
        out.push(LogOutput::Send { to, body });
    }

    /// Changes a member's replica and keeps the hash and the watchers up to date.
    pub(super) fn change<T>(
        &mut self,
        owner: Peer,
        cx: &Context<'_>,
        out: &mut LogOutputs,
        action: impl FnOnce(&mut PeerLog, &mut Vec<LogChange>) -> T,
    ) -> T {
        let id = cx.peers.id(owner);
        let index = self.replica(owner);
        let log = &mut self.peers[index];
        let before = log.mark(id);
        let mut changes = Vec::new();
        let result = action(log, &mut changes);
        let after = log.mark(id);
        if log.is_silent() {
            let log = self.peers.remove(index);
            self.silent.insert(owner, log.epoch());
        }
        self.on_marks(before, after, cx.now);
        if !changes.is_empty() {
            out.push(LogOutput::Changed { owner, changes });
        }
        result
    }

    pub(super) fn on_marks(&mut self, before: LogMark, after: LogMark, now: Time) {
        let hash = self
            .hash
            .wrapping_sub(contribution(&before))
            .wrapping_add(contribution(&after));
        if hash != self.hash {
            let old = std::mem::replace(&mut self.hash, hash);
            self.repair().differences.on_change(old, now);
        }
    }

    pub(super) fn own_mark(&self, me: NodeId) -> LogMark {
        LogMark {
            owner: me,
            boot: self.boot,
            era: self.era,
            seq: self.head(),
        }
    }

    /// Logs with an entry, the own one included.
    pub(super) fn logs_len(&self) -> usize {
        let peers = self.peers.iter().filter(|log| log.applied() > 0).count();
        peers + usize::from(self.head() > 0)
    }

    pub(super) fn is_asked(&self, peer: Peer, now: Time) -> bool {
        let asked = self
            .repair
            .as_ref()
            .and_then(|repair| repair.pulls.get(&peer));
        asked.is_some_and(|asked| now < asked.due)
    }

    pub(super) fn due_pulls(&self, now: Time) -> Vec<Peer> {
        let pulls = self.repair.iter().flat_map(|repair| &repair.pulls);
        let due = pulls.filter(|(_, asked)| asked.due <= now);
        due.map(|(&peer, _)| peer).collect()
    }

    pub(super) fn count_stranger(&mut self) {
        let strangers = &mut self.repair().counts.strangers;
        *strangers = strangers.saturating_add(1);
    }

    /// So many entries could not be read by whoever they are for.
    pub(crate) fn count_unread(&mut self, entries: u32) {
        if entries > 0 {
            let unread = &mut self.repair().counts.unread;
            *unread = unread.saturating_add(entries);
        }
    }

    pub(super) fn count(&mut self, error: UpdateError) {
        let counts = &mut self.repair().counts;
        let count = match error {
            UpdateError::Malformed => &mut counts.malformed,
            UpdateError::TooLarge => &mut counts.too_large,
        };
        *count = count.saturating_add(1);
    }

    pub(super) fn sender(&mut self, now: Time) -> &mut Sender {
        let (boot, era, peers, silent) = (self.boot, self.era, &self.peers, &self.silent);
        self.own.get_or_insert_with(|| {
            let written = peers.iter().map(PeerLog::owner);
            let receivers = written.chain(silent.iter().map(|(peer, _)| peer));
            Box::new(Sender::new(OwnLog::new(boot, era), receivers, now))
        })
    }

    pub(super) fn repair(&mut self) -> &mut Repair {
        self.repair.get_or_insert_default()
    }

    /// The replica of a member's log, empty where the member has written nothing.
    pub(super) fn log(&self, owner: Peer) -> Option<Cow<'_, PeerLog>> {
        if let Some(written) = self.peer(owner) {
            return Some(Cow::Borrowed(written));
        }
        let (boot, era) = self.silent.get(owner)?;
        Some(Cow::Owned(PeerLog::new(owner, boot, era)))
    }

    /// Where the member's replica lies, which is made if it has written nothing so far.
    fn replica(&mut self, owner: Peer) -> usize {
        self.search(owner).unwrap_or_else(|index| {
            let (boot, era) = self.silent.remove(owner).unwrap_or_default();
            reserve_tight(&mut self.peers);
            self.peers.insert(index, PeerLog::new(owner, boot, era));
            index
        })
    }

    pub(super) fn search(&self, owner: Peer) -> Result<usize, usize> {
        self.peers.binary_search_by_key(&owner, PeerLog::owner)
    }
}
