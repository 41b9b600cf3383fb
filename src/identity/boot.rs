//! The number of a start: `max(last one + 1, clock in µs)`, written down before it is used.
//!
//! So it rises whether the clock goes back or the file is lost; only both together can repeat one,
//! and then the first `Welcome` of a group that remembers raises it.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use archipelago_core::Boot;

use super::{IdentityError, file};

/// Where the last boot number of the key at `path` is kept.
pub(super) fn path_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".boot");
    name.into()
}

/// The boot of a node that has no file: microseconds since 1970, or 1 before that.
pub(super) fn from_clock() -> Boot {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Boot(u64::try_from(since_1970.as_micros()).unwrap_or(1).max(1))
}

/// The next boot after the one in the file, which then holds it.
///
/// # Errors
/// [`IdentityError`] when the file cannot be read, understood, or written.
pub(super) fn next(path: &Path, clock: Boot) -> Result<Boot, IdentityError> {
    let boot = match read(path)? {
        Some(last) => next_after(last, clock).ok_or_else(|| malformed(path))?,
        None => clock,
    };
    write(path, boot)?;
    Ok(boot)
}

/// Replaces the number in the file, as a whole or not at all.
pub(super) fn write(path: &Path, boot: Boot) -> Result<(), IdentityError> {
    file::replace(path, format!("{}\n", boot.0).as_bytes())
}

/// `None` after the last number there is.
fn next_after(last: Boot, clock: Boot) -> Option<Boot> {
    Some(Boot(last.0.checked_add(1)?).max(clock))
}

fn read(path: &Path) -> Result<Option<Boot>, IdentityError> {
    let Some(text) = file::read(path)? else {
        return Ok(None);
    };
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().parse().ok());
    number
        .map(|number| Some(Boot(number)))
        .ok_or_else(|| malformed(path))
}

fn malformed(path: &Path) -> IdentityError {
    IdentityError::MalformedBoot {
        path: path.to_owned(),
    }
}
