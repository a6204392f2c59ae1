//! A private key in memory: typed, zeroed on drop, never shown.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use zeroize::Zeroize;

/// A private key, as its DER encoding: PKCS#8, PKCS#1 or SEC1.
pub struct PrivateKey(PrivateKeyDer<'static>);

impl PrivateKey {
    /// Recognises one of the three encodings.
    pub(super) fn from_der(der: Vec<u8>) -> Option<Self> {
        PrivateKeyDer::try_from(der).ok().map(Self)
    }

    pub(super) fn new(der: PrivateKeyDer<'static>) -> Self {
        Self(der)
    }

    /// The public half as `SubjectPublicKeyInfo` in DER; none for a kind of key that cannot be used.
    #[must_use]
    pub fn public_key_der(&self) -> Option<Vec<u8>> {
        Some(self.signing_key()?.public_key()?.to_vec())
    }

    /// The key, ready to sign; none for a kind of key that the cryptography in use does not know.
    pub(super) fn signing_key(&self) -> Option<Arc<dyn SigningKey>> {
        // Not by the provider's `load_private_key`: it takes a copy of the key, which nobody zeroes.
        any_supported_type(&self.0).ok()
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// The cryptography that this build uses, for keys and for connections alike.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Arc::new(rustls::crypto::ring::default_provider());
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    compile_error!("choose the cryptography: the feature `aws-lc-rs` or `ring`");
}
