//! The writer's end of one stream: what was written, may be sent, and was.

use super::word::Abort;
use crate::Time;

/// The writer's end of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outbound {
    /// Bytes from the beginning: what the writer has given, what may be sent, and what was.
    pub(super) written: u64,
    pub(super) granted: u64,
    pub(super) sent: u64,
    pub(super) finish: Finish,
    /// The writer gave up before the reader's end was heard of: it is told why when it is.
    pub(super) aborted: Option<Abort>,
    pub(super) moved_at: Time,
}

/// How far the end of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// More may be written.
    No,
    /// All is written.
    Written,
    /// The reader's end was told the length.
    Said,
}

impl Outbound {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            written: 0,
            granted: 0,
            sent: 0,
            finish: Finish::No,
            aborted: None,
            moved_at: now,
        }
    }

    /// Whether the reader's end was heard of.
    pub(super) const fn is_taken(&self) -> bool {
        self.granted > 0
    }

    /// Bytes that may be sent now.
    pub(super) fn sendable(&self) -> u64 {
        if self.aborted.is_some() {
            return 0;
        }
        self.written.min(self.granted).saturating_sub(self.sent)
    }

    /// Whether all was sent, and the reader's end is to be told the length now; once.
    pub(super) fn take_finish(&mut self) -> bool {
        let is_due = self.finish == Finish::Written && self.is_taken() && self.sent == self.written;
        if is_due {
            self.finish = Finish::Said;
        }
        is_due
    }
}
