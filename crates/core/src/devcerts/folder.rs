//! Certificates and keys as files: `NAME.pem` for everyone, `NAME.key` for its owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Authority, CA_STEM, Minted};
use crate::error::{Code, Failure, Result};
use crate::identity::facts::{CertificateFacts, date};
use crate::identity::pem;
use crate::secret::Secret;

/// Where a certificate and its key were written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, which only its owner can read.
    pub key: PathBuf,
}

/// Writes each certificate and its key into the folder, which is made if need be.
///
/// Nothing is ever overwritten: if one of the files is there already, none is written.
///
/// # Errors
/// `file-exists`, `file-unwritable`. What was written before the failure is removed.
pub fn write(folder: &Path, minted: &[&Minted]) -> Result<Vec<Written>> {
    let targets: Vec<_> = minted.iter().map(|minted| paths(folder, minted.file_stem())).collect();
    for target in &targets {
        if let Some(there) = [&target.certificate, &target.key].into_iter().find(|path| path.symlink_metadata().is_ok())
        {
            return Err(exists(there));
        }
    }
    make(folder).map_err(|error| unwritable(folder, &error))?;
    let mut created = Vec::new();
    for (minted, target) in minted.iter().zip(&targets) {
        let pair = [
            (&target.key, minted.key_pem().expose(), KEY_MODE),
            (&target.certificate, minted.certificate_pem(), CERTIFICATE_MODE),
        ];
        for (path, text, mode) in pair {
            if let Err(failure) = create(path, text, mode, &mut created) {
                // Half a pair would stand in the way of the next attempt.
                for path in created {
                    let _ = std::fs::remove_file(path);
                }
                return Err(failure);
            }
        }
    }
    Ok(targets)
}

impl Authority {
    /// Reads the CA that stands in a folder as `ca.pem` and `ca.key`.
    ///
    /// # Errors
    /// `file-unreadable`, `material-invalid`, `key-missing`, `key-mismatch`, `key-encrypted`, `key-unsupported`.
    pub fn open(folder: &Path) -> Result<Self> {
        let Written { certificate: certificate_file, key: key_file } = paths(folder, CA_STEM);
        let certificate_pem = read(&certificate_file)?;
        let key_pem = read(&key_file)?;
        let facts = ca_facts(&certificate_file, &certificate_pem)?;
        let key = ca_key(&key_file, &key_pem)?;
        if rcgen::PublicKeyData::subject_public_key_info(&key) != facts.1.public_key_der {
            return Err(Failure::new(Code::KeyMismatch, "The CA's key belongs to another certificate")
                .at(key_file.display().to_string())
                .at(certificate_file.display().to_string())
                .fix("Put the pair back that `mcp-mtls certs ca` wrote."));
        }
        let (der, facts) = facts;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der), key)
            .map_err(|error| not_a_ca(&certificate_file).cause(error))?;
        let minted = Minted {
            certificate_pem: certificate_pem.to_string(),
            key_pem: Secret::new(key_pem.to_string()),
            facts,
            file_stem: CA_STEM.to_owned(),
            shortened: false,
        };
        Ok(Self { minted, issuer })
    }
}

/// Makes a folder in which nobody else can write, whatever the umask is: keys that others could replace are refused.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.recursive(true).create(folder)
}

fn ca_facts(path: &Path, text: &str) -> Result<(Vec<u8>, CertificateFacts)> {
    let found = pem::read(text.as_bytes()).map_err(|problem| not_a_ca(path).because(problem.sentence()))?;
    let Some(der) = found.certificates.first() else {
        return Err(not_a_ca(path).because(format!("It holds {}.", found.in_words())));
    };
    let facts = CertificateFacts::parse(der).map_err(|_| not_a_ca(path))?;
    if !facts.is_ca {
        return Err(not_a_ca(path).because(format!("The certificate of {} may not sign others.", facts.title())));
    }
    let now = OffsetDateTime::now_utc();
    if facts.not_after <= now {
        return Err(Failure::new(Code::MaterialInvalid, "The CA has expired")
            .at(path.display().to_string())
            .because(format!("{}.", facts.describe(now)))
            .fix("Make a new CA in another folder with `mcp-mtls certs ca --out DIR`, and let servers and clients trust it."));
    }
    if facts.not_before > now {
        return Err(Failure::new(Code::MaterialInvalid, "The CA is not valid yet")
            .at(path.display().to_string())
            .because(format!("It is valid from {}.", date(facts.not_before, now)))
            .fix("Set this machine's clock."));
    }
    Ok((der.clone(), facts))
}

fn ca_key(path: &Path, text: &str) -> Result<KeyPair> {
    let place = path.display().to_string();
    let found = pem::read(text.as_bytes()).map_err(|problem| {
        Failure::new(Code::MaterialInvalid, "The file is not the key of a CA")
            .at(&place)
            .because(problem.sentence())
            .fix("Put the key back that `mcp-mtls certs ca` wrote.")
    })?;
    if found.keys.is_empty() {
        let (code, what) = if found.encrypted_keys.is_empty() {
            (Code::KeyMissing, "The file holds no key of a CA")
        } else {
            (Code::KeyEncrypted, "The CA's key is encrypted")
        };
        return Err(Failure::new(code, what)
            .at(place)
            .because(format!("It holds {}.", found.in_words()))
            .fix("Put the key back that `mcp-mtls certs ca` wrote."));
    }
    KeyPair::from_pem(text).map_err(|error| {
        Failure::new(Code::KeyUnsupported, "The CA's key cannot be used to sign")
            .at(place)
            .because("It is of a kind that is not known here, or damaged.")
            .fix("Put the key back that `mcp-mtls certs ca` wrote.")
            .cause(error)
    })
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        let failure = Failure::new(Code::FileUnreadable, "The CA cannot be read").at(path.display().to_string());
        match error.kind() {
            io::ErrorKind::NotFound => failure
                .because("There is no such file.")
                .fix("Make a CA first with `mcp-mtls certs ca`, or name its folder with `--ca DIR`."),
            _ => failure.because_of(&error).fix("Let this user read it, or name another folder with `--ca DIR`."),
        }
    })
}

fn create(path: &Path, text: &str, mode: u32, created: &mut Vec<PathBuf>) -> Result<()> {
    let mut file = open_new(path, mode).map_err(|error| match error.kind() {
        // It came into being after the check.
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(path, &error),
    })?;
    created.push(path.to_owned());
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, &error))
}

fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    // Elsewhere the folder's access list holds, which in a user's folder is hers alone.
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn paths(folder: &Path, stem: &str) -> Written {
    // Not `with_extension`: a stem such as `host.example` has dots of its own.
    Written { certificate: folder.join(format!("{stem}.pem")), key: folder.join(format!("{stem}.key")) }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Code::FileExists, "The file exists already, and nothing was written")
        .at(path.display().to_string())
        .because("A certificate or key in use must not be lost by accident.")
        .fix("Choose another folder, or move the file away.")
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::FileUnwritable, "The file cannot be written")
        .at(path.display().to_string())
        .because_of(error)
        .fix("Choose another folder.")
}

fn not_a_ca(path: &Path) -> Failure {
    Failure::new(Code::MaterialInvalid, "The file is not the certificate of a CA")
        .at(path.display().to_string())
        .fix("Make a CA with `mcp-mtls certs ca`, or name its folder with `--ca DIR`.")
}

const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;
