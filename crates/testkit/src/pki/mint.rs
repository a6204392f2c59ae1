//! Certificate authorities and the certificates they sign.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::keys::{KeyKind, pem};

/// A CA with its key.
pub(super) struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A root that signed itself.
    pub(super) fn root(name: &str) -> Self {
        let key = KeyKind::P256.generate();
        let params = authority_params(name);
        let der = params.self_signed(&key).expect("a root certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A CA below this one.
    pub(super) fn intermediate(&self, name: &str) -> Self {
        let key = KeyKind::P256.generate();
        let params = authority_params(name);
        let der = params.signed_by(&key, &self.issuer).expect("an intermediate certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub(super) fn sign(&self, leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
        leaf.params().signed_by(key, &self.issuer).expect("a signed certificate").der().clone()
    }

    /// Signs whatever it is given.
    pub(super) fn sign_as_it_is(&self, params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
        params.signed_by(key, &self.issuer).expect("a signed certificate").der().clone()
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
}

/// A certificate that vouches for itself, and is no CA.
pub(super) fn self_signed(leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
    leaf.params().self_signed(key).expect("a self-signed certificate").der().clone()
}

/// What an end-entity certificate shall say.
pub(super) struct Leaf {
    pub(super) name: String,
    pub(super) kind: KeyKind,
    pub(super) validity: Validity,
    pub(super) usage: ExtendedKeyUsagePurpose,
    pub(super) names: Vec<String>,
}

impl Leaf {
    pub(super) fn client(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: KeyKind::P256,
            validity: Validity::Now,
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            names: Vec::new(),
        }
    }

    pub(super) fn server(name: &str, names: &[&str]) -> Self {
        Self {
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            names: names.iter().map(ToString::to_string).collect(),
            ..Self::client(name)
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names fit for a certificate");
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = match self.validity {
            Validity::Now => (now - Duration::DAY, now + Duration::days(365)),
            Validity::Past => (now - Duration::days(30), now - Duration::DAY),
            Validity::Future => (now + Duration::days(2), now + Duration::days(30)),
            Validity::EndsIn(rest) => (now - Duration::days(50), now + rest),
        };
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.distinguished_name.push(DnType::OrganizationName, "Testkit");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![self.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        params
    }
}

#[derive(Clone, Copy)]
pub(super) enum Validity {
    Now,
    Past,
    Future,
    EndsIn(Duration),
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    // Older than the oldest leaf, so that an expired leaf has no other fault.
    params.not_before = now - Duration::days(60);
    params.not_after = now + Duration::days(3650);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "Testkit");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}
