//! The MAC of a PKCS#12 file (RFC 7292, section 4, and RFC 9579): whether it is whole, and the passphrase right.

use std::fmt;

use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::Locked;
use super::kdf::{Hash, Kdf};
use super::names::name;
use super::scheme::{hmac, pbkdf2};
use crate::identity::der::Der;

/// An HMAC under a key that is made of the passphrase.
#[derive(Debug)]
pub(in crate::identity) struct Mac {
    /// Or the name of what is not known here.
    function: Result<Function, String>,
    tag: Vec<u8>,
}

#[derive(Debug)]
struct Function {
    kdf: Kdf,
    key_bytes: usize,
    hash: Hash,
}

impl Mac {
    /// Reads the inside of `MacData`; none when it is broken.
    pub(in crate::identity) fn read(mut data: Der<'_>) -> Option<Self> {
        let mut digest = data.sequence()?;
        let (mut algorithm, tag) = (digest.sequence()?, digest.octets()?.to_vec());
        let salt = data.octets()?.to_vec();
        let rounds = if data.is_empty() { 1 } else { data.number()? };
        let oid = algorithm.oid()?;
        let hash = match oid.as_str() {
            "1.2.840.113549.1.5.14" => return Some(Self { function: pbmac1(algorithm.sequence()?)?, tag }),
            "1.2.840.113549.2.5" => Hash::Md5,
            "1.3.14.3.2.26" => Hash::Sha1,
            "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
            "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
            "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
            "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
            oid => return Some(Self { function: Err(name(oid)), tag }),
        };
        let kdf = Kdf::Pkcs12Mac { hash, salt, rounds };
        Some(Self { function: Ok(Function { kdf, key_bytes: hash.bytes(), hash }), tag })
    }

    /// Refuses what is not known, or asks for too much work.
    pub(in crate::identity) fn check(&self) -> Result<(), Locked> {
        let known =
            self.function.as_ref().map_err(|name| Locked::Unsupported(format!("Its MAC is made with {name}.")))?;
        known.kdf.check().map_err(Locked::Unsupported)
    }

    /// How much work it is, in rounds of a hash.
    pub(in crate::identity) fn work(&self) -> u64 {
        self.function.as_ref().map_or(0, |function| function.kdf.work())
    }

    /// Whether this passphrase makes it of this content.
    pub(in crate::identity) fn is_of(&self, content: &[u8], passphrase: Option<&str>) -> bool {
        let Ok(Function { kdf, key_bytes, hash }) = &self.function else { return false };
        let mut key = Zeroizing::new(vec![0; *key_bytes]);
        let matches = match hash {
            Hash::Md5 => matches::<Md5>,
            Hash::Sha1 => matches::<Sha1>,
            Hash::Sha224 => matches::<Sha224>,
            Hash::Sha256 => matches::<Sha256>,
            Hash::Sha384 => matches::<Sha384>,
            Hash::Sha512 => matches::<Sha512>,
        };
        kdf.derive(passphrase, &mut key, &mut []).is_some() && matches(&key, content, &self.tag)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Ok(Function { kdf, hash, .. }) => write!(f, "HMAC-{} ({} rounds)", hash.name(), kdf.work()),
            Err(name) => f.write_str(name),
        }
    }
}

/// Reads `PBMAC1-params`; none when they are broken.
fn pbmac1(mut parameters: Der<'_>) -> Option<Result<Function, String>> {
    let (mut function, mut scheme) = (parameters.sequence()?, parameters.sequence()?);
    let oid = function.oid()?;
    if oid != "1.2.840.113549.1.5.12" {
        return Some(Err(name(&oid)));
    }
    let hash = hmac(&scheme.oid()?);
    Some(match (pbkdf2(function.sequence()?)?, hash) {
        // RFC 9579, section 4: the length of the key must be told. It is that of a hash.
        (Ok((kdf, Some(key_bytes @ 16..=64))), Ok(hash)) => {
            Ok(Function { kdf, key_bytes: usize::try_from(key_bytes).ok()?, hash })
        }
        (Ok(_), Ok(_)) => return None,
        (Err(unknown), _) | (_, Err(unknown)) => Err(unknown),
    })
}

fn matches<D: EagerHash>(key: &[u8], content: &[u8], tag: &[u8]) -> bool
where
    Hmac<D>: hmac::KeyInit + hmac::Mac,
{
    Hmac::<D>::new_from_slice(key).is_ok_and(|mac| mac.chain_update(content).verify_slice(tag).is_ok())
}
