//! SPIFFE trust domains and their X.509-SVIDs.

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SanType};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::keys::KeyKind;
use super::mint::Authority;
use super::{Identity, Pki};

/// A SPIFFE trust domain with its CA.
pub struct TrustDomain<'a> {
    pki: &'a Pki,
    name: String,
    authority: Authority,
}

/// What can be wrong with an SVID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvidFault {
    /// It names a second SPIFFE ID.
    TwoIds,
    /// Its URI is no SPIFFE ID.
    OtherUri,
    /// It names the trust domain alone.
    NoPath,
    /// It may sign certificates, though it is no CA.
    SignsCertificates,
    /// It may sign revocation lists.
    SignsRevocations,
    /// It is a CA.
    IsCa,
    /// It is for clients only.
    ClientsOnly,
    /// It ended an hour ago.
    Expired,
}

impl Pki {
    /// A trust domain with a CA of its own.
    pub fn trust_domain(&self, name: &str) -> TrustDomain<'_> {
        TrustDomain { pki: self, name: name.to_owned(), authority: Authority::root(&format!("CA of {name}")) }
    }
}

impl TrustDomain<'_> {
    /// `spiffe://` and its name.
    pub fn id(&self) -> String {
        format!("spiffe://{}", self.name)
    }

    /// Its CA certificate.
    pub fn ca_der(&self) -> CertificateDer<'static> {
        self.authority.der()
    }

    /// An SVID with this path, as in `/agent`. It names `localhost` too, as servers do.
    pub fn svid(&self, path: &str) -> Identity {
        self.svid_claiming(&format!("{}{path}", self.id()))
    }

    /// A certificate of this CA with an ID that may be another trust domain's.
    pub fn svid_claiming(&self, id: &str) -> Identity {
        self.sign(&self.authority, id, None, Vec::new())
    }

    /// An SVID that is not as it should be.
    pub fn faulty_svid(&self, path: &str, fault: SvidFault) -> Identity {
        let id = match fault {
            SvidFault::NoPath => self.id(),
            SvidFault::OtherUri => format!("https://{}{path}", self.name),
            _ => format!("{}{path}", self.id()),
        };
        self.sign(&self.authority, &id, Some(fault), Vec::new())
    }

    /// An SVID of an intermediate CA, with the certificate of that.
    pub fn svid_of_intermediate(&self, path: &str) -> Identity {
        let intermediate = self.authority.intermediate(&format!("Intermediate of {}", self.name));
        let rest = vec![intermediate.der()];
        self.sign(&intermediate, &format!("{}{path}", self.id()), None, rest)
    }

    fn sign(
        &self,
        authority: &Authority,
        id: &str,
        fault: Option<SvidFault>,
        rest: Vec<CertificateDer<'static>>,
    ) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a DNS name");
        let mut uri = |text: String| params.subject_alt_names.push(SanType::URI(text.try_into().expect("ASCII")));
        uri(id.to_owned());
        if fault == Some(SvidFault::TwoIds) {
            uri(format!("{id}/too"));
        }
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Testkit");
        let now = OffsetDateTime::now_utc();
        let hour = Duration::HOUR;
        params.not_before = now - hour * 2;
        params.not_after = if fault == Some(SvidFault::Expired) { now - hour } else { now + hour };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match fault {
            Some(SvidFault::SignsCertificates) => params.key_usages.push(KeyUsagePurpose::KeyCertSign),
            Some(SvidFault::SignsRevocations) => params.key_usages.push(KeyUsagePurpose::CrlSign),
            Some(SvidFault::IsCa) => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        params.extended_key_usages = vec![ClientAuth];
        if fault != Some(SvidFault::ClientsOnly) {
            params.extended_key_usages.push(ServerAuth);
        }
        let key = KeyKind::P256.generate();
        let mut chain = vec![authority.sign_as_it_is(&params, &key)];
        chain.extend(rest);
        let name = id.replace("://", "-").replace('/', "-");
        self.pki.keep_written(&name, KeyKind::P256, chain, &key)
    }
}
