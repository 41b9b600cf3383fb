//! The paths of a peer: which there are, and what happens while there is none.

use std::time::Duration;

use archipelago_core::channel::{Path, PathEvent};
use archipelago_core::{Boot, Time};
use archipelago_router::{Command, Unreachable};

use super::{Seeking, Task};
use crate::SendError;
use crate::actor::Request;
use crate::peer::handle::Reach;

/// Pause before a way is looked for again, while accepted messages wait for one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How long accepted messages wait for a way before they are given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

impl Task {
    pub(super) fn on_attach(&mut self, path: Path, boot: Boot, now: Time) {
        self.boot = self.boot.max(boot);
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        self.seeking = Seeking::No;
        self.handle.set_reach(Reach::Attached(self.boot));
        self.on_path(PathEvent::Attached(path), boot, now);
    }

    pub(super) fn on_detach(&mut self, path: Path, now: Time) {
        self.paths.retain(|known| *known != path);
        if let Path::Direct(session) = path {
            self.writers.retain(|writer| writer.session != session);
            self.readers.retain(|reader| reader.session != session);
            if self.opening == Some(session) {
                self.opening = None;
            }
        }
        self.on_path(PathEvent::Detached(path), self.boot, now);
        if self.paths.is_empty() {
            self.handle.set_reach(Reach::Seeking);
        }
    }

    /// The last path is gone, and no other is looked for yet: who has nothing to say comes to rest
    /// instead, or an idle session would be opened again by its own close. Whether it did.
    pub(super) fn on_pathless(&mut self, now: Time) -> bool {
        if !self.paths.is_empty() || self.seeking != Seeking::No {
            return false;
        }
        let is_silent = self.channel.is_at_rest() && self.is_fed() && self.inboxes.is_empty();
        let is_silent = is_silent && self.streams.is_empty();
        if is_silent && self.give_up_place(now) {
            return true;
        }
        self.seek(now);
        false
    }

    pub(super) fn on_path(&mut self, event: PathEvent, boot: Boot, now: Time) {
        let config = &self.shared.channel_config;
        self.channel
            .handle_path(event, boot, config, now, &mut self.outputs);
        self.on_outputs();
    }

    /// Asks the node's machine for a way.
    pub(super) fn seek(&mut self, now: Time) {
        let since = match self.seeking {
            Seeking::No => now,
            Seeking::Asked { since } | Seeking::Pausing { since, .. } => since,
        };
        self.seeking = Seeking::Asked { since };
        self.requests.push_back(Request::Command {
            command: Command::Contact {
                peer: self.handle.id,
                home: self.handle.home(),
            },
            reply: None,
        });
    }

    /// No way was found: what was not accepted yet fails at once, what was accepted waits for a
    /// while.
    pub(super) fn on_unreachable(&mut self, reason: Unreachable, now: Time) {
        let Seeking::Asked { since } = self.seeking else {
            return;
        };
        self.handle.set_reach(Reach::Failed(reason));
        if self.channel.is_at_rest() && self.streams.is_empty() {
            let resting = self.resting(now);
            let handle = self.handle.clone();
            let reach = Reach::Failed(reason);
            let left = self.shared.peers.fail(&handle, reach, resting);
            self.lose_letters(Some(reason), left.has_letters);
            let error = SendError::Unreachable(reason);
            let taken = self.ahead.iter().chain(&self.short).chain(&self.long);
            for outgoing in taken.chain(&left.messages) {
                self.unsent(outgoing, &error);
            }
            self.is_over = true;
            return;
        }
        if now.since(since) >= GIVE_UP_AFTER {
            let lost = self.channel.abandon(&self.shared.channel_config, now);
            self.handle.clear_full();
            self.lose_letters(Some(reason), false);
            self.on_streams_unreachable(reason);
            self.on_lost(self.channel.peer_boot(), lost);
        }
        let at = now.after(RETRY_PAUSE);
        self.seeking = Seeking::Pausing { since, at };
    }
}
