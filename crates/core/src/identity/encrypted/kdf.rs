//! How a passphrase becomes a key, and how much work of that is refused.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

/// A hash function under a key derivation or a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// A way to make a key of a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Kdf {
    /// RFC 8018, section 5.2.
    Pbkdf2 { hash: Hash, salt: Vec<u8>, rounds: u64 },
    /// RFC 7914.
    Scrypt { salt: Vec<u8>, cost: u64, block: u64, parallel: u64 },
    /// RFC 8018, section 5.1: key and IV.
    Pbkdf1 { hash: Hash, salt: Vec<u8>, rounds: u64 },
    /// RFC 7292, appendix B, with SHA-1: key and IV.
    Pkcs12 { salt: Vec<u8>, rounds: u64 },
    /// The same, with any hash: the key of a MAC.
    Pkcs12Mac { hash: Hash, salt: Vec<u8>, rounds: u64 },
    /// OpenSSL's `EVP_BytesToKey` with MD5 and one round; the salt is the beginning of the IV.
    BytesToKey { salt: Vec<u8> },
}

impl Kdf {
    /// Refuses what would keep the program busy for long, or take much memory; says why.
    pub(in crate::identity) fn check(&self) -> Result<(), String> {
        let (rounds, name) = match self {
            Self::Pbkdf2 { rounds, .. } => (*rounds, "PBKDF2"),
            Self::Pbkdf1 { rounds, .. } => (*rounds, "PBKDF1"),
            Self::Pkcs12 { rounds, .. } | Self::Pkcs12Mac { rounds, .. } => (*rounds, "the key derivation of PKCS#12"),
            Self::BytesToKey { .. } => return Ok(()),
            Self::Scrypt { cost, block, parallel, .. } => return check_scrypt(*cost, *block, *parallel),
        };
        if rounds == 0 {
            return Err(format!("It asks for 0 rounds of {name}, which is no encryption."));
        }
        if rounds > MOST_ROUNDS {
            return Err(format!("It asks for {rounds} rounds of {name}; more than {MOST_ROUNDS} are refused."));
        }
        Ok(())
    }

    /// How much work it is, in rounds of a hash.
    pub(in crate::identity) fn work(&self) -> u64 {
        match self {
            Self::Pbkdf2 { rounds, .. }
            | Self::Pbkdf1 { rounds, .. }
            | Self::Pkcs12 { rounds, .. }
            | Self::Pkcs12Mac { rounds, .. } => *rounds,
            Self::Scrypt { cost, block, parallel, .. } => cost.saturating_mul(*block).saturating_mul(*parallel),
            Self::BytesToKey { .. } => 1,
        }
    }

    /// Fills the key, and the IV where it is made of the passphrase too. None when [`Self::check`] fails.
    ///
    /// To PKCS#12 no passphrase is another than an empty one; to all others they are the same.
    pub(in crate::identity) fn derive(&self, passphrase: Option<&str>, key: &mut [u8], iv: &mut [u8]) -> Option<()> {
        self.check().ok()?;
        let text = passphrase;
        let passphrase = text.unwrap_or_default().as_bytes();
        match self {
            Self::Pbkdf2 { hash, salt, rounds } => pbkdf2(*hash, passphrase, salt, u32::try_from(*rounds).ok()?, key),
            Self::Scrypt { salt, cost, block, parallel } => {
                let log = u8::try_from(cost.ilog2()).ok()?;
                let (block, parallel) = (u32::try_from(*block).ok()?, u32::try_from(*parallel).ok()?);
                let parameters = scrypt::Params::new(log, block, parallel).ok()?;
                scrypt::scrypt(passphrase, salt, &parameters, key).ok()?;
            }
            Self::Pbkdf1 { hash, salt, rounds } => {
                let made = match hash {
                    Hash::Md5 => pbkdf1::<Md5>(passphrase, salt, *rounds),
                    _ => pbkdf1::<Sha1>(passphrase, salt, *rounds),
                };
                key.copy_from_slice(made.get(..key.len())?);
                iv.copy_from_slice(made.get(8..8 + iv.len())?);
            }
            Self::Pkcs12 { salt, rounds } => {
                let passphrase = bmp(text);
                pkcs12::<Sha1>(KEY, 64, &passphrase, salt, *rounds, key);
                pkcs12::<Sha1>(IV, 64, &passphrase, salt, *rounds, iv);
            }
            Self::Pkcs12Mac { hash, salt, rounds } => {
                let passphrase = bmp(text);
                match hash {
                    Hash::Md5 => pkcs12::<Md5>(MAC, 64, &passphrase, salt, *rounds, key),
                    Hash::Sha1 => pkcs12::<Sha1>(MAC, 64, &passphrase, salt, *rounds, key),
                    Hash::Sha224 => pkcs12::<Sha224>(MAC, 64, &passphrase, salt, *rounds, key),
                    Hash::Sha256 => pkcs12::<Sha256>(MAC, 64, &passphrase, salt, *rounds, key),
                    Hash::Sha384 => pkcs12::<Sha384>(MAC, 128, &passphrase, salt, *rounds, key),
                    Hash::Sha512 => pkcs12::<Sha512>(MAC, 128, &passphrase, salt, *rounds, key),
                }
            }
            Self::BytesToKey { salt } => bytes_to_key(passphrase, salt, key),
        }
        Some(())
    }
}

impl Hash {
    pub(in crate::identity) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// How long its value is.
    pub(in crate::identity) fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

fn check_scrypt(cost: u64, block: u64, parallel: u64) -> Result<(), String> {
    let told = format!("It asks for scrypt with N {cost}, r {block} and p {parallel}");
    if !cost.is_power_of_two() || cost < 2 || block == 0 || parallel == 0 {
        return Err(format!("{told}, which RFC 7914 does not allow."));
    }
    // RFC 7914, section 6.
    if block < 4 && cost >= 1 << (16 * block) {
        return Err(format!("{told}, which RFC 7914 does not allow."));
    }
    let step = block.saturating_mul(128);
    let memory = step.saturating_mul(cost.saturating_add(parallel));
    let work = step.saturating_mul(cost).saturating_mul(parallel);
    if memory > MOST_MEMORY || work > MOST_WORK {
        return Err(format!("{told}; more than 128 MiB of memory, or four times that of work, is refused."));
    }
    Ok(())
}

fn pbkdf2(hash: Hash, passphrase: &[u8], salt: &[u8], rounds: u32, key: &mut [u8]) {
    match hash {
        Hash::Md5 => pbkdf2::pbkdf2_hmac::<Md5>(passphrase, salt, rounds, key),
        Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(passphrase, salt, rounds, key),
        Hash::Sha224 => pbkdf2::pbkdf2_hmac::<Sha224>(passphrase, salt, rounds, key),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rounds, key),
        Hash::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>(passphrase, salt, rounds, key),
        Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(passphrase, salt, rounds, key),
    }
}

fn pbkdf1<D: Digest>(passphrase: &[u8], salt: &[u8], rounds: u64) -> Zeroizing<Vec<u8>> {
    let mut made = Zeroizing::new(D::new().chain_update(passphrase).chain_update(salt).finalize().to_vec());
    for _ in 1..rounds {
        let mut next = D::digest(made.as_slice());
        made.copy_from_slice(&next);
        next.as_mut_slice().zeroize();
    }
    made
}

fn bytes_to_key(passphrase: &[u8], salt: &[u8], key: &mut [u8]) {
    let mut last = Zeroizing::new([0; 16]);
    for (at, part) in key.chunks_mut(16).enumerate() {
        let before = if at == 0 { &[] } else { last.as_slice() };
        let mut hash = Md5::new().chain_update(before).chain_update(passphrase).chain_update(salt).finalize();
        last.copy_from_slice(&hash);
        hash.as_mut_slice().zeroize();
        part.copy_from_slice(&last[..part.len()]);
    }
}

/// One value of RFC 7292, appendix B.2, with a hash over blocks of so many bytes; `purpose` is its ID.
fn pkcs12<D: Digest>(purpose: u8, block: usize, passphrase: &[u8], salt: &[u8], rounds: u64, out: &mut [u8]) {
    let filled = |bytes: &[u8]| -> Zeroizing<Vec<u8>> {
        let length = bytes.len().div_ceil(block) * block;
        Zeroizing::new(bytes.iter().copied().cycle().take(length).collect())
    };
    let mut input = Zeroizing::new([filled(salt).as_slice(), filled(passphrase).as_slice()].concat());
    for part in out.chunks_mut(<D as Digest>::output_size()) {
        let mut hash = D::new().chain_update(vec![purpose; block]).chain_update(input.as_slice()).finalize();
        for _ in 1..rounds {
            hash = D::digest(hash);
        }
        part.copy_from_slice(&hash[..part.len()]);
        // Each block of the input, as a number, grows by the hash, repeated to a block, and one.
        for block in input.chunks_mut(block) {
            let mut carry = 1;
            for (at, byte) in block.iter_mut().enumerate().rev() {
                let sum = u16::from(*byte) + u16::from(hash[at % hash.len()]) + carry;
                *byte = sum.to_be_bytes()[1];
                carry = sum >> 8;
            }
        }
        hash.as_mut_slice().zeroize();
    }
}

/// The passphrase as PKCS#12 takes it: UTF-16, big-endian, with a zero at its end; nothing for none.
fn bmp(passphrase: Option<&str>) -> Zeroizing<Vec<u8>> {
    let Some(text) = passphrase else { return Zeroizing::default() };
    // All of its room at once: what a `Vec` leaves behind when it grows is not zeroed.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * (text.len() + 1)));
    bytes.extend(text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes));
    bytes
}

const KEY: u8 = 1;
const IV: u8 = 2;
const MAC: u8 = 3;

/// OWASP's advice of 2023 is 600,000 for SHA-256 and 1,300,000 for SHA-1. So many take 1 to 2 seconds
/// where the processor knows the hash and several where not, of the 10 that `connect` has.
const MOST_ROUNDS: u64 = 5_000_000;
/// OpenSSL takes 16 MiB by default.
const MOST_MEMORY: u64 = 128 << 20;
const MOST_WORK: u64 = 4 * MOST_MEMORY;
