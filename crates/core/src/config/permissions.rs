//! Who else can change or read a file that holds a private key or a passphrase.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::origin::Origin;
use crate::error::Result;

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
    let size = file.metadata()?.len();
    // All of its room at once: what a `Vec` leaves behind when it grows is not zeroed.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default().saturating_add(1)));
    file.read_to_end(&mut bytes)?;
    Ok((bytes, Opened { path: path.to_owned(), file }))
}

impl Opened {
    /// Refuses a file with this secret that others can change, or replace. One that every user can read
    /// is noted.
    #[cfg(unix)]
    pub(crate) fn judge(&self, secret: &str, origin: &Origin) -> Result<Option<String>> {
        unix::judge(&self.file, &self.path, secret, origin)
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is judged here")]
    pub(crate) fn judge(&self, _secret: &str, _origin: &Origin) -> Result<Option<String>> {
        Ok(None)
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use super::Origin;
    use crate::error::{Code, Failure, Result};

    pub(super) fn judge(file: &File, path: &Path, secret: &str, origin: &Origin) -> Result<Option<String>> {
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
                .fix(format!("Run chmod go-w '{told}'. Who wrote it so far, nobody can say.")));
        }
        // The link may stand in one folder and the file in another; in both it could be replaced.
        let link = fs::symlink_metadata(path).is_ok_and(|named| named.is_symlink());
        let target = link.then(|| path.canonicalize().ok()).flatten();
        for folder in [Some(path), target.as_deref()].into_iter().flatten().filter_map(Path::parent) {
            let Ok(mode) = fs::metadata(folder).map(|folder| folder.mode() & 0o7777) else { continue };
            if mode & 0o002 != 0 && mode & STICKY == 0 {
                let folder = folder.display();
                return Err(failure(format!("Others can replace the file of the {secret}"))
                    .because(format!(
                        "Its folder {folder} has the mode {mode:04o}: every user of this machine can write there."
                    ))
                    .fix(format!("Run chmod o-w '{folder}', or move the file.")));
            }
        }
        let user = rustix::process::geteuid().as_raw();
        let noted = is_noted(mode, owner, user) && !(owner == 0 && is_in_memory(file));
        Ok(noted.then(|| {
            format!("{origin}: every user of this machine can read the {secret} in {told} (mode {mode:04o}); chmod go-r '{told}' makes it yours alone")
        }))
    }

    /// Whether everybody can read what the user `user` could have closed.
    fn is_noted(mode: u32, owner: u32, user: u32) -> bool {
        mode & 0o004 != 0 && owner == user
    }

    /// Whether the file is on a file system in memory, as those are that container runtimes mount
    /// secrets with: readable by everybody in the container, of whom there is one.
    fn is_in_memory(file: &File) -> bool {
        #[cfg(target_os = "linux")]
        return rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == TMPFS);
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// In such a folder only the owner of a file can replace it.
    const STICKY: u32 = 0o1000;
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
