//! Private keys that a passphrase protects: PKCS#8 (RFC 5958, with the encryption of PKCS#5 and
//! PKCS#12), and the form that OpenSSL wrote before; and whatever else is encrypted as PKCS#8 is.

mod cipher;
mod kdf;
mod mac;
mod names;
mod scheme;

use std::fmt;

use rustls::pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::der::Der;
use super::key::PrivateKey;
use scheme::{Encryption, Scheme};

pub(super) use mac::Mac;

/// A private key as it lies on disk, encrypted.
pub struct EncryptedKey {
    sealed: Sealed,
    /// Whether PKCS#8 is inside, and not one of the older encodings.
    is_pkcs8: bool,
}

/// What is encrypted, and how.
pub(super) struct Sealed {
    encryption: Encryption,
    ciphertext: Vec<u8>,
}

/// Why a key did not come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Locked {
    /// The way in which it is encrypted cannot be undone here, for this reason.
    Unsupported(String),
    WrongPassphrase,
    /// Whatever the passphrase, or although it is right.
    Damaged,
}

impl EncryptedKey {
    /// Reads an `EncryptedPrivateKeyInfo` in DER; none when it is something else, or broken.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut inside = Der::whole_sequence(der)?;
        let algorithm = inside.sequence()?;
        let ciphertext = inside.octets()?.to_vec();
        let sealed = Sealed::new(algorithm, ciphertext)?;
        inside.is_empty().then_some(Self { sealed, is_pkcs8: true })
    }

    /// A key in OpenSSL's old form, from what [`headers`] gave; none when it is broken.
    pub(super) fn from_old(cipher: &str, iv: &str, ciphertext: &[u8]) -> Option<Self> {
        let encryption = scheme::of_old(cipher, iv)?;
        Some(Self { sealed: Sealed { encryption, ciphertext: ciphertext.to_vec() }, is_pkcs8: false })
    }

    /// How it is encrypted, in words: `PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-256-CBC`.
    #[must_use]
    pub fn encryption(&self) -> String {
        self.sealed.encryption()
    }

    /// The encrypted inside.
    pub(super) fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// The key. It takes as long as whoever encrypted it wanted it to: up to some seconds.
    pub(super) fn decrypt(&self, passphrase: Option<&str>) -> Result<PrivateKey, Locked> {
        let plain = self.sealed.open(passphrase, begins_as_a_key)?;
        Der::whole_sequence(&plain).and_then(|_| self.key(&plain)).ok_or(Locked::Damaged)
    }

    fn key(&self, plain: &[u8]) -> Option<PrivateKey> {
        if self.is_pkcs8 {
            return Some(PrivateKey::new(PrivateKeyDer::Pkcs8(plain.to_vec().into())));
        }
        PrivateKey::from_der(plain.to_vec())
    }
}

impl Sealed {
    /// What the inside of this `AlgorithmIdentifier` says to be encrypted; none when that is broken.
    pub(super) fn new(algorithm: Der<'_>, ciphertext: Vec<u8>) -> Option<Self> {
        Some(Self { encryption: scheme::of_pkcs8(algorithm)?, ciphertext })
    }

    /// How it is encrypted, in words.
    pub(super) fn encryption(&self) -> String {
        self.encryption.to_string()
    }

    /// Whether the passphrase would be of any use.
    pub(super) fn check(&self) -> Result<(), Locked> {
        self.scheme().map(|_| ())
    }

    /// How much work it is to open it, in rounds of a hash.
    pub(super) fn work(&self) -> u64 {
        self.scheme().map_or(0, Scheme::work)
    }

    fn scheme(&self) -> Result<&Scheme, Locked> {
        match &self.encryption {
            Encryption::Known(scheme) => scheme.check().map(|()| scheme).map_err(Locked::Unsupported),
            Encryption::Unknown(name) => Err(Locked::Unsupported(format!("It is encrypted with {name}."))),
        }
    }

    /// The inside. Without a checksum its beginning is the proof that the passphrase is right.
    pub(super) fn open(
        &self,
        passphrase: Option<&str>,
        begins_right: fn(&[u8]) -> bool,
    ) -> Result<Zeroizing<Vec<u8>>, Locked> {
        let scheme = self.scheme()?;
        let mut plain = scheme.decrypt(passphrase, &self.ciphertext).ok_or(Locked::Damaged)?;
        if !begins_right(&plain) {
            return Err(Locked::WrongPassphrase);
        }
        let length = scheme.without_padding(&plain).ok_or(Locked::Damaged)?;
        plain.truncate(length);
        Ok(plain)
    }
}

/// The cipher, its IV and the Base64 of a key in OpenSSL's old form, out of a PEM block with
/// `DEK-Info` (RFC 1421, section 4.6.1.3); none when it is broken.
pub(super) fn headers(block: &str) -> Option<(&str, &str, &str)> {
    let (cipher, rest) = block.split_once("DEK-Info:")?.1.split_once(',')?;
    let (cipher, rest) = (cipher.trim(), rest.trim_start());
    if !cipher.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()) {
        return None;
    }
    // Where line breaks were lost, nothing but its length parts the IV from the Base64.
    let hex = || rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let (iv, body) = rest.split_at_checked(scheme::old_iv_digits(cipher).unwrap_or_else(hex))?;
    Some((cipher, iv, body))
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncryptedKey").field(&self.encryption()).finish()
    }
}

/// Whether this is a sequence, of whatever length, that begins with version 0 or 1: so begin PKCS#8,
/// PKCS#1 and SEC1, and a wrong passphrase gives that once in some 2^32 times.
fn begins_as_a_key(plain: &[u8]) -> bool {
    let after_length = match plain {
        [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] => rest,
        [0x30, length, rest @ ..] if *length < 0x80 => rest,
        _ => return false,
    };
    matches!(after_length, [0x02, 0x01, 0x00 | 0x01, ..])
}
