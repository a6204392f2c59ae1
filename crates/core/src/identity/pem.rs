//! What a file or a setting holds: certificates and keys, in PEM (RFC 7468) as people really have
//! it, in DER, or in PKCS#12.
//!
//! Taken as they come: any order, text around, CRLF, a byte-order mark, UTF-16, indentation, all
//! on one line, and line breaks written as `\n` (environment variables, JSON).

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use zeroize::Zeroizing;

use super::der::Der;
use super::encrypted::{self, EncryptedKey};
use super::facts::CertificateFacts;
use super::key::PrivateKey;
use super::pkcs12::{self, Contents, Pkcs12};

/// The contents of a file or a setting.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pem {
    /// Certificates in DER, in the order of the file.
    pub certificates: Vec<Vec<u8>>,
    /// Unencrypted private keys, in the order of the file.
    pub keys: Vec<PrivateKey>,
    /// Encrypted private keys, in the order of the file.
    pub encrypted_keys: Vec<EncryptedKey>,
    /// A PKCS#12 file that is not open.
    pub pkcs12: Option<Pkcs12>,
    /// Revocation lists (CRLs) in DER, in the order of the file.
    pub revocation_lists: Vec<Vec<u8>>,
    /// What else there is, in words: "a certificate request", "a public key".
    pub others: Vec<String>,
    /// The friendly names that PKCS#12 gives to certificates, by their fingerprints.
    pub(super) names: HashMap<String, String>,
    /// Whether there was a PKCS#12 file, which is open now.
    pub(crate) is_pkcs12: bool,
}

/// Why contents cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemProblem {
    /// There is nothing.
    Empty,
    /// Neither PEM nor DER of a kind known here.
    Unrecognized,
    /// A `-----BEGIN` line without its `-----END` line.
    Unclosed,
    /// Between the lines stands something that is not Base64.
    NotBase64,
    /// A certificate that is not one inside.
    BrokenCertificate,
    /// A key that is not one inside.
    BrokenKey,
    /// A PKCS#12 file that is not one inside.
    BrokenPkcs12,
    /// A PKCS#12 file that is larger than anybody's.
    LargePkcs12,
    /// More than anybody needs, and than can be told.
    TooMany,
}

impl PemProblem {
    /// The problem in words, as a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "It is empty.",
            Self::Unrecognized => {
                "It is neither PEM (there is no `-----BEGIN` line), nor a certificate, key or revocation list in DER, nor PKCS#12."
            }
            Self::Unclosed => "A `-----BEGIN` line has no matching `-----END` line; the end may be cut off.",
            Self::NotBase64 => "Between the `-----BEGIN` and `-----END` lines stands something that is not Base64.",
            Self::BrokenCertificate => "A certificate in it is damaged: its contents are not X.509.",
            Self::BrokenKey => "A private key in it is damaged: its contents are not DER.",
            Self::LargePkcs12 => "It is a PKCS#12 file (.p12, .pfx) of more than 16 MiB.",
            Self::TooMany => "It holds more than 1,000 certificates, keys and other things.",
            Self::BrokenPkcs12 => "It is a PKCS#12 file (.p12, .pfx) that is damaged, or cut off.",
        }
    }
}

/// Reads PEM, DER or PKCS#12, of which the last stays closed.
///
/// # Errors
/// What keeps the contents from being read; a block that is not wanted is no error but listed.
pub fn read(bytes: &[u8]) -> Result<Pem, PemProblem> {
    if pkcs12::begins_as_pkcs12(bytes) {
        return Ok(Pem { pkcs12: Some(read_pkcs12(bytes)?), ..Pem::default() });
    }
    let text = as_text(bytes);
    if text.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
        return Err(PemProblem::Empty);
    }
    if !text.contains(BEGIN) {
        return read_der(bytes);
    }
    let mut pem = Pem::default();
    let mut rest = text.as_str();
    let mut blocks = 0;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once("-----").ok_or(PemProblem::Unclosed)?;
        let (body, after) = after.split_once(&format!("-----END {label}-----")).ok_or(PemProblem::Unclosed)?;
        if body.contains(BEGIN) {
            return Err(PemProblem::Unclosed);
        }
        blocks += 1;
        if blocks > MOST_THINGS {
            return Err(PemProblem::TooMany);
        }
        pem.add(label.trim(), body)?;
        rest = after;
    }
    Ok(pem)
}

/// One certificate as PEM (RFC 7468, section 5).
#[must_use]
pub fn certificate(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (at, c) in BASE64.encode(der).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

impl Pem {
    fn add(&mut self, label: &str, body: &str) -> Result<(), PemProblem> {
        match label {
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                let der = decode(body)?;
                CertificateFacts::parse(&der).map_err(|_| PemProblem::BrokenCertificate)?;
                self.certificates.push(der.to_vec());
            }
            "ENCRYPTED PRIVATE KEY" => {
                let key = EncryptedKey::from_pkcs8(&decode(body)?).ok_or(PemProblem::BrokenKey)?;
                self.encrypted_keys.push(key);
            }
            // RFC 1421 headers, as OpenSSL writes for encrypted PKCS#1 and SEC1 keys.
            _ if label.ends_with("PRIVATE KEY") && body.contains("ENCRYPTED") => {
                let (cipher, iv, body) = encrypted::headers(body).ok_or(PemProblem::BrokenKey)?;
                let key = EncryptedKey::from_old(cipher, iv, &decode(body)?).ok_or(PemProblem::BrokenKey)?;
                self.encrypted_keys.push(key);
            }
            "PRIVATE KEY" => {
                self.keys.push(PrivateKey::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key(body)?))));
            }
            "RSA PRIVATE KEY" => {
                self.keys.push(PrivateKey::new(PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(key(body)?))));
            }
            "EC PRIVATE KEY" => {
                self.keys.push(PrivateKey::new(PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(key(body)?))));
            }
            // As GnuTLS writes it.
            "PKCS12" if self.pkcs12.is_none() => {
                self.pkcs12 = Some(read_pkcs12(&decode(body)?)?);
            }
            // What is inside is looked at where it is wanted.
            "X509 CRL" => self.revocation_lists.push(decode(body)?.to_vec()),
            // They stand beside keys and say nothing that the key does not say.
            "EC PARAMETERS" | "DH PARAMETERS" => {}
            _ => self.others.push(in_words(label)),
        }
        Ok(())
    }

    /// Opens a PKCS#12 file that needs no passphrase; another stays closed.
    #[must_use]
    pub fn opened(mut self) -> Self {
        if let Some(contents) = self.pkcs12.as_ref().and_then(|file| file.open(None).ok()) {
            self.pkcs12 = None;
            self.take(contents);
        }
        self
    }

    /// Adds what was in a PKCS#12 file.
    pub(super) fn take(&mut self, contents: Contents) {
        self.is_pkcs12 = true;
        self.certificates.extend(contents.certificates);
        self.keys.extend(contents.keys);
        self.others.extend(contents.others);
        self.names.extend(contents.names);
    }

    /// What there is, in words: "2 certificates and a private key".
    #[must_use]
    pub fn in_words(&self) -> String {
        let counted = [
            (self.certificates.len(), "certificate"),
            (self.keys.len(), "private key"),
            (self.encrypted_keys.len(), "encrypted private key"),
            (self.revocation_lists.len(), "revocation list"),
        ];
        let mut parts: Vec<_> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| match (count, name) {
                (1, "encrypted private key") => "an encrypted private key".to_owned(),
                (1, "revocation list") => "a revocation list (CRL)".to_owned(),
                (1, name) => format!("a {name}"),
                (count, name) => format!("{count} {name}s"),
            })
            .collect();
        parts.extend(self.pkcs12.as_ref().map(|_| "a PKCS#12 file".to_owned()));
        let mut others: Vec<(&str, usize)> = Vec::new();
        for other in &self.others {
            match others.iter_mut().find(|(known, _)| known == other) {
                Some((_, count)) => *count += 1,
                None => others.push((other, 1)),
            }
        }
        parts.extend(others.iter().take(MOST_TOLD).map(|(other, count)| match count {
            1 => (*other).to_owned(),
            count => format!("{other} ({count} times)"),
        }));
        match others.iter().skip(MOST_TOLD).map(|(_, count)| count).sum() {
            0 => {}
            1 => parts.push("another thing".to_owned()),
            count => parts.push(format!("{count} other things")),
        }
        match parts.as_slice() {
            [] => "nothing".to_owned(),
            [one] => one.clone(),
            [most @ .., last] => format!("{} and {last}", most.join(", ")),
        }
    }
}

fn in_words(label: &str) -> String {
    match label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => "a certificate request (CSR)".to_owned(),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "a public key".to_owned(),
        "PKCS7" | "CMS" => "a PKCS#7 bundle".to_owned(),
        "TRUSTED CERTIFICATE" => "a certificate in OpenSSL's own TRUSTED form".to_owned(),
        "OPENSSH PRIVATE KEY" => "an OpenSSH key".to_owned(),
        other => format!("a block named {}", crate::error::quoted(other)),
    }
}

fn read_der(bytes: &[u8]) -> Result<Pem, PemProblem> {
    let mut pem = Pem::default();
    Der::whole_sequence(bytes).ok_or(PemProblem::Unrecognized)?;
    if CertificateFacts::parse(bytes).is_ok() {
        pem.certificates.push(bytes.to_vec());
    } else if let Ok((&[], _)) = CertificateRevocationList::from_der(bytes) {
        pem.revocation_lists.push(bytes.to_vec());
    } else if let Some(key) = EncryptedKey::from_pkcs8(bytes) {
        pem.encrypted_keys.push(key);
    } else if let Some(key) = PrivateKey::from_der(bytes.to_vec()) {
        pem.keys.push(key);
    } else {
        return Err(PemProblem::Unrecognized);
    }
    Ok(pem)
}

fn read_pkcs12(bytes: &[u8]) -> Result<Pkcs12, PemProblem> {
    if bytes.len() > pkcs12::MOST_BYTES {
        return Err(PemProblem::LargePkcs12);
    }
    let file = Pkcs12::from_der(bytes).ok_or(PemProblem::BrokenPkcs12)?;
    if file.is_too_much() { Err(PemProblem::TooMany) } else { Ok(file) }
}

fn as_text(bytes: &[u8]) -> Zeroizing<String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes),
    };
    let text = Zeroizing::new(text.into_owned());
    if !text.contains("\\n") {
        return text;
    }
    // All of its room at once, here and below: what text leaves behind when it grows is not zeroed.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    for (at, line) in text.split("\\n").enumerate() {
        if at > 0 {
            plain.push('\n');
        }
        plain.extend(line.split("\\r"));
    }
    plain
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let units: Zeroizing<Vec<u16>> =
        bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect::<Vec<_>>().into();
    // No character of UTF-8 is longer than three bytes a unit.
    let mut text = String::with_capacity(3 * units.len());
    text.extend(char::decode_utf16(units.iter().copied()).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text.into()
}

/// The DER of a key. What is inside of it, the cryptography in use must know.
fn key(body: &str) -> Result<Vec<u8>, PemProblem> {
    let der = decode(body)?;
    Der::whole_sequence(&der).ok_or(PemProblem::BrokenKey)?;
    Ok(der.to_vec())
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, PemProblem> {
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.split_whitespace());
    match BASE64.decode(base64.as_bytes()) {
        Ok(der) if !der.is_empty() => Ok(Zeroizing::new(der)),
        _ => Err(PemProblem::NotBase64),
    }
}

const BEGIN: &str = "-----BEGIN ";
/// How many blocks or bags one file may have.
pub(super) const MOST_THINGS: usize = 1_000;
/// How many kinds of what is not wanted are told.
const MOST_TOLD: usize = 5;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
