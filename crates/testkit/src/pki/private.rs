//! CAs of every form, with servers and revocation lists of theirs.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint,
    ExtendedKeyUsagePurpose::ClientAuth, IsCa, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::mint::{Authority, Leaf, authority_params};
use super::{Client, LOOPBACK, Pki, ServerIdentity, der, keys};

/// A CA with its key, which may be at fault.
pub struct PrivateCa<'a> {
    pki: &'a Pki,
    name: String,
    authority: Authority,
}

/// What a CA certificate says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaForm {
    /// Nothing wrong.
    Right,
    /// It ended yesterday.
    Expired,
    /// It begins tomorrow.
    Future,
    /// Its extended key usage is clientAuth alone.
    ForClients,
    /// No CA may follow below it.
    LastOne,
    /// It is that of a server.
    NoCa,
    /// Its key usage has no keyCertSign.
    SignsNothing,
}

/// What a revocation list says of itself.
#[derive(Clone, Copy, Debug)]
pub struct CrlForm<'a> {
    /// How many days ago it was made.
    pub age: i64,
    /// Its number.
    pub number: u64,
    /// The URL of the distribution point that it is for; without one it is for all.
    pub point: Option<&'a str>,
}

impl Default for CrlForm<'_> {
    fn default() -> Self {
        Self { age: 1, number: 1, point: None }
    }
}

impl Pki {
    /// A root of this form.
    pub fn private_ca(&self, name: &str, form: CaForm) -> PrivateCa<'_> {
        PrivateCa { pki: self, name: name.to_owned(), authority: Authority::self_signed(params(name, form)) }
    }
}

impl PrivateCa<'_> {
    /// A CA below this one.
    #[must_use]
    pub fn below(&self, name: &str, form: CaForm) -> Self {
        let authority = self.authority.signs(params(name, form));
        Self { pki: self.pki, name: name.to_owned(), authority }
    }

    /// The certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.authority.der()
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        self.authority.pem()
    }

    /// A file with the certificate.
    pub fn file(&self) -> PathBuf {
        self.pki.write(&format!("{}.pem", self.name.replace(' ', "-")), self.pem())
    }

    /// A server of this CA, without its chain.
    pub fn server(&self) -> ServerIdentity {
        self.pki.keep(&Leaf::server("server", &LOOPBACK), &self.authority)
    }

    /// A client of this CA, without its chain.
    pub fn client(&self, name: &str) -> Client {
        self.pki.keep(&Leaf::client(name), &self.authority)
    }

    /// A server with so many other names besides.
    pub fn server_of_many_names(&self, count: usize) -> ServerIdentity {
        let names: Vec<_> = (0..count).map(|index| format!("a{index}.example")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.pki.keep(&Leaf::server("server", &names), &self.authority)
    }

    /// A server whose revocation is told at this URL.
    pub fn server_at(&self, point: &str) -> ServerIdentity {
        let mut params = Leaf::server("server", &LOOPBACK).params();
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![point.to_owned()] }];
        let kind = keys::KeyKind::P256;
        let key = kind.generate();
        self.pki.keep_written("server", kind, vec![self.authority.sign_as_it_is(&params, &key)], &key)
    }

    /// A revocation list with these certificates on it.
    pub fn list(&self, revoked: &[&[u8]], form: CrlForm<'_>) -> Vec<u8> {
        let from = OffsetDateTime::now_utc() - Duration::days(form.age);
        let point = form.point.map(|point| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![point.to_owned()] },
            scope: None,
        });
        self.authority.list(revoked, (from, from + Duration::days(90)), form.number, point)
    }

    /// A list for all, made at this moment.
    pub fn list_at(&self, revoked: &[&[u8]], from: OffsetDateTime, number: u64) -> Vec<u8> {
        self.authority.list(revoked, (from, from + Duration::days(90)), number, None)
    }

    /// A list that does not say until when it counts. Its signature does not fit.
    pub fn list_without_end(&self) -> Vec<u8> {
        der::without_next_update(&self.list(&[], CrlForm::default()))
    }
}

fn params(name: &str, form: CaForm) -> CertificateParams {
    let mut params = authority_params(name);
    let now = OffsetDateTime::now_utc();
    match form {
        CaForm::Right => {}
        CaForm::Expired => params.not_after = now - Duration::DAY,
        CaForm::Future => params.not_before = now + Duration::DAY,
        CaForm::ForClients => params.extended_key_usages = vec![ClientAuth],
        CaForm::LastOne => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        CaForm::NoCa => params.is_ca = IsCa::ExplicitNoCa,
        CaForm::SignsNothing => params.key_usages = vec![KeyUsagePurpose::CrlSign],
    }
    params
}
