//! The bags in a PKCS#12 file (RFC 7292, section 4.2).

use rustls::pki_types::PrivateKeyDer;

use crate::identity::der::Der;
use crate::identity::encrypted::{EncryptedKey, Sealed};
use crate::identity::key::PrivateKey;
use crate::identity::pem::MOST_THINGS;

/// One bag with what is written on it.
pub(super) struct Bag {
    pub(super) kind: Kind,
    /// `friendlyName`.
    pub(super) name: Option<String>,
    /// `localKeyId`: the same on a key and its certificate.
    pub(super) id: Option<Vec<u8>>,
}

pub(super) enum Kind {
    Key(PrivateKey),
    Encrypted(EncryptedKey),
    /// In DER.
    Certificate(Vec<u8>),
    /// In words.
    Other(String),
}

impl Bag {
    /// What is encrypted in it.
    pub(super) fn sealed(&self) -> Option<&Sealed> {
        if let Kind::Encrypted(key) = &self.kind { Some(key.sealed()) } else { None }
    }

    /// Reads the inside of a `SafeBag` of this type; none when it is broken.
    fn read(oid: &str, value: Der<'_>, attributes: Option<Der<'_>>) -> Option<Self> {
        let kind = match oid {
            KEY => {
                Der::whole_sequence(value.rest())?;
                Kind::Key(PrivateKey::new(PrivateKeyDer::Pkcs8(value.rest().to_vec().into())))
            }
            ENCRYPTED_KEY => Kind::Encrypted(EncryptedKey::from_pkcs8(value.rest())?),
            CERTIFICATE => certificate(value)?,
            CRL => Kind::Other("a revocation list (CRL)".to_owned()),
            SECRET => Kind::Other("a secret".to_owned()),
            oid => Kind::Other(format!("a bag of the type {oid}")),
        };
        let mut bag = Self { kind, name: None, id: None };
        let mut attributes = attributes.unwrap_or_default();
        while !attributes.is_empty() {
            let mut attribute = attributes.sequence()?;
            let (oid, mut values) = (attribute.oid()?, attribute.set()?);
            match oid.as_str() {
                FRIENDLY_NAME => bag.name = values.bmp_text(),
                LOCAL_KEY_ID => bag.id = values.octets().map(std::borrow::Cow::into_owned),
                _ => {}
            }
        }
        Some(bag)
    }
}

/// The bags in `SafeContents`, in their order, with those inside of others; none when they are broken. Of more
/// than [`MOST_THINGS`] only one more is read.
pub(super) fn bags(contents: &[u8]) -> Option<Vec<Bag>> {
    let mut found = Vec::new();
    collect(contents, DEEPEST, &mut found)?;
    Some(found)
}

fn collect(contents: &[u8], depth: u8, found: &mut Vec<Bag>) -> Option<()> {
    let mut bags = Der::whole_sequence(contents)?;
    while !bags.is_empty() && found.len() <= MOST_THINGS {
        let mut bag = bags.sequence()?;
        let (oid, value) = (bag.oid()?, bag.tagged()?);
        if oid == NESTED {
            collect(value.rest(), depth.checked_sub(1)?, found)?;
            continue;
        }
        let attributes = if bag.is_empty() { None } else { Some(bag.set()?) };
        found.push(Bag::read(&oid, value, attributes)?);
    }
    Some(())
}

fn certificate(mut value: Der<'_>) -> Option<Kind> {
    let mut inside = value.sequence()?;
    let (oid, mut value) = (inside.oid()?, inside.tagged()?);
    Some(match oid.as_str() {
        X509 => Kind::Certificate(value.octets()?.into_owned()),
        _ => Kind::Other("a certificate that is not of X.509".to_owned()),
    })
}

const KEY: &str = "1.2.840.113549.1.12.10.1.1";
const ENCRYPTED_KEY: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE: &str = "1.2.840.113549.1.12.10.1.3";
const CRL: &str = "1.2.840.113549.1.12.10.1.4";
const SECRET: &str = "1.2.840.113549.1.12.10.1.5";
const NESTED: &str = "1.2.840.113549.1.12.10.1.6";
const X509: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";

/// How often contents may be inside of contents; nobody is known to write it at all.
const DEEPEST: u8 = 4;
