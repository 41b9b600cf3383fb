//! The reader's end of one stream: what came, was read, and may come.

use super::config::StreamsConfig;
use crate::Time;

/// The reader's end of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inbound {
    /// Bytes from the beginning: what may come, what came, and what was read.
    pub(super) granted: u64,
    pub(super) received: u64,
    pub(super) read: u64,
    /// Of the whole stream, once that is known.
    len: Option<u64>,
    /// What was read when the writer's end was last told.
    told: u64,
    told_at: Time,
    pub(super) moved_at: Time,
}

/// The peer sends what it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Inbound {
    pub(super) fn new(config: &StreamsConfig, now: Time) -> Self {
        Self {
            granted: config.window(),
            received: 0,
            read: 0,
            len: None,
            told: 0,
            told_at: now,
            moved_at: now,
        }
    }

    /// A piece of so many bytes came.
    pub(super) fn receive(&mut self, len: u64) -> Result<(), Broken> {
        let received = self.received.saturating_add(len);
        if received > self.granted || self.len.is_some_and(|all| received > all) {
            return Err(Broken);
        }
        self.received = received;
        Ok(())
    }

    /// The whole stream has so many bytes.
    pub(super) fn end_at(&mut self, len: u64) -> Result<(), Broken> {
        if len < self.received || self.len.is_some_and(|known| known != len) {
            return Err(Broken);
        }
        self.len = Some(len);
        Ok(())
    }

    /// Whether all of it came.
    pub(super) fn is_whole(&self) -> bool {
        self.len == Some(self.received)
    }

    /// Whether all of it was read.
    pub(super) fn is_read(&self) -> bool {
        self.len == Some(self.read)
    }

    /// Half of the window was read, or some of it long ago: what may come now, if that is to be
    /// told.
    pub(super) fn take_grant(&mut self, config: &StreamsConfig, now: Time) -> Option<u64> {
        let news = self.read.saturating_sub(self.told);
        let is_late = self.grant_at(config).is_some_and(|at| at <= now);
        if !is_late && news.saturating_mul(2) < config.window() {
            return None;
        }
        self.told = self.read;
        self.told_at = now;
        self.granted = self.granted.max(self.read.saturating_add(config.window()));
        Some(self.granted)
    }

    /// When what was read is told at the latest, if anything was.
    pub(super) fn grant_at(&self, config: &StreamsConfig) -> Option<Time> {
        (self.read > self.told).then(|| self.told_at.after(config.grant_delay()))
    }
}
