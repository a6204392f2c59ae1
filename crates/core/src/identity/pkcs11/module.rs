//! PKCS#11 modules: where they are, and one of each for the whole process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::uri::Uri;
use super::words::{cause, in_words};
use crate::config;
use crate::error::{Code, Failure, Result};

/// A module that has been loaded and initialized.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) pkcs11: Pkcs11,
    pub(super) path: PathBuf,
}

/// The modules of this process, by their canonical paths. `C_Initialize` may be called once, so they
/// stay until the process ends.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// The module that the URI names, else that of the setting, else p11-kit's proxy.
///
/// # Errors
/// `token-module-failed`.
pub(super) fn load(uri: &Uri, setting: Option<&config::Module>) -> Result<Arc<Module>> {
    let path = locate(uri, setting)?;
    // The same file by another path is the same module.
    let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(&canonical) {
        return Ok(Arc::clone(module));
    }
    let failed = |why: &str, error: &Error| {
        let failure = Failure::new(Code::TokenModuleFailed, "The PKCS#11 module cannot be used")
            .at(path.display().to_string())
            .because(why)
            .cause(cause(error));
        match setting {
            Some(setting) if setting.path == path => failure.at(setting.origin.to_string()),
            _ => failure,
        }
    };
    if config::programs_are_forbidden() {
        return Err(Failure::new(Code::TokenModuleFailed, "The PKCS#11 module was not loaded")
            .at(path.display().to_string())
            .because("A library runs as a program does, and nobody has agreed to it.")
            .fix("Add --yes if it may be loaded."));
    }
    let pkcs11 = Pkcs11::new(&path).map_err(|error| {
        failed(not_loaded(&path, &error), &error).fix("Name the shared library that came with the token.")
    })?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // The application that embeds us, or another library of it, uses the same module.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => {
            let failure = failed("It does not start.", &error).because(in_words(&error));
            return Err(failure.fix("Check that what drives the token runs (pcscd, say)."));
        }
    }
    let module = Arc::new(Module { pkcs11, path });
    loaded.insert(canonical, Arc::clone(&module));
    Ok(module)
}

fn not_loaded(path: &Path, error: &Error) -> &'static str {
    match error {
        Error::LibraryLoading(_) if !path.exists() => "There is no such file.",
        Error::LibraryLoading(_) => {
            "The system cannot load it: it is no shared library for this system, or one that it needs is missing."
        }
        Error::MissingSymbol(_) => "It is no PKCS#11 module: it has no `C_GetFunctionList`.",
        other => in_words(other),
    }
}

fn locate(uri: &Uri, setting: Option<&config::Module>) -> Result<PathBuf> {
    let failed = |what: &str| Failure::new(Code::TokenModuleFailed, what);
    let folders = folders();
    match (&uri.module_path, &uri.module_name, setting) {
        (Some(path), name, _) => {
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(failed("The `module-path` of the URI is not absolute")
                    .fix("Write the absolute path, or use `pkcs11Module` instead."));
            }
            match name {
                Some(name) if path.is_dir() => find(&[path], name),
                _ => Ok(path),
            }
        }
        (None, Some(name), _) => find(&folders, name),
        (None, None, Some(setting)) => Ok(setting.path.clone()),
        (None, None, None) => find(&folders, "p11-kit-proxy").map_err(|failure| {
            failure.because("Without a module of your own, p11-kit's proxy is used, which has those of the system.")
        }),
    }
}

/// The module of this name, without its prefix and suffix (RFC 7512, section 2.3).
fn find(folders: &[PathBuf], name: &str) -> Result<PathBuf> {
    let failed = || Failure::new(Code::TokenModuleFailed, "There is no PKCS#11 module of that name");
    if name.contains(['/', '\\']) {
        return Err(failed().because("The name in `module-name` is a path.").fix("Use `module-path`."));
    }
    let files = ["", "lib"].map(|prefix| format!("{prefix}{name}{}", std::env::consts::DLL_SUFFIX));
    let mut paths = folders.iter().flat_map(|folder| files.iter().map(|file| folder.join(file)));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        failed()
            .because(format!("Neither {} nor {} is in {}.", files[0], files[1], folders.join(", ")))
            .fix("Install the module, or name its file with `pkcs11Module` (--pkcs11-module).")
    })
}

/// Where systems keep their modules.
fn folders() -> Vec<PathBuf> {
    let multiarch = match std::env::consts::ARCH {
        "x86" => "i386-linux-gnu".to_owned(),
        "arm" => "arm-linux-gnueabihf".to_owned(),
        arch => format!("{arch}-linux-gnu"),
    };
    let multiarch = format!("/usr/lib/{multiarch}");
    let libraries = [multiarch.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"];
    let nested = |folder: &str| {
        [String::new(), "/pkcs11".to_owned(), "/softhsm".to_owned()].map(|sub| format!("{folder}{sub}").into())
    };
    libraries.into_iter().flat_map(nested).filter(|folder: &PathBuf| folder.is_dir()).collect()
}
