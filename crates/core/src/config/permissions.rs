//! Who else can change or read a file that holds a private key or a passphrase.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::origin::Origin;
use crate::error::{Failure, Result, own_error};

/// A file as it was when it was read. What is judged is what was read, not what the path names by then.
#[derive(Debug)]
pub(crate) struct Opened {
    #[cfg_attr(not(unix), allow(dead_code, reason = "Windows has no modes, and its folders of users are closed"))]
    path: PathBuf,
    #[cfg_attr(not(unix), allow(dead_code, reason = "as above"))]
    file: File,
}

/// The whole file.
pub(crate) fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Opened)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() && !is_pipe(&metadata) {
        return Err(own_error("It is neither a file nor a pipe."));
    }
    if metadata.len() > MOST_BYTES {
        return Err(too_large());
    }
    let bytes = read_within(&mut file, metadata.len())?;
    Ok((bytes, Opened { path: path.to_owned(), file }))
}

/// The whole file, or an error for one that is larger than anybody's certificates, keys and revocation lists.
///
/// # Errors
/// Those of the system; and for a file that is neither a file nor a pipe, or has more than 64 MiB.
pub fn read_file(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read(path).map(|(bytes, _)| bytes)
}

/// All that there is to read, within the same limit.
///
/// # Errors
/// Those of the reader; and for more than 64 MiB.
pub fn read_all(reader: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    read_within(reader, 0)
}

/// `size` is what is expected.
fn read_within(reader: impl io::Read, size: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // All of its room at once: what a `Vec` leaves behind when it grows is not zeroed.
    let room = usize::try_from(size).unwrap_or_default().saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    reader.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> io::Error {
    own_error("It has more than 64 MiB.")
}

/// As those are that a shell makes of `<(…)`.
#[cfg(unix)]
fn is_pipe(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// Enough for the longest revocation lists in use.
const MOST_BYTES: u64 = 64 << 20;

impl Opened {
    /// Refuses a file with this secret that others can change, or replace. Gives a warning of one
    /// that every user can read.
    #[cfg(unix)]
    pub(crate) fn judge(&self, secret: &str, origin: &Origin) -> Result<Option<Failure>> {
        unix::judge(&self.file, &self.path, secret, origin)
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is judged here")]
    pub(crate) fn judge(&self, _secret: &str, _origin: &Origin) -> Result<Option<Failure>> {
        Ok(None)
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsString;
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Component, Path, PathBuf};

    use super::Origin;
    use crate::error::{Code, Failure, Result};

    pub(super) fn judge(file: &File, path: &Path, secret: &str, origin: &Origin) -> Result<Option<Failure>> {
        let told = path.display();
        let failure =
            |what: String| Failure::new(Code::SecretExposed, what).at(told.to_string()).at(origin.to_string());
        let Ok(opened) = file.metadata() else {
            return Err(failure(format!("Nobody can say who else has access to the file of the {secret}")));
        };
        let (mode, owner) = (opened.mode() & 0o7777, opened.uid());
        if mode & 0o022 != 0 {
            let who = if mode & 0o002 == 0 { "its group" } else { "every user of this machine" };
            return Err(failure(format!("Others can change the file of the {secret}"))
                .because(format!("Its mode is {mode:04o} and its owner the user {owner}: {who} can write it."))
                .fix(format!("Run chmod 600 '{told}'."))
                .fix(format!(
                    "If others use this machine, have a new {secret} made: one of them may have put this one there."
                )));
        }
        if let Some((folder, mode)) = open_folder(path) {
            let folder = folder.display();
            return Err(failure(format!("Others can replace the file of the {secret}"))
                .because(format!(
                    "On the way to it, the folder {folder} has the mode {mode:04o}: every user of this machine can write there."
                ))
                .fix(format!("Run chmod o-w '{folder}', or move the file.")));
        }
        let user = rustix::process::geteuid().as_raw();
        let noted = is_noted(mode, owner, user) && !(owner == 0 && is_in_memory(file));
        Ok(noted.then(|| {
            failure(format!("Every user of this machine can read the file of the {secret}"))
                .because(format!("Its mode is {mode:04o}."))
                .fix(format!("Run chmod go-r '{told}'."))
        }))
    }

    /// The first folder on the way to the file, through every link, in which everybody can put another file or
    /// link in the place of what is there; with its mode.
    fn open_folder(path: &Path) -> Option<(PathBuf, u32)> {
        let mut folder = PathBuf::from("/");
        // The names that are still to be followed, the next one last.
        let mut names = components(path);
        let mut links = 0;
        while let Some(name) = names.pop() {
            let mode = fs::metadata(&folder).map(|folder| folder.mode() & 0o7777);
            if let Ok(mode) = mode
                && mode & 0o002 != 0
                && mode & STICKY == 0
            {
                return Some((folder, mode));
            }
            let next = folder.join(&name);
            match fs::read_link(&next) {
                // The system follows fewer.
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        folder = PathBuf::from("/");
                    }
                    names.extend(components(&target));
                }
                _ if name == ".." => _ = folder.pop(),
                _ => folder = next,
            }
        }
        None
    }

    /// The names in a path, the first one last.
    fn components(path: &Path) -> Vec<OsString> {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
        names.map(|part| part.as_os_str().to_owned()).rev().collect()
    }

    /// Whether everybody can read what the user `user` could have closed.
    fn is_noted(mode: u32, owner: u32, user: u32) -> bool {
        mode & 0o004 != 0 && owner == user
    }

    /// Whether the file is on a file system in memory, as those are that container runtimes mount
    /// secrets with: readable by everybody in the container, of whom there is one.
    #[cfg(target_os = "linux")]
    fn is_in_memory(file: &File) -> bool {
        rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == TMPFS)
    }

    /// Other systems have no such file systems.
    #[cfg(not(target_os = "linux"))]
    fn is_in_memory(_: &File) -> bool {
        false
    }

    /// In such a folder only the owner of a file can replace it.
    const STICKY: u32 = 0o1000;
    const MOST_LINKS: u32 = 64;
    #[cfg(target_os = "linux")]
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_note_is_for_whoever_can_do_something_about_it() {
            assert!(is_noted(0o644, 1000, 1000));
            assert!(is_noted(0o604, 0, 0));
            for (mode, owner) in [(0o600, 1000), (0o640, 1000), (0o644, 0), (0o444, 2000)] {
                assert!(!is_noted(mode, owner, 1000), "{mode:o} of {owner}");
            }
        }
    }
}
