//! How a key is encrypted, read from its file and told in words.

use std::fmt;

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::kdf::{Hash, Kdf};
use super::names::name;
use crate::identity::der::Der;

/// What a file says of how a key is encrypted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::identity) enum Encryption {
    Known(Scheme),
    /// The name of what is not known here, or its OID.
    Unknown(String),
}

/// A way to encrypt that is known here.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::identity) struct Scheme {
    kdf: Kdf,
    cipher: Cipher,
    /// None where the passphrase makes it too.
    iv: Option<Vec<u8>>,
}

/// Reads the inside of the `AlgorithmIdentifier` of PKCS#8; none when it is broken.
pub(super) fn of_pkcs8(mut algorithm: Der<'_>) -> Option<Encryption> {
    let oid = algorithm.oid()?;
    let (pkcs12, hash, cipher) = match oid.as_str() {
        "1.2.840.113549.1.5.13" => return pbes2(algorithm.sequence()?),
        "1.2.840.113549.1.5.3" => (false, Hash::Md5, Cipher::Des),
        "1.2.840.113549.1.5.10" => (false, Hash::Sha1, Cipher::Des),
        "1.2.840.113549.1.12.1.3" => (true, Hash::Sha1, Cipher::Des3),
        "1.2.840.113549.1.12.1.4" => (true, Hash::Sha1, Cipher::Des2),
        "1.2.840.113549.1.12.1.5" => (true, Hash::Sha1, Cipher::Rc2Of128),
        "1.2.840.113549.1.12.1.6" => (true, Hash::Sha1, Cipher::Rc2Of40),
        oid => return Some(Encryption::Unknown(name(oid))),
    };
    let mut parameters = algorithm.sequence()?;
    let (salt, rounds) = (parameters.octets()?.to_vec(), parameters.number()?);
    let kdf = if pkcs12 { Kdf::Pkcs12 { salt, rounds } } else { Kdf::Pbkdf1 { hash, salt, rounds } };
    Some(Encryption::Known(Scheme { kdf, cipher, iv: None }))
}

/// Reads the cipher and the hexadecimal IV of OpenSSL's old form; none when they are broken.
pub(super) fn of_old(cipher: &str, iv: &str) -> Option<Encryption> {
    let name = cipher;
    let Some(cipher) = old_cipher(name) else { return Some(Encryption::Unknown(crate::error::plain(name))) };
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = iv.chars().map(digit).collect::<Option<Vec<u8>>>()?;
    let iv: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let salt = iv.get(..8)?.to_vec();
    Some(Encryption::Known(Scheme { kdf: Kdf::BytesToKey { salt }, cipher, iv: Some(iv) })).filter(Encryption::fits)
}

/// How many digits the IV has in OpenSSL's old form with this cipher, if it is known.
pub(super) fn old_iv_digits(cipher: &str) -> Option<usize> {
    old_cipher(cipher).map(|cipher| cipher.block_bytes() * 2)
}

fn old_cipher(name: &str) -> Option<Cipher> {
    Some(match name {
        "AES-128-CBC" => Cipher::Aes128,
        "AES-192-CBC" => Cipher::Aes192,
        "AES-256-CBC" => Cipher::Aes256,
        "DES-EDE3-CBC" => Cipher::Des3,
        "DES-EDE-CBC" => Cipher::Des2,
        "DES-CBC" => Cipher::Des,
        _ => return None,
    })
}

fn pbes2(mut parameters: Der<'_>) -> Option<Encryption> {
    let (mut function, mut cipher) = (parameters.sequence()?, parameters.sequence()?);
    let (function_oid, cipher_oid) = (function.oid()?, cipher.oid()?);
    let (kdf, key_bytes) = match function_oid.as_str() {
        "1.2.840.113549.1.5.12" => match pbkdf2(function.sequence()?)? {
            Ok(known) => known,
            Err(unknown) => return Some(Encryption::Unknown(unknown)),
        },
        "1.3.6.1.4.1.11591.4.11" => scrypt(function.sequence()?)?,
        oid => return Some(Encryption::Unknown(name(oid))),
    };
    let cipher_known = match cipher_oid.as_str() {
        "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
        "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
        "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
        "1.2.840.113549.3.7" => Cipher::Des3,
        "1.3.14.3.2.7" => Cipher::Des,
        oid => return Some(Encryption::Unknown(name(oid))),
    };
    let fits = key_bytes.is_none_or(|bytes| bytes == cipher_known.key_bytes() as u64);
    let scheme = Scheme { kdf, cipher: cipher_known, iv: Some(cipher.octets()?.to_vec()) };
    Some(Encryption::Known(scheme)).filter(|known| fits && known.fits())
}

/// The function with the length of its key, if that is told; or the name of a hash that is not known.
pub(super) fn pbkdf2(mut parameters: Der<'_>) -> Option<Result<(Kdf, Option<u64>), String>> {
    let (salt, rounds) = (parameters.octets()?.to_vec(), parameters.number()?);
    let key_bytes = parameters.number();
    let hash = match parameters.sequence().map(|mut hash| hash.oid()) {
        // RFC 8018, appendix A.2: the default.
        None => Hash::Sha1,
        Some(oid) => match hmac(oid?.as_str()) {
            Ok(hash) => hash,
            Err(unknown) => return Some(Err(unknown)),
        },
    };
    parameters.is_empty().then_some(Ok((Kdf::Pbkdf2 { hash, salt, rounds }, key_bytes)))
}

/// The hash of an HMAC by the OID of that, or the name of what it is.
pub(super) fn hmac(oid: &str) -> Result<Hash, String> {
    Ok(match oid {
        "1.2.840.113549.2.7" => Hash::Sha1,
        "1.2.840.113549.2.8" => Hash::Sha224,
        "1.2.840.113549.2.9" => Hash::Sha256,
        "1.2.840.113549.2.10" => Hash::Sha384,
        "1.2.840.113549.2.11" => Hash::Sha512,
        oid => return Err(name(oid)),
    })
}

/// The function with the length of its key, if that is told.
fn scrypt(mut parameters: Der<'_>) -> Option<(Kdf, Option<u64>)> {
    let salt = parameters.octets()?.to_vec();
    let (cost, block, parallel) = (parameters.number()?, parameters.number()?, parameters.number()?);
    let key_bytes = parameters.number();
    parameters.is_empty().then_some((Kdf::Scrypt { salt, cost, block, parallel }, key_bytes))
}

impl Encryption {
    fn fits(&self) -> bool {
        let Self::Known(Scheme { cipher, iv: Some(iv), .. }) = self else { return true };
        iv.len() == cipher.block_bytes()
    }
}

impl Scheme {
    /// Refuses what asks for too much work; says why.
    pub(super) fn check(&self) -> Result<(), String> {
        self.kdf.check()
    }

    /// How much work it is, in rounds of a hash.
    pub(super) fn work(&self) -> u64 {
        self.kdf.work()
    }

    /// The text with its padding; none when it is not whole blocks.
    pub(super) fn decrypt(&self, passphrase: Option<&str>, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let block = self.cipher.block_bytes();
        if text.is_empty() || !text.len().is_multiple_of(block) {
            return None;
        }
        let mut key = Zeroizing::new(vec![0; self.cipher.key_bytes()]);
        let mut iv = Zeroizing::new(vec![0; block]);
        self.kdf.derive(passphrase, &mut key, &mut iv)?;
        self.cipher.decrypt(&key, self.iv.as_deref().unwrap_or(&iv), text)
    }

    /// How long the text is without its padding (RFC 8018, section 6.1.1); none when that is no padding.
    pub(super) fn without_padding(&self, text: &[u8]) -> Option<usize> {
        let last = *text.last()?;
        let length = text.len().checked_sub(usize::from(last))?;
        let padding = &text[length..];
        let whole = (1..=self.cipher.block_bytes()).contains(&padding.len());
        (whole && padding.iter().all(|byte| *byte == last)).then_some(length)
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scheme { kdf, cipher, .. } = match self {
            Self::Known(scheme) => scheme,
            Self::Unknown(name) => return f.write_str(name),
        };
        let cipher_name = cipher.name();
        match kdf {
            Kdf::Pbkdf2 { hash, rounds, .. } => {
                write!(f, "PBKDF2 with HMAC-{} ({rounds} rounds) and {cipher_name}", hash.name())
            }
            Kdf::Scrypt { cost, block, parallel, .. } => {
                write!(f, "scrypt (N {cost}, r {block}, p {parallel}) and {cipher_name}")
            }
            Kdf::Pbkdf1 { hash: Hash::Md5, rounds, .. } => write!(f, "PBE-MD5-DES ({rounds} rounds)"),
            Kdf::Pbkdf1 { rounds, .. } => write!(f, "PBE-SHA1-DES ({rounds} rounds)"),
            Kdf::Pkcs12 { rounds, .. } | Kdf::Pkcs12Mac { rounds, .. } => {
                let cipher = match cipher {
                    Cipher::Des2 => "2DES",
                    Cipher::Rc2Of128 => "RC2-128",
                    Cipher::Rc2Of40 => "RC2-40",
                    _ => "3DES",
                };
                write!(f, "PBE-SHA1-{cipher} ({rounds} rounds)")
            }
            Kdf::BytesToKey { .. } => write!(f, "{cipher_name}, in OpenSSL's old form"),
        }
    }
}
