//! The right to change the cluster of a folder: one process has it at a time.
//!
//! A lock on a file of the folder, which the operating system takes back when its holder ends,
//! however it ends. Who holds it is told by the state; nodes do not inherit it.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::UpError;
use super::state::Folder;

const LOOK_PERIOD: Duration = Duration::from_millis(20);
/// How long it may take who has the right to say so, or to give it back.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The right, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    _locked: File,
}

impl Hold {
    /// Takes the right.
    ///
    /// # Errors
    /// [`UpError::Running`] where a master has it, [`UpError::Busy`] where somebody else keeps it,
    /// [`UpError::File`] where the folder cannot be written or locked.
    pub(super) async fn take(folder: &Folder) -> Result<Self, UpError> {
        let path = folder.file("cluster", "lock");
        let failed = |error| UpError::file(&path, error);
        let file = File::create(&path).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _locked: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
            if let Some(master) = folder.load()?.other_master() {
                return Err(UpError::Running(master.pid));
            }
            if begun.elapsed() >= WAIT_MAX {
                return Err(UpError::Busy);
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }
}
