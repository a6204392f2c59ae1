//! [`Tls`]: the settings of `tls`, checked, with every reference replaced.

use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::arguments::{refuse_key, refuse_passphrase};
use super::endpoint::told;
use super::origin::Origin;
use super::reference::{Template, expand, literal, resolve};
use super::verification::Pin;
use super::{Entry, Exec, Program, Spiffe, TlsSettings};
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
    /// The passphrase of an encrypted key.
    pub passphrase: Option<Passphrase>,
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
    /// Revocation lists.
    pub crl: Option<Material>,
    /// The name that the server's certificate must have, instead of the URL's host.
    pub server_name: Option<Host>,
    /// Whether TLS 1.3 alone is spoken.
    pub only_tls13: bool,
    /// Whether key exchange is without the post-quantum part.
    pub classical: bool,
}

/// A passphrase as a reference gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Passphrase {
    /// The passphrase itself.
    pub value: Secret,
    /// Where the setting stands.
    pub origin: Origin,
    template: Template,
}

/// A certificate, key, CA or revocation list as a setting gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Material {
    /// The file or the text.
    pub content: Content,
    /// Where the setting stands.
    pub origin: Origin,
    template: Template,
}

/// Where the bytes of a [`Material`] are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// In a file.
    File(PathBuf),
    /// In the setting itself.
    Text(Secret),
}

impl Entry {
    pub(super) fn tls(&self, url: &Url, warnings: &mut Vec<String>) -> Result<Tls> {
        let TlsSettings {
            cert,
            key,
            passphrase,
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
        let of_spiffe = [
            ("cert", cert.is_some()),
            ("key", key.is_some()),
            ("passphrase", passphrase.is_some()),
            ("exec", exec.is_some()),
            ("ca", ca.is_some()),
            ("systemRoots", system_roots.is_some()),
            ("crl", crl.is_some()),
            ("serverName", server_name.is_some()),
        ];
        let others = [
            ("spiffe", spiffe.is_some()),
            ("pins", pins.is_some()),
            ("minVersion", min_version.is_some()),
            ("keyExchange", key_exchange.is_some()),
        ];
        let first = of_spiffe
            .iter()
            .chain(&others)
            .find_map(|(name, set)| set.then(|| self.origins.of(&format!("tls.{name}"))));
        if let (Some(origin), "http") = (first, url.scheme()) {
            return Err(Failure::new(Code::ConfigConflict, "TLS settings cannot be used with an http:// URL")
                .at(origin.to_string())
                .because(format!("The URL is {}: no certificate would be shown, and nothing encrypted.", told(url)))
                .fix("Write https:// in the URL, or remove the TLS settings."));
        }
        let spiffe = spiffe
            .map(|spiffe| self.spiffe(&spiffe, of_spiffe.iter().find_map(|(name, set)| set.then_some(*name))))
            .transpose()?;
        if exec.is_some() {
            let beside = [("cert", &cert), ("key", &key), ("passphrase", &passphrase)];
            if let Some((name, _)) = beside.iter().find(|(_, text)| text.is_some()) {
                return Err(Failure::new(Code::ConfigConflict, format!("`exec` and `{name}` cannot be used together"))
                    .at(self.origins.of("tls.exec").to_string())
                    .at(self.origins.of(&format!("tls.{name}")).to_string())
                    .because("The program prints the certificate and its key, unencrypted.")
                    .fix("Keep one of them."));
            }
        }
        if let (Some(_), None) = (&key, &cert) {
            return Err(Failure::new(Code::ConfigConflict, "There is a key without a certificate")
                .at(self.origins.of("tls.key").to_string())
                .fix("Add the certificate as `cert`."));
        }
        if let (Some(_), None) = (&passphrase, &cert) {
            return Err(Failure::new(Code::ConfigConflict, "There is a passphrase without a certificate")
                .at(self.origins.of("tls.passphrase").to_string())
                .fix("Add the certificate as `cert`."));
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
            cert: self.material("cert", cert, warnings)?,
            key: self.material("key", key, warnings)?,
            passphrase: passphrase.map(|written| self.passphrase(&written, warnings)).transpose()?,
            exec: exec.map(|written| self.exec(&written)).transpose()?,
            ca: self.material("ca", ca, warnings)?,
            system_roots: system_roots.unwrap_or(true),
            spiffe,
            pins: pins.map_or_else(|| Ok(Vec::new()), |written| self.pins(&written))?,
            crl: self.material("crl", crl, warnings)?,
            server_name: server_name.map(|written| self.server_name(written)).transpose()?,
            only_tls13: self
                .one_of("minVersion", min_version, &["1.2", "1.3"])?
                .is_some_and(|version| version == "1.3"),
            classical: self.one_of("keyExchange", key_exchange, &["classical"])?.is_some(),
        })
    }

    fn passphrase(&self, written: &Secret, warnings: &mut Vec<String>) -> Result<Passphrase> {
        let origin = self.origins.of("tls.passphrase");
        refuse_passphrase(written, &origin)?;
        let template = Template::read(written, self.folder(&origin), &origin)?;
        Ok(Passphrase { value: passphrase(&template, &origin, warnings)?, origin, template })
    }

    fn exec(&self, written: &Exec) -> Result<Program> {
        let origin = self.origins.of("tls.exec");
        let folder = self.folder(&origin);
        let words = written.words().iter().map(|word| resolve(word, folder, &origin)).collect::<Result<_>>()?;
        Program::new(words, folder, &origin)?.ok_or_else(|| {
            let failure = Failure::new(Code::ConfigInvalidValue, "`exec` names no program").at(origin.to_string());
            match origin {
                Origin::Flag(_) => failure.fix(
                    "Write --exec 'PROGRAM ARGUMENTS' and close its quotation marks. Words are split as a POSIX shell does, without expansion.",
                ),
                _ => failure.fix("Write the program and its arguments as a list: [\"PROGRAM\", \"ARGUMENT\"]."),
            }
        })
    }

    fn material(&self, name: &str, written: Option<Secret>, warnings: &mut Vec<String>) -> Result<Option<Material>> {
        let Some(written) = written else { return Ok(None) };
        let origin = self.origins.of(&format!("tls.{name}"));
        let (literal, _) = literal(&written, &origin)?;
        if literal.expose().contains(KEY_MARK) {
            refuse_key(name, &origin)?;
            if let Origin::File { .. } = origin {
                warnings.push(format!("{origin}: a private key stands in the file; {{file:}} or {{env:}} is safer"));
            }
        }
        let template = Template::read(&written, self.folder(&origin), &origin)?;
        Ok(Some(Material { content: content(name, &template, &origin, warnings)?, origin, template }))
    }
}

impl Tls {
    /// The same settings with the files and programs of their references asked again; what a path
    /// names is read by whoever uses it. It may block: 5 s for each program at most.
    ///
    /// # Errors
    /// `reference-unresolved`, `config-invalid-value`.
    pub fn renewed(&self) -> Result<Self> {
        let renewed = |name: &str, material: &Option<Material>| {
            let again = |material: &Material| {
                let Material { origin, template, .. } = material.clone();
                Ok(Material { content: content(name, &template, &origin, &mut Vec::new())?, origin, template })
            };
            material.as_ref().map(again).transpose()
        };
        let passphrase =
            |passphrase: &Passphrase| Ok(Passphrase { value: passphrase.template.fill()?, ..passphrase.clone() });
        Ok(Self {
            cert: renewed("cert", &self.cert)?,
            key: renewed("key", &self.key)?,
            passphrase: self.passphrase.as_ref().map(passphrase).transpose()?,
            ca: renewed("ca", &self.ca)?,
            crl: renewed("crl", &self.crl)?,
            ..self.clone()
        })
    }

    /// Every file that something here comes from, by a path or by a `{file:}`.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let materials = [&self.cert, &self.key, &self.ca, &self.crl].into_iter().flatten();
        let named = materials.clone().filter_map(|material| match &material.content {
            Content::File(path) => Some(path.as_path()),
            Content::Text(_) => None,
        });
        let templates = materials.map(|material| &material.template);
        let templates = templates.chain(self.passphrase.as_ref().map(|passphrase| &passphrase.template));
        named.chain(templates.flat_map(Template::files))
    }
}

/// What the reference gives now. What it says of the files behind it is added to `warnings`.
fn passphrase(template: &Template, origin: &Origin, warnings: &mut Vec<String>) -> Result<Secret> {
    let (value, files) = template.fill_from_files()?;
    for file in &files {
        warnings.extend(file.judge("passphrase", origin)?);
    }
    Ok(value)
}

/// The file or the text that a setting gives now; likewise.
fn content(name: &str, template: &Template, origin: &Origin, warnings: &mut Vec<String>) -> Result<Content> {
    let (value, files) = template.fill_from_files()?;
    if value.expose().contains(KEY_MARK) {
        for file in &files {
            warnings.extend(file.judge("private key", origin)?);
        }
    }
    let text = value.expose().trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(Failure::new(Code::ConfigInvalidValue, format!("`{name}` is empty"))
            .at(origin.to_string())
            .fix("Name a file, or remove the setting."));
    }
    let no_path = |why: &str| {
        Failure::new(Code::ConfigInvalidValue, format!("`{name}` is neither a path nor PEM text"))
            .at(origin.to_string())
            .because(why)
    };
    if text.contains("-----BEGIN") {
        return Ok(Content::Text(value));
    }
    if text.contains('\n') {
        return Err(no_path("It has several lines and no `-----BEGIN` line."));
    }
    if is_base64_of_der(text) {
        // As a path it would stand in the message about the file that is not there.
        return Err(no_path("It is Base64 alone.").fix("Add the `-----BEGIN …-----` and `-----END …-----` lines."));
    }
    Ok(Content::File(expand(text, template.folder(), origin)?))
}

/// Whether this is the inside of a PEM block: Base64 of a DER sequence, and too long for a path of such characters.
fn is_base64_of_der(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ');
    text.starts_with('M') && text.len() >= 60 && text.bytes().all(base64)
}

const KEY_MARK: &str = "PRIVATE KEY-----";
