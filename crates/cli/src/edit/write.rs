//! Replaces a file as a whole: either all of the new text is there, or all of the old.

mod beside;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::read_file;
use mcp_mtls_core::error::{Code, Failure, Result};
use zeroize::Zeroizing;

/// A file as it was when it was read.
pub(crate) struct Target {
    /// As it was named.
    path: PathBuf,
    /// What that leads to: people keep their files elsewhere, and link to them.
    real: PathBuf,
    /// Nothing when there is no file yet.
    before: Option<Zeroizing<Vec<u8>>>,
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Host,
}

/// Where the old text is.
pub(crate) struct Backup {
    pub(crate) path: PathBuf,
    /// Whether it is that of just now. Else it is from before there was anything of ours.
    pub(crate) is_new: bool,
}

impl Whose {
    fn what(self) -> &'static str {
        match self {
            Self::Ours => "The configuration file",
            Self::Host => "The file of the host",
        }
    }

    /// What else could be done than to let us write it.
    fn or_else(self) -> &'static str {
        match self {
            Self::Ours => ", or name another file with --config.",
            Self::Host => ".",
        }
    }
}

impl Target {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// `config-unreadable`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::opened(path, Whose::Ours)
    }

    /// The same for the file of a host, which is where it is.
    ///
    /// # Errors
    /// `config-unreadable`.
    pub(crate) fn of_host(path: &Path) -> Result<Self> {
        Self::opened(path, Whose::Host)
    }

    fn opened(path: &Path, whose: Whose) -> Result<Self> {
        let or_else = whose.or_else();
        let unreadable = |error: &io::Error| {
            Failure::new(Code::ConfigUnreadable, format!("{} cannot be read", whose.what()))
                .at(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string())
                .because_of(error)
                .fix(format!("Let your user read it{or_else}"))
        };
        let path = std::path::absolute(path).map_err(|error| unreadable(&error))?;
        let real = followed(&path).ok_or_else(|| {
            Failure::new(Code::ConfigUnreadable, format!("{} is a link that leads to no file", whose.what()))
                .at(path.display().to_string())
                .because("It leads to itself, or over too many others.")
                .fix(format!("Put a file in its place{or_else}"))
        })?;
        // A pipe can be read but not replaced, and waits for whoever writes into it.
        if fs::metadata(&real).is_ok_and(|there| !there.is_file()) {
            return Err(Failure::new(Code::ConfigUnreadable, "What is to be changed is no file")
                .at(path.display().to_string())
                .because("It is a folder, a pipe or a device.")
                .fix(format!("Put a file in its place{or_else}")));
        }
        let before = match read_file(&real) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&error)),
        };
        Ok(Self { path, real, before, whose })
    }

    /// The path as it was named, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What that leads to.
    pub(crate) fn real(&self) -> &Path {
        &self.real
    }

    /// Whether there is a file.
    pub(crate) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Its text; none is empty.
    ///
    /// # Errors
    /// `config-syntax`.
    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(self.before.as_deref().map_or(&[], Vec::as_slice)).map_err(|_| {
            Failure::new(Code::ConfigSyntax, format!("{} is not UTF-8 text", self.whose.what()))
                .at(self.path.display().to_string())
                .fix("Save it as UTF-8.")
        })
    }

    /// Puts this text in its place, and keeps the old one in the file whose path is returned. A new file is its
    /// owner's alone, and so is a new folder; one that was there keeps its mode.
    ///
    /// # Errors
    /// `file-unwritable`, also when the file is not any more what it was when it was read.
    pub(crate) fn replace(&self, text: &str) -> Result<Option<PathBuf>> {
        Ok(self.written(text, false)?.map(|backup| backup.path))
    }

    /// The same where the old text has something of ours in it already: an older backup, which has not, stays.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub(crate) fn replace_again(&self, text: &str) -> Result<Option<Backup>> {
        self.written(text, true)
    }

    fn written(&self, text: &str, keeps_backup: bool) -> Result<Option<Backup>> {
        let unwritable = |error: &io::Error| {
            Failure::new(Code::FileUnwritable, format!("{} cannot be written", self.whose.what()))
                .at(self.real.display().to_string())
                .because_of(error)
                .because("It was not changed.")
                .fix(remedy(error, || format!("Let your user write it and its folder{}", self.whose.or_else())))
        };
        let folder = self.real.parent().unwrap_or(Path::new("/"));
        make_folder(folder).map_err(|error| unwritable(&error))?;
        let old =
            self.before.as_ref().map(|_| fs::metadata(&self.real)).transpose().map_err(|error| unwritable(&error))?;
        let prepared = |bytes: &[u8]| beside::prepared(folder, bytes, old.as_ref()).map_err(|error| unwritable(&error));
        let new = prepared(text.as_bytes())?;
        beside::sweep(folder, new.as_file());
        let place = backup_of(&self.real);
        let had_backup = place.symlink_metadata().is_ok_and(|there| there.is_file());
        let stays = keeps_backup && had_backup;
        let backup = self.before.as_ref().filter(|_| !stays).map(|before| prepared(before)).transpose()?;
        let _lock = self.lock()?;
        match (&self.before, read_file(&self.real)) {
            (Some(before), Ok(now)) if *before == now => {}
            (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Err(self.changed()),
        }
        let backup = backup.map(|file| self.kept(file, &place)).transpose()?;
        let placed = if old.is_some() { new.persist(&self.real) } else { new.persist_noclobber(&self.real) };
        placed.map_err(|error| {
            if !had_backup {
                // The file is still what this is a copy of.
                let _ = fs::remove_file(&place);
            }
            match error.error.kind() {
                io::ErrorKind::AlreadyExists => self.changed(),
                _ => unwritable(&error.error),
            }
        })?;
        // The names of files last as long as their folder is on the disk; not every system can be asked for that.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok((stays || backup.is_some()).then_some(Backup { path: place, is_new: !stays }))
    }

    /// Puts this text in its place, of a file that everybody may read and that can be made anew.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub(crate) fn overwrite(&self, text: &str) -> Result<()> {
        let written = beside::prepared(self.real.parent().unwrap_or(Path::new("/")), text.as_bytes(), None)
            .and_then(|file| file.persist(&self.real).map_err(|error| error.error));
        written.map(drop).map_err(|error| {
            Failure::new(Code::FileUnwritable, "The file cannot be written")
                .at(self.real.display().to_string())
                .because_of(&error)
        })
    }

    /// Puts a copy of what the file was under this name, which is ours; what is there that we cannot have written
    /// stays.
    fn kept(&self, copy: tempfile::NamedTempFile, path: &Path) -> Result<()> {
        let refused = |failure: Failure, fix: String| failure.because("It was not changed.").fix(fix);
        let move_away = || "Move away what has this name.".to_owned();
        let what = match self.whose {
            Whose::Ours => "The copy of the old configuration file cannot be written",
            Whose::Host => "The copy of the old file of the host cannot be written",
        };
        let failure = Failure::new(Code::FileUnwritable, what).at(path.display().to_string());
        if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
            return Err(refused(failure.because("Something that is no file is there."), move_away()));
        }
        match copy.persist(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(failure.because_of(&error.error), remedy(&error.error, move_away))),
        }
    }

    /// Locks the file that is replaced: of two that change it at the same time, one comes too late. A lock of Windows
    /// would keep us from replacing it, and a file system without locks has none to give.
    fn lock(&self) -> Result<Option<File>> {
        let file = if cfg!(unix) && self.before.is_some() { File::open(&self.real).ok() } else { None };
        match file.as_ref().map(File::try_lock) {
            Some(Err(fs::TryLockError::WouldBlock)) => Err(self.changed()),
            _ => Ok(file),
        }
    }

    fn changed(&self) -> Failure {
        Failure::new(Code::FileUnwritable, "The configuration file was changed by another program meanwhile")
            .at(self.real.display().to_string())
            .because("What that wrote was left as it is, and nothing else was written.")
            .fix("Try again.")
    }
}

/// What helps against this error, where nothing else does.
fn remedy(error: &io::Error, or_else: impl FnOnce() -> String) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk.".to_owned(),
        // A file of its own mount, as containers have them, and a system that makes all files from elsewhere.
        io::ErrorKind::ResourceBusy | io::ErrorKind::ReadOnlyFilesystem => {
            "It is mounted so that it cannot be replaced: make the change where it comes from.".to_owned()
        }
        _ => or_else(),
    }
}

/// The file that a path leads to, over every link, whether it is there or not. None if the links never end.
fn followed(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            // It is no link, or not there.
            Err(_) => return Some(path),
        }
    }
    None
}

/// Makes the folders that are missing, for their owner alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn backup_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".mcp-mtls-backup");
    path.with_file_name(name)
}

/// As Linux has it.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests;
