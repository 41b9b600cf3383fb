//! Time-outs, and when the task ends.

use std::task::{Context, Poll};
use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::channel::Channel;
use futures::Future;

use super::{Seeking, Task};
use crate::peer::registry::{Resting, RestingPath};

impl Task {
    /// What has come due; whether the channel may have something to send since.
    pub(super) fn on_timeout(&mut self, now: Time) -> bool {
        let is_due = self.channel.poll_timeout().is_some_and(|(at, _)| at <= now);
        if is_due {
            let config = &self.shared.channel_config;
            self.channel.handle_timeout(config, now, &mut self.outputs);
            self.on_outputs();
        }
        self.on_streams_timeout(now);
        self.expire_ahead(now);
        if let Seeking::Pausing { at, .. } = self.seeking
            && at <= now
        {
            self.seek(now);
        }
        let is_at_rest = self.channel.is_at_rest();
        let linger = self.linger();
        for writer in &mut self.writers {
            if is_at_rest && now.since(writer.used_at) >= linger {
                writer.close();
            }
        }
        is_due
    }

    /// How long streams and the task outlive their use.
    fn linger(&self) -> Duration {
        self.shared.limits.data_linger
    }

    /// Nothing is under way or expected: gives up the task's place, if nobody wants it.
    pub(super) fn is_done(&mut self, now: Time) -> bool {
        let is_idle = self.channel.is_at_rest()
            && self.is_fed()
            && self.inboxes.is_empty()
            && self.streams.is_empty()
            && self.readers.is_empty()
            && self.writers.is_empty()
            && self.opening.is_none()
            && !matches!(self.seeking, Seeking::Asked { .. })
            && now.since(self.used_at) >= self.linger();
        is_idle && self.give_up_place(now)
    }

    /// Leaves what is kept of the peer to the registry, unless something waits for this task.
    pub(super) fn give_up_place(&mut self, now: Time) -> bool {
        let handle = self.handle.clone();
        let shared = self.shared.clone();
        shared.peers.rest(&handle, || self.resting(now))
    }

    pub(super) fn resting(&mut self, now: Time) -> Resting {
        let paths = self.paths.drain(..);
        let paths = paths.map(|path| RestingPath {
            path,
            is_told: true,
        });
        let boot = self.boot;
        let channel = std::mem::replace(&mut self.channel, Channel::new(boot));
        Resting::new(boot, paths.collect(), Some(channel), now)
    }

    /// When to look again, even if nothing comes in.
    pub(super) fn deadline(&self, now: Time) -> Time {
        let channel = self
            .channel
            .poll_timeout()
            .map_or(Time::NEVER, |(at, _)| at);
        let retry = match self.seeking {
            Seeking::Pausing { at, .. } => at,
            Seeking::No | Seeking::Asked { .. } => Time::NEVER,
        };
        let linger = if self.channel.is_at_rest() {
            let used = self.writers.iter().map(|writer| writer.used_at);
            let first = used.chain([self.used_at]).min().unwrap_or(now);
            // What should have ended by now waits for something else, which wakes the task.
            Some(first.after(self.linger())).filter(|at| *at > now)
        } else {
            None
        };
        let streams = self.streams.deadline(&self.shared.streams_config);
        let linger = linger.unwrap_or(Time::NEVER);
        let ahead = self.ahead.deadline();
        channel.min(retry).min(linger).min(streams).min(ahead)
    }

    /// Sets the timer; ready when it has run out already. One that fires early is left as it is:
    /// deadlines move with every message, and the timer wheel is shared.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>, now: Time) -> Poll<()> {
        let deadline = self.deadline(now);
        if deadline == Time::NEVER {
            self.timer = None;
            self.timer_at = deadline;
            return Poll::Pending;
        }
        if self.timer.is_none() || deadline < self.timer_at || self.timer_at <= now {
            let instant = self.shared.clock.instant(deadline);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(instant),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(instant))),
            }
            self.timer_at = deadline;
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
