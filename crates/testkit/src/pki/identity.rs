//! A certificate with its key, as files, as text and as bytes.

use std::fmt::Write as _;
use std::path::PathBuf;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::Encode as _;
use pkcs8::der::asn1::OctetString;
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Pki;
use super::keys::{self, KeyKind, pem};

/// A certificate with its key. Its files live as long as the [`Pki`] that made it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The stem of its files, and (but for a counter) its common name.
    pub name: String,
    /// PEM: the leaf, then intermediates.
    pub cert_file: PathBuf,
    /// PEM: the leaf alone. The same file as `cert_file` when there is no intermediate.
    pub leaf_only_file: PathBuf,
    /// PEM: the key as PKCS#8, readable by its owner only.
    pub key_file: PathBuf,
    /// What `cert_file` holds.
    pub cert_pem: String,
    /// What `key_file` holds.
    pub key_pem: String,
    /// Lower-case hex SHA-256 of the leaf's DER.
    pub fingerprint: String,
    /// The leaf.
    pub leaf_der: Vec<u8>,
    /// The kind of the key.
    pub key_kind: KeyKind,
    chain: Vec<CertificateDer<'static>>,
    pkcs8: Vec<u8>,
}

/// An identity that a client presents.
pub type Client = Identity;
/// An identity that a server presents.
pub type ServerIdentity = Identity;

impl Identity {
    pub(super) fn write(
        pki: &Pki,
        stem: &str,
        key_kind: KeyKind,
        chain: Vec<CertificateDer<'static>>,
        key_der: &[u8],
    ) -> Self {
        let pkcs8 = keys::pkcs8_v1(key_der);
        let cert_pem: String = chain.iter().map(|cert| pem("CERTIFICATE", cert)).collect();
        let key_pem = pem("PRIVATE KEY", &pkcs8);
        let leaf_der = chain[0].to_vec();
        let cert_file = pki.write(&format!("{stem}.pem"), &cert_pem);
        let leaf_only_file = if chain.len() == 1 {
            cert_file.clone()
        } else {
            pki.write(&format!("{stem}.leaf.pem"), pem("CERTIFICATE", &leaf_der))
        };
        Self {
            name: stem.to_owned(),
            key_file: pki.write(&format!("{stem}.key"), &key_pem),
            fingerprint: fingerprint(&leaf_der),
            cert_file,
            leaf_only_file,
            cert_pem,
            key_pem,
            leaf_der,
            key_kind,
            chain,
            pkcs8,
        }
    }

    /// The same identity without its intermediates: the usual fault of a server's configuration.
    #[must_use]
    pub fn leaf_only(&self) -> Self {
        let mut other = self.clone();
        other.chain.truncate(1);
        other.cert_pem = pem("CERTIFICATE", &other.leaf_der);
        other.cert_file.clone_from(&other.leaf_only_file);
        other
    }

    /// The same identity, which also presents what has nothing to do with it.
    #[must_use]
    pub fn and_presents(&self, der: CertificateDer<'static>) -> Self {
        let mut other = self.clone();
        other.chain.push(der);
        other
    }

    /// The same identity, which presents this between its certificate and the rest.
    #[must_use]
    pub fn presents_first(&self, der: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut other = self.clone();
        other.chain.splice(1..1, der);
        other
    }

    /// The leaf, then intermediates, for rustls.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The key, for rustls.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.clone()).into()
    }

    /// Certificate and key in one PEM text.
    pub fn combined_pem(&self) -> String {
        format!("{}{}", self.cert_pem, self.key_pem)
    }

    /// The key as PKCS#8 DER.
    pub fn key_pkcs8_der(&self) -> Vec<u8> {
        self.pkcs8.clone()
    }

    /// The key as PKCS#1 DER. RSA only.
    pub fn key_pkcs1_der(&self) -> Vec<u8> {
        assert!(self.key_kind.is_rsa(), "only RSA keys have a PKCS#1 form, {:?} has none", self.key_kind);
        keys::inner_of_pkcs8(&self.pkcs8)
    }

    /// The key as PKCS#1 PEM (`RSA PRIVATE KEY`). RSA only.
    pub fn key_pkcs1_pem(&self) -> String {
        pem("RSA PRIVATE KEY", &self.key_pkcs1_der())
    }

    /// The key as SEC1 DER with its curve named inside. Elliptic curves only.
    pub fn key_sec1_der(&self) -> Vec<u8> {
        assert!(self.key_kind.is_ec(), "only EC keys have a SEC1 form, {:?} has none", self.key_kind);
        keys::sec1_of_pkcs8(&self.pkcs8)
    }

    /// The key as PKCS#8 DER, encrypted in the usual way: PBKDF2 with SHA-256, and AES-256.
    pub fn key_encrypted_der(&self, passphrase: &str, rounds: u32) -> Vec<u8> {
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(rounds, &[7; 16], [9; 16]);
        let encryption_algorithm = EncryptionScheme::from(parameters.expect("parameters of PBES2"));
        let encrypted = encryption_algorithm.encrypt(passphrase, &self.pkcs8).expect("a key that is encrypted");
        let encrypted_data = OctetString::new(encrypted).expect("a length in bounds");
        EncryptedPrivateKeyInfo { encryption_algorithm, encrypted_data }.to_der().expect("a key in DER")
    }

    /// The same as PEM (`ENCRYPTED PRIVATE KEY`).
    pub fn key_encrypted_pem(&self, passphrase: &str, rounds: u32) -> String {
        pem("ENCRYPTED PRIVATE KEY", &self.key_encrypted_der(passphrase, rounds))
    }

    /// The key as SEC1 PEM (`EC PRIVATE KEY`). Elliptic curves only.
    pub fn key_sec1_pem(&self) -> String {
        pem("EC PRIVATE KEY", &self.key_sec1_der())
    }
}

/// Lower-case hex SHA-256, the name by which tests know a certificate.
pub fn fingerprint(der: &[u8]) -> String {
    use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a TLS 1.3 suite");
    suite.common.hash_provider.hash(der).as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}
