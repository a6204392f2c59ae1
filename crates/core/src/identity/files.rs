//! The source of identities that most people have: a certificate and its key, each a file or text.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::sign::SigningKey;

use super::Identity;
use super::facts::CertificateFacts;
use super::key::PrivateKey;
use super::pem::{self, Pem, PemProblem};
use super::{pkcs12, unlock};
use crate::config::permissions::{self, Opened};
use crate::config::{Content, Material, Passphrase};
use crate::error::{Code, Failure, Result, brief};

/// Reads the certificate and its key and proves that they belong together.
pub(super) fn load(cert: &Material, key: Option<&Material>, passphrase: Option<&Passphrase>) -> Result<Identity> {
    let (certificates, opened) = open(cert, "certificate")?;
    let (certificates, used) = unlock::opened(cert, certificates, passphrase, key.is_none())?;
    if certificates.certificates.is_empty() {
        return Err(wrong_kind(cert, "certificate", &certificates));
    }
    let (chain, is_pkcs12) = (facts(&certificates.certificates), certificates.is_pkcs12);
    let (material, found, opened, used) = match key {
        None => match pkcs12::ambiguous(cert, &certificates) {
            Some(failure) => return Err(failure),
            None => (cert, certificates, opened, used),
        },
        Some(key) => {
            let (found, opened) = open(key, "private key")?;
            let (found, used_here) = unlock::opened(key, found, passphrase, !used)?;
            (key, found, opened, used || used_here)
        }
    };
    if found.keys.is_empty() && found.encrypted_keys.is_empty() {
        return Err(if key.is_some() { wrong_kind(material, "private key", &found) } else { no_key(cert, &found) });
    }
    if let (Some(passphrase), true) = (passphrase, found.encrypted_keys.is_empty() && !used) {
        return Err(unlock::needless(material, passphrase));
    }
    let warning = opened.map(|opened| opened.judge("private key", &material.origin)).transpose()?.flatten();
    let Some((leaf, key)) = own_key(material, &found, passphrase, &chain)? else {
        return Err(mismatch(cert, material, &chain));
    };
    let written: Vec<_> = chain.iter().map(|(_, facts)| facts.clone()).collect();
    let mut identity = Identity::new(ordered(chain, leaf), key, place(cert), cert.origin.to_string());
    identity.warnings.extend(warning);
    // The certificates of PKCS#12 stand in no order.
    identity.is_pkcs12 = is_pkcs12;
    identity.written = if is_pkcs12 { Vec::new() } else { written }.into();
    Ok(identity)
}

/// The certificates of a file or text, for a key that is elsewhere. A PKCS#12 file must open without a
/// passphrase.
#[cfg(feature = "pkcs11")]
pub(super) fn certificates(cert: &Material) -> Result<Vec<(Vec<u8>, CertificateFacts)>> {
    let (found, _) = unlock::opened(cert, read(cert, "certificate")?, None, false)?;
    let chain = facts(&found.certificates);
    if chain.is_empty() { Err(wrong_kind(cert, "certificate", &found)) } else { Ok(chain) }
}

/// The key of one of the certificates, and the place of that in the chain; none when no key is.
fn own_key(
    material: &Material,
    found: &Pem,
    passphrase: Option<&Passphrase>,
    chain: &[(Vec<u8>, CertificateFacts)],
) -> Result<Option<(usize, Arc<dyn SigningKey>)>> {
    let mut usable = false;
    let mut pair = |key: &PrivateKey| {
        let key = key.signing_key()?;
        usable = true;
        let public = key.public_key()?;
        let leaf = chain.iter().position(|(_, facts)| facts.public_key_der == *public)?;
        Some((leaf, key))
    };
    if let Some(passphrase) = passphrase {
        // These first: the passphrase says that one of them is meant. It need not be that of each.
        let mut refused = None;
        let mut work = 0;
        for key in &found.encrypted_keys {
            work += key.sealed().work();
            if work > pkcs12::MOST_WORK {
                return Err(refused.unwrap_or_else(|| unlock::too_much(material)));
            }
            match unlock::decrypted(material, key, passphrase) {
                Ok(key) => {
                    if let Some(pair) = pair(&key) {
                        return Ok(Some(pair));
                    }
                }
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        if let Some(failure) = refused {
            return Err(failure);
        }
    }
    if let Some(pair) = found.keys.iter().find_map(&mut pair) {
        return Ok(Some(pair));
    }
    match found.encrypted_keys.first() {
        Some(key) if passphrase.is_none() => Err(unlock::encrypted(material, key)),
        _ if usable => Ok(None),
        _ => Err(unsupported(material, chain)),
    }
}

/// Reads the file or text of a setting.
///
/// # Errors
/// `file-unreadable`, `material-invalid`.
pub(crate) fn read(material: &Material, what: &str) -> Result<Pem> {
    Ok(open(material, what)?.0)
}

/// The same, with the file that it was read from.
fn open(material: &Material, what: &str) -> Result<(Pem, Option<Opened>)> {
    let file;
    let (bytes, opened) = match &material.content {
        Content::Text(text) => (text.expose().as_bytes(), None),
        Content::Token(_) => return Err(on_token(material, what)),
        Content::File(path) => {
            let read = permissions::read(path).map_err(|error| unreadable(material, path, what, &error))?;
            file = read.0;
            (file.as_slice(), Some(read.1))
        }
    };
    let pem = pem::read(bytes).map_err(|problem| {
        let is_empty = problem == PemProblem::Empty;
        let sentence = if is_empty {
            format!("The {what} that `{}` names is empty", setting(material))
        } else {
            format!("There is no usable {what} in what `{}` names", setting(material))
        };
        Failure::new(Code::MaterialInvalid, sentence)
            .at(place(material))
            .at(material.origin.to_string())
            .because(problem.sentence())
            .fix(match problem {
                PemProblem::Empty => "Write it anew; whatever made the file has failed.",
                PemProblem::Unrecognized => "Name a file in PEM, DER or PKCS#12.",
                PemProblem::LargePkcs12 | PemProblem::TooMany => "Name a file that holds only what is needed.",
                _ => "Copy it again from where it came from.",
            })
    })?;
    Ok((pem, opened))
}

fn unreadable(material: &Material, path: &Path, what: &str, error: &io::Error) -> Failure {
    // The whole path is told as the place.
    let file = brief(&path.file_name().unwrap_or(path.as_os_str()).display().to_string());
    let (sentence, fix) = match error.kind() {
        io::ErrorKind::NotFound => {
            (format!("There is no {what} file {file}"), "Correct the path, or put the file there.")
        }
        io::ErrorKind::PermissionDenied => {
            (format!("The {what} file {file} may not be read"), "Let the user that runs the host read it.")
        }
        io::ErrorKind::IsADirectory => {
            (format!("`{}` names a folder, and no {what} file", setting(material)), "Name the file in it.")
        }
        _ => (format!("The {what} file {file} cannot be read"), "Name another file, or mend this one."),
    };
    Failure::new(Code::FileUnreadable, sentence)
        .at(path.display().to_string())
        .at(material.origin.to_string())
        .because_of(error)
        .fix(fix)
}

/// A failure that says what was found where something else was wanted.
pub(crate) fn wrong_kind(material: &Material, wanted: &str, found: &Pem) -> Failure {
    let setting = setting(material);
    let name = setting.trim_start_matches('-').to_owned();
    let has_key = !found.keys.is_empty() || !found.encrypted_keys.is_empty();
    let has = |what: &str| found.others.iter().any(|other| other.contains(what));
    let fix = if has("certificate request") {
        "Name the certificate that the CA has made of this request.".to_owned()
    } else if has("public key") && name == "key" {
        "Name the private key that this public key belongs to.".to_owned()
    } else if has("PKCS#7") {
        "Write its certificates as PEM with `openssl pkcs7 -print_certs -in FILE -out NEW`, and name that.".to_owned()
    } else if has("OpenSSH") {
        "Write it in another form with `ssh-keygen -p -m PKCS8 -f FILE`.".to_owned()
    } else if has("TRUSTED") {
        "Write it in the common form with `openssl x509 -in FILE -out NEW`, and name that.".to_owned()
    } else if name == "cert" && has_key {
        "Name the certificate as `cert`, and this file as `key`.".to_owned()
    } else if name == "key" && !found.certificates.is_empty() {
        "Name the private key as `key`, and this file as `cert`.".to_owned()
    } else {
        format!("Name the file of the {wanted}.")
    };
    let holds = found.in_words();
    Failure::new(Code::MaterialInvalid, format!("`{setting}` names {}, and no {wanted}", brief(&holds)))
        .at(place(material))
        .at(material.origin.to_string())
        .because(format!("It holds {holds}."))
        .fix(fix)
}

/// The file, or the words for text that stands in the setting.
pub(crate) fn place(material: &Material) -> String {
    match &material.content {
        Content::File(path) => path.display().to_string(),
        Content::Text(_) => "PEM text in the setting".to_owned(),
        Content::Token(uri) => super::uri_of(uri),
    }
}

/// A token where a file is wanted.
fn on_token(material: &Material, what: &str) -> Failure {
    Failure::new(Code::MaterialInvalid, format!("The {what} cannot be on a token here"))
        .at(place(material))
        .at(material.origin.to_string())
        .fix("Name a file.")
}

/// The certificates with what they say of themselves, in the order given.
pub(super) fn facts(certificates: &[Vec<u8>]) -> Vec<(Vec<u8>, CertificateFacts)> {
    let parsed = certificates.iter().map(|der| Some((der.clone(), CertificateFacts::parse(der).ok()?)));
    parsed.flatten().collect()
}

/// The leaf, then each issuer that is there (RFC 8446, section 4.4.2), then other CA certificates;
/// self-signed roots are left out, since the server has its own.
pub(super) fn ordered(mut rest: Vec<(Vec<u8>, CertificateFacts)>, leaf: usize) -> Vec<(Vec<u8>, CertificateFacts)> {
    let mut chain = vec![rest.remove(leaf)];
    let mut seen = HashSet::new();
    rest.retain(|(_, facts)| facts.is_ca && !facts.self_issued && seen.insert(facts.fingerprint.clone()));
    while let Some(at) =
        chain.last().and_then(|(_, last)| rest.iter().position(|(_, f)| f.subject_der == last.issuer_der))
    {
        chain.push(rest.remove(at));
    }
    chain.append(&mut rest);
    chain
}

fn no_key(cert: &Material, found: &Pem) -> Failure {
    let why = if found.is_pkcs12 {
        format!("`key` is not set, and the PKCS#12 file holds {}.", found.in_words())
    } else {
        "`key` is not set, and the certificate file holds no key.".to_owned()
    };
    Failure::new(Code::KeyMissing, "There is a certificate without its private key")
        .at(place(cert))
        .at(cert.origin.to_string())
        .because(why)
        .fix("Set `key` (--key) to the private key of that certificate.")
}

fn unsupported(material: &Material, chain: &[(Vec<u8>, CertificateFacts)]) -> Failure {
    let failure = Failure::new(Code::KeyUnsupported, "The private key is of a kind that cannot be used")
        .at(place(material))
        .at(material.origin.to_string());
    of_kind(failure, chain)
}

/// Says which kind the key is, or should be, by the first certificate.
pub(super) fn of_kind(failure: Failure, chain: &[(Vec<u8>, CertificateFacts)]) -> Failure {
    let kind = chain.first().map(|(_, facts)| facts.key_kind.as_str());
    let is_usable = kind.is_some_and(|kind| match kind.strip_prefix("RSA ") {
        Some(bits) => bits.parse().is_ok_and(|bits: u32| (2048..=8192).contains(&bits)),
        None => kind.starts_with("ECDSA P-") || kind == "Ed25519",
    });
    let failure = kind.into_iter().fold(failure, |failure, kind| {
        let so = if is_usable { ", and this is another, or is damaged" } else { "" };
        failure.because(format!("The certificate is for a key of {kind}{so}."))
    });
    failure.because(USABLE_KEYS).fix(if is_usable {
        "Name the key that the certificate was requested with."
    } else {
        "Have a certificate issued for a key of one of these kinds."
    })
}

fn mismatch(cert: &Material, key: &Material, chain: &[(Vec<u8>, CertificateFacts)]) -> Failure {
    let subject = chain.first().map_or_else(String::new, |(_, facts)| facts.subject.clone());
    Failure::new(Code::KeyMismatch, "The private key belongs to another certificate")
        .at(place(cert))
        .at(cert.origin.to_string())
        .at(place(key))
        .at(key.origin.to_string())
        .because(format!(
            "The certificate is {}; its public key is not that of the private key.",
            crate::error::quoted(&subject)
        ))
        .fix("Name the key that the certificate was requested with.")
}

/// Why a key is of no use, in words.
const USABLE_KEYS: &str = "Usable are RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519.";

/// The last part of the setting's key path: `cert`, `key` or `ca`.
fn setting(material: &Material) -> String {
    use crate::config::Origin;
    match &material.origin {
        Origin::File { key, .. } | Origin::Program(key) => key.rsplit('.').next().unwrap_or(key).to_owned(),
        Origin::Flag(flag) => flag.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use mcp_mtls_testkit::pki::Pki;

    use super::*;
    use crate::config::{Entry, EntrySettings};

    #[test]
    fn the_chain_is_in_the_order_of_tls_whatever_the_order_of_the_file() {
        let pki = Pki::new();
        let client = pki.client_of_intermediate();
        let [leaf, issuer] = &client.cert_pem.split_inclusive("-----END CERTIFICATE-----\n").collect::<Vec<_>>()[..]
        else {
            panic!("a leaf and its issuer");
        };
        let root = std::fs::read_to_string(pki.client_ca_file()).unwrap();
        let other = pki.client("bob").cert_pem;
        for pem in [
            [leaf, issuer, ""],
            [issuer, leaf, ""],
            [&root, issuer, leaf],
            [&other, issuer, leaf],
            [leaf, issuer, leaf],
            [issuer, leaf, issuer],
        ] {
            let settings = EntrySettings::new("https://corp.example/").identity(&pem.concat(), &client.key_pem);
            let tls = Entry::new(settings).resolve().unwrap().tls;
            let identity = load(&tls.cert.unwrap(), tls.key.as_ref(), None).unwrap();
            assert_eq!(identity.certified().cert, client.chain());
        }
    }

    #[test]
    fn a_ca_that_is_no_issuer_of_ours_comes_last() {
        let pki = Pki::new();
        let (client, server) = (pki.client_of_intermediate(), pki.server_identity_of_intermediate());
        let settings = EntrySettings::new("https://corp.example/")
            .identity(&format!("{}{}", server.cert_pem, client.cert_pem), &client.key_pem);
        let tls = Entry::new(settings).resolve().unwrap().tls;
        let identity = load(&tls.cert.unwrap(), tls.key.as_ref(), None).unwrap();
        assert_eq!(identity.certified().cert, [client.chain(), vec![server.chain()[1].clone()]].concat());
    }
}
