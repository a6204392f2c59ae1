//! One process of a user at a time shows a PIN to a token.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use sha2::{Digest as _, Sha256};

use crate::config::home;
use crate::error::{Code, Failure, Result};

/// Held while a PIN is tried. A host starts all its servers at once, and several processes that all see
/// two tries left would use them up with the same wrong PIN.
pub(super) struct Alone {
    _locked: File,
}

impl Alone {
    /// Waits for the other processes that try a PIN on the token of this URI.
    ///
    /// The lock is a file of the user's own, so that no other user can hold it.
    ///
    /// # Errors
    /// `token-failed` when others take too long, or there is no place for the lock.
    pub(super) fn wait(token: &str) -> Result<Self> {
        let name = Sha256::digest(token).iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte));
        let mut untold = Failure::new(Code::TokenFailed, "The token is not logged in to, since others may try at once")
            .at(token)
            .because("A file that keeps them apart cannot be locked.");
        for folder in folders() {
            let path = folder.join(format!("{name:016x}.lock"));
            match open(&folder, &path).and_then(|file| lock(&file).map(|locked| (file, locked))) {
                Ok((file, true)) => return Ok(Self { _locked: file }),
                Ok((_, false)) => {
                    return Err(Failure::new(
                        Code::TokenFailed,
                        "Other processes of mcp-mtls are still logging in to the token",
                    )
                    .at(token)
                    .because(format!("They were waited for, {} s, and hold {}.", OTHERS.as_secs(), path.display()))
                    .fix("Call again; when that does not help, end the processes of mcp-mtls that hang."));
                }
                Err(error) => untold = untold.at(path.display().to_string()).because_of(&error),
            }
        }
        Err(untold.fix("Set HOME to a folder that you can write to."))
    }
}

/// Where the lock may be. The home folder is first since every host passes it on, so that all processes
/// agree on it.
fn folders() -> impl Iterator<Item = PathBuf> {
    let home = home().filter(|home| home.is_absolute()).map(|home| home.join(".cache").join("mcp-mtls"));
    #[cfg(unix)]
    let common = Some(PathBuf::from(format!("/tmp/mcp-mtls-{}", rustix::process::geteuid().as_raw())));
    #[cfg(not(unix))]
    let common = None;
    home.into_iter().chain(common)
}

/// Whether the lock was had in time.
fn lock(file: &File) -> io::Result<bool> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            // A file system without locks.
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() >= OTHERS => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(GLANCE),
        }
    }
}

/// Opens the file in a folder that nobody else can write to.
#[cfg(unix)]
fn open(folder: &Path, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
    let user = rustix::process::geteuid().as_raw();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o022 != 0 {
        return Err(crate::error::own_error("Its folder is not yours alone."));
    }
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    fs::OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(no_link).open(path)
}

#[cfg(not(unix))]
fn open(folder: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// How long others may take to log in: shorter than hosts wait for the answer to `initialize`.
const OTHERS: Duration = Duration::from_secs(8);
const GLANCE: Duration = Duration::from_millis(10);

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_file_in_a_folder_of_ours_is_locked() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("locks");
        let path = folder.join("x.lock");
        let first = open(&folder, &path).unwrap();
        assert!(lock(&first).unwrap());
        assert!(open(&folder, &path).unwrap().try_lock().is_err());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);

        symlink(base.path().join("elsewhere"), folder.join("link.lock")).unwrap();
        assert!(open(&folder, &folder.join("link.lock")).is_err());
        assert!(!base.path().join("elsewhere").exists());
        symlink(&folder, base.path().join("link")).unwrap();
        assert!(open(&base.path().join("link"), &base.path().join("link/x.lock")).is_err());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(open(&folder, &path).is_err());
    }
}
