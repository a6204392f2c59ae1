//! PKCS#12 files (RFC 7292), as `.p12` and `.pfx`: certificates and keys behind one passphrase.

mod bags;
mod told;

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use super::der::Der;
use super::encrypted::{Locked, Mac, Sealed};
use super::facts::{CertificateFacts, fingerprint};
use super::key::PrivateKey;
use super::pem::MOST_THINGS;
use crate::error::plain;
use crate::secret::Secret;
use bags::{Bag, Kind, bags};

pub(crate) use told::locked_store;
pub(super) use told::{ambiguous, locked};

/// A PKCS#12 file that has not been opened yet.
pub struct Pkcs12 {
    /// What the MAC is made of; the parts are inside.
    content: Zeroizing<Vec<u8>>,
    parts: Vec<Part>,
    mac: Option<Mac>,
}

enum Part {
    Clear(Zeroizing<Vec<u8>>),
    Sealed(Sealed),
    /// Encrypted with the public key of a certificate.
    Enveloped,
}

/// What was in a PKCS#12 file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The certificates that the file gives to a key come first.
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) keys: Vec<PrivateKey>,
    /// What else there is, in words.
    pub(super) others: Vec<String>,
    /// The friendly names of the certificates, by their fingerprints.
    pub(super) names: HashMap<String, String>,
}

/// Why a file did not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It needs a passphrase, or another one.
    WrongPassphrase,
    /// The passphrase is that of the MAC, and not that of a key or certificate inside.
    WrongInside,
    /// There is a passphrase, and the file opens without.
    Needless,
    /// A way of encryption that cannot be undone here, for this reason.
    Unsupported(String),
    /// More than anybody needs.
    TooMany,
    /// Although the MAC is right, or there is nothing that a passphrase could change.
    Damaged,
}

/// Whether this begins as a PKCS#12 file does, whole or not: a sequence that begins with version 3
/// and a sequence. Neither text nor a certificate or key does.
pub(super) fn begins_as_pkcs12(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && (2..=6).any(|at| bytes.get(at..).is_some_and(|rest| rest.starts_with(&VERSION)))
}

impl Pkcs12 {
    /// Reads a `PFX`; none when it is damaged.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut pfx = Der::whole_sequence(bytes)?;
        let _version = pfx.number()?;
        let mut safe = pfx.sequence()?;
        // A file that is signed, and not with a passphrase, has SignedData here.
        let is_data = safe.oid()? == DATA;
        let mac = if pfx.is_empty() { None } else { Some(Mac::read(pfx.sequence()?)?) };
        if !is_data {
            return Some(Self { content: Zeroizing::default(), parts: vec![Part::Enveloped], mac });
        }
        let content = Zeroizing::new(safe.tagged()?.octets()?.into_owned());
        let mut parts = Vec::new();
        let mut infos = Der::whole_sequence(&content)?;
        while !infos.is_empty() && parts.len() <= MOST_THINGS {
            parts.push(Part::read(infos.sequence()?)?);
        }
        let file = Self { content, parts, mac };
        file.shown()?;
        Some(file)
    }

    /// Whether there is more than anybody needs in what lies in the clear.
    pub(super) fn is_too_much(&self) -> bool {
        self.parts.len() + self.shown().map_or(0, |bags| bags.len()) > MOST_THINGS
    }

    /// How it is encrypted, in words; empty when a passphrase is not needed for anything.
    #[must_use]
    pub fn encryption(&self) -> String {
        let mut ways: Vec<String> = Vec::new();
        let sealed =
            self.parts.iter().filter_map(|part| if let Part::Sealed(sealed) = part { Some(sealed) } else { None });
        let keys = self.shown().unwrap_or_default();
        let keys = keys.iter().filter_map(Bag::sealed);
        for way in sealed.chain(keys).map(Sealed::encryption) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        if ways.len() > MOST_WAYS {
            ways.truncate(MOST_WAYS);
            ways.push("others".to_owned());
        }
        ways.extend(self.mac.as_ref().map(|mac| format!("a MAC of {mac}")));
        ways.join(", ")
    }

    /// What is in it. It takes as long as whoever encrypted it wanted it to: up to some seconds.
    ///
    /// Without a passphrase, or with an empty one, both are tried, since to PKCS#12 they are not the same.
    pub(super) fn open(&self, passphrase: Option<&Secret>) -> Result<Contents, Shut> {
        self.check()?;
        if passphrase.is_some() && self.encryption().is_empty() {
            return Err(Shut::Needless);
        }
        match passphrase.map(Secret::expose).filter(|text| !text.is_empty()) {
            None => {
                self.open_with(Some("")).or_else(|shut| if shut.is_wrong() { self.open_with(None) } else { Err(shut) })
            }
            Some(text) => self.open_with(Some(text)).map_err(|shut| {
                let needless = shut.is_wrong() && (self.open_with(Some("")).is_ok() || self.open_with(None).is_ok());
                if needless { Shut::Needless } else { shut }
            }),
        }
    }

    fn open_with(&self, passphrase: Option<&str>) -> Result<Contents, Shut> {
        if let Some(mac) = &self.mac
            && !mac.is_of(&self.content, passphrase)
        {
            return Err(Shut::WrongPassphrase);
        }
        self.contents(passphrase).map_err(|shut| match shut {
            Shut::WrongPassphrase if self.mac.is_some() => Shut::WrongInside,
            shut => shut,
        })
    }

    fn contents(&self, passphrase: Option<&str>) -> Result<Contents, Shut> {
        let mut contents = Contents::default();
        let (mut of_keys, mut of_certificates) = (Vec::new(), Vec::new());
        let (mut work, mut count) = (0, 0);
        let mut spend = |sealed: &Sealed| {
            work += sealed.work();
            if work > MOST_WORK { Err(too_much()) } else { Ok(()) }
        };
        for part in &self.parts {
            let plain = match part {
                Part::Clear(plain) => plain.clone(),
                Part::Sealed(sealed) => {
                    spend(sealed)?;
                    sealed.open(passphrase, begins_as_bags)?
                }
                Part::Enveloped => return Err(enveloped()),
            };
            for bag in bags(&plain).ok_or(Shut::Damaged)? {
                count += 1;
                if count > MOST_THINGS {
                    return Err(Shut::TooMany);
                }
                match bag.kind {
                    Kind::Key(key) => {
                        of_keys.extend(bag.id);
                        contents.keys.push(key);
                    }
                    Kind::Encrypted(key) => {
                        spend(key.sealed())?;
                        of_keys.extend(bag.id);
                        contents.keys.push(key.decrypt(passphrase)?);
                    }
                    Kind::Certificate(der) => {
                        CertificateFacts::parse(&der).map_err(|_| Shut::Damaged)?;
                        if let Some(name) = bag.name {
                            contents.names.insert(fingerprint(&der), plain_name(&name));
                        }
                        of_certificates.push((bag.id, der));
                    }
                    Kind::Other(words) => contents.others.push(words),
                }
            }
        }
        // The file may say which of the certificates of one key is meant. Sorting keeps the order else.
        of_certificates.sort_by_key(|(id, _)| !id.as_ref().is_some_and(|id| of_keys.contains(id)));
        contents.certificates = of_certificates.into_iter().map(|(_, der)| der).collect();
        Ok(contents)
    }

    /// Refuses what no passphrase would open.
    fn check(&self) -> Result<(), Shut> {
        let mut work = 0;
        if let Some(mac) = &self.mac {
            mac.check()?;
            work += mac.work();
        }
        for part in &self.parts {
            match part {
                Part::Clear(_) => {}
                Part::Sealed(sealed) => {
                    sealed.check()?;
                    work += sealed.work();
                }
                Part::Enveloped => return Err(enveloped()),
            }
        }
        for sealed in self.shown().ok_or(Shut::Damaged)?.iter().filter_map(Bag::sealed) {
            sealed.check()?;
            work += sealed.work();
        }
        if work > MOST_WORK { Err(too_much()) } else { Ok(()) }
    }

    /// The bags that lie in the clear; none when they are damaged.
    fn shown(&self) -> Option<Vec<Bag>> {
        let mut shown = Vec::new();
        for part in &self.parts {
            if let Part::Clear(plain) = part {
                shown.extend(bags(plain)?);
                if shown.len() > MOST_THINGS {
                    break;
                }
            }
        }
        Some(shown)
    }
}

impl Part {
    /// Reads the inside of a `ContentInfo`; none when it is broken.
    fn read(mut info: Der<'_>) -> Option<Self> {
        let kind = info.oid()?;
        let mut inside = info.tagged()?;
        match kind.as_str() {
            DATA => Some(Self::Clear(Zeroizing::new(inside.octets()?.into_owned()))),
            ENCRYPTED_DATA => {
                // RFC 5652, section 8: the version, then `EncryptedContentInfo`.
                let mut data = inside.sequence()?;
                let _version = data.number()?;
                let mut content = data.sequence()?;
                let _kind = content.oid()?;
                let algorithm = content.sequence()?;
                Sealed::new(algorithm, content.tagged_octets()?.into_owned()).map(Self::Sealed)
            }
            ENVELOPED_DATA => Some(Self::Enveloped),
            _ => None,
        }
    }
}

impl Shut {
    fn is_wrong(&self) -> bool {
        matches!(self, Self::WrongPassphrase | Self::WrongInside)
    }
}

impl From<Locked> for Shut {
    fn from(locked: Locked) -> Self {
        match locked {
            Locked::Unsupported(why) => Self::Unsupported(why),
            Locked::WrongPassphrase => Self::WrongPassphrase,
            Locked::Damaged => Self::Damaged,
        }
    }
}

impl fmt::Debug for Pkcs12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pkcs12").field(&self.encryption()).finish()
    }
}

fn enveloped() -> Shut {
    Shut::Unsupported("It is protected with the key of a certificate, and not with a passphrase.".to_owned())
}

fn too_much() -> Shut {
    Shut::Unsupported(too_much_work())
}

/// Why a file is not tried, as a sentence.
pub(super) fn too_much_work() -> String {
    format!("It asks for more than {MOST_WORK} rounds of key derivation in all.")
}

/// A friendly name as it may be told.
fn plain_name(name: &str) -> String {
    plain(name.trim_end_matches('\0'))
}

/// Whether these are bags: the identifier of a bag is soon met, which a wrong passphrase does not give.
fn begins_as_bags(plain: &[u8]) -> bool {
    let head = &plain[..plain.len().min(32)];
    head.starts_with(&[0x30, 0]) || head.starts_with(&[0x30]) && head.windows(BAG.len()).any(|window| window == BAG)
}

/// Version 3, and the beginning of the sequence after it.
const VERSION: [u8; 4] = [0x02, 0x01, 0x03, 0x30];
/// The identifier 1.2.840.113549.1.12.10.1, of which those of all bags are made.
const BAG: [u8; 10] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];
const DATA: &str = "1.2.840.113549.1.7.1";
const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";

/// How many ways of encryption are told; others differ in their rounds.
const MOST_WAYS: usize = 3;
/// Enough for as many certificates as there may be.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// For all that is encrypted in one file together; each alone is limited too. NSS writes 600,000 for each.
pub(super) const MOST_WORK: u64 = 10_000_000;
