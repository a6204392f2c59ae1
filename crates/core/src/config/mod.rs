//! Settings as written, and where each value came from.
//!
//! A [`Entry`] is what was written; [`Entry::resolve`] makes an [`Endpoint`] of it, in which every
//! value has been checked and every reference replaced. Only this room reads the environment.

mod arguments;
mod command;
mod draft;
mod endpoint;
mod file;
mod guard;
mod headers;
mod locate;
mod material;
mod meant;
mod merge;
mod named;
mod origin;
mod output;
pub(crate) mod permissions;
mod process;
mod program;
mod reader;
mod reference;
mod schema;
mod settings;
mod spiffe;
mod spiffe_id;
mod suggest;
mod tls;
mod verification;
mod written;

pub use draft::{Draft, Moved, Started, StartedKind, Value, Variable};
pub(crate) use endpoint::told;
pub use endpoint::{Endpoint, ProxySettings, Transport};
pub use file::{File, MAPS, Source};
pub(crate) use guard::Guard;
pub use headers::Headers;
#[cfg(feature = "pkcs11")]
pub(crate) use locate::home;
pub use locate::{Listed, file_of_flag, files, find, find_unless_url, list, path_of_flag, user_file};
pub use material::{Content, Material, Module, Passphrase, is_on_token};
pub use meant::is_about_tls;
pub use named::Named;
pub use origin::Origin;
pub use permissions::{read_all, read_file};
#[cfg(feature = "pkcs11")]
pub(crate) use process::programs_are_forbidden;
pub use process::{end_programs, forbid_programs};
pub use program::Program;
pub(crate) use program::ProgramProblem;
pub use schema::schema;
pub use settings::{EntrySettings, Exec, Header, Kind, SpiffeSettings, TlsSettings};
pub use spiffe::{Spiffe, SpiffeServer};
pub use spiffe_id::SpiffeId;
pub use tls::Tls;
pub use verification::Pin;
pub use written::Written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use origin::Origins;

/// The settings of one server and where each was written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name of the entry; none when only a URL was given.
    name: Option<String>,
    settings: EntrySettings,
    origins: Origins,
    /// Each file that values stand in, with what relative paths in it are relative to.
    folders: Vec<(Arc<PathBuf>, PathBuf)>,
    warnings: Vec<String>,
    guard: Guard,
}

impl Entry {
    /// An entry made by a program, without a file.
    #[must_use]
    pub fn new(settings: EntrySettings) -> Self {
        Self::without_file(settings, Origins::program())
    }

    /// An entry given on the command line: a URL and flags.
    #[must_use]
    pub fn from_flags(url: &str, flags: EntrySettings) -> Self {
        let settings = EntrySettings { url: Some(crate::secret::Secret::new(url.to_owned())), ..flags };
        Self::without_file(settings, Origins::flags())
    }

    fn without_file(settings: EntrySettings, origins: Origins) -> Self {
        let (folders, warnings) = (Vec::new(), Vec::new());
        Self { name: None, settings, origins, folders, warnings, guard: Guard::default() }
    }

    /// The same entry with the settings that flags name replaced by theirs.
    #[must_use]
    pub fn overridden(mut self, flags: EntrySettings) -> Self {
        let tls = flags.tls.unwrap_or_default();
        let own = self.settings.tls.get_or_insert_default();
        let origins = &mut self.origins;
        replace(&mut own.cert, tls.cert, origins, "tls.cert");
        replace(&mut own.key, tls.key, origins, "tls.key");
        replace(&mut own.passphrase, tls.passphrase, origins, "tls.passphrase");
        replace(&mut own.exec, tls.exec, origins, "tls.exec");
        replace(&mut own.pkcs11_module, tls.pkcs11_module, origins, "tls.pkcs11Module");
        replace(&mut own.ca, tls.ca, origins, "tls.ca");
        replace(&mut own.system_roots, tls.system_roots, origins, "tls.systemRoots");
        replace(&mut own.pins, tls.pins, origins, "tls.pins");
        replace(&mut own.crl, tls.crl, origins, "tls.crl");
        replace(&mut own.server_name, tls.server_name, origins, "tls.serverName");
        replace(&mut own.min_version, tls.min_version, origins, "tls.minVersion");
        replace(&mut own.key_exchange, tls.key_exchange, origins, "tls.keyExchange");
        replace(&mut self.settings.timeout, flags.timeout, origins, "timeout");
        replace(&mut self.settings.proxy, flags.proxy, origins, "proxy");
        if let Some(flags) = flags.headers {
            let headers = self.settings.headers.get_or_insert_default();
            headers.retain(|own| !flags.iter().any(|flag| own.name.eq_ignore_ascii_case(&flag.name)));
            for header in flags {
                origins.set_flag(&format!("headers.{}", header.name));
                headers.push(header);
            }
        }
        self
    }

    /// What relative paths in the value of this origin are relative to: the folder of the file that
    /// they stand in, and for a flag the folder in which the program was started.
    fn folder(&self, origin: &Origin) -> Option<&Path> {
        let Origin::File { file, .. } = origin else { return None };
        self.folders.iter().find(|(of, _)| of == file).map(|(_, folder)| folder.as_path())
    }

    /// What deserves a word but stops nothing: keys that other hosts have and we do not.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn replace<T>(own: &mut Option<T>, flag: Option<T>, origins: &mut Origins, key: &str) {
    if flag.is_some() {
        *own = flag;
        origins.set_flag(key);
    }
}
