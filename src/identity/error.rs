//! What can be wrong with an identity, and what to do about it.

use std::io;
use std::path::PathBuf;

/// There is no usable identity; nothing was changed on disk, or what was changed is said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Entropy(getrandom::Error),
    /// A file could not be read.
    #[error("{path}: cannot be read: {source}; check the path and who owns it", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot be written: {source}; the directory must exist and be writable", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read or change the key file.
    #[error("{path}: its mode is {mode:03o}, so others may use the key: run `chmod 600` on it, and make a new key if others may have read it", path = path.display())]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path}: holds no key of this program; restore it, or remove it to be another node", path = path.display())]
    MalformedKey {
        /// Which.
        path: PathBuf,
    },
    /// The file holds no boot number, or the last one there is.
    #[error("{path}: holds no usable boot number; remove it if the clock is right, a new one starts from the clock", path = path.display())]
    MalformedBoot {
        /// Which.
        path: PathBuf,
    },
}
