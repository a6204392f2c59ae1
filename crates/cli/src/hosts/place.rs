//! Where the files of hosts are, on every system.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mcp_mtls_core::error::{Code, Failure, Result};

/// What the system and the user's environment are: read once, so that tests can be anywhere.
pub(super) struct Surroundings {
    pub(super) system: System,
    pub(super) home: Option<String>,
    pub(super) variables: HashMap<String, OsString>,
    /// The folders of `PATH`.
    pub(super) path: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// And every other system that is neither of these two.
    Linux,
    MacOs,
    Windows,
}

/// A folder of a host, or a file.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// None is every system.
    on: Option<System>,
    below: Below,
    /// With `/` between its parts.
    path: &'static str,
}

#[derive(Clone, Copy)]
enum Below {
    Home,
    /// The folder that a variable names, if it is set.
    Variable(&'static str),
    /// The file that a variable names, if it is set.
    File(&'static str),
}

/// Files that a host reads one after the other: of two values of a key the last counts.
#[derive(Clone, Copy)]
pub(super) struct Files {
    /// The first of them that the surroundings have.
    pub(super) folder: &'static [Place],
    pub(super) names: &'static [&'static str],
    /// The one that is made where there is none.
    pub(super) new: &'static str,
}

impl Place {
    pub(super) const fn home(path: &'static str) -> Self {
        Self { on: None, below: Below::Home, path }
    }

    pub(super) const fn variable(name: &'static str, path: &'static str) -> Self {
        Self { on: None, below: Below::Variable(name), path }
    }

    pub(super) const fn file(name: &'static str) -> Self {
        Self { on: None, below: Below::File(name), path: "" }
    }

    pub(super) const fn on(self, system: System) -> Self {
        Self { on: Some(system), ..self }
    }
}

impl Files {
    /// The files in the order in which the host reads them, and which of them is made where there is none. Nothing on
    /// systems where nobody knows them.
    pub(super) fn paths(&self, surroundings: &Surroundings) -> Result<Option<(Vec<PathBuf>, PathBuf)>> {
        for place in self.folder.iter().filter(|place| place.on.is_none_or(|on| on == surroundings.system)) {
            let base = match place.below {
                Below::Home => surroundings.home()?.to_owned(),
                Below::Variable(name) | Below::File(name) => match surroundings.absolute(name)? {
                    Some(base) => base,
                    None => continue,
                },
            };
            if let Below::File(_) = place.below {
                return Ok(Some((vec![base.clone().into()], base.into())));
            }
            let folder = surroundings.join(&base, place.path);
            let file = |name: &&str| PathBuf::from(surroundings.join(&folder, name));
            return Ok(Some((self.names.iter().map(file).collect(), file(&self.new))));
        }
        Ok(None)
    }

    /// The same below the folder of a project.
    pub(super) fn within(&self, project: &Path) -> (Vec<PathBuf>, PathBuf) {
        (self.names.iter().map(|name| project.join(name)).collect(), project.join(self.new))
    }
}

impl Surroundings {
    pub(super) fn here() -> Self {
        let system = if cfg!(windows) {
            System::Windows
        } else if cfg!(target_os = "macos") {
            System::MacOs
        } else {
            System::Linux
        };
        // Windows does not tell `Path` from `PATH`.
        let spelt = |name: String| if cfg!(windows) { name.to_uppercase() } else { name };
        let variables = env::vars_os().filter_map(|(name, value)| Some((spelt(name.into_string().ok()?), value)));
        let variables: HashMap<_, _> = variables.collect();
        let home = variables.get(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let home = home.filter(|home| !home.is_empty()).and_then(|home| home.to_str()).map(str::to_owned);
        let path = variables.get("PATH").map(|path| env::split_paths(path).collect()).unwrap_or_default();
        Self { system, home, variables, path }
    }

    /// The program of this name that a shell would run.
    pub(super) fn programs<'a>(&'a self, name: &str) -> impl Iterator<Item = PathBuf> + 'a {
        let names = match self.system {
            System::Windows => [".exe", ".cmd"].map(|end| format!("{name}{end}")).to_vec(),
            System::Linux | System::MacOs => vec![name.to_owned()],
        };
        let folders = self.path.iter().filter(|folder| folder.is_absolute());
        folders
            .flat_map(move |folder| names.iter().map(|name| folder.join(name)).collect::<Vec<_>>())
            .filter(|path| is_program(path))
    }

    pub(super) fn home(&self) -> Result<&str> {
        let name = match self.system {
            System::Windows => "USERPROFILE",
            System::Linux | System::MacOs => "HOME",
        };
        let home = self.home.as_deref().ok_or_else(|| {
            Failure::new(Code::ConfigUnreadable, "The home folder, in which hosts keep their files, is not known")
                .because("The environment does not name it, or not in UTF-8.")
                .fix(format!("Set {name}."))
        })?;
        if self.is_absolute(home) { Ok(home) } else { Err(relative(name)) }
    }

    fn is_absolute(&self, path: &str) -> bool {
        match self.system {
            System::Windows => path.as_bytes().get(1) == Some(&b':') || path.starts_with(r"\\"),
            System::Linux | System::MacOs => path.starts_with('/'),
        }
    }

    /// The absolute path that a variable holds. Nobody knows what a relative one is relative to when the host runs.
    fn absolute(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.variables.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let path = value.to_str().filter(|path| self.is_absolute(path));
        path.map(|path| Some(path.trim_end_matches(['/', '\\']).to_owned())).ok_or_else(|| relative(name))
    }

    fn join(&self, base: &str, path: &str) -> String {
        let between = if self.system == System::Windows { "\\" } else { "/" };
        [base].into_iter().chain(path.split('/').filter(|part| !part.is_empty())).collect::<Vec<_>>().join(between)
    }
}

fn relative(name: &str) -> Failure {
    Failure::new(Code::ConfigInvalidValue, format!("{name} holds no absolute path"))
        .because("It says where hosts keep their files, and these are not guessed.")
        .fix(format!("Set {name} to an absolute path in UTF-8{}.", if name == "HOME" { "" } else { ", or unset it" }))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
