//! Certificate authorities and the certificates they sign.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlIssuingDistributionPoint, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams,
    SerialNumber, SigningKey as _, SubjectPublicKeyInfo,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::der::{serial, version_1};
use super::keys::{KeyKind, pem};

/// A CA with its key.
pub(super) struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A root that signed itself.
    pub(super) fn root(name: &str) -> Self {
        Self::self_signed(authority_params(name))
    }

    /// A root that says this of itself.
    pub(super) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyKind::P256.generate();
        let der = params.self_signed(&key).expect("a root certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A CA below this one.
    pub(super) fn intermediate(&self, name: &str) -> Self {
        self.signs(authority_params(name))
    }

    /// A CA below this one that says this of itself.
    pub(super) fn signs(&self, params: CertificateParams) -> Self {
        let key = KeyKind::P256.generate();
        let der = params.signed_by(&key, &self.issuer).expect("an intermediate certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A certificate of this CA for the key of another, under that one's name.
    pub(super) fn adopt(&self, other: &Self, name: &str) -> CertificateDer<'static> {
        authority_params(name).signed_by(other.issuer.key(), &self.issuer).expect("a CA certificate").der().clone()
    }

    /// A certificate for a key of which only the public half is here, as `SubjectPublicKeyInfo` in DER.
    pub(super) fn sign_public(&self, leaf: &Leaf, public_key_der: &[u8]) -> CertificateDer<'static> {
        let key = SubjectPublicKeyInfo::from_der(public_key_der).expect("a public key");
        leaf.params().signed_by(&key, &self.issuer).expect("a signed certificate").der().clone()
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

    /// A revocation list with these certificates on it.
    pub(super) fn revoke(&self, revoked: &[&[u8]], validity: Validity) -> Vec<u8> {
        self.list(revoked, validity.dates(OffsetDateTime::now_utc()), 7, None)
    }

    /// The same with these dates and this number, for this distribution point.
    pub(super) fn list(
        &self,
        revoked: &[&[u8]],
        (this_update, next_update): (OffsetDateTime, OffsetDateTime),
        number: u64,
        issuing_distribution_point: Option<CrlIssuingDistributionPoint>,
    ) -> Vec<u8> {
        let entry = |der: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial(der)),
            revocation_time: OffsetDateTime::now_utc() - Duration::days(3),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a revocation list").der().to_vec()
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
}

/// A certificate that vouches for itself, and is no CA.
pub(super) fn self_signed(leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
    leaf.params().self_signed(key).expect("a self-signed certificate").der().clone()
}

/// The same as `openssl req -x509` makes it: a CA for all uses.
pub(super) fn self_signed_ca(leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
    let mut params = leaf.params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = Vec::new();
    params.extended_key_usages = Vec::new();
    params.self_signed(key).expect("a self-signed certificate").der().clone()
}

/// The same of version 1, without extensions, as `openssl x509 -req -signkey` makes it.
pub(super) fn self_signed_v1(leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
    let whole = self_signed(leaf, key);
    version_1(&whole, |signed| key.sign(signed).expect("a signature")).into()
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

    pub(super) fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names fit for a certificate");
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = self.validity.dates(now);
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.distinguished_name.push(DnType::OrganizationName, "Testkit");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![self.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        params
    }
}

/// When a certificate or a revocation list is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For a year.
    Now,
    /// Until yesterday.
    Past,
    /// In two days.
    Future,
    /// For 50 days until now, and so long.
    EndsIn(Duration),
}

impl Validity {
    fn dates(self, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
        match self {
            Self::Now => (now - Duration::DAY, now + Duration::days(365)),
            Self::Past => (now - Duration::days(30), now - Duration::DAY),
            Self::Future => (now + Duration::days(2), now + Duration::days(30)),
            Self::EndsIn(rest) => (now - Duration::days(50), now + rest),
        }
    }
}

pub(super) fn authority_params(name: &str) -> CertificateParams {
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
