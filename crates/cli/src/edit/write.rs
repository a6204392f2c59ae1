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
    /// What else could be done than to let us write it.
    or_else: &'static str,
}

impl Target {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// `config-unreadable`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::opened(path, ", or name another file with --config.")
    }

    /// The same for the file of a host, which is where it is.
    ///
    /// # Errors
    /// `config-unreadable`.
    pub(crate) fn of_host(path: &Path) -> Result<Self> {
        Self::opened(path, ".")
    }

    fn opened(path: &Path, or_else: &'static str) -> Result<Self> {
        let unreadable = |error: &io::Error| {
            Failure::new(Code::ConfigUnreadable, "The configuration file cannot be read")
                .at(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string())
                .because_of(error)
                .fix(format!("Let your user read it{or_else}"))
        };
        let path = std::path::absolute(path).map_err(|error| unreadable(&error))?;
        let real = followed(&path);
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
        Ok(Self { path, real, before, or_else })
    }

    /// The path as it was named, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
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
            Failure::new(Code::ConfigSyntax, "The configuration file is not UTF-8 text")
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
        let unwritable = |error: &io::Error| {
            Failure::new(Code::FileUnwritable, "The configuration file cannot be written")
                .at(self.real.display().to_string())
                .because_of(error)
                .because("It was not changed.")
                .fix(remedy(error, || format!("Let your user write it and its folder{}", self.or_else)))
        };
        let folder = self.real.parent().unwrap_or(Path::new("/"));
        make_folder(folder).map_err(|error| unwritable(&error))?;
        let old =
            self.before.as_ref().map(|_| fs::metadata(&self.real)).transpose().map_err(|error| unwritable(&error))?;
        let prepared = |bytes: &[u8]| beside::prepared(folder, bytes, old.as_ref()).map_err(|error| unwritable(&error));
        let new = prepared(text.as_bytes())?;
        beside::sweep(folder, new.as_file());
        let backup = self.before.as_ref().map(|before| prepared(before)).transpose()?;
        let _lock = self.lock()?;
        match (&self.before, read_file(&self.real)) {
            (Some(before), Ok(now)) if *before == now => {}
            (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Err(self.changed()),
        }
        let backup = backup.map(|file| kept(file, backup_of(&self.real))).transpose()?;
        let placed = if old.is_some() { new.persist(&self.real) } else { new.persist_noclobber(&self.real) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => self.changed(),
            _ => unwritable(&error.error),
        })?;
        // The names of files last as long as their folder is on the disk; not every system can be asked for that.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(backup)
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
        _ => or_else(),
    }
}

/// Puts a copy of what the file was under this name, which is ours; what is there that we cannot have written stays.
fn kept(copy: tempfile::NamedTempFile, path: PathBuf) -> Result<PathBuf> {
    let refused = |failure: Failure, fix: String| failure.because("The configuration was not changed.").fix(fix);
    let move_away = || "Move away what has this name.".to_owned();
    let failure = Failure::new(Code::FileUnwritable, "The copy of the old configuration file cannot be written")
        .at(path.display().to_string());
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(refused(failure.because("Something that is no file is there."), move_away()));
    }
    match copy.persist(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(refused(failure.because_of(&error.error), remedy(&error.error, move_away))),
    }
}

/// The file that a path leads to, over every link, whether it is there or not.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            // It is no link, or not there.
            Err(_) => return path,
        }
    }
    // Whoever opens it is told that the links lead nowhere.
    path
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
mod tests {
    #[cfg(unix)]
    use std::fs::Permissions;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_new_file_is_its_owners_alone_and_so_is_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.jsonc");
        let target = Target::read(&path).unwrap();
        assert!(!target.exists() && target.text().unwrap().is_empty());
        assert_eq!(target.replace("{}").unwrap(), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        #[cfg(unix)]
        {
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(&folder.path().join("a")), 0o700);
            assert_eq!(mode(&folder.path().join("a/b")), 0o700);
        }
        assert_eq!(names(&folder.path().join("a/b")), ["config.jsonc"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_mode_and_what_it_was_is_kept_beside_it() {
        use std::os::unix::fs::PermissionsExt as _;
        for kept in [0o600, 0o640, 0o644, 0o400] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.jsonc");
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            let backup = Target::read(&path).unwrap().replace("new").unwrap().unwrap();
            assert_eq!(backup, folder.path().join("config.jsonc.mcp-mtls-backup"));
            assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("new".to_owned(), kept));
            assert_eq!((fs::read_to_string(&backup).unwrap(), mode(&backup)), ("old".to_owned(), kept));
            Target::read(&path).unwrap().replace("newer").unwrap();
            assert_eq!(fs::read_to_string(&backup).unwrap(), "new");
            assert_eq!(names(folder.path()), ["config.jsonc", "config.jsonc.mcp-mtls-backup"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_keep_beside_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.jsonc");
        let (theirs, ours) = (folder.path().join("config.jsonc.backup"), backup_of(&path));
        fs::write(&path, "old").unwrap();
        fs::write(&theirs, "precious").unwrap();
        std::os::unix::fs::symlink(&theirs, &ours).unwrap();
        let failure = Target::read(&path).unwrap().replace("new").unwrap_err();
        assert_eq!(failure.facts().place, [ours.display().to_string()]);
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), fs::read_to_string(&theirs).unwrap()),
            ("old".into(), "precious".into())
        );
        fs::remove_file(&ours).unwrap();
        Target::read(&path).unwrap().replace("new").unwrap();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (dotfiles, home) = (folder.path().join("dotfiles"), folder.path().join("home"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&dotfiles).unwrap();
        std::os::unix::fs::symlink("../dotfiles/link", home.join("config.jsonc")).unwrap();
        std::os::unix::fs::symlink("real.jsonc", dotfiles.join("link")).unwrap();
        // Also to a file that is not there yet.
        for text in ["one", "two"] {
            Target::read(&home.join("config.jsonc")).unwrap().replace(text).unwrap();
            assert!(home.join("config.jsonc").is_symlink() && dotfiles.join("link").is_symlink());
            assert_eq!(fs::read_to_string(dotfiles.join("real.jsonc")).unwrap(), text);
        }
        assert_eq!(names(&home), ["config.jsonc"]);
        assert_eq!(names(&dotfiles), ["link", "real.jsonc", "real.jsonc.mcp-mtls-backup"]);
        std::os::unix::fs::symlink("round", home.join("round")).unwrap();
        assert_eq!(Target::read(&home.join("round")).err().unwrap().code(), Code::ConfigUnreadable);
    }

    #[test]
    fn what_others_wrote_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.jsonc");
        let (first, second) = (Target::read(&path).unwrap(), Target::read(&path).unwrap());
        first.replace("first").unwrap();
        assert_eq!(second.replace("second").unwrap_err().code(), Code::FileUnwritable);
        let (first, second) = (Target::read(&path).unwrap(), Target::read(&path).unwrap());
        first.replace("third").unwrap();
        assert_eq!(second.replace("fourth").unwrap_err().code(), Code::FileUnwritable);
        let target = Target::read(&path).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        assert_eq!(target.replace("fifth").unwrap_err().code(), Code::FileUnwritable);
        other.unlock().unwrap();
        let target = Target::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(target.replace("sixth").unwrap_err().code(), Code::FileUnwritable);
        assert_eq!(names(folder.path()), ["config.jsonc.mcp-mtls-backup"]);
        assert_eq!(fs::read_to_string(folder.path().join("config.jsonc.mcp-mtls-backup")).unwrap(), "first");
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let failure = Target::read(&folder.path().join("file/config.jsonc")).and_then(|target| target.replace("{}"));
        assert!(matches!(failure.unwrap_err().code(), Code::ConfigUnreadable | Code::FileUnwritable));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn what_a_run_that_was_killed_has_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.jsonc");
        let put = |name: &str, seconds| {
            fs::write(folder.path().join(name), "old").unwrap();
            let file = File::options().write(true).open(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        let others = [
            ".mcp-mtls-0123456789.new",
            ".mcp-mtls-backup",
            ".mcp-mtls-my-own-file.new",
            "x.mcp-mtls-0123456789ab.new",
        ];
        for name in others {
            put(name, 90);
        }
        put(".mcp-mtls-0123456789ab.new", 90);
        put(".mcp-mtls-ba9876543210.new", 30);
        fs::create_dir(folder.path().join(".mcp-mtls-folder012345.new")).unwrap();
        Target::read(&path).unwrap().replace("{}").unwrap();
        let mut left: Vec<_> = others.map(str::to_owned).to_vec();
        left.extend([".mcp-mtls-ba9876543210.new", ".mcp-mtls-folder012345.new", "config.jsonc"].map(str::to_owned));
        left.sort();
        assert_eq!(names(folder.path()), left);
    }

    #[test]
    fn a_full_disk_is_no_matter_of_permissions() {
        let told = |kind: io::ErrorKind| remedy(&kind.into(), || "Let your user write it.".to_owned());
        assert_eq!(told(io::ErrorKind::StorageFull), "Make room on the disk.");
        assert_eq!(told(io::ErrorKind::QuotaExceeded), "Make room on the disk.");
        assert_eq!(told(io::ErrorKind::PermissionDenied), "Let your user write it.");
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o7777
    }
}
