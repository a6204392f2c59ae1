//! The source of identities that most people have: a certificate and its key, each a file or text.

use std::borrow::Cow;

use super::facts::CertificateFacts;
use super::key::PrivateKey;
use super::pem::{self, Pem};
use super::Identity;
use crate::config::{Content, Material};
use crate::error::{Code, Failure, Result};

/// Reads the certificate and its key and proves that they belong together.
pub(super) fn load(cert: &Material, key: Option<&Material>) -> Result<Identity> {
    let certificates = read(cert, "certificate")?;
    if certificates.certificates.is_empty() {
        return Err(wrong_kind(cert, "certificate", &certificates));
    }
    let (key_material, mut keys) = match key {
        None => (cert, certificates.keys),
        Some(key) => {
            let pem = read(key, "private key")?;
            if pem.keys.is_empty() {
                return Err(if pem.encrypted_keys > 0 { encrypted(key) } else { wrong_kind(key, "private key", &pem) });
            }
            (key, pem.keys)
        }
    };
    if keys.is_empty() {
        return Err(if certificates.encrypted_keys > 0 { encrypted(cert) } else { no_key(cert) });
    }
    let chain = facts(&certificates.certificates);
    let Some((leaf, at)) = pair(&chain, &keys) else {
        return Err(if keys.iter().all(|key| key.signing_key().is_none()) {
            unsupported(key_material)
        } else {
            mismatch(cert, key_material, &chain)
        });
    };
    let key = keys.swap_remove(at);
    let Some(signing_key) = key.signing_key() else { return Err(unsupported(key_material)) };
    let chain = ordered(chain, leaf);
    Ok(Identity::new(chain, signing_key, place(cert), cert.origin.to_string()))
}

/// Reads the file or text of a setting.
///
/// # Errors
/// `file-unreadable`, `material-invalid`.
pub(crate) fn read(material: &Material, what: &str) -> Result<Pem> {
    let bytes = match &material.content {
        Content::Text(text) => Cow::Borrowed(text.expose().as_bytes()),
        Content::File(path) => std::fs::read(path).map(Cow::Owned).map_err(|error| {
            let failure = Failure::new(Code::FileUnreadable, format!("The {what} file cannot be read"))
                .at(path.display().to_string())
                .at(material.origin.to_string())
                .because(format!("{}.", capitalized(&error)));
            match error.kind() {
                std::io::ErrorKind::NotFound => failure.fix("Correct the path, or put the file there."),
                std::io::ErrorKind::PermissionDenied => failure.fix("Let the user that runs the host read it."),
                _ => failure,
            }
        })?,
    };
    // A key that was read from a file is zeroed with the buffer.
    let bytes = zeroize::Zeroizing::new(bytes.into_owned());
    pem::read(&bytes).map_err(|problem| {
        Failure::new(Code::MaterialInvalid, format!("There is no usable {what} in what `{}` names", setting(material)))
            .at(place(material))
            .at(material.origin.to_string())
            .because(problem.sentence())
    })
}

/// A failure that says what was found where something else was wanted.
pub(crate) fn wrong_kind(material: &Material, wanted: &str, found: &Pem) -> Failure {
    Failure::new(Code::MaterialInvalid, format!("There is no {wanted} in what `{}` names", setting(material)))
        .at(place(material))
        .at(material.origin.to_string())
        .because(format!("It holds {}.", found.in_words()))
        .fix(format!("Name the file of the {wanted}."))
}

/// The file, or the words for text that stands in the setting.
pub(crate) fn place(material: &Material) -> String {
    match &material.content {
        Content::File(path) => path.display().to_string(),
        Content::Text(_) => "PEM text in the setting".to_owned(),
    }
}

/// The certificates with what they say of themselves, in the order given.
fn facts(certificates: &[Vec<u8>]) -> Vec<(Vec<u8>, CertificateFacts)> {
    let parsed = certificates.iter().map(|der| Some((der.clone(), CertificateFacts::parse(der).ok()?)));
    parsed.flatten().collect()
}

/// The first certificate and key that belong together, as their places in the two lists.
fn pair(chain: &[(Vec<u8>, CertificateFacts)], keys: &[PrivateKey]) -> Option<(usize, usize)> {
    keys.iter().enumerate().find_map(|(at, key)| {
        let public = key.public_key_der()?;
        let leaf = chain.iter().position(|(_, facts)| facts.public_key_der == public)?;
        Some((leaf, at))
    })
}

/// The leaf, then each issuer that is there (RFC 8446, section 4.4.2), then other CA certificates;
/// self-signed roots are left out, since the server has its own.
fn ordered(mut rest: Vec<(Vec<u8>, CertificateFacts)>, leaf: usize) -> Vec<(Vec<u8>, CertificateFacts)> {
    let mut chain = vec![rest.swap_remove(leaf)];
    rest.retain(|(_, facts)| facts.is_ca && !facts.self_issued);
    while let Some(at) = chain.last().and_then(|(_, last)| rest.iter().position(|(_, f)| f.subject_der == last.issuer_der)) {
        chain.push(rest.remove(at));
    }
    chain.append(&mut rest);
    chain
}

fn no_key(cert: &Material) -> Failure {
    Failure::new(Code::KeyMissing, "There is a certificate without its private key")
        .at(place(cert))
        .at(cert.origin.to_string())
        .because("`key` is not set, and the certificate file holds no key.")
        .fix("Add the private key as `key`.")
}

fn encrypted(material: &Material) -> Failure {
    Failure::new(Code::KeyEncrypted, "The private key is encrypted")
        .at(place(material))
        .at(material.origin.to_string())
        .because("This version reads unencrypted keys only.")
        .fix("Decrypt it with `openssl pkey -in ENCRYPTED -out PLAIN`, and keep the result readable to you alone.")
}

fn unsupported(material: &Material) -> Failure {
    Failure::new(Code::KeyUnsupported, "The private key is of a kind that cannot be used")
        .at(place(material))
        .at(material.origin.to_string())
        .because("Usable are RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519.")
        .fix("Have a certificate issued for a key of one of these kinds.")
}

fn mismatch(cert: &Material, key: &Material, chain: &[(Vec<u8>, CertificateFacts)]) -> Failure {
    let subject = chain.first().map_or_else(String::new, |(_, facts)| facts.subject.clone());
    Failure::new(Code::KeyMismatch, "The private key belongs to another certificate")
        .at(place(cert))
        .at(place(key))
        .at(key.origin.to_string())
        .because(format!("The certificate is {}; its public key is not that of the private key.", crate::error::quoted(&subject)))
        .fix("Name the key that the certificate was requested with.")
}

/// The last part of the setting's key path: `cert`, `key` or `ca`.
fn setting(material: &Material) -> String {
    use crate::config::Origin;
    match &material.origin {
        Origin::File { key, .. } | Origin::Program(key) => key.rsplit('.').next().unwrap_or(key).to_owned(),
        Origin::Flag(flag) => flag.clone(),
        other => other.to_string(),
    }
}

fn capitalized(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "There is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "Permission is denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "It is a folder".to_owned(),
        _ => error.to_string(),
    }
}
