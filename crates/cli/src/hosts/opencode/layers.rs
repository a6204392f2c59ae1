//! Which files opencode reads for a folder, in which order, and whose they are. As opencode 1.18 does it.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::read_file;
use mcp_mtls_core::error::{Code, Failure, Result};
use zeroize::Zeroizing;

/// Who decides on what stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The user, or whoever manages the machine.
    User,
    /// Whoever wrote the repository.
    Project,
}

/// A file as it was read; what is judged, what is trusted and what is used are these bytes.
pub(super) struct Layer {
    pub(super) owner: Owner,
    pub(super) path: PathBuf,
    /// What relative paths in it are relative to.
    pub(super) folder: PathBuf,
    pub(super) text: Zeroizing<String>,
}

/// A folder that opencode is started in.
pub(crate) struct Project {
    /// Without links.
    pub(crate) directory: PathBuf,
    /// What opencode takes for its working tree: the repository, or without one the top of the file system.
    pub(crate) worktree: PathBuf,
    /// All that came with the project lies in it.
    pub(super) root: PathBuf,
    /// What is merged, the last one over the others.
    pub(super) layers: Vec<Layer>,
}

/// What the environment says about where the files are.
struct Surroundings {
    /// opencode's folder of the user.
    global: PathBuf,
    home: PathBuf,
    managed: PathBuf,
    config: Option<PathBuf>,
    config_folder: Option<PathBuf>,
    content: Option<String>,
    without_project: bool,
}

impl Project {
    /// Reads all files that opencode reads in this folder. `worktree` is what opencode takes for its working tree.
    ///
    /// # Errors
    /// `config-unreadable`, and `config-invalid-value` for variables that do not say which file is meant.
    pub(crate) fn read(directory: &Path, worktree: Option<&Path>) -> Result<Self> {
        // opencode starts from the real path, too.
        let directory = real(directory)?;
        let with_git = directory.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok());
        let top = with_git.or_else(|| directory.ancestors().last()).unwrap_or(&directory).to_owned();
        if let Some(worktree) = worktree
            && real(worktree)? != top
        {
            return Err(Failure::new(Code::ConfigUnreadable, "opencode takes another folder for the working tree")
                .at(directory.display().to_string())
                .because(format!("opencode says {}; it is {}.", worktree.display(), top.display()))
                .because(
                    "Which files count depends on it. opencode asks git, which may be missing or refuse the folder.",
                )
                .fix("Run `git rev-parse --show-toplevel` there, and mend what it says."));
        }
        let root = with_git.map_or_else(|| directory.clone(), Path::to_owned);
        let mut project = Self { directory, worktree: top, root, layers: Vec::new() };
        project.fill(&Surroundings::here()?)?;
        Ok(project)
    }

    /// Whether the file may have come with the project.
    pub(crate) fn holds(&self, file: &Path) -> bool {
        let of_project = self.layers.iter().filter(|layer| layer.owner == Owner::Project);
        file.starts_with(&self.root) || of_project.into_iter().any(|layer| file.starts_with(&layer.folder))
    }

    fn fill(&mut self, around: &Surroundings) -> Result<()> {
        for name in ["config.json", "opencode.json", "opencode.jsonc"] {
            self.add(&around.global.join(name), Owner::User)?;
        }
        if let Some(path) = &around.config {
            self.add(path, self.owner_of_named(path))?;
        }
        // From here up to the top.
        let mut way: Vec<_> = self.directory.ancestors().map(Path::to_owned).collect();
        way.retain(|folder| folder.starts_with(&self.worktree) && !around.without_project);
        for folder in way.iter().rev() {
            self.add_both(folder, around.owner_of_found(folder))?;
        }
        // Of these the nearest comes first, so that those above it count more.
        let mut seen = HashSet::new();
        if around.config_folder.as_ref() == Some(&around.global) {
            self.add_both(&around.global, Owner::User)?;
            seen.insert(around.global.clone());
        }
        for folder in way.iter().chain([&around.home]).map(|folder| folder.join(DOT)) {
            if seen.insert(folder.clone()) {
                self.add_both(&folder, around.owner_of_found(&folder))?;
            }
        }
        if let Some(folder) = &around.config_folder
            && !seen.contains(folder)
        {
            for name in ["opencode.json", "opencode.jsonc"] {
                let file = folder.join(name);
                self.add(&file, self.owner_of_named(&file))?;
            }
        }
        if let Some(text) = &around.content {
            let (path, folder) = (PathBuf::from(CONTENT), self.directory.clone());
            self.layers.push(Layer { owner: Owner::User, path, folder, text: Zeroizing::new(text.clone()) });
        }
        self.add_both(&around.managed, Owner::User)
    }

    fn add_both(&mut self, folder: &Path, owner: Owner) -> Result<()> {
        self.add(&folder.join("opencode.json"), owner)?;
        self.add(&folder.join("opencode.jsonc"), owner)
    }

    /// Reads a file, if there is one.
    fn add(&mut self, path: &Path, owner: Owner) -> Result<()> {
        let unreadable =
            || Failure::new(Code::ConfigUnreadable, "A file of opencode cannot be read").at(path.display().to_string());
        match path.metadata() {
            // As people switch off a file with.
            _ if path == Path::new("/dev/null") => return Ok(()),
            // A pipe is empty for whoever comes second, or waits for ever.
            Ok(there) if !there.is_file() => {
                return Err(unreadable().because("It is no file.").fix("Remove it, or put a file there."));
            }
            Ok(there) if there.len() > owner.most_bytes() => {
                let most = owner.most_bytes() >> 10;
                return Err(unreadable().because(format!("It has more than {most} KiB.")).fix("Make it smaller."));
            }
            _ => {}
        }
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
            Err(error) => {
                return Err(unreadable().because_of(&error).fix("Let the user that runs opencode read it."));
            }
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(unreadable().because("It is not UTF-8 text.").fix("Save it as UTF-8."));
        };
        // Where the folder is reached by a link, what relative paths mean does not depend on that link.
        let folder =
            path.parent().map_or_else(PathBuf::new, |folder| folder.canonicalize().unwrap_or(folder.to_owned()));
        let path = folder.join(path.file_name().unwrap_or_default());
        self.layers.push(Layer { owner, path, folder, text: Zeroizing::new(text.to_owned()) });
        Ok(())
    }

    /// Of what a variable names: the user's, unless it came with the project, or the project has a link on the way to
    /// it.
    fn owner_of_named(&self, path: &Path) -> Owner {
        let mut way = path.ancestors().filter_map(|place| place.canonicalize().ok());
        if way.any(|place| place.starts_with(&self.root)) { Owner::Project } else { Owner::User }
    }
}

impl Owner {
    /// More than anybody writes by hand; and nobody is to be kept waiting by a repository.
    fn most_bytes(self) -> u64 {
        match self {
            Self::User => 1 << 20,
            Self::Project => 1 << 18,
        }
    }
}

impl Surroundings {
    fn here() -> Result<Self> {
        let home = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).ok_or_else(|| {
            Failure::new(Code::ConfigUnreadable, "There is no place for the files of opencode")
                .because("The environment names no home folder.")
                .fix("Start opencode with HOME set.")
        })?;
        let home = PathBuf::from(home);
        let config = match path("XDG_CONFIG_HOME")? {
            Some(folder) => folder,
            None => home.join(".config"),
        };
        let managed = match path("OPENCODE_TEST_MANAGED_CONFIG_DIR")? {
            Some(folder) => folder,
            None => managed(),
        };
        let content = variable("OPENCODE_CONFIG_CONTENT").map(OsString::into_string).transpose().map_err(|_| {
            Failure::new(Code::ConfigInvalidValue, "OPENCODE_CONFIG_CONTENT is not UTF-8 text")
                .at("the environment variable OPENCODE_CONFIG_CONTENT")
        })?;
        Ok(Self {
            global: config.join("opencode"),
            home: path("OPENCODE_TEST_HOME")?.unwrap_or(home),
            managed,
            config: path("OPENCODE_CONFIG")?,
            config_folder: path("OPENCODE_CONFIG_DIR")?,
            content,
            without_project: variable("OPENCODE_DISABLE_PROJECT_CONFIG")
                .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
        })
    }

    /// Of a folder that opencode finds on its way up: the project's, unless it is one of the user's own. That is
    /// asked of the folder and not of the file: a link to a user's file would give its relative paths another meaning.
    fn owner_of_found(&self, folder: &Path) -> Owner {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let own = [self.global.clone(), self.home.join(DOT), self.managed.clone()];
        let is_own = own.iter().any(|own| own.canonicalize().is_ok_and(|own| own == folder));
        if is_own { Owner::User } else { Owner::Project }
    }
}

/// The folder without links.
fn real(folder: &Path) -> Result<PathBuf> {
    let unusable = || {
        Failure::new(Code::ConfigUnreadable, "There is no such folder of a project")
            .at(folder.display().to_string())
            .fix("Name the folder that opencode is started in.")
    };
    let real = folder.canonicalize().map_err(|error| unusable().because_of(&error))?;
    if real.is_dir() { Ok(real) } else { Err(unusable().because("It is no folder.")) }
}

/// Where administrators put what counts more than all else.
fn managed() -> PathBuf {
    if cfg!(target_os = "macos") {
        return PathBuf::from("/Library/Application Support/opencode");
    }
    if cfg!(windows) {
        return PathBuf::from(variable("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into())).join("opencode");
    }
    PathBuf::from("/etc/opencode")
}

/// opencode may be started in one folder, and starts servers in another.
fn path(name: &str) -> Result<Option<PathBuf>> {
    let Some(value) = variable(name).map(PathBuf::from) else { return Ok(None) };
    if value.is_absolute() {
        return Ok(Some(value));
    }
    Err(Failure::new(Code::ConfigInvalidValue, format!("{name} is a relative path"))
        .at(format!("the environment variable {name}"))
        .because("Which file it means differs between opencode and the servers that it starts.")
        .fix("Write the absolute path."))
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

const DOT: &str = ".opencode";
/// How the file is called that is none.
const CONTENT: &str = "the variable OPENCODE_CONFIG_CONTENT";
