//! The new text on the disk, beside the file that it will replace.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// A file with these bytes, with the mode of another. It is gone when it is dropped.
pub(super) fn prepared(folder: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).rand_bytes(CHANCE).tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Some(like) = like {
        file.as_file().set_permissions(permissions(file.as_file(), like)?)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// Removes what runs that were killed have left in the folder of this file of ours.
pub(super) fn sweep(folder: &Path, own: &File) {
    let Ok((own, there)) = own.metadata().and_then(|own| Ok((own, fs::read_dir(folder)?))) else { return };
    let is_old = |left: &Metadata| {
        let age = own.modified().ok().zip(left.modified().ok()).and_then(|(own, left)| own.duration_since(left).ok());
        age.is_some_and(|age| age > LONGEST)
    };
    for left in there.take(MOST_FILES).flatten().filter(|left| is_ours(&left.file_name())) {
        // Of the entry itself, not of what it may link to.
        if left.metadata().is_ok_and(|left| left.is_file() && is_of_owner(&left, &own) && is_old(&left)) {
            // It is no worse to leave it.
            let _ = fs::remove_file(left.path());
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let chance = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    chance.is_some_and(|chance| chance.len() == CHANCE && chance.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(unix)]
fn is_of_owner(left: &Metadata, own: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    left.uid() == own.uid()
}

#[cfg(not(unix))]
fn is_of_owner(_left: &Metadata, _own: &Metadata) -> bool {
    true
}

/// The mode of the old file, for a new one of the same owner and group.
#[cfg(unix)]
fn permissions(new: &File, like: &Metadata) -> io::Result<Permissions> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let mine = new.metadata()?;
    let mut mode = like.mode() & 0o777;
    if mine.uid() != like.uid() {
        fchown(new, Some(like.uid()), None)?;
    }
    // Another group must not get what was meant for one that we are not in.
    if mine.gid() != like.gid() && fchown(new, None, Some(like.gid())).is_err() {
        mode &= !0o070;
    }
    Ok(Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permissions(_new: &File, like: &Metadata) -> io::Result<Permissions> {
    Ok(like.permissions())
}

const PREFIX: &str = ".mcp-mtls-";
const SUFFIX: &str = ".new";
const CHANCE: usize = 12;
/// As long as no run needs between writing and renaming it.
const LONGEST: Duration = Duration::from_secs(60);
const MOST_FILES: usize = 100_000;
