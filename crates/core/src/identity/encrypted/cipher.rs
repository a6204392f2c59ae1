//! The block ciphers that protect keys, all of them in CBC mode.

use cbc::Decryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, InnerIvInit as _, KeyInit};
use zeroize::Zeroizing;

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// Triple DES with three keys.
    Des3,
    /// Triple DES with two keys, of which the first comes twice.
    Des2,
    Des,
    /// With an effective key of as many bits as the key has.
    Rc2Of128,
    Rc2Of40,
}

impl Cipher {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128-CBC",
            Self::Aes192 => "AES-192-CBC",
            Self::Aes256 => "AES-256-CBC",
            Self::Des3 => "3DES-CBC",
            Self::Des2 => "DES-EDE-CBC",
            Self::Des => "DES-CBC",
            Self::Rc2Of128 => "RC2-128-CBC",
            Self::Rc2Of40 => "RC2-40-CBC",
        }
    }

    pub(super) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 | Self::Des2 | Self::Rc2Of128 => 16,
            Self::Aes192 | Self::Des3 => 24,
            Self::Aes256 => 32,
            Self::Des => 8,
            Self::Rc2Of40 => 5,
        }
    }

    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Des3 | Self::Des2 | Self::Des | Self::Rc2Of128 | Self::Rc2Of40 => 8,
        }
    }

    /// The text with its padding; none when these are not whole blocks.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Aes128 => decrypt::<aes::Aes128>(key, iv, text),
            Self::Aes192 => decrypt::<aes::Aes192>(key, iv, text),
            Self::Aes256 => decrypt::<aes::Aes256>(key, iv, text),
            Self::Des3 => decrypt::<des::TdesEde3>(key, iv, text),
            Self::Des2 => decrypt::<des::TdesEde2>(key, iv, text),
            Self::Des => decrypt::<des::Des>(key, iv, text),
            Self::Rc2Of128 | Self::Rc2Of40 => decrypt::<rc2::Rc2>(key, iv, text),
        }
    }
}

fn decrypt<C: KeyInit + BlockCipherDecrypt>(key: &[u8], iv: &[u8], text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(text.to_vec());
    // Keys are taken as they come: a weak one that has protected something opens it.
    let cipher = C::new_from_slice(key).ok()?;
    Decryptor::inner_iv_slice_init(cipher, iv).ok()?.decrypt_padded::<NoPadding>(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}
