//! Small files that are written as a whole or not at all, for their owner only.
//!
//! A key file is one line: `archipelago-key-1`, a space, and the 32 bytes of the seed in hex.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{IdentityError, random_seed};

const KEY_HEADER: &str = "archipelago-key-1 ";

/// Longest key or boot file that is read; ours are below 100 bytes.
const LEN_MAX: u64 = 1_024;

/// The key in the file at `path`; `None` when there is no file.
pub(super) fn read_key(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, IdentityError> {
    let Some(text) = open(path, LEN_MAX, check_permissions)? else {
        return Ok(None);
    };
    match parse_key(&text) {
        Some(seed) => Ok(Some(seed)),
        None => Err(IdentityError::MalformedKey {
            path: path.to_owned(),
        }),
    }
}

/// Makes the file with `seed` and returns it, or the key of whoever made the file first.
pub(super) fn create_key(
    path: &Path,
    seed: Zeroizing<[u8; 32]>,
) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let temporary = write_temporary(path, &format_key(&seed))?;
    // A link, unlike a rename, never replaces what is there.
    let linked = std::fs::hard_link(&temporary, path).and_then(|()| sync_directory(path));
    // The file is complete under its own name; what is left behind if this fails is harmless.
    let _ = std::fs::remove_file(&temporary);
    match linked {
        Ok(()) => Ok(seed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match read_key(path)? {
            Some(seed) => Ok(seed),
            None => Err(write_error(path, error)),
        },
        Err(error) => Err(write_error(path, error)),
    }
}

/// What the file at `path` holds; `None` when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    open(path, LEN_MAX, |_, _| Ok(()))
}

/// The same of a longer file that nobody but its owner may read; of `len_max` bytes at most.
pub(crate) fn read_private(
    path: &Path,
    len_max: u64,
) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    open(path, len_max, check_permissions)
}

/// Puts `bytes` in place of what the file at `path` holds.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let temporary = write_temporary(path, bytes)?;
    std::fs::rename(&temporary, path)
        .and_then(|()| sync_directory(path))
        .map_err(|error| {
            let _ = std::fs::remove_file(&temporary);
            write_error(path, error)
        })
}

fn open(
    path: &Path,
    len_max: u64,
    check: fn(&Path, &File) -> Result<(), IdentityError>,
) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    let read_error = |source| IdentityError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(error)),
    };
    check(path, &file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    file.take(len_max)
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    Ok(Some(bytes))
}

/// A new file beside `path`, complete and on disk.
fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, IdentityError> {
    let random = random_seed()?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".{:02x}{:02x}{:02x}{:02x}.new",
        random[0], random[1], random[2], random[3]
    ));
    let temporary = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_owner_only(&mut options);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            Err(write_error(path, error))
        }
    }
}

fn parse_key(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let hex = text.trim_ascii_end().strip_prefix(KEY_HEADER.as_bytes())?;
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut seed = Zeroizing::new([0; 32]);
    for (byte, [high, low]) in seed.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(seed)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

fn format_key(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    // With room for all of it: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(128));
    text.extend_from_slice(KEY_HEADER.as_bytes());
    for byte in seed {
        for half in [byte >> 4, byte & 15] {
            text.push(if half < 10 {
                b'0' + half
            } else {
                b'a' + half - 10
            });
        }
    }
    text.push(b'\n');
    text
}

fn write_error(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Write {
        path: path.to_owned(),
        source,
    }
}

/// A file's name is on disk when its directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn for_owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn for_owner_only(_options: &mut OpenOptions) {}

/// Of the open file, not of its path, which may lead elsewhere by the time it is read.
#[cfg(unix)]
fn check_permissions(path: &Path, file: &File) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| IdentityError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(IdentityError::TooOpen {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn check_permissions(_path: &Path, _file: &File) -> Result<(), IdentityError> {
    Ok(())
}
