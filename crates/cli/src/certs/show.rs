//! `certs show`: reads the files, and finds out which certificates and keys belong together.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use mcp_mtls_core::config::{Material, Passphrase, is_on_token, read_all, read_file};
use mcp_mtls_core::error::{Code, Failure, Result, printable};
use mcp_mtls_core::identity::facts::{CertificateFacts, fingerprint, key_kind};
use mcp_mtls_core::identity::{EncryptedKey, Pkcs12, pem};
use mcp_mtls_core::secret::Secret;
use time::OffsetDateTime;

use super::view;
use crate::render::{self, Paint};

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// Files in PEM, DER or PKCS#12; `-` for stdin; `pkcs11:` URIs for what tokens show without a PIN.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Passphrase of what is encrypted, as a reference alone: `{env:NAME}`, `{file:PATH}` or
    /// `{command:PROGRAM ARGUMENTS}`.
    #[arg(long, value_name = "REFERENCE")]
    passphrase: Option<Secret>,
}

/// What one file holds.
pub(super) struct Shown {
    pub(super) file: String,
    pub(super) certificates: Vec<CertificateFacts>,
    pub(super) keys: Vec<Key>,
    /// How each encrypted key is encrypted.
    pub(super) encrypted_keys: Vec<String>,
    /// How a PKCS#12 file is encrypted that needs a passphrase.
    pub(super) pkcs12: Option<String>,
    pub(super) others: Vec<String>,
    pub(super) in_words: String,
}

/// What can be told of a private key.
pub(super) struct Key {
    /// The public half in DER; none for a kind of key that cannot be used here.
    pub(super) public_key_der: Option<Vec<u8>>,
}

/// Shows the files.
pub(crate) fn show(args: &ShowArgs, as_json: bool) -> Result<()> {
    let mut shown = Vec::new();
    let passphrase = match args.passphrase.as_ref().map(Passphrase::of_flag).transpose()? {
        Some((passphrase, warnings)) => {
            for warning in warnings {
                render::notice(&format!("warning: {}", printable(&warning)));
            }
            Some(passphrase)
        }
        None => None,
    };
    for file in &args.files {
        match file.to_str().filter(|text| is_on_token(text)) {
            Some(uri) => shown.extend(on_tokens(uri)?),
            None => shown.push(read(file, passphrase.as_ref())?),
        }
    }
    if as_json {
        render::json(&view::json(&shown));
    } else {
        render::answer(&view::text(&shown, OffsetDateTime::now_utc(), Paint::stdout()));
    }
    Ok(())
}

impl Key {
    pub(super) fn kind(&self) -> String {
        self.public_key_der.as_deref().map_or_else(|| "of an unknown kind".to_owned(), key_kind)
    }

    pub(super) fn public_key_fingerprint(&self) -> Option<String> {
        self.public_key_der.as_deref().map(fingerprint)
    }

    /// The certificates for this key, each with its file.
    pub(super) fn certificates<'a>(
        &'a self,
        all: &'a [Shown],
    ) -> impl Iterator<Item = (&'a Shown, &'a CertificateFacts)> {
        let every = all.iter().flat_map(|shown| shown.certificates.iter().map(move |facts| (shown, facts)));
        every.filter(|(_, facts)| self.public_key_der.as_ref() == Some(&facts.public_key_der))
    }
}

/// The file that holds the key of this certificate.
pub(super) fn key_file<'a>(facts: &CertificateFacts, all: &'a [Shown]) -> Option<&'a str> {
    let holds =
        |shown: &&Shown| shown.keys.iter().any(|key| key.public_key_der.as_ref() == Some(&facts.public_key_der));
    all.iter().find(holds).map(|shown| shown.file.as_str())
}

#[cfg(feature = "pkcs11")]
fn on_tokens(uri: &str) -> Result<Vec<Shown>> {
    let shown = mcp_mtls_core::identity::certificates_on_tokens(uri)?.into_iter().map(|(uri, certificate)| Shown {
        file: uri,
        in_words: if certificate.is_some() { "a certificate" } else { "no certificate that it shows without a PIN" }
            .to_owned(),
        certificates: certificate.into_iter().collect(),
        keys: Vec::new(),
        encrypted_keys: Vec::new(),
        pkcs12: None,
        others: Vec::new(),
    });
    Ok(shown.collect())
}

#[cfg(not(feature = "pkcs11"))]
fn on_tokens(_uri: &str) -> Result<Vec<Shown>> {
    Err(Failure::new(Code::TokenModuleFailed, "This build of mcp-mtls reaches no tokens")
        .because("It was built without the feature `pkcs11`."))
}

fn read(file: &Path, passphrase: Option<&Passphrase>) -> Result<Shown> {
    let (bytes, name) = if file == Path::new("-") {
        (read_all(io::stdin().lock()), "stdin".to_owned())
    } else {
        (read_file(file), file.display().to_string())
    };
    let bytes = bytes.map_err(|error| {
        let failure = Failure::new(Code::FileUnreadable, "The file cannot be read").at(printable(&name));
        match error.kind() {
            io::ErrorKind::NotFound => failure.because("There is no such file.").fix("Check the path."),
            io::ErrorKind::IsADirectory => failure.because("It is a folder.").fix("Name the files in it."),
            _ => failure.because_of(&error).fix("Check who may read it, and the folders on the way to it."),
        }
    })?;
    let found = pem::read(&bytes).map_err(|problem| {
        Failure::new(Code::MaterialInvalid, "The file holds no certificate and no key")
            .at(printable(&name))
            .because(problem.sentence())
    })?;
    let found = match passphrase {
        Some(passphrase) => found.unlocked(&Material::of_argument(Path::new(&name))?, passphrase)?,
        None => found.opened(),
    };
    let in_words = found.in_words();
    // The reader has parsed each of them already.
    let certificates = found.certificates.iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    let keys = found.keys.iter().map(|key| Key { public_key_der: key.public_key_der() }).collect();
    let encrypted_keys = found.encrypted_keys.iter().map(EncryptedKey::encryption).collect();
    let pkcs12 = found.pkcs12.as_ref().map(Pkcs12::encryption);
    let lists = found.revocation_lists.iter().map(|_| "a revocation list (CRL)".to_owned());
    let others = found.others.into_iter().chain(lists).collect();
    Ok(Shown { file: name, certificates, keys, encrypted_keys, pkcs12, others, in_words })
}
