//! [`Tls`]: the settings of `tls`, checked, with every reference replaced.

use std::path::Path;

use url::{Host, Url};

use super::endpoint::told;
use super::material::{Material, Module, Passphrase};
use super::origin::Origin;
use super::reference::{Template, resolve_with_references};
use super::verification::Pin;
use super::{Entry, Exec, Guard, Program, Spiffe, TlsSettings};
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

/// Client certificate and trust, with references replaced and paths made absolute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// The client certificate, perhaps with the key.
    pub cert: Option<Material>,
    /// The private key.
    pub key: Option<Material>,
    /// The passphrase of an encrypted key, or the PIN of a token.
    pub passphrase: Option<Passphrase>,
    /// The PKCS#11 module through which a token is reached.
    pub pkcs11_module: Option<Module>,
    /// The program that prints the certificate and its key, instead of these.
    pub exec: Option<Program>,
    /// CA certificates.
    pub ca: Option<Material>,
    /// Whether the system's roots are trusted too.
    pub system_roots: bool,
    /// Where certificate and trust come from instead.
    pub spiffe: Option<Spiffe>,
    /// The keys of which the server's path must have one; none when any will do.
    pub pins: Vec<Pin>,
    /// Where the pins stand; none when there are none.
    pub pins_origin: Option<Origin>,
    /// Revocation lists.
    pub crl: Option<Material>,
    /// The name that the server's certificate must have, instead of the URL's host.
    pub server_name: Option<Host>,
    /// Where that name stands.
    pub server_name_origin: Option<Origin>,
    /// Whether TLS 1.3 alone is spoken.
    pub only_tls13: bool,
    /// Whether key exchange is without the post-quantum part.
    pub classical: bool,
    guard: Guard,
}

impl Entry {
    pub(super) fn tls(&self, url: &Url, warnings: &mut Vec<String>) -> Result<Tls> {
        let written = self.settings.tls.as_ref().map(TlsSettings::written).unwrap_or_default();
        if url.scheme() == "http" {
            self.refuse_with_plain_http(&written, url)?;
        }
        let TlsSettings {
            cert,
            key,
            passphrase,
            pkcs11_module,
            exec,
            spiffe,
            ca,
            system_roots,
            pins,
            crl,
            server_name,
            min_version,
            key_exchange,
        } = self.settings.tls.clone().unwrap_or_default();
        let instead = written.iter().find(|name| !BESIDE_SPIFFE.contains(&name.split('.').next().unwrap_or_default()));
        let spiffe = spiffe.map(|spiffe| self.spiffe(&spiffe, instead.map(String::as_str))).transpose()?;
        let exec = exec
            .map(|exec| {
                let others =
                    [("cert", &cert), ("key", &key), ("passphrase", &passphrase), ("pkcs11Module", &pkcs11_module)];
                let beside = others.iter().find(|(_, text)| text.is_some());
                self.exec(&exec, beside.map(|(name, _)| *name))
            })
            .transpose()?;
        let cert = self.material("cert", cert, warnings)?;
        let key = self.material("key", key, warnings)?;
        let on_token = [&cert, &key].into_iter().flatten().any(Material::is_on_token);
        if let (Some(key), None) = (&key, &cert)
            && !key.is_on_token()
        {
            return Err(Failure::new(Code::ConfigConflict, "There is a key without a certificate")
                .at(self.origins.of("tls.key").to_string())
                .fix(add_certificate(&self.origins.of("tls.key"))));
        }
        if let (Some(_), None, None) = (&passphrase, &cert, &key) {
            return Err(Failure::new(Code::ConfigConflict, "There is a passphrase without a certificate")
                .at(self.origins.of("tls.passphrase").to_string())
                .fix(add_certificate(&self.origins.of("tls.passphrase"))));
        }
        if pkcs11_module.is_some() && !on_token {
            return Err(Failure::new(Code::ConfigConflict, "There is a PKCS#11 module without a token")
                .at(self.origins.of("tls.pkcs11Module").to_string())
                .because("Neither `cert` nor `key` is a `pkcs11:` URI.")
                .fix("Write the URI of the key as `key`, or remove the module."));
        }
        if let (None, Some(false)) = (&ca, system_roots) {
            return Err(Failure::new(
                Code::ConfigConflict,
                "Without the system's roots and without `ca` nothing is trusted",
            )
            .at(self.origins.of("tls.systemRoots").to_string())
            .fix("Add `ca`, or remove `systemRoots`."));
        }
        Ok(Tls {
            cert,
            key,
            passphrase: passphrase.map(|written| self.passphrase(&written, warnings)).transpose()?,
            pkcs11_module: pkcs11_module.map(|written| self.module(&written)).transpose()?,
            exec,
            ca: self.material("ca", ca, warnings)?,
            system_roots: system_roots.unwrap_or(spiffe.is_none()),
            spiffe,
            pins_origin: pins.as_ref().map(|_| self.origins.of("tls.pins")),
            pins: pins.map_or_else(|| Ok(Vec::new()), |written| self.pins(&written))?,
            crl: self.material("crl", crl, warnings)?,
            server_name_origin: server_name.as_ref().map(|_| self.origins.of("tls.serverName")),
            server_name: server_name.map(|written| self.server_name(written)).transpose()?,
            only_tls13: self
                .one_of("minVersion", min_version, &["1.2", "1.3"])?
                .is_some_and(|version| version == "1.3"),
            classical: self.one_of("keyExchange", key_exchange, &["classical"])?.is_some(),
            guard: self.guard.clone(),
        })
    }

    /// Refuses whatever is written.
    fn refuse_with_plain_http(&self, written: &[String], url: &Url) -> Result<()> {
        let Some(name) = written.first() else { return Ok(()) };
        Err(Failure::new(Code::ConfigConflict, "TLS settings cannot be used with an http:// URL")
            .at(self.origins.of(&format!("tls.{name}")).to_string())
            .because(format!("The URL is {}: no certificate would be shown, and nothing encrypted.", told(url)))
            .fix("Write https:// in the URL, or remove the TLS settings."))
    }

    /// `beside` is a setting that names a certificate or key too.
    fn exec(&self, written: &Exec, beside: Option<&str>) -> Result<Program> {
        let origin = self.origins.of("tls.exec");
        if let Some(name) = beside {
            return Err(Failure::new(Code::ConfigConflict, format!("`exec` and `{name}` cannot be used together"))
                .at(origin.to_string())
                .at(self.origins.of(&format!("tls.{name}")).to_string())
                .because("The program prints the certificate and its key, unencrypted.")
                .fix("Keep one of them."));
        }
        let folder = self.folder(&origin);
        let (mut words, mut references) = (Vec::new(), Vec::new());
        for word in written.words() {
            let (word, given) = resolve_with_references(word, folder, &origin)?;
            words.push(word);
            references.extend(given);
        }
        Program::new(words, references, folder, &origin)?.ok_or_else(|| {
            let failure = Failure::new(Code::ConfigInvalidValue, "`exec` names no program").at(origin.to_string());
            match origin {
                Origin::Flag(_) => failure.fix(
                    "Write --exec 'PROGRAM ARGUMENTS' and close its quotation marks. Words are split as a POSIX shell does, without expansion.",
                ),
                _ => failure.fix("Write the program and its arguments as a list: [\"PROGRAM\", \"ARGUMENT\"]."),
            }
        })
    }

    fn module(&self, written: &Secret) -> Result<Module> {
        let origin = self.origins.of("tls.pkcs11Module");
        let template = Template::read(written, self.folder(&origin), &origin)?;
        let path = template.fill()?;
        if path.expose().trim().is_empty() {
            return Err(Failure::new(Code::ConfigInvalidValue, "`pkcs11Module` is empty")
                .at(origin.to_string())
                .fix("Name the file of the module, or remove the setting."));
        }
        Ok(Module { path: template.path("pkcs11Module", path.expose())?, origin })
    }
}

impl Tls {
    /// The same settings with the files and programs of their references asked again; what a path
    /// names is read by whoever uses it. It may block: 5 s for each program at most.
    ///
    /// # Errors
    /// `reference-unresolved`, `config-invalid-value`, `file-unreadable`, `secret-exposed`, and those of
    /// [`Entry::guarded`].
    pub fn renewed(&self) -> Result<Self> {
        // An agent is not asked again: it gives what is new by itself.
        if self.spiffe.is_none() {
            self.guard.ask()?;
        }
        let renewed = |name: &str, material: &Option<Material>| {
            material.as_ref().map(|material| material.renewed(name)).transpose()
        };
        Ok(Self {
            cert: renewed("cert", &self.cert)?,
            key: renewed("key", &self.key)?,
            passphrase: self.passphrase.as_ref().map(Passphrase::renewed).transpose()?,
            ca: renewed("ca", &self.ca)?,
            crl: renewed("crl", &self.crl)?,
            ..self.clone()
        })
    }

    /// Every file that something here comes from, by a path or by a `{file:}`.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let materials = [&self.cert, &self.key, &self.ca, &self.crl].into_iter().flatten();
        materials.flat_map(Material::files).chain(self.passphrase.iter().flat_map(Passphrase::files))
    }
}

fn add_certificate(origin: &Origin) -> &'static str {
    match origin {
        Origin::Flag(_) => "Add the certificate with --cert FILE.",
        _ => "Add the certificate as `cert`.",
    }
}

/// What stands beside `spiffe`; all else is what it brings itself. A new setting counts as that until it is named here.
const BESIDE_SPIFFE: [&str; 4] = ["spiffe", "pins", "minVersion", "keyExchange"];
