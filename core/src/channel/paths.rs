//! Which paths are attached, and which of them carries what we send.
//!
//! Relay and detour may be used as soon as they are attached; a direct path only when something of
//! the peer came by it. The best usable one is active; of two direct ones, the newest.
//! Cost: 24 bytes and 16 for each path, of which there are one to four.

use super::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Attached {
    path: Path,
    /// Something of the peer came by it, or that is not needed.
    is_usable: bool,
    /// Our `Resume` has not left by it yet.
    is_resume_due: bool,
}

/// The attached paths, in the order of attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Paths {
    attached: Vec<Attached>,
}

impl Paths {
    pub(super) fn attach(&mut self, path: Path) {
        if self.attached.iter().any(|known| known.path == path) {
            return;
        }
        let is_direct = matches!(path, Path::Direct(_));
        self.attached.reserve_exact(1);
        self.attached.push(Attached {
            path,
            is_usable: !is_direct,
            is_resume_due: is_direct,
        });
    }

    pub(super) fn detach(&mut self, path: Path) {
        self.attached.retain(|known| known.path != path);
        self.attached.shrink_to_fit();
    }

    /// The peer started anew: what was agreed on direct paths was agreed with another process.
    pub(super) fn on_peer_restart(&mut self) {
        for known in &mut self.attached {
            known.is_usable = !matches!(known.path, Path::Direct(_));
        }
    }

    /// Something of the peer came by `path`; whether that makes the path usable.
    pub(super) fn on_heard(&mut self, path: Path) -> bool {
        let known = self.attached.iter_mut().find(|known| known.path == path);
        known.is_some_and(|known| !std::mem::replace(&mut known.is_usable, true))
    }

    /// What carries data, acknowledgements and all else but `Resume`.
    pub(super) fn active(&self) -> Option<Path> {
        let usable = self.attached.iter().filter(|known| known.is_usable);
        // Of equals `max_by_key` takes the last, which is the newest.
        usable
            .max_by_key(|known| rank(known.path))
            .map(|known| known.path)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// A direct path lost something: another `Resume` asks for it.
    pub(super) fn resume_again(&mut self, path: Path) {
        let known = self.attached.iter_mut().find(|known| known.path == path);
        if let Some(known) = known.filter(|known| matches!(known.path, Path::Direct(_))) {
            known.is_resume_due = true;
        }
    }

    /// A path that waits for our `Resume`.
    pub(super) fn resume_due(&self) -> Option<Path> {
        let mut due = self.attached.iter().filter(|known| known.is_resume_due);
        due.next().map(|known| known.path)
    }

    /// Whether our `Resume` is due on `path`; it is no longer afterwards.
    pub(super) fn take_resume(&mut self, path: Path) -> bool {
        let known = self.attached.iter_mut().find(|known| known.path == path);
        known.is_some_and(|known| std::mem::take(&mut known.is_resume_due))
    }
}

const fn rank(path: Path) -> u8 {
    match path {
        Path::Relay => 0,
        Path::Detour => 1,
        Path::Direct(_) => 2,
    }
}
